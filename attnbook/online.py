"""Merging: attention over two sets of keys, from attention over each.

    out = (e^{lse_a} out_a + e^{lse_b} out_b) / (e^{lse_a} + e^{lse_b})
    lse = log(e^{lse_a} + e^{lse_b})

The log-sum-exp of a set of keys is all that has to be remembered of it, besides its output. So
keys can be visited in any order and in any portions: tile by tile, page by page, or machine by
machine. Milakov and Gimelshein (2018), section 3.1; Rabe and Staats (2021), section 2.
"""

from math import inf

from ._arrays import check_floating, in_float32_or_better, namespace


def merge(out_a, lse_a, out_b, lse_b):
    r"""``softmax([lse_a, lse_b])`` as weights of ``out_a`` and ``out_b``.

    Parameters
    ----------
    out_a, out_b : array, shape (..., n_q, d_v), floating
        Attention of the same queries over two disjoint sets of keys.
    lse_a, lse_b : array, shape (..., n_q), in nats, floating
        Log-sum-exp of the scores over each set; -inf where a query may attend to none of it.

    Returns
    -------
    out : array, shape (..., n_q, d_v), the dtype of ``out_a`` and ``out_b``
        Attention over both sets; 0 where a query may attend to neither.
    lse : array, shape (..., n_q), in nats
        Its log-sum-exp, in float32 or better.

    Raises
    ------
    TypeError
        If an array is no floating array, or the libraries differ.
    ValueError
        If the shapes do not fit.

    References
    ----------
    Milakov and Gimelshein (2018), "Online normalizer calculation for softmax", section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from attnbook import attention
    >>> q, k, v = np.eye(2), np.eye(4)[:, :2], np.arange(8.0).reshape(4, 2)
    >>> whole = attention(q, k, v)
    >>> a = attention(q, k[:1], v[:1], return_lse=True)
    >>> b = attention(q, k[1:], v[1:], return_lse=True)
    >>> out, lse = merge(*a, *b)
    >>> bool(np.allclose(out, whole))
    True
    """
    xp = namespace(out_a=out_a, lse_a=lse_a, out_b=out_b, lse_b=lse_b)
    check_floating(xp, out_a=out_a, lse_a=lse_a, out_b=out_b, lse_b=lse_b)
    for name, array, shape in (
        ("out_b", out_b, out_a.shape),
        ("lse_a", lse_a, out_a.shape[:-1]),
        ("lse_b", lse_b, out_a.shape[:-1]),
    ):
        if tuple(array.shape) != tuple(shape):
            raise ValueError(
                f"{name} has shape {tuple(array.shape)}; with out_a of shape "
                f"{tuple(out_a.shape)} it must be {tuple(shape)}"
            )
    dtype = xp.result_type(out_a.dtype, out_b.dtype)
    a, b, lse_a, lse_b = in_float32_or_better(xp, out_a, out_b, lse_a, lse_b)
    peak = xp.maximum(lse_a, lse_b)
    peak = xp.where(peak == -inf, 0.0, peak)  # guarded: -inf - -inf would be NaN
    w_a, w_b = xp.exp(lse_a - peak), xp.exp(lse_b - peak)
    total = w_a + w_b
    nothing = total == 0
    total = xp.where(nothing, 1.0, total)
    out = (w_a / total)[..., None] * a + (w_b / total)[..., None] * b
    lse = xp.where(nothing, -inf, xp.log(total) + peak)
    return xp.astype(out, dtype, copy=False), lse
