"""Exercise `temperature_for`: the T for which softmax(s/T) has the entropy H."""

import numpy as np

from ..core import Case, Exercise, Mistake


def _entropy(s, T):
    powers = np.exp((s - np.max(s)) / T)
    a = powers / powers.sum()
    return -(a * np.log(np.where(a > 0, a, 1.0))).sum()


def temperature_for(scores, H):
    """Return the temperature, between 1e-3 and 1e3, at which the weights have the entropy H."""
    low, high = np.log(1e-3), np.log(1e3)
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _entropy(scores, np.exp(middle)) < H else (low, middle)
    return float(np.exp(low))


def _cases(rng):
    def drawn(n, T):
        """Draw scores; ask for the entropy that they have at T."""
        s = rng.normal(size=n).round(1)
        s[0] = s.max() + 0.5  # a clear lead, so that each entropy has one temperature
        return s, float(_entropy(s, T))

    friends = np.array([2.0, 1.0, 1.6, 0.0, -1.0, 0.5])
    return [
        Case((np.array([1.0, 0.0]), 0.5)),
        Case((np.array([1.0, 0.0]), 0.2), "a sharp lookup"),
        Case((np.array([3.0, 1.0, 0.0]), 1.0)),
        Case((friends, float(np.log(2))), "two entries out of six"),
        Case((friends, float(np.log(5))), "five entries out of six"),
        Case(drawn(4, 1.0)),
        Case(drawn(5, 0.4)),
        Case(drawn(8, 7.0), "a high temperature"),
        Case((50 * np.array([1.0, 0.3, 0.0, -0.2]), 1.0), "scores that differ by 50"),
        Case((np.array([0.02, 0.01, 0.0]), 0.8), "scores that differ by 0.01"),
        Case((np.array([1000.0, 999.0, 998.0]), 0.9), "scores of a thousand"),
        Case((np.array([-1000.0, -999.0, -998.0]), 0.6), "scores far below zero"),
    ]


def _bisect(
    measure=_entropy, target=lambda H, n: H, low=1e-3, high=1e3, steps=80, log=True, up=True
):
    """Return a search that measures, aims or moves in another way."""

    def wrong(scores, H):
        a, b, goal = low, high, target(H, len(scores))
        middle = a
        for _ in range(steps):
            middle = np.sqrt(a * b) if log else (a + b) / 2
            if (measure(scores, middle) < goal) == up:
                a = middle
            else:
                b = middle
        return middle

    return wrong


def _unstable(s, T):
    a = np.exp(s / T) / np.exp(s / T).sum()
    return -(a * np.log(a)).sum()


def _grid(scores, H):
    grid = np.logspace(-3, 3, 61)
    return grid[np.argmin([abs(_entropy(scores, T) - H) for T in grid])]


_MISTAKES = (
    Mistake(
        "Your entropy is in bits (log2). H is in nats: use the natural logarithm.",
        _bisect(lambda s, T: _entropy(s, T) / np.log(2)),
    ),
    Mistake(
        "You return 1/T, a sharpness. The temperature *divides* the scores.",
        lambda scores, H: 1 / temperature_for(scores, H),
    ),
    Mistake(
        "You keep the wrong half, so the search runs to an end of the interval. Entropy *rises* "
        "with T: if it is too low at the middle, go up.",
        _bisect(up=False),
    ),
    Mistake(
        "You look for exp(entropy) = H. H is the entropy itself; its exponential is a number of "
        "entries.",
        _bisect(lambda s, T: np.exp(_entropy(s, T))),
    ),
    Mistake(
        "You look for a share H of the greatest entropy, log n. H is the entropy itself.",
        _bisect(target=lambda H, n: H * np.log(n)),
    ),
    Mistake(
        "The search does not look far enough: T may lie anywhere between 0.001 and 1000.",
        _bisect(low=0.1, high=10.0),
    ),
    Mistake(
        "The search does not look far enough: T may lie anywhere between 0.001 and 1000.",
        _bisect(low=1e-2, high=10.0),
    ),
    Mistake(
        "You take the best of a grid, which is not exact. Halve an interval instead, until three "
        "digits stand.",
        _grid,
    ),
    Mistake(
        "Ten halvings from 0.001 to 1000 leave an error of a percent. Go on until three digits "
        "stand: 40 are plenty.",
        _bisect(steps=10),
    ),
    Mistake(
        "Your softmax overflows for large scores, and NaN is never less than H. Use a stable one, "
        "such as attnbook.softmax.",
        _bisect(_unstable),
    ),
    Mistake("You return the entropy. Return the temperature that gives it.", lambda scores, H: H),
)

EXERCISE = Exercise("temperature_for", temperature_for, _cases, _MISTAKES, rtol=2e-3)
