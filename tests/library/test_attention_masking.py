"""Nothing to attend to, and what must not leak out from behind a mask."""

import numpy as np
import pytest
import torch

from attnbook import attention, attention_weights, soft_lookup


def tensors(*shapes):
    made = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=made, dtype=torch.float64) for shape in shapes]


EMPTY = {
    "mask": {"mask": torch.tensor([[True] * 4, [False] * 4, [True] * 4])},
    "bias": {"bias": torch.tensor([[0.0] * 4, [-torch.inf] * 4, [0.0] * 4], dtype=torch.float64)},
}


@pytest.mark.parametrize("how", EMPTY)
def test_an_empty_row_gives_zero_and_no_gradient(how):
    q, k, v = (x.requires_grad_() for x in tensors((3, 2), (4, 2), (4, 5)))
    out, lse = attention(q, k, v, return_lse=True, **EMPTY[how])
    assert (out[1] == 0).all() and lse[1] == -torch.inf
    assert (attention_weights(q, k, **EMPTY[how])[1] == 0).all()
    grads = torch.autograd.grad(out.sum() + lse[[0, 2]].sum(), (q, k, v), retain_graph=True)
    assert all(torch.isfinite(g).all() for g in grads)
    assert (grads[0][1] == 0).all() and (grads[0][0] != 0).any()
    for g in torch.autograd.grad(out[1].sum() + lse[1], (q, k, v)):
        assert (g == 0).all()


def test_no_keys_at_all():
    q, k, v = (x.requires_grad_() for x in tensors((3, 2), (0, 2), (0, 5)))
    out, lse = attention(q, k, v, causal=True, return_lse=True)
    assert out.shape == (3, 5) and (out == 0).all() and (lse == -torch.inf).all()
    grads = torch.autograd.grad(out.sum(), (q, k, v))
    assert all((g == 0).all() for g in grads)


