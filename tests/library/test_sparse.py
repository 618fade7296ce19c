"""Block-sparse attention: equal to dense attention under the same mask, and skipped for true.

`test_drop_ins.py` holds the function against the oracle; here is what only block masks can do.
"""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import attention_reference
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from attnbook import attention, sparse, window_mask
from attnbook.block_mask import BlockMask
from attnbook.patterns import big_bird, causal, longformer, random_keys, same_block, strided, window
from attnbook.sparse import block_sparse_attention


def draw(n_q, n_k, heads=4, kv_heads=2, d_k=5, d_v=3, *, batch=2, seed=0):
    made = torch.Generator().manual_seed(seed)
    shapes = (batch, heads, n_q, d_k), (batch, kv_heads, n_k, d_k), (batch, kv_heads, n_k, d_v)
    return [
        torch.randn(shape, generator=made, dtype=torch.float64).requires_grad_() for shape in shapes
    ]


def exact(q, k, v, mask):
    group = q.shape[1] // k.shape[1]
    q, k, v = (x.detach().numpy() for x in (q, k, v))
    return attention_reference(q, k.repeat(group, 1), v.repeat(group, 1), np.asarray(mask))


def gradients(function, inputs, seed=1):
    """Of out and of the finite lse, pulled by random numbers."""
    out, lse = function(*inputs)
    made = torch.Generator().manual_seed(seed)
    pulls = [torch.randn(x.shape, generator=made, dtype=x.dtype) for x in (out, lse)]
    lse = torch.where(lse == -torch.inf, 0.0, lse)
    return torch.autograd.grad((out, lse), inputs, pulls)


PATTERNS = {
    "causal": causal(),
    "window": window(5, 2),
    "longformer": longformer(3, [0, 9]) & causal(),
    "big bird": big_bird(60, block_size=4, num_global=1, num_random=2),
    "blocks": same_block(11),
    "strided": (strided(8) | window(7, 0)) & causal(),
    "random": random_keys(4, 60),
}


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize(("n_q", "n_k"), [(60, 60), (13, 57), (57, 13)])
@pytest.mark.parametrize("size", [4, 13, 128])
def test_equals_the_reference_under_the_mask_of_the_pattern(name, n_q, n_k, size):
    pattern, inputs = PATTERNS[name], draw(n_q, n_k)
    blocks = pattern.blocks(n_q, n_k, block_size=size)
    out, lse = block_sparse_attention(*inputs, mask=blocks, return_lse=True)
    want, want_lse = exact(*inputs, pattern.mask(n_q, n_k))
    np.testing.assert_allclose(out.detach(), want, atol=1e-12)
    np.testing.assert_allclose(lse.detach(), want_lse, atol=1e-12)
    mask = pattern.mask(n_q, n_k, xp=torch)
    got = gradients(lambda *qkv: block_sparse_attention(*qkv, mask=blocks, return_lse=True), inputs)
    wants = gradients(lambda *qkv: attention(*qkv, mask=mask, return_lse=True), inputs)
    for ours, theirs in zip(got, wants, strict=True):
        torch.testing.assert_close(ours, theirs)


