"""Exercise `weights_of`: with values V = I the output of any lookup is its weights."""

import numpy as np

from ..core import Case, Exercise, Mistake
from ._softmax import row, softmax


def weights_of(lookup, queries, keys):
    """Return the weights that a lookup gives, seen from outside: a row for each query."""
    columns = []
    for j in range(len(keys)):
        ones_at_j = np.array([[float(i == j)] for i in range(len(keys))])
        columns.append(lookup(queries, keys, ones_at_j)[:, 0])
    return np.stack(columns, axis=1)


def dot_lookup(queries, keys, values):
    """Look up softly by dot product."""
    return np.array([row(s) for s in queries @ keys.T]) @ values


def distance_lookup(queries, keys, values):
    """Look up softly by distance."""
    squares = ((queries[:, None] - keys) ** 2).sum(axis=-1)
    return np.array([row(s) for s in -squares / 2]) @ values


def faulty_lookup(queries, keys, values):
    """Look up with weights that sum to one over the queries."""
    return softmax(queries @ keys.T, axis=0) @ values


def _cases(rng):
    def drawn(n_q, n_k, d):
        return rng.normal(size=(n_q, d)).round(1), rng.normal(size=(n_k, d)).round(1)

    return [
        Case((dot_lookup, np.array([[1.0]]), np.array([[0.0], [2.0]])), "one query, two keys"),
        Case((distance_lookup, *drawn(2, 3, 2))),
        Case((dot_lookup, *drawn(3, 2, 2)), "more queries than keys"),
        Case((faulty_lookup, *drawn(2, 3, 2)), "a lookup with a mistake"),
        Case((faulty_lookup, *drawn(4, 2, 3)), "a lookup with a mistake"),
        Case((dot_lookup, *drawn(4, 4, 3))),
        Case((distance_lookup, *drawn(5, 8, 3))),
    ]


_MISTAKES = (
    Mistake(
        "Values of 1 give the sum of each row of weights. To see the weights one by one, let each "
        "value have its own place: np.eye(len(keys)).",
        lambda lookup, queries, keys: lookup(queries, keys, np.ones((len(keys), 1))),
    ),
    Mistake(
        "Values of 1 give the sum of each row of weights. To see the weights one by one, let each "
        "value have its own place: np.eye(len(keys)).",
        lambda lookup, queries, keys: lookup(queries, keys, np.ones((len(keys), len(keys)))),
    ),
    Mistake(
        "You pass the keys as values, so you get averaged keys. Pass values that tell the entries "
        "apart: np.eye(len(keys)).",
        lambda lookup, queries, keys: lookup(queries, keys, keys),
    ),
    Mistake(
        "Your result is transposed: a row should belong to a query, a column to a key.",
        lambda lookup, queries, keys: weights_of(lookup, queries, keys).T,
    ),
    Mistake(
        "You compute softmax(queries @ keys.T) yourself. The lookup may have another score, or a "
        "mistake. Look only at what it returns.",
        lambda lookup, queries, keys: softmax(queries @ keys.T),
    ),
    Mistake(
        "You use queries and keys in each other's place.",
        lambda lookup, queries, keys: lookup(keys, queries, np.eye(len(queries))),
    ),
    Mistake(
        "You pass an identity matrix as keys too. Keep the keys that you were given.",
        lambda lookup, queries, keys: lookup(
            queries, np.eye(len(keys), keys.shape[1]), np.eye(len(keys))
        ),
    ),
    Mistake(
        "Each row is divided by its sum. The lookup may have a mistake, and this hides it.",
        lambda lookup, queries, keys: (
            weights_of(lookup, queries, keys)
            / weights_of(lookup, queries, keys).sum(axis=1, keepdims=True)
        ),
    ),
)

EXERCISE = Exercise("weights_of", weights_of, _cases, _MISTAKES)
