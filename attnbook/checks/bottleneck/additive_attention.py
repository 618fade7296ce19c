"""Exercise `additive_attention`: s_tj = w · tanh(q_t W_q + k_j W_k), then the mean of v_j."""

from math import exp, tanh

import numpy as np

from ..core import Case, Exercise, Mistake


def additive_attention(q, k, v, w_q, w_k, w):
    """Return the output of each query, by loops over queries, keys and hidden units."""
    out = np.zeros((len(q), v.shape[1]))
    for t, query in enumerate(q):
        scores = []
        for key in k:
            inner = query @ w_q + key @ w_k
            scores.append(sum(tanh(x) * weight for x, weight in zip(inner, w, strict=True)))
        powers = [exp(s - max(scores)) for s in scores]
        for power, value in zip(powers, v, strict=True):
            out[t] += power / sum(powers) * value
    return out


def _cases(rng):
    def drawn(n_q, n_k, d_q, d_k, d_v, hidden, spread=1.0):
        sizes = (n_q, d_q), (n_k, d_k), (n_k, d_v), (d_q, hidden), (d_k, hidden), (hidden,)
        q, k, v, w_q, w_k, w = (rng.normal(size=size).round(1) for size in sizes)
        return q, k, v, w_q, w_k, spread * w

    one = np.ones((1, 1))
    return [
        Case(
            (one, np.array([[0.0], [1.0]]), np.array([[0.0], [1.0]]), one, one, np.array([1.0])),
            "one query, two keys",
        ),
        Case(drawn(1, 1, 1, 1, 1, 1), "one key"),
        Case(drawn(1, 3, 2, 2, 1, 2)),
        Case(drawn(2, 2, 2, 2, 2, 2), "all sizes equal"),
        Case(drawn(2, 3, 2, 2, 2, 3)),
        Case(drawn(3, 2, 2, 4, 1, 3), "query and key of different widths"),
        Case(drawn(3, 3, 4, 3, 3, 3), "as many queries as keys"),
        Case(drawn(4, 6, 5, 3, 2, 4)),
        Case(drawn(5, 5, 3, 3, 3, 3), "as many queries as keys, all of one width"),
        Case(drawn(6, 9, 4, 8, 5, 7)),
        Case(drawn(2, 4, 3, 3, 2, 5, spread=2000.0), "scores of thousands"),
        Case(drawn(4, 5, 2, 3, 3, 4, spread=2000.0), "scores of thousands"),
    ]


def _softmax(s, axis=1):
    powers = np.exp(s - s.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def _inner(q, k, w_q, w_k):
    return (q @ w_q)[:, None, :] + (k @ w_k)[None, :, :]


def _with(
    scores=lambda q, k, w_q, w_k, w: np.tanh(_inner(q, k, w_q, w_k)) @ w,
    weigh=_softmax,
    blend=lambda p, k, v: p @ v,
):
    """Return attention that does one of its parts in another way."""

    def wrong(q, k, v, w_q, w_k, w):
        return blend(weigh(scores(q, k, w_q, w_k, w)), k, v)

    return wrong


def _overflowing(s):
    powers = np.exp(s)
    return powers / powers.sum(axis=1, keepdims=True)


_MISTAKES = (
    Mistake(
        "The tanh is missing. Without it the query adds the same number to all scores of its row, "
        "and the softmax takes that out again: every query gets the same answer.",
        _with(scores=lambda q, k, w_q, w_k, w: _inner(q, k, w_q, w_k) @ w),
    ),
    Mistake(
        "The tanh comes too late: it is taken of the finished score. It belongs around the sum of "
        "query and key, before `w` reads it.",
        _with(scores=lambda q, k, w_q, w_k, w: np.tanh(_inner(q, k, w_q, w_k) @ w)),
    ),
    Mistake(
        "The query has no say. Either it is missing from the scores, or you take the tanh of query "
        "and key apart and add afterwards: then it adds one number to all scores of its row, and "
        "the softmax takes that out again. Add first, then take the tanh.",
        _with(
            scores=lambda q, k, w_q, w_k, w: (
                (np.tanh(q @ w_q)[:, None] + np.tanh(k @ w_k)[None]) @ w
            )
        ),
    ),
    Mistake(
        "You multiply the projected query and key. In additive attention they are added.",
        _with(scores=lambda q, k, w_q, w_k, w: np.tanh((q @ w_q)[:, None] * (k @ w_k)[None]) @ w),
    ),
    Mistake(
        "You use the dot product of the projected query and key. Here the score is "
        "tanh(q W_q + k W_k) · w.",
        _with(scores=lambda q, k, w_q, w_k, w: (q @ w_q) @ (k @ w_k).T),
    ),
    Mistake(
        "`w` is missing: you sum over the hidden units with equal weights.",
        _with(scores=lambda q, k, w_q, w_k, w: np.tanh(_inner(q, k, w_q, w_k)).sum(axis=-1)),
    ),
    Mistake(
        "The scores are divided by a root. That is for dot products: this score is bounded by the "
        "sum of |w| whatever the width.",
        _with(
            scores=lambda q, k, w_q, w_k, w: np.tanh(_inner(q, k, w_q, w_k)) @ w / np.sqrt(len(w))
        ),
    ),
    Mistake(
        "The softmax goes over the queries. Each query has weights of its own, which sum to one "
        "over the keys: axis=1.",
        _with(weigh=lambda s: _softmax(s, axis=0)),
    ),
    Mistake(
        "The weights of all queries together sum to one. Each row has a sum of its own.",
        _with(weigh=lambda s: np.exp(s - s.max()) / np.exp(s - s.max()).sum()),
    ),
    Mistake(
        "The softmax is missing: the scores themselves weigh the values.", _with(weigh=lambda s: s)
    ),
    Mistake(
        "Large scores overflow. Subtract the greatest score of each row before `exp`.",
        _with(weigh=_overflowing),
    ),
    Mistake(
        "You return the weights. Each query's answer is the mean of the values under them.",
        _with(blend=lambda p, k, v: p),
    ),
    Mistake(
        "You average the keys. What comes back is made of the values.",
        _with(blend=lambda p, k, v: p @ k),
    ),
)

EXERCISE = Exercise("additive_attention", additive_attention, _cases, _MISTAKES)
