"""softmax, logsumexp, entropy and the softmax Jacobian."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from attnbook import entropy, logsumexp, softmax, softmax_jacobian

finite = st.floats(-50, 50)
rows = arrays(np.float64, array_shapes(min_dims=1, max_dims=3, max_side=6), elements=finite)
row = arrays(np.float64, st.integers(1, 8), elements=finite)
temperatures = st.floats(0.1, 20)
TINY_TO_HUGE = [0, 1e-300, 1e-45, 1e-38, 1e-10, 1.0, 1e10, 1e38, 1e39, 1e300, math.inf]


@given(rows, temperatures, st.data())
def test_softmax_and_logsumexp_equal_pytorch_along_every_axis(x, temperature, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    want = torch.softmax(torch.from_numpy(x / temperature), dim=axis).numpy()
    weights = softmax(x, axis, temperature=temperature)
    np.testing.assert_allclose(weights, want, atol=1e-13)
    np.testing.assert_allclose(weights.sum(axis), 1, rtol=1e-12)
    np.testing.assert_allclose(logsumexp(x, axis), torch.logsumexp(torch.from_numpy(x), axis))


@given(row, temperatures, st.floats(-100, 100))
def test_a_shift_does_not_matter(x, temperature, shift):
    moved = softmax(x + shift, temperature=temperature)
    np.testing.assert_allclose(moved, softmax(x, temperature=temperature), atol=1e-11)
    np.testing.assert_allclose(logsumexp(x + shift), logsumexp(x) + shift, atol=1e-11)


@given(arrays(np.float64, st.integers(1, 8), elements=st.integers(-3, 3).map(float)))
def test_temperature_zero_and_infinity_are_the_limits(x):
    best = x == x.max()
    np.testing.assert_array_equal(softmax(x, temperature=0), best / best.sum())
    np.testing.assert_allclose(softmax(x, temperature=1e-3), softmax(x, temperature=0))
    np.testing.assert_array_equal(softmax(x, temperature=math.inf), np.full(x.size, 1 / x.size))
    np.testing.assert_allclose(softmax(x, temperature=1e13), 1 / x.size, rtol=1e-11)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("temperature", TINY_TO_HUGE)
def test_every_temperature_in_every_dtype(dtype, temperature):
    x = np.array([[1, 3, 3, -np.inf], [-1, 0, 1, 2]], dtype)
    weights = softmax(x, temperature=temperature)
    assert weights.dtype == dtype
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-3)
    assert weights[0, 3] == 0 and weights[0, 1] == weights[0, 2]
    if temperature < 1e-3:
        np.testing.assert_array_equal(weights, [[0, 0.5, 0.5, 0], [0, 0, 0, 1]])
    if temperature > 1e5:
        np.testing.assert_allclose(weights, [[1 / 3] * 3 + [0], [0.25] * 4], rtol=1e-3)


@pytest.mark.parametrize("temperature", [2e-38, 1e-30, 1.0, 1e38])
def test_no_overflow_on_the_way(temperature):
    x = np.array([0, 1e5, 3e37], np.float32)
    with np.errstate(all="raise", under="ignore"):
        weights = softmax(x, temperature=temperature)
    want = [0, 0, 1] if temperature < 1e30 else softmax(x.astype(float), temperature=temperature)
    np.testing.assert_allclose(weights, want, rtol=1e-6)


@pytest.mark.parametrize("temperature", TINY_TO_HUGE)
def test_infinite_scores_at_every_temperature(temperature):
    x = np.array([[np.inf, 1, np.inf, -np.inf], [-np.inf] * 4, [np.nan, 1, 2, -np.inf]])
    weights = softmax(x, temperature=temperature)
    np.testing.assert_array_equal(weights[:2], [[0.5, 0, 0.5, 0], [0, 0, 0, 0]])
    assert np.isnan(weights[2, :3]).all()
    np.testing.assert_array_equal(logsumexp(x), [np.inf, -np.inf, np.nan])


@pytest.mark.parametrize("temperature", [0, 0.5, 1.0, math.inf])
def test_a_mask_is_the_same_as_leaving_out(temperature):
    x = np.array([3.0, np.nan, 1.0, np.inf])
    mask = np.array([True, False, True, False])
    weights = softmax(x, temperature=temperature, mask=mask)
    np.testing.assert_allclose(weights[mask], softmax(x[mask], temperature=temperature))
    assert (weights[~mask] == 0).all()
    np.testing.assert_allclose(logsumexp(x, mask=mask), logsumexp(x[mask]))
    np.testing.assert_array_equal(softmax(x, mask=np.zeros(4, bool)), 0)
    assert logsumexp(x, mask=np.zeros(4, bool)) == -np.inf


def test_an_axis_without_entries():
    assert softmax(np.zeros((3, 0))).shape == (3, 0)
    np.testing.assert_array_equal(logsumexp(np.zeros((3, 0))), [-np.inf] * 3)
    np.testing.assert_array_equal(entropy(np.zeros((3, 0))), [0] * 3)
    assert softmax(np.zeros((0, 3)), axis=0, temperature=0).shape == (0, 3)
    assert softmax_jacobian(np.zeros((2, 0))).shape == (2, 0, 0)


@pytest.mark.parametrize("scale", [1e3, 1e30])
def test_large_scores_do_not_overflow(scale):
    x = np.array([scale, -scale, scale])
    np.testing.assert_array_equal(softmax(x), [0.5, 0, 0.5])
    np.testing.assert_allclose(logsumexp(x), scale + math.log(2))


@pytest.mark.parametrize(
    ("dtype", "lse_dtype"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_dtypes(dtype, lse_dtype):
    x = torch.zeros(3000, dtype=dtype)  # a float16 sum would stop at 2048
    weights = softmax(x)
    assert weights.dtype == dtype and logsumexp(x).dtype == lse_dtype
    assert math.isclose(float(weights.double().sum()), 1, rel_tol=1e-2)
    assert math.isclose(float(logsumexp(x)), math.log(3000), rel_tol=1e-6)
    assert entropy(weights).dtype == dtype
    assert softmax_jacobian(weights[:0]).dtype == dtype


@pytest.mark.parametrize("temperature", [0, 1e-300, 0.3, 1.0, math.inf])
def test_no_nan_in_the_gradient(temperature):
    x = torch.tensor([[1.0, -torch.inf, 1.0], [-torch.inf] * 3, [2.0, 5.0, torch.inf]])
    x.requires_grad_()
    pull = torch.tensor([1.0, 2.0, 3.0])
    (g,) = torch.autograd.grad((softmax(x, temperature=temperature) * pull).sum(), x)
    assert torch.isfinite(g).all() and (g[1:] == 0).all()
    if temperature in (0, math.inf):
        assert (g == 0).all()
    (g,) = torch.autograd.grad(logsumexp(x)[:2].sum(), x)
    assert torch.isfinite(g).all() and (g[1] == 0).all()


@given(row.filter(lambda x: x.size > 1), temperatures)
def test_the_jacobian_equals_autograd(x, temperature):
    weights = softmax(x, temperature=temperature)
    ours = softmax_jacobian(weights, temperature=temperature)
    want = torch.autograd.functional.jacobian(
        lambda s: softmax(s, temperature=temperature), torch.from_numpy(x)
    )
    np.testing.assert_allclose(ours, want.numpy(), atol=1e-12)
    np.testing.assert_allclose(ours.sum(-1), 0, atol=1e-12)


def test_the_jacobian_at_the_ends():
    np.testing.assert_array_equal(softmax_jacobian(np.array([0.0, 1.0, 0.0])), np.zeros((3, 3)))
    np.testing.assert_array_equal(
        softmax_jacobian(np.array([0.5, 0.5]), temperature=math.inf), np.zeros((2, 2))
    )
    with pytest.raises(ValueError, match=r"temperature is 0.*use a temperature > 0"):
        softmax_jacobian(np.array([0.0, 1.0]), temperature=0)


def test_gradcheck():
    x = torch.tensor([[0.3, -1.0, 2.0], [1.0, 0.5, -torch.inf]], dtype=torch.float64)
    shift = torch.zeros_like(x, requires_grad=True)
    for function in (
        lambda d: softmax(x + d, temperature=0.7),
        lambda d: softmax(x + d, 0, temperature=2.0),
        lambda d: logsumexp(x + d),
        lambda d: entropy(softmax(x + d)),
    ):
        assert torch.autograd.gradcheck(function, (shift,))


@given(row)
def test_entropy_lies_between_zero_and_log_n(x):
    h = entropy(softmax(x))
    assert -1e-12 <= h <= math.log(x.size) + 1e-12
    assert math.isclose(entropy(softmax(x, temperature=math.inf)), math.log(x.size), abs_tol=1e-12)


@given(row.filter(lambda x: np.ptp(x) > 0.1), st.floats(0.5, 10))
def test_entropy_grows_with_temperature_by_the_variance_of_the_scores(x, t):
    """dH/dT = Var(s)/T³, the variance under the weights; proved in chapters/lookup."""
    weights = softmax(x, temperature=t)
    variance = weights @ x**2 - (weights @ x) ** 2
    step = 1e-4 * t
    above, below = (entropy(softmax(x, temperature=t + d)) for d in (step, -step))
    np.testing.assert_allclose((above - below) / (2 * step), variance / t**3, rtol=1e-4, atol=1e-6)


def test_entropy_by_hand_and_along_an_axis():
    weights = np.array([[0.5, 1.0, 0.0], [0.5, 0.0, 0.0]])
    np.testing.assert_allclose(entropy(weights, axis=0), [math.log(2), 0, 0])
    assert not np.signbit(entropy(weights, axis=0)).any()


def test_entropy_takes_rounded_weights_but_no_others():
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        entropy(softmax(torch.linspace(-3, 3, 501, dtype=dtype)))
    entropy(softmax(np.linspace(-3, 3, 501, dtype=np.float32)).astype(np.float64))
    with pytest.raises(ValueError, match=r"sum to 1.*sums to 0\.9$"):
        entropy(np.array([[0.5, 0.5], [0.5, 0.4]]))
    with pytest.raises(ValueError, match=r"sums to 2$"):
        entropy(np.ones((2, 2)) * np.array([[0.5], [1.0]]))
    with pytest.raises(ValueError, match=r"sums to nan$"):
        entropy(np.array([0.5, np.nan]))
    with pytest.raises(ValueError, match=r"negative; the least is -0\.5"):
        entropy(np.array([1.5, -0.5]))
    with pytest.raises(ValueError, match="sum to 1"):
        softmax_jacobian(np.array([0.5, 0.6]))
