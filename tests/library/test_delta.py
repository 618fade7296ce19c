"""The delta rule: what it means to write, and its two forms."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracle import check_rule
from torch.utils.flop_counter import FlopCounterMode

from attnbook.costs import linear_state_bytes
from attnbook.delta import delta_rule
from attnbook.linear import linear_attention

DOUBLE = torch.float64
FORMS = ["recurrent", "chunked"]
SIZES = [(7, 7), (1, 1), (3, 8), (8, 3), (1, 9), (0, 4), (4, 0), (0, 0), (13, 13)]


def draw(n_q, n_k, heads=4, kv_heads=2, d_k=5, d_v=3, *, batch=2, seed=0, dtype=DOUBLE):
    made = torch.Generator().manual_seed(seed)
    shapes = (batch, heads, n_q, d_k), (batch, kv_heads, n_k, d_k), (batch, kv_heads, n_k, d_v)
    q, k, v = (torch.randn(shape, generator=made, dtype=DOUBLE) for shape in shapes)
    beta = torch.rand((batch, kv_heads, n_k), generator=made, dtype=DOUBLE)
    return [x.to(dtype) for x in (q, torch.nn.functional.normalize(k, dim=-1), v, beta)]


def reference(q, k, v, beta, state=None):
    """The paper's update, with columns: W ← W + β (v - W k) k^T, out = W q. W (d_v, d_k)."""
    group = q.shape[1] // k.shape[1]
    q, k, v, beta = (x.detach().double().numpy() for x in (q, k, v, beta))
    (batch, heads, n_q, d_k), n_k, d_v = q.shape, k.shape[2], v.shape[-1]
    out = np.zeros((batch, heads, n_q, d_v))
    last = np.zeros((batch, heads // group, d_k, d_v))
    for b, h in itertools.product(range(batch), range(heads)):
        kv = h // group
        W = np.zeros((d_v, d_k)) if state is None else state[b, kv].double().numpy().T.copy()
        start = n_k - n_q
        for i in range(min(0, start), 0):
            out[b, h, i - start] = W @ q[b, h, i - start]
        for j in range(n_k):
            W += beta[b, kv, j] * np.outer(v[b, kv, j] - W @ k[b, kv, j], k[b, kv, j])
            if j >= start:
                out[b, h, j - start] = W @ q[b, h, j - start]
        last[b, kv] = W.T
    return out, last


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("n_q", "n_k"), SIZES)
@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 2), (2, 2), (3, 1)])
@pytest.mark.parametrize("with_state", [False, True])
def test_every_form_is_the_papers_update(form, n_q, n_k, heads, kv_heads, with_state):
    inputs = draw(n_q, n_k, heads, kv_heads)
    state = None
    if with_state:
        made = torch.Generator().manual_seed(9)
        state = torch.randn(2, kv_heads, 5, 3, generator=made, dtype=DOUBLE)
    before = [x.clone() for x in (*inputs, state) if x is not None]
    out, last = delta_rule(*inputs, form=form, chunk_size=3, state=state, return_state=True)
    want, want_last = reference(*inputs, state)
    assert out.shape == want.shape and last.shape == want_last.shape
    assert out.dtype == last.dtype == DOUBLE
    np.testing.assert_allclose(out, want, atol=1e-12)
    np.testing.assert_allclose(last, want_last, atol=1e-12)
    assert torch.equal(delta_rule(*inputs, form=form, chunk_size=3, state=state), out)
    for x, y in zip([x for x in (*inputs, state) if x is not None], before, strict=True):
        assert torch.equal(x, y)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 50), st.integers(0, 999))
def test_the_forms_agree_forward_and_backward(n_q, n_k, chunk_size, seed):
    inputs = draw(n_q, n_k, 2, 1, 4, 3, batch=1, seed=seed)
    pull = draw(n_q, n_k, 2, 1, 3, batch=1, seed=seed + 1)[0]
    results = []
    for form in FORMS:
        leaves = [x.clone().requires_grad_() for x in inputs]
        out, state = delta_rule(*leaves, form=form, chunk_size=chunk_size, return_state=True)
        loss = (out * pull).sum() + state.square().sum()
        results.append([out, state, *torch.autograd.grad(loss, leaves)])
    for x, y in zip(*results, strict=True):
        torch.testing.assert_close(x, y)


