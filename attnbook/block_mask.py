"""Block masks: which blocks of keys each block of queries has to visit, and what it may see there.

    visited = blocks with an allowed pair        density = visited blocks / all blocks

A block that is allowed in full needs no mask. Only a partial block keeps a boolean tile, so the
n_q × n_k array is never made. Child, Gray, Radford and Sutskever (2019), section 5.5.
"""

from dataclasses import dataclass

from ._arrays import check_count
from ._torch import torch
from .masks import check_window, in_window


@dataclass(frozen=True, eq=False, repr=False)
class BlockMask:
    """A mask over n_q queries and n_k keys, kept as a list of blocks; `from_mask` makes one.

    The last block of queries or of keys is smaller if the block size does not divide their number.
    ``mask & other`` is the intersection of two block masks of the same sizes.

    Parameters
    ----------
    n_q, n_k : int, >= 0
        Numbers of queries and of keys.
    block_size : int, >= 1
        Queries in a block, and keys in a block.
    rows : tuple of dict
        One for each block of queries. ``rows[i][j]`` is there if block j of keys is visited:
        None if every pair is allowed, else a bool tensor (queries, keys). The js ascend.

    Examples
    --------
    >>> mask = BlockMask.from_window(4, right=0, block_size=2)  # causal
    >>> mask
    BlockMask(4 x 4 in blocks of 2: 3 of 4 visited, 2 of them partial)
    >>> [list(row) for row in mask.rows], mask.density, mask.pairs
    ([[0], [0, 1]], 0.75, 10)
    """

    n_q: int
    n_k: int
    block_size: int
    rows: tuple

    @classmethod
    def from_mask(cls, mask, block_size=128):
        """Return the block mask of a bool tensor (n_q, n_k), True = may attend.

        Raises
        ------
        TypeError, ValueError
            If the mask is no bool tensor, or has not two axes, or the block size is less than 1.
        """
        block_size = check_count("block_size", block_size, least=1)
        if not isinstance(mask, torch.Tensor) or mask.dtype != torch.bool:
            kind = mask.dtype if isinstance(mask, torch.Tensor) else type(mask).__name__
            raise TypeError(f"mask is {kind}; it must be a bool tensor, True = may attend")
        if mask.ndim != 2:
            raise ValueError(f"mask has shape {tuple(mask.shape)}; it must be (n_q, n_k)")
        n_q, n_k = mask.shape
        strips = (mask[_span(i, block_size, n_q)] for i in _blocks(n_q, block_size))
        return cls(n_q, n_k, block_size, tuple(_row(strip, block_size) for strip in strips))

    @classmethod
    def from_rule(cls, rule, n_q, n_k=None, *, block_size=128, device=None):
        """Return the block mask of ``rule(position, key)``, that of a `Pattern` for instance.

        Query i stands at position i + n_k - n_q. The rule is asked once for each pair, one row of
        blocks at a time: make the block mask once, and use it often.

        Raises
        ------
        TypeError, ValueError
            If a number is not an integer, or is too small.
        """
        n_q, n_k, block_size = _check_sizes(n_q, n_k, block_size)
        key = torch.arange(n_k, device=device)[None, :]
        rows = []
        for i in _blocks(n_q, block_size):
            queries = _span(i, block_size, n_q)
            position = torch.arange(queries.start, queries.stop, device=device) + (n_k - n_q)
            every = torch.ones(len(position), n_k, dtype=torch.bool, device=device)
            rows.append(_row(every & rule(position[:, None], key), block_size))
        return cls(n_q, n_k, block_size, tuple(rows))

    @classmethod
    def from_window(cls, n_q, n_k=None, *, left=None, right=None, block_size=128, device=None):
        """Return the block mask of `window_mask`, causal with ``right=0``.

        Whole blocks follow from their corners: only the pairs of partial blocks are looked at.

        Raises
        ------
        TypeError, ValueError
            If a number is not an integer, or is too small.
        """
        n_q, n_k, block_size = _check_sizes(n_q, n_k, block_size)
        left, right = check_window((left, right))
        rows = []
        for i in _blocks(n_q, block_size):
            queries = _span(i, block_size, n_q)
            position = torch.arange(queries.start, queries.stop, device=device) + (n_k - n_q)
            first, last = queries.start + n_k - n_q, queries.stop - 1 + n_k - n_q
            start = 0 if left is None else max(0, first - left)
            stop = n_k if right is None else min(n_k, last + right + 1)
            row = {}
            for j in range(start // block_size, -(-stop // block_size)):
                keys = _span(j, block_size, n_k)
                whole = (left is None or keys.start >= last - left) and (
                    right is None or keys.stop - 1 <= first + right
                )
                key = torch.arange(keys.start, keys.stop, device=device)
                row[j] = None if whole else in_window(position[:, None], key, left, right)
            rows.append(row)
        return cls(n_q, n_k, block_size, tuple(rows))

    def __and__(self, other):
        if not isinstance(other, BlockMask):
            return NotImplemented
        mine, its = ((m.n_q, m.n_k, m.block_size) for m in (self, other))
        if mine != its:
            raise ValueError(
                f"two block masks must have one (n_q, n_k, block_size); got {mine} and {its}"
            )
        rows = []
        for a, b in zip(self.rows, other.rows, strict=True):
            both = {j: _both(a[j], b[j]) for j in a if j in b}
            rows.append({j: tile for j, tile in both.items() if tile is None or tile.any()})
        return BlockMask(*mine, tuple(rows))

    def visits(self, max_keys):
        """Yield what to visit, block of queries by block of queries.

        Parameters
        ----------
        max_keys : int
            How many keys to visit at a time; a block is never split.

        Yields
        ------
        queries : slice
            A block of queries.
        runs : list of slice
            Keys of the blocks that it visits, where neighbouring blocks are one run.
        allowed : bool tensor (queries, keys of all the runs), or None
            None if every pair is allowed.
        """
        together = max(1, max_keys // self.block_size)
        for i, row in enumerate(self.rows):
            queries, visited = _span(i, self.block_size, self.n_q), list(row)
            for at in range(0, len(visited), together):
                part = visited[at : at + together]
                spans = [_span(j, self.block_size, self.n_k) for j in part]
                yield queries, _runs(spans), _beside([row[j] for j in part], queries, spans)

    def to_mask(self):
        """Return the mask as one bool tensor (n_q, n_k)."""
        mask = torch.zeros(self.n_q, self.n_k, dtype=torch.bool, device=self.device)
        for queries, (keys,), allowed in self.visits(max_keys=0):
            mask[queries, keys] = True if allowed is None else allowed
        return mask

    @property
    def density(self):
        """Visited blocks / all blocks; 0 if there are none."""
        blocks = len(self.rows) * len(_blocks(self.n_k, self.block_size))
        return sum(map(len, self.rows)) / blocks if blocks else 0.0

    @property
    def pairs(self):
        """How many pairs of query and key are allowed."""
        return sum(
            (q.stop - q.start) * (k.stop - k.start) if allowed is None else int(allowed.sum())
            for q, (k,), allowed in self.visits(max_keys=0)
        )

    @property
    def nbytes(self):
        """Bytes of the tiles of partial blocks; the lists take some 100 bytes a block besides."""
        return sum(tile.nbytes for tile in self._tiles())

    @property
    def device(self):
        """The device of the tiles; None if no block is partial."""
        return next((tile.device for tile in self._tiles()), None)

    def _tiles(self):
        return (tile for row in self.rows for tile in row.values() if tile is not None)

    def __repr__(self):
        visited = sum(map(len, self.rows))
        return (
            f"BlockMask({self.n_q} x {self.n_k} in blocks of {self.block_size}: {visited} of "
            f"{len(self.rows) * len(_blocks(self.n_k, self.block_size))} visited, "
            f"{sum(1 for _ in self._tiles())} of them partial)"
        )


def _check_sizes(n_q, n_k, block_size):
    n_q = check_count("n_q", n_q)
    n_k = n_q if n_k is None else check_count("n_k", n_k)
    return n_q, n_k, check_count("block_size", block_size, least=1)


def _blocks(n, block_size):
    return range(-(-n // block_size))


def _span(block, block_size, n):
    return slice(block * block_size, min((block + 1) * block_size, n))


def _row(strip, block_size):
    """Return the blocks to visit in a strip (queries, n_k) of the mask."""
    row = {}
    seen = strip.sum(0)  # by how many queries, for each key
    for j in _blocks(strip.shape[1], block_size):
        keys = _span(j, block_size, strip.shape[1])
        pairs, size = int(seen[keys].sum()), strip[:, keys].numel()
        if pairs == size:
            row[j] = None
        elif pairs:
            row[j] = strip[:, keys].clone()  # a view would keep the whole strip in memory
    return row


def _both(a, b):
    """Return the intersection of two tiles; None is a whole block."""
    if a is None or b is None:
        return b if a is None else a
    return a & b


def _runs(spans):
    """Join neighbouring slices."""
    runs = []
    for span in spans:
        if runs and runs[-1].stop == span.start:
            span = slice(runs.pop().start, span.stop)
        runs.append(span)
    return runs


def _beside(tiles, queries, spans):
    """Return the tiles side by side, None if all of them are whole."""
    some = next((tile for tile in tiles if tile is not None), None)
    if some is None:
        return None
    height = queries.stop - queries.start
    whole = [some.new_ones(height, span.stop - span.start) for span in spans]
    return torch.cat([w if t is None else t for t, w in zip(tiles, whole, strict=True)], 1)
