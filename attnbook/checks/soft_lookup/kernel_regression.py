"""Exercise `kernel_regression`: ŷ(x) = Σ_j K_j y_j / Σ_j K_j with K_j = exp(-(x - x_j)² / 2h²)."""

import numpy as np

from ..core import Case, Exercise, Mistake
from ._softmax import QUERIES_NOT_KEYS, row, softmax


def kernel_regression(places, x, y, h):
    """Predict y at each place by a Gaussian kernel of width h over the data (x, y)."""
    return np.array([row(-((place - x) ** 2) / (2 * h**2)) @ y for place in places])


def _cases(rng):
    def drawn(m, n, h):
        return (
            rng.uniform(0, 5, m).round(1),
            rng.uniform(0, 5, n).round(1),
            rng.normal(size=n).round(1),
            h,
        )

    line, heights = np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, -1.0])
    return [
        Case((np.array([0.5]), line[:2], heights[:2], 2.0), "halfway"),
        Case((np.array([0.2]), line[:2], heights[:2], 2.0)),
        Case((np.array([0.2, 2.0]), line, heights, 0.5)),
        Case((np.array([2.0]), line[:1], np.array([4.0]), 0.3), "a single point"),
        Case(drawn(3, 3, 0.7), "as many places as points"),
        Case(drawn(4, 6, 1.5)),
        Case(drawn(9, 5, 0.8)),
        Case((np.array([99.0]), line, heights, 0.5), "far from all data"),
        Case((np.array([0.4, 2.7]), line, heights, 0.005), "a very narrow kernel"),
    ]


def _with(score, share=softmax, read=lambda a, y: a @ y):
    """Return a regression with another score of the differences, share of weights, or reading."""

    def wrong(places, x, y, h):
        return read(share(score(places[:, None] - x, h)), y)

    return wrong


def _gauss(u, h):
    return -(u**2) / (2 * h**2)


def _divided(s):
    return np.exp(s) / np.exp(s).sum(axis=-1, keepdims=True)


def _nearest(s):
    return np.eye(s.shape[1])[s.argmax(axis=1)]


_MISTAKES = (
    Mistake(
        "The bandwidth is not squared: divide the squared distance by 2h².",
        _with(lambda u, h: -(u**2) / (2 * h)),
    ),
    Mistake(
        "The 2 is missing: the Gaussian kernel is exp(-u²/2) with u = (x - x_j)/h.",
        _with(lambda u, h: -(u**2) / h**2),
    ),
    Mistake(
        "You multiply by the bandwidth. Divide by it: a wide kernel reaches far.",
        _with(lambda u, h: -((u * h) ** 2) / 2),
    ),
    Mistake("The bandwidth is not used.", _with(lambda u, h: -(u**2) / 2)),
    Mistake("You take the distance and not its square.", _with(lambda u, h: -abs(u) / (2 * h**2))),
    Mistake("You take the distance and not its square.", _with(lambda u, h: -abs(u) / h)),
    Mistake(
        "The sign is missing: the weight must fall with the distance, exp(-u²/2).",
        _with(lambda u, h: u**2 / (2 * h**2)),
    ),
    Mistake(QUERIES_NOT_KEYS, _with(_gauss, lambda s: softmax(s, axis=0))),
    Mistake(
        QUERIES_NOT_KEYS, _with(_gauss, lambda s: np.exp(s) / np.exp(s).sum(axis=0, keepdims=True))
    ),
    Mistake(
        "The weights do not sum to one: divide by the sum of the kernel over the data.",
        _with(_gauss, np.exp),
    ),
    Mistake(
        "You divide by the number of points. Divide by the sum of the kernel over the data.",
        _with(_gauss, lambda s: np.exp(s) / s.shape[1]),
    ),
    Mistake(
        "Far from all data every kernel value is rounded to 0, and 0/0 is NaN. Subtract the "
        "greatest exponent first, as in a stable softmax; the nearest point then wins.",
        _with(_gauss, _divided),
    ),
    Mistake(
        "You return the value of the nearest point. A soft lookup averages all of them.",
        _with(_gauss, _nearest),
    ),
    Mistake(
        "You return the weights. Average y with them: weights @ y.",
        _with(_gauss, read=lambda a, y: a),
    ),
)

EXERCISE = Exercise("kernel_regression", kernel_regression, _cases, _MISTAKES)
