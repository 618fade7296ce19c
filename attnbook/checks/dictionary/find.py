"""Exercise `find`: the nearest key's value within a radius, or a miss."""

import numpy as np

from ..core import Case, Exercise, Mistake
from ._distance import distances
from .nearest import nearest


def find(query, keys, values, radius):
    """Return the value of the nearest key if it lies within the radius; else raise KeyError."""
    if len(keys) == 0 or min(distances(query, keys)) > radius:
        raise KeyError("nothing near")
    return nearest(query, keys, values)


def _cases(rng):
    line, ten = np.array([[0.0], [1.0], [3.0]]), np.array([10.0, 20.0, 30.0])
    plane = rng.normal(size=(6, 2)).round(1)
    values = rng.normal(size=6).round(1)
    return [
        Case((np.array([0.2]), line[:2], ten[:2], 0.5), "a hit"),
        Case((np.array([1.5]), line[:2], ten[:2], 0.25), "a miss"),
        Case((np.array([1.75]), line[:2], ten[:2], 0.6), "a miss by little"),
        Case((np.array([0.6]), line, ten, 0.5), "a hit of a key that is not the first"),
        Case((np.array([0.7]), line, ten, 2.0), "two keys lie within the radius"),
        Case(
            (np.array([3.0, 4.0]), np.zeros((1, 2)), np.array([7.0]), 5.0),
            "the distance is exactly the radius",
        ),
        Case((np.array([0.0, 0.0]), np.array([[2.0, 2.0]]), np.array([7.0]), 3.0), "a hit"),
        Case((np.array([3.0]), line, ten, 0.0), "a radius of 0 and a key that equals the query"),
        Case((np.array([2.9]), line, ten, 0.0), "a radius of 0 and no key that equals the query"),
        Case((np.array([5.0]), line, ten, np.inf), "an infinite radius"),
        Case((np.zeros(2), np.zeros((0, 2)), np.zeros(0), 1.0), "a dictionary without entries"),
        Case((np.zeros(1), np.zeros((0, 1)), np.zeros(0), np.inf), "a dictionary without entries"),
        Case((plane[4] + 0.01, plane, values, 0.1)),
        Case((plane[2] + 30.0, plane, values, 1.0), "far from all keys"),
        Case((rng.normal(size=5), rng.normal(size=(50, 5)), rng.normal(size=50), 8.0)),
    ]


def _find(hit=lambda d, radius: d <= radius, miss=KeyError, answer=nearest):
    """Return a find that decides on a hit, does on a miss, or answers, in another way."""

    def wrong(query, keys, values, radius):
        if len(keys) == 0 or not hit(min(distances(query, keys)), radius):
            if isinstance(miss, type):
                raise miss
            return miss
        return answer(query, keys, values)

    return wrong


def _first_within(query, keys, values, radius):
    for key, value in zip(keys, values, strict=True):
        if distances(query, key) <= radius:
            return value
    raise KeyError


def _mean_within(query, keys, values, radius):
    near = distances(query, keys) <= radius
    if not near.any():
        raise KeyError
    return values[near].mean()


def _breaks_when_empty(query, keys, values, radius):
    if len(keys) == 0:
        raise ValueError
    return find(query, keys, values, radius)


_MISTAKES = (
    Mistake(
        "Your lookup never misses. When the nearest key is farther than `radius`, raise KeyError.",
        _find(hit=lambda d, radius: True),
    ),
    Mistake(
        "You compare the *squared* distance with the radius. Take the root first.",
        _find(hit=lambda d, radius: d**2 <= radius),
    ),
    Mistake(
        "A key exactly at the radius is within it: a hit. You compare with <; use <=.",
        _find(hit=lambda d, radius: d < radius),
    ),
    Mistake(
        "You accept only a key that *equals* the query. Accept the nearest one within `radius`.",
        _find(hit=lambda d, radius: d == 0),
    ),
    Mistake(
        "You have hit and miss the wrong way round: a *far* key is a miss.",
        _find(hit=lambda d, radius: d > radius),
    ),
    Mistake("On a miss you return None. Raise KeyError, as a dict does.", _find(miss=None)),
    Mistake("On a miss you return -1, which looks like an answer. Raise KeyError.", _find(miss=-1)),
    Mistake(
        "On a miss you return NaN, which looks like an answer. Raise KeyError.",
        _find(miss=float("nan")),
    ),
    Mistake(
        "On a miss you raise ValueError. A dict raises KeyError, and so should you.",
        _find(miss=ValueError),
    ),
    Mistake(
        "On a miss you raise IndexError. A dict raises KeyError, and so should you.",
        _find(miss=IndexError),
    ),
    Mistake(
        "You return the first key's value within the radius. Another may be nearer.",
        _first_within,
    ),
    Mistake(
        "You average all values within the radius. A hard lookup returns that of the nearest key.",
        _mean_within,
    ),
    Mistake(
        "You return the number of the entry. Return its value: values[...].",
        _find(answer=lambda query, keys, values: np.argmin(distances(query, keys))),
    ),
    Mistake(
        "A dictionary without entries makes your function stop with ValueError: there is no least "
        "of nothing. Everything misses in an empty dictionary, so raise KeyError there too.",
        _breaks_when_empty,
    ),
)

EXERCISE = Exercise("find", find, _cases, _MISTAKES)
