"""`attention` against the float64 reference, and against PyTorch's own implementation."""

import numpy as np
import pytest
import torch
from oracle import check_rule, naive
from reference import allowed_pairs, attention_reference
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention

from attnbook import attention, attention_weights

SHAPES = [  # leading axes, n_q, n_k, d_k, d_v
    ((), 1, 1, 1, 1),
    ((), 7, 7, 5, 5),
    ((), 13, 31, 4, 3),
    ((), 31, 13, 3, 7),
    ((3,), 1, 17, 2, 2),
    ((2, 3), 17, 1, 8, 1),
    ((2, 3), 11, 19, 8, 5),
    ((0,), 3, 4, 2, 2),
    ((2,), 0, 5, 3, 2),
    ((2,), 5, 0, 3, 2),
    ((), 0, 0, 3, 2),
    ((), 3, 4, 2, 0),
]
LOOKS = [
    {},
    {"causal": True},
    {"window": (2, None)},
    {"window": (None, 1)},
    {"window": (3, 0)},
    {"causal": True, "window": (1, 2)},
]


def draw(lead, n_q, n_k, d_k, d_v, seed=0):
    rng = np.random.default_rng(seed)
    shapes = ((*lead, n_q, d_k), (*lead, n_k, d_k), (*lead, n_k, d_v))
    return [rng.standard_normal(shape) for shape in shapes]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("looks", LOOKS, ids=str)
