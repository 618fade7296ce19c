"""Exercise `attention_backward`: gradients of softmax(Q K^T / √d_k) V, from out and log-sum-exp.

P_ij = e^{s_ij - λ_i},  Δ_i = dO_i · O_i,  dS_ij = P_ij (dO_i · v_j - Δ_i)
dV = P^T dO,  dQ = dS K / √d_k,  dK = dS^T Q / √d_k
"""

import numpy as np

from ..core import Case, Exercise, Mistake


def attention_backward(q, k, v, out, lse, d_out):
    """Return the gradients by queries, keys and values, pair by pair."""
    d_q, d_k, d_v = np.zeros(q.shape), np.zeros(k.shape), np.zeros(v.shape)
    root = q.shape[1] ** 0.5
    for i in range(len(q)):
        for j in range(len(k)):
            weight = np.exp(sum(q[i] * k[j]) / root - lse[i])
            d_score = weight * sum(d_out[i] * (v[j] - out[i]))
            d_v[j] += weight * d_out[i]
            d_q[i] += d_score * k[j] / root
            d_k[j] += d_score * q[i] / root
    return d_q, d_k, d_v


def _forward(q, k, v):
    """Return attention's output and log-sum-exps."""
    s = q @ k.T / q.shape[1] ** 0.5
    lse = np.logaddexp.reduce(s, axis=1)
    return np.exp(s - lse[:, None]) @ v, lse


def _cases(rng):
    def drawn(n_q, n_k, d_k, d_v, size=1.0):
        q, k, v = (rng.normal(size=n).round(1) for n in ((n_q, d_k), (n_k, d_k), (n_k, d_v)))
        q = size * q
        return q, k, v, *_forward(q, k, v), rng.normal(size=(n_q, d_v)).round(1)

    q, k, v = np.array([[2.0]]), np.array([[1.0], [0.0]]), np.array([[3.0], [1.0]])
    return [
        Case((q, k, v, *_forward(q, k, v), np.array([[1.0]])), "one query, two keys, width 1"),
        Case(drawn(1, 1, 1, 1), "a single key has all the weight"),
        Case(drawn(1, 2, 4, 1), "one query"),
        Case(drawn(2, 2, 2, 2), "as many queries as keys"),
        Case(drawn(2, 3, 4, 2)),
        Case(drawn(3, 3, 3, 3), "as many queries as keys"),
        Case(drawn(4, 3, 2, 5)),
        Case(drawn(5, 7, 4, 3)),
        Case(drawn(6, 6, 9, 6)),
        Case(drawn(8, 5, 16, 2)),
        Case(drawn(3, 4, 4, 2, size=2000.0), "scores of thousands"),
        Case(drawn(4, 4, 3, 2, size=3000.0), "scores of thousands"),
    ]


def _with(
    weights=lambda s, lse: np.exp(s - lse[:, None]),
    score=lambda q, k: q @ k.T * q.shape[1] ** -0.5,
    d_weights=lambda v, out, d_out: d_out @ v.T,
    delta=lambda p, d_p, out, d_out: (d_out * out).sum(axis=1, keepdims=True),
    d_scores=lambda p, d_p, delta: p * (d_p - delta),
    q_scale=lambda q, k: q.shape[1] ** -0.5,
    k_scale=lambda q, k: q.shape[1] ** -0.5,
    by_q=lambda d_s, q, k: d_s @ k,
    by_k=lambda d_s, q, k: d_s.T @ q,
    by_v=lambda p, d_s, out, d_out: p.T @ d_out,
    end=lambda d_q, d_k, d_v: (d_q, d_k, d_v),
):
    """Return a backward pass that does one of its steps in another way."""

    def wrong(q, k, v, out, lse, d_out):
        p = weights(score(q, k), lse)
        d_p = d_weights(v, out, d_out)
        d_s = d_scores(p, d_p, delta(p, d_p, out, d_out))
        d_q, d_k = q_scale(q, k) * by_q(d_s, q, k), k_scale(q, k) * by_k(d_s, q, k)
        return end(d_q, d_k, by_v(p, d_s, out, d_out))

    return wrong


def _one(q, k):
    return 1.0


def _squared(q, k):
    return 1.0 / q.shape[1]


def _raised(s, lse):
    return np.exp(s)


def _under_maximum(s, lse):
    return np.exp(s - s.max(axis=1, keepdims=True))


