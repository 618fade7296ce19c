"""FlashAttention on a GPU: the kernels of `flash_kernels`, as one function of PyTorch.

    out = softmax(q k^T * scale) v,        lse = log Σ_j exp(q k_j^T * scale)

Dao et al. (2022); Dao (2023). Here the arguments are checked and cut into tiles, and the kernels
become operators of PyTorch, so that autograd and ``torch.compile`` know them.
"""

from contextlib import nullcontext
from math import e, log2
from typing import NamedTuple

from . import flash_kernels
from ._arrays import check_switch
from ._torch import check_qkv, scale_of, torch
from ._triton import TensorDescriptor, triton
from .masks import check_window

# Under Triton's interpreter, TRITON_INTERPRET=1, the kernels run on a CPU: slowly, and for tests.
INTERPRETED = triton.knobs.runtime.interpret
DTYPES = (torch.float16, torch.bfloat16) + ((torch.float32,) if INTERPRETED else ())


class Tiles(NamedTuple):
    """Queries and keys of a tile, warps of a program, and how many tiles are on their way."""

    queries: int
    keys: int
    num_warps: int
    num_stages: int


# By width of a head, for the kernels forward, backward_queries and backward_keys. Chosen on the
# code generated for sm_90: the largest tiles for which every number keeps to the registers. Forward
# at width 64 has room for two programs on a multiprocessor, so that one can multiply matrices while
# the other takes its exponentials. Tiles of queries of the third kernel divide those of the second,
# which prepares them.
LARGE = {
    64: (Tiles(128, 64, 4, 3), Tiles(128, 128, 8, 2), Tiles(64, 128, 8, 3)),
    128: (Tiles(128, 128, 8, 2), Tiles(128, 64, 8, 2), Tiles(64, 128, 8, 2)),
    256: (Tiles(128, 64, 8, 2), Tiles(64, 32, 8, 2), Tiles(32, 64, 8, 2)),
}
# For GPUs with less shared memory than Hopper has: these need at most 64 KiB.
SMALL = {
    64: (Tiles(64, 64, 4, 2), Tiles(64, 32, 4, 2), Tiles(32, 64, 4, 2)),
    128: (Tiles(64, 32, 4, 2), Tiles(64, 32, 8, 2), Tiles(32, 64, 8, 2)),
    256: (Tiles(64, 32, 8, 1), Tiles(32, 32, 8, 1), Tiles(32, 32, 8, 1)),
}