BAD = [torch.nan, torch.inf, -torch.inf]
LOWER = torch.ones(4, 4, dtype=torch.bool).tril()
HIDE_LAST = {
    "mask": {"mask": LOWER},
    "causal": {"causal": True},
    "window": {"window": (None, 0)},
    "bias": {"bias": torch.zeros(4, 4).double().masked_fill(~LOWER, -torch.inf)},
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("how", HIDE_LAST)
def test_nan_and_inf_reach_only_the_queries_that_attend_to_them(bad, how):
    q, k, v = tensors((2, 4, 3), (2, 4, 3), (2, 4, 2))
    want = attention(q, k, v, return_lse=True, **HIDE_LAST[how])
    dirty_k, dirty_v = k.clone(), v.clone()
    dirty_k[:, 3, 1] = bad
    dirty_v[:, 3, 0] = bad
    for ours, clean in zip(
        attention(q, dirty_k, dirty_v, return_lse=True, **HIDE_LAST[how]), want, strict=True
    ):
        torch.testing.assert_close(ours[:, :3], clean[:, :3], rtol=0, atol=0)
    # The last query does attend to it, and says so, whichever of the two is bad.
    assert torch.isnan(attention(q, dirty_k, v, **HIDE_LAST[how])[:, 3]).all()
    assert torch.isnan(attention(q, k, dirty_v, **HIDE_LAST[how])[:, 3]).all()


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("how", ["mask", "causal", "window", "bias"])
def test_nan_and_inf_behind_a_mask_do_not_reach_the_gradient(bad, how):
    q, k, v = tensors((2, 3, 3), (2, 4, 3), (2, 4, 2))
    hidden = torch.tensor([True, True, False, True]).expand(3, 4)
    looks = {
        "mask": {"mask": hidden},
        "causal": {"causal": True, "mask": hidden},
        "window": {"window": (9, 9), "mask": hidden},
        "bias": {"bias": torch.zeros(3, 4).double().masked_fill(~hidden, -torch.inf)},
    }[how]

    def run(k, v):
        leaves = [x.clone().requires_grad_() for x in (q, k, v)]
        out, lse = attention(*leaves, return_lse=True, **looks)
        return out, lse, *torch.autograd.grad(out.sum() + lse.sum(), leaves)

    clean = run(k, v)
    k, v = k.clone(), v.clone()
    k[:, 2, 1] = bad
    v[:, 2, 0] = bad
    for ours, want in zip(run(k, v), clean, strict=True):
        torch.testing.assert_close(ours, want, rtol=0, atol=0)


def test_a_nan_in_a_query_stays_in_its_row():
    q, k, v = (x.requires_grad_() for x in tensors((3, 2), (4, 2), (4, 2)))
    with torch.no_grad():
        q[1] = torch.nan
    out = attention(q, k, v, mask=EMPTY["mask"]["mask"])
    assert torch.isfinite(out).all() and (out[1] == 0).all()
    assert all(torch.isfinite(g).all() for g in torch.autograd.grad(out.sum(), (q, k, v)))
    assert torch.isnan(attention(q, k, v)[1]).all()
    assert torch.isfinite(attention(q, k, v)[[0, 2]]).all()


def test_a_bias_of_nan_behind_a_mask():
    q, k, v = (x.numpy() for x in tensors((3, 2), (3, 2), (3, 2)))
    bias = np.triu(np.full((3, 3), np.nan), 1)
    np.testing.assert_array_equal(
        attention(q, k, v, causal=True, bias=bias), attention(q, k, v, causal=True)
    )


@pytest.mark.parametrize("score", ["dot", "scaled_dot", "distance", "cosine"])
def test_soft_lookup_does_not_look_behind_its_mask(score):
    q, k, v = tensors((5, 3), (4, 3), (4, 2))
    mask = torch.tensor([True, False, True, True])

    def look(k, v):
        leaves = [x.clone().requires_grad_() for x in (q, k, v)]
        out = soft_lookup(*leaves, mask=mask, score=score)
        return out, *torch.autograd.grad(out.sum(), leaves)

    clean = look(k, v)
    k, v = k.clone(), v.clone()
    k[1], v[1] = torch.nan, torch.inf
    for ours, want in zip(look(k, v), clean, strict=True):
        torch.testing.assert_close(ours, want, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_huge_logits_stay_finite(dtype):
    rng = np.random.default_rng(0)
    q, k, v = (rng.standard_normal((9, 4)).astype(dtype) for _ in range(3))
    out, lse = attention(100 * q, 100 * k, v, return_lse=True, causal=True)
    assert out.dtype == dtype
    assert np.isfinite(out).all() and np.isfinite(lse).all()
    # No large negative number: half precision could not hold it, and it would leave a trace.
    assert (attention_weights(q, k, causal=True)[0, 1:] == 0).all()


def test_a_three_dimensional_key_is_no_group_of_heads():
    q, k = np.zeros((1, 6, 3, 4)), np.zeros((2, 5, 4))
    with pytest.raises(ValueError, match=r"do not broadcast: q \(1, 6, 3, 4\), k \(2, 5, 4\)"):
        attention(q, k, k)
    with pytest.raises(ValueError, match=r"got 4 and 5 \(shapes: q \(6, 3, 4\), k \(6, 3, 5\)"):
        attention(q[0], np.zeros((6, 3, 5)), np.zeros((6, 3, 5)))


def test_weights_and_bias_in_low_precision():
    q, bias = torch.zeros(3, 4, dtype=torch.float16), torch.ones(3, 3, dtype=torch.bfloat16)
    weights = attention_weights(q, q, bias=bias)
    assert weights.dtype == torch.float16
    torch.testing.assert_close(weights, torch.full((3, 3), 1 / 3, dtype=torch.float16))
    assert attention(q, q, q, bias=bias.double()).dtype == torch.float16
    with pytest.raises(TypeError, match="q is a torch array and mask is a numpy array"):
        attention_weights(q, q, mask=np.ones((3, 3), bool))
    with pytest.raises(TypeError, match="q is a torch array and bias is a numpy array"):
        attention(q, q, q, bias=np.ones((3, 3)))
