"""Exercise `jumps`: where the staircase of a hard lookup on a line steps, and how high."""

from itertools import pairwise

import numpy as np

from ..core import Case, Exercise, Mistake


def jumps(keys, values):
    """Return the places where the nearest key on a line changes, ascending, and by how much."""
    entries = sorted(zip(keys, values, strict=True), key=lambda entry: entry[0])
    places = [(a[0] + b[0]) / 2 for a, b in pairwise(entries)]
    heights = [b[1] - a[1] for a, b in pairwise(entries)]
    return np.array(places), np.array(heights)


def _cases(rng):
    order = rng.permutation(9)
    return [
        Case((np.array([0.0, 1.0]), np.array([3.0, 5.0]))),
        Case((np.array([-2.0, -0.5, 1.0, 2.5]), np.array([0.2, 1.0, -0.6, 0.6]))),
        Case((np.array([4.0, 1.0]), np.array([3.0, 5.0])), "keys that are not in order"),
        Case((np.array([2.0, 0.0, 5.0]), np.array([1.0, 4.0, 9.0])), "keys that are not in order"),
        Case((np.array([7.0]), np.array([1.0])), "a single entry"),
        Case((np.array([0.0, 2.0, 3.0]), np.array([1.0, 1.0, 2.0])), "two equal values"),
        Case(
            (np.arange(9.0)[order] ** 2, rng.normal(size=9).round(1)), "keys that are not in order"
        ),
    ]


def _jumps(order=True, carry=True, place=lambda a, b: (a + b) / 2, height=lambda a, b: b - a):
    """Return a `jumps` that sorts, places or measures in another way."""

    def wrong(keys, values):
        rank = np.argsort(keys) if order else np.arange(len(keys))
        k, v = keys[rank], values[rank] if carry else values
        return place(k[:-1], k[1:]), height(v[:-1], v[1:])

    return wrong


def _as_one(keys, values):
    return np.stack(jumps(keys, values))


_MISTAKES = (
    Mistake(
        "The keys need not come in order. Sort them first, and their values with them.",
        _jumps(order=False),
    ),
    Mistake(
        "You sort the keys and leave their values where they were. Entries belong together: use "
        "order = np.argsort(keys) on both.",
        _jumps(carry=False),
    ),
    Mistake(
        "The heights have the wrong sign: a jump is the value on the right minus that on the left.",
        _jumps(height=lambda a, b: a - b),
    ),
    Mistake(
        "A jump has a direction. You return the size alone, without the sign.",
        _jumps(height=lambda a, b: abs(b - a)),
    ),
    Mistake(
        "You place the jumps on the keys. At a key it is the nearest itself: the winner changes "
        "halfway between two keys.",
        _jumps(place=lambda a, b: a),
    ),
    Mistake(
        "You place the jumps on the keys. At a key it is the nearest itself: the winner changes "
        "halfway between two keys.",
        _jumps(place=lambda a, b: b),
    ),
    Mistake(
        "You return half the distance between the keys. Halfway between a and b is (a + b) / 2.",
        _jumps(place=lambda a, b: (b - a) / 2),
    ),
    Mistake(
        "You divide by the distance of the keys. The answer jumps there: it has no slope. Return "
        "the difference of the values.",
        lambda keys, values: (
            jumps(keys, values)[0],
            jumps(keys, values)[1] / np.diff(np.sort(keys)),
        ),
    ),
    Mistake(
        "You return heights first. The places come first, then the heights.",
        lambda keys, values: jumps(keys, values)[::-1],
    ),
    Mistake("Return two arrays, places and heights, not one that holds both.", _as_one),
)

EXERCISE = Exercise("jumps", jumps, _cases, _MISTAKES)
