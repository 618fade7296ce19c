"""Exercise `blocked`: a causal and padding mask for a function in which True means hidden."""

import numpy as np

from ..core import Case, Exercise, Mistake


def blocked(lengths, n):
    """Return whether key j is hidden from query i: j > i, or j is before sequence b begins."""
    return np.array(
        [[[j > i or j < n - length for j in range(n)] for i in range(n)] for length in lengths]
    ).reshape(len(lengths), n, n)


def _cases(rng):
    def drawn(batch, n):
        return Case((rng.integers(1, n + 1, size=batch), n))

    return [
        Case((np.array([2]), 2), "no padding"),
        Case((np.array([2]), 3), "one sequence, one row of padding"),
        Case((np.array([1]), 3), "one sequence, two rows of padding"),
        Case((np.array([3, 1]), 3)),
        Case((np.array([1, 2, 3]), 3), "as many sequences as tokens"),
        Case((np.array([0, 2]), 4), "an empty sequence"),
        drawn(3, 5),
        drawn(4, 6),
        drawn(6, 4),
        Case((np.array([5, 2, 4, 1, 3]), 5), "as many sequences as tokens"),
        Case((np.array([7]), 7), "no padding"),
    ]


def _with(rule):
    """Return a mask by another rule of (i, j, the first true key)."""

    def wrong(lengths, n):
        first = n - np.asarray(lengths)[:, None, None]
        i, j = np.arange(n)[None, :, None], np.arange(n)[None, None, :]
        return np.zeros((len(lengths), n, n), dtype=bool) | rule(i, j, first)

    return wrong


_MISTAKES = (
    Mistake(
        "The polarity is that of this book, True = may attend. The function that gets this mask "
        "hides what is True: invert it.",
        _with(lambda i, j, first: (j <= i) & (j >= first)),
    ),
    Mistake(
        "You inverted each mask and joined them by *and*. A pair is hidden if *either* rule hides "
        "it: not (A and B) is (not A) or (not B).",
        _with(lambda i, j, first: (j > i) & (j < first)),
    ),
    Mistake(
        "You joined what is allowed by *or*, and marked that. A pair must be allowed by both "
        "rules, and True means hidden here.",
        _with(lambda i, j, first: (j <= i) | (j >= first)),
    ),
    Mistake(
        "The padding is missing: the first n - lengths[b] keys are hidden from everybody.",
        _with(lambda i, j, first: j > i),
    ),
    Mistake(
        "The causal part is missing: a key after the query is hidden.",
        _with(lambda i, j, first: j < first),
    ),
    Mistake(
        "You hide padding *queries*. It is as a key that padding must not be seen: here the true "
        "queries still see it.",
        _with(lambda i, j, first: (j > i) | (i < first)),
    ),
    Mistake(
        "A token is hidden from itself. Hide the keys *after* the query: j > i.",
        _with(lambda i, j, first: (j >= i) | (j < first)),
    ),
    Mistake(
        "The triangle is turned around: you hide the past and show the future.",
        _with(lambda i, j, first: (j < i) | (j < first)),
    ),
    Mistake(
        "The causal part is one key too wide: key i + 1 is in the future of query i.",
        _with(lambda i, j, first: (j > i + 1) | (j < first)),
    ),
    Mistake(
        "The first true key is hidden. With n = 5 and a length of 3 the padding is keys 0 and 1.",
        _with(lambda i, j, first: (j > i) | (j <= first)),
    ),
    Mistake(
        "The last row of padding is not hidden. With n = 5 and a length of 3 it is keys 0 and 1.",
        _with(lambda i, j, first: (j > i) | (j < first - 1)),
    ),
    Mistake(
        "You hide keys from lengths[b] on, as if the padding stood behind the sequence. Here it "
        "stands in front.",
        lambda lengths, n: _behind(np.asarray(lengths), n),
    ),
    Mistake(
        "You hide the true keys and show the padding.",
        _with(lambda i, j, first: (j > i) | (j >= first)),
    ),
)


def _behind(lengths, n):
    future = np.triu(np.ones((n, n), dtype=bool), 1)
    return future | (np.arange(n) >= lengths[:, None])[:, None, :]


EXERCISE = Exercise("blocked", blocked, _cases, _MISTAKES)
