"""Exercise `blocks_visited`: the share of blocks of size × size with at least one allowed pair."""

import math

import numpy as np

from ..core import Case, Exercise, Mistake


def blocks_visited(mask, size):
    """Look into each block."""
    n_q, n_k = mask.shape
    visited = [
        any(mask[p, j] for p in range(a, min(a + size, n_q)) for j in range(b, min(b + size, n_k)))
        for a in range(0, n_q, size)
        for b in range(0, n_k, size)
    ]
    return sum(visited) / len(visited)


def _cases(rng):
    def drawn(n_q, n_k, share, size):
        return Case((rng.uniform(size=(n_q, n_k)) < share, size))

    def band(n, half):
        places = np.arange(n)
        return abs(places[:, None] - places) <= half

    def column(n, every):
        return np.tile(np.arange(n) % every == 0, (n, 1))

    return [
        Case((np.array([[True]]), 1), "one pair"),
        Case((np.eye(2, dtype=bool), 1), "blocks of one pair"),
        Case((np.eye(4, dtype=bool), 2), "the diagonal, in blocks of two"),
        Case((np.zeros((4, 4), dtype=bool), 2), "nothing is allowed"),
        Case((column(6, 2), 2), "every second key: each block has a pair"),
        Case((np.eye(5, dtype=bool), 2), "the last block is smaller"),
        Case((band(8, 1), 4), "a window of one on each side"),
        Case((np.eye(3, dtype=bool), 5), "one block is larger than the mask"),
        Case((band(12, 2)[8:], 4), "four queries and twelve keys"),
        Case((np.eye(7, dtype=bool)[:, :4], 3), "seven queries and four keys"),
        drawn(10, 10, 0.1, 3),
        drawn(17, 23, 0.05, 4),
        drawn(30, 30, 0.02, 5),
        drawn(24, 36, 0.03, 6),
    ]


def _blocks(mask, size, ceil=True):
    """Return the blocks as a list of lists; only full ones if not ``ceil``."""
    n_q, n_k = mask.shape
    up = size - 1 if ceil else 0
    rows, cols = (n_q + up) // size, (n_k + up) // size
    return [
        [mask[a * size : (a + 1) * size, b * size : (b + 1) * size] for b in range(cols)]
        for a in range(rows)
    ]


def _mean(found):
    return sum(found) / len(found) if found else 0.0


_MISTAKES = (
    Mistake(
        "You return the share of allowed *pairs*. One pair is enough for a whole block to be "
        "visited.",
        lambda mask, size: mask.mean(),
    ),
    Mistake(
        "You count the blocks in which *all* pairs are allowed. One pair is enough: `any`.",
        lambda mask, size: _mean([b.all() for row in _blocks(mask, size) for b in row]),
    ),
    Mistake(
        "You leave out the last blocks where they are smaller. They count like any other.",
        lambda mask, size: _mean([b.any() for row in _blocks(mask, size, False) for b in row]),
    ),
    Mistake(
        "You return how many blocks are visited. The share is asked: divide by all blocks.",
        lambda mask, size: sum(b.any() for row in _blocks(mask, size) for b in row),
    ),
    Mistake(
        "You return the share that is *skipped*. Take it from 1.",
        lambda mask, size: 1 - blocks_visited(mask, size),
    ),
    Mistake(
        "You divide by the number of pairs. Divide by the number of blocks.",
        lambda mask, size: sum(b.any() for row in _blocks(mask, size) for b in row) / mask.size,
    ),
    Mistake(
        "You divide by n_q · n_k / size², a fraction where the last blocks are smaller. There are "
        "⌈n_q/size⌉ · ⌈n_k/size⌉ blocks.",
        lambda mask, size: (
            sum(b.any() for row in _blocks(mask, size) for b in row)
            / (mask.shape[0] * mask.shape[1] / size**2)
        ),
    ),
    Mistake(
        "You divide by the square of the blocks of queries. There may be more keys than queries.",
        lambda mask, size: (
            sum(b.any() for row in _blocks(mask, size) for b in row)
            / math.ceil(mask.shape[0] / size) ** 2
        ),
    ),
    Mistake(
        "You take the mean over the visited rows of blocks: a row counts as visited if any of its "
        "blocks is. Look into each block.",
        lambda mask, size: _mean([any(b.any() for b in row) for row in _blocks(mask, size)]),
    ),
)

EXERCISE = Exercise("blocks_visited", blocks_visited, _cases, _MISTAKES, rtol=1e-6)
