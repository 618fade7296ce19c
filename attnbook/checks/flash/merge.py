"""Exercise `merge`: attention over two sets of keys, out of attention over each.

λ = log(e^{λ_a} + e^{λ_b}),  output = e^{λ_a - λ} output_a + e^{λ_b - λ} output_b
"""

from math import exp, inf, log

import numpy as np

from ..core import Case, Exercise, Mistake


def merge(out_a, lse_a, out_b, lse_b):
    """Return output and log-sum-exp over both sets: 0 and -inf for a row that sees neither."""
    out, lse = np.zeros(np.shape(out_a)), np.full(np.shape(lse_a), -inf)
    for i, (a, b) in enumerate(zip(lse_a, lse_b, strict=True)):
        if max(a, b) > -inf:
            lse[i] = max(a, b) + log(exp(a - max(a, b)) + exp(b - max(a, b)))
            out[i] = exp(a - lse[i]) * out_a[i] + exp(b - lse[i]) * out_b[i]
    return out, lse


def _cases(rng):
    def drawn(n, d, about=0.0, spread=1.0, none_a=(), none_b=()):
        out_a, out_b = rng.normal(size=(2, n, d)).round(1)
        lse_a, lse_b = (about + spread * rng.normal(size=(2, n))).round(1)
        for out, lse, rows in ((out_a, lse_a, none_a), (out_b, lse_b, none_b)):
            lse[list(rows)], out[list(rows)] = -inf, 0.0
        return out_a, lse_a, out_b, lse_b

    one, three = np.array([[1.0]]), np.array([[3.0]])
    return [
        Case((one, np.array([0.0]), three, np.array([1.0]))),
        Case((one, np.array([2.0]), three, np.array([2.0])), "equal log-sum-exps"),
        Case(drawn(2, 1)),
        Case(drawn(2, 3)),
        Case(drawn(3, 3, spread=2.0)),
        Case(drawn(6, 4, about=3.0, spread=2.0)),
        Case(drawn(9, 2, about=-3.0, spread=2.0)),
        Case(drawn(2, 2, about=900.0), "log-sum-exps of hundreds"),
        Case(drawn(4, 3, about=-900.0), "log-sum-exps far below zero"),
        Case(drawn(2, 2, spread=800.0), "rows at different heights"),
        Case(drawn(2, 1, none_a=[1]), "row 1 sees nothing of a"),
        Case(drawn(4, 2, none_a=[0], none_b=[2]), "row 0 sees nothing of a, row 2 nothing of b"),
        Case(drawn(2, 1, none_a=[1], none_b=[1]), "row 1 sees nothing at all"),
        Case(drawn(5, 3, none_a=[1, 3, 4], none_b=[0, 3, 4]), "rows 3 and 4 see nothing at all"),
    ]


def _with(weigh, total=None):
    """Return a merge with other weights, or another log-sum-exp; rows without keys stay empty."""

    def wrong(out_a, lse_a, out_b, lse_b):
        w_a, w_b = weigh(lse_a, lse_b)
        lse = np.logaddexp(lse_a, lse_b) if total is None else total(lse_a, lse_b)
        return w_a[:, None] * out_a + w_b[:, None] * out_b, lse

    return wrong


def _right(a, b):
    both = np.logaddexp(a, b)
    both = np.where(np.isinf(both), 0.0, both)
    return np.exp(a - both), np.exp(b - both)


def _unguarded(a, b):
    return np.exp(a - np.logaddexp(a, b)), np.exp(b - np.logaddexp(a, b))


def _unguarded_total(a, b):
    top = np.maximum(a, b)
    return top + np.log(np.exp(a - top) + np.exp(b - top))


def _under_top(a, b):
    top = np.where(np.isinf(np.maximum(a, b)), 0.0, np.maximum(a, b))
    return np.exp(a - top), np.exp(b - top)


def _plain(a, b):
    return np.exp(a) / (np.exp(a) + np.exp(b)), np.exp(b) / (np.exp(a) + np.exp(b))


