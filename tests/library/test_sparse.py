"""What is peculiar to skipped blocks; that the result is attention, `test_drop_ins.py` shows."""

import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.utils.flop_counter import FlopCounterMode

from attnbook import attention
from attnbook.block_mask import BlockMask
from attnbook.costs import attention_flops
from attnbook.patterns import big_bird, causal, longformer, same_block, strided, window
from attnbook.sparse import block_sparse_attention


def draw(*shapes, seed=0, dtype=torch.float64):
    made = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=made, dtype=dtype) for shape in shapes]


PATTERNS = {
    "causal": causal(),
    "window": window(5, 2),
    "longformer": longformer(4, [0, 30]),
    "big bird": big_bird(64, block_size=8, num_global=1, half_width=1, num_random=1),
    "strided": (strided(8) | window(7, 0)) & causal(),
    "blocks": same_block(16),
}


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("block_size", [8, 13, 64, 128])
def test_patterns_forward_and_backward_equal_the_dense_mask(name, block_size):
    pattern = PATTERNS[name]
    inputs = draw((1, 4, 64, 5), (1, 2, 64, 5), (1, 2, 64, 3))
    mask, blocks = pattern.mask(64, xp=torch), pattern.blocks(64, block_size=block_size)
    results = []
    for function, own in ((block_sparse_attention, blocks), (attention, mask)):
        leaves = [x.clone().requires_grad_() for x in inputs]
        out, lse = function(*leaves, mask=own, return_lse=True)
        pull = out.square().sum() + lse.sum()
        results.append((out, lse, *torch.autograd.grad(pull, leaves)))
    for ours, want in zip(*results, strict=True):
        torch.testing.assert_close(ours, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["causal", "window", "big bird"])
def test_equals_flex_attention(name):
    pattern = PATTERNS[name]
    q, k, v = draw((1, 2, 64, 16), (1, 2, 64, 16), (1, 2, 64, 16), dtype=torch.float32)
    mask = pattern.mask(64, xp=torch)
    theirs = create_block_mask(
        lambda b, h, i, j: mask[i, j], 1, 1, 64, 64, device="cpu", BLOCK_SIZE=16
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that flex_attention is slow when it is not compiled
        want = flex_attention(q, k, v, block_mask=theirs)
    out = block_sparse_attention(q, k, v, mask=pattern.blocks(64, block_size=16))
    torch.testing.assert_close(out, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", PATTERNS)
def test_operations_are_those_of_the_visited_blocks(name):
    q, k, v = draw((2, 4, 64, 5), (2, 2, 64, 5), (2, 2, 64, 3))
    leaves = [x.requires_grad_() for x in (q, k, v)]
    blocks = PATTERNS[name].blocks(64, block_size=8)
    visited = sum(map(len, blocks.rows)) * 64
    assert name == "causal" or blocks.density < 0.7
    sizes = {"num_heads": 4, "batch": 2, "pairs": visited}
    with FlopCounterMode(display=False) as counter:
        out = block_sparse_attention(*leaves, mask=blocks)
    assert counter.get_total_flops() == attention_flops(64, 64, 5, 3, **sizes)
    with FlopCounterMode(display=False) as counter:
        out.sum().backward()
    backward = attention_flops(64, 64, 5, 5, **sizes) * 3 // 2 + attention_flops(
        64, 64, 3, 3, **sizes
    )
    assert counter.get_total_flops() == backward  # q k^T again, dQ, dK; dO v^T, dV


def test_skipped_blocks_are_not_read():
    q, k, v = draw((1, 2, 64, 4), (1, 2, 64, 4), (1, 2, 64, 4))
    blocks = window(3, 3).blocks(64, block_size=8)
    want = block_sparse_attention(
        q[:, :, :16], k, v, mask=window(3, 3).blocks(16, 64, block_size=8)
    )
    dirty_k, dirty_v = k.clone(), v.clone()
    dirty_k[:, :, :40] = dirty_v[:, :, :40] = torch.nan
    out = block_sparse_attention(q, dirty_k, dirty_v, mask=blocks)
    clean = block_sparse_attention(q, k, v, mask=blocks)
    torch.testing.assert_close(out[:, :, 48:], clean[:, :, 48:])
    assert torch.isnan(out[:, :, :40]).all() and torch.isfinite(want).all()


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 50), st.integers(0, 99))
def test_the_size_of_a_block_changes_nothing(n_q, n_k, block_size, seed):
    q, k, v = (x.requires_grad_() for x in draw((1, 2, n_q, 3), (1, 1, n_k, 3), (1, 1, n_k, 2)))
    mask = torch.rand(n_q, n_k, generator=torch.Generator().manual_seed(seed)) < 0.3
    results = []
    for size in (64, block_size):
        out, lse = block_sparse_attention(q, k, v, mask=mask, block_size=size, return_lse=True)
        pull = out.square().sum() + torch.where(lse == -torch.inf, 0.0, lse).sum()
        results.append((out, lse, *torch.autograd.grad(pull, (q, k, v))))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_a_pattern_of_its_own_for_each_head_and_a_window_besides():
    inputs = [x.requires_grad_() for x in draw((2, 4, 32, 3), (2, 2, 32, 3), (2, 2, 32, 3))]
    patterns = [causal(), window(3, 3), same_block(8), strided(4)]
    dense = torch.stack([p.mask(32, xp=torch) for p in patterns])
    blocks = [p.blocks(32, block_size=s) for p, s in zip(patterns, (8, 4, 16, 5), strict=True)]
    for looks in ({}, {"causal": True}, {"window": (6, 1)}):
        out = block_sparse_attention(*inputs, mask=blocks, **looks)
        want = attention(*inputs, mask=dense, **looks)
        torch.testing.assert_close(out, want)
        ours = torch.autograd.grad(out.square().sum(), inputs)
        for one, other in zip(ours, torch.autograd.grad(want.square().sum(), inputs), strict=True):
            torch.testing.assert_close(one, other)


