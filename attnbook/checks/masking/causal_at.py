"""Exercise `causal_at`: the causal mask of queries whose positions are given: j <= p_i."""

import numpy as np

from ..core import Case, Exercise, Mistake


def causal_at(positions, n_k):
    """Return whether key j may be attended to by the query at position p_i: j <= p_i."""
    return np.array([[j <= p for j in range(n_k)] for p in positions], dtype=bool).reshape(
        len(positions), n_k
    )


def _cases(rng):
    def drawn(n_q, n_k):
        return np.sort(rng.choice(n_k, size=n_q, replace=False)), n_k

    return [
        Case((np.array([0, 1]), 2), "as many queries as keys"),
        Case((np.array([3, 4]), 5), "the last two positions"),
        Case((np.array([4]), 5), "one query, the newest"),
        Case((np.array([2, 3]), 6), "a cache with room for two more keys"),
        Case((np.array([1]), 5), "a cache with room for three more keys"),
        Case((np.array([0, 3]), 5), "not neighbors"),
        Case((np.array([4, 1, 2]), 6), "not in order"),
        Case(drawn(3, 7)),
        Case(drawn(5, 9)),
        Case((np.arange(2, 8), 8), "the last six positions"),
        Case((np.arange(6), 6), "as many queries as keys"),
        Case((np.array([7, 8, 9]), 16), "a cache with room for six more keys"),
        Case((np.array([3, 0, 5, 5]), 6), "two queries at one position"),
    ]


def _with(rule):
    """Return a mask by another rule of (i, p, j, n_q, n_k)."""

    def wrong(positions, n_k):
        i, n_q = np.arange(len(positions))[:, None], len(positions)
        allowed = rule(i, np.asarray(positions)[:, None], np.arange(n_k)[None, :], n_q, n_k)
        return np.ones((n_q, n_k), dtype=bool) & allowed

    return wrong


_MISTAKES = (
    Mistake(
        "You align to the upper left: query i sees keys up to i. It stands at positions[i], and "
        "sees keys up to there.",
        _with(lambda i, p, j, n_q, n_k: j <= i),
    ),
    Mistake(
        "You align to the lower right, as if the last query stood at the last key. A cache may "
        "have room behind the queries: compare j with positions[i].",
        _with(lambda i, p, j, n_q, n_k: j <= i + n_k - n_q),
    ),
    Mistake(
        "You count on from the first position. The queries need not be neighbors: compare j with "
        "positions[i], each for itself.",
        _with(lambda i, p, j, n_q, n_k: j <= p[0] + i),
    ),
    Mistake(
        "A query does not see the key at its own position. It is allowed: j <= positions[i].",
        _with(lambda i, p, j, n_q, n_k: j < p),
    ),
    Mistake(
        "A query sees one key too many, that of the position after its own. np.arange(n_k) starts "
        "at 0, as positions do: j <= positions[i].",
        _with(lambda i, p, j, n_q, n_k: j <= p + 1),
    ),
    Mistake(
        "The mask is inverted: here True means *may attend*, and you mark what is hidden.",
        _with(lambda i, p, j, n_q, n_k: j > p),
    ),
    Mistake(
        "The inequality is turned around: the queries see the future and not the past.",
        _with(lambda i, p, j, n_q, n_k: j >= p),
    ),
    Mistake(
        "Every query sees what the last of them may see. Each has a limit of its own.",
        _with(lambda i, p, j, n_q, n_k: j <= p.max()),
    ),
    Mistake(
        "Every query sees all keys. A query at position p sees keys 0 to p.",
        _with(lambda i, p, j, n_q, n_k: True),
    ),
    Mistake(
        "You allow the key at the query's own position alone. All before it are allowed too.",
        _with(lambda i, p, j, n_q, n_k: j == p),
    ),
    Mistake(
        "The positions are sorted first. Row i belongs to query i, wherever it stands.",
        _with(lambda i, p, j, n_q, n_k: j <= np.sort(p, axis=0)),
    ),
    Mistake(
        "Rows and columns are exchanged: one row for each query, one column for each key.",
        lambda positions, n_k: causal_at(positions, n_k).T,
    ),
)

EXERCISE = Exercise("causal_at", causal_at, _cases, _MISTAKES)