@given(st.integers(1, 20), st.lists(st.integers(0, 7), max_size=5), st.integers(1, 9), st.data())
def test_in_portions_equals_all_at_once(n, cuts, chunk_size, data):
    inputs = draw(n, n, 2, 1, batch=1, seed=n)
    edges = sorted({0, n, *(min(c, n) for c in itertools.accumulate(cuts))})
    outs, state = [], None
    for start, stop in itertools.pairwise(edges):
        part = (x[:, :, start:stop] for x in inputs)
        form = data.draw(st.sampled_from(FORMS))
        out, state = delta_rule(
            *part, form=form, chunk_size=chunk_size, state=state, return_state=True
        )
        outs.append(out)
    whole, last = delta_rule(*inputs, return_state=True)
    torch.testing.assert_close(torch.cat(outs, 2), whole)
    torch.testing.assert_close(state, last)


def test_the_defaults():
    inputs = draw(150, 150, 1, 1, batch=1)
    want, _ = reference(*inputs)
    assert torch.equal(delta_rule(*inputs), delta_rule(*inputs, form="recurrent"))
    chunked = delta_rule(*inputs, form="chunked")
    np.testing.assert_allclose(chunked, want, atol=1e-12)
    assert torch.equal(chunked, delta_rule(*inputs, form="chunked", chunk_size=64))


def test_each_form_does_its_own_operations():
    """Both give the same numbers; how they come by them shows in the count of products."""
    inputs = draw(150, 150, 2, 2, batch=3)
    counts = {}
    for form in FORMS:
        with FlopCounterMode(display=False) as counter:
            delta_rule(*inputs, form=form)
        counts[form] = counter.get_total_flops() // (2 * 3)
    d_k, d_v = 5, 3
    assert counts["recurrent"] == 150 * 6 * d_k * d_v  # k S, the write, q S
    squares = 64**2 + 64**2 + 22**2  # k k^T, q k^T, and that times u
    assert counts["chunked"] == 150 * 6 * d_k * d_v + 2 * squares * (2 * d_k + d_v)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("n_q", "n_k"), [(5, 5), (2, 4), (4, 2)])
def test_gradcheck(form, n_q, n_k):
    inputs = draw(n_q, n_k, 2, 1, 3, 2, batch=1)
    state = torch.rand(1, 1, 3, 2, dtype=DOUBLE)

    def run(q, k, v, beta, state):
        return delta_rule(q, k, v, beta, form=form, chunk_size=3, state=state, return_state=True)

    assert torch.autograd.gradcheck(run, [x.requires_grad_() for x in (*inputs, state)])


def orthonormal(n, seed=0):
    return torch.linalg.qr(
        torch.randn(n, n, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)
    )[0][None, None]


@pytest.mark.parametrize("form", FORMS)
def test_orthonormal_keys_recall_each_value_exactly(form):
    """As many keys as the width: the memory is then full, and no value disturbs another."""
    keys, values = orthonormal(6), draw(1, 6)[2][:1, :1]
    ones = torch.ones(1, 1, 6, dtype=DOUBLE)
    state = delta_rule(keys, keys, values, ones, form=form, return_state=True)[1]
    torch.testing.assert_close(keys @ state, values)
    # so far linear attention does the same; a new key, which must overlap with others, is recalled
    # by the delta rule alone
    extra = torch.nn.functional.normalize(keys.sum(-2, keepdim=True), dim=-1)
    new = torch.full((1, 1, 1, 3), 7.0, dtype=DOUBLE)
    more = torch.cat([keys, extra], 2), torch.cat([values, new], 2)
    recalled = delta_rule(extra, *more, torch.ones(1, 1, 7, dtype=DOUBLE), form=form)
    torch.testing.assert_close(recalled, new)
    summed = linear_attention(extra, *more, feature_map="identity", normalize=False)
    assert (summed - new).abs().min() > 0.1


@pytest.mark.parametrize("form", FORMS)
def test_a_key_written_again_answers_with_the_newest_value(form):
    """Where linear attention answers with the sum."""
    keys = orthonormal(4)[:, :, [0, 1, 0, 2, 0]]
    values = draw(1, 5)[2][:1, :1]
    ones = torch.ones(1, 1, 5, dtype=DOUBLE)
    ask = keys[:, :, :1]
    newest = delta_rule(ask, keys, values, ones, form=form)
    torch.testing.assert_close(newest, values[:, :, 4:])
    summed = linear_attention(ask, keys, values, feature_map="identity", normalize=False)
    torch.testing.assert_close(summed, values[:, :, [0, 2, 4]].sum(2, keepdim=True))


@pytest.mark.parametrize("form", FORMS)
@given(seed=st.integers(0, 999))
def test_what_was_just_written_is_read_back(form, seed):
    """With β = 1 and keys of length 1, at any angle: β = 1 corrects the whole difference."""
    _, k, v, beta = draw(9, 9, 2, 2, seed=seed)
    torch.testing.assert_close(delta_rule(k, k, v, torch.ones_like(beta), form=form), v)