@given(
    st.integers(1, 30),
    st.integers(1, 30),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, 99),
)
def test_the_block_size_and_the_portion_change_nothing(n_q, n_k, size, portion, seed):
    inputs = draw(n_q, n_k, batch=1, seed=seed)
    mask = torch.rand(n_q, n_k, generator=torch.Generator().manual_seed(seed)) < 0.3

    def function(*qkv):
        return block_sparse_attention(*qkv, mask=mask, return_lse=True, block_size=size)

    want, want_lse = exact(*inputs, mask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse, "MAX_KEYS", portion)
        out, lse = function(*inputs)
        got = gradients(function, inputs)
    np.testing.assert_allclose(out.detach(), want, atol=1e-12)
    np.testing.assert_allclose(lse.detach(), want_lse, atol=1e-12)
    wants = gradients(lambda *qkv: attention(*qkv, mask=mask, return_lse=True), inputs)
    for ours, theirs in zip(got, wants, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_causal_and_window_intersect_a_block_mask():
    inputs = draw(23, 31)
    pattern = random_keys(9, 40)
    blocks = pattern.blocks(23, 31, block_size=4)
    near = window_mask(23, 31, left=8, right=0)
    for options in ({"causal": True, "window": (8, 5)}, {"window": (8, 0)}):
        out = block_sparse_attention(*inputs, mask=blocks, **options)
        want, _ = exact(*inputs, pattern.mask(23, 31) & near)
        np.testing.assert_allclose(out.detach(), want, atol=1e-12)


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_each_query_head_may_have_a_block_mask_of_its_own(kv_heads):
    inputs = draw(21, 30, 4, kv_heads)
    patterns = [window(3, 0), causal(), random_keys(5, 30), same_block(7)]
    blocks = [
        p.blocks(21, 30, block_size=size) for p, size in zip(patterns, (4, 5, 8, 64), strict=True)
    ]
    mask = np.stack([p.mask(21, 30) for p in patterns])
    for options, allowed in (({}, mask), ({"causal": True}, mask & causal().mask(21, 30))):

        def function(*qkv, options=options):
            return block_sparse_attention(*qkv, mask=blocks, return_lse=True, **options)

        def reference(*qkv, allowed=allowed):
            return attention(*qkv, mask=torch.from_numpy(allowed), return_lse=True)

        np.testing.assert_allclose(
            function(*inputs)[0].detach(), exact(*inputs, allowed)[0], atol=1e-12
        )
        got, wants = gradients(function, inputs), gradients(reference, inputs)
        for ours, theirs in zip(got, wants, strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    "shape", [(2, 4, 9, 14), (4, 9, 14), (9, 1), (14,), (2, 1, 1, 14), (4, 1, 1), ()], ids=str
)
def test_the_gradient_of_a_bias_of_every_shape(shape):
    q, k, v = draw(9, 14)
    pattern = random_keys(5, 14) | window(1, 1)
    mask, blocks = pattern.mask(9, 14, xp=torch), pattern.blocks(9, 14, block_size=4)
    bias = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    bias.requires_grad_()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse, "MAX_KEYS", 8)
        got = gradients(
            lambda q, k, v, b: block_sparse_attention(
                q, k, v, mask=blocks, bias=b, return_lse=True
            ),
            (q, k, v, bias),
        )
    wants = gradients(
        lambda q, k, v, b: attention(q, k, v, mask=mask, bias=b, return_lse=True), (q, k, v, bias)
    )
    for ours, theirs in zip(got, wants, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_gradcheck_with_everything_at_once():
    q, k, v = draw(7, 9, 2, 1, 3, 2, batch=1)
    blocks = (random_keys(4, 9) | same_block(2)).blocks(7, 9, block_size=2)
    bias = torch.randn(2, 1, 9, dtype=torch.float64, requires_grad=True)

    def function(q, k, v, bias):
        out, lse = block_sparse_attention(
            q, k, v, mask=blocks, bias=bias, window=(4, 2), scale=0.7, return_lse=True
        )
        return out, torch.where(lse == -torch.inf, 0.0, lse)

    assert torch.autograd.gradcheck(function, (q, k, v, bias))


MASK_MODS = {
    "causal": causal(),
    "sliding window": window(40, 0),
    "big bird": big_bird(256, block_size=16, num_random=2) & causal(),
}


@pytest.mark.parametrize("name", MASK_MODS)
def test_equals_flex_attention_with_the_same_rule(name):
    pattern = MASK_MODS[name]
    made = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 2, 256, 16, generator=made) for _ in range(3))
    theirs = create_block_mask(
        lambda b, h, position, key: pattern.rule(position, key), None, None, 256, 256, device="cpu"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that flex_attention is slow where it is not compiled
        want = flex_attention(q, k, v, block_mask=theirs)
    for size in (16, 128):
        ours = pattern.blocks(256, block_size=size)
        out = block_sparse_attention(q, k, v, mask=ours)
        torch.testing.assert_close(out, want, atol=2e-6, rtol=1e-5)
    dense = theirs.to_dense()[0, 0].bool()  # which of their blocks of 128 are visited
    assert [[j in row for j in range(2)] for row in ours.rows] == dense.tolist()


@pytest.mark.parametrize("density", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("kv_heads", [4, 1])
def test_operations_are_those_of_the_visited_blocks_and_no_more(density, kv_heads):
    q, k, v = draw(62, 62, 4, kv_heads, 8, 4)  # 16 blocks of 4, the last of 2
    pattern = random_keys(int(16 * density), 16).in_blocks(4)
    blocks = pattern.blocks(62, block_size=4)
    pairs = int(pattern.mask(62).sum())  # whole blocks
    one_pass = 2 * 2 * 4 * pairs * (8 + 4)  # 2 · B · H · pairs · (d_k + d_v)
    with FlopCounterMode(display=False) as forward:
        out = block_sparse_attention(q, k, v, mask=blocks)
    assert forward.get_total_flops() == one_pass
    with FlopCounterMode(display=False) as backward:
        out.sum().backward()
    # scores again, dQ and dK of width d_k; dP and dV of width d_v
    assert backward.get_total_flops() == 2 * 2 * 4 * pairs * (3 * 8 + 2 * 4)


def test_operations_of_partial_blocks_and_of_causal_and_window():
    q, k, v = draw(64, 64, 4, 4, 8, 4)
    every = BlockMask.from_window(64, block_size=8)
    for options, blocks in (
        ({"causal": True}, 8 * 9 // 2),
        ({"window": (8, 0)}, 8 + 7),  # the window of a block reaches into the one before
        ({"causal": True, "window": (9, None)}, 8 + 7 + 6),
    ):
        for mask in (None, every, torch.ones(64, 64, dtype=torch.bool)):
            with FlopCounterMode(display=False) as counter:
                block_sparse_attention(q, k, v, mask=mask, block_size=8, **options)
            assert counter.get_total_flops() == 2 * 2 * 4 * blocks * 64 * (8 + 4)


def test_what_lies_in_blocks_that_nobody_visits_reaches_nothing():
    q, k, v = draw(32, 32)
    pattern = random_keys(1, 8, seed=3).in_blocks(4)
    seen = pattern.mask(32).any(0)
    assert 0 < (~seen).sum() < 32
    blocks = pattern.blocks(32, block_size=4)

    def function(*qkv):
        return block_sparse_attention(*qkv, mask=blocks, return_lse=True)

    clean = (*function(q, k, v), *gradients(function, (q, k, v)))
    for poison in (torch.nan, torch.inf):
        dirty = [x.detach().clone() for x in (q, k, v)]
        dirty[1][:, :, ~seen] = poison
        dirty[2][:, :, ~seen] = poison
        inputs = [x.requires_grad_() for x in dirty]
        for ours, want in zip(
            (*function(*inputs), *gradients(function, inputs)), clean, strict=True
        ):
            assert torch.equal(ours, want)


@pytest.mark.parametrize("where", [1, 2])
def test_a_nan_in_a_visited_block_is_seen_by_those_who_may_see_it_alone(where):
    inputs = draw(20, 20)
    pattern = random_keys(6, 20)
    mask = pattern.mask(20)
    blocks = pattern.blocks(20, block_size=4)
    clean, clean_lse = block_sparse_attention(*inputs, mask=blocks, return_lse=True)
    dirty = [x.detach().clone() for x in inputs]
    dirty[where][:, 1, 7, 0] = torch.nan  # the second key head: query heads 2 and 3
    out, lse = block_sparse_attention(*dirty, mask=blocks, return_lse=True)
    broken = torch.zeros(2, 4, 20, dtype=torch.bool)
    broken[:, 2:] = torch.from_numpy(mask[:, 7])
    assert torch.isnan(out[broken]).all()
    torch.testing.assert_close(out[~broken], clean[~broken])
    if where == 1:
        assert torch.isnan(lse[broken]).all()
        broken = ~broken
        torch.testing.assert_close(lse[broken], clean_lse[broken])
    else:
        torch.testing.assert_close(lse, clean_lse)


def test_a_nan_in_a_query_is_its_own_and_needs_something_to_see():
    inputs = [x.detach() for x in draw(6, 4)]
    inputs[0][:, :, [1, 4], 0] = torch.nan  # query 1 sees no key
    out, lse = block_sparse_attention(*inputs, causal=True, return_lse=True, block_size=2)
    want, want_lse = attention(*inputs, causal=True, return_lse=True)
    torch.testing.assert_close(out, want, equal_nan=True)
    torch.testing.assert_close(lse, want_lse, equal_nan=True)
    assert torch.isnan(out[:, :, 4]).all() and (out[:, :, 1] == 0).all()


def test_a_bias_of_minus_infinity_hides_a_nan():
    q, k, v = (x.detach() for x in draw(5, 6))
    bias = torch.zeros(5, 6, dtype=torch.float64)
    bias[:3, 2] = -torch.inf
    want = block_sparse_attention(q, k, v, bias=bias, block_size=2)
    k[:, :, 2] = torch.nan
    out = block_sparse_attention(q, k, v, bias=bias, block_size=2)
    torch.testing.assert_close(out[:, :, :3], want[:, :, :3])
    assert torch.isnan(out[:, :, 3:]).all()


class Largest(TorchDispatchMode):
    """Notes the size of the largest tensor that is made."""

    numel = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        made = result if isinstance(result, (tuple, list)) else [result]
        self.numel = max([self.numel, *(x.numel() for x in made if isinstance(x, torch.Tensor))])
        return result


def test_no_array_of_all_scores_is_made(monkeypatch):
    monkeypatch.setattr(sparse, "MAX_KEYS", 32)
    q, k, v = draw(512, 512, 1, 1, 4, 4, batch=1)
    blocks = longformer(20, [0]).blocks(512, block_size=16)
    with Largest() as largest:
        block_sparse_attention(q, k, v, mask=blocks, causal=True).sum().backward()
    assert largest.numel <= max(512 * 4, 16 * 32)


def test_what_is_kept_for_the_gradient_is_of_order_n():
    q, k, v = draw(256, 256, 1, 1, 4, 4, batch=1)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        block_sparse_attention(q, k, v, causal=True, block_size=32)
    assert max(x.numel() for x in kept) == 256 * 4


def test_half_precision_sums_in_float32():
    q, k, v = (x.detach().half() for x in draw(64, 64, 2, 2, 16, 16))
    blocks = window(20, 20).blocks(64, block_size=16)
    out, lse = block_sparse_attention(q, k, v, mask=blocks, return_lse=True)
    want, want_lse = attention(
        q.float(), k.float(), v.float(), mask=window(20, 20).mask(64, xp=torch), return_lse=True
    )
    assert out.dtype == torch.float16 and lse.dtype == torch.float32
    torch.testing.assert_close(out, want.half(), atol=1e-3, rtol=0)
    torch.testing.assert_close(lse, want_lse, atol=1e-5, rtol=0)


Q, K, V = (x.detach() for x in draw(6, 8))
BLOCKS = BlockMask.from_window(6, 8, block_size=4)
ERRORS = {
    "sizes": (
        {"mask": BlockMask.from_window(8, 6)},
        ValueError,
        "for 8 queries and 6 keys.*6 and 8",
    ),
    "heads": ({"mask": [BLOCKS] * 2}, ValueError, "2 block masks for 4 query heads"),
    "kinds": ({"mask": [BLOCKS] * 3 + [None]}, TypeError, "holds a NoneType; each must be a Block"),
    "masks": ({"mask": [torch.ones(6, 8) > 0] * 4}, TypeError, "holds a Tensor; each must be a Bl"),
    "pattern": ({"mask": causal()}, TypeError, "mask is Pattern; it must be a bool tensor"),
    "dtype": ({"mask": torch.ones(6, 8)}, TypeError, r"mask is torch\.float32.*bool tensor"),
    "array": ({"mask": np.ones((6, 8), bool)}, TypeError, "mask is ndarray.*True = may attend"),
    "block_size": ({"block_size": 0}, ValueError, "block_size must be at least 1; got 0"),
    "block_size type": ({"block_size": 2.0}, TypeError, "block_size must be an integer"),
    "bias": ({"bias": torch.zeros(8, 6)}, ValueError, r"bias has shape \(8, 6\).*\(2, 4, 6, 8\)"),
    "bias dtype": ({"bias": torch.zeros(6, 8, dtype=torch.int64)}, TypeError, "bias has dtype"),
    "window": ({"window": (-1, 0)}, ValueError, "no limit is None here"),
    "device": (
        {"mask": BlockMask.from_window(6, 8, right=0, device="meta")},
        ValueError,
        "on meta; there are 6 and 8 on cpu",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_what_came(case):
    options, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        block_sparse_attention(Q, K, V, **options)
