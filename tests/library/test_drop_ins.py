"""Every drop-in version of attention against one oracle: see `drop_ins.py` for who is tested."""

import numpy as np
import pytest
import torch
from drop_ins import DROP_INS, LACKS, those_with
from hypothesis import given
from hypothesis import strategies as st
from oracle import check_rule, naive
from reference import allowed_pairs, attention_reference

from attnbook import attention

SIZES = [(1, 1), (13, 13), (7, 31), (31, 7), (1, 37), (67, 67), (0, 5), (5, 0), (0, 0)]
HEADS = [(1, 1), (4, 4), (6, 2), (4, 1)]
LOOKS = [
    {},
    {"causal": True},
    {"window": (3, None)},
    {"window": (2, 1)},
    {"causal": True, "window": (4, 2)},
]


def draw(n_q, n_k, heads=4, kv_heads=4, d_k=8, d_v=8, *, batch=2, dtype=torch.float64, seed=0):
    made = torch.Generator().manual_seed(seed)
    shapes = (batch, heads, n_q, d_k), (batch, kv_heads, n_k, d_k), (batch, kv_heads, n_k, d_v)
    return [torch.randn(shape, generator=made).to(dtype) for shape in shapes]


def looks_allowed(n_q, n_k, looks):
    return allowed_pairs(n_q, n_k, looks.get("causal"), looks.get("window", (None, None)))


def exact(q, k, v, allowed=True, bias=0.0, scale=None):
    k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], dim=1) for x in (k, v))
    return attention_reference(q, k, v, allowed, bias, scale)


@pytest.fixture(params=DROP_INS)
def drop_in(request):
    return request.param, DROP_INS[request.param]


@pytest.mark.parametrize(("n_q", "n_k"), SIZES)
@pytest.mark.parametrize(("heads", "kv_heads"), HEADS)
@pytest.mark.parametrize("looks", LOOKS, ids=str)
def test_equals_the_float64_reference(drop_in, n_q, n_k, heads, kv_heads, looks):
    _name, function = drop_in
    q, k, v = draw(n_q, n_k, heads, kv_heads, d_k=5, d_v=3)
    out, lse = function(q, k, v, scale=0.4, return_lse=True, **looks)
    want, want_lse = exact(q, k, v, looks_allowed(n_q, n_k, looks), scale=0.4)
    assert out.shape == want.shape and lse.shape == want_lse.shape
    assert out.dtype == lse.dtype == torch.float64
    np.testing.assert_allclose(out, want, atol=1e-12)
    np.testing.assert_allclose(lse, want_lse, atol=1e-12)
    np.testing.assert_allclose(function(q, k, v, scale=0.4, **looks), want, atol=1e-12)


@pytest.mark.parametrize(("n_q", "n_k"), [(9, 9), (5, 17), (17, 5)])
@pytest.mark.parametrize("shape", ["(n_q, n_k)", "(H, n_q, n_k)", "(B, 1, 1, n_k)", "all"])
@pytest.mark.parametrize("name", those_with("mask"))
def test_masks_of_every_shape(name, n_q, n_k, shape):
    function = DROP_INS[name]
    q, k, v = draw(n_q, n_k, 4, 2)
    sizes = {
        "(n_q, n_k)": (n_q, n_k),
        "(H, n_q, n_k)": (4, n_q, n_k),
        "(B, 1, 1, n_k)": (2, 1, 1, n_k),
        "all": (2, 4, n_q, n_k),
    }[shape]
    mask = torch.rand(sizes, generator=torch.Generator().manual_seed(1)) < 0.5
    out, lse = function(q, k, v, mask=mask, causal=True, return_lse=True)
    want, want_lse = exact(q, k, v, mask.numpy() & allowed_pairs(n_q, n_k, causal=True))
    np.testing.assert_allclose(out, want, atol=1e-12)
    np.testing.assert_allclose(lse, want_lse, atol=1e-12)


