"""Attention: softmax of scaled dot products, times the values.

    attention(Q, K, V) = softmax(Q K^T / √d_k) V

Vaswani et al. (2017), section 3.2.1, equation 1. This is the reference: a dozen lines, in any
array library, plain rather than fast. Every other version in the book is tested against it.
"""

from math import inf, nan, sqrt

from ._arrays import (
    check_broadcast,
    check_floating,
    check_mask,
    check_number,
    check_rank,
    check_switch,
    in_float32_or_better,
    namespace,
    split_finite,
)
from .distributions import logsumexp, softmax, weighted_mean
from .masks import causal_mask, check_window, window_mask


def attention(
    q, k, v, *, mask=None, bias=None, causal=False, window=None, scale=None, return_lse=False
):
    r"""``softmax(q k^T * scale + bias) v``, over the keys that may be attended to.

    Parameters
    ----------
    q : array, shape (..., n_q, d_k), floating
        Queries.
    k : array, shape (..., n_k, d_k), floating
        Keys.
    v : array, shape (..., n_k, d_v), floating
        Values; d_v may differ from d_k. Leading axes of q, k and v broadcast. With four axes
        or more, (B, H, N, D), k and v may have fewer heads than q, if H_q is a multiple of
        H_kv: query head h then uses key head h // (H_q / H_kv) (grouped queries).
    mask : bool array, broadcasts to (..., n_q, n_k), optional
        True = may attend. ``mask``, ``causal`` and ``window`` intersect.
    bias : array, broadcasts to (..., n_q, n_k), floating, optional
        Added to the scaled scores, in nats. -inf forbids, as the mask does.
    causal : bool
        Query i sees keys j <= i + n_k - n_q, aligned to the lower right, as decoding needs.
        Two queries, five keys (X = may attend)::

            key      0 1 2 3 4
            query 0  X X X X .
            query 1  X X X X X

        PyTorch's ``is_causal`` aligns to the upper left: query 0 sees key 0 alone.
    window : (left, right), optional
        Query i stands at p = i + n_k - n_q and sees keys p - left ... p + right. None on a side
        is no limit.
    scale : float, optional
        What the dot products are multiplied by; 1/√d_k if not given.
    return_lse : bool
        Return the log-sum-exp of the scores as well.

    Returns
    -------
    out : array, shape (..., n_q, d_v), the dtype of the inputs
        A query that may attend to nothing gets 0. Sums are in float32 or better.
    lse : array, shape (..., n_q), in nats; only if ``return_lse``
        float32, or float64 for float64; -inf for a query that may attend to nothing.

    Notes
    -----
    What lies in a masked key or value, NaN too, reaches neither the output nor the gradient.
    A NaN or inf in a key or value that *is* attended to makes that query's output NaN.

    Raises
    ------
    TypeError
        If an array is no floating array, the libraries differ, or the mask is not bool.
    ValueError
        If shapes do not fit, or the scale is not finite, or the window is negative.

    References
    ----------
    Vaswani et al. (2017), "Attention is all you need", section 3.2.1, equation 1. Grouped
    queries: Ainslie et al. (2023), section 2.2.

    Examples
    --------
    >>> import numpy as np
    >>> k = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> v = np.array([[10.0], [20.0]])
    >>> attention(np.array([[0.0, 0.0], [0.0, 99.0]]), k, v)
    array([[15.],
           [20.]])
    """
    xp, dtype, q, k, v = _prepare(mask, bias, q=q, k=k, v=v)
    s = _scores(xp, q, k, mask, bias, causal, window, scale)
    out = xp.astype(weighted_mean(xp, softmax(s), v), dtype, copy=False)
    return (out, logsumexp(s)) if return_lse else out


def attention_weights(q, k, *, mask=None, bias=None, causal=False, window=None, scale=None):
    r"""``softmax(q k^T * scale + bias)``: the weights that `attention` gives to the values.

    Parameters
    ----------
    q, k, mask, bias, causal, window, scale
        As for `attention`.

    Returns
    -------
    array, shape (..., n_q, n_k), the dtype of the inputs
        Each row sums to 1, or is all zeros where nothing may be attended to.

    Raises
    ------
    TypeError, ValueError
        As for `attention`.

    References
    ----------
    Vaswani et al. (2017), section 3.2.1.

    Examples
    --------
    >>> import numpy as np
    >>> attention_weights(np.zeros((3, 2)), np.zeros((3, 2)), causal=True).round(2)
    array([[1.  , 0.  , 0.  ],
           [0.5 , 0.5 , 0.  ],
           [0.33, 0.33, 0.33]])
    """
    xp, dtype, q, k = _prepare(mask, bias, q=q, k=k)
    s = _scores(xp, q, k, mask, bias, causal, window, scale)
    return xp.astype(softmax(s), dtype, copy=False)


