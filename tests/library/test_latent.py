"""Multi-head latent attention: plain = absorbed = NumPy written apart, cached = uncached."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import allowed_pairs, attention_reference

from attnbook import padding_mask
from attnbook.cache import KVCache
from attnbook.costs import latent_cache_bytes
from attnbook.flash import flash_attention
from attnbook.latent import MultiHeadLatentAttention
from attnbook.positions import rope

SIZES = {"d_head": 5, "d_latent": 7, "d_rope": 4}
VARIANTS = [
    {},
    {"d_v": 3},
    {"d_query_latent": 6},
    {"d_v": 6, "d_query_latent": 9, "window": (2, 0)},
]


def draw(*shape, seed=0):
    made = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=made, dtype=torch.float64)


def make(**options):
    torch.manual_seed(0)
    layer = MultiHeadLatentAttention(8, 3, **{**SIZES, "causal": True, **options}).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.5)
    return layer


def numpy_layer(layer, x):
    """The equations of the paper one by one, head by head."""
    weight = {name: p.detach().numpy() for name, p in layer.named_parameters()}
    x, n, width = x.numpy(), x.shape[1], layer.d_head + layer.d_rope

    def norm(y, name):
        return y / np.sqrt((y**2).mean(-1, keepdims=True) + 1e-6) * weight[name]

    def turned(y):
        return rope(torch.from_numpy(y), torch.arange(n)).numpy()

    if "w_q.weight" in weight:
        q = x @ weight["w_q.weight"].T
    else:
        q = norm(x @ weight["w_q.0.weight"].T, "w_q.1.weight") @ weight["w_q.2.weight"].T
    c = norm(x @ weight["w_dkv.weight"].T, "norm.weight")
    k_rope = turned(x @ weight["w_kr.weight"].T)
    k, v = c @ weight["w_uk.weight"].T, c @ weight["w_uv.weight"].T
    allowed = allowed_pairs(n, n, True, layer.window or (None, None))
    heads = []
    for h in range(3):
        own = q[..., h * width : (h + 1) * width]
        q_h = np.concatenate([own[..., : layer.d_head], turned(own[..., layer.d_head :])], -1)
        k_h = np.concatenate([k[..., h * layer.d_head : (h + 1) * layer.d_head], k_rope], -1)
        v_h = v[..., h * layer.d_v : (h + 1) * layer.d_v]
        heads.append(attention_reference(q_h, k_h, v_h, allowed)[0])  # scale 1/√(d_head + d_rope)
    return np.concatenate(heads, -1) @ weight["w_o.weight"].T


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_plain_and_absorbed_equal_the_equations(options):
    layer, x = make(**options), draw(2, 6, 8)
    with torch.no_grad():
        want = numpy_layer(layer, x)
        np.testing.assert_allclose(layer(x), want, atol=1e-10)
        np.testing.assert_allclose(layer(x, absorbed=True), want, atol=1e-10)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_both_forms_have_the_same_gradients(options):
    layer, x = make(**options), draw(2, 6, 8)
    gradients = []
    for absorbed in (False, True):
        pull = layer(x, absorbed=absorbed).square().sum()
        gradients.append(torch.autograd.grad(pull, tuple(layer.parameters())))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
        assert (one != 0).any()


@pytest.mark.parametrize("options", VARIANTS, ids=str)
@pytest.mark.parametrize("absorbed", [False, True])
def test_token_by_token_equals_all_at_once(options, absorbed):
    layer, x = make(**options), draw(2, 9, 8)
    mask = padding_mask(torch.tensor([9, 5]), 9)[:, None, None]
    window = options.get("window")
    with torch.no_grad():
        for own in (None, mask):
            want = layer(x, mask=own)
            for kept in (None, window[0]) if window else (None,):
                cache, outs = KVCache(window=kept), []
                for i in range(9):
                    part = None if own is None else own[..., : i + 1]
                    step = x[:, i : i + 1]
                    outs.append(layer(step, mask=part, cache=cache, absorbed=absorbed))
                torch.testing.assert_close(torch.cat(outs, 1), want, rtol=0, atol=1e-11)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=5), st.sampled_from(VARIANTS), st.booleans()
)
def test_portions_of_any_size_equal_all_at_once(sizes, options, absorbed):
    layer, x, cache = make(**options), draw(1, sum(sizes), 8), KVCache()
    with torch.no_grad():
        outs = [layer(part, cache=cache, absorbed=absorbed) for part in x.split(sizes, 1)]
        torch.testing.assert_close(torch.cat(outs, 1), layer(x), rtol=0, atol=1e-11)


def test_the_cache_holds_the_latent_and_the_rotated_key_alone():
    layer, cache = make(), KVCache(capacity=10)
    with torch.no_grad():
        layer(draw(2, 4, 8), cache=cache)
    assert cache.nbytes == latent_cache_bytes(10, 7, 4, batch=2, bytes_per_number=8)


def test_only_distances_matter():
    layer, x, before = make(causal=False), draw(1, 5, 8), draw(1, 10, 8, seed=1)
    cache = KVCache()
    with torch.no_grad():
        want = layer(x)
        layer(before, cache=cache)
        got = layer(x, mask=torch.arange(15) >= 10, cache=cache)
    torch.testing.assert_close(got, want)


def test_the_future_does_not_leak():
    layer, x = make(), draw(1, 8, 8)
    changed = x.clone()
    changed[:, 5:] += 1
    for absorbed in (False, True):
        before, after = layer(x, absorbed=absorbed), layer(changed, absorbed=absorbed)
        torch.testing.assert_close(before[:, :5], after[:, :5], rtol=0, atol=1e-12)
        assert ((before - after)[:, 5:].abs().amax(-1) > 1e-6).all()


def test_any_attention_will_do_and_low_precision_runs():
    layer, x = make(), draw(1, 9, 8)
    for absorbed in (False, True):
        other = make(attend=flash_attention)
        torch.testing.assert_close(other(x, absorbed=absorbed), layer(x))
        out = make().to(torch.bfloat16)(x.to(torch.bfloat16), absorbed=absorbed)
        assert out.dtype == torch.bfloat16
        torch.testing.assert_close(out.double(), layer(x), atol=0.2, rtol=0.1)
    assert layer(x[:, :0]).shape == (1, 0, 8)


X, GOOD = torch.zeros(1, 3, 8), MultiHeadLatentAttention(8, 3, **SIZES)
ERRORS = {
    **{
        name: (
            lambda name=name: MultiHeadLatentAttention(
                **{"d_model": 8, "num_heads": 3, **SIZES, name: 0}
            ),
            ValueError,
            f"{name} must be at least {2 if name == 'd_rope' else 1}; got 0",
        )
        for name in ("d_model", "num_heads", *SIZES, "d_v", "d_query_latent")
    },
    "odd": (
        lambda: MultiHeadLatentAttention(8, 3, d_head=5, d_latent=7, d_rope=3),
        ValueError,
        "d_rope must be even, for pairs to be rotated; got 3",
    ),
    "causal": (
        lambda: MultiHeadLatentAttention(8, 3, **SIZES, causal=1),
        TypeError,
        "causal must be True or False",
    ),
    "window": (
        lambda: MultiHeadLatentAttention(8, 3, **SIZES, window=1),
        TypeError,
        "window must be a pair",
    ),
    "x": (lambda: GOOD(X[0]), ValueError, r"x has shape \(3, 8\); it must be \(B, n, 8\)"),
    "dtype": (lambda: GOOD(X.double()), TypeError, "must share one dtype"),
    "absorbed": (lambda: GOOD(X, absorbed=1), TypeError, "absorbed must be True or False"),
    "mask": (lambda: GOOD(X, mask=torch.zeros(3, 3)), TypeError, "mask .*True = may attend"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_what_came(case):
    call, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        call()
