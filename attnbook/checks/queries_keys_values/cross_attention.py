"""Exercise `cross_attention`: softmax(A W_Q (B W_K)^T / √d_k) B W_V."""

import numpy as np

from ..core import Case, Exercise, Mistake


def cross_attention(A, B, W_Q, W_K, W_V):
    """Let each row of A attend to the rows of B."""
    keys, values = [b @ W_K for b in B], [b @ W_V for b in B]
    out = []
    for a in A:
        query = a @ W_Q
        scores = np.array([query @ key for key in keys]) / np.sqrt(len(query))
        powers = np.exp(scores - max(scores))
        out.append(sum(p * v for p, v in zip(powers, values, strict=True)) / sum(powers))
    return np.array(out)


def _cases(rng):
    def drawn(n_a, n_b, d, d_k, d_v, size=1.0):
        shapes = ((n_a, d), (n_b, d), (d, d_k), (d, d_k), (d, d_v))
        arrays = [rng.normal(size=shape).round(1) for shape in shapes]
        arrays[2] = size * arrays[2] / np.sqrt(d)  # scores of about `size`, whatever the width
        return tuple(arrays)

    return [
        Case(
            (
                np.array([[1.0]]),
                np.array([[1.0], [2.0]]),
                *(np.array([[x]]) for x in (1.0, 0.5, 3.0)),
            ),
            "width 1",
        ),
        Case(drawn(1, 2, 2, 4, 1)),
        Case(drawn(2, 3, 3, 4, 2)),
        Case(drawn(3, 3, 4, 4, 4), "as many askers as answers, all widths equal"),
        Case(drawn(5, 2, 3, 2, 2), "more askers than answers"),
        Case(drawn(4, 6, 8, 9, 3)),
        Case(drawn(7, 11, 32, 8, 5)),
        Case(drawn(2, 3, 4, 4, 2, size=3000.0), "scores of thousands"),
        Case(drawn(3, 4, 5, 9, 3, size=5000.0), "scores of thousands"),
    ]


def _attend(q, k, v, scale=lambda q, k: 1 / np.sqrt(q.shape[1]), axis=-1, stable=True):
    s = q @ k.T * scale(q, k)
    powers = np.exp(s - s.max(axis=axis, keepdims=True) if stable else s)
    return powers / powers.sum(axis=axis, keepdims=True) @ v


def _with(project=lambda A, B, Q, K, V: (A @ Q, B @ K, B @ V), **how):
    """Return cross attention that projects or attends in another way."""
    return lambda A, B, W_Q, W_K, W_V: _attend(*project(A, B, W_Q, W_K, W_V), **how)


_MISTAKES = (
    Mistake("The scores are not divided by √d_k.", _with(scale=lambda q, k: 1.0)),
    Mistake(
        "The scores are divided by d_k. Divide by its square root.",
        _with(scale=lambda q, k: 1 / q.shape[1]),
    ),
    Mistake(
        "The scores are multiplied by √d_k. Divide by it.",
        _with(scale=lambda q, k: np.sqrt(q.shape[1])),
    ),
    Mistake(
        "You divide by the root of the embedding's width. d_k is the width of queries and keys, "
        "after the projection.",
        lambda A, B, Q, K, V: _attend(A @ Q, B @ K, B @ V, lambda q, k: 1 / np.sqrt(A.shape[1])),
    ),
    Mistake(
        "You divide by the root of the number of keys. d_k is the width of queries and keys.",
        _with(scale=lambda q, k: 1 / np.sqrt(len(k))),
    ),
    Mistake(
        "You divide by the root of the width of the values. d_k is that of queries and keys.",
        lambda A, B, Q, K, V: _attend(A @ Q, B @ K, B @ V, lambda q, k: 1 / np.sqrt(V.shape[1])),
    ),
    Mistake(
        "Your weights sum to one over the queries, not over the keys: softmax along axis=-1.",
        _with(axis=0),
    ),
    Mistake(
        "A and B have changed places: the rows of A ask, those of B answer.",
        _with(lambda A, B, Q, K, V: (B @ Q, A @ K, A @ V)),
    ),
    Mistake(
        "The values come from A. Key and value belong to the same row, so both come from B.",
        _with(lambda A, B, Q, K, V: (A @ Q, B @ K, A @ V)),
    ),
    Mistake(
        "The keys come from A: this is self-attention. Keys and values come from B.",
        _with(lambda A, B, Q, K, V: (A @ Q, A @ K, A @ V)),
    ),
    Mistake(
        "B attends to itself. The queries come from A.",
        _with(lambda A, B, Q, K, V: (B @ Q, B @ K, B @ V)),
    ),
    Mistake("W_Q and W_K have changed places.", _with(lambda A, B, Q, K, V: (A @ K, B @ Q, B @ V))),
    Mistake(
        "Queries and keys both use W_Q. The keys go through W_K.",
        _with(lambda A, B, Q, K, V: (A @ Q, B @ Q, B @ V)),
    ),
    Mistake(
        "The values are the keys: B @ W_K. They go through W_V.",
        _with(lambda A, B, Q, K, V: (A @ Q, B @ K, B @ K)),
    ),
    Mistake(
        "You average the rows of B. The values go through W_V.",
        _with(lambda A, B, Q, K, V: (A @ Q, B @ K, B)),
    ),
    Mistake(
        "There is no softmax: you multiply the scores with the values.",
        lambda A, B, Q, K, V: (A @ Q) @ (B @ K).T / np.sqrt(Q.shape[1]) @ (B @ V),
    ),
    Mistake(
        "Large scores overflow: inf/inf is NaN. Subtract the greatest score of each row first.",
        _with(stable=False),
    ),
)

EXERCISE = Exercise("cross_attention", cross_attention, _cases, _MISTAKES)
