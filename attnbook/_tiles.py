"""Attention of one tile: some queries against some keys, and its gradient by recomputation.

    s = q k^T · scale + bias        out = softmax(s) v        lse = log Σ_j exp s_j

    P  = exp(s - lse)               dV = P^T dO
    dS = P ∘ (dO V^T - D)           dQ = dS K · scale         dK = dS^T Q · scale
    D  = Σ dO ∘ O - dlse

Backward is given the log-sum-exp over *all* keys of a query, of which the tile holds a part: the
gradients of the tiles then simply add. Dao (2023), FlashAttention-2, algorithms 1 and 2.

Shapes: q (B, H, n_q, d_k), k (B, H_kv, n_k, d_k), v (B, H_kv, n_k, d_v), in float32 or better.
Query head h uses key head h // (H / H_kv). Masks are True where attending is allowed. Nothing is
checked here; each function that a reader calls checks its own arguments. Some steps write into
their own results in place, so these functions belong inside a torch.autograd.Function.
"""

from math import inf, nan

from ._torch import torch


def scores(q, k, scale, *, allowed=None, bias=None):
    """``q k^T · scale + bias``, and -inf where attending is not allowed: (B, H, n_q, n_k)."""
    s = grouped_matmul(q if scale == 1 else q * scale, k.mT)
    if bias is not None:
        s = torch.where(bias == -inf, -inf, s + bias)  # NaN + -inf would be NaN
    return s if allowed is None else s.masked_fill(~allowed, -inf)


def forward(q, k, v, scale, *, allowed=None, bias=None):
    """Return out (B, H, n_q, d_v) and lse (B, H, n_q); 0 and -inf where nothing is allowed."""
    s = scores(q, k, scale, allowed=allowed, bias=bias)
    if s.shape[-1] == 0:
        out = q.new_zeros((*q.shape[:-1], v.shape[-1]))
        return out, q.new_full(q.shape[:-1], -inf)
    peak = s.amax(-1, keepdim=True)
    p = s.sub_(torch.where(peak == -inf, 0.0, peak)).exp_()  # guarded: -inf - -inf is NaN
    total = p.sum(-1, keepdim=True)
    out = grouped_matmul(p, v) / torch.where(total == 0, 1.0, total)
    return out, (total.log() + peak).squeeze(-1)


def backward(q, k, v, scale, lse, d_out, delta, *, allowed=None, bias=None):
    """Return what this tile adds to dQ, dK, dV, and its dS (which is the gradient of the bias).

    ``lse`` (B, H, n_q) is that of all keys; ``delta`` (B, H, n_q) is D above.
    """
    s = scores(q, k, scale, allowed=allowed, bias=bias)
    p = (s - torch.where(lse == -inf, inf, lse)[..., None]).exp_()  # an empty row: exp(-inf) = 0
    d_v = grouped_matmul_transposed(p, d_out, v.shape[1])
    d_s = p * (grouped_matmul(d_out, v.mT) - delta[..., None])
    d_q = grouped_matmul(d_s, k) * scale
    d_k = grouped_matmul_transposed(d_s, q, k.shape[1]) * scale
    return d_q, d_k, d_v, d_s


def grouped_matmul(a, b):
    """Return ``a @ b`` for a (B, H, n, m) and b (B, H_kv, m, d), repeating no head of b.

    The queries of all heads that share a key head are one taller matrix.
    """
    n_batch, n_heads, rows, inner = a.shape
    tall = a.reshape(n_batch, b.shape[1], n_heads // b.shape[1] * rows, inner)
    return (tall @ b).reshape(n_batch, n_heads, rows, b.shape[-1])


def add_grouped_matmul(out, a, b):
    """Return ``out + a @ b``, grouped as above, in one pass."""
    tall = (a.shape[0] * b.shape[1], a.shape[1] // b.shape[1] * a.shape[2])
    tall_out, tall_a = (x.reshape(*tall, x.shape[-1]) for x in (out, a))
    b = b.reshape(tall[0], *b.shape[2:])
    return torch.baddbmm(tall_out, tall_a, b).reshape(out.shape)


def grouped_matmul_transposed(a, b, num_kv_heads):
    """Return ``a^T @ b`` (B, H_kv, m, d), summed over the group of heads that shares a key head."""
    n_batch, n_heads, rows, m = a.shape
    tall = (n_batch, num_kv_heads, n_heads // num_kv_heads * rows)
    return a.reshape(*tall, m).mT @ b.reshape(*tall, b.shape[-1])


def split_finite(x):
    """Return x with non-finite rows set to 0, and which rows were whole (None: all were).

    A product with 0 does not remove a NaN, so a masked key or value with a NaN must be cleaned
    before any product, and be put back where it may be seen (`spoil`).
    """
    if torch.isfinite(x.sum()) or torch.isfinite(x).all():  # a sum is quick, and seldom overflows
        return x, None
    whole = torch.isfinite(x).all(-1)
    return torch.where(whole[..., None], x, 0.0), whole


def spoil(out, allowed, whole):
    """Return ``out`` with NaN in each row that may see a key or value that is not whole.

    ``allowed`` broadcasts to (B, H, n_q, n_k); ``whole`` is (B, H_kv, n_k) or None.
    """
    if whole is None:
        return out
    broken = ~whole.repeat_interleave(out.shape[1] // whole.shape[1], dim=1)
    seen = (broken[..., None, :] & allowed).any(-1)
    return out.masked_fill(seen[..., None], nan)
