"""Ring attention: the sequence lies in parts on p machines, and keys and values go round.

    out_r, lse_r = merge over s of  attention(Q_r, K_s, V_s)        r, s = 0 ... p - 1

Rank r keeps its queries. In each of p steps it computes with the keys and values at hand, while
it sends them to the next rank and receives the next ones from the rank before. They go round in
pieces of a fixed size, so that what a rank holds besides its own part does not grow: memory falls
as 1/p. Backward, they go round again, and their gradients travel with them until they are home.

Liu, Zaharia and Abbeel (2023), "Ring attention with blockwise transformers for near-infinite
context", section 3. Try it: python -m torch.distributed.run --nproc-per-node=2 -m attnbook.ring
"""

from dataclasses import dataclass
from math import ceil, inf, nan

from . import _tiles
from ._arrays import check_choice, check_switch
from ._torch import check_qkv, scale_of, sums_dtype, torch
from .attention import attention
from .masks import check_window
from .online import merge
from .ring_layout import LAYOUTS, check_lengths, chunks, pieces, positions, shard, tiles, unshard
from .ring_links import Links, Traffic, connect

__all__ = ["Traffic", "connect", "positions", "ring_attention", "shard", "unshard"]

PIECE = 1024  # positions whose keys and values go round together


def ring_attention(
    q,
    k,
    v,
    *,
    group=None,
    causal=False,
    window=None,
    scale=None,
    layout="contiguous",
    return_lse=False,
    traffic=None,
):
    r"""``softmax(q k^T * scale) v`` over the keys of all ranks, for the queries of this one.

    All ranks call it, each with its own `shard` of q, k and v; each gets its shard of what
    `attention` would give. Without processes it is `attention`, tile by tile.

    Parameters
    ----------
    q : torch.Tensor, shape (B, H, n_q / p, d_k), floating
        This rank's queries.
    k, v : torch.Tensor, shapes (B, H_kv, n_k / p, d_k) and (B, H_kv, n_k / p, d_v)
        This rank's keys and values. H must be a multiple of H_kv.
    group : torch.distributed.ProcessGroup, optional
        The ranks in the ring; all of them, if not given.
    causal, window, scale
        As for `attention`, of positions in the whole sequence.
    layout : "contiguous" or "zigzag"
        How the sequence was cut. Under a causal mask zigzag gives all ranks the same work.
    return_lse : bool
        Return the log-sum-exp of the scores as well.
    traffic : Traffic, optional
        Is added to: bytes sent and seconds waited, forward and backward.

    Returns
    -------
    out : torch.Tensor, shape (B, H, n_q / p, d_v), the dtype of the inputs
        A query that may attend to nothing gets 0.
    lse : torch.Tensor, shape (B, H, n_q / p), in nats; only if ``return_lse``
        float32, or float64 for float64; -inf for a query that may attend to nothing.

    Notes
    -----
    A rank sends p - 1 times a part of K and V forward, in the dtype of the inputs. Backward it
    sends these again, and p times a part of dK and dV, in float32 or better.

    Gradients are taken once: they have no gradients of their own. A query whose output is NaN
    leaves NaN in the gradient of itself and of all that it may see, and of nothing else.

    Raises
    ------
    TypeError, ValueError
        If shapes, dtypes or options will not do, or differ between ranks: on every rank.
    ConnectionError
        If a rank is lost, within the time-out of the group (see `connect`). The group is of no
        use after that.
    RuntimeError
        If the process is one of several, and `connect` was not called.

    References
    ----------
    Liu, Zaharia and Abbeel (2023), section 3. Zigzag: see `ring_layout`.

    Examples
    --------
    In each of the processes that torchrun started::

        rank, p = connect()
        q, k, v = (shard(x, rank, p, layout="zigzag") for x in (q, k, v))
        out = ring_attention(q, k, v, causal=True, layout="zigzag")

    Alone, a ring of one:

    >>> q = k = torch.eye(4)[None, None]
    >>> v = torch.arange(4.0).reshape(1, 1, 4, 1)
    >>> ring_attention(q, k, v, causal=True, scale=0.0).flatten()
    tensor([0.0000, 0.5000, 1.0000, 1.5000])
    """
    links = Links(group, traffic)
    try:
        mine = _describe(q, k, v, causal, window, scale, layout, traffic)
        check_switch("return_lse", return_lse)
    except Exception as error:  # the others must not wait for this rank
        links.agree({"refused": str(error)[:100]}, getattr(q, "device", "cpu"))
        raise
    ring = _plan(links, links.agree(mine, q.device))
    out, lse = _RingAttention.apply(q, k, v, ring)
    return (out, lse) if return_lse else out


