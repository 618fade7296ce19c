"""Exercise `stable_softmax`: exp((s - m)/T) / Σ exp((s - m)/T) along an axis, limits included."""

import numpy as np

from ..core import Case, Exercise, Mistake


def _line(s, T):
    """Softmax of one line of scores."""
    if T == 0:
        powers = [float(x == max(s)) for x in s]
    elif np.isinf(T):
        powers = [1.0] * len(s)
    else:
        powers = [np.exp((x - max(s)) / T) for x in s]
    return np.array(powers) / sum(powers)


def stable_softmax(scores, T, axis):
    """Return softmax(scores / T) along the axis; T = 0 splits ties evenly, T = inf is uniform."""
    return np.apply_along_axis(_line, axis, np.asarray(scores, dtype=np.float64), T)


def _cases(rng):
    three, cube = np.array([1.0, 2.0, 3.0]), rng.normal(size=(3, 4, 5)).round(1)
    square, oblong = rng.normal(size=(3, 3)).round(1), rng.normal(size=(2, 4)).round(1)
    tied = np.array([[1.0, 3.0, 3.0], [2.0, 0.0, 0.0]])
    return [
        Case((np.array([0.0, 1.0]), 1.0, 0), "T = 1"),
        Case((three, 2.0, 0), "T = 2"),
        Case((three, 0.5, -1), "T = 0.5"),
        Case((square, 0.7, 1)),
        Case((square, 0.7, 0), "axis 0"),
        Case((oblong, 1.5, -1)),
        Case((oblong, 3.0, 0), "axis 0"),
        Case((np.array([1, 3, 2]), 0.8, 0), "scores that are whole numbers"),
        Case((np.array([[1, 3], [2, 0]]), 0.8, 0), "scores that are whole numbers"),
        Case((cube, 0.3, 1), "three axes"),
        Case((cube, 4.0, 2), "three axes"),
        Case((three, 0.0, 0), "T = 0"),
        Case((oblong, 0.0, -1), "T = 0"),
        Case((tied, 0.0, 1), "T = 0, two scores tie"),
        Case((np.array([4.0, 4.0, 4.0]), 0.0, 0), "T = 0, all scores tie"),
        Case((three, np.inf, 0), "T = inf"),
        Case((oblong, np.inf, 0), "T = inf"),
        Case((cube, np.inf, 2), "T = inf"),
        Case((np.array([1000.0, 999.0]), 1.0, 0), "scores of a thousand"),
        Case((np.array([[2.0, 1.6], [-1.0, 0.0]]), 0.002, 1), "a very low temperature"),
        Case((np.array([-1000.0, -1001.0]), 1.0, 0), "scores far below zero"),
        Case((np.array([[900.0, 899.0], [-900.0, -899.0]]), 1.0, 1), "rows at different heights"),
        Case(
            (np.array([[900.0, -900.0], [899.0, -899.0]]), 2.0, 0), "columns at different heights"
        ),
    ]


def _with(divide=lambda s, T: s / T, shift=None, total=None, cold=None, hot=None, axis=None):
    """Return a softmax that does one of its steps in another way."""

    def wrong(scores, T, axis_):
        ax = axis_ if axis is None else axis
        if T == 0 and cold is not None:
            return cold(scores, ax)
        if np.isinf(T) and hot is not None:
            return hot(scores, ax)
        if T in (0, np.inf):
            return stable_softmax(scores, T, ax)
        top = scores.max(axis=ax, keepdims=True) if shift is None else shift(scores, ax)
        powers = np.exp(divide(scores - top, T))
        return powers / (powers.sum(axis=ax, keepdims=True) if total is None else total(powers, ax))

    return wrong


def _first(scores, axis):
    best = np.expand_dims(scores.argmax(axis=axis), axis)
    return (np.indices(scores.shape)[axis] == best).astype(float)


def _in_dtype_of_scores(scores, T, axis):
    return stable_softmax(scores, T, axis).astype(scores.dtype)


def _formula(scores, T, axis):
    z = (scores - scores.max(axis=axis, keepdims=True)) / T
    return np.exp(z) / np.exp(z).sum(axis=axis, keepdims=True)


def _uniform_at_zero(scores, axis):
    return np.full(scores.shape, 1 / scores.shape[axis])


_MISTAKES = (
    Mistake(
        "The scores are multiplied by T. Divide by it: a high temperature makes the weights even.",
        _with(divide=lambda s, T: s * T),
    ),
    Mistake("The temperature is not used.", _with(divide=lambda s, T: s)),
    Mistake("The temperature is squared: divide by T, once.", _with(divide=lambda s, T: s / T**2)),
    Mistake("`axis` is not used: you always take the last one.", _with(axis=-1)),
    Mistake("`axis` is not used: you always take the first one.", _with(axis=0)),
    Mistake(
        "The weights of the whole array sum to one. Sum along `axis`, with keepdims=True.",
        _with(total=lambda p, ax: p.sum()),
    ),
    Mistake(
        "The weights do not sum to one: divide the exponentials by their sum.",
        _with(total=lambda p, ax: 1.0),
    ),
    Mistake(
        "At T = 0 you give all the weight to the first of several best scores. Split it evenly "
        "among ties.",
        _with(cold=_first),
    ),
    Mistake(
        "At T = 0 each of several best scores gets the weight 1. They share it: divide by their "
        "number.",
        _with(cold=lambda s, ax: (s == s.max(axis=ax, keepdims=True)).astype(float)),
    ),
    Mistake(
        "At T = 0 you divide by zero and get NaN. Treat T = 0 apart: all the weight on the best "
        "score, split evenly among ties.",
        _formula,
    ),
    Mistake(
        "At T = 0 all entries get the same. That is the limit T = inf; at 0 the best wins.",
        _with(cold=_uniform_at_zero),
    ),
    Mistake(
        "At T = inf the weights are 1 and do not sum to one.",
        _with(hot=lambda s, ax: np.ones(s.shape)),
    ),
    Mistake(
        "At T = inf the weights should all be 1/n. You return zeros.",
        _with(hot=lambda s, ax: np.zeros(s.shape)),
    ),
    Mistake(
        "At T = inf you average over the whole array. The share is one over the length of `axis`.",
        _with(hot=lambda s, ax: np.full(s.shape, 1 / s.size)),
    ),
    Mistake(
        "At T = inf you return the best score's vector. That is the limit T = 0.",
        _with(hot=lambda s, ax: stable_softmax(s, 0.0, ax)),
    ),
    Mistake(
        "Large scores, or a low temperature, overflow: inf/inf is NaN. Subtract the greatest score "
        "along the axis before the exponential; the weights stay the same.",
        _with(shift=lambda s, ax: 0.0),
    ),
    Mistake(
        "You subtract the greatest score of the whole array. A line far below it becomes 0/0, "
        "which is NaN. Subtract the greatest score along `axis`, with keepdims=True.",
        _with(shift=lambda s, ax: s.max()),
    ),
    Mistake(
        "Your result has the whole-number dtype of the scores, so the weights are cut off to 0 or "
        "1. Make it with np.zeros(scores.shape).",
        _in_dtype_of_scores,
    ),
)

EXERCISE = Exercise("stable_softmax", stable_softmax, _cases, _MISTAKES)