def flash_attention(q, k, v, *, causal=False, window=None, scale=None, return_lse=False):
    r"""``softmax(q k^T * scale) v`` on a GPU, exact up to rounding, in memory of order n.

    Parameters
    ----------
    q : tensor, shape (B, H, n_q, d_k), float16 or bfloat16, on a GPU
        Queries.
    k, v : tensors, shapes (B, H_kv, n_k, d_k) and (B, H_kv, n_k, d_v)
        Keys and values; H must be a multiple of H_kv (grouped queries). Widths up to 256; inside,
        they are filled up with zeros to 16, 32, 64, 128 or 256.
    causal, window, scale, return_lse
        As for `attention`. For a mask or a bias, see `attnbook.flash.flash_attention`.

    Returns
    -------
    out : tensor, shape (B, H, n_q, d_v), the dtype of the inputs
        A query that may attend to nothing gets 0. Sums are in float32; weights are rounded to the
        dtype of the inputs before they meet the values. A query that may see a NaN, or an infinite
        value, gets no finite output, and one that may not see it sees nothing of it. An infinite
        key counts as its scores do.
    lse : tensor, shape (B, H, n_q), float32, in nats; only if ``return_lse``
        -inf for a query that may attend to nothing.

    Raises
    ------
    TypeError
        If the tensors are not of one of these dtypes, or not on one device.
    ValueError
        If they are not on a GPU, shapes do not fit, or an option is out of range.

    References
    ----------
    Dao et al. (2022), "FlashAttention"; Dao (2023), "FlashAttention-2", section 3.1.

    Examples
    --------
    >>> import torch
    >>> if torch.cuda.is_available():
    ...     q, k, v = torch.randn(3, 1, 8, 4096, 64, device="cuda", dtype=torch.float16)
    ...     out = flash_attention(q, k, v, causal=True)
    """
    check_qkv(q, k, v)
    if q.dtype not in DTYPES:
        raise TypeError(
            f"the tensors have dtype {q.dtype}; the GPU kernel takes float16 and bfloat16, "
            "attnbook.flash.flash_attention every floating dtype"
        )
    if not (q.is_cuda or INTERPRETED):
        raise ValueError(
            f"the tensors are on {q.device}; the GPU kernel needs them on a GPU: .to('cuda'), or "
            "attnbook.flash.flash_attention, which runs anywhere"
        )
    if max(q.shape[-1], v.shape[-1]) > 256:
        raise ValueError(
            f"d_k is {q.shape[-1]} and d_v is {v.shape[-1]}; the GPU kernel takes widths up to 256"
        )
    (n_heads, n_q, n_k), most = (q.shape[:2].numel(), q.shape[2], k.shape[2]), 2**31 - 512
    if n_heads * (n_q + 128) > most or n_q + n_k > most:
        raise ValueError(
            f"q has shape {tuple(q.shape)}, k {tuple(k.shape)}; the GPU kernel counts queries of "
            "all heads, and positions, below 2^31"
        )
    left, right = (None, None) if window is None else check_window(window)
    if check_switch("causal", causal):
        right = 0
    scale = scale_of(scale, q.shape[-1])
    if scale < 0:  # the kernels look for the largest score before they scale
        q, scale = -q, -scale
    before = k.shape[2] if left is None else min(left, k.shape[2])  # more than all is all
    after = q.shape[2] if right is None else min(right, q.shape[2])
    out, lse = flash_forward(padded(q), padded(k), padded(v), before, after, scale)
    out = out[..., : v.shape[-1]]
    return (out, lse) if return_lse else out


