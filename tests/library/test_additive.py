"""Additive attention: scores by a small network."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnbook.additive import AdditiveAttention, additive_scores
from attnbook.costs import additive_parameters

DOUBLE = torch.float64
SIZES = [(3, 5), (5, 3), (1, 7), (1, 1), (0, 4), (4, 0)]


def draw(n_q, n_k, *, d_query=4, d_key=6, d_hidden=5, d_v=3, batch=2, seed=0, dtype=DOUBLE):
    torch.manual_seed(seed)
    layer = AdditiveAttention(d_query, d_key, d_hidden, dtype=dtype)
    shapes = (batch, n_q, d_query), (batch, n_k, d_key), (batch, n_k, d_v)
    return layer, *(torch.randn(shape, dtype=DOUBLE).to(dtype) for shape in shapes)


def reference(layer, q, k, v, mask=None):
    """The paper's formulas, one score at a time."""
    w_q, w_k, w, q, k, v = (
        x.detach().double().numpy() for x in (layer.w_q, layer.w_k, layer.w, q, k, v)
    )
    batch, n_q, n_k = len(q), q.shape[1], k.shape[1]
    mask = np.broadcast_to(True if mask is None else mask.numpy(), (batch, n_q, n_k))
    out, weights = np.zeros((batch, n_q, v.shape[-1])), np.zeros((batch, n_q, n_k))
    for b in range(batch):
        for i in range(n_q):
            seen = [j for j in range(n_k) if mask[b, i, j]]
            s = [float(w @ np.tanh(w_q.T @ q[b, i] + w_k.T @ k[b, j])) for j in seen]
            total = sum(math.exp(x) for x in s)
            for j, x in zip(seen, s, strict=True):
                weights[b, i, j] = math.exp(x) / total
                out[b, i] += weights[b, i, j] * v[b, j]
    return out, weights


@pytest.mark.parametrize(("n_q", "n_k"), SIZES)
@pytest.mark.parametrize("masked", [False, True])
def test_equals_the_papers_formulas(n_q, n_k, masked):
    layer, q, k, v = draw(n_q, n_k)
    mask = torch.rand(2, n_q, n_k) < 0.5 if masked else None
    out, weights = layer(q, k, v, mask=mask, return_weights=True)
    want, want_weights = reference(layer, q, k, v, mask)
    assert out.shape == want.shape and weights.shape == want_weights.shape
    assert out.dtype == weights.dtype == DOUBLE
    np.testing.assert_allclose(out.detach(), want, atol=1e-13)
    np.testing.assert_allclose(weights.detach(), want_weights, atol=1e-13)
    assert torch.equal(layer(q, k, v, mask=mask), out)


def test_scores_of_any_leading_axes():
    layer, q, k, _ = draw(3, 4, batch=6)
    flat = additive_scores(q, k, layer.w_q, layer.w_k, layer.w)
    shaped = additive_scores(
        q.reshape(2, 3, 3, 4), k.reshape(2, 3, 4, 6), layer.w_q, layer.w_k, layer.w
    )
    assert torch.equal(flat.reshape(2, 3, 3, 4), shaped)
    assert torch.equal(additive_scores(q[0], k[0], layer.w_q, layer.w_k, layer.w), flat[0])
    want = [
        layer.w.detach() @ torch.tanh(layer.w_q.detach().T @ a + layer.w_k.detach().T @ b)
        for a in q[0]
        for b in k[0]
    ]
    np.testing.assert_allclose(flat[0].detach().flatten(), want, atol=1e-14)


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 1, 5), (2, 3, 1)], ids=str)
def test_masks_that_broadcast(shape):
    layer, q, k, v = draw(3, 5)
    mask = torch.rand(shape) < 0.6
    out = layer(q, k, v, mask=mask).detach()
    np.testing.assert_allclose(out, reference(layer, q, k, v, mask)[0], atol=1e-13)


@given(st.integers(0, 999), st.sampled_from([1.0, 1e3, 1e300]))
def test_scores_keep_within_the_sum_of_w(seed, spread):
    layer, q, k, v = draw(3, 5, seed=seed)
    s = additive_scores(q * spread, k * spread, layer.w_q, layer.w_k, layer.w)
    assert (s.abs() <= layer.w.abs().sum() * (1 + 1e-12)).all()
    weights = layer(q * spread, k * spread, v, return_weights=True)[1]
    sharpest = (2 * layer.w.abs().sum()).exp()  # so no weight can be this many times another
    assert (weights.amax(-1) <= sharpest * weights.amin(-1) * (1 + 1e-12)).all()


