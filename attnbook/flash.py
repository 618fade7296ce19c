"""FlashAttention: exact attention that never holds the n_q × n_k matrix.

    for each tile of queries, and each tile j of keys in turn:
        s  = q k_j^T · scale                      m' = max(m, max_j s)
        l  = e^{m - m'} l + Σ_j e^{s - m'}         o  = e^{m - m'} o + e^{s - m'} v_j

    out = o / l        lse = m + log l

(m, l, o) are the running maximum, sum and weighted sum of values: the online softmax of Milakov and
Gimelshein (2018), with values carried along (Rabe and Staats, 2021). The backward pass keeps only
out and lse, and computes each tile of weights again: Dao et al. (2022), section 3.1; loops as in
Dao (2023), section 3.1. Memory is of order n, not n²; operations are those of plain attention.

On a GPU, half-precision tensors without a mask or a bias go to the kernels of `flash_triton`.
"""

from math import inf, nan

from . import _tiles
from ._arrays import check_count, check_switch
from ._torch import check_bias, check_mask, check_qkv, scale_of, sums_dtype, torch
from .masks import check_window


def flash_attention(
    q,
    k,
    v,
    *,
    mask=None,
    bias=None,
    causal=False,
    window=None,
    scale=None,
    return_lse=False,
    block_size=(256, 512),
):
    r"""``softmax(q k^T * scale + bias) v``, tile by tile: `attention` in memory of order n.

    Parameters
    ----------
    q : tensor, shape (B, H, n_q, d_k), floating
        Queries.
    k, v : tensors, shapes (B, H_kv, n_k, d_k) and (B, H_kv, n_k, d_v)
        Keys and values; H must be a multiple of H_kv (grouped queries).
    mask, bias, causal, window, scale, return_lse
        As for `attention`. Tiles that causal, window or mask forbid as a whole are skipped.
    block_size : int or pair of int, >= 1
        Queries and keys of a tile; one number for both. The result does not depend on it, but for
        rounding. The GPU kernel has its own.

    Returns
    -------
    out : tensor, shape (B, H, n_q, d_v), the dtype of the inputs
        A query that may attend to nothing gets 0. Sums are in float32, or float64 for float64.
    lse : tensor, shape (B, H, n_q), in nats; only if ``return_lse``
        -inf for a query that may attend to nothing.

    Raises
    ------
    TypeError
        If the tensors are no floating tensors of one dtype on one device, or the mask is not bool.
    ValueError
        If shapes do not fit, or an option is out of range.

    References
    ----------
    Dao et al. (2022), "FlashAttention"; Dao (2023), "FlashAttention-2", section 3.1.

    Examples
    --------
    >>> import torch
    >>> from attnbook import attention
    >>> q, k, v = torch.randn(3, 1, 2, 1000, 16, generator=torch.Generator().manual_seed(0))
    >>> out = flash_attention(q, k, v, causal=True)
    >>> torch.allclose(out, attention(q, k, v, causal=True), atol=1e-6)
    True
    """
    check_qkv(q, k, v)
    shape = (*q.shape[:3], k.shape[2])
    if mask is not None:
        check_mask(mask, shape)
    if bias is not None:
        check_bias(bias, shape)
    left, right = (None, None) if window is None else check_window(window)
    if check_switch("causal", causal):
        right = 0
    blocks = block_size if isinstance(block_size, tuple) else (block_size, block_size)
    for size in blocks:
        check_count("block_size", size, least=1)
    if mask is None and bias is None and (kernel := _gpu_kernel(q, v)):
        return kernel(q, k, v, window=(left, right), scale=scale, return_lse=return_lse)
    looks = _Looks(mask, left, right, *blocks, *shape[2:])
    out, lse = _Flash.apply(q, k, v, bias, looks, scale_of(scale, q.shape[-1]))
    return (out, lse) if return_lse else out


def _gpu_kernel(q, v):
    """Return the GPU kernel if there is one for these tensors, else None."""
    half = q.dtype in (torch.float16, torch.bfloat16)
    if not (q.is_cuda and half and max(q.shape[-1], v.shape[-1]) <= 256):
        return None
    try:
        from .flash_triton import flash_attention as kernel
    except ImportError:  # no Triton: the loop below runs on a GPU too, only slower
        return None
    return kernel


class _Looks:
    """Which tiles there are, and what each of them allows."""

    def __init__(self, mask, left, right, block_q, block_k, n_q, n_k):
        self.mask = mask
        self.left = inf if left is None else left
        self.right = inf if right is None else right
        self.block_q, self.block_k, self.n_q, self.n_k = block_q, block_k, n_q, n_k

    def rows(self):
        starts = range(0, self.n_q, self.block_q)
        return [slice(i, min(i + self.block_q, self.n_q)) for i in starts]

    def tiles(self, rows, device):
        """Yield the slices of keys that these rows see, each with its mask; None allows all."""
        first = rows.start + self.n_k - self.n_q  # the positions of the first and last query
        last = rows.stop - 1 + self.n_k - self.n_q
        for j in range(0, self.n_k, self.block_k):
            keys = slice(j, min(j + self.block_k, self.n_k))
            if keys.start > last + self.right or keys.stop - 1 < first - self.left:
                continue
            allowed = None
            if keys.stop - 1 > first + self.right or keys.start < last - self.left:
                position = torch.arange(first, last + 1, device=device)[:, None]
                key = torch.arange(keys.start, keys.stop, device=device)
                allowed = (key >= position - self.left) & (key <= position + self.right)
            if self.mask is not None:
                own = cut(self.mask, rows, keys)
                allowed = own if allowed is None else allowed & own
                if not allowed.any():
                    continue
            yield keys, allowed