def _describe(q, k, v, causal, window, scale, layout, traffic):
    """Check what came to this rank; return what all ranks must agree in, and its lengths."""
    check_qkv(q, k, v)
    if traffic is not None and not isinstance(traffic, Traffic):
        raise TypeError(f"traffic must be a Traffic(); got a {type(traffic).__name__}")
    check_choice("layout", layout, LAYOUTS)
    window = (None, None) if window is None else check_window(window)
    return {
        "B": q.shape[0],
        "H": q.shape[1],
        "H_kv": k.shape[1],
        "d_k": q.shape[3],
        "d_v": v.shape[3],
        "dtype": str(q.dtype),
        "device": q.device.type,
        "causal": check_switch("causal", causal),
        "window": [None if side is None else int(side) for side in window],
        "scale": scale_of(scale, q.shape[3]),
        "layout": layout,
        "gradient": torch.is_grad_enabled() and any(x.requires_grad for x in (q, k, v)),
        "lengths": [q.shape[2], k.shape[2]],
    }


def _plan(links, said):
    """Check that all ranks said the same; return the plan of the ring."""
    for rank, theirs in enumerate(said):
        if "refused" in theirs:
            raise ValueError(f"rank {rank} refused what it was given: {theirs['refused']}")
        for name, ours in said[0].items():
            if theirs[name] != ours and name != "lengths":
                raise ValueError(
                    f"the ranks differ in {name}: rank 0 has {ours}, rank {rank} {theirs[name]}"
                )
    q_lengths, k_lengths = zip(*(theirs["lengths"] for theirs in said), strict=True)
    ours = said[0]
    check_lengths(q_lengths, ours["layout"], "queries")
    check_lengths(k_lengths, ours["layout"], "keys")
    left, right = (inf if side is None else side for side in ours["window"])
    right = min(right, 0) if ours["causal"] else right
    n_q, n_k, p = sum(q_lengths), sum(k_lengths), links.size
    count = max(1, ceil(n_k / (p * PIECE)))
    return _Plan(
        links,
        queries=chunks(n_q, links.rank, p, ours["layout"]),
        keys=[list(pieces(chunks(n_k, r, p, ours["layout"]), count)) for r in range(p)],
        looks={"ahead": n_k - n_q, "left": left, "right": right},
        scale=ours["scale"],
    )


@dataclass(frozen=True)
class _Plan:
    """Who computes what, with whom."""

    links: Links
    queries: list  # ranges of this rank's positions
    keys: list  # for each rank and piece: ranges of positions, and where that rank holds them
    looks: dict  # who sees whom: see `tiles`
    scale: float

    def travel(self, k, v):
        """Yield whose keys and values are at hand, which piece, and the two themselves.

        First comes this rank's own piece, then those of the rank before, and so on around; then
        the next piece. While the caller computes with one pair, the next is on its way.
        """
        rank, p = self.links.rank, self.links.size
        for piece, (_, held) in enumerate(self.keys[rank]):
            pair = [x.index_select(2, held.to(x.device)) for x in (k, v)]
            for step in range(p):
                owner, last = (rank - step) % p, step == p - 1
                arrived = None if last else self.pass_on(pair, owner, piece)
                yield owner, piece, *pair
                pair = None if last else arrived()

    def pass_on(self, pair, owner, piece):
        """Send a piece of ``owner`` and receive that of the rank before it."""
        length = len(self.keys[owner - 1][piece][1])
        return self.links.pass_on(pair, [(*x.shape[:2], length, x.shape[3]) for x in pair])

    def tiles(self, owner, piece, device):
        """Yield where this rank's queries may see the keys of a piece: see `ring_layout.tiles`."""
        return tiles(self.queries, self.keys[owner][piece][0], **self.looks, device=device)