@given(st.integers(0, 999))
def test_properties_of_every_attention(seed):
    layer, q, k, v = draw(3, 5, seed=seed)
    mask = torch.rand(2, 3, 5) < 0.7
    out = layer(q, k, v, mask=mask)
    order = torch.randperm(5)
    torch.testing.assert_close(layer(q, k[:, order], v[:, order], mask=mask[..., order]), out)
    weights = layer(q, k, v, mask=mask, return_weights=True)[1]
    eye = torch.eye(5, dtype=DOUBLE).expand(2, 5, 5)
    torch.testing.assert_close(layer(q, k, eye, mask=mask), weights)
    ones = layer(q, k, torch.ones_like(v), mask=mask)
    torch.testing.assert_close(ones, mask.any(-1, keepdim=True).double().expand_as(ones))


def test_a_w_of_zero_gives_the_mean():
    layer, q, k, v = draw(2, 5)
    torch.nn.init.zeros_(layer.w)
    torch.testing.assert_close(layer(q, k, v), v.mean(1, keepdim=True).expand(2, 2, 3))


def test_keys_projected_once_give_the_same():
    layer, q, k, v = draw(4, 5)
    mask = torch.rand(2, 4, 5) < 0.7
    whole = layer(q, k, v, mask=mask)
    keys = layer.project_keys(k)
    torch.testing.assert_close(keys, k @ layer.w_k)
    for t in range(4):
        step = layer.read(q[:, t : t + 1], keys, v, mask=mask[:, t : t + 1])
        torch.testing.assert_close(step, whole[:, t : t + 1])
    out, weights = layer.read(q, keys, v, return_weights=True)
    assert torch.equal(out, layer(q, k, v)) and weights.shape == (2, 4, 5)