def test_equals_the_reference(shape, looks):
    q, k, v = draw(*shape)
    lead, n_q, n_k = shape[:3]
    rng = np.random.default_rng(1)
    mask = rng.random((*lead, n_q, n_k)) < 0.7
    bias = rng.standard_normal((n_q, n_k))
    for own_mask, own_bias in ((None, None), (mask, bias)):
        allowed = allowed_pairs(n_q, n_k, looks.get("causal"), looks.get("window", (None, None)))
        if own_mask is not None:
            allowed = allowed & own_mask
        want, want_lse = attention_reference(
            q, k, v, allowed, 0.0 if own_bias is None else own_bias, 0.3
        )
        out, lse = attention(
            q, k, v, mask=own_mask, bias=own_bias, scale=0.3, return_lse=True, **looks
        )
        assert out.shape == want.shape and lse.shape == want_lse.shape
        np.testing.assert_allclose(out, want, atol=1e-13)
        np.testing.assert_allclose(lse, want_lse, atol=1e-13)
        weights = attention_weights(q, k, mask=own_mask, bias=own_bias, scale=0.3, **looks)
        assert weights.shape == (*lead, n_q, n_k)
        np.testing.assert_allclose(weights @ v, want, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("causal", [False, True])
def test_low_precision_and_its_gradient_keep_to_the_rule(dtype, causal):
    made = torch.Generator().manual_seed(0)
    inputs = [torch.randn(2, 3, 61, 16, generator=made).to(dtype) for _ in range(3)]
    pull = torch.randn(2, 3, 61, 16, generator=made).to(dtype)
    mask = torch.from_numpy(allowed_pairs(61, 61, causal))
    results = []
    for convert, function in (
        (lambda x: x, lambda *qkv: attention(*qkv, causal=causal)),
        (lambda x: x, lambda *qkv: naive(*qkv, mask)),
        (lambda x: x.double(), lambda *qkv: naive(*qkv, mask)),
    ):
        leaves = [convert(x).clone().requires_grad_() for x in inputs]
        out = function(*leaves)
        assert out.dtype == leaves[0].dtype
        results.append((out, *torch.autograd.grad(out, leaves, convert(pull))))
    for ours, plain, exact in zip(*results, strict=True):
        check_rule(ours, plain, exact)
    _, lse = attention(*inputs, causal=causal, return_lse=True)
    _, want = attention_reference(*(x.double().numpy() for x in inputs), mask.numpy())
    assert lse.dtype == torch.float32
    np.testing.assert_allclose(lse.numpy(), want, atol=1e-5)


@pytest.mark.parametrize(("n_q", "n_k"), [(7, 7), (5, 11), (1, 6)])
def test_equals_pytorch(n_q, n_k):
    q, k, v = (torch.from_numpy(x) for x in draw((2, 3), n_q, n_k, 4, 5))
    bias = torch.randn(n_q, n_k, generator=torch.Generator().manual_seed(0)).double()
    mask = bias > -0.5
    mask[:, 0] = True
    close = {"rtol": 0, "atol": 1e-12}
    sdpa = scaled_dot_product_attention
    torch.testing.assert_close(attention(q, k, v), sdpa(q, k, v), **close)
    torch.testing.assert_close(attention(q, k, v, mask=mask), sdpa(q, k, v, mask), **close)
    torch.testing.assert_close(attention(q, k, v, bias=bias), sdpa(q, k, v, bias), **close)
    torch.testing.assert_close(attention(q, k, v, scale=0.7), sdpa(q, k, v, scale=0.7), **close)
    lower_right = sdpa(q, k, v, causal_lower_right(n_q, n_k))
    torch.testing.assert_close(attention(q, k, v, causal=True), lower_right, **close)


def test_lse_equals_that_of_pytorchs_flash_kernel():
    q, k, v = (torch.from_numpy(x) for x in draw((2, 3), 17, 17, 8, 8))
    flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    want, want_lse = flash(q, k, v, is_causal=True)
    out, lse = attention(q, k, v, causal=True, return_lse=True)
    torch.testing.assert_close(out, want)
    torch.testing.assert_close(lse, want_lse)


@pytest.mark.parametrize(("heads", "kv_heads"), [(6, 6), (6, 3), (6, 2), (6, 1)])
def test_grouped_queries(heads, kv_heads):
    rng = np.random.default_rng(0)
    q = torch.from_numpy(rng.standard_normal((2, heads, 5, 4)))
    k = torch.from_numpy(rng.standard_normal((2, kv_heads, 7, 4)))
    v = torch.from_numpy(rng.standard_normal((2, kv_heads, 7, 3)))
    out = attention(q, k, v)
    torch.testing.assert_close(out, scaled_dot_product_attention(q, k, v, enable_gqa=True))
    repeated = [x.repeat_interleave(heads // kv_heads, dim=1) for x in (k, v)]
    torch.testing.assert_close(out, attention(q, *repeated))


def test_leading_axes_broadcast_to_every_result():
    q, k, v = draw((), 3, 4, 2, 2)
    many = np.stack([v, 2 * v])
    out, lse = attention(q, k, many, return_lse=True)
    assert out.shape == (2, 3, 2) and lse.shape == (2, 3)
    np.testing.assert_allclose(out[1], 2 * attention(q, k, v))
    mask = np.array([[[True, False, True, True]], [[True] * 4]])
    np.testing.assert_allclose(
        attention(q, k, many, mask=mask)[0], attention(q, k, v, mask=mask[0])
    )


@pytest.mark.parametrize("looks", [{}, *LOOKS[1:3]], ids=str)
def test_gradcheck(looks):
    q, k, v = (torch.from_numpy(x).requires_grad_() for x in draw((2,), 5, 3, 3, 2))
    mask = torch.tensor([[True, False, True]] * 4 + [[False] * 3])  # the last row is empty
    bias = torch.zeros(5, 3, dtype=torch.float64, requires_grad=True)

    def function(q, k, v, bias):
        out, lse = attention(q, k, v, bias=bias, mask=mask, return_lse=True, **looks)
        return out, torch.where(torch.isfinite(lse), lse, 0.0)

    assert torch.autograd.gradcheck(function, (q, k, v, bias))
    assert torch.autograd.gradgradcheck(function, (q, k, v, bias))


def test_no_mask_means_the_textbook_formula():
    q, k, v = draw((), 6, 9, 4, 4)
    e = np.exp(q @ k.T / np.sqrt(4))
    np.testing.assert_allclose(attention(q, k, v), e / e.sum(1, keepdims=True) @ v, atol=1e-14)
