"""Exercise `nearest`: the value of the key with the least ‖q - k_j‖."""

import numpy as np

from ..core import Case, Exercise, Mistake
from ._distance import distances


def nearest(query, keys, values):
    """Return the value of the key nearest to the query; of equally near keys the first."""
    best = 0
    for j in range(len(keys)):
        if distances(query, keys[j]) < distances(query, keys[best]):
            best = j
    return values[best]


def _cases(rng):
    def drawn(n, d, *d_v):
        return (
            rng.normal(size=d).round(1),
            rng.normal(size=(n, d)).round(1),
            rng.normal(size=(n, *d_v)).round(1),
        )

    two = np.array([[0.0], [1.0]])
    return [
        Case((np.array([0.2]), two, np.array([10.0, 20.0]))),
        Case((np.array([0.9]), two, np.array([10.0, 20.0]))),
        Case((np.array([-3.0]), np.array([[1.0]]), np.array([7.0])), "a single entry"),
        Case((np.array([0.5]), two, np.array([10.0, 20.0])), "two keys are equally near"),
        Case((np.array([5.0]), np.array([[6.0], [4.0], [9.0]]), np.arange(3.0)), "a tie"),
        Case(
            (np.array([1.0, 0.0]), np.array([[3.0, 3.0], [1.0, 0.0]]), np.array([1.0, 2.0])),
            "one key equals the query, another is longer",
        ),
        *(
            Case((center, center + np.array([[1.0, 1.0], [0.0, step]]), np.array([1.0, 2.0])), note)
            for center, note in (
                (np.zeros(2), "one key lies askew"),
                (np.ones(2), "the same, moved"),
            )
            for step in (1.2, 1.8)
        ),
        Case(drawn(3, 2)),
        Case(drawn(5, 3, 2), "each value is a vector"),
        Case(drawn(7, 2)),
        Case(drawn(40, 6)),
    ]


def _pick(score, choose=np.argmax):
    """Return a lookup that takes the value where the score is best."""
    return lambda query, keys, values: values[choose(score(query, keys))]


_MISTAKES = (
    Mistake(
        "You take the key that is farthest away: the best distance is the least, so argmin.",
        _pick(distances),
    ),
    Mistake(
        "You compare dot products. A long key then wins over a near one; compare distances.",
        _pick(lambda query, keys: keys @ query),
    ),
    Mistake(
        "You return the number of the entry. Return its value: values[...].",
        lambda query, keys, values: np.argmin(distances(query, keys)),
    ),
    Mistake(
        "You return the key that was found. A key is what an entry is found by; return its value.",
        lambda query, keys, values: keys[np.argmin(distances(query, keys))],
    ),
    Mistake(
        "You return the distance to the nearest key. Return the value of that key.",
        lambda query, keys, values: distances(query, keys).min(),
    ),
    Mistake(
        "Of two equally near keys you take the last. Take the first, as argmin does.",
        _pick(distances, lambda d: len(d) - 1 - np.argmin(d[::-1])),
    ),
    Mistake(
        "You add the differences with their signs, so that they cancel. Square them first.",
        _pick(lambda query, keys: (keys - query).sum(axis=-1), np.argmin),
    ),
    Mistake(
        "You add the differences with their signs, so that they cancel. Square them first.",
        _pick(lambda query, keys: (query - keys).sum(axis=-1), np.argmin),
    ),
    Mistake(
        "You add absolute differences. The distance is the root of the sum of the squares.",
        _pick(lambda query, keys: abs(query - keys).sum(axis=-1), np.argmin),
    ),
    Mistake(
        "You compare the greatest difference alone. The distance adds the squares of all.",
        _pick(lambda query, keys: abs(query - keys).max(axis=-1), np.argmin),
    ),
    Mistake(
        "You add over the keys (axis=0). Add over the components of each key: axis=-1.",
        _pick(lambda query, keys: ((query - keys) ** 2).sum(axis=0), np.argmin),
    ),
    Mistake(
        "You average the values. A hard lookup returns one value, untouched.",
        lambda query, keys, values: np.mean(values, axis=0),
    ),
)

EXERCISE = Exercise("nearest", nearest, _cases, _MISTAKES)