@pytest.mark.parametrize("form", FORMS)
@given(seed=st.integers(0, 999), rate=st.floats(0, 2))
def test_a_write_goes_the_fraction_beta_of_the_way(form, seed, rate):
    _, k, v, _ = draw(1, 1, 1, 1, batch=1, seed=seed)
    state = draw(1, 3, 1, 1, 3, batch=1, seed=seed + 1)[2].expand(1, 1, 3, 3)
    state = torch.nn.functional.pad(state, (0, 0, 0, 2))  # (1, 1, d_k = 5, d_v = 3)
    before = k @ state
    beta = torch.full((1, 1, 1), rate, dtype=DOUBLE)
    after = delta_rule(k, k, v, beta, state=state, form=form)
    torch.testing.assert_close(after, before + rate * (v - before))


def test_a_write_is_a_step_of_gradient_descent():
    """On the squared error of the answer, |v - k S|² / 2, with the learning rate β."""
    q, k, v, beta = draw(1, 1, 1, 1, batch=1)
    S = torch.randn(1, 1, 5, 3, generator=torch.Generator().manual_seed(3), dtype=DOUBLE)
    leaf = S.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((v - k @ leaf).square().sum() / 2, leaf)
    _, after = delta_rule(q, k, v, beta, state=S, return_state=True)
    torch.testing.assert_close(after, S - beta.item() * gradient)


@pytest.mark.parametrize("form", FORMS)
def test_a_beta_of_0_writes_nothing(form):
    q, k, v, beta = draw(8, 8)
    keep = torch.arange(8) % 3 != 1
    out, state = delta_rule(q, k, v, beta * keep, form=form, return_state=True)
    kept = (x[:, :, keep] for x in (q, k, v, beta))
    less, less_state = delta_rule(*kept, form=form, return_state=True)
    torch.testing.assert_close(out[:, :, keep], less)
    torch.testing.assert_close(state, less_state)


@pytest.mark.parametrize("form", FORMS)
def test_keys_must_have_length_1(form):
    """The trap: with β |k|² > 2 each write overshoots by more than it corrects."""
    q, k, v, beta = draw(200, 200, 1, 1, batch=1)
    good = delta_rule(q, k, v, torch.ones_like(beta), form=form, return_state=True)[1]
    assert good.abs().max() < 20
    wild = delta_rule(q, 2 * k, v, torch.ones_like(beta), form=form, return_state=True)[1]
    assert wild.abs().max() > 1e6


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("poison", [torch.nan, torch.inf])
@pytest.mark.parametrize("which", [1, 2, 3], ids=["key", "value", "beta"])
@pytest.mark.parametrize("n_q", [4, 7, 9])
def test_what_lies_ahead_reaches_nothing(form, poison, which, n_q):
    inputs = draw(n_q, 7)
    dirty = [x.clone() for x in inputs]
    dirty[which][1, 0, 5] = poison
    first = 5 - (7 - n_q)  # the first query that sees key 5
    results = []
    for each in (inputs, dirty):
        leaves = [x.clone().requires_grad_() for x in each]
        out, state = delta_rule(*leaves, form=form, chunk_size=4, return_state=True)
        results.append((out, torch.autograd.grad(out[:, :, :first].square().sum(), leaves), state))
    (clean, clean_gradients, _), (spoiled, gradients, state) = results
    want = torch.zeros_like(spoiled, dtype=torch.bool)
    want[1, :2, first:] = True  # both query heads of key head 0
    assert torch.equal(spoiled.isnan(), want)
    torch.testing.assert_close(torch.where(want, clean, spoiled), clean)
    torch.testing.assert_close(gradients, clean_gradients)
    assert torch.isnan(state[1, 0]).all() and torch.isfinite(state[1, 1]).all()
    assert torch.isfinite(state[0]).all()
    after = delta_rule(*draw(2, 2), state=state, form=form)
    assert torch.isnan(after[1, :2]).all() and torch.isfinite(after[1, 2:]).all()


