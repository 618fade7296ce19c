"""Multi-head attention against PyTorch's, against NumPy written apart, and cached against not."""

import copy
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import allowed_pairs, attention_reference
from torch.nn.functional import scaled_dot_product_attention

from attnbook import padding_mask
from attnbook.cache import KVCache
from attnbook.flash import flash_attention
from attnbook.layers import MultiHeadAttention


def draw(*shape, seed=0):
    made = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=made, dtype=torch.float64)


def make(*arguments, **options):
    """A layer in float64 with weights, biases and sinks that are all different from 0."""
    torch.manual_seed(0)
    layer = MultiHeadAttention(*arguments, **options).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.4)
    return layer


def numpy_layer(layer, x, context=None, *, causal=False, window=(None, None), bias=0.0):
    """Head by head, in NumPy: the layer once more, without positions."""
    context = x if context is None else context
    weight = {name: p.detach().numpy() for name, p in layer.named_parameters()}

    def project(name, rows):
        return rows @ weight[f"{name}.weight"].T + weight.get(f"{name}.bias", 0.0)

    x, context = x.numpy(), context.numpy()
    q, k, v = project("w_q", x), project("w_k", context), project("w_v", context)
    d, group = layer.d_head, layer.num_heads // layer.num_kv_heads
    heads = []
    for h in range(layer.num_heads):
        own, shared = slice(h * d, h * d + d), slice(h // group * d, h // group * d + d)
        allowed = allowed_pairs(x.shape[1], context.shape[1], causal, window)
        out, lse = attention_reference(q[..., own], k[..., shared], v[..., shared], allowed, bias)
        if "sink" in weight:  # one more key with this score, and the value 0
            out = out * (np.exp(lse) / (np.exp(lse) + np.exp(weight["sink"][h])))[..., None]
        if layer.w_g is not None:
            gate = 1 / (1 + np.exp(-project("w_g", x)))
            element = gate.shape[-1] > layer.num_heads
            out = out * (gate[..., own] if element else gate[..., h : h + 1])
        heads.append(out)
    return project("w_o", np.concatenate(heads, -1))


OPTIONS = [
    {},
    {"num_kv_heads": 2},
    {"num_kv_heads": 1, "bias": False},
    {"d_head": 3, "causal": True},
    {"gate": "head"},
    {"gate": "element", "window": (2, 1), "d_head": 5},
    {"gate": "element", "bias": False, "num_kv_heads": 2},
    {"sink": True, "causal": True},
    {"sink": True, "gate": "head", "num_kv_heads": 1, "causal": True, "window": (2, None)},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_equals_numpy_head_by_head(options):
    layer, x = make(8, 4, **options), draw(2, 7, 8)
    looks = {
        "causal": options.get("causal", False),
        "window": options.get("window") or (None, None),
    }
    with torch.no_grad():
        np.testing.assert_allclose(layer(x), numpy_layer(layer, x, **looks), atol=1e-12)


def test_cross_attention_and_its_projected_context():
    layer, x, context = (
        make(8, 4, d_context=6, num_kv_heads=2),
        draw(2, 3, 8),
        draw(2, 5, 6, seed=1),
    )
    with torch.no_grad():
        want = numpy_layer(layer, x, context)
        np.testing.assert_allclose(layer(x, context), want, atol=1e-12)
        once = layer.keys_and_values(context)
        assert once[0].shape == once[1].shape == (2, 2, 5, 2)
        for i in range(3):
            np.testing.assert_allclose(layer(x[:, i : i + 1], once), want[:, i : i + 1], atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("widths", [{}, {"kdim": 6, "vdim": 6}])
@pytest.mark.parametrize("batch_first", [True, False])
def test_has_the_output_of_pytorchs_layer(bias, widths, batch_first):
    torch.manual_seed(0)
    theirs = torch.nn.MultiheadAttention(
        8, 4, bias=bias, batch_first=batch_first, dtype=torch.float64, **widths
    )
    if bias:
        torch.nn.init.normal_(theirs.in_proj_bias)
        torch.nn.init.normal_(theirs.out_proj.bias)
    ours = MultiHeadAttention.from_torch(theirs)
    assert ours.w_q.weight.dtype == torch.float64
    x, context = draw(2, 5, 8), draw(2, 7, widths.get("kdim", 8), seed=1)
    lengths = torch.tensor([7, 4])
    keep = padding_mask(lengths, 7)
    mask = draw(5, 7, seed=2) > -0.5
    mask[:, 0] = True
    swap = (lambda t: t) if batch_first else (lambda t: t.transpose(0, 1))
    for ours_mask, theirs_mask in (
        (None, {}),
        (keep[:, None, None], {"key_padding_mask": ~keep}),  # theirs: True = may NOT attend
        (mask, {"attn_mask": ~mask}),
        (mask & keep[:, None, None], {"attn_mask": ~mask, "key_padding_mask": ~keep}),
    ):
        want, want_weights = theirs(
            swap(x), swap(context), swap(context), average_attn_weights=False, **theirs_mask
        )
        out, weights = ours(x, context, mask=ours_mask, return_weights=True)
        torch.testing.assert_close(out, swap(want), rtol=0, atol=1e-12)
        torch.testing.assert_close(weights, want_weights, rtol=0, atol=1e-12)


def test_loading_does_not_touch_the_module_and_options_stay():
    theirs = torch.nn.MultiheadAttention(8, 4)
    before = copy.deepcopy(theirs.state_dict())
    ours = MultiHeadAttention.from_torch(theirs, causal=True)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.zero_()
    assert ours.causal
    assert all(torch.equal(before[name], x) for name, x in theirs.state_dict().items())


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (torch.nn.MultiheadAttention(8, 4, add_bias_kv=True), "has add_bias_kv"),
        (torch.nn.MultiheadAttention(8, 4, add_zero_attn=True), "has add_zero_attn"),
        (torch.nn.MultiheadAttention(8, 4, dropout=0.1), "has dropout"),
        (torch.nn.MultiheadAttention(8, 4, kdim=6, vdim=5), "has kdim != vdim"),
    ],
)
def test_what_cannot_be_loaded_is_an_error(module, message):
    with pytest.raises(ValueError, match=message):
        MultiHeadAttention.from_torch(module)
    if module.dropout:
        MultiHeadAttention.from_torch(module.eval())  # dropout does nothing then
    with pytest.raises(TypeError, match="module is a Linear, no torch"):
        MultiHeadAttention.from_torch(torch.nn.Linear(2, 2))


@pytest.mark.parametrize("kv_heads", [1, 2])
def test_groups_share_what_heads_would_repeat(kv_heads):
    few, many, x = make(8, 4, num_kv_heads=kv_heads), make(8, 4), draw(2, 5, 8)
    state = few.state_dict()
    for name in ("w_k.weight", "w_k.bias", "w_v.weight", "w_v.bias"):
        heads = state[name].unflatten(0, (kv_heads, 2))
        state[name] = heads.repeat_interleave(4 // kv_heads, 0).flatten(0, 1)
    many.load_state_dict(state)
    torch.testing.assert_close(few(x), many(x))


def test_a_sink_of_0_is_softmax_off_by_one_and_of_minus_infinity_none():
    layer, x = make(8, 2, sink=True, causal=True), draw(1, 6, 8)
    plain = make(8, 2, causal=True)
    plain.load_state_dict({n: p for n, p in layer.state_dict().items() if n != "sink"})
    with torch.no_grad():
        layer.sink.fill_(-torch.inf)
        torch.testing.assert_close(layer(x), plain(x))
        layer.sink.zero_()
        _, ours = layer(x, return_weights=True)
        _, weights = plain(x, return_weights=True)
        k, _ = plain.keys_and_values(x)
        q = plain.w_q(x).unflatten(-1, (2, 4)).transpose(1, 2)
        s = (q @ k.mT / 2).masked_fill(~torch.ones(6, 6, dtype=torch.bool).tril(), -torch.inf)
        torch.testing.assert_close(ours, s.exp() / (1 + s.exp().sum(-1, keepdim=True)))
        torch.testing.assert_close(weights, torch.softmax(s, -1))
        assert (ours.sum(-1) < 1).all()


@pytest.mark.parametrize("position", [None, "rope", "alibi"])
def test_order_matters_only_with_positions(position):
    layer, x = make(8, 4, position=position), draw(1, 6, 8)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    same = torch.allclose(layer(x)[:, order], layer(x[:, order]), atol=1e-12)
    assert same == (position is None)


@pytest.mark.parametrize("position", ["rope", "alibi"])
def test_only_distances_matter(position):
    """Ten tokens before, behind a mask, shift all positions and change nothing."""
    layer, x, before = make(8, 4, position=position), draw(1, 5, 8), draw(1, 10, 8, seed=1)
    cache = KVCache()
    with torch.no_grad():
        want = layer(x)
        layer(before, cache=cache)
        mask = torch.arange(15) >= 10
        torch.testing.assert_close(layer(x, mask=mask, cache=cache), want)


VARIANTS = [
    {"num_kv_heads": kv, "position": position, "gate": gate, "sink": sink, "window": window}
    for (kv, position, window), (gate, sink) in zip(
        product([4, 2, 1], [None, "rope", "alibi"], [None, (2, 0)]),
        [(None, False), ("head", True), ("element", False), (None, True), ("head", False)] * 4,
        strict=False,
    )
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_token_by_token_equals_all_at_once(options):
    layer, x = make(8, 4, causal=True, **options), draw(2, 9, 8)
    lengths = torch.tensor([9, 5])
    mask = padding_mask(lengths, 9)[:, None, None]
    window = options["window"]
    with torch.no_grad():
        for own in (None, mask, mask & (draw(9, 9, seed=3) > -0.7)):
            want = layer(x, mask=own)
            for kept in (None, window[0]) if window else (None,):
                cache, outs = KVCache(window=kept), []
                for i in range(9):
                    rows = own if own is None or own.shape[2] == 1 else own[..., i : i + 1, :]
                    part = None if own is None else rows[..., : i + 1]
                    outs.append(layer(x[:, i : i + 1], mask=part, cache=cache))
                torch.testing.assert_close(torch.cat(outs, 1), want, rtol=0, atol=1e-12)
                assert cache.kept == (9 if kept is None else min(9, kept))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.sampled_from(VARIANTS))
def test_portions_of_any_size_equal_all_at_once(sizes, options):
    layer, x = make(8, 4, causal=True, **options), draw(1, sum(sizes), 8)
    cache = KVCache(window=options["window"] and options["window"][0])
    with torch.no_grad():
        outs = [layer(part, cache=cache) for part in x.split(sizes, 1)]
        torch.testing.assert_close(torch.cat(outs, 1), layer(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("options", VARIANTS[::4], ids=str)
def test_the_future_does_not_leak(options):
    layer, x = make(8, 4, causal=True, **options), draw(1, 8, 8)
    changed = x.clone()
    changed[:, 5:] += 1
    before, after = layer(x), layer(changed)
    torch.testing.assert_close(before[:, :5], after[:, :5], rtol=0, atol=1e-13)
    assert ((before - after)[:, 5:].abs().amax(-1) > 1e-6).all()


def sdpa(q, k, v, *, mask=None, causal=False):
    assert not causal
    return scaled_dot_product_attention(q, k, v, mask, enable_gqa=True)


def test_any_attention_will_do():
    layer, x = make(8, 4, num_kv_heads=2), draw(2, 5, 8)
    mask = draw(5, 5, seed=1) > -1
    other = make(8, 4, num_kv_heads=2, attend=sdpa)
    torch.testing.assert_close(other(x, mask=mask), layer(x, mask=mask))
    for options in VARIANTS[:6]:
        tiled = make(8, 4, causal=True, attend=flash_attention, **options)
        torch.testing.assert_close(tiled(x), make(8, 4, causal=True, **options)(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_low_precision_and_empty_sequences(dtype):
    layer = make(8, 4, position="rope", sink=True, gate="head", causal=True)
    x = draw(2, 6, 8)
    low = copy.deepcopy(layer).to(dtype)
    out, weights = low(x.to(dtype), return_weights=True)
    assert out.dtype == weights.dtype == dtype
    torch.testing.assert_close(out.double(), layer(x), atol=0.05, rtol=0.05)
    assert low(x[:, :0].to(dtype)).shape == (2, 0, 8)
    assert low(x[:0].to(dtype)).shape == (0, 6, 8)


def test_weights_survive_saving_and_start_as_said():
    layer = MultiHeadAttention(8, 4, gate="head", sink=True)
    assert (layer.sink == 0).all() and (layer.w_q.bias == 0).all() and (layer.w_g.bias == 0).all()
    bound = (6 / (8 + 8)) ** 0.5
    assert 0.8 * bound < layer.w_v.weight.abs().max() <= bound
    other = MultiHeadAttention(8, 4, gate="head", sink=True)
    x = draw(1, 3, 8).float()
    assert not torch.equal(other(x), layer(x))
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(x), layer(x))


def test_gradients_reach_every_parameter():
    layer, x = make(8, 4, num_kv_heads=2, gate="element", sink=True, position="rope"), draw(1, 5, 8)
    names = dict(layer.named_parameters())

    def run(*values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, tuple(names.values()), fast_mode=True)
    run(*names.values()).square().sum().backward()
    assert all((p.grad != 0).any() for p in names.values())


X, GOOD = torch.zeros(1, 3, 8), MultiHeadAttention(8, 4)
ROPE = MultiHeadAttention(8, 4, position="rope")
ERRORS = {
    "heads": (lambda: MultiHeadAttention(8, 3), ValueError, "8 does not divide into 3 heads; give"),
    "groups": (
        lambda: MultiHeadAttention(8, 4, num_kv_heads=3),
        ValueError,
        "4 query heads cannot share 3 key/value heads evenly; the first number must be",
    ),
    "no heads": (lambda: MultiHeadAttention(8, 0), ValueError, "num_heads must be at least 1"),
    "d_model": (lambda: MultiHeadAttention(0, 1), ValueError, "d_model must be at least 1; got 0"),
    "context 0": (
        lambda: MultiHeadAttention(8, 4, d_context=0),
        ValueError,
        "d_context must be at least 1; got 0",
    ),
    "gate": (lambda: MultiHeadAttention(8, 4, gate=True), ValueError, "gate is True; it must be"),
    "position": (
        lambda: MultiHeadAttention(8, 4, position="sin"),
        ValueError,
        "position is 'sin'; it must be one of None, 'rope', 'alibi'",
    ),
    "sink": (lambda: MultiHeadAttention(8, 4, sink=1), TypeError, "sink must be True or False"),
    "bias": (lambda: MultiHeadAttention(8, 4, bias=1), TypeError, "bias must be True or False"),
    "causal": (lambda: MultiHeadAttention(8, 4, causal=1), TypeError, "causal must be True or"),
    "window": (lambda: MultiHeadAttention(8, 4, window=3), TypeError, "window must be a pair"),
    "x": (lambda: GOOD(X[0]), ValueError, r"x has shape \(3, 8\); it must be \(B, n, 8\)"),
    "width": (lambda: GOOD(X[..., :7]), ValueError, r"x has shape \(1, 3, 7\); .*\(B, n, 8\)"),
    "context": (lambda: GOOD(X, X[..., :7]), ValueError, r"context has shape \(1, 3, 7\)"),
    "dtype": (lambda: GOOD(X.double()), TypeError, "got x torch.float64, the weights torch.float"),
    "array": (lambda: GOOD(X.numpy()), TypeError, "x is a ndarray, not a PyTorch tensor"),
    "mask": (lambda: GOOD(X, mask=torch.zeros(3, 3)), TypeError, "mask .*True = may attend"),
    "cross rope": (lambda: ROPE(X, X), ValueError, "belong to self-attention: leave them out"),
    "cross causal": (
        lambda: MultiHeadAttention(8, 4, causal=True)(X, X),
        ValueError,
        "belong to self-attention",
    ),
    "cross cache": (lambda: GOOD(X, X, cache=KVCache()), ValueError, "belong to self-attention"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_what_came(case):
    call, kind, message = ERRORS[case]
    with torch.no_grad(), pytest.raises(kind, match=message):
        call()
