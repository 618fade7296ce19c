"""Which positions of a long sequence each rank holds.

    contiguous   rank r holds chunk r of p
    zigzag       rank r holds chunks r and 2p - 1 - r of 2p

Under a causal mask a late query sees many keys and an early one few. In contiguous order the
last of p ranks then has nearly 2p - 1 times as many pairs as the first, and all wait for it.
Zigzag gives each rank an early chunk and the late one that mirrors it: the same number of pairs.

The zigzag order is that of Zhu's ring-flash-attention, and of Llama 3's context parallelism
(Grattafiori et al., 2024, section 3.3.2). Dealing out single positions in turn, as cards, balances
nearly as well: Brandon et al. (2023), "Striped attention".
"""

from math import inf

from ._arrays import check_axis, check_choice, check_count
from ._torch import torch

__all__ = ["chunks", "pieces", "positions", "shard", "tiles", "unshard"]

LAYOUTS = ("contiguous", "zigzag")
BLOCK = 256  # positions in a tile: scores exist for one tile at a time


def chunks(n, rank, world_size, layout="contiguous"):
    """Return the ranges (start, stop) of positions that a rank holds, in the order held.

    Chunk c of C is ``[c n // C, (c + 1) n // C)``, so any length will do: chunks differ by one
    position at most, and may be empty.

    Parameters
    ----------
    n : int, >= 0
        Length of the whole sequence.
    rank : int, from 0 to world_size - 1
        Who asks.
    world_size : int, >= 1
        p, the number of ranks.
    layout : "contiguous" or "zigzag"
        One chunk of p, or two of 2p.

    Returns
    -------
    list of (int, int)

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer or out of range, or the layout has another name.

    Examples
    --------
    >>> [chunks(16, rank, 4, "zigzag") for rank in range(4)]
    [[(0, 2), (14, 16)], [(2, 4), (12, 14)], [(4, 6), (10, 12)], [(6, 8), (8, 10)]]
    """
    n, rank = check_count("n", n), check_count("rank", rank)
    p = check_count("world_size", world_size, least=1)
    check_choice("layout", layout, LAYOUTS)
    if rank >= p:
        raise ValueError(f"rank is {rank} of {p} ranks; it must be from 0 to {p - 1}")
    numbers, parts = ([rank], p) if layout == "contiguous" else ([rank, 2 * p - 1 - rank], 2 * p)
    return [(c * n // parts, (c + 1) * n // parts) for c in numbers]


def positions(n, rank, world_size, *, layout="contiguous"):
    """Return the positions in the whole sequence of what a rank holds, in the order held.

    Position encodings need them: on a shard, ``arange(n / p)`` would be wrong for all ranks but
    the first.

    Parameters
    ----------
    n, rank, world_size, layout
        As for `chunks`.

    Returns
    -------
    torch.Tensor, int64, one-dimensional

    Raises
    ------
    TypeError, ValueError
        As for `chunks`.

    Examples
    --------
    >>> positions(8, 0, 2, layout="zigzag"), positions(8, 1, 2, layout="zigzag")
    (tensor([0, 1, 6, 7]), tensor([2, 3, 4, 5]))
    """
    return torch.cat([torch.arange(*part) for part in chunks(n, rank, world_size, layout)])


def shard(x, rank, world_size, *, layout="contiguous", axis=-2):
    """Return the part of ``x`` that a rank holds: ``x[..., positions, :]``, a copy.

    Parameters
    ----------
    x : torch.Tensor
        Any tensor with an axis of positions, such as q, k or v of shape (B, H, N, D).
    rank, world_size, layout
        As for `chunks`. Lengths that p (zigzag: 2p) does not divide are cut unevenly, by one
        position at most in each chunk.
    axis : int
        The axis of positions.

    Returns
    -------
    torch.Tensor
        Differentiable.

    Raises
    ------
    TypeError, ValueError
        As for `chunks`, or if x is no tensor, or has no such axis.

    Examples
    --------
    >>> shard(torch.arange(5), 1, 2, axis=0)
    tensor([2, 3, 4])
    """
    axis = _check_axis(axis, x, "x")
    held = positions(x.shape[axis], rank, world_size, layout=layout)
    return x.index_select(axis, held.to(x.device))


def unshard(pieces, *, layout="contiguous", axis=-2):
    """Return the whole, from the pieces of all ranks in the order of the ranks: undoes `shard`.

    Parameters
    ----------
    pieces : sequence of torch.Tensor
        What rank 0, 1, ... holds.
    layout : "contiguous" or "zigzag"
        How it was cut.
    axis : int
        The axis of positions.

    Returns
    -------
    torch.Tensor
        Differentiable.

    Raises
    ------
    TypeError, ValueError
        If there are no pieces, or they are no tensors, or `shard` does not cut in such lengths.

    Examples
    --------
    >>> x = torch.arange(12).reshape(6, 2)
    >>> pieces = [shard(x, rank, 3, layout="zigzag") for rank in range(3)]
    >>> bool((unshard(pieces, layout="zigzag") == x).all())
    True
    """
    pieces = list(pieces)
    if not pieces:
        raise ValueError("there are no pieces; one of each rank is needed")
    axes = {_check_axis(axis, piece, f"piece {rank}") for rank, piece in enumerate(pieces)}
    if len(axes) > 1:
        raise ValueError(
            f"the pieces have different numbers of axes: {[tuple(x.shape) for x in pieces]}"
        )
    axis = axes.pop()
    lengths = [piece.shape[axis] for piece in pieces]
    check_lengths(lengths, layout)
    n, p = sum(lengths), len(pieces)
    order = torch.cat([positions(n, rank, p, layout=layout) for rank in range(p)])
    whole = torch.cat(pieces, axis)
    return whole.index_select(axis, order.argsort().to(whole.device))


def pieces(parts, count):
    """Cut what a rank holds, ``parts`` of `chunks`, in pieces; yield their ranges, and where held.

    A piece has its share of every chunk, so that it is as balanced as the whole.

    Examples
    --------
    >>> for ranges, held in pieces(chunks(16, 0, 2, "zigzag"), 2):
    ...     print(ranges, held)
    [(0, 2), (12, 14)] tensor([0, 1, 4, 5])
    [(2, 4), (14, 16)] tensor([2, 3, 6, 7])
    """
    for piece in range(count):
        ranges, held, before = [], [], 0
        for start, stop in parts:
            first, last = ((stop - start) * c // count for c in (piece, piece + 1))
            ranges.append((start + first, start + last))
            held.append(torch.arange(before + first, before + last))
            before += stop - start
        yield ranges, torch.cat(held)


def tiles(queries, keys, ahead=0, *, left=inf, right=inf, block=BLOCK, device=None):
    """Yield the tiles in which some queries may see some keys: i, j, allowed.

    ``queries`` and ``keys`` are ranges of positions, as `chunks` and `pieces` give them; i and j
    are slices into what they hold. ``allowed`` is a mask for the tile, or None if it would allow
    all pairs. Tiles without an allowed pair are left out. The query at position x sees the keys
    from ``x + ahead - left`` to ``x + ahead + right``.

    Examples
    --------
    >>> for i, j, allowed in tiles([(0, 2), (6, 8)], [(4, 7)], right=0):
    ...     print(i, j, allowed)
    slice(2, 4, None) slice(0, 3, None) None
    """
    for i, first_query in _blocks(queries, block):
        for j, first_key in _blocks(keys, block):
            query = torch.arange(i.stop - i.start, device=device)[:, None]
            key = torch.arange(j.stop - j.start, device=device)
            offset = first_key - (first_query + ahead)
            least, most = offset - (len(query) - 1), offset + len(key) - 1
            if most < -left or least > right:
                continue
            if -left <= least and most <= right:
                yield i, j, None
            else:
                distance = offset + key - query
                yield i, j, (-left <= distance) & (distance <= right)


def _blocks(parts, block):
    """Cut ranges of positions in blocks; yield where each is held, and its first position."""
    held = 0
    for start, stop in parts:
        for first in range(start, stop, block):
            length = min(block, stop - first)
            yield slice(held, held + length), first
            held += length


def check_lengths(lengths, layout, what="positions"):
    """Check that ``lengths`` of all ranks are those in which `shard` cuts their sum."""
    check_choice("layout", layout, LAYOUTS)
    n, p = sum(lengths), len(lengths)
    want = [sum(b - a for a, b in chunks(n, rank, p, layout)) for rank in range(p)]
    if list(lengths) != want:
        raise ValueError(
            f"the ranks hold {list(lengths)} {what}; {n} in the layout {layout!r} are {want}, as "
            "shard cuts them"
        )


def _check_axis(axis, x, name):
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"{name} is a {type(x).__name__}, not a PyTorch tensor")
    return check_axis(axis, x, name)
