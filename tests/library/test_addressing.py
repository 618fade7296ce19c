"""The memory of the Neural Turing Machine against the paper's formulas, written out with loops."""

import math

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnbook import hard_lookup
from attnbook.addressing import (
    address,
    content_weights,
    interpolate,
    read,
    sharpen,
    shift,
    write,
)


def distribution(rng, *shape):
    weights = rng.random(shape) ** 4
    return weights / weights.sum(-1, keepdims=True)


def cosine(u, v):
    lengths = math.sqrt(u @ u) * math.sqrt(v @ v)
    return u @ v / lengths if lengths else 0.0


# Graves, Wayne and Danihelka (2014), one head, by the numbers of their equations.


def equation_5(memory, key, strength):
    e = np.array([math.exp(strength * cosine(key, row)) for row in memory])
    return e / e.sum()


def equation_8(weights, kernel):
    n, r = len(weights), len(kernel) // 2
    s = np.zeros(n)
    for by in range(-r, r + 1):
        s[by % n] += kernel[r + by]
    return np.array([sum(weights[j] * s[(i - j) % n] for j in range(n)) for i in range(n)])


def address_reference(memory, key, strength, gate, kernel, exponent, previous):
    w = gate * equation_5(memory, key, strength) + (1 - gate) * previous
    w = equation_8(w, kernel) ** exponent
    return w / w.sum()


def a_case(seed, n=5, width=3, heads=(), r=1):
    rng = np.random.default_rng(seed)
    return {
        "memory": rng.standard_normal((n, width)),
        "key": rng.standard_normal((*heads, width)),
        "strength": 5 * rng.random(heads),
        "gate": rng.random(heads),
        "kernel": distribution(rng, *heads, 2 * r + 1),
        "exponent": 1 + 4 * rng.random(heads),
        "previous": distribution(rng, *heads, n),
    }


@given(seed=st.integers(0, 999), n=st.integers(1, 7), width=st.integers(1, 4), r=st.integers(0, 4))
def test_the_whole_way_equals_the_formulas(seed, n, width, r):
    case = a_case(seed, n, width, r=r)
    got = address(**case)
    np.testing.assert_allclose(got, address_reference(**case), atol=1e-12)
    rows = [w * row for w, row in zip(got, case["memory"], strict=True)]
    np.testing.assert_allclose(read(case["memory"], got), np.sum(rows, axis=0), atol=1e-12)


@given(seed=st.integers(0, 999), n=st.integers(1, 7))
def test_each_stage_returns_a_distribution(seed, n):
    case = a_case(seed, n)
    w = content_weights(case["memory"], case["key"], case["strength"])
    stages = [w]
    stages.append(interpolate(w, case["previous"], case["gate"]))
    stages.append(shift(stages[-1], case["kernel"]))
    stages.append(sharpen(stages[-1], case["exponent"]))
    for stage in stages:
        assert stage.shape == (n,) and (stage >= 0).all()
        np.testing.assert_allclose(stage.sum(), 1, atol=1e-12)


def test_heads_and_batches_are_many_single_calls():
    cases = [[a_case(10 * b + h) for h in range(2)] for b in range(3)]
    memory = np.stack([row[0]["memory"] for row in cases])
    parts = {
        name: np.array([[np.asarray(case[name]) for case in row] for row in cases])
        for name in cases[0][0]
        if name != "memory"
    }
    got = address(memory, **parts)
    rng = np.random.default_rng(0)
    erase, add = rng.random((3, 2, 3)), rng.standard_normal((3, 2, 3))
    assert got.shape == (3, 2, 5)
    for b in range(3):
        for h in range(2):
            want = address_reference(**{**cases[b][h], "memory": memory[b]})
            np.testing.assert_allclose(got[b, h], want, atol=1e-12)
            np.testing.assert_allclose(read(memory, got)[b, h], want @ memory[b], atol=1e-12)
        want = write(memory[b], got[b], erase[b], add[b])
        np.testing.assert_allclose(write(memory, got, erase, add)[b], want, atol=1e-12)
    one_head = address(memory, **{name: part[:, 1] for name, part in parts.items()})
    np.testing.assert_allclose(one_head, got[:, 1], atol=1e-14)
    np.testing.assert_allclose(read(memory, got[:, 1]), read(memory, got)[:, 1], atol=1e-14)
    np.testing.assert_allclose(
        write(memory, got[:, :1], erase[:, :1], add[:, :1]),
        write(memory, got[:, 0], erase[:, 0], add[:, 0]),
        atol=1e-14,
    )


