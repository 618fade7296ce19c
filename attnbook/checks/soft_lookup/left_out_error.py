"""Exercise `left_out_error`: the mean of (y_i - ŷ(x_i))², ŷ made from the other points."""

import numpy as np

from ..core import Case, Exercise, Mistake
from .kernel_regression import kernel_regression


def left_out_error(x, y, h):
    """Return the mean squared error of predicting each point from all others."""
    errors = []
    for i in range(len(x)):
        others = [j for j in range(len(x)) if j != i]
        guess = kernel_regression(x[i : i + 1], x[others], y[others], h)[0]
        errors.append((guess - y[i]) ** 2)
    return sum(errors) / len(errors)


def _cases(rng):
    def drawn(n, h):
        return np.sort(rng.uniform(0, 6, n)).round(1), rng.normal(size=n).round(1), h

    return [
        Case((np.array([0.0, 1.0]), np.array([0.0, 3.0]), 1.0), "two points"),
        Case((np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, -1.0]), 1.0)),
        Case((np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, -1.0]), 2.0)),
        Case((np.array([0.0, 1.0, 3.0]), np.array([5.0, 5.0, 5.0]), 0.7), "equal values"),
        Case(drawn(6, 0.5)),
        Case(drawn(10, 1.5)),
        Case((np.array([0.0, 1.0, 40.0]), np.array([0.0, 2.0, 5.0]), 0.5), "a point far away"),
        Case(
            (np.array([0.0, 1.0, 2.5, 90.0]), np.array([1.0, 2.0, 4.0, 3.0]), 0.8),
            "a point far away",
        ),
    ]


def _weights(x, h, mask=None, stable=True):
    s = -((x[:, None] - x) ** 2) / (2 * h**2)
    s = s if mask is None else np.where(mask, s, -np.inf)
    powers = np.exp(s - s.max(axis=1, keepdims=True) if stable else s)
    return powers / powers.sum(axis=1, keepdims=True)


def _others(x):
    return ~np.eye(len(x), dtype=bool)


def _with(guess=lambda x, y, h: _weights(x, h, _others(x)) @ y, reduce=lambda e: np.mean(e**2)):
    """Return an error that guesses or sums up in another way."""
    return lambda x, y, h: reduce(guess(x, y, h) - y)


_MISTAKES = (
    Mistake(
        "Each point helps to predict itself. The error then falls to 0 as h does, and the "
        "narrowest kernel always wins. Forbid it: mask ~np.eye(n, dtype=bool).",
        _with(lambda x, y, h: _weights(x, h) @ y),
    ),
    Mistake(
        "The mask is the wrong way round: each point is predicted by itself alone.",
        _with(lambda x, y, h: y),
    ),
    Mistake(
        "You set the point's own weight to 0 after the softmax, so the rest does not sum to one. "
        "Forbid it before: a score of -inf.",
        _with(lambda x, y, h: _weights(x, h) * _others(x) @ y),
    ),
    Mistake("You add up the errors. Take their mean.", _with(reduce=lambda e: np.sum(e**2))),
    Mistake(
        "You take the root of the mean. The mean of the squares is asked for.",
        _with(reduce=lambda e: np.sqrt(np.mean(e**2))),
    ),
    Mistake(
        "You average the size of the errors. Square them first.",
        _with(reduce=lambda e: np.mean(abs(e))),
    ),
    Mistake(
        "You average the errors with their signs, so that they cancel. Square them first.",
        _with(reduce=np.mean),
    ),
    Mistake(
        "You square the mean of the errors. Take the mean of the squares.",
        _with(reduce=lambda e: np.mean(e) ** 2),
    ),
    Mistake(
        "The bandwidth is not squared: the temperature of the lookup is h².",
        _with(lambda x, y, h: _weights(x, np.sqrt(h), _others(x)) @ y),
    ),
    Mistake(
        "You return one error for each point. Return their mean.", _with(reduce=lambda e: e**2)
    ),
    Mistake(
        "For a point far from all others every kernel value is rounded to 0, and 0/0 is NaN. Use a "
        "softmax that subtracts the greatest score first.",
        _with(lambda x, y, h: _weights(x, h, _others(x), stable=False) @ y),
    ),
)

EXERCISE = Exercise("left_out_error", left_out_error, _cases, _MISTAKES)