def _plain_safe(a, b):
    total = np.exp(a) + np.exp(b)
    total = np.where(total == 0, 1.0, total)
    return np.exp(a) / total, np.exp(b) / total


def _plain_total(a, b):
    return np.log(np.exp(a) + np.exp(b))


_NO_NAN = (
    "A row that sees nothing on either side gives NaN: -inf - (-inf) is not a number. Subtract 0 "
    "where both are -inf; such a row is 0, and its log-sum-exp -inf."
)
_OVERFLOW = (
    "Log-sum-exps of hundreds overflow, and far below zero all is rounded to 0: inf/inf and 0/0 "
    "are NaN. Subtract the greater of the two first; the weights stay the same."
)
_LSE_ADDED = (
    "You add the log-sum-exps. The *sums of exponentials* add up: log(e^a + e^b), which "
    "np.logaddexp computes."
)
_MISTAKES = (
    Mistake(
        "You take the plain mean of the outputs. Each counts as much as its sum of exponentials, "
        "exp(lse).",
        _with(lambda a, b: (np.full(a.shape, 0.5), np.full(a.shape, 0.5))),
    ),
    Mistake(
        "You add the outputs. Each is a mean already: weigh them so that the weights sum to one.",
        _with(lambda a, b: (np.ones(a.shape), np.ones(a.shape))),
    ),
    Mistake(
        "The weights are swapped: the output of a goes with exp(lse_a - lse).",
        _with(lambda a, b: _right(a, b)[::-1]),
    ),
    Mistake(_LSE_ADDED, _with(_right, lambda a, b: a + b)),
    Mistake(
        _LSE_ADDED + " The weights that you make of them do not sum to one.",
        _with(lambda a, b: (np.exp(a - (a + b)), np.exp(b - (a + b))), lambda a, b: a + b),
    ),
    Mistake(
        "The outputs are right, but as the log-sum-exp of both you return the greater one. It is "
        "log(e^a + e^b).",
        _with(_right, np.maximum),
    ),
    Mistake(
        "The outputs are right, but the log-sum-exp still stands under the greater of the two: add "
        "it again, after the logarithm.",
        _with(_right, lambda a, b: np.log(sum(_under_top(a, b)))),
    ),
    Mistake(
        "The outputs are right, but you average the log-sum-exps. Together the keys have more "
        "weight, not less: log(e^a + e^b).",
        _with(_right, lambda a, b: (a + b) / 2),
    ),
    Mistake(
        "You weigh by the log-sum-exps themselves. Take their exponentials, as a softmax does.",
        _with(lambda a, b: (a / (a + b), b / (a + b))),
    ),
    Mistake(
        "The weights do not sum to one: divide the exponentials by their sum.", _with(_under_top)
    ),
    Mistake(
        "The outputs are multiplied by exp(lse), and not divided by the sum of both. That is what "
        "a state (m, ℓ, o) keeps; an output is a mean.",
        _with(lambda a, b: (np.exp(a), np.exp(b))),
    ),
    Mistake(
        "You give all weight to the output with the greater log-sum-exp. Both count: a soft lookup "
        "with two entries.",
        _with(lambda a, b: ((a >= b) * 1.0, (a < b) * 1.0)),
    ),
    Mistake(_NO_NAN, _with(_unguarded)),
    Mistake(_NO_NAN, _with(_unguarded, _unguarded_total)),
    Mistake(_NO_NAN, _with(_right, _unguarded_total)),
    Mistake(_OVERFLOW, _with(_plain_safe, _plain_total)),
    Mistake(_OVERFLOW, _with(_plain_safe)),
    Mistake(
        _OVERFLOW + " And guard rows that see nothing on either side.", _with(_plain, _plain_total)
    ),
    Mistake(_OVERFLOW + " And guard rows that see nothing on either side.", _with(_plain)),
)

EXERCISE = Exercise("merge", merge, _cases, _MISTAKES)