def test_more_keys_than_are_visited_at_a_time(monkeypatch):
    q, k, v = (x.requires_grad_() for x in draw((1, 2, 40, 3), (1, 1, 40, 3), (1, 1, 40, 2)))
    results = []
    for at_a_time in (10**6, 8):
        monkeypatch.setattr("attnbook.sparse.MAX_KEYS", at_a_time)
        out, lse = block_sparse_attention(q, k, v, causal=True, block_size=4, return_lse=True)
        results.append((out, lse, *torch.autograd.grad(out.square().sum() + lse.sum(), (q, k, v))))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_memory_kept_for_the_gradient_is_of_order_n():
    q, k, v = (x.requires_grad_() for x in draw(*[(1, 1, 256, 4)] * 3))
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x) or x, lambda x: x):
        block_sparse_attention(q, k, v, causal=True, block_size=32)
    assert max(x.numel() for x in saved) == 256 * 4


Q, K = torch.zeros(1, 2, 6, 4), torch.zeros(1, 2, 8, 4)
MASK = torch.ones(6, 8, dtype=torch.bool)
ERRORS = {
    "block_size": ({"block_size": 0}, ValueError, "block_size must be at least 1; got 0"),
    "other sizes": (
        {"mask": causal().blocks(8, 8)},
        ValueError,
        "the block mask is for 8 queries and 8 keys on cpu; there are 6 and 8 on cpu",
    ),
    "heads": (
        {"mask": [BlockMask.from_mask(MASK)]},
        ValueError,
        "mask holds 1 block masks for 2 query heads",
    ),
    "list of masks": ({"mask": [MASK, MASK]}, TypeError, "mask holds a Tensor; each must be a Bl"),
    "floating": ({"mask": MASK.float()}, TypeError, "mask is torch.float32; it must be a bool"),
    "pattern": ({"mask": causal()}, TypeError, "mask is Pattern; it must be a bool tensor"),
    "bias": ({"bias": torch.zeros(5, 8)}, ValueError, r"bias has shape \(5, 8\).*\(1, 2, 6, 8\)"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_what_came(case):
    options, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        block_sparse_attention(Q, K, K, **options)
