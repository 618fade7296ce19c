"""Exercise `score_parts`: M = W_Q W_K^T as a symmetric and an antisymmetric part."""

import numpy as np

from ..core import Case, Exercise, Mistake


def score_parts(W_Q, W_K):
    """Return (M + M^T)/2, which scores a pair alike both ways, and (M - M^T)/2, which does not."""
    d = len(W_Q)
    M = np.array([[sum(W_Q[i] * W_K[j]) for j in range(d)] for i in range(d)])
    symmetric, directed = np.zeros((d, d)), np.zeros((d, d))
    for i in range(d):
        for j in range(d):
            symmetric[i, j] = (M[i, j] + M[j, i]) / 2
            directed[i, j] = (M[i, j] - M[j, i]) / 2
    return symmetric, directed


def _cases(rng):
    def drawn(d, d_k):
        return tuple(rng.normal(size=(2, d, d_k)).round(1))

    tied = drawn(3, 2)[0]
    return [
        Case((np.array([[1.0], [2.0]]), np.array([[3.0], [0.0]])), "width 1"),
        Case(drawn(2, 2)),
        Case(drawn(3, 2)),
        Case((tied, tied.copy()), "tied: W_Q = W_K"),
        Case(drawn(4, 4)),
        Case(drawn(5, 3)),
        Case(drawn(4, 6), "d_k larger than d"),
    ]


def _with(product=lambda q, k: q @ k.T, parts=lambda M: ((M + M.T) / 2, (M - M.T) / 2)):
    return lambda W_Q, W_K: parts(product(W_Q, W_K))


_MISTAKES = (
    Mistake(
        "The halves are missing: (M + Mᵀ)/2 and (M - Mᵀ)/2, so that they add up to M.",
        _with(parts=lambda M: (M + M.T, M - M.T)),
    ),
    Mistake(
        "The two have changed places: first the symmetric part, then the antisymmetric one.",
        _with(parts=lambda M: ((M - M.T) / 2, (M + M.T) / 2)),
    ),
    Mistake(
        "The antisymmetric part has the wrong sign. The score of i asking j is x_i M x_j with "
        "M = W_Q W_Kᵀ; then (M - Mᵀ)/2.",
        _with(product=lambda q, k: k @ q.T),
    ),
    Mistake(
        "You have W_Qᵀ W_K, a d_k × d_k matrix. M = W_Q W_Kᵀ has an entry for each pair of "
        "embedding components: d × d.",
        _with(product=lambda q, k: q.T @ k),
    ),
    Mistake(
        "You return M itself as the first part. Its symmetric part is (M + Mᵀ)/2.",
        _with(parts=lambda M: (M, (M - M.T) / 2)),
    ),
    Mistake(
        "You return the upper and the lower triangle. The parts are (M + Mᵀ)/2 and (M - Mᵀ)/2.",
        _with(parts=lambda M: (np.triu(M), np.tril(M))),
    ),
    Mistake(
        "You use W_Q for both, so the scores are symmetric, as if the two were tied.",
        _with(product=lambda q, k: q @ q.T),
    ),
    Mistake(
        "You have divided by √d_k. M is the form before scaling: W_Q W_Kᵀ.",
        lambda W_Q, W_K: tuple(part / np.sqrt(W_Q.shape[1]) for part in score_parts(W_Q, W_K)),
    ),
    Mistake(
        "You return the product of M and Mᵀ. The parts are (M + Mᵀ)/2 and (M - Mᵀ)/2.",
        _with(parts=lambda M: (M @ M.T, (M - M.T) / 2)),
    ),
)

EXERCISE = Exercise("score_parts", score_parts, _cases, _MISTAKES)