def test_gradcheck():
    layer, q, k, v = draw(3, 4, d_query=2, d_key=3, d_hidden=2, d_v=2, batch=1)
    mask = torch.tensor([[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=torch.bool)

    def run(q, k, v, w_q, w_k, w):
        weights = {"w_q": w_q, "w_k": w_k, "w": w}
        return torch.func.functional_call(layer, weights, (q, k, v), {"mask": mask})

    inputs = [x.detach().clone().requires_grad_() for x in (q, k, v, layer.w_q, layer.w_k, layer.w)]
    assert torch.autograd.gradcheck(run, inputs)


@pytest.mark.parametrize("poison", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("where", ["key", "value", "query"])
def test_what_lies_behind_the_mask_reaches_nothing(where, poison):
    """The trap: 0 · NaN is NaN, so a masked score must not have a NaN in its past."""
    layer, q, k, v = draw(3, 5)
    mask = torch.ones(3, 5, dtype=torch.bool)
    mask[:, 2] = False
    mask[1] = False  # a query that sees nothing
    dirty = {"query": q.clone(), "key": k.clone(), "value": v.clone()}
    dirty[where][:, 1 if where == "query" else 2, 0] = poison
    results = []
    for inputs in ((q, k, v), dirty.values()):
        leaves = [x.clone().requires_grad_() for x in inputs]
        out = layer(*leaves, mask=mask)
        parameters = list(layer.parameters())
        results.append([out, *torch.autograd.grad(out.square().sum(), [*leaves, *parameters])])
    for clean, spoiled in zip(*results, strict=True):
        assert torch.isfinite(clean).all()
        assert torch.equal(clean, spoiled)
    assert (results[0][0][:, 1] == 0).all()  # the row with nothing to attend to
    assert (results[0][1][:, 1] == 0).all()


@pytest.mark.parametrize("poison", [torch.nan, torch.inf])
@pytest.mark.parametrize("where", ["key", "value"])
def test_a_nan_is_seen_by_those_who_may_see_it_alone(where, poison):
    """An inf must show as well, though tanh(inf) is 1."""
    layer, q, k, v = draw(4, 4)
    mask = torch.ones(4, 4, dtype=torch.bool).tril()
    clean = layer(q, k, v, mask=mask)
    (k if where == "key" else v)[:, 2, 0] = poison
    out = layer(q, k, v, mask=mask)
    assert torch.equal(out[:, :2], clean[:, :2])
    assert torch.isnan(out[:, 2:]).all()


def test_scores_of_what_is_not_finite_are_nan():
    layer, q, k, _ = draw(3, 4)
    q[:, 1, 0], k[:, 2, 0] = torch.inf, torch.nan
    s = additive_scores(q, k, layer.w_q, layer.w_k, layer.w)
    want = torch.zeros(3, 4, dtype=torch.bool)
    want[1], want[:, 2] = True, True
    assert torch.equal(s.isnan(), want.expand(2, 3, 4))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_dtypes(dtype):
    layer, q, k, v = draw(7, 64, d_query=32, d_key=32, d_hidden=64, dtype=dtype)
    out, weights = layer(q, k, v, return_weights=True)
    assert out.dtype == weights.dtype == dtype
    want, want_weights = reference(layer, q, k, v)
    eps = torch.finfo(dtype).eps
    assert np.abs(out.detach().double().numpy() - want).max() <= eps * np.abs(want).max() + 1e-6
    assert (
        np.abs(weights.detach().double().numpy() - want_weights).max()
        <= eps * want_weights.max() + 1e-7
    )
    assert layer.project_keys(k).dtype == torch.float32
    s = additive_scores(q, k, layer.w_q, layer.w_k, layer.w)
    assert s.dtype == dtype


def test_parameters():
    torch.manual_seed(0)
    layer = AdditiveAttention(100, 400, 900)
    assert [tuple(p.shape) for p in layer.parameters()] == [(100, 900), (400, 900), (900,)]
    assert sum(p.numel() for p in layer.parameters()) == additive_parameters(100, 400, 900)
    for weight, n in ((layer.w_q, 100), (layer.w_k, 400), (layer.w, 900)):
        assert weight.dtype == torch.float32
        assert 0.98 * n**-0.5 < weight.max() <= n**-0.5
        assert -(n**-0.5) <= weight.min() < -0.98 * n**-0.5
    assert repr(layer) == "AdditiveAttention(d_query=100, d_key=400, d_hidden=900)"


def test_a_layer_takes_dtype_and_device():
    layer = AdditiveAttention(2, 3, 4, dtype=torch.float16, device="meta")
    for weight in layer.parameters():
        assert weight.dtype == torch.float16 and weight.device.type == "meta"


def test_one_hidden_unit_is_enough():
    layer, q, k, v = draw(3, 5, d_hidden=1)
    np.testing.assert_allclose(layer(q, k, v).detach(), reference(layer, q, k, v)[0], atol=1e-13)
    s = additive_scores(q, k, layer.w_q, layer.w_k, layer.w)
    torch.testing.assert_close(s, layer.w * torch.tanh(q @ layer.w_q + (k @ layer.w_k).mT))


def test_it_learns_to_find_the_key_that_equals_the_query():
    """A dot product does this by nature; additive attention has to learn it, and can."""
    torch.manual_seed(0)
    layer, eye = AdditiveAttention(4, 4, 16), torch.eye(4)[None]
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
    for _ in range(150):
        loss = (layer(eye, eye, eye) - eye).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert layer(eye, eye, eye)[0].diagonal().min() > 0.9


def test_nothing_is_written_to():
    layer, q, k, v = draw(3, 4)
    k[0, 1, 0] = torch.nan
    before = [x.clone() for x in (q, k, v)]
    layer(q, k, v)
    for x, y in zip((q, k, v), before, strict=True):
        assert torch.equal(x.nan_to_num(7.0), y.nan_to_num(7.0))


Q, K, V = torch.zeros(2, 3, 4), torch.zeros(2, 5, 6), torch.zeros(2, 5, 3)
WQ, WK, W = torch.zeros(4, 8), torch.zeros(6, 8), torch.zeros(8)
LAYER = AdditiveAttention(4, 6, 8)
ERRORS = {
    "list": (lambda: additive_scores([1.0], K, WQ, WK, W), TypeError, "q is a list"),
    "integers": (
        lambda: additive_scores(Q, K.long(), WQ, WK, W),
        TypeError,
        "k has dtype torch.int",
    ),
    "dtypes": (
        lambda: additive_scores(Q, K, WQ, WK.double(), W),
        TypeError,
        r"share one dtype; got .*w_k torch.float64",
    ),
    "dtype of w_q": (
        lambda: additive_scores(Q, K, WQ.double(), WK, W),
        TypeError,
        r"w_q torch.float64",
    ),
    "dtype of w": (
        lambda: additive_scores(Q, K, WQ, WK, W.double()),
        TypeError,
        r"w torch.float64",
    ),
    "w_q axes": (
        lambda: additive_scores(Q, K, WQ[0], WK, W),
        ValueError,
        r"^w_q, w_k and w must be \(d_query, d_hidden\).*; got w_q \(8,\), w_k \(6, 8\), w \(8,\)",
    ),
    "w_k axes": (lambda: additive_scores(Q, K, WQ, WK[0], W), ValueError, r"got .*w_k \(8,\)"),
    "w axes": (lambda: additive_scores(Q, K, WQ, WK, W[None]), ValueError, r"got .*w \(1, 8\)"),
    "hidden": (
        lambda: additive_scores(Q, K, WQ, WK, W[:5]),
        ValueError,
        r"one d_hidden >= 1; got w_q \(4, 8\), w_k \(6, 8\), w \(5,\)",
    ),
    "hidden k": (lambda: additive_scores(Q, K, WQ, WK[:, :5], W), ValueError, r"one d_hidden"),
    "hidden 0": (
        lambda: additive_scores(Q, K, WQ[:, :0], WK[:, :0], W[:0]),
        ValueError,
        r"one d_hidden >= 1",
    ),
    "q width": (
        lambda: additive_scores(K, K, WQ, WK, W),
        ValueError,
        r"q has shape \(2, 5, 6\); with w_q of shape \(4, 8\) it must be \(\.\.\., n, 4\)",
    ),
    "k width": (lambda: additive_scores(Q, Q, WQ, WK, W), ValueError, r"k has shape \(2, 3, 4\)"),
    "q rank": (lambda: additive_scores(Q[0, 0], K, WQ, WK, W), ValueError, r"q has shape \(4,\)"),
    "lead": (
        lambda: additive_scores(Q, K[:1], WQ, WK, W),
        ValueError,
        r"same leading axes; got q \(2, 3, 4\), k \(1, 5, 6\)",
    ),
    "d_query": (lambda: AdditiveAttention(0, 1, 1), ValueError, "d_query must be at least 1"),
    "d_key": (lambda: AdditiveAttention(1, 1.5, 1), TypeError, "d_key must be an integer"),
    "d_key 0": (lambda: AdditiveAttention(1, 0, 1), ValueError, "d_key must be at least 1; got 0"),
    "d_hidden": (lambda: AdditiveAttention(1, 1, 0), ValueError, "d_hidden must be at least 1"),
    "layer q": (
        lambda: LAYER(Q[0], K, V),
        ValueError,
        r"q has shape \(3, 4\); it must be \(B, n_q, d_query\), the last axis 4",
    ),
    "layer k": (
        lambda: LAYER(Q, Q, V),
        ValueError,
        r"k has shape \(2, 3, 4\); it must be \(B, n_k, d_key\), the last axis 6",
    ),
    "layer k rank": (lambda: LAYER(Q, K[0], V), ValueError, r"k has shape \(5, 6\)"),
    "layer values": (
        lambda: LAYER(Q, K, V[:, :4]),
        ValueError,
        r"one value .*got v \(2, 4, 3\), q \(2, 3, 4\), keys \(2, 5, 8\)",
    ),
    "layer values rank": (lambda: LAYER(Q, K, V[..., 0]), ValueError, r"got v \(2, 5\)"),
    "layer batch": (lambda: LAYER(Q[:1], K, V), ValueError, r"one B; got .*q \(1, 3, 4\)"),
    "layer dtype": (lambda: LAYER(Q.double(), K, V), TypeError, r"share one dtype; got q torch.f"),
    "layer dtype q and v": (
        lambda: LAYER(Q.double(), K, V.double()),
        TypeError,
        r"got q torch.float64, v torch.float64, w_q torch.float32",
    ),
    "layer dtype k": (lambda: LAYER(Q, K.double(), V), TypeError, r"got k torch.float64, w_k"),
    "layer dtype v": (lambda: LAYER(Q, K, V.double()), TypeError, r"v torch.float64"),
    "read k": (
        lambda: LAYER.read(Q, K, V),
        ValueError,
        r"projected_keys has shape \(2, 5, 6\).*\(B, n_k, d_hidden\), the last axis 8",
    ),
    "read list": (lambda: LAYER.read(Q, [1], V), TypeError, r"projected_keys is a list"),
    "mask": (
        lambda: LAYER(Q, K, V, mask=torch.ones(3, 5)),
        TypeError,
        r"mask is torch.float32; it must be a bool",
    ),
    "mask shape": (
        lambda: LAYER(Q, K, V, mask=torch.ones(5, 3, dtype=torch.bool)),
        ValueError,
        r"mask has shape \(5, 3\).*\(2, 3, 5\)",
    ),
    "switch": (
        lambda: LAYER(Q, K, V, return_weights=1),
        TypeError,
        r"return_weights must be True or False",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_what_came(case):
    call, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        call()
