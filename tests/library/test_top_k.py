"""Top-k attention: exactly so many keys, the best ones, and what leaving out the others costs."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnbook import attention, attention_weights
from attnbook.top_k import top_k_attention


def draw(*shapes, seed=0, dtype=torch.float64):
    made = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=made, dtype=dtype) for shape in shapes]


def chosen(weights, top_k):
    """The pairs of the top_k greatest weights, one row at a time; first come, first chosen."""
    flat = weights.flatten(0, -2)
    mask = np.zeros(flat.shape, dtype=bool)
    for row, w in enumerate(flat.numpy()):
        best = sorted(range(len(w)), key=lambda j, w=w: (-w[j], j))[:top_k]
        mask[row, [j for j in best if w[j] > 0]] = True
    return torch.from_numpy(mask).reshape(weights.shape)


@given(
    st.integers(1, 12),
    st.integers(0, 12),
    st.integers(1, 14),
    st.sampled_from([{}, {"causal": True}, {"window": (3, 1)}]),
    st.integers(0, 99),
)
def test_is_attention_to_the_best_keys(n_q, n_k, top_k, looks, seed):
    q, k, v = draw((2, 4, n_q, 3), (2, 2, n_k, 3), (2, 2, n_k, 2), seed=seed)
    mask = chosen(attention_weights(q, k, **looks), top_k)
    out, lse = top_k_attention(q, k, v, top_k=top_k, return_lse=True, **looks)
    want, want_lse = attention(q, k, v, mask=mask, return_lse=True)
    torch.testing.assert_close(out, want)
    torch.testing.assert_close(lse, want_lse)
    ones = torch.eye(n_k, dtype=torch.float64).expand(2, 2, n_k, n_k)
    weights = top_k_attention(q, k, ones, top_k=top_k, **looks)
    assert ((weights > 0).sum(-1) == mask.sum(-1)).all()
    if top_k >= n_k:
        torch.testing.assert_close(out, attention(q, k, v, **looks))


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 99), st.sampled_from([0.3, 1.0, 5.0]))
def test_the_error_is_bounded_by_the_missing_mass(n_k, top_k, seed, spread):
    q, k, v = draw((1, 1, 3, 4), (1, 1, n_k, 4), (1, 1, n_k, 2), seed=seed)
    q = q * spread
    weights = attention_weights(q, k)
    missing = (weights * ~chosen(weights, top_k)).sum(-1)
    error = (top_k_attention(q, k, v, top_k=top_k) - attention(q, k, v)).norm(dim=-1)
    diameter = torch.cdist(v, v).amax()
    assert (error <= missing * diameter + 1e-12).all()


def test_the_first_of_equal_keys_wins():
    q, k = torch.ones(1, 1, 1, 1), torch.tensor([1.0, 2.0, 2.0, 2.0, 0.0])[None, None, :, None]
    for top_k, best in ((1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (4, [0, 1, 2, 3])):
        weights = top_k_attention(q, k, torch.eye(5)[None, None], top_k=top_k).flatten()
        assert (weights > 0).nonzero().flatten().tolist() == best


def test_mask_bias_and_many_rows():
    """More queries than are looked at together; a bias takes part in the choice."""
    q, k, v = draw((1, 2, 300, 3), (1, 1, 20, 3), (1, 1, 20, 2))
    mask = torch.rand(300, 20, generator=torch.Generator().manual_seed(0)) < 0.6
    mask[7] = False
    (bias,) = draw((2, 300, 20), seed=1)
    want = attention(
        q, k, v, mask=chosen(attention_weights(q, k, mask=mask, bias=bias), 4), bias=bias
    )
    out = top_k_attention(q, k, v, top_k=4, mask=mask, bias=bias)
    torch.testing.assert_close(out, want)
    assert (out[:, :, 7] == 0).all()
    rows = top_k_attention(q, k, v, top_k=4, mask=mask[:1], bias=bias[:, :1])
    weights = attention_weights(q, k, mask=mask[:1], bias=bias[:, :1])
    torch.testing.assert_close(rows, attention(q, k, v, mask=chosen(weights, 4), bias=bias[:, :1]))


@pytest.mark.parametrize("looks", [{}, {"causal": True}])
def test_gradient_flows_through_the_chosen_alone(looks):
    inputs = [x.requires_grad_() for x in draw((1, 2, 4, 3), (1, 1, 6, 3), (1, 1, 6, 2))]
    assert torch.autograd.gradcheck(lambda *x: top_k_attention(*x, top_k=2, **looks), inputs)
    q, k, v = inputs
    out = top_k_attention(q[:, :1, :1], k, v, top_k=2)
    (d_v,) = torch.autograd.grad(out.sum(), v)
    assert ((d_v != 0).any(-1)).sum() == 2


def test_a_nan_in_a_value_is_seen_by_those_who_choose_it():
    q, k, v = draw((1, 1, 8, 3), (1, 1, 9, 3), (1, 1, 9, 2))
    mask = chosen(attention_weights(q, k), 3)[0, 0]
    v[:, :, 4] = torch.nan
    out = top_k_attention(q, k, v, top_k=3)
    assert torch.equal(torch.isnan(out).any(-1)[0, 0], mask[:, 4])
    k[:, :, 2] = torch.nan  # a key that cannot be ranked
    assert torch.isnan(top_k_attention(q, k, v, top_k=3)).all()
    hidden = torch.arange(9) != 2
    seen = top_k_attention(q, k, v, top_k=3, mask=hidden)
    assert not torch.isnan(seen).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_low_precision(dtype):
    q, k, v = draw((1, 2, 5, 8), (1, 2, 30, 8), (1, 2, 30, 4), dtype=dtype)
    out, lse = top_k_attention(q, k, torch.ones_like(v), top_k=5, return_lse=True)
    assert out.dtype == dtype and lse.dtype == torch.float32
    assert (out.double() - 1).abs().max() <= 2 * torch.finfo(dtype).eps


Q = torch.zeros(1, 2, 3, 4)
ERRORS = {
    "top_k": ({"top_k": 0}, ValueError, "top_k must be at least 1; got 0"),
    "half": ({"top_k": 1.5}, TypeError, r"top_k must be an integer; got 1\.5"),
    "mask": ({"mask": torch.ones(2, 3).bool()}, ValueError, r"mask has shape \(2, 3\)"),
    "bias": ({"bias": torch.zeros(2, 3)}, ValueError, r"bias has shape \(2, 3\)"),
    "scale": ({"scale": float("nan")}, ValueError, "scale must be a number and finite; got nan"),
    "causal": ({"causal": 1}, TypeError, "causal must be True or False"),
    "window": ({"window": (-2, 0)}, ValueError, "left must be at least 0; got -2"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_what_came(case):
    options, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        top_k_attention(Q, Q, Q, **{"top_k": 2, **options})
