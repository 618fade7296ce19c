"""Attention over a paged cache: each block is looked up where it lies.

    for each block, with the query of the sequence that holds it:    s_b = q k_b^T · scale
    m = max over the sequence's blocks      out = Σ_b e^{s_b - m} v_b / Σ_b e^{s_b - m}

Copying the blocks of a sequence together first would read and write the cache once more, and
reading it once is what takes the time of decoding. So the queries go to the blocks, in the order
in which these lie in memory, and what they find is summed for each sequence: the merge law of
`online`, for all blocks at once. Kwon et al. (2023), PagedAttention, section 4.1, equation 4.
"""

from math import inf

from ._arrays import check_switch
from ._torch import check_tensors, scale_of, sums_dtype, torch
from .attention import attention
from .masks import check_window


def paged_attention(q, cache, sequences, *, causal=True, window=None, scale=None, return_lse=False):
    r"""``softmax(q k^T * scale) v`` for each sequence, over its keys and values in the cache.

    Parameters
    ----------
    q : tensor, shape (B, H, n_q, d_k), floating
        Row b are the queries of ``sequences[b]``: of its last n_q tokens, which are in the cache
        already. H must be a multiple of the cache's heads (grouped queries).
    cache : PagedCache
        Keys and values.
    sequences : sequence of B ints
        Their lengths may differ.
    causal, window, scale, return_lse
        As for `attention`, with n_k the length of each sequence.

    Returns
    -------
    out : tensor, shape (B, H, n_q, d_v), the dtype of q
        0 for a query that may attend to nothing. Sums are in float32 or better.
    lse : tensor, shape (B, H, n_q), in nats; only if ``return_lse``

    Raises
    ------
    KeyError
        If there is no such sequence.
    TypeError, ValueError
        If shapes or dtypes do not fit.
    RuntimeError
        If a gradient is wanted: the cache has none.

    References
    ----------
    Kwon et al. (2023), section 4.1.

    Examples
    --------
    >>> import torch
    >>> from attnbook.paged import PagedCache
    >>> cache = PagedCache(8, block_size=2, num_kv_heads=1, d_k=1)
    >>> short, long = cache.new_sequence(), cache.new_sequence()
    >>> for sequence, values in ((short, [6.0]), (long, [1.0, 2.0, 3.0])):
    ...     v = torch.tensor(values)[None, :, None]
    ...     cache.append(sequence, torch.zeros_like(v), v)
    >>> paged_attention(torch.zeros(2, 1, 1, 1), cache, [short, long]).flatten()
    tensor([6., 2.])
    """
    groups = _check(q, cache, sequences)
    n_q, kind = q.shape[2], sums_dtype(q.dtype)
    left, right = (None, None) if window is None else check_window(window)
    looks = {"left": inf if left is None else left, "right": inf if right is None else right}
    if check_switch("causal", causal):
        looks["right"] = 0
    scale = scale_of(scale, q.shape[-1])
    blocks, owner, first_key, lengths = _visits(cache, sequences, n_q, looks["left"])
    if cache.not_finite and not cache.not_finite.isdisjoint(blocks.tolist()):
        return _one_by_one(q, cache, sequences, causal, window, scale, return_lse)

    # The queries of the heads that share a key head are rows of one matrix: (B, H_kv, g·n_q, d_k)
    rows = (q.to(kind) * scale).unflatten(1, (-1, groups)).flatten(2, 3)
    asked = rows[owner]  # each block meets the queries of its sequence
    s = q.new_empty((*asked.shape[:3], cache.block_size), dtype=kind)
    for part, k in _portions(cache.keys, blocks):
        torch.matmul(asked[part], k.to(kind).mT, out=s[part])
    allowed = _allowed(first_key, lengths[owner], n_q, cache.block_size, **looks)
    s.unflatten(2, (groups, n_q)).masked_fill_(~allowed[:, None, None], -inf)

    # Softmax over all blocks of a sequence: its maximum, its sum, its weighted sum of values.
    each = owner[:, None, None].expand(s.shape[:3])
    peak = rows.new_full(rows.shape[:3], -inf).scatter_reduce(0, each, s.amax(3), "amax")
    s.sub_(torch.where(peak == -inf, 0.0, peak)[owner][..., None]).exp_()
    total = torch.zeros_like(peak).index_add_(0, owner, s.sum(3))
    out = rows.new_zeros((*rows.shape[:3], cache.values.shape[-1]))
    for part, v in _portions(cache.values, blocks):
        out.index_add_(0, owner[part], s[part] @ v.to(kind))
    out = out / torch.where(total == 0, 1.0, total)[..., None]
    out = out.reshape(*q.shape[:3], out.shape[-1]).to(q.dtype)
    return (out, (peak + total.log()).reshape(q.shape[:3])) if return_lse else out