def test_a_strength_is_an_inverse_temperature():
    rng = np.random.default_rng(1)
    memory, keys = rng.standard_normal((6, 4)), rng.standard_normal((9, 4))
    np.testing.assert_allclose(content_weights(memory, keys, 0.0), 1 / 6)
    cold = content_weights(memory, keys, 1e6)
    np.testing.assert_allclose(
        read(memory, cold), hard_lookup(keys, memory, memory, score="cosine"), atol=1e-12
    )
    # Only the direction counts, of a key and of a row, even where squares over- or underflow.
    want = content_weights(memory, keys, 3.0)
    np.testing.assert_allclose(content_weights(1e200 * memory, 1e-200 * keys, 3.0), want)


def test_vectors_of_zeros_have_cosine_zero_and_a_finite_gradient():
    memory = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=torch.float64, requires_grad=True)
    keys = torch.tensor([[0.0, 0.0], [2.0, 0.0]], dtype=torch.float64, requires_grad=True)
    got = content_weights(memory, keys, 1.0)
    e = math.e
    np.testing.assert_allclose(got.detach(), [[0.5, 0.5], [1 / (1 + e), e / (1 + e)]])
    for gradient in torch.autograd.grad(got[:, 0].sum(), (memory, keys)):
        assert gradient.isfinite().all()


def test_the_gate_at_its_ends_is_exact():
    rng = np.random.default_rng(2)
    w, previous = distribution(rng, 4, 5), distribution(rng, 4, 5)
    np.testing.assert_array_equal(interpolate(w, previous, 0), previous)
    np.testing.assert_array_equal(interpolate(w, previous, 1), w)
    gate = np.array([0.0, 1.0, 0.25, 1.0])
    got = interpolate(w, previous, gate)
    np.testing.assert_array_equal(got[:2], [previous[0], w[1]])
    np.testing.assert_allclose(got[2], 0.25 * w[2] + 0.75 * previous[2])


@given(n=st.integers(1, 6), r=st.integers(0, 7), seed=st.integers(0, 99), data=st.data())
def test_a_one_hot_kernel_is_a_roll(n, r, seed, data):
    by = data.draw(st.integers(-r, r))
    w = distribution(np.random.default_rng(seed), n)
    kernel = np.zeros(2 * r + 1)
    kernel[r + by] = 1
    np.testing.assert_array_equal(shift(w, kernel), np.roll(w, by))


def test_the_last_entry_of_the_kernel_moves_forward():
    w = np.array([0.0, 1.0, 0.0, 0.0])
    np.testing.assert_array_equal(shift(w, np.array([0.0, 0.0, 1.0])), [0, 0, 1, 0])
    np.testing.assert_array_equal(shift(w, np.array([1.0, 0.0, 0.0])), [1, 0, 0, 0])
    # One kernel for all heads, and one for each.
    both = shift(np.stack([w, w]), np.array([0.0, 0.0, 1.0]))
    np.testing.assert_array_equal(both, [[0, 0, 1, 0], [0, 0, 1, 0]])
    each = shift(np.stack([w, w]), np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]))
    np.testing.assert_array_equal(each, [[0, 0, 1, 0], [1, 0, 0, 0]])


def test_sharpening():
    w = distribution(np.random.default_rng(3), 6)
    np.testing.assert_allclose(sharpen(w, 1), w, rtol=1e-14)
    np.testing.assert_allclose(sharpen(w, 2.5), w**2.5 / (w**2.5).sum(), rtol=1e-12)
    np.testing.assert_array_equal(sharpen(w, 1e6), w == w.max())
    np.testing.assert_allclose(sharpen(np.array([0.4, 0.2, 0.4]), 1e6), [0.5, 0, 0.5])


def test_sharpening_tiny_weights_does_not_divide_zero_by_zero():
    flat = np.full(1000, 1e-3, dtype=np.float32)
    assert (flat**100 == 0).all()  # what the formula as it stands would divide
    np.testing.assert_allclose(sharpen(flat, 100), flat, rtol=1e-5)
    # Nor does it beside a head whose weights are great.
    heads = np.stack([flat, np.eye(1000, dtype=np.float32)[3]])
    np.testing.assert_allclose(sharpen(heads, 100), heads, rtol=1e-5)


