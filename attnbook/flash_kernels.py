"""The GPU kernels of FlashAttention, in Triton: one forward, two backward.

    forward, a program for each tile of queries:   s = q k_j^T · scale,   m' = max(m, max_j s)
                                                   l = 2^{m - m'} l + Σ_j 2^{s - m'}
                                                   o = 2^{m - m'} o + Σ_j 2^{s - m'} v_j
    backward, with p = 2^{s - lse} and Δ = Σ_c dO_c O_c - dLSE:
    a program for each tile of queries:            dS = p (dO V^T - Δ),   dQ = dS K · scale
    a program for each tile of keys:               dV = p^T dO,           dK = dS^T Q · scale

A program is one block of threads on one multiprocessor. It holds its tile of queries (or of keys)
on the chip while the tiles of the other kind stream by. No two programs write to one place, so the
backward pass needs no atomic additions and gives the same bits each time, at the price of computing
s and dP in both of its kernels: seven products of matrices where five would do.

Dao et al. (2022), section 3.1; Dao (2023), section 3.1 (order of the loops). Powers of two in place
of e save a product per score: ``scale`` here is the caller's times log2(e), and so is lse.

All tensors are (B, H, N, D) and come as descriptors: `load` and `store` of a tile [1, 1, N, D] that
a Hopper chip carries out in its copy engine. What lies beyond the end of a tensor is read as 0 and
never written, so no tile needs a mask of its own for ragged lengths and widths.
"""

from ._triton import tl, triton

INF = tl.constexpr(float("inf"))
LN_2 = tl.constexpr(0.6931471805599453)
LOG2_E = tl.constexpr(1.4426950408889634)


@triton.jit
def visible(first, last, before, after, n, TILE: tl.constexpr):
    """Which of n entries a tile sees, given the positions of its first and last row.

    Row p sees p - before ... p + after. Every row sees all from full_start up to
    full_stop; what lies before and after that, some rows do not.
    """
    start = tl.maximum(first - before, 0) // TILE * TILE
    stop = tl.minimum(last + after + 1, n)
    full_start = tl.cdiv(tl.maximum(last - before, 0), TILE) * TILE
    full_stop = tl.maximum(tl.minimum(first + after + 1, n), 0) // TILE * TILE
    return start, tl.minimum(full_start, stop), full_start, full_stop, stop


@triton.jit
def whole(x):
    """Which rows of x hold neither infinity nor NaN; and x with the other rows set to 0."""
    good = tl.sum(x - x, 1) == 0  # inf - inf and NaN - NaN are NaN
    return good, tl.where(good[:, None], x, 0.0).to(x.dtype)


