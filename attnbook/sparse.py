"""Block-sparse attention: a block in which no pair is allowed is never computed.

    out_I = softmax(q_I k_J^T · scale + bias_IJ) v_J,   J = the keys of the blocks that I visits

That is exact: in dense attention under the same mask, the weights of a skipped block are 0. One
pass takes 2 · B · H · (pairs in visited blocks) · (d_k + d_v) operations, and so its time falls
with the density. Child, Gray, Radford and Sutskever (2019), section 5.5. Backward computes the
scores again, as in FlashAttention-2 (Dao, 2023).
"""

from functools import cache
from math import inf, nan

from . import _tiles
from ._arrays import check_count, check_switch
from ._torch import check_bias, check_mask, check_qkv, scale_of, sums_dtype, torch
from .block_mask import BlockMask
from .masks import check_window
from .online import merge

MAX_KEYS = 2048  # visited at a time: their scores fit in a CPU's cache, and few merges are needed


def block_sparse_attention(
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
    block_size=128,
):
    r"""``softmax(q k^T * scale + bias) v`` over the allowed keys, visiting only their blocks.

    A loop in plain PyTorch: each block of queries gathers the keys that it visits. It is exact,
    forward and backward, and makes no (n_q, n_k) array. It is not one fused kernel, so a dense
    `scaled_dot_product_attention` is faster until enough blocks are skipped: how many, on a CPU,
    ``benchmarks/block_sparse.py`` measures. On a GPU use PyTorch's ``flex_attention``.

    Parameters
    ----------
    q : tensor, shape (B, H, n_q, d_k), floating
        Queries.
    k, v : tensor, shape (B, H_kv, n_k, d_k) and (B, H_kv, n_k, d_v), floating
        Keys and values; query head h uses key head h // (H / H_kv).
    mask : BlockMask, or a sequence of one for each query head, or bool tensor, optional
        True = may attend. A tensor broadcasts to (B, H, n_q, n_k), and its block lists are made
        anew in every call.
    bias, causal, window, scale
        As for `attention`. Blocks beyond ``causal`` and ``window`` are skipped as well.
    return_lse : bool
        Return the log-sum-exp of the scores as well.
    block_size : int, >= 1
        Queries, and keys, of a block, where ``mask`` is no `BlockMask`. It changes the time that
        is taken, and nothing else.

    Returns
    -------
    out : tensor, shape (B, H, n_q, d_v), the dtype of the inputs
        A query that may attend to nothing gets 0. Sums are in float32 or better.
    lse : tensor, shape (B, H, n_q), in nats; only if ``return_lse``
        float32, or float64 for float64; -inf for a query that may attend to nothing.

    Raises
    ------
    TypeError
        If a tensor is no floating tensor, dtypes or devices differ, or the mask is of no kind
        named above.
    ValueError
        If shapes do not fit, or the scale is not finite, or the window is negative.

    References
    ----------
    Child, Gray, Radford and Sutskever (2019), "Generating long sequences with sparse
    transformers", section 5.5.

    Examples
    --------
    >>> from attnbook.patterns import causal, longformer
    >>> pattern = longformer(16, [0]) & causal()
    >>> blocks = pattern.blocks(256, block_size=16)
    >>> blocks
    BlockMask(256 x 256 in blocks of 16: 45 of 256 visited, 45 of them partial)
    >>> q, k, v = torch.zeros(3, 1, 2, 256, 8).unbind()
    >>> out, lse = block_sparse_attention(q, k, v, mask=blocks, return_lse=True)
    >>> lse[0, 0, :3].exp()  # all scores are 0: how many keys each query sees
    tensor([1., 2., 3.])
    """
    check_qkv(q, k, v)
    shape = (*q.shape[:3], k.shape[2])
    dtype = sums_dtype(q.dtype)
    if bias is not None:
        check_bias(bias, shape)
        bias = bias.to(dtype).reshape((1,) * (4 - bias.ndim) + bias.shape)
    plan = _plan(mask, causal, window, check_count("block_size", block_size, least=1), q, k)
    qkv = (x.to(dtype) for x in (q, k, v))
    out, lse = _BlockSparse.apply(*qkv, bias, scale_of(scale, q.shape[-1]), plan)
    out = out.to(q.dtype)
    return (out, lse) if return_lse else out


class _BlockSparse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, bias, scale, plan):
        (q, q_whole), (k, k_whole), (v, v_whole) = map(_tiles.split_finite, (q, k, v))
        out, lse = q.new_zeros(*q.shape[:3], v.shape[-1]), q.new_full(q.shape[:3], -inf)
        before = None
        for at, kv, runs, allowed in _visits(plan):
            tile = _tiles.forward(
                q[at],
                _gather(k[kv], runs),
                _gather(v[kv], runs),
                scale,
                allowed=allowed,
                bias=_gather_bias(bias, at, runs),
            )
            if at == before:  # more keys of the same queries
                tile = merge(out[at], lse[at], *tile)
            (out[at], lse[at]), before = tile, at
        _spoil(out, lse, q_whole, k_whole, v_whole, bias, plan)
        ctx.save_for_backward(q, k, v, bias, out, lse)
        ctx.scale, ctx.plan = scale, plan
        return out, lse

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_out, d_lse):
        q, k, v, bias, out, lse = ctx.saved_tensors
        delta = (d_out * out).sum(-1) - d_lse
        d_q, d_k, d_v = (torch.zeros_like(x) for x in (q, k, v))
        d_bias = torch.zeros_like(bias) if ctx.needs_input_grad[3] else None
        for at, kv, runs, allowed in _visits(ctx.plan):
            tile_q, tile_k, tile_v, d_s = _tiles.backward(
                q[at],
                _gather(k[kv], runs),
                _gather(v[kv], runs),
                ctx.scale,
                lse[at],
                d_out[at],
                delta[at],
                allowed=allowed,
                bias=_gather_bias(bias, at, runs),
            )
            d_q[at] += tile_q
            _scatter(d_k[kv], runs, tile_k)
            _scatter(d_v[kv], runs, tile_v)
            if d_bias is not None:
                _scatter_bias(d_bias, at, runs, d_s)
        return d_q, d_k, d_v, d_bias, None, None