class _Flash(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, bias, looks, scale):
        kind = sums_dtype(q.dtype)
        (clean_k, whole_k), (clean_v, whole_v) = _tiles.split_finite(k), _tiles.split_finite(v)
        out = q.new_empty((*q.shape[:3], v.shape[-1]))
        lse = torch.empty(q.shape[:3], dtype=kind, device=q.device)
        for rows in looks.rows():
            tile_q = q[:, :, rows].to(kind) * scale
            state = online_start(tile_q, v.shape[-1])
            spoiled_k = spoiled_v = False
            for keys, allowed in looks.tiles(rows, q.device):
                state = online_step(
                    *state,
                    _tiles.scores(  # without a name of its own, so that its memory serves again
                        tile_q,
                        clean_k[:, :, keys].to(kind),
                        1.0,
                        allowed=allowed,
                        bias=None if bias is None else cut(bias, rows, keys).to(kind),
                    ),
                    clean_v[:, :, keys].to(kind),
                )
                spoiled_k = spoiled_k | _sees(whole_k, keys, allowed, q)
                spoiled_v = spoiled_v | _sees(whole_v, keys, allowed, q)
            tile_out, tile_lse = online_end(*state)
            if whole_k is not None or whole_v is not None:
                tile_out = torch.where((spoiled_k | spoiled_v)[..., None], nan, tile_out)
            if whole_k is not None:
                tile_lse = torch.where(spoiled_k, nan, tile_lse)
            out[:, :, rows], lse[:, :, rows] = tile_out, tile_lse
        ctx.save_for_backward(q, clean_k, clean_v, bias, out, lse)
        ctx.looks, ctx.scale = looks, scale
        return out, lse

    @staticmethod
    def backward(ctx, d_out, d_lse):
        q, k, v, bias, out, lse = ctx.saved_tensors
        looks, kind = ctx.looks, lse.dtype
        d_q, d_k, d_v = (torch.zeros(x.shape, dtype=kind, device=x.device) for x in (q, k, v))
        d_bias = None if bias is None else torch.zeros_like(bias, dtype=kind)
        delta = (d_out.to(kind) * out.to(kind)).sum(-1) - d_lse
        for rows in looks.rows():
            for keys, allowed in looks.tiles(rows, q.device):
                tile_q, tile_k, tile_v, d_scores = _tiles.backward(
                    q[:, :, rows].to(kind),
                    k[:, :, keys].to(kind),
                    v[:, :, keys].to(kind),
                    ctx.scale,
                    lse[:, :, rows],
                    d_out[:, :, rows].to(kind),
                    delta[:, :, rows],
                    allowed=allowed,
                    bias=None if bias is None else cut(bias, rows, keys).to(kind),
                )
                d_q[:, :, rows] += tile_q
                d_k[:, :, keys] += tile_k
                d_v[:, :, keys] += tile_v
                if bias is not None:
                    part = cut(d_bias, rows, keys)
                    part += d_scores.sum_to_size(part.shape)
        gradients = (d_q.to(q.dtype), d_k.to(q.dtype), d_v.to(q.dtype))
        return *gradients, None if bias is None else d_bias.to(bias.dtype), None, None


def online_start(q, d_v):
    """Return (m, l, o) before any key was seen: maximum -inf, sum 0, weighted sum 0."""
    peak = q.new_full((*q.shape[:-1], 1), -inf)
    return peak, torch.zeros_like(peak), q.new_zeros((*q.shape[:-1], d_v))


def online_step(peak, total, out, s, v):
    """Take one more tile of scores s and values v into (m, l, o); writes into s and ``out``."""
    higher = torch.maximum(peak, s.amax(-1, keepdim=True))
    guarded = torch.where(higher == -inf, 0.0, higher)  # -inf - -inf would be NaN
    p = s.sub_(guarded).exp_()
    rescale = (peak - guarded).exp_()  # what was summed so far stood under the old maximum
    total = total * rescale + p.sum(-1, keepdim=True)
    out = _tiles.add_grouped_matmul(out.mul_(rescale), p, v)
    return higher, total, out


def online_end(peak, total, out):
    """Return the output and the log-sum-exp: 0 and -inf where nothing was allowed."""
    return out / torch.where(total == 0, 1.0, total), (peak + total.log()).squeeze(-1)


def cut(x, rows, keys):
    """Return the tile of a mask or bias that broadcasts to (B, H, n_q, n_k)."""
    if x.ndim >= 2 and x.shape[-2] != 1:
        x = x[..., rows, :]
    return x[..., keys] if x.ndim >= 1 and x.shape[-1] != 1 else x


def _sees(whole, keys, allowed, q):
    """Return which rows see a key or value that is not whole: (B, H, rows)."""
    if whole is None:
        return False
    broken = ~whole[:, :, keys].repeat_interleave(q.shape[1] // whole.shape[1], dim=1)
    broken = broken[..., None, :]
    return (broken if allowed is None else broken & allowed).any(-1)
