"""What is peculiar to tiles; that the result is attention, `test_drop_ins.py` shows."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from attnbook import attention
from attnbook.costs import attention_flops
from attnbook.flash import flash_attention, online_end, online_start, online_step


def draw(*shapes, seed=0, dtype=torch.float64):
    made = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=made, dtype=dtype) for shape in shapes]


@given(
    st.integers(0, 99),
    st.integers(1, 20),
    st.lists(st.integers(1, 19), max_size=4, unique=True),
    st.sampled_from([1.0, 200.0]),
)
def test_the_online_softmax_does_not_see_where_it_was_cut(seed, n, cuts, spread):
    s, v = draw((1, 1, 3, n), (1, 1, n, 2), seed=seed)
    s = s * spread
    s[..., 0, n // 2 :] = -torch.inf
    s[..., 1, :] = -torch.inf
    state = online_start(torch.zeros(1, 1, 3, 1, dtype=torch.float64), 2)
    edges = [0, *sorted(c for c in cuts if c < n), n]
    for i, j in pairwise(edges):
        state = online_step(*state, s[..., i:j].clone(), v[:, :, i:j])
    out, lse = online_end(*state)
    torch.testing.assert_close(lse, torch.logsumexp(s, -1))
    torch.testing.assert_close(out, torch.nan_to_num(torch.softmax(s, -1)) @ v)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 50), st.booleans())
def test_the_size_of_a_block_changes_nothing(n_q, n_k, block_size, causal):
    q, k, v = (x.requires_grad_() for x in draw((1, 4, n_q, 3), (1, 2, n_k, 3), (1, 2, n_k, 2)))
    results = []
    for size in (64, block_size):
        out, lse = flash_attention(q, k, v, causal=causal, block_size=size, return_lse=True)
        pull = out.square().sum() + torch.where(lse == -torch.inf, 0.0, lse).sum()
        results.append((out, lse, *torch.autograd.grad(pull, (q, k, v))))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("looks", "tiles"),
    [
        ({}, 16),
        ({"causal": True}, 10),
        ({"window": (4, 0)}, 7),
        ({"window": (0, 0)}, 4),
        ({"window": (5, 3)}, 12),
        (
            {
                "mask": torch.eye(4, dtype=torch.bool)
                .repeat_interleave(4, 0)
                .repeat_interleave(4, 1)
            },
            4,
        ),
        ({"mask": torch.arange(16) < 5}, 8),
    ],
    ids=str,
)
def test_tiles_that_are_forbidden_are_skipped(looks, tiles):
    q, k, v = draw((1, 2, 16, 8), (1, 2, 16, 8), (1, 2, 16, 8))
    with FlopCounterMode(display=False) as counter:
        flash_attention(q, k, v, block_size=4, **looks)
    assert counter.get_total_flops() == attention_flops(16, 16, 8, num_heads=2, pairs=16 * tiles)


def test_backward_takes_two_and_a_half_times_the_operations():
    q, k, v = (x.requires_grad_() for x in draw(*[(1, 2, 16, 8)] * 3))
    out = flash_attention(q, k, v, block_size=4)
    with FlopCounterMode(display=False) as counter:
        out.sum().backward()
    assert counter.get_total_flops() == 2.5 * attention_flops(16, 16, 8, num_heads=2)


def test_nothing_of_size_n_squared_is_kept_for_the_gradient():
    q, k, v = (x.requires_grad_() for x in draw(*[(1, 1, 256, 4)] * 3))
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x) or x, lambda x: x):
        flash_attention(q, k, v, causal=True, block_size=32)
    assert max(x.numel() for x in saved) == 256 * 4
    saved.clear()
    with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x) or x, lambda x: x):
        attention(q, k, v, causal=True)
    assert max(x.numel() for x in saved) == 256 * 256


def test_errors():
    q, k, v = draw((1, 2, 3, 4), (1, 2, 5, 4), (1, 2, 5, 4))
    with pytest.raises(ValueError, match="block_size must be at least 1; got 0"):
        flash_attention(q, k, v, block_size=0)
    with pytest.raises(ValueError, match=r"bias has shape \(2, 5\); .*\(1, 2, 3, 5\)"):
        flash_attention(q, k, v, bias=torch.zeros(2, 5))
    with pytest.raises(TypeError, match=r"bias has dtype torch\.bool"):
        flash_attention(q, k, v, bias=torch.ones(3, 5, dtype=torch.bool))
    with pytest.raises(TypeError, match="q is a ndarray, not a PyTorch tensor"):
        flash_attention(q.numpy(), k, v)
    with pytest.raises(TypeError, match=r"share one dtype; got q torch\.float32, k torch\.float64"):
        flash_attention(q.float(), k, v)