def _plan(mask, causal, window, block_size, q, k):
    """Return [((batch, heads), (batch, heads of k and v), block mask), ...]: what holds where."""
    n_q, n_k, group = q.shape[2], k.shape[2], q.shape[1] // k.shape[1]
    left, right = (None, None) if window is None else check_window(window)
    right = 0 if check_switch("causal", causal) else right

    @cache
    def near(size):
        limits = {"left": left, "right": right, "block_size": size}
        return BlockMask.from_window(n_q, n_k, **limits, device=q.device)

    plan = []
    for batch, heads, blocks in _parts(mask, (*q.shape[:3], n_k), block_size, near):
        if not isinstance(blocks, BlockMask):
            raise TypeError(f"mask holds a {type(blocks).__name__}; each must be a BlockMask")
        if (blocks.n_q, blocks.n_k) != (n_q, n_k) or blocks.device not in (None, q.device):
            raise ValueError(
                f"the block mask is for {blocks.n_q} queries and {blocks.n_k} keys on "
                f"{blocks.device}; there are {n_q} and {n_k} on {q.device}"
            )
        kv_heads = heads
        if heads != slice(None):
            kv_heads = slice(heads.start // group, heads.start // group + 1)
        if left is not None or right is not None:
            blocks = blocks & near(blocks.block_size)
        plan.append(((batch, heads), (batch, kv_heads), blocks))
    return plan


def _parts(mask, shape, block_size, near):
    """Yield (batch, heads, block mask): one for all if it can be, else one for each head."""
    every = slice(None)
    if mask is None:
        yield every, every, near(block_size)
    elif isinstance(mask, BlockMask):
        yield every, every, mask
    elif isinstance(mask, (list, tuple)):
        if len(mask) != shape[1]:
            raise ValueError(f"mask holds {len(mask)} block masks for {shape[1]} query heads")
        for head, blocks in enumerate(mask):
            yield every, slice(head, head + 1), blocks
    else:
        check_mask(mask, shape)
        mask = mask.reshape((1,) * (4 - mask.ndim) + mask.shape)
        for b, of_batch in enumerate(mask):
            for h, one in enumerate(of_batch):
                yield (
                    slice(b, b + 1) if len(mask) > 1 else every,
                    slice(h, h + 1) if len(of_batch) > 1 else every,
                    BlockMask.from_mask(one.expand(shape[2:]), block_size),
                )


def _visits(plan):
    """Yield ((batch, heads, queries), (batch, heads of k and v), runs of keys, allowed)."""
    for part, kv, blocks in plan:
        for queries, runs, allowed in blocks.visits(MAX_KEYS):
            yield (*part, queries), kv, runs, allowed


def _gather(x, runs, dim=2):
    """Return the keys in ``runs``: a view if they are one run."""
    parts = [x.narrow(dim, run.start, run.stop - run.start) for run in runs]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim)


def _scatter(total, runs, parts, dim=2):
    """Add to the keys in ``runs`` what `_gather` took from them."""
    widths = [run.stop - run.start for run in runs]
    for run, part in zip(runs, parts.split(widths, dim), strict=True):
        total.narrow(dim, run.start, part.shape[dim]).add_(part)


def _bias_rows(bias, at):
    """Return the bias of some batch, heads and queries; an axis of 1 holds for all."""
    return bias[tuple(i if n > 1 else slice(None) for i, n in zip(at, bias.shape, strict=False))]


def _gather_bias(bias, at, runs):
    if bias is None:
        return None
    rows = _bias_rows(bias, at)
    return rows if rows.shape[3] == 1 else _gather(rows, runs, 3)


def _scatter_bias(d_bias, at, runs, d_s):
    rows = _bias_rows(d_bias, at)
    width = 1 if rows.shape[3] == 1 else d_s.shape[3]
    part = d_s.sum_to_size(*rows.shape[:3], width)  # what was broadcast is summed
    if width == 1:
        rows.add_(part)
    else:
        _scatter(rows, runs, part, 3)


def _spoil(out, lse, q_whole, k_whole, v_whole, bias, plan):
    """Write NaN for each query that sees a key or a value with a NaN in it, or has one itself."""
    if q_whole is not None:
        broken = ~q_whole & (lse > -inf)
        out.masked_fill_(broken[..., None], nan)
        lse.masked_fill_(broken, nan)
    if k_whole is None and v_whole is None:
        return
    for at, kv, runs, allowed in _visits(plan):
        seen = True if allowed is None else allowed
        if bias is not None:
            seen = seen & (_gather_bias(bias, at, runs) != -inf)
        if k_whole is not None:
            keys = _gather(k_whole[kv], runs)
            out[at] = _tiles.spoil(out[at], seen, keys)
            lse[at] = _tiles.spoil(lse[at][..., None], seen, keys)[..., 0]
        if v_whole is not None:
            out[at] = _tiles.spoil(out[at], seen, _gather(v_whole[kv], runs))
