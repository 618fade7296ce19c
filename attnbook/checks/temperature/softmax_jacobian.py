"""Exercise `softmax_jacobian`: ∂α_i/∂s_j = α_i (δ_ij - α_j) / T."""

import numpy as np

from ..core import Case, Exercise, Mistake


def softmax_jacobian(weights, T):
    """Return the derivative of weight i by score j, in row i and column j."""
    n = len(weights)
    return np.array(
        [[weights[i] * ((i == j) - weights[j]) / T for j in range(n)] for i in range(n)]
    )


def _cases(rng):
    def drawn(n, T):
        powers = np.exp(rng.normal(size=n))
        return Case(((powers / powers.sum()), T))

    return [
        Case((np.array([0.5, 0.5]), 1.0), "two equal weights"),
        Case((np.array([0.8, 0.2]), 1.0)),
        Case((np.array([0.8, 0.2]), 2.0), "T = 2"),
        Case((np.array([0.7, 0.2, 0.1]), 0.5), "T = 0.5"),
        Case((np.array([0.0, 1.0, 0.0]), 1.0), "all the weight on one entry"),
        Case((np.array([1.0]), 1.0), "a single entry"),
        drawn(4, 1.0),
        drawn(6, 3.0),
        drawn(12, 0.2),
    ]


def _outer(a):
    return a[:, None] * a


_MISTAKES = (
    Mistake(
        "The 1/T is missing: the softmax sees s/T, so the chain rule divides by T.",
        lambda a, T: np.diag(a) - _outer(a),
    ),
    Mistake(
        "You multiply by T. The chain rule divides by it.",
        lambda a, T: T * (np.diag(a) - _outer(a)),
    ),
    Mistake(
        "You divide by T twice. The chain rule divides by it once.",
        lambda a, T: (np.diag(a) - _outer(a)) / T**2,
    ),
    Mistake(
        "The sign is wrong: raising a score raises its own weight, so the diagonal is positive.",
        lambda a, T: (_outer(a) - np.diag(a)) / T,
    ),
    Mistake(
        "Off the diagonal you have 0. When one weight grows the others pay for it: -α_i α_j.",
        lambda a, T: np.diag(a * (1 - a)) / T,
    ),
    Mistake(
        "You return the diagonal alone. The derivative of n weights by n scores is n × n.",
        lambda a, T: a * (1 - a) / T,
    ),
    Mistake("The outer product is missing: diag(α) - α αᵀ.", lambda a, T: np.diag(a) / T),
    Mistake("diag(α) is missing: the matrix is diag(α) - α αᵀ.", lambda a, T: -_outer(a) / T),
    Mistake(
        "You take the identity for diag(α): the diagonal is α_i - α_i², not 1 - α_i².",
        lambda a, T: (np.eye(len(a)) - _outer(a)) / T,
    ),
    Mistake(
        "The signs off the diagonal are wrong: when one weight grows, the others shrink.",
        lambda a, T: (np.diag(a) + _outer(a) - 2 * np.diag(a**2)) / T,
    ),
    Mistake(
        "You subtract the number α·α (what `a @ a` or `a.T @ a` gives for one axis). The outer "
        "product is np.outer(a, a).",
        lambda a, T: (np.diag(a) - a @ a) / T,
    ),
    Mistake(
        "You subtract α from every row: diag(α) - α. The outer product is np.outer(a, a).",
        lambda a, T: (np.diag(a) - a) / T,
    ),
)

EXERCISE = Exercise("softmax_jacobian", softmax_jacobian, _cases, _MISTAKES)
