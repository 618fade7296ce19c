"""Exercise `exact_match`: what a dict does, for vectors and many queries at once."""

import numpy as np

from ..core import Case, Exercise, Mistake
from .nearest import nearest


def exact_match(queries, keys, values, default):
    """Return for each query the value of the last key that equals it, or the default."""
    out = []
    for query in queries:
        found = default
        for key, value in zip(keys, values, strict=True):
            if all(query == key):
                found = value
        out.append(found)
    return np.array(out, dtype=np.float64)


def _cases(rng):
    keys = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    values = np.array([10.0, 20.0, 30.0])
    many = rng.integers(0, 3, size=(30, 3)).astype(float)
    return [
        Case((keys[:1], keys[:2], values[:2], -1.0), "a hit"),
        Case((np.array([[2.0, 2.0]]), keys[:2], values[:2], -1.0), "a miss"),
        Case((keys[[2, 0]], keys, values, -1.0)),
        Case((np.array([[0.0, 1.0], [0.0, 5.0]]), keys, values, -1.0), "half of a key agrees"),
        Case((np.array([[1.0, 1.0]]), keys[[2, 2]], values[:2], -1.0), "two keys are equal"),
        Case((np.array([[0.1 + 0.2]]), np.array([[0.3]]), values[:1], -1.0), "0.1 + 0.2 and 0.3"),
        Case((np.array([[1.0, 2.0 + 1e-9]]), np.array([[1.0, 2.0]]), values[:1], -1.0), "nearly"),
        Case((np.array([[9.0, 9.0], [1.0, 0.0]]), keys, values, 0.5), "another default"),
        Case((np.array([[7.0, 1.0]]), keys, values, 9.0), "another default"),
        Case((np.zeros((0, 2)), keys, values, -1.0), "no queries"),
        Case((keys, np.zeros((0, 2)), np.zeros(0), -1.0), "a dictionary without entries"),
        Case((many[:12], many[10:], rng.normal(size=20).round(1), -1.0), "many equal keys"),
    ]


def _match(same=lambda q, k: all(q == k), choose=lambda hits: hits[-1], miss=None):
    """Return an exact match that compares, chooses among equals, or misses in another way."""

    def wrong(queries, keys, values, default):
        out = []
        for query in queries:
            hits = [v for k, v in zip(keys, values, strict=True) if same(query, k)]
            out.append(choose(hits) if hits else miss(default) if miss else default)
        return np.array(out, dtype=np.float64)

    return wrong


def _raise_key_error(default):
    raise KeyError


def _by_index(queries, keys, values, default):
    return _match()(queries, keys, np.arange(len(keys)), default)


def _nearest_always(queries, keys, values, default):
    if len(keys) == 0:
        return np.full(len(queries), default)
    return np.array([nearest(query, keys, values) for query in queries], dtype=np.float64)


_MISTAKES = (
    Mistake(
        "Of equal keys you take the first. A dict keeps what was stored last: take the last.",
        _match(choose=lambda hits: hits[0]),
    ),
    Mistake(
        "Equal keys: you add their values. Take the last one's value alone.", _match(choose=sum)
    ),
    Mistake(
        "Equal keys: you average their values. Take the last one's value alone.",
        _match(choose=np.mean),
    ),
    Mistake(
        "You count a match when *any* component agrees. A key equals the query when *all* do.",
        _match(same=lambda q, k: any(q == k)),
    ),
    Mistake(
        "You allow a small difference (np.isclose or a tolerance). Exact means ==, so that "
        "0.1 + 0.2 misses 0.3.",
        _match(same=lambda q, k: np.allclose(q, k)),
    ),
    Mistake("On a miss you return 0. Return `default`.", _match(miss=lambda default: 0.0)),
    Mistake("On a miss you return -1. Return `default`.", _match(miss=lambda default: -1.0)),
    Mistake("On a miss you return NaN. Return `default`.", _match(miss=lambda default: np.nan)),
    Mistake(
        "On a miss you raise KeyError. Here a miss gives `default`.", _match(miss=_raise_key_error)
    ),
    Mistake("You return the number of the entry. Return its value: values[...].", _by_index),
    Mistake(
        "You return the nearest key's value on a miss. Exact means equal; else it is `default`.",
        _nearest_always,
    ),
)

EXERCISE = Exercise("exact_match", exact_match, _cases, _MISTAKES)