_NOT_AGAIN = "exp(s - lse), with the log-sum-exp of each row."
_MISTAKES = (
    Mistake(
        "Δ is dropped: dS is P times (dP - Δ), with Δ_i = dO_i · O_i. What a weight gains, the "
        "others of its row lose.",
        _with(delta=lambda p, d_p, out, d_out: 0.0),
    ),
    Mistake(
        "Δ is added. Subtract it: dS is P times (dP - Δ).",
        _with(d_scores=lambda p, d_p, delta: p * (d_p + delta)),
    ),
    Mistake(
        "Δ is not weighted by P: dS is P times (dP - Δ), brackets included.",
        _with(d_scores=lambda p, d_p, delta: p * d_p - delta),
    ),
    Mistake(
        "P is dropped: dS is P times (dP - Δ).", _with(d_scores=lambda p, d_p, delta: d_p - delta)
    ),
    Mistake(
        "For Δ you sum dP over the row without its weights. It is Σ_j P_ij dP_ij, which is dO_i · "
        "O_i.",
        _with(delta=lambda p, d_p, out, d_out: d_p.sum(axis=1, keepdims=True)),
    ),
    Mistake(
        "Δ is one number for all rows. Each row has its own: sum dO · O along axis 1.",
        _with(delta=lambda p, d_p, out, d_out: (d_out * out).sum()),
    ),
    Mistake(
        "Δ runs along the keys: it belongs to a query, as a column. Sum with keepdims=True.",
        _with(delta=lambda p, d_p, out, d_out: (d_out * out).sum(axis=1)),
    ),
    Mistake(
        "The scale is missing in dQ and dK: the scores are q·k/√d_k, so the chain rule divides by "
        "√d_k.",
        _with(q_scale=_one, k_scale=_one),
    ),
    Mistake(
        "The scale is missing in dQ: the scores are q·k/√d_k, so divide by √d_k there as in dK.",
        _with(q_scale=_one),
    ),
    Mistake(
        "The scale is missing in dK: the scores are q·k/√d_k, so divide by √d_k there as in dQ.",
        _with(k_scale=_one),
    ),
    Mistake(
        "The scale is applied twice, to dS and again to dQ and dK: divide by √d_k once.",
        _with(q_scale=_squared, k_scale=_squared),
    ),
    Mistake(
        "The scores are made again without the scale. The log-sum-exps belong to q·k/√d_k.",
        _with(score=lambda q, k: q @ k.T),
    ),
    Mistake(
        "The scores are made again without the scale, and the scale is missing in dQ and dK too.",
        _with(score=lambda q, k: q @ k.T, q_scale=_one, k_scale=_one),
    ),
    Mistake(
        f"The weights are made again without the log-sum-exp: they are {_NOT_AGAIN}",
        _with(weights=_raised),
    ),
    Mistake(
        "The weights are made again under the maximum, and do not sum to one: they are "
        + _NOT_AGAIN,
        _with(weights=_under_maximum),
    ),
    Mistake(
        f"The weights are divided by the log-sum-exp. It is a logarithm: {_NOT_AGAIN}",
        _with(weights=lambda s, lse: np.exp(s) / lse[:, None]),
    ),
    Mistake(
        "dV is not transposed: value j gathers from all queries, Pᵀ dO.",
        _with(by_v=lambda p, d_s, out, d_out: p @ d_out),
    ),
    Mistake(
        "dV is made of dS. The values meet the weights: Pᵀ dO.",
        _with(by_v=lambda p, d_s, out, d_out: d_s.T @ d_out),
    ),
    Mistake(
        "dV is made of the output. It is Pᵀ dO, with the gradient of the output.",
        _with(by_v=lambda p, d_s, out, d_out: p.T @ out),
    ),
    Mistake(
        "dK is not transposed: key j gathers from all queries, dSᵀ Q.",
        _with(by_k=lambda d_s, q, k: d_s @ q),
    ),
    Mistake(
        "Queries and keys are swapped: dQ is dS K, and dK is dSᵀ Q.",
        _with(by_q=lambda d_s, q, k: d_s @ q, by_k=lambda d_s, q, k: d_s.T @ k),
    ),
    Mistake(
        "dQ and dK are returned in the wrong order: d_q, d_k, d_v.",
        _with(end=lambda d_q, d_k, d_v: (d_k, d_q, d_v)),
    ),
    Mistake(
        "You use the output in place of its gradient: dP is dO Vᵀ.",
        _with(d_weights=lambda v, out, d_out: out @ v.T),
    ),
)

EXERCISE = Exercise("attention_backward", attention_backward, _cases, _MISTAKES)