@triton.jit
def read(tensor, b, h, row, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    """Bring a tile onto the chip."""
    return tensor.load([b, h, row, 0]).reshape(ROWS, WIDTH)


@triton.jit
def write(tensor, b, h, row, x, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    """Write a tile out, rounded to the dtype of its tensor."""
    tensor.store([b, h, row, 0], x.to(tensor.dtype).reshape(1, 1, ROWS, WIDTH))


@triton.jit
def online_softmax(
    peak, total, out, q, keys, values, b, h, start, stop,
    position, before, after, n_k, scale,
    MASKED: tl.constexpr, TILE: tl.constexpr, D_K: tl.constexpr, D_V: tl.constexpr,
):  # fmt: skip
    """Take the keys start ... stop - 1 into (peak, total, out), tile by tile."""
    for j in tl.range(start, stop, TILE):
        k = read(keys, b, h, j, TILE, D_K)
        v = read(values, b, h, j, TILE, D_V)
        if MASKED:  # 0 · NaN is NaN, and what a row may not see must not reach it
            good, v = whole(v)
        s = tl.dot(q, k.T)
        if MASKED:
            key = j + tl.arange(0, TILE)[None, :]
            allowed = (key >= position - before) & (key <= position + after)
            allowed = allowed & (key < n_k)
            s = tl.where(allowed, s * scale, -INF)
            higher = tl.maximum(peak, tl.max(s, 1))
            guarded = tl.where(higher == -INF, 0.0, higher)  # -inf - -inf would be NaN
            p = tl.exp2(s - guarded[:, None])
        else:
            higher = tl.maximum(peak, tl.max(s, 1) * scale)
            guarded = higher
            p = tl.exp2(s * scale - guarded[:, None])
        rescale = tl.exp2(peak - guarded)
        total = total * rescale + tl.sum(p, 1)
        if MASKED:
            p = tl.where(allowed & (good[None, :] == 0), float("nan"), p)
        out = tl.dot(p.to(v.dtype), v, out * rescale[:, None])
        peak = higher
    return peak, total, out


@triton.jit
def forward(
    queries, keys, values, outputs, lse,
    num_heads, group, n_q, n_k, before, after, scale,
    LEFT: tl.constexpr, TILE_Q: tl.constexpr, TILE_K: tl.constexpr,
    D_K: tl.constexpr, D_V: tl.constexpr,
):  # fmt: skip
    """Write the output and the log-sum-exp of one tile of queries."""
    tiles = tl.cdiv(n_q, TILE_Q)
    head = tl.program_id(0) // tiles
    b, h = head // num_heads, head % num_heads
    # Under a causal mask the last tiles have the most to do: they start first.
    row = (tiles - 1 - tl.program_id(0) % tiles) * TILE_Q
    rows = row + tl.arange(0, TILE_Q)
    position = rows[:, None] + n_k - n_q
    first, last = row + n_k - n_q, tl.minimum(row + TILE_Q, n_q) - 1 + n_k - n_q

    q = read(queries, b, h, row, TILE_Q, D_K)
    peak = tl.full([TILE_Q], -INF, tl.float32)
    total = tl.zeros([TILE_Q], tl.float32)
    out = tl.zeros([TILE_Q, D_V], tl.float32)
    start, edge, full_start, full_stop, stop = visible(
        first, last, before, after, n_k, TILE_K
    )  # fmt: skip
    if LEFT:
        peak, total, out = online_softmax(
            peak, total, out, q, keys, values, b, h // group, start, edge,
            position, before, after, n_k, scale, True, TILE_K, D_K, D_V,
        )  # fmt: skip
    peak, total, out = online_softmax(
        peak, total, out, q, keys, values, b, h // group, full_start, full_stop,
        position, before, after, n_k, scale, False, TILE_K, D_K, D_V,
    )  # fmt: skip
    peak, total, out = online_softmax(
        peak, total, out, q, keys, values, b, h // group,
        tl.maximum(full_start, full_stop), stop,
        position, before, after, n_k, scale, True, TILE_K, D_K, D_V,
    )  # fmt: skip

    total = tl.where(total == 0, 1.0, total)  # of a row that saw nothing
    write(outputs, b, h, row, out / total[:, None], TILE_Q, D_V)
    tl.store(lse + head * n_q + rows, (peak + tl.log2(total)) * LN_2, rows < n_q)


@triton.jit
def query_gradient(
    d_q, q, d_o, log_sum, delta, keys, values, b, h, start, stop,
    position, before, after, n_k, scale,
    MASKED: tl.constexpr, TILE: tl.constexpr, D_K: tl.constexpr, D_V: tl.constexpr,
):  # fmt: skip
    """Add to dQ what the keys start ... stop - 1 give: Σ_j dS_ij k_j."""
    for j in tl.range(start, stop, TILE):
        k = read(keys, b, h, j, TILE, D_K)
        v = read(values, b, h, j, TILE, D_V)
        s = tl.dot(q, k.T)
        d_p = tl.dot(d_o, v.T)
        d_s = tl.exp2(s * scale - log_sum[:, None]) * (d_p - delta[:, None])
        if MASKED:
            key = j + tl.arange(0, TILE)[None, :]
            allowed = (key >= position - before) & (key <= position + after)
            allowed = allowed & (key < n_k)
            d_s = tl.where(allowed, d_s, 0.0)
            _, k = whole(k)
        d_q = tl.dot(d_s.to(k.dtype), k, d_q)
    return d_q


@triton.jit
def backward_queries(
    queries, keys, values, outputs, d_outputs, d_queries, lse, d_lse, log_sums, deltas,
    num_heads, group, n_q, n_k, n_padded, before, after, scale, score_scale,
    LEFT: tl.constexpr, TILE_Q: tl.constexpr, TILE_K: tl.constexpr,
    D_K: tl.constexpr, D_V: tl.constexpr,
):  # fmt: skip
    """Write dQ of one tile of queries; and, for the other kernel, Δ and lse in powers of two.

    These two have room for n_padded queries, whole tiles: queries that are not there get weight 0.
    """
    tiles = tl.cdiv(n_q, TILE_Q)
    head = tl.program_id(0) // tiles
    b, h = head // num_heads, head % num_heads
    row = (tiles - 1 - tl.program_id(0) % tiles) * TILE_Q
    rows = row + tl.arange(0, TILE_Q)
    position = rows[:, None] + n_k - n_q
    first, last = row + n_k - n_q, tl.minimum(row + TILE_Q, n_q) - 1 + n_k - n_q

    q = read(queries, b, h, row, TILE_Q, D_K)
    d_o = read(d_outputs, b, h, row, TILE_Q, D_V)
    o = read(outputs, b, h, row, TILE_Q, D_V)
    log_sum = tl.load(lse + head * n_q + rows, rows < n_q, -INF) * LOG2_E
    log_sum = tl.where(log_sum == -INF, INF, log_sum)  # saw nothing: weights are 2^-inf = 0
    delta = tl.sum(o.to(tl.float32) * d_o.to(tl.float32), 1)
    delta -= tl.load(d_lse + head * n_q + rows, rows < n_q, 0.0)
    tl.store(log_sums + head * n_padded + rows, log_sum)
    tl.store(deltas + head * n_padded + rows, delta)

    d_q = tl.zeros([TILE_Q, D_K], tl.float32)
    start, edge, full_start, full_stop, stop = visible(
        first, last, before, after, n_k, TILE_K
    )  # fmt: skip
    if LEFT:
        d_q = query_gradient(
            d_q, q, d_o, log_sum, delta, keys, values, b, h // group, start, edge,
            position, before, after, n_k, scale, True, TILE_K, D_K, D_V,
        )  # fmt: skip
    d_q = query_gradient(
        d_q, q, d_o, log_sum, delta, keys, values, b, h // group, full_start, full_stop,
        position, before, after, n_k, scale, False, TILE_K, D_K, D_V,
    )  # fmt: skip
    d_q = query_gradient(
        d_q, q, d_o, log_sum, delta, keys, values, b, h // group,
        tl.maximum(full_start, full_stop), stop,
        position, before, after, n_k, scale, True, TILE_K, D_K, D_V,
    )  # fmt: skip
    write(d_queries, b, h, row, d_q * score_scale, TILE_Q, D_K)


@triton.jit
def backward_keys(
    queries, keys, values, d_outputs, d_keys, d_values, log_sums, deltas,
    num_heads, group, n_q, n_k, n_padded, before, after, scale, score_scale,
    MASKED: tl.constexpr, TILE_Q: tl.constexpr, TILE_K: tl.constexpr,
    D_K: tl.constexpr, D_V: tl.constexpr,
):  # fmt: skip
    """Write dK and dV of one tile of keys, summed over the query heads that share them.

    Tiles of scores are transposed here, a row for each key, so that both sums are products of
    matrices. Two sums fill the registers: where there is a mask it is laid over every tile, since
    loops of their own for the tiles without one would not fit.
    """
    tiles, num_kv_heads = tl.cdiv(n_k, TILE_K), num_heads // group
    row = tl.program_id(0) % tiles * TILE_K
    b = tl.program_id(0) // tiles // num_kv_heads
    h_kv = tl.program_id(0) // tiles % num_kv_heads
    position = row + tl.arange(0, TILE_K)[:, None] + n_q - n_k  # of the query that ends at this key
    first, last = row + n_q - n_k, tl.minimum(row + TILE_K, n_k) - 1 + n_q - n_k

    k = read(keys, b, h_kv, row, TILE_K, D_K)
    v = read(values, b, h_kv, row, TILE_K, D_V)
    d_k = tl.zeros([TILE_K, D_K], tl.float32)
    d_v = tl.zeros([TILE_K, D_V], tl.float32)
    # Seen from a key, before and after change places.
    start, _, _, _, stop = visible(first, last, after, before, n_q, TILE_Q)
    for h in tl.range(h_kv * group, (h_kv + 1) * group):
        for i in tl.range(start, stop, TILE_Q):
            q = read(queries, b, h, i, TILE_Q, D_K)
            d_o = read(d_outputs, b, h, i, TILE_Q, D_V)
            rows = i + tl.arange(0, TILE_Q)
            place = (b * num_heads + h) * n_padded + rows
            log_sum, delta = tl.load(log_sums + place), tl.load(deltas + place)
            s = tl.dot(k, q.T)
            p = tl.exp2(s * scale - log_sum[None, :])
            if MASKED:
                query = rows[None, :]
                allowed = (query >= position - after) & (query <= position + before)
                p = tl.where(allowed, p, 0.0)
            d_v = tl.dot(p.to(d_o.dtype), d_o, d_v)
            d_p = tl.dot(v, d_o.T)
            d_s = p * (d_p - delta[None, :])
            if MASKED:
                d_s = tl.where(allowed, d_s, 0.0)  # 0 · NaN is NaN
            d_k = tl.dot(d_s.to(q.dtype), q, d_k)
    write(d_keys, b, h_kv, row, d_k * score_scale, TILE_K, D_K)
    write(d_values, b, h_kv, row, d_v, TILE_K, D_V)