@pytest.mark.parametrize("form", FORMS)
def test_a_nan_in_a_query_spoils_its_own_row(form):
    q, k, v, beta = draw(5, 5)
    clean = delta_rule(q, k, v, beta, form=form)
    q[0, 3, 2, 1] = torch.nan
    out, state = delta_rule(q, k, v, beta, form=form, return_state=True)
    assert torch.isnan(out[0, 3, 2]).all() and out.isnan().sum() == 3
    torch.testing.assert_close(torch.where(out.isnan(), clean, out), clean)
    assert torch.isfinite(state).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_low_precision_keeps_to_the_rule(form, dtype):
    inputs = draw(61, 61, 2, 2, 16, 16, dtype=dtype)
    results = []
    for convert, run in (
        (lambda x: x, lambda *x: delta_rule(*x, form=form, chunk_size=16)),
        (lambda x: x, plain),
        (lambda x: x.double(), plain),
    ):
        leaves = [convert(x).clone().requires_grad_() for x in inputs]
        out = run(*leaves)
        assert out.dtype == leaves[0].dtype
        results.append([out, *torch.autograd.grad(out.sum(), leaves)])
    for ours, low, exact in zip(*results, strict=True):
        check_rule(ours.detach(), low.detach(), exact.detach())


def plain(q, k, v, beta):
    """The update in the dtype of the inputs."""
    S, outs = torch.zeros(*k.shape[:2], k.shape[-1], v.shape[-1], dtype=k.dtype), []
    for t in range(k.shape[2]):
        difference = v[:, :, t] - torch.einsum("bhd,bhde->bhe", k[:, :, t], S)
        S = S + torch.einsum("bh,bhd,bhe->bhde", beta[:, :, t], k[:, :, t], difference)
        outs.append(torch.einsum("bhd,bhde->bhe", q[:, :, t], S))
    return torch.stack(outs, 2)


@pytest.mark.parametrize("form", FORMS)
def test_strided_equals_contiguous(form):
    inputs = draw(6, 9)
    strided = [x.transpose(1, 2).contiguous().transpose(1, 2) for x in inputs]
    torch.testing.assert_close(delta_rule(*strided, form=form), delta_rule(*inputs, form=form))


def test_the_state_takes_the_bytes_that_are_counted():
    state = delta_rule(*draw(4, 4, dtype=torch.bfloat16), return_state=True)[1]
    assert state.dtype == torch.float32
    counted = linear_state_bytes(2, 5, 3, normalizer=False, batch=2)
    assert state.numel() * state.element_size() == counted


Q, K, V, BETA = (
    torch.zeros(2, 4, 3, 5),
    torch.zeros(2, 2, 6, 5),
    torch.zeros(2, 2, 6, 3),
    torch.zeros(2, 2, 6),
)
STATE = torch.zeros(2, 2, 5, 3)
ERRORS = {
    "list": (lambda: delta_rule(Q, K, [1], BETA), TypeError, "v is a list"),
    "number": (lambda: delta_rule(Q, K, V, 1.0), TypeError, "beta is a float, not a PyTorch"),
    "integers": (lambda: delta_rule(Q, K, V, BETA.long()), TypeError, "beta has dtype torch.int64"),
    "dtype": (lambda: delta_rule(Q, K, V, BETA.double()), TypeError, r"share one dtype; got q tor"),
    "axes": (lambda: delta_rule(Q[0], K, V, BETA), ValueError, r"four axes.*q \(4, 3, 5\)"),
    "groups": (
        lambda: delta_rule(Q[:, :3], K, V, BETA),
        ValueError,
        "3 query heads cannot share 2",
    ),
    "beta": (
        lambda: delta_rule(Q, K, V, BETA[..., None]),
        ValueError,
        r"beta has shape \(2, 2, 6, 1\); with k of shape \(2, 2, 6, 5\) it must be \(2, 2, 6\)",
    ),
    "beta of each query": (
        lambda: delta_rule(Q, K, V, torch.zeros(2, 4, 6)),
        ValueError,
        r"beta has shape \(2, 4, 6\)",
    ),
    "form": (
        lambda: delta_rule(Q, K, V, BETA, form="parallel"),
        ValueError,
        r"form is 'parallel'; it must be one of 'recurrent', 'chunked'",
    ),
    "chunk": (
        lambda: delta_rule(Q, K, V, BETA, chunk_size=0),
        ValueError,
        "chunk_size must be at least 1; got 0",
    ),
    "switch": (
        lambda: delta_rule(Q, K, V, BETA, return_state=1),
        TypeError,
        "return_state must be True or False",
    ),
    "state": (
        lambda: delta_rule(Q, K, V, BETA, state=STATE.mT),
        ValueError,
        r"state has shape \(2, 2, 3, 5\); .* it must be \(2, 2, 5, 3\)",
    ),
    "state dtype": (
        lambda: delta_rule(Q, K, V, BETA, state=STATE.double()),
        TypeError,
        r"share one dtype; got state torch.float64, k \(in float32 or better\) torch.float32",
    ),
    "state of linear attention": (
        lambda: delta_rule(Q, K, V, BETA, state=(STATE, STATE)),
        TypeError,
        "state is a tuple, not a PyTorch tensor",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_what_came(case):
    call, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        call()
