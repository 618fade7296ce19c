"""Top-k attention: each query attends to its best-scoring keys and to no other.

    out_i = softmax(s_ij over j in T_i) · v_j,   T_i = the top_k allowed keys with the greatest s_ij

Gupta, Dar, Goodman, Ciprut and Berant (2021), "Memory-efficient transformers via top-k attention".
As in the paper, all scores are computed, some queries at a time, and none are kept: what falls is
memory, not the number of operations.
"""

from math import inf

from . import _tiles
from ._arrays import check_count, check_switch
from ._torch import check_bias, check_mask, check_qkv, scale_of, sums_dtype, torch
from .attention import attention
from .masks import check_window, in_window

ROWS = 128  # queries at a time, against all keys


def top_k_attention(
    q,
    k,
    v,
    *,
    top_k,
    mask=None,
    bias=None,
    causal=False,
    window=None,
    scale=None,
    return_lse=False,
):
    r"""``softmax`` over each query's ``top_k`` greatest scores, times the values of those keys.

    The weight that full attention would give to the other keys is the missing mass m. Leaving
    them out moves the output by at most m times the greatest distance between two values.

    Parameters
    ----------
    q : tensor, shape (B, H, n_q, d_k), floating
        Queries.
    k, v : tensor, shape (B, H_kv, n_k, d_k) and (B, H_kv, n_k, d_v), floating
        Keys and values; query head h uses key head h // (H / H_kv).
    top_k : int, >= 1
        How many keys each query attends to: all that it may, if they are fewer. Among equal
        scores the key that comes first wins. With ``top_k >= n_k`` this is `attention`.
    mask, bias, causal, window, scale
        As for `attention`; keys are chosen among those that they allow, by scores with the bias.
    return_lse : bool
        Return the log-sum-exp of the chosen scores as well.

    Returns
    -------
    out : tensor, shape (B, H, n_q, d_v), the dtype of the inputs
        The gradient flows through the chosen scores; the choice itself has none.
    lse : tensor, shape (B, H, n_q), in nats; only if ``return_lse``
        float32, or float64 for float64; -inf for a query that may attend to nothing.

    Notes
    -----
    A NaN or inf in a key cannot be ranked, so every query that may see it becomes NaN. One in a
    value is seen by those alone who choose it.

    Raises
    ------
    TypeError
        If a tensor is no floating tensor, dtypes or devices differ, or the mask is not bool.
    ValueError
        If shapes do not fit, or top_k is less than 1, or the scale is not finite, or the window
        is negative.

    References
    ----------
    Gupta et al. (2021), "Memory-efficient transformers via top-k attention".

    Examples
    --------
    >>> q = torch.ones(1, 1, 1, 1)
    >>> k = torch.tensor([3.0, 1.0, 3.0, 2.0]).reshape(1, 1, 4, 1)
    >>> v = torch.tensor([10.0, 20.0, 30.0, 40.0]).reshape(1, 1, 4, 1)
    >>> [top_k_attention(q, k, v, top_k=n).item() for n in (1, 2)]
    [10.0, 20.0]
    """
    check_qkv(q, k, v)
    n_q, n_k = q.shape[2], k.shape[2]
    top_k = check_count("top_k", top_k, least=1)
    scale = scale_of(scale, q.shape[-1])
    left, right = (None, None) if window is None else check_window(window)
    right = 0 if check_switch("causal", causal) else right
    if mask is not None:
        check_mask(mask, (*q.shape[:3], n_k))
    if bias is not None:
        check_bias(bias, (*q.shape[:3], n_k))
    key = torch.arange(n_k, device=q.device)
    parts = []
    for start in range(0, max(n_q, 1), ROWS):
        rows = slice(start, min(start + ROWS, n_q))
        position = torch.arange(rows.start, rows.stop, device=q.device)[:, None] + (n_k - n_q)
        allowed = torch.ones_like(key, dtype=torch.bool) & in_window(position, key, left, right)
        if mask is not None:
            allowed = allowed & _rows_of(mask, rows)
        inputs = q[:, :, rows], k, v, _rows_of(bias, rows), allowed, top_k, scale
        # Nothing of the size of the scores is kept: backward computes it again.
        parts.append(torch.utils.checkpoint.checkpoint(_attend, *inputs, use_reentrant=False))
    out, lse = (torch.cat(part, 2) for part in zip(*parts, strict=True))
    return (out, lse) if return_lse else out


def _attend(q, k, v, bias, allowed, top_k, scale):
    with torch.no_grad():
        chosen = _choose(q, k, bias, allowed, top_k, scale)
    return attention(q, k, v, mask=chosen, bias=bias, scale=scale, return_lse=True)


def _choose(q, k, bias, allowed, top_k, scale):
    """Return which pairs are chosen: bool (B, H, n_q, n_k), at most top_k True in a row."""
    dtype = sums_dtype(q.dtype)
    (q, _), (k, k_whole) = (_tiles.split_finite(x.to(dtype)) for x in (q, k))
    s = _tiles.scores(q, k, scale, bias=None if bias is None else bias.to(dtype))
    unknown = s.isnan()
    if k_whole is not None:
        broken = ~k_whole.repeat_interleave(q.shape[1] // k.shape[1], dim=1)
        unknown = unknown | (broken[:, :, None, :] & (s > -inf))
    s = torch.where(unknown, inf, s)  # chosen first, so that it shows in the output
    s = s.masked_fill(~allowed, -inf)
    least = s.topk(min(top_k, s.shape[-1])).values[..., -1:]
    above, tied = s > least, (s == least) & (s > -inf)
    room = top_k - above.sum(-1, keepdim=True)
    return above | (tied & (tied.cumsum(-1) <= room))  # topk alone leaves open which ties win


def _rows_of(x, rows):
    """Return the rows of a mask or bias; an axis of 1, or none, holds for all rows."""
    return x if x is None or x.ndim < 2 or x.shape[-2] == 1 else x[..., rows, :]
