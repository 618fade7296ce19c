"""Exercise `self_attention`: softmax(X W_Q (X W_K)^T / √d_k) X W_V, for each X of a batch."""

import numpy as np

from ..core import Case, Exercise, Mistake


def self_attention(X, W_Q, W_K, W_V):
    """Let each word of a sentence attend to the words of the same sentence."""
    out = []
    for sentence in X:
        keys, values = [x @ W_K for x in sentence], [x @ W_V for x in sentence]
        rows = []
        for x in sentence:
            scores = np.array([(x @ W_Q) @ key for key in keys]) / np.sqrt(W_K.shape[1])
            powers = np.exp(scores - max(scores))
            rows.append(sum(p * v for p, v in zip(powers, values, strict=True)) / sum(powers))
        out.append(rows)
    return np.array(out)


def _cases(rng):
    def drawn(batch, n, d, d_k, d_v, size=1.0):
        X = rng.normal(size=(batch, n, d)).round(1)
        W_Q, W_K = rng.normal(size=(2, d, d_k)).round(1) / np.sqrt(d)
        return X, size * W_Q, W_K, rng.normal(size=(d, d_v)).round(1)

    return [
        Case(drawn(1, 2, 2, 3, 1), "one sentence of two words"),
        Case(drawn(2, 2, 1, 3, 2)),
        Case(drawn(2, 3, 2, 4, 1)),
        Case(drawn(3, 3, 3, 3, 3), "all sizes equal"),
        Case(drawn(4, 4, 4, 4, 4), "all sizes equal"),
        Case(drawn(1, 5, 4, 2, 3), "one sentence"),
        Case(drawn(4, 1, 3, 2, 2), "sentences of one word"),
        Case(drawn(3, 6, 8, 5, 4)),
        Case(drawn(5, 7, 6, 9, 2)),
        Case(drawn(2, 4, 5, 4, 3, size=3000.0), "scores of thousands"),
        Case(drawn(3, 5, 4, 6, 2, size=5000.0), "scores of thousands"),
    ]


def _turned(K):
    return np.swapaxes(K, -1, -2)


def _with(
    project=lambda X, Q, K, V: (X @ Q, X @ K, X @ V),
    scale=lambda X, q: 1 / np.sqrt(q.shape[-1]),
    turned=_turned,
    shift=lambda s: s - s.max(axis=-1, keepdims=True),
    divide=lambda e: e / e.sum(axis=-1, keepdims=True),
):
    """Return self-attention that does one of its steps in another way."""

    def wrong(X, W_Q, W_K, W_V):
        q, k, v = project(X, W_Q, W_K, W_V)
        return divide(np.exp(shift(q @ turned(k) * scale(X, q)))) @ v

    return wrong


def _all_together(X, W_Q, W_K, W_V):
    one = X.reshape(1, -1, X.shape[-1])
    return _with()(one, W_Q, W_K, W_V).reshape(*X.shape[:-1], -1)


def _over(axis):
    return _with(divide=lambda e: e / e.sum(axis=axis, keepdims=True), shift=lambda s: s)


def _stable_over(axis):
    return _with(
        shift=lambda s: s - s.max(axis=axis, keepdims=True),
        divide=lambda e: e / e.sum(axis=axis, keepdims=True),
    )


_ALL_AXES = (
    "`.T` turns *all* axes of an array round, those of the batch too. Exchange the last two alone: "
    "np.swapaxes(K, -1, -2), or K.mT."
)
_QUERIES = "Your weights sum to one over the queries, not over the keys: softmax along axis=-1."
_BATCH = (
    "Your weights sum to one over the sentences of the batch: axis 0 is the batch now. Softmax "
    "along the last axis, the keys."
)
_NO_KEEPDIMS = (
    "The sums of the rows lie along the wrong axis: each weight is divided by the sum of another "
    "query, or nothing fits. Keep the axis: sum(axis=-1, keepdims=True)."
)

_MISTAKES = (
    Mistake(
        "The sentences look at each other: you have made one long sentence of the batch. Each may "
        "see its own words only.",
        _all_together,
    ),
    Mistake(_ALL_AXES, _with(turned=lambda k: k.T)),
    Mistake(_QUERIES, _stable_over(-2)),
    Mistake(_QUERIES + " And large scores overflow.", _over(-2)),
    Mistake(_BATCH, _stable_over(0)),
    Mistake(_NO_KEEPDIMS, _with(divide=lambda e: e / e.sum(axis=-1))),
    Mistake("The scores are not divided by √d_k.", _with(scale=lambda X, q: 1.0)),
    Mistake(
        "The scores are divided by d_k. Divide by its square root.",
        _with(scale=lambda X, q: 1 / q.shape[-1]),
    ),
    Mistake(
        "You divide by the root of the embedding's width. d_k is the width of queries and keys, "
        "after the projection.",
        _with(scale=lambda X, q: 1 / np.sqrt(X.shape[-1])),
    ),
    Mistake(
        "You divide by the root of the number of words. d_k is the width of queries and keys.",
        _with(scale=lambda X, q: 1 / np.sqrt(X.shape[-2])),
    ),
    Mistake(
        "W_Q and W_K have changed places.", _with(project=lambda X, Q, K, V: (X @ K, X @ Q, X @ V))
    ),
    Mistake(
        "Queries and keys both use W_Q. The keys go through W_K.",
        _with(project=lambda X, Q, K, V: (X @ Q, X @ Q, X @ V)),
    ),
    Mistake(
        "The values are the keys: X @ W_K. They go through W_V.",
        _with(project=lambda X, Q, K, V: (X @ Q, X @ K, X @ K)),
    ),
    Mistake(
        "You average the rows of X. The values go through W_V.",
        _with(project=lambda X, Q, K, V: (X @ Q, X @ K, X)),
    ),
    Mistake(
        "There is no softmax: you multiply the scores with the values.",
        lambda X, Q, K, V: (X @ Q) @ _turned(X @ K) / np.sqrt(Q.shape[1]) @ (X @ V),
    ),
    Mistake(
        "Large scores overflow: inf/inf is NaN. Subtract the greatest score of each row first.",
        _with(shift=lambda s: s),
    ),
)

EXERCISE = Exercise("self_attention", self_attention, _cases, _MISTAKES)