@pytest.mark.parametrize("shape", [(11, 9), (4, 11, 9), (2, 1, 1, 9), (4, 1, 1)], ids=str)
@pytest.mark.parametrize("name", those_with("bias", "gradient"))
def test_bias_of_every_shape_and_its_gradient(name, shape):
    function = DROP_INS[name]
    q, k, v = draw(11, 9, 4, 2)
    bias = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    bias[..., -1] = -torch.inf  # forbids, as a mask does
    np.testing.assert_allclose(
        function(q, k, v, bias=bias), exact(q, k, v, bias=bias.numpy())[0], atol=1e-12
    )
    leaves = [bias.clone().requires_grad_() for _ in range(2)]
    ours = torch.autograd.grad(function(q, k, v, bias=leaves[0]).square().sum(), leaves[0])
    want = torch.autograd.grad(attention(q, k, v, bias=leaves[1]).square().sum(), leaves[1])
    torch.testing.assert_close(ours, want)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("d", [16, 64])
@pytest.mark.parametrize("causal", [False, True])
def test_low_precision_and_gradient_keep_to_the_rule(drop_in, dtype, d, causal):
    name, function = drop_in
    inputs = draw(61, 61, 3, 3, d, d, dtype=dtype)
    (pull,) = draw(61, 61, 3, 3, d, d, dtype=dtype, seed=1)[:1]
    mask = torch.from_numpy(allowed_pairs(61, 61, causal))
    trained = "gradient" not in LACKS.get(name, set())
    results = []
    for convert, run in (
        (lambda x: x, lambda *qkv: function(*qkv, causal=causal)),
        (lambda x: x, lambda *qkv: naive(*qkv, mask)),
        (lambda x: x.double(), lambda *qkv: naive(*qkv, mask)),
    ):
        leaves = [convert(x).clone().requires_grad_(trained) for x in inputs]
        out = run(*leaves)
        assert out.dtype == leaves[0].dtype
        gradients = torch.autograd.grad(out, leaves, convert(pull)) if trained else ()
        results.append((out, *gradients))
    for ours, plain, right in zip(*results, strict=True):
        check_rule(ours.detach(), plain.detach(), right.detach())
    _, lse = function(*inputs, causal=causal, return_lse=True)
    assert lse.dtype == torch.float32
    np.testing.assert_allclose(
        lse, exact(*(x.double() for x in inputs), mask.numpy())[1], atol=1e-5
    )


@pytest.mark.parametrize("looks", LOOKS, ids=str)
@pytest.mark.parametrize(("n_q", "n_k"), [(5, 5), (4, 7), (7, 4)])
@pytest.mark.parametrize("name", those_with("gradient"))
def test_gradcheck(name, looks, n_q, n_k):
    function = DROP_INS[name]
    inputs = [x.requires_grad_() for x in draw(n_q, n_k, 2, 1, 3, 2, batch=1)]

    def with_lse(q, k, v):
        out, lse = function(q, k, v, return_lse=True, **looks)
        return out, torch.where(torch.isfinite(lse), lse, 0.0)

    assert torch.autograd.gradcheck(with_lse, inputs)


def test_a_row_with_nothing_to_attend_to_gives_0_and_no_gradient(drop_in):
    name, function = drop_in
    q, k, v = (x.requires_grad_("gradient" not in LACKS.get(name, set())) for x in draw(6, 4))
    out, lse = function(q, k, v, causal=True, return_lse=True)  # queries 0 and 1 see nothing
    assert (out[:, :, :2] == 0).all() and (lse[:, :, :2] == -torch.inf).all()
    assert torch.isfinite(lse[:, :, 2:]).all()
    if out.requires_grad:
        gradients = torch.autograd.grad(out.sum(), (q, k, v))
        assert all(torch.isfinite(x).all() for x in gradients)
        assert (gradients[0][:, :, :2] == 0).all()


@pytest.mark.parametrize("poison", [torch.nan, torch.inf])
@pytest.mark.parametrize("where", ["key", "value"])
def test_what_lies_behind_the_mask_reaches_nothing(drop_in, poison, where):
    name, function = drop_in
    trained = "gradient" not in LACKS.get(name, set())
    q, k, v = draw(4, 7, 4, 2)
    dirty_k, dirty_v = k.clone(), v.clone()
    (dirty_k if where == "key" else dirty_v)[:, :, 0] = poison  # behind everybody's window
    results = []
    for keys, values in ((k, v), (dirty_k, dirty_v)):
        leaves = [x.clone().requires_grad_(trained) for x in (q, keys, values)]
        out = function(*leaves, window=(2, 0))
        results.append([out, *(torch.autograd.grad(out.sum(), leaves) if trained else ())])
    for clean, dirty in zip(*results, strict=True):
        torch.testing.assert_close(clean, dirty)


