"""Exercise `scaled_scores`: s_ij = q_i·k_j / √d_k."""

import numpy as np

from ..core import Case, Exercise, Mistake


def scaled_scores(queries, keys):
    """Return the dot products of all pairs, over the root of the width: a row for each query."""
    return np.array([[sum(q * k) / len(q) ** 0.5 for k in keys] for q in queries])


def _cases(rng):
    def drawn(n_q, n_k, d_k):
        return Case((rng.normal(size=(n_q, d_k)).round(1), rng.normal(size=(n_k, d_k)).round(1)))

    return [
        Case((np.array([[3.0]]), np.array([[2.0]])), "width 1"),
        drawn(1, 2, 4),
        drawn(2, 3, 4),
        drawn(3, 2, 2),
        drawn(4, 4, 4),
        drawn(2, 5, 9),
        drawn(6, 3, 16),
        drawn(5, 4, 512),
    ]


def _unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


_MISTAKES = (
    Mistake("The scores are not divided by √d_k.", lambda q, k: q @ k.T),
    Mistake(
        "The scores are divided by d_k, or by √d_k twice. Divide once by the root: the *variance* "
        "of a dot product is d_k, its spread √d_k.",
        lambda q, k: q @ k.T / q.shape[1],
    ),
    Mistake(
        "The scores are multiplied by √d_k. Divide by it.", lambda q, k: q @ k.T * q.shape[1] ** 0.5
    ),
    Mistake(
        "You divide by the root of the number of keys. d_k is their width: keys.shape[-1].",
        lambda q, k: q @ k.T / len(k) ** 0.5,
    ),
    Mistake(
        "You divide by the root of the number of queries. d_k is their width: queries.shape[-1].",
        lambda q, k: q @ k.T / len(q) ** 0.5,
    ),
    Mistake(
        "You make unit vectors first, which gives the cosine. It says nothing of the width.",
        lambda q, k: _unit(q) @ _unit(k).T,
    ),
    Mistake(
        "You divide by the spread of the scores at hand. √d_k is known beforehand, from the width.",
        lambda q, k: q @ k.T / np.std(q @ k.T),
    ),
    Mistake(
        "Your result is transposed: a row should belong to a query, a column to a key.",
        lambda q, k: k @ q.T / q.shape[1] ** 0.5,
    ),
    Mistake(
        "You return softmax of the scores. The scores alone are asked for.",
        lambda q, k: (
            np.exp(q @ k.T / q.shape[1] ** 0.5)
            / np.exp(q @ k.T / q.shape[1] ** 0.5).sum(axis=1, keepdims=True)
        ),
    ),
)

EXERCISE = Exercise("scaled_scores", scaled_scores, _cases, _MISTAKES)