def _scores(xp, q, k, mask, bias, causal, window, scale):
    """``q k^T * scale + bias``, and -inf where attending is not allowed."""
    n_q, n_k, d_k = q.shape[-2], k.shape[-2], q.shape[-1]
    scale = 1 / sqrt(d_k) if scale is None else check_number("scale", scale)
    # A key with a NaN scores NaN, by `where` and not by the product: a masked one then leaves
    # no trace in the gradient either. The same goes for a query.
    (q, q_whole), (k, k_whole) = split_finite(xp, q), split_finite(xp, k)
    s = xp.matmul(q * scale, xp.matrix_transpose(k))
    s = xp.where(q_whole[..., :, None] & k_whole[..., None, :], s, nan)
    if bias is not None:
        bias = xp.astype(bias, s.dtype, copy=False)
        s = xp.where(bias == -inf, -inf, s + bias)  # NaN + -inf would be NaN
    if mask is not None:
        s = xp.where(mask, s, -inf)
    if check_switch("causal", causal):
        s = xp.where(causal_mask(n_q, n_k, xp=xp, device=s.device), s, -inf)
    if window is not None:
        left, right = check_window(window)
        near = window_mask(n_q, n_k, left=left, right=right, xp=xp, device=s.device)
        s = xp.where(near, s, -inf)
    return s


def _prepare(mask, bias, **arrays):
    """Check what came; return q, k (and v) with one head per query head, in float32 or better."""
    xp = namespace(**arrays, mask=mask, bias=bias)
    check_floating(xp, **arrays, bias=bias)
    check_rank(2, "(..., number, width)", **arrays)
    shapes = {name: tuple(array.shape) for name, array in arrays.items()}
    came = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    if shapes["q"][-1] != shapes["k"][-1] or shapes["q"][-1] == 0:
        raise ValueError(
            f"q and k must have the same width d_k >= 1; got {shapes['q'][-1]} and "
            f"{shapes['k'][-1]} (shapes: {came})"
        )
    if "v" in shapes and shapes["k"][-2] != shapes["v"][-2]:
        raise ValueError(
            f"there must be one value for each key; got {shapes['k'][-2]} keys and "
            f"{shapes['v'][-2]} values (shapes: {came})"
        )
    dtype = xp.result_type(*(array.dtype for array in arrays.values()))
    q, *others = in_float32_or_better(xp, *arrays.values())
    others = [_repeat_heads(xp, q, other, came) for other in others]
    lead = _broadcast([array.shape[:-2] for array in (q, *others)], came)
    q = xp.broadcast_to(q, (*lead, *q.shape[-2:]))
    scores_shape = (*lead, q.shape[-2], others[0].shape[-2])
    check_mask(xp, mask, scores_shape)
    if bias is not None:
        check_broadcast("bias", bias, scores_shape)
    return xp, dtype, q, *others


def _repeat_heads(xp, q, other, came):
    """Repeat each key or value head for the group of query heads that shares it."""
    if q.ndim < 4 or other.ndim < 4 or q.shape[-3] == other.shape[-3]:
        return other
    h_q, h_kv = q.shape[-3], other.shape[-3]
    if h_kv == 0 or h_q % h_kv:
        raise ValueError(
            f"{h_q} query heads cannot share {h_kv} key/value heads evenly; the first number "
            f"must be a multiple of the second (shapes: {came})"
        )
    return xp.repeat(other, h_q // h_kv, axis=-3)


def _broadcast(leads, came):
    """Return the common leading shape."""
    rank = max(map(len, leads))
    common = []
    for sizes in zip(*((1,) * (rank - len(lead)) + tuple(lead) for lead in leads), strict=True):
        wide = {size for size in sizes if size != 1}
        if len(wide) > 1:
            raise ValueError(
                f"the leading axes do not broadcast: {came} (grouped heads need 4 axes, "
                "(B, H, N, D))"
            )
        common.append(wide.pop() if wide else 1)
    return tuple(common)