@pytest.mark.parametrize("poison", [torch.nan, torch.inf])
@pytest.mark.parametrize("where", ["key", "value"])
def test_a_nan_is_seen_by_those_who_may_see_it_alone(drop_in, poison, where):
    _, function = drop_in
    q, k, v = draw(7, 7, 4, 2)
    clean = function(q, k, v, causal=True)
    (k if where == "key" else v)[:, :, 5] = poison
    out = function(q, k, v, causal=True)
    torch.testing.assert_close(out[:, :, :5], clean[:, :, :5])
    assert torch.isnan(out[:, :, 5:]).all()
    assert torch.isnan(function(q, k, v)).all()  # nothing is hidden from anybody


def test_values_of_one_give_one(drop_in):
    _name, function = drop_in
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        q, k, v = draw(19, 67, 4, 2, dtype=dtype)
        out = function(q * 5, k, torch.ones_like(v), causal=True)
        # a unit in the last place; sums are in float32 or better, and round a few times more there
        last = torch.finfo(dtype).eps * (1 if dtype.itemsize == 2 else 8)
        assert (out.double() - 1).abs().max() <= last


def test_large_logits_stay_finite(drop_in):
    _, function = drop_in
    q, k, v = draw(13, 29, dtype=torch.float32)
    out, lse = function(100 * q, 100 * k, v, causal=True, return_lse=True)
    assert torch.isfinite(out).all() and torch.isfinite(lse).all()
    np.testing.assert_allclose(
        out, exact(100 * q, 100 * k, v, allowed_pairs(13, 29, True))[0], atol=2e-3
    )


def test_strided_equals_contiguous_and_nothing_is_written_to(drop_in):
    _name, function = drop_in
    q, k, v = draw(9, 11)
    strided = [x.transpose(1, 2).contiguous().transpose(1, 2) for x in (q, k, v)]
    before = [x.clone() for x in (q, k, v, *strided)]
    torch.testing.assert_close(function(q, k, v), function(*strided))
    for x, y in zip((q, k, v, *strided), before, strict=True):
        assert torch.equal(x, y)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31), st.sampled_from(LOOKS))
@pytest.mark.parametrize("name", DROP_INS)
def test_any_lengths(name, n_q, n_k, seed, looks):
    q, k, v = draw(n_q, n_k, 2, 1, 3, 2, batch=1, seed=seed)
    out = DROP_INS[name](q, k, v, **looks)
    want, _ = exact(q, k, v, looks_allowed(n_q, n_k, looks))
    np.testing.assert_allclose(out, want, atol=1e-12)


BAD = {
    "heads": (lambda q, k, v: (q[:, :3], k[:, :2], v[:, :2]), r"3 query heads cannot share 2"),
    "width": (lambda q, k, v: (q, k[..., :3], v), r"same width d_k >= 1"),
    "no width": (lambda q, k, v: (q[..., :0], k[..., :0], v), r"same width d_k >= 1"),
    "values": (lambda q, k, v: (q, k, v[:, :, :3]), r"k \(2, 4, 9, 8\).*v \(2, 4, 3, 8\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_shapes_get_an_error_that_names_them(drop_in, case):
    _, function = drop_in
    change, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        function(*change(*draw(5, 9)))


def test_bad_options_get_an_error(drop_in):
    name, function = drop_in
    q, k, v = draw(3, 3)
    with pytest.raises(ValueError, match=r"scale must be .*finite; got nan"):
        function(q, k, v, scale=float("nan"))
    with pytest.raises(TypeError, match="causal must be True or False"):
        function(q, k, v, causal=1)
    with pytest.raises(TypeError, match="window must be a pair"):
        function(q, k, v, window=3)
    if "mask" not in LACKS.get(name, set()):
        with pytest.raises(TypeError, match=r"mask .*bool.*True = may attend"):
            function(q, k, v, mask=torch.ones(3, 3))
        with pytest.raises(ValueError, match=r"mask has shape \(2, 3\).*\(2, 4, 3, 3\)"):
            function(q, k, v, mask=torch.ones(2, 3, dtype=torch.bool))