def _visits(cache, sequences, n_q, left):
    """List the visits, a block and the sequence that looks at it, in the order of memory."""
    blocks, owner, first_key = [], [], []
    lengths = [cache.length(sequence) for sequence in sequences]
    for row, (sequence, length) in enumerate(zip(sequences, lengths, strict=True)):
        oldest = int(max(0, length - n_q - left))  # of the keys that any of the queries may see
        table = cache.table(sequence)[oldest // cache.block_size :]
        blocks += table
        owner += [row] * len(table)
        first_key += range(oldest // cache.block_size * cache.block_size, length, cache.block_size)
    lists = torch.tensor([blocks, owner, first_key], dtype=torch.long)
    lists = lists[:, lists[0].argsort()].to(cache.keys.device)
    return *lists, torch.tensor(lengths, device=cache.keys.device)


def _portions(pool, blocks, size=256):
    """Yield the blocks in portions: as they lie if they are neighbors, else copied together."""
    for i in range(0, len(blocks), size):
        part = slice(i, min(i + size, len(blocks)))
        if (blocks[part].diff() == 1).all():
            yield part, pool[blocks[i] : blocks[i] + part.stop - i]
        else:
            yield part, pool[blocks[part]]


def _allowed(first_key, lengths, n_q, block_size, *, left, right):
    """Return which slot may be seen by which query: (visits, n_q, block_size)."""
    key = first_key[:, None, None] + torch.arange(block_size, device=lengths.device)
    position = torch.arange(n_q, device=lengths.device)[:, None] - n_q + lengths[:, None, None]
    written = key < lengths[:, None, None]
    return written & (key <= position + right) & (key >= position - left)


def _one_by_one(q, cache, sequences, causal, window, scale, return_lse):
    """Where a NaN or an inf lies in a block: the reference knows who may see it."""
    results = [
        attention(
            row[None],
            *(x[None] for x in cache.contents(sequence)),
            causal=causal,
            window=window,
            scale=scale,
            return_lse=True,
        )
        for row, sequence in zip(q, sequences, strict=True)
    ]
    out, lse = (torch.cat(parts) for parts in zip(*results, strict=True))
    return (out, lse) if return_lse else out


def _check(q, cache, sequences):
    """Check the queries against the cache; return how many query heads share a key head."""
    check_tensors(q=q, **{"the cache": cache.keys})
    heads, d_k = cache.keys.shape[1], cache.keys.shape[-1]
    if q.ndim != 4 or q.shape[0] != len(sequences) or q.shape[-1] != d_k:
        raise ValueError(
            f"q has shape {tuple(q.shape)}; for {len(sequences)} sequences it must be "
            f"({len(sequences)}, H, n_q, {d_k})"
        )
    if q.shape[1] % heads:
        raise ValueError(
            f"{q.shape[1]} query heads cannot share {heads} key/value heads evenly; the first "
            "number must be a multiple of the second"
        )
    if torch.is_grad_enabled() and q.requires_grad:
        raise RuntimeError("a cache has no gradient; decode under torch.no_grad()")
    return q.shape[1] // heads
