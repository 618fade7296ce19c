"""Paged attention with the arguments of the reference: keys and values go through a used cache."""

import torch

from attnbook.paged import PagedCache
from attnbook.paged_attention import paged_attention


def filled(k, v, block_size, *, seed=0):
    """A cache in which row b is one sequence; blocks are scattered, and what was freed is NaN."""
    made = torch.Generator().manual_seed(seed)
    n_batch, heads, n, d_k = k.shape
    room = n_batch * (n // block_size + 2) + 4
    cache = PagedCache(
        2 * room, num_kv_heads=heads, d_k=d_k, d_v=v.shape[-1], block_size=block_size, dtype=k.dtype
    )
    others = [cache.new_sequence() for _ in range(room)]
    rubbish = torch.full((heads, 2 * block_size, d_k), torch.nan, dtype=k.dtype)
    wide = torch.full((heads, 2 * block_size, v.shape[-1]), torch.nan, dtype=k.dtype)
    for other in others:
        cache.append(other, rubbish, wide)
    for i in torch.randperm(room, generator=made).tolist():
        cache.free(others[i])
    sequences = [cache.new_sequence() for _ in range(n_batch)]
    for start in range(0, n, 3):  # a few tokens of each in turn, so that their blocks alternate
        part = slice(start, start + 3)
        cache.append(sequences, k[:, :, part], v[:, :, part])
    return cache, [cache.fork(sequence) for sequence in sequences]  # all blocks are shared


def paged_drop_in(
    q, k, v, *, causal=False, window=None, scale=None, return_lse=False, block_size=4
):
    if k.shape[:3] != v.shape[:3] or k.shape[-1] != q.shape[-1] or not k.shape[-1]:
        raise ValueError(f"same width d_k >= 1; k {tuple(k.shape)}, v {tuple(v.shape)}")
    with torch.no_grad():
        cache, sequences = filled(k, v, block_size)
        options = {"causal": causal, "window": window, "scale": scale, "return_lse": return_lse}
        return paged_attention(q, cache, sequences, **options)
