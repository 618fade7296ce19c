"""Linear attention: three forms of one sum, and how it stands to softmax attention."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracle import check_rule
from reference import allowed_pairs, attention_reference
from torch.utils.flop_counter import FlopCounterMode

from attnbook.costs import linear_attention_flops, linear_state_bytes
from attnbook.linear import LinearState, linear_attention, positive_random_features

DOUBLE = torch.float64
FORMS = ["parallel", "recurrent", "chunked"]
SIZES = [(7, 7), (1, 1), (3, 8), (8, 3), (1, 9), (0, 4), (4, 0), (13, 13)]


def draw(n_q, n_k, heads=4, kv_heads=2, d_k=5, d_v=3, *, batch=2, seed=0, dtype=DOUBLE):
    made = torch.Generator().manual_seed(seed)
    shapes = (batch, heads, n_q, d_k), (batch, kv_heads, n_k, d_k), (batch, kv_heads, n_k, d_v)
    return [torch.randn(shape, generator=made, dtype=DOUBLE).to(dtype) for shape in shapes]


MAPS = {
    "elu": lambda x: np.where(x > 0, x + 1, np.exp(x)),
    "relu": lambda x: np.maximum(x, 0),
    "identity": lambda x: x,
}


def reference(q, k, v, phi=MAPS["elu"], *, causal=True, normalize=True, allowed=None):
    """All pairs in NumPy: weights φ(q)·φ(k) where allowed, over their sum."""
    k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], dim=1) for x in (k, v))
    q, k, v = (x.detach().double().numpy() for x in (q, k, v))
    a = np.einsum("...id,...jd->...ij", phi(q), phi(k))
    a = a * (allowed_pairs(q.shape[-2], k.shape[-2], causal) if allowed is None else allowed)
    total = a.sum(-1, keepdims=True) if normalize else np.ones((*a.shape[:-1], 1))
    return a @ v / np.where(total == 0, 1, total)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("n_q", "n_k"), SIZES)
@pytest.mark.parametrize("feature_map", MAPS)
@pytest.mark.parametrize("causal", [True, False])
def test_every_form_is_the_sum_over_pairs(form, n_q, n_k, feature_map, causal):
    q, k, v = draw(n_q, n_k)
    normalize = feature_map != "identity"
    out = linear_attention(
        q,
        k,
        v,
        feature_map=feature_map,
        causal=causal,
        normalize=normalize,
        form=form,
        chunk_size=3,
    )
    want = reference(q, k, v, MAPS[feature_map], causal=causal, normalize=normalize)
    assert out.shape == want.shape and out.dtype == DOUBLE
    np.testing.assert_allclose(out, want, atol=1e-12)


def test_the_defaults():
    q, k, v = draw(9, 9)
    np.testing.assert_allclose(linear_attention(q, k, v), reference(q, k, v), atol=1e-13)
    assert torch.equal(linear_attention(q, k, v), linear_attention(q, k, v, form="parallel"))
    plain = linear_attention(q, k, v, normalize=False)
    np.testing.assert_allclose(plain, reference(q, k, v, normalize=False), atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (4, 1), (6, 2), (1, 1)])
def test_heads_and_groups(form, heads, kv_heads):
    q, k, v = draw(6, 6, heads, kv_heads)
    out, state = linear_attention(q, k, v, form=form, chunk_size=4, return_state=True)
    np.testing.assert_allclose(out, reference(q, k, v), atol=1e-13)
    assert state.S.shape == (2, kv_heads, 5, 3) and state.z.shape == (2, kv_heads, 5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("causal", [True, False])
def test_the_state_is_the_sum_of_features_times_values(form, causal):
    q, k, v = draw(7, 7)
    state = linear_attention(q, k, v, form=form, causal=causal, chunk_size=2, return_state=True)[1]
    phi = MAPS["elu"](k.numpy())
    assert isinstance(state, LinearState)
    np.testing.assert_allclose(state.S, np.einsum("bhjd,bhje->bhde", phi, v), atol=1e-12)
    np.testing.assert_allclose(state.z, phi.sum(-2), atol=1e-12)


def test_the_state_takes_the_bytes_that_are_counted():
    q, k, v = draw(7, 7, dtype=torch.bfloat16)
    state = linear_attention(q, k, v, return_state=True)[1]
    taken = sum(x.numel() * x.element_size() for x in state)
    assert taken == linear_state_bytes(2, 5, 3, batch=2)
    assert all(x.dtype == torch.float32 for x in state)


@given(
    st.integers(1, 20),
    st.lists(st.integers(0, 7), min_size=1, max_size=5),
    st.integers(1, 9),
    st.data(),
    st.integers(0, 999),
)
def test_in_portions_equals_all_at_once(n, cuts, chunk_size, data, seed):
    """Any portions, each in any form: prefill in parallel, generate in the recurrent form."""
    q, k, v = draw(n, n, 2, 1, seed=seed, batch=1)
    outs, state = [], None
    edges = sorted({0, n, *(min(c, n) for c in np.cumsum(cuts).tolist())})
    for start, stop in pairwise(edges):
        part = (x[:, :, start:stop] for x in (q, k, v))
        form = data.draw(st.sampled_from(FORMS))
        out, state = linear_attention(
            *part, form=form, chunk_size=chunk_size, state=state, return_state=True
        )
        outs.append(out)
    whole, last = linear_attention(q, k, v, return_state=True)
    torch.testing.assert_close(torch.cat(outs, 2), whole)
    torch.testing.assert_close(state.S, last.S)
    torch.testing.assert_close(state.z, last.z)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("n_q", "n_k"), [(4, 4), (2, 5), (5, 2), (3, 0), (0, 3)])
def test_a_state_is_keys_that_came_before(form, causal, n_q, n_k):
    q, k, v = draw(n_q, n_k + 6)
    state = linear_attention(q[:, :, :0], k[:, :, :6], v[:, :, :6], return_state=True)[1]
    before = [x.clone() for x in state]
    out, last = linear_attention(
        q,
        k[:, :, 6:],
        v[:, :, 6:],
        causal=causal,
        form=form,
        chunk_size=2,
        state=state,
        return_state=True,
    )
    allowed = np.concatenate([np.ones((n_q, 6)), allowed_pairs(n_q, n_k, causal)], axis=1)
    np.testing.assert_allclose(out, reference(q, k, v, allowed=allowed), atol=1e-13)
    want = linear_attention(q, k, v, return_state=True)[1]
    torch.testing.assert_close(last.S, want.S)
    torch.testing.assert_close(last.z, want.z)
    assert torch.equal(state.S, before[0]) and torch.equal(state.z, before[1])
    torch.testing.assert_close(
        linear_attention(q, k[:, :, 6:], v[:, :, 6:], causal=causal, state=tuple(state)), out
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("n_q", "n_k"), [(5, 5), (2, 4), (4, 2)])
def test_gradcheck(form, causal, n_q, n_k):
    q, k, v = draw(n_q, n_k, 2, 1, 3, 2, batch=1)
    S, z = torch.rand(1, 1, 3, 2, dtype=DOUBLE), torch.rand(1, 1, 3, dtype=DOUBLE)

    def run(q, k, v, S, z):
        out, state = linear_attention(
            q,
            k,
            v,
            causal=causal,
            form=form,
            chunk_size=2,
            state=LinearState(S, z),
            return_state=True,
        )
        return out, *state

    assert torch.autograd.gradcheck(run, [x.requires_grad_() for x in (q, k, v, S, z)])


@given(st.integers(1, 24), st.integers(1, 24), st.integers(1, 30), st.integers(0, 999))
def test_gradients_of_the_forms_agree(n_q, n_k, chunk_size, seed):
    inputs = draw(n_q, n_k, 2, 1, 3, 2, batch=1, seed=seed)
    pull = draw(n_q, n_k, 2, 1, 2, batch=1, seed=seed + 1)[0]
    results = []
    for form in FORMS:
        leaves = [x.clone().requires_grad_() for x in inputs]
        out = linear_attention(*leaves, form=form, chunk_size=chunk_size)
        results.append([out, *torch.autograd.grad(out, leaves, pull)])
    for other in results[1:]:
        for x, y in zip(results[0], other, strict=True):
            torch.testing.assert_close(x, y)


@pytest.mark.parametrize("form", FORMS)
def test_properties_of_every_attention(form):
    q, k, v = draw(6, 9)
    settings = {"form": form, "chunk_size": 4}
    ones = linear_attention(q, k, torch.ones_like(v), **settings)
    torch.testing.assert_close(ones, torch.ones_like(ones))
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        linear_attention(q, k[:, :, order], v[:, :, order], causal=False, **settings),
        linear_attention(q, k, v, causal=False, **settings),
    )
    strided = [x.transpose(1, 2).contiguous().transpose(1, 2) for x in (q, k, v)]
    before = [x.clone() for x in strided]
    torch.testing.assert_close(
        linear_attention(*strided, **settings), linear_attention(q, k, v, **settings)
    )
    assert all(torch.equal(x, y) for x, y in zip(strided, before, strict=True))


@pytest.mark.parametrize("form", FORMS)
def test_a_query_with_no_weight_at_all_gets_0(form):
    q, k, v = draw(6, 3)  # queries 0 to 2 stand before every key
    leaves = [x.clone().requires_grad_() for x in (q, k, v)]
    out = linear_attention(*leaves, form=form, chunk_size=2)
    assert (out[:, :, :3] == 0).all() and (out[:, :, 3:] != 0).all()
    gradients = torch.autograd.grad(out.sum(), leaves)
    assert all(torch.isfinite(x).all() for x in gradients)
    assert (gradients[0][:, :, :3] == 0).all()
    # and with features that are all 0
    out = linear_attention(-q.abs(), k, v, feature_map="relu", form=form, causal=False)
    assert (out == 0).all()


def test_weights_that_cancel_give_0():
    """The identity may weigh keys by +1 and -1; their sum is no divisor."""
    q, k = torch.ones(1, 1, 1, 1), torch.tensor([1.0, -1.0])[None, None, :, None]
    leaves = [x.requires_grad_() for x in (q, k, torch.tensor([3.0, 8.0])[None, None, :, None])]
    assert linear_attention(*leaves, feature_map="identity", normalize=False).item() == -5
    out = linear_attention(*leaves, feature_map="identity")
    assert out.item() == 0
    assert all((x == 0).all() for x in torch.autograd.grad(out.sum(), leaves))


@pytest.mark.parametrize("form", FORMS)
def test_each_form_does_the_operations_that_are_counted(form):
    """All forms give the same numbers; how they come by them shows in the count."""
    q, k, v = draw(150, 150, 2, 2, 5, 3, batch=3)
    with FlopCounterMode(display=False) as counter:
        linear_attention(q, k, v, form=form)
    sizes = {
        "d_k": 5,
        "d_v": 3 + 1,
        "num_heads": 2,
        "batch": 3,
    }  # the sum of keys is one more value
    want = linear_attention_flops(150, form=form, chunk_size=64, **sizes)
    if form == "parallel":  # which also reads the state, and writes it
        want += linear_attention_flops(150, form="recurrent", **sizes)
    assert counter.get_total_flops() == want


def test_far_below_0_the_elu_is_still_not_0():
    """The trap: elu(x) + 1 as written is 0 for x < -17 in float32, and so is the output."""
    q, k, v = draw(5, 5, dtype=torch.float32)
    q = q - 40
    assert (torch.nn.functional.elu(q) + 1 == 0).all()
    out = linear_attention(q, k, v)
    np.testing.assert_allclose(out, reference(q, k, v), rtol=1e-4, atol=1e-5)
    near = torch.linspace(-5, 5, 41, dtype=DOUBLE).reshape(1, 1, 1, 41)
    state = linear_attention(near, near, near[..., :1] * 0 + 1, return_state=True)[1]
    torch.testing.assert_close(state.z[0, 0], (torch.nn.functional.elu(near) + 1).flatten())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("poison", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("where", ["key", "value"])
@pytest.mark.parametrize("n_q", [4, 7, 9])
def test_what_lies_ahead_reaches_nothing(form, poison, where, n_q):
    """The trap: 0 · NaN in the parallel form leaks from the future."""
    q, k, v = draw(n_q, 7)
    dirty_k, dirty_v = k.clone(), v.clone()
    (dirty_k if where == "key" else dirty_v)[1, 0, 5] = poison
    first = 5 - (7 - n_q)  # the first query that sees key 5
    results = []
    for keys, values in ((k, v), (dirty_k, dirty_v)):
        leaves = [x.clone().requires_grad_() for x in (q, keys, values)]
        out = linear_attention(*leaves, form=form, chunk_size=3)
        results.append([out, *torch.autograd.grad(out[:, :, :first].square().sum(), leaves)])
    clean, spoiled = results
    assert torch.isnan(spoiled[0][1, :2, first:]).all()  # both query heads of key head 0
    spoiled[0] = torch.where(torch.isnan(spoiled[0]), clean[0], spoiled[0])
    assert torch.isnan(results[1][0]).sum() == 0
    for x, y in zip(clean, spoiled, strict=True):
        torch.testing.assert_close(x, y)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("causal", [True, False])
def test_a_nan_stays_in_the_state_and_in_its_head(form, causal):
    q, k, v = draw(4, 4)
    v[0, 1, 2, 0] = torch.nan
    out, state = linear_attention(q, k, v, form=form, causal=causal, return_state=True)
    want = torch.zeros(2, 4, 4, dtype=torch.bool)
    want[0, 2:, 2 if causal else 0 :] = True
    assert torch.equal(out.isnan(), want[..., None].expand_as(out))
    for part in state:
        assert torch.isnan(part[0, 1]).all() and torch.isfinite(part[0, 0]).all()
        assert torch.isfinite(part[1]).all()
    after = linear_attention(*draw(2, 2), state=state, form=form, causal=causal)
    assert torch.isnan(after[0, 2:]).all() and torch.isfinite(after[0, :2]).all()


@pytest.mark.parametrize("form", FORMS)
def test_a_nan_in_a_query_spoils_its_own_row(form):
    q, k, v = draw(5, 5)
    clean = linear_attention(q, k, v, form=form)
    q[0, 3, 2, 1] = torch.inf
    out, state = linear_attention(q, k, v, form=form, return_state=True)
    assert torch.isnan(out[0, 3, 2]).all() and out.isnan().sum() == 3
    torch.testing.assert_close(torch.where(out.isnan(), clean, out), clean)
    assert all(torch.isfinite(x).all() for x in state)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_low_precision_keeps_to_the_rule(form, dtype):
    inputs = draw(61, 61, 2, 2, 16, 16, dtype=dtype)
    results = []
    for convert, run in (
        (lambda x: x, lambda *x: linear_attention(*x, form=form)),
        (lambda x: x, plain),
        (lambda x: x.double(), plain),
    ):
        leaves = [convert(x).clone().requires_grad_() for x in inputs]
        out = run(*leaves)
        assert out.dtype == leaves[0].dtype
        results.append([out, *torch.autograd.grad(out.sum(), leaves)])
    for ours, low, exact in zip(*results, strict=True):
        check_rule(ours.detach(), low.detach(), exact.detach())


@pytest.mark.parametrize("form", FORMS)
def test_float32_over_many_tokens(form):
    """A sum of n terms, one after the other, may be off by n roundings, and is off by far fewer."""
    inputs = draw(997, 997, 1, 1, 16, 16, batch=1, dtype=torch.float32)
    out = linear_attention(*inputs, form=form)
    assert out.dtype == torch.float32
    np.testing.assert_allclose(out, reference(*inputs), atol=2e-5)


def plain(q, k, v):
    """What one writes first, every step in the dtype of the inputs."""
    q, k = torch.nn.functional.elu(q) + 1, torch.nn.functional.elu(k) + 1
    weights = (q @ k.mT).tril()
    return weights @ v / weights.sum(-1, keepdim=True)


@pytest.mark.parametrize("form", FORMS)
def test_a_feature_map_of_ones_own_is_called_once_for_each(form):
    q, k, v = draw(9, 9)
    seen = []

    def taylor(x):
        """φ(q)·φ(k) = 1 + q·k + (q·k)² / 2: exp(q·k) to second order."""
        seen.append(tuple(x.shape))
        pairs = (x[..., :, None] * x[..., None, :]).flatten(-2) / 2**0.5
        return torch.cat([torch.ones_like(x[..., :1]), x, pairs], dim=-1)

    out, state = linear_attention(
        q, k, v, feature_map=taylor, form=form, chunk_size=2, return_state=True
    )
    assert seen == [tuple(q.shape), tuple(k.shape)]
    assert state.S.shape == (2, 2, 1 + 5 + 25, 3) and state.z.shape == (2, 2, 31)
    k, v = (x.repeat_interleave(2, dim=1) for x in (k, v))
    s = (q @ k.mT).numpy()
    weights = np.tril(1 + s + s**2 / 2)
    np.testing.assert_allclose(
        out, weights / weights.sum(-1, keepdims=True) @ v.numpy(), atol=1e-12
    )
    # Halve q and k: scores are a quarter, the error of third order is a 64th.
    errors = []
    for scale in (0.2, 0.1):
        near = linear_attention(scale * q, scale * k, v, feature_map=taylor, form=form)
        softmax, _ = attention_reference(scale * q, scale * k, v, np.tri(9, dtype=bool), scale=1)
        errors.append(np.abs(near.numpy() - softmax).max())
    assert 48 < errors[0] / errors[1] < 80


def test_random_features_have_the_mean_and_the_variance_of_the_paper():
    """E φ(q)·φ(k) = e^s, s = q·k/√d; variance e^(2s) (exp(|y_q + y_k|²) - 1) / m, y = x/d^(1/4)."""
    d, m, draws = 4, 32, 2000
    q, k = torch.tensor([[0.5, -0.4, 0.9, 0.1], [0.2, 0.3, 0.4, -0.6]], dtype=DOUBLE)
    products = []
    for seed in range(draws):
        phi = positive_random_features(d, m, seed=seed)
        assert (phi(q) > 0).all() and phi(q).shape == (m,)
        products.append(float(phi(q) @ phi(k)))
    exact = math.exp(float(q @ k) / math.sqrt(d))
    spread = float((q + k).square().sum()) / math.sqrt(d)
    variance = exact**2 * (math.exp(spread) - 1) / m
    assert abs(np.mean(products) - exact) < 3 * math.sqrt(variance / draws)
    assert 0.85 < np.var(products) / variance < 1.15


def test_more_random_features_come_closer_to_softmax_attention():
    """The error falls as 1/√m: by 4 for 16 times as many features (root mean square, 24 seeds)."""
    q, k, v = draw(12, 12, 1, 1, 8, 4, batch=1)
    q, k = 0.3 * q, 0.3 * k
    softmax, _ = attention_reference(q, k, v, np.tri(12, dtype=bool))
    errors = []
    for m in (64, 1024, 16384):
        outs = [
            linear_attention(q, k, v, feature_map=positive_random_features(8, m, seed=seed)).numpy()
            for seed in range(24)
        ]
        errors.append(np.sqrt(np.mean((np.stack(outs) - softmax) ** 2)))
    assert 3 < errors[0] / errors[1] < 5.3 and 3 < errors[1] / errors[2] < 5.3
    assert errors[2] < 0.003


def test_random_features_are_those_of_the_seed():
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    phi = positive_random_features(4, 6)
    assert torch.equal(phi(x), positive_random_features(4, 6, seed=0)(x))
    assert not torch.equal(phi(x), positive_random_features(4, 6, seed=1)(x))
    assert phi(x).dtype == torch.float32 and phi(x).shape == (3, 6)


Q, K, V = torch.zeros(2, 4, 3, 5), torch.zeros(2, 2, 6, 5), torch.zeros(2, 2, 6, 3)
S, Z = torch.zeros(2, 2, 5, 3), torch.zeros(2, 2, 5)
ERRORS = {
    "list": (lambda: linear_attention([1], K, V), TypeError, "q is a list"),
    "integers": (lambda: linear_attention(Q, K, V.long()), TypeError, "v has dtype torch.int64"),
    "axes": (lambda: linear_attention(Q[0], K, V), ValueError, r"four axes.*q \(4, 3, 5\)"),
    "groups": (
        lambda: linear_attention(Q[:, :3], K, V),
        ValueError,
        "3 query heads cannot share 2",
    ),
    "form": (
        lambda: linear_attention(Q, K, V, form="rnn"),
        ValueError,
        r"form is 'rnn'.*'chunked'",
    ),
    "chunk": (
        lambda: linear_attention(Q, K, V, chunk_size=0),
        ValueError,
        "chunk_size must be at least 1; got 0",
    ),
    "causal": (lambda: linear_attention(Q, K, V, causal=1), TypeError, "causal must be True or F"),
    "normalize": (
        lambda: linear_attention(Q, K, V, normalize=None),
        TypeError,
        "normalize must be True or F",
    ),
    "return_state": (
        lambda: linear_attention(Q, K, V, return_state=0),
        TypeError,
        "return_state must be True or F",
    ),
    "map": (
        lambda: linear_attention(Q, K, V, feature_map="gelu"),
        ValueError,
        r"feature_map is 'gelu'; it must be 'elu', 'relu', 'identity' or a function",
    ),
    "map that sums": (
        lambda: linear_attention(Q, K, V, feature_map=lambda x: x.sum(-1)),
        ValueError,
        r"from \(\.\.\., d_k\) to \(\.\.\., d_phi\); it made \(2, 4, 3\) of q \(2, 4, 3, 5\)",
    ),
    "map that cuts the keys": (
        lambda: linear_attention(Q, K, V, feature_map=lambda x: x[:, :, :3]),
        ValueError,
        r"it made \(2, 2, 3, 5\) of k \(2, 2, 6, 5\)",
    ),
    "map to another dtype": (
        lambda: linear_attention(Q, K, V, feature_map=lambda x: x.double()),
        TypeError,
        r"share one dtype; got q torch.float32, feature_map\(q\) torch.float64",
    ),
    "map to NumPy": (
        lambda: linear_attention(Q, K, V, feature_map=lambda x: x.numpy()),
        TypeError,
        r"feature_map\(q\) is a ndarray",
    ),
    "state of one": (
        lambda: linear_attention(Q, K, V, state=S),
        TypeError,
        r"state is a Tensor; it must be a LinearState",
    ),
    "state of three": (
        lambda: linear_attention(Q, K, V, state=(S, Z, Z)),
        TypeError,
        r"state is a tuple; it must be a LinearState, as return_state=True gives it",
    ),
    "S": (
        lambda: linear_attention(Q, K, V, state=(S[:1], Z)),
        ValueError,
        r"S \(1, 2, 5, 3\) and z \(2, 2, 5\); .* must be \(2, 2, 5, 3\) and \(2, 2, 5\)",
    ),
    "z": (lambda: linear_attention(Q, K, V, state=(S, Z[..., :4])), ValueError, r"z \(2, 2, 4\)"),
    "state dtype": (
        lambda: linear_attention(Q, K, V, state=(S.double(), Z.double())),
        TypeError,
        r"share one dtype; got state.S torch.float64, state.z torch.float64, φ\(k\) torch.float32",
    ),
    "state of a list": (
        lambda: linear_attention(Q, K, V, state=([1.0], Z)),
        TypeError,
        r"state.S is a list",
    ),
    "d_k": (lambda: positive_random_features(0, 3), ValueError, "d_k must be at least 1; got 0"),
    "features": (
        lambda: positive_random_features(3, 0),
        ValueError,
        "num_features must be at least 1; got 0",
    ),
    "seed": (
        lambda: positive_random_features(3, 3, seed=0.5),
        TypeError,
        "seed must be an integer",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_what_came(case):
    call, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        call()