@torch.library.custom_op("attnbook::flash_forward", mutates_args=())
def flash_forward(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, before: int, after: int, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return out and lse; a query at position p sees the keys p - before ... p + after."""
    out, lse = like_results(q, k, v, before, after, scale)
    if q.numel() == 0 or k.numel() == 0:
        return out.zero_(), lse.fill_(-torch.inf)
    (q, k, v), size, tiles = aligned(q, k, v), sizes(q, k), tiles_for(q, v)[0]
    with on(q.device):
        flash_kernels.forward[programs(q, tiles.queries)](
            rows(q, tiles.queries), rows(k, tiles.keys), rows(v, tiles.keys),
            rows(out, tiles.queries), lse, *size, before, after, scale * log2(e),
            LEFT=before < k.shape[2] - 1, **options(tiles, q, v),
        )  # fmt: skip
    return out, lse


@flash_forward.register_fake
def like_results(q, k, v, before, after, scale):
    """Return room for out and lse."""
    out = q.new_empty((*q.shape[:3], v.shape[-1]))
    return out, q.new_empty(q.shape[:3], dtype=torch.float32)


@torch.library.custom_op("attnbook::flash_backward", mutates_args=())
def flash_backward(
    d_out: torch.Tensor, d_lse: torch.Tensor,
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, out: torch.Tensor, lse: torch.Tensor,
    before: int, after: int, scale: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """Return the gradients of q, k and v."""
    d_q, d_k, d_v = like_gradients(d_out, d_lse, q, k, v, out, lse, before, after, scale)
    if q.numel() == 0 or k.numel() == 0:
        return d_q.zero_(), d_k.zero_(), d_v.zero_()
    size = sizes(q, k)
    (_, for_queries, for_keys), left = tiles_for(q, v), before < k.shape[2] - 1
    n_padded = triton.cdiv(q.shape[2], 128) * 128  # whole tiles, whatever their size
    log_sums, deltas = q.new_empty((2, *q.shape[:2], n_padded), dtype=torch.float32)
    q, k, v, out, d_out = aligned(q, k, v, out, d_out)
    with on(q.device):
        t = for_queries
        flash_kernels.backward_queries[programs(q, t.queries)](
            rows(q, t.queries), rows(k, t.keys), rows(v, t.keys), rows(out, t.queries),
            rows(d_out, t.queries), rows(d_q, t.queries), lse, d_lse.contiguous(),
            log_sums, deltas, *size, n_padded, before, after, scale * log2(e), scale,
            LEFT=left, **options(t, q, v),
        )  # fmt: skip
        t = for_keys
        flash_kernels.backward_keys[programs(k, t.keys)](
            rows(q, t.queries), rows(k, t.keys), rows(v, t.keys), rows(d_out, t.queries),
            rows(d_k, t.keys), rows(d_v, t.keys), log_sums, deltas,
            *size, n_padded, before, after, scale * log2(e), scale,
            MASKED=left or after < q.shape[2] - 1, **options(t, q, v),
        )  # fmt: skip
    return d_q, d_k, d_v


@flash_backward.register_fake
def like_gradients(d_out, d_lse, q, k, v, out, lse, before, after, scale):
    """Return room for the gradients of q, k and v."""
    return tuple(x.new_empty(x.shape) for x in (q, k, v))


def remember(ctx, inputs, output):
    """Keep what the backward pass needs: q, k, v, out and lse; no weights."""
    q, k, v, *ctx.options = inputs
    ctx.save_for_backward(q, k, v, *output)


def pull_back(ctx, d_out, d_lse):
    """Return the gradients of all inputs of `flash_forward`."""
    return *flash_backward(d_out, d_lse, *ctx.saved_tensors, *ctx.options), None, None, None


flash_forward.register_autograd(pull_back, setup_context=remember)


def padded(x):
    """Return x with a width that fills 16-byte words: zeros change no score and no sum."""
    unit = 16 // x.element_size()
    missing = unit if x.shape[-1] == 0 else -x.shape[-1] % unit
    return torch.nn.functional.pad(x, (0, missing)) if missing else x


def aligned(*tensors):
    """Return tensors as the copy engine reads them: whole rows, apart by 16-byte words.

    Most lie like that already; the others are copied.
    """
    ready = []
    for x in tensors:
        unit = 16 // x.element_size()
        *strides, last = x.stride()
        words = last == 1 and all(s > 0 and s % unit == 0 for s in strides)
        words = words and x.storage_offset() % unit == 0
        ready.append(x if words else x.clone(memory_format=torch.contiguous_format))
    return ready


def width(x):
    """Return the width of a tile: the next power of two, and 16 at least."""
    return max(16, triton.next_power_of_2(x.shape[-1]))


def rows(x, count):
    """Describe x, (B, H, N, D), to the copy engine as tiles of so many rows."""
    return TensorDescriptor(x, list(x.shape), list(x.stride()), [1, 1, count, width(x)])


def sizes(q, k):
    """Return what all kernels are told: heads, heads in a group, queries, keys."""
    return q.shape[1], q.shape[1] // k.shape[1], q.shape[2], k.shape[2]


def programs(x, tile):
    """Return how many programs there are: one for each tile of each head."""
    return (triton.cdiv(x.shape[2], tile) * x.shape[0] * x.shape[1],)


def tiles_for(q, v):
    """Return the tiles of the three kernels."""
    room = 2**18
    if q.is_cuda:
        room = torch.cuda.get_device_properties(q.device).shared_memory_per_block_optin
    return (LARGE if room >= 200 * 2**10 else SMALL)[max(64, width(q), width(v))]


def options(tiles, q, v):
    """Return what the kernels are compiled for."""
    return {
        "TILE_Q": tiles.queries,
        "TILE_K": tiles.keys,
        "D_K": width(q),
        "D_V": width(v),
        "num_warps": tiles.num_warps,
        "num_stages": tiles.num_stages,
    }


def on(device):
    """Return a context in which kernels start on this device."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()
