"""Paged attention equals attention over contiguous keys, whatever lies where in the cache."""

import numpy as np
import pytest
import torch
from paged_adapter import filled, paged_drop_in

from attnbook import attention
from attnbook.paged import PagedCache
from attnbook.paged_attention import _portions, paged_attention


def draw(*shapes, seed=0):
    made = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=made, dtype=torch.float64) for shape in shapes]


@pytest.mark.parametrize("block_size", [1, 3, 16])
@pytest.mark.parametrize("n_q", [0, 1, 4])
def test_sequences_of_different_lengths_in_one_batch(block_size, n_q):
    lengths = [0, 1, 3, 15, 16, 17, 40]
    cache = PagedCache(
        200, num_kv_heads=2, d_k=5, d_v=3, block_size=block_size, dtype=torch.float64
    )
    sequences, contents = [], []
    for i, n in enumerate(lengths):
        sequences.append(cache.new_sequence())
        contents.append(draw((2, n, 5), (2, n, 3), seed=i))
        cache.append(sequences[-1], *contents[-1])
    (q,) = draw((len(lengths), 6, n_q, 5), seed=99)
    for looks in (
        *({}, {"causal": False}, {"window": (2, None)}, {"window": (4, 1), "scale": 0.3}),
        {"causal": False, "window": (None, 1)},
    ):
        out, lse = paged_attention(q, cache, sequences, return_lse=True, **looks)
        assert out.shape == (7, 6, n_q, 3) and lse.shape == (7, 6, n_q)
        for row, (k, v) in enumerate(contents):
            same = {"causal": True} | looks
            want = attention(q[row][None], k[None], v[None], return_lse=True, **same)
            torch.testing.assert_close(out[row], want[0][0], rtol=0, atol=1e-12)
            torch.testing.assert_close(lse[row], want[1][0], rtol=0, atol=1e-12)
    torch.testing.assert_close(
        paged_attention(q, cache, sequences), paged_attention(q, cache, sequences, causal=True)
    )


def test_shared_blocks_are_looked_up_for_each_holder():
    cache = PagedCache(40, num_kv_heads=1, d_k=4, block_size=4, dtype=torch.float64)
    prefix = cache.new_sequence()
    k, v = draw((1, 10, 4), (1, 10, 4))
    cache.append(prefix, k, v)
    forks = [cache.fork(prefix, length) for length in (10, 10, 7, 4, 0)]
    contents = []
    for i, (fork, length) in enumerate(zip(forks, (10, 10, 7, 4, 0), strict=True)):
        own = draw((1, 3, 4), (1, 3, 4), seed=i + 1)
        cache.append(fork, *own)
        contents.append(
            [torch.cat([x[:, :length], y], 1) for x, y in zip((k, v), own, strict=True)]
        )
    (q,) = draw((6, 2, 1, 4), seed=50)
    out = paged_attention(q, cache, [*forks, prefix])
    for row, (keys, values) in enumerate([*contents, (k, v)]):
        torch.testing.assert_close(out[row], attention(q[row][None], keys[None], values[None])[0])
    twice = paged_attention(q, cache, [prefix] * 6)  # many questions to one sequence
    torch.testing.assert_close(twice, attention(q, k.expand(6, 1, 10, 4), v.expand(6, 1, 10, 4)))


def test_many_blocks_in_and_out_of_order():
    """More blocks than one portion; some portions are neighbors in memory, some are not."""
    n, size = 1300, 2
    cache = PagedCache(1400, num_kv_heads=1, d_k=2, block_size=size, dtype=torch.float64)
    first, second = cache.new_sequence(), cache.new_sequence()
    k, v = draw((2, 1, n, 2), (2, 1, n, 2))
    cache.append(first, k[0, :, :1200], v[0, :, :1200])  # 600 neighbors
    for start in range(0, n, size):  # then scattered
        part = slice(start, start + size)
        cache.append(second, k[1, :, part], v[1, :, part])
        if start < 100:
            cache.append(
                first, k[0, :, 1200 + start : 1202 + start], v[0, :, 1200 + start : 1202 + start]
            )
    (q,) = draw((2, 1, 1, 2), seed=1)
    torch.testing.assert_close(paged_attention(q, cache, [first, second]), attention(q, k, v))
    torch.testing.assert_close(
        paged_attention(q[1:], cache, [second]), attention(q[1:], k[1:], v[1:])
    )


def test_neighbors_are_read_where_they_lie_and_others_are_copied_together():
    pool = torch.arange(1000.0)[:, None]
    blocks = torch.cat([torch.arange(3, 515), torch.tensor([600, 601, 603]), torch.tensor([700])])
    portions = list(_portions(pool, blocks))
    assert [part for part, _ in portions] == [slice(0, 256), slice(256, 512), slice(512, 516)]
    assert torch.equal(torch.cat([x for _, x in portions]), pool[blocks])
    inside = [x.untyped_storage().data_ptr() == pool.data_ptr() for _, x in portions]
    assert inside == [True, True, False]


