"""A paged KV cache: memory in blocks of a few tokens, handed out when they are needed.

    token t of a sequence lies in block table[t // block_size], slot t % block_size

as virtual memory does with pages (Kwon et al., 2023, PagedAttention, sections 4.1 to 4.4). A
sequence then wastes less than one block, whatever its length turns out to be. Sequences with a
common beginning share its blocks: a block counts its holders, and who writes into a block with
other holders copies it first (copy-on-write).
"""

from collections import Counter

from ._arrays import check_count
from ._torch import check_tensors, torch


class OutOfBlocks(MemoryError):
    """Too few blocks are free. Nothing was written, and no sequence has changed."""


class PagedCache:
    """Keys and values of many sequences in ``num_blocks`` blocks of ``block_size`` tokens.

    Parameters
    ----------
    num_blocks, block_size : int, >= 1
        Blocks to allocate, at once, and tokens in each.
    num_kv_heads, d_k, d_v : int, >= 1
        Key and value heads, and the widths of a key and a value; d_v is d_k if not given.
    dtype, device : optional
        Of keys and values.

    Attributes
    ----------
    keys, values : tensors, shapes (num_blocks, H_kv, block_size, d_k) and (..., d_v)
        The blocks. A whole block lies in one piece, so that it is read without jumps.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small.

    References
    ----------
    Kwon et al. (2023), "Efficient memory management for large language model serving with
    PagedAttention", section 4.

    Examples
    --------
    >>> import torch
    >>> cache = PagedCache(4, block_size=2, num_kv_heads=1, d_k=1)
    >>> story = cache.new_sequence()
    >>> cache.append(story, torch.ones(1, 3, 1), torch.ones(1, 3, 1))
    >>> twin = cache.fork(story)
    >>> cache.table(twin) == cache.table(story), cache.num_free
    (True, 2)
    >>> cache.append(twin, torch.zeros(1, 1, 1), torch.zeros(1, 1, 1))  # the last block is copied
    >>> cache.table(twin), cache.table(story), cache.num_free
    ([0, 2], [0, 1], 1)
    """

    def __init__(
        self,
        num_blocks,
        *,
        num_kv_heads,
        d_k,
        d_v=None,
        block_size=64,
        dtype=torch.float32,
        device=None,
    ):
        num_blocks = check_count("num_blocks", num_blocks, least=1)
        self.block_size = check_count("block_size", block_size, least=1)
        heads = check_count("num_kv_heads", num_kv_heads, least=1)
        d_k = check_count("d_k", d_k, least=1)
        d_v = d_k if d_v is None else check_count("d_v", d_v, least=1)
        shape = (num_blocks, heads, self.block_size)
        self.keys = torch.zeros((*shape, d_k), dtype=dtype, device=device)
        self.values = torch.zeros((*shape, d_v), dtype=dtype, device=device)
        self._free = list(range(num_blocks))[::-1]  # a stack: the lowest block is on top
        self._holders = Counter()  # block -> number of tables that hold it
        self._tables = {}  # sequence -> its blocks, in order
        self._lengths = {}  # sequence -> its tokens
        self._next = 0
        self.not_finite = set()  # blocks into which a NaN or an inf was written

    @property
    def num_free(self):
        """Blocks that no sequence holds."""
        return len(self._free)

    @property
    def nbytes(self):
        """Bytes allocated, for all blocks."""
        return self.keys.nbytes + self.values.nbytes

    @property
    def unused_slots(self):
        """Slots of held blocks in which no token lies: what paging still wastes."""
        filled = {}  # block -> slots that a sequence with this block uses
        for sequence, table in self._tables.items():
            for i, block in enumerate(table):
                used = min(self.block_size, self._lengths[sequence] - i * self.block_size)
                filled[block] = max(used, filled.get(block, 0))
        return sum(self.block_size - used for used in filled.values())

    def length(self, sequence):
        """Return the number of tokens of a sequence."""
        return self._lengths[self._known(sequence)]

    def table(self, sequence):
        """Return the blocks of a sequence, in order, as a new list."""
        return list(self._tables[self._known(sequence)])

    def contents(self, sequence):
        """Return copies of a sequence's keys (H_kv, n, d_k) and values (H_kv, n, d_v)."""
        table = torch.tensor(self.table(sequence), dtype=torch.long, device=self.keys.device)
        n = self._lengths[sequence]
        return tuple(pool[table].transpose(0, 1).flatten(1, 2)[:, :n] for pool in self._pools)

    def new_sequence(self):
        """Return the number of a new, empty sequence."""
        return self._new([], 0)

    def fork(self, sequence, length=None):
        """Return the number of a new sequence that begins with the tokens of this one.

        Parameters
        ----------
        sequence : int
            The sequence to share with.
        length : int, optional
            How many of its tokens to share; all if not given.

        Raises
        ------
        KeyError
            If there is no such sequence.
        TypeError, ValueError
            If the length is not an integer, or the sequence is shorter.
        """
        whole = self.length(sequence)
        length = whole if length is None else check_count("length", length)
        if length > whole:
            raise ValueError(f"length is {length}, but sequence {sequence} has {whole} tokens")
        shared = self._tables[sequence][: -(-length // self.block_size)]
        self._holders.update(shared)
        return self._new(list(shared), length)

    def free(self, sequence):
        """Forget a sequence; blocks that nobody else holds become free.

        Raises
        ------
        KeyError
            If there is no such sequence.
        """
        table = self._tables.pop(self._known(sequence))
        del self._lengths[sequence]
        for block in reversed(table):
            self._release(block)

    def append(self, sequences, k, v):
        """Write the next tokens of one sequence, or as many tokens of each of several.

        Parameters
        ----------
        sequences : int, or sequence of B different ints
            Whose tokens these are.
        k, v : tensors, shapes (B, H_kv, n, d_k) and (B, H_kv, n, d_v); for one int without B
            Keys and values of the next n tokens of each.

        Raises
        ------
        OutOfBlocks
            If too few blocks are free. Nothing was written then, for none of the sequences.
        KeyError
            If there is no such sequence.
        TypeError, ValueError
            If shapes, dtype or device do not fit, or a sequence is named twice.
        RuntimeError
            If a gradient is wanted: a cache is written in place.
        """
        if isinstance(sequences, int):
            sequences, k, v = [sequences], k[None], v[None]
        self._check(sequences, k, v)
        n = k.shape[2]
        self._reserve(sequences, n)
        blocks, slots = [], []
        for sequence in sequences:
            first = self._lengths[sequence]
            for token in range(first, first + n):
                blocks.append(self._tables[sequence][token // self.block_size])
                slots.append(token % self.block_size)
            self._lengths[sequence] += n
        places = torch.tensor([blocks, slots], dtype=torch.long, device=self.keys.device)
        for pool, new in zip(self._pools, (k, v), strict=True):
            pool[places[0], :, places[1]] = new.transpose(1, 2).flatten(0, 1)
        if not (torch.isfinite(k).all() and torch.isfinite(v).all()):
            self.not_finite.update(blocks)

    @property
    def _pools(self):
        return self.keys, self.values

    def _new(self, table, length):
        sequence, self._next = self._next, self._next + 1
        self._tables[sequence], self._lengths[sequence] = table, length
        return sequence

    def _known(self, sequence):
        if sequence not in self._tables:
            raise KeyError(f"there is no sequence {sequence!r}; there are {sorted(self._tables)}")
        return sequence

    def _reserve(self, sequences, n):
        """Give each sequence blocks of its own to write n tokens into, or raise OutOfBlocks."""
        to_copy, to_add, leaving = [], {}, Counter()
        for sequence in sequences:
            table, length = self._tables[sequence], self._lengths[sequence]
            to_add[sequence] = -(-(length + n) // self.block_size) - len(table)
            if n and length % self.block_size:
                last = table[-1]
                if self._holders[last] - leaving[last] > 1:  # the last holder may write into it
                    leaving[last] += 1
                    to_copy.append(sequence)
        needed = sum(to_add.values()) + len(to_copy)
        if needed > self.num_free:
            raise OutOfBlocks(
                f"{needed} blocks are needed and {self.num_free} of {len(self.keys)} are free; "
                "free a sequence, or make the cache with more blocks"
            )
        for sequence in to_copy:
            table = self._tables[sequence]
            old, table[-1] = table[-1], self._take()
            for pool in self._pools:
                pool[table[-1]] = pool[old]
            if old in self.not_finite:
                self.not_finite.add(table[-1])
            self._release(old)
        for sequence, number in to_add.items():
            self._tables[sequence] += [self._take() for _ in range(number)]

    def _take(self):
        block = self._free.pop()
        self._holders[block] = 1
        for pool in self._pools:
            pool[block] = 0  # what the last holder left, NaN perhaps, must not be read by the next
        self.not_finite.discard(block)
        return block

    def _release(self, block):
        self._holders[block] -= 1
        if not self._holders[block]:
            del self._holders[block]
            self._free.append(block)

    def _check(self, sequences, k, v):
        for sequence in sequences:
            self._known(sequence)
        if len(set(sequences)) < len(sequences):
            raise ValueError(f"each sequence may be named once; got {list(sequences)}")
        check_tensors(k=k, v=v, **{"the cache": self.keys})
        heads, d_k, d_v = self.keys.shape[1], self.keys.shape[-1], self.values.shape[-1]
        lead, n = (len(sequences), heads), k.shape[2:3]
        if k.shape != (*lead, *n, d_k) or v.shape != (*lead, *n, d_v):
            raise ValueError(
                f"k has shape {tuple(k.shape)} and v {tuple(v.shape)}; for {len(sequences)} "
                f"sequences they must be {(*lead, 'n', d_k)} and {(*lead, 'n', d_v)}"
            )
        if torch.is_grad_enabled() and (k.requires_grad or v.requires_grad):
            raise RuntimeError(
                "a cache is written in place, so no gradient can flow through it; "
                "decode under torch.no_grad()"
            )
