"""Exercise `rewritten`: W_Q A and W_K A^-T are other matrices and the same scores."""

import numpy as np

from ..core import Case, Exercise, Mistake


def rewritten(W_Q, W_K, A):
    """Return W_Q A and the W_K that goes with it, so that all scores stay as they are."""
    new_K = [np.linalg.solve(A, row) for row in W_K]  # A x = row: x = A^-1 row, for rows
    return W_Q @ A, np.array(new_K)


def _cases(rng):
    def drawn(d, d_k):
        A = np.eye(d_k) + 0.4 * rng.normal(size=(d_k, d_k)).round(1)
        return (*rng.normal(size=(2, d, d_k)).round(1), A)

    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    return [
        Case((np.array([[1.0], [2.0]]), np.array([[3.0], [1.0]]), np.array([[2.0]])), "width 1"),
        Case((*drawn(2, 2)[:2], np.array([[1.0, 0.5], [0.0, 2.0]]))),
        Case((*drawn(3, 2)[:2], turn), "A is a rotation"),
        Case((*drawn(3, 2)[:2], np.diag([2.0, 0.5])), "A stretches one axis"),
        Case(drawn(3, 3)),
        Case(drawn(6, 3)),
        Case(drawn(5, 5)),
    ]


_MISTAKES = (
    Mistake(
        "You multiply W_K by A⁻¹. The scores hold its transpose: (W_K X)ᵀ = Xᵀ W_Kᵀ, so X must be "
        "the *transposed* inverse.",
        lambda Q, K, A: (Q @ A, K @ np.linalg.inv(A)),
    ),
    Mistake(
        "You multiply both by A, so the scores become W_Q A Aᵀ W_Kᵀ. A must cancel.",
        lambda Q, K, A: (Q @ A, K @ A),
    ),
    Mistake(
        "You multiply W_K by Aᵀ. That cancels only if A is a rotation; take the inverse too.",
        lambda Q, K, A: (Q @ A, K @ A.T),
    ),
    Mistake("You leave W_K as it is, so the scores change.", lambda Q, K, A: (Q @ A, K)),
    Mistake(
        "You leave W_Q as it is. The first result should be W_Q A.",
        lambda Q, K, A: (Q, K @ np.linalg.inv(A).T),
    ),
    Mistake(
        "The two have changed places: first W_Q A, then the new W_K.",
        lambda Q, K, A: (K @ np.linalg.inv(A).T, Q @ A),
    ),
    Mistake(
        "You return the same two matrices. The scores stay, but W_Q should become W_Q A.",
        lambda Q, K, A: (Q, K),
    ),
    Mistake(
        "You multiply W_Q by Aᵀ. It should become W_Q A.",
        lambda Q, K, A: (Q @ A.T, K @ np.linalg.inv(A)),
    ),
    Mistake(
        "You multiply W_Q by the inverse and W_K by Aᵀ. The scores stay, but W_Q should become "
        "W_Q A.",
        lambda Q, K, A: (Q @ np.linalg.inv(A), K @ A.T),
    ),
)

EXERCISE = Exercise("rewritten", rewritten, _cases, _MISTAKES)