def test_what_was_freed_never_reaches_an_output():
    q, k, v = draw((2, 4, 3, 5), (2, 2, 9, 5), (2, 2, 9, 5))
    cache, sequences = filled(k, v, 4)
    held = {block for sequence in sequences for block in cache.table(sequence)}
    for block in set(range(len(cache.keys))) - held:
        cache.keys[block] = cache.values[block] = torch.nan  # the rubbish of others
    want = attention(q, k, v, causal=True)
    torch.testing.assert_close(paged_attention(q, cache, sequences), want)
    grown = cache.fork(sequences[0])
    cache.append(grown, k[0, :, :5], v[0, :, :5])  # takes blocks that are full of NaN
    keys, values = (torch.cat([x[0], x[0, :, :5]], 1)[None] for x in (k, v))
    out = paged_attention(q[:1], cache, [grown])
    torch.testing.assert_close(out, attention(q[:1], keys, values, causal=True))


@pytest.mark.parametrize("poison", [torch.nan, torch.inf])
@pytest.mark.parametrize("where", [0, 1])
def test_a_nan_of_one_sequence_stays_there(poison, where):
    q, k, v = draw((3, 2, 2, 4), (3, 1, 6, 4), (3, 1, 6, 4))
    (k, v)[where][1, 0, 5] = poison  # the newest token of sequence 1
    cache, sequences = filled(k, v, 4)
    out = paged_attention(q, cache, sequences)
    want = attention(q, k, v, causal=True)
    torch.testing.assert_close(out, want, equal_nan=True)
    assert torch.isnan(out[1, :, 1]).all() and torch.isfinite(out[1, :, 0]).all()
    assert torch.isfinite(out[[0, 2]]).all()
    for looks in ({"causal": False}, {"window": (1, 0)}, {"scale": 0.3}, {"window": (None, 2)}):
        got = paged_attention(q, cache, sequences, return_lse=True, **looks)
        same = attention(q, k, v, return_lse=True, **({"causal": True} | looks))
        torch.testing.assert_close(got, same, equal_nan=True)
    short = cache.fork(sequences[1], 5)  # a prefix without it shares the block with it
    keys, values = k[1:2, :, :5], v[1:2, :, :5]
    torch.testing.assert_close(
        paged_attention(q[:1], cache, [short]), attention(q[:1], keys, values, causal=True)
    )
    cache.append(short, k[0, :, :1], v[0, :, :1])  # copies the block, and writes over the NaN
    keys, values = (torch.cat([x, y[:1, :, :1]], 2) for x, y in ((keys, k), (values, v)))
    torch.testing.assert_close(
        paged_attention(q[:1], cache, [short]), attention(q[:1], keys, values, causal=True)
    )


def test_only_blocks_that_a_window_can_see_are_visited():
    k, v, q = draw((1, 1, 64, 2), (1, 1, 64, 2), (1, 1, 1, 2))
    cache, sequences = filled(k, v, 4)
    for block in cache.table(sequences[0])[:13]:  # keys 0 … 51; the window begins at 63 - 8 = 55
        cache.keys[block] = cache.values[block] = torch.nan
    out = paged_attention(q, cache, sequences, window=(8, None))
    torch.testing.assert_close(out, attention(q, k, v, causal=True, window=(8, None)))


def test_low_precision_sums_in_float32():
    q, k, v = (x.to(torch.bfloat16) for x in draw((1, 2, 1, 8), (1, 2, 300, 8), (1, 2, 300, 8)))
    ones = paged_drop_in(q, k, torch.ones_like(v))
    assert ones.dtype == torch.bfloat16 and (ones == 1).all()
    _, lse = paged_drop_in(q, k, v, return_lse=True)
    assert lse.dtype == torch.float32
    want = attention(q.double(), k.double(), v.double(), return_lse=True)[1]
    np.testing.assert_allclose(lse, want, atol=1e-5)


Q = torch.zeros(1, 4, 1, 3)
ERRORS = {
    "rank": ({"q": Q[0]}, ValueError, r"q has shape \(4, 1, 3\).*\(1, H, n_q, 3\)"),
    "batch": (
        {"q": Q.expand(2, 4, 1, 3)},
        ValueError,
        r"for 1 sequences it must be \(1, H, n_q, 3\)",
    ),
    "width": ({"q": Q[..., :2]}, ValueError, r"q has shape \(1, 4, 1, 2\)"),
    "heads": ({"q": Q[:, :3]}, ValueError, r"3 query heads cannot share 2 key/value heads evenly"),
    "dtype": ({"q": Q.double()}, TypeError, r"share one dtype; got q torch.float64, the cache"),
    "array": ({"q": Q.numpy()}, TypeError, "q is a ndarray, not a PyTorch tensor"),
    "sequence": ({"sequences": [7]}, KeyError, r"there is no sequence 7; there are \[0\]"),
    "gradient": ({"q": Q.clone().requires_grad_()}, RuntimeError, "no gradient; decode under"),
    "causal": ({"causal": 1}, TypeError, "causal must be True or False"),
    "window": ({"window": 1}, TypeError, "window must be a pair"),
    "scale": ({"scale": float("inf")}, ValueError, "scale must be a number and finite; got inf"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_what_came(case):
    change, kind, message = ERRORS[case]
    cache = PagedCache(2, num_kv_heads=2, d_k=3)
    good = {"q": Q, "cache": cache, "sequences": [cache.new_sequence()]}
    assert (paged_attention(**good) == 0).all()
    with pytest.raises(kind, match=message):
        paged_attention(**{**good, **change})
