"""Exercise `bytes_moved`: 2 (2nd + ⌈n/B_q⌉ 2nd) + 4n bytes for each tile size B_q."""

import numpy as np

from ..core import Case, Exercise, Mistake


def bytes_moved(n, d, tiles):
    """Count the bytes of tiled attention, numbers of 2 bytes, trip by trip."""
    counts = []
    for block in tiles:
        total = 0
        for start in range(0, n, int(block)):
            rows = min(start + int(block), n) - start
            total += 2 * rows * d  # the queries of the tile
            total += 2 * n * d + 2 * n * d  # all keys and values
            total += 2 * rows * d + 4 * rows  # the output, and a log-sum-exp for each query
        counts.append(total)
    return np.array(counts)


def _cases(rng):
    def drawn(n, d, count):
        return Case((n, d, np.sort(rng.integers(1, n + 1, size=count))))

    return [
        Case((1, 1, np.array([1])), "one token of width 1"),
        Case((4, 1, np.array([2, 4])), "tiles of two and of four queries"),
        Case((4, 2, np.array([1, 2, 4]))),
        Case((5, 2, np.array([2])), "the last tile is not full"),
        Case((7, 3, np.array([2, 3, 5])), "the last tile is not full"),
        Case((6, 4, np.array([8, 100])), "the tile is larger than n"),
        drawn(50, 3, 4),
        drawn(300, 8, 6),
        Case((1024, 64, 2 ** np.arange(4, 11))),
    ]


def _with(trips=lambda n, b: -(-n // b), own=2, past=2, size=2, per_query=4.0, square=0.0):
    """Return a count with another number of trips, or of things that move."""

    def wrong(n, d, tiles):
        b = np.asarray(tiles)
        moved = own * n * d + trips(n, b) * past * n * d + square * n * n
        return size * moved + per_query * n

    return wrong


_MISTAKES = (
    Mistake(
        "You round the number of tiles down. The last tile may be partly full, and reads all keys "
        "all the same: round up.",
        _with(trips=lambda n, b: n // b),
    ),
    Mistake(
        "The number of tiles is a fraction. The last tile may be partly full, and reads all keys "
        "all the same: round up.",
        _with(trips=lambda n, b: n / b),
    ),
    Mistake(
        "You count one tile too many where the tiles fit exactly: ⌈n/B⌉, not n // B + 1.",
        _with(trips=lambda n, b: n // b + 1),
    ),
    Mistake(
        "You count the keys and values once. They go by once for *each tile* of queries.",
        _with(trips=lambda n, b: np.ones(b.shape)),
    ),
    Mistake(
        "You count the keys and values once for each query. A tile of queries shares one reading.",
        _with(trips=lambda n, b: n * np.ones(b.shape)),
    ),
    Mistake(
        "You multiply by the size of a tile. The number of readings is the number of *tiles*, "
        "⌈n/B⌉.",
        _with(trips=lambda n, b: b * 1.0),
    ),
    Mistake(
        "You count the keys or the values, not both: 2nd numbers for each tile of queries.",
        _with(past=1),
    ),
    Mistake("You count the queries or the output, not both: 2nd numbers in all.", _with(own=1)),
    Mistake("The queries and the output are missing: 2nd numbers.", _with(own=0)),
    Mistake(
        "You count numbers. A number has 2 bytes, and a log-sum-exp 4.", _with(size=1, per_query=1)
    ),
    Mistake("You count 4 bytes for each number. These have 2.", _with(size=4)),
    Mistake("The log-sum-exps are missing: n of them, of 4 bytes each.", _with(per_query=0.0)),
    Mistake("A log-sum-exp has 4 bytes, not 2: it is kept in 32 bits.", _with(per_query=2.0)),
    Mistake("You count a matrix of n × n scores. In tiles it is never written.", _with(square=2.0)),
    Mistake(
        "You count the form that is written out, 2 (4nd + 4n²). Its matrix is never written here.",
        lambda n, d, tiles: np.full(len(tiles), 8.0 * n * d + 8.0 * n * n),
    ),
)

EXERCISE = Exercise("bytes_moved", bytes_moved, _cases, _MISTAKES, rtol=1e-9)