@pytest.mark.parametrize("exponent", [1.0, 1.5, 100.0])
def test_the_gradient_of_sharpening_is_finite_at_a_weight_of_zero(exponent):
    w = torch.tensor([0.0, 1e-30, 0.3, 0.7], dtype=torch.float64, requires_grad=True)
    gamma = torch.tensor(exponent, dtype=torch.float64, requires_grad=True)
    for chosen in range(4):
        for gradient in torch.autograd.grad(sharpen(w, gamma)[chosen], (w, gamma)):
            assert gradient.isfinite().all()
    # At γ = 1, w_0 is divided by the sum alone: moving weight to it moves the result as much.
    gradient = torch.autograd.grad(sharpen(w, 1.0)[0], w)[0]
    np.testing.assert_allclose(gradient, [1, 0, 0, 0], atol=1e-15)


def test_writing_to_one_row_replaces_it_exactly_and_leaves_the_others():
    rng = np.random.default_rng(4)
    memory, add = rng.standard_normal((4, 3)), rng.standard_normal(3)
    before = memory.copy()
    got = write(memory, np.array([0.0, 0.0, 1.0, 0.0]), np.ones(3), add)
    np.testing.assert_array_equal(got[2], add)
    np.testing.assert_array_equal(np.delete(got, 2, 0), np.delete(memory, 2, 0))
    np.testing.assert_array_equal(memory, before)


def test_writing_equals_the_formulas_and_needs_no_order_of_heads():
    rng = np.random.default_rng(5)
    memory, w = rng.standard_normal((4, 3)), distribution(rng, 3, 4)
    erase, add = rng.random((3, 3)), rng.standard_normal((3, 3))
    want = memory.copy()
    for h in range(3):  # equation 3 for each head, and then equation 4
        want = want * (1 - np.outer(w[h], erase[h]))
    for h in range(3):
        want = want + np.outer(w[h], add[h])
    np.testing.assert_allclose(write(memory, w, erase, add), want, atol=1e-13)
    for order in ([2, 0, 1], [1, 0, 2]):
        other = write(memory, w[order], erase[order], add[order])
        np.testing.assert_allclose(other, want, atol=1e-13)
    # Adding comes last: a head that erases all leaves what another adds.
    here = np.array([[1.0, 0, 0, 0], [1.0, 0, 0, 0]])
    got = write(memory, here, np.array([[0.0] * 3, [1.0] * 3]), np.array([[7.0] * 3, [0.0] * 3]))
    np.testing.assert_array_equal(got[0], [7, 7, 7])


def test_gradients_of_address_read_and_write():
    def step(memory, key, strength, gate, kernel, exponent, previous, erase, add):
        kernel, previous = kernel.softmax(-1), previous.softmax(-1)
        w = address(memory, key, strength, gate, kernel, exponent, previous)
        return w, read(memory, w), write(memory, w, erase, add)

    torch.manual_seed(0)
    shapes = [(2, 4, 3), (2, 2, 3), (2, 2), (2, 2), (2, 2, 3), (2, 2), (2, 2, 4)]
    shapes += [(2, 2, 3), (2, 2, 3)]
    memory, key, strength, gate, kernel, exponent, previous, erase, add = (
        torch.rand(shape, dtype=torch.float64) + 0.01 for shape in shapes
    )
    inputs = (memory - 0.5, key - 0.5, 3 * strength, gate * 0.9, kernel, 1 + exponent, previous)
    inputs = (*inputs, erase * 0.9, add)
    inputs = tuple(tensor.detach().requires_grad_() for tensor in inputs)
    assert torch.autograd.gradcheck(step, inputs)
    grads = torch.autograd.grad(sum(part.square().sum() for part in step(*inputs)), inputs)
    assert all((gradient != 0).any() for gradient in grads)


def all_results(a):
    case = {name: a(np.asarray(part)) for name, part in a_case(6, heads=(2,)).items()}
    w = address(**case)
    rng = np.random.default_rng(7)
    written = write(case["memory"], w, a(rng.random((2, 3))), a(rng.standard_normal((2, 3))))
    return [w, read(case["memory"], w), written]


