"""The merge law: a set of keys is remembered by its output and its log-sum-exp."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnbook import attention
from attnbook.online import merge

OUT, LSE = np.zeros((2, 3, 4)), np.zeros((2, 3))


def problem(seed, n_k, spread=1.0):
    rng = np.random.default_rng(seed)
    q, k = spread * rng.standard_normal((2, 5, 3)), rng.standard_normal((2, n_k, 3))
    return q, k, rng.standard_normal((2, n_k, 4)), rng.random((2, 5, n_k)) < 0.5


@given(st.integers(0, 999), st.integers(0, 9), st.integers(0, 9), st.sampled_from([1.0, 300.0]))
def test_keys_in_two_portions_equal_all_at_once(seed, n_a, n_b, spread):
    q, k, v, mask = problem(seed, n_a + n_b, spread)
    parts = [
        attention(q, k[:, part], v[:, part], mask=mask[..., part], return_lse=True)
        for part in (slice(None, n_a), slice(n_a, None))
    ]
    out, lse = merge(*parts[0], *parts[1])
    want, want_lse = attention(q, k, v, mask=mask, return_lse=True)
    np.testing.assert_allclose(out, want, atol=1e-12)
    np.testing.assert_allclose(lse, want_lse, atol=1e-12)
    other, other_lse = merge(*parts[1], *parts[0])
    np.testing.assert_array_equal(other, out)
    np.testing.assert_array_equal(other_lse, lse)


@given(st.integers(0, 999))
def test_the_order_of_merging_does_not_matter(seed):
    q, k, v, mask = problem(seed, 9)
    a, b, c = (
        attention(q, k[:, i : i + 3], v[:, i : i + 3], mask=mask[..., i : i + 3], return_lse=True)
        for i in (0, 3, 6)
    )
    left, right = merge(*merge(*a, *b), *c), merge(*a, *merge(*b, *c))
    np.testing.assert_allclose(left[0], right[0], atol=1e-13)
    np.testing.assert_allclose(left[1], right[1], atol=1e-13)


def test_nothing_is_the_neutral_element():
    rng = np.random.default_rng(0)
    out, lse = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 3))
    lse[0, 0], out[0, 0] = -np.inf, 0
    nothing = np.zeros((2, 3, 4)), np.full((2, 3), -np.inf)
    for merged, merged_lse in (merge(out, lse, *nothing), merge(*nothing, out, lse)):
        np.testing.assert_array_equal(merged, out)
        np.testing.assert_allclose(merged_lse, lse, rtol=1e-15)


def test_a_forgotten_rescale_is_noticed():
    """The bug of the field guide: outputs added without their share of the sum."""
    q, k, v, _ = problem(0, 8)
    a = attention(q, k[:, :6], v[:, :6], return_lse=True)
    b = attention(q, k[:, 6:], v[:, 6:], return_lse=True)
    want = attention(q, k, v)
    np.testing.assert_allclose(merge(*a, *b)[0], want, atol=1e-13)
    assert not np.allclose((a[0] + b[0]) / 2, want)


def test_dtypes_and_gradient():
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        out, lse = torch.ones(2, 3, 4, dtype=dtype), torch.zeros(2, 3, dtype=torch.float32)
        merged, merged_lse = merge(out, lse, 3 * out, lse)
        assert merged.dtype == dtype and (merged == 2).all()
        assert merged_lse.dtype == torch.promote_types(dtype, torch.float32)
    single = OUT.astype(np.float32)
    for outs in ((single, OUT), (OUT, single)):
        assert merge(outs[0], LSE, outs[1], LSE)[0].dtype == np.float64
    made = torch.Generator().manual_seed(0)
    inputs = [torch.randn(s, generator=made, dtype=torch.float64) for s in ((2, 3, 4), (2, 3)) * 2]
    assert torch.autograd.gradcheck(merge, [x.requires_grad_() for x in inputs])


ERRORS = {
    "out_b": ((OUT, LSE, OUT[:1], LSE), ValueError, r"out_b has shape \(1, 3, 4\).*\(2, 3, 4\)"),
    "lse_a": (
        (OUT, LSE[:1], OUT, LSE),
        ValueError,
        r"^lse_a has shape \(1, 3\); with out_a of shape \(2, 3, 4\) it must be \(2, 3\)$",
    ),
    "lse_b": ((OUT, LSE, OUT, LSE[..., None]), ValueError, r"^lse_b has shape \(2, 3, 1\)"),
    "integers a": ((OUT.astype(int), LSE, OUT, LSE), TypeError, "out_a has dtype int64"),
    "integers b": ((OUT, LSE, OUT.astype(int), LSE), TypeError, "out_b has dtype int64"),
    "integer lse a": ((OUT, LSE.astype(int), OUT, LSE), TypeError, "lse_a has dtype int64"),
    "integer lse b": ((OUT, LSE, OUT, LSE.astype(int)), TypeError, "lse_b has dtype int64"),
    "list": (([1.0], LSE, OUT, LSE), TypeError, "out_a is a list"),
    "library a": ((OUT, torch.zeros(2, 3), OUT, LSE), TypeError, "lse_a is a torch array"),
    "library b": ((OUT, LSE, torch.zeros(2, 3, 4), LSE), TypeError, "out_b is a torch array"),
    "library of lse": ((OUT, LSE, OUT, torch.zeros(2, 3)), TypeError, "lse_b is a torch array"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_what_came(case):
    arguments, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        merge(*arguments)