class _RingAttention(torch.autograd.Function):
    """Forward and backward of one rank; NaN is set aside before each product and put back after."""

    @staticmethod
    def forward(ctx, q, k, v, plan):
        dtype = sums_dtype(q.dtype)
        queries, q_whole = _tiles.split_finite(q.to(dtype))
        out = queries.new_zeros((*q.shape[:-1], v.shape[-1]))
        lse = queries.new_full(q.shape[:-1], -inf)
        for owner, piece, keys, values in plan.travel(k, v):
            keys, k_whole = _tiles.split_finite(keys.to(dtype))
            values, v_whole = _tiles.split_finite(values.to(dtype))
            for i, j, allowed in plan.tiles(owner, piece, q.device):
                tile_out, tile_lse = _tiles.forward(
                    queries[:, :, i], keys[:, :, j], values[:, :, j], plan.scale, allowed=allowed
                )
                tile_out = _spoil(tile_out, allowed, v_whole, j)
                tile_lse = _spoil(tile_lse[..., None], allowed, k_whole, j)[..., 0]
                out[:, :, i], lse[:, :, i] = merge(out[:, :, i], lse[:, :, i], tile_out, tile_lse)
        if q_whole is not None:
            blind = ~q_whole & (lse != -inf)  # unless there is nothing to see
            out, lse = out.masked_fill(blind[..., None], nan), lse.masked_fill(blind, nan)
        out = out.to(q.dtype)
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.plan = plan
        return out, lse

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_out, d_lse):
        q, k, v, out, lse = ctx.saved_tensors
        plan, dtype = ctx.plan, lse.dtype
        queries, d_out = _tiles.split_finite(q.to(dtype))[0], d_out.to(dtype)
        delta = (d_out * out).sum(-1) - d_lse
        broken, whole = lse.isnan() | out.isnan().any(-1), None
        if broken.any():  # such a query takes no part, and leaves NaN in what it sees
            d_out, delta = d_out.masked_fill(broken[..., None], 0), delta.masked_fill(broken, 0)
            lse = lse.masked_fill(broken, -inf)
            whole = ~broken.unflatten(1, (k.shape[1], -1)).any(2)
        d_q, *home = (torch.zeros_like(x, dtype=dtype) for x in (q, k, v))
        arrived = None

        def come_home(piece):
            held = plan.keys[plan.links.rank][piece][1].to(k.device)
            for whole_piece, part in zip(home, arrived(), strict=True):
                whole_piece.index_copy_(2, held, part)

        for owner, piece, keys, values in plan.travel(k, v):
            keys, values = (_tiles.split_finite(x.to(dtype))[0] for x in (keys, values))
            d_k, d_v = torch.zeros_like(keys), torch.zeros_like(values)
            for i, j, allowed in plan.tiles(owner, piece, q.device):
                tile = queries[:, :, i], keys[:, :, j], values[:, :, j], plan.scale
                rows = lse[:, :, i], d_out[:, :, i], delta[:, :, i]
                tile_q, tile_k, tile_v, _ = _tiles.backward(*tile, *rows, allowed=allowed)
                allowed = None if allowed is None else allowed.mT
                d_q[:, :, i] += tile_q
                d_k[:, :, j] += _spoil(tile_k, allowed, whole, i)
                d_v[:, :, j] += _spoil(tile_v, allowed, whole, i)
            if owner != plan.links.rank:  # the ranks before have worked on the same keys
                for mine, theirs in zip((d_k, d_v), arrived(), strict=True):
                    mine += theirs
            elif arrived:  # a new piece; the last one has been all around
                come_home(piece - 1)
            arrived = plan.pass_on([d_k, d_v], owner, piece)
        come_home(piece)
        d_q.masked_fill_(broken[..., None], nan)
        return *(x.to(q.dtype) for x in (d_q, *home)), None


def _spoil(tile, allowed, whole, where):
    """`_tiles.spoil` with a part of ``whole``; ``allowed`` None allows all pairs."""
    if whole is None:
        return tile
    allowed = torch.ones((1, 1), dtype=torch.bool) if allowed is None else allowed
    return _tiles.spoil(tile, allowed.to(tile.device), whole[:, :, where])


def main():
    """Compare a ring with `attention` in one process, on each rank."""
    rank, p = connect()
    device = "cuda" if "nccl" in torch.distributed.get_backend_config() else "cpu"
    made = torch.Generator().manual_seed(0)
    inputs = [
        torch.randn((2, heads, 1000, 16), generator=made, dtype=torch.float64).to(device)
        for heads in (4, 2, 2, 4)
    ]
    *qkv, pull = inputs
    leaves = [x.clone().requires_grad_() for x in qkv]
    want = attention(*leaves, causal=True)
    want = [want, *torch.autograd.grad(want, leaves, pull)]
    for layout in ("contiguous", "zigzag"):
        *parts, part_pull = (shard(x, rank, p, layout=layout) for x in inputs)
        parts = [x.requires_grad_() for x in parts]
        traffic = Traffic()
        out = ring_attention(*parts, causal=True, layout=layout, traffic=traffic)
        got = [out, *torch.autograd.grad(out, parts, part_pull)]
        error = max(
            float((a - shard(b, rank, p, layout=layout)).detach().abs().max())
            for a, b in zip(got, want, strict=True)
        )
        print(f"rank {rank} of {p}, {layout}: largest error {error:.0e}, sent {traffic.sent} bytes")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