@pytest.mark.parametrize("library", [array_api_strict.asarray, torch.from_numpy])
def test_every_library_gives_the_numbers_of_numpy(library):
    for ours, want in zip(all_results(library), all_results(np.asarray), strict=True):
        assert type(ours) is type(library(np.zeros(1)))
        np.testing.assert_allclose(np.asarray(ours), want, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_result_has_the_dtype_of_the_input(dtype):
    case = {name: torch.as_tensor(part, dtype=dtype) for name, part in a_case(8).items()}
    case |= {"strength": 4.0, "gate": 0.5, "exponent": 2.0}
    w = address(**case)
    e = torch.full((3,), 0.5, dtype=dtype)
    for part in (w, read(case["memory"], w), write(case["memory"], w, e, e)):
        assert part.dtype == dtype
    want = address_reference(
        **{name: np.asarray(torch.as_tensor(x).double()) for name, x in case.items()}
    )
    np.testing.assert_allclose(w.double(), want, atol=4 * torch.finfo(dtype).eps)
    # A strength in float64 does not change the dtype either.
    strength = torch.tensor(2.0, dtype=torch.float64)
    assert content_weights(case["memory"], case["key"], strength).dtype == dtype
    assert sharpen(w, 1 + strength).dtype == interpolate(w, w, strength / 4).dtype == dtype


def test_nan_shows_in_the_result_and_a_weight_of_zero_keeps_it_out():
    memory = np.array([[np.nan, 1.0], [2.0, 3.0]])
    assert np.isnan(content_weights(memory, np.ones(2), 1.0)).all()
    assert np.isnan(shift(np.array([np.nan, 1.0]), np.ones(1))).any()
    np.testing.assert_array_equal(read(memory, np.array([0.0, 1.0])), [2, 3])
    assert np.isnan(read(memory, np.array([0.5, 0.5]))).all()


def test_how_far_weights_may_be_off_depends_on_their_dtype():
    half = np.full(1000, 1e-3, dtype=np.float16)
    assert half.sum(dtype=float) != 1  # rounded, and no less a distribution for that
    sharpen(half * np.float16(1.01), 1.0)
    sharpen(np.full(10, 0.1001, dtype=np.float32) / np.float32(1.0008), 1.0)
    for dtype, off in ((np.float16, 1.05), (np.float32, 1.001), (np.float64, 1.00001)):
        with pytest.raises(ValueError, match="sum to 1"):
            sharpen(np.full(4, 0.25 * off, dtype=dtype), 1.0)


def test_no_heads_write_nothing():
    memory = np.ones((4, 3))
    np.testing.assert_array_equal(
        write(memory, np.ones((0, 4)), np.ones((0, 3)), np.ones((0, 3))), memory
    )
    assert read(memory, np.ones((0, 4))).shape == (0, 3)


M, W, E = np.ones((5, 4)), np.full(5, 0.2), np.ones(4)
KEY, W2 = np.ones(4), np.full((2, 5), 0.2)
KERNEL = np.array([0.0, 1.0, 0.0])
VALUE_ERRORS = {
    "memory rank": (
        lambda: content_weights(W, KEY, 1.0),
        r"memory has shape \(5,\); it must be \(\.\.\., n, width\)$",
    ),
    "no rows": (lambda: content_weights(M[:0], KEY, 1.0), r"memory has shape \(0, 4\).*nothing"),
    "weights 0-d": (lambda: sharpen(np.ones(()), 1.0), r"shape \(\); it must be at least 1-dim"),
    "no width": (lambda: content_weights(M[:, :0], KEY[:0], 1.0), r"\(5, 0\).*nothing in it"),
    "no weights": (lambda: sharpen(W[:0], 1.0), r"weights has shape \(0,\).*nothing in it"),
    "key width": (
        lambda: content_weights(M, np.ones(3), 1.0),
        r"key has shape \(3,\) for memory \(5, 4\); it must be \(4,\)",
    ),
    "key lead": (
        lambda: content_weights(np.ones((2, 5, 4)), np.ones((3, 1, 4)), 1.0),
        r"key has shape \(3, 1, 4\) for memory \(2, 5, 4\); it must be \(2, 1, 4\)",
    ),
    "negative strength": (
        lambda: content_weights(M, KEY, -1),
        r"strength must be at least 0 and finite; got -1",
    ),
    "negative strengths": (
        lambda: content_weights(M, np.ones((2, 4)), np.array([1.0, -2.0])),
        r"strength must be at least 0 and finite; got -2 to 1",
    ),
    "infinite strengths": (
        lambda: content_weights(M, np.ones((1, 4)), np.array([np.inf])),
        r"strength must be at least 0 and finite; got inf",
    ),
    "infinite strength": (lambda: content_weights(M, KEY, np.inf), r"strength .*finite; got inf"),
    "strength of nan": (lambda: content_weights(M, KEY, np.nan), r"strength .*finite; got nan"),
    "strengths of another shape": (
        lambda: content_weights(M, np.ones((2, 4)), np.ones(3)),
        r"strength has shape \(3,\).*heads, \(2,\)",
    ),
    "gate above": (lambda: interpolate(W, W, 1.5), r"gate must be from 0 to 1; got 1.5"),
    "gate below": (lambda: interpolate(W, W, -0.5), r"gate must be from 0 to 1; got -0.5"),
    "gates": (
        lambda: interpolate(W2, W2, np.array([0.5, 2.0])),
        r"gate must be from 0 to 1; got 0.5 to 2",
    ),
    "previous shape": (
        lambda: interpolate(W, np.full(4, 0.25), 0.5),
        r"previous has shape \(4,\).*shape of weights, \(5,\)",
    ),
    "previous is no distribution": (
        lambda: interpolate(W, 2 * W, 0.5),
        r"previous must be >= 0 and sum to 1.*sums are 2",
    ),
    "even kernel": (lambda: shift(W, np.full(2, 0.5)), r"kernel has 2 entries.*odd"),
    "kernel of logits": (
        lambda: shift(W, np.array([-1.0, 1.0, 1.0])),
        r"kernel must be >= 0 and sum to 1.*least entry is -1",
    ),
    "kernel that does not sum to 1": (
        lambda: shift(W, np.ones(3)),
        r"kernel must be .*sums are 3 to 3",
    ),
    "kernels for other heads": (
        lambda: shift(W2, np.ones((3, 1))),
        r"kernel has shape \(3, 1\).*one kernel per head, \(2, 1\)",
    ),
    "exponent": (lambda: sharpen(W, 0.5), r"exponent must be at least 1 and finite; got 0.5"),
    "exponents": (
        lambda: sharpen(W2, np.array([0.5, 1.0])),
        r"exponent must be at least 1 and finite; got 0.5 to 1",
    ),
    "weights to shift": (lambda: shift(2 * W, KERNEL), r"weights must be .*sums are 2"),
    "weights to sharpen": (lambda: sharpen(2 * W, 1.0), r"weights must be .*sums are 2"),
    "weights to interpolate": (lambda: interpolate(-W, W, 1), r"weights .*entry is -0.2"),
    "weights to read": (lambda: read(M, np.ones(5)), r"weights must be .*sums are 5"),
    "weights to write": (lambda: write(M, np.ones(5), E, E), r"weights must be .*sums are 5"),
    "too few weights": (
        lambda: read(M, np.ones(1)),
        r"weights has shape \(1,\) for memory \(5, 4\); it must be \(5,\)",
    ),
    "erase": (lambda: write(M, W, 2 * E, E), r"erase must be from 0 to 1; got 2"),
    "erase below": (lambda: write(M, W, -E, E), r"erase must be from 0 to 1; got -1"),
    "weights for other heads": (
        lambda: write(M, W, np.ones((2, 4)), np.ones((2, 4))),
        r"erase has shape \(2, 4\) for memory \(5, 4\); it must be \(4,\)",
    ),
    "too few weights to write": (
        lambda: write(M, np.ones(1), E, E),
        r"weights has shape \(1,\).*must be \(5,\)",
    ),
    "erase width": (lambda: write(M, W, E[:3], E), r"erase has shape \(3,\).*must be \(4,\)"),
    "add for other heads": (
        lambda: write(M, W2, np.ones((2, 4)), np.ones((3, 4))),
        r"add has shape \(3, 4\).*must be \(2, 4\)",
    ),
}
TYPE_ERRORS = {
    "list": (lambda: content_weights([[1.0]], KEY, 1.0), r"memory is a list"),
    "integers": (lambda: read(M, np.array([1, 0, 0, 0, 0])), r"weights has dtype int64"),
    "two libraries": (lambda: read(torch.ones(5, 4), W), r"memory is a torch.*weights is a numpy"),
    "strength of another library": (
        lambda: content_weights(M, KEY, torch.tensor(1.0)),
        r"strength is a torch array and the rest is a numpy array",
    ),
    "strength as text": (lambda: content_weights(M, KEY, "1"), r"strength is a str"),
    "integer gates": (lambda: interpolate(W2, W2, np.array([0, 1])), r"gate has dtype int64"),
    "gate as bool": (lambda: interpolate(W, W, True), r"gate must be a Python number; got a bool"),
}


@pytest.mark.parametrize("name", VALUE_ERRORS)
def test_value_errors(name):
    call, message = VALUE_ERRORS[name]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("name", TYPE_ERRORS)
def test_type_errors(name):
    call, message = TYPE_ERRORS[name]
    with pytest.raises(TypeError, match=message):
        call()
