"""Changing one position at a time finds who influences whom, and what a mask should have hidden."""

import math

import array_api_strict
import numpy as np
import pytest
import torch

from attnbook import attention, causal_mask, padding_mask, window_mask
from attnbook.leaks import influence, leaks

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 5, 4))


def masked(mask):
    return lambda x: attention(x, x, x, mask=mask)


@pytest.mark.parametrize(
    "mask", [causal_mask(5), window_mask(5, left=1, right=0), np.eye(5, dtype=bool)]
)
def test_influence_through_one_layer_is_the_mask(mask):
    """Of x alone, a query moves its own row, and every mask here has its diagonal."""
    np.testing.assert_array_equal(influence(masked(mask), X), mask)
    assert leaks(masked(mask), X, mask) == []


def test_influence_through_two_layers_is_two_steps():
    mask = window_mask(6, left=1, right=0)
    x = RNG.normal(size=(6, 4))
    got = influence(lambda x: masked(mask)(masked(mask)(x)), x)
    np.testing.assert_array_equal(got, window_mask(6, left=2, right=0))


def test_other_numbers_of_queries_and_keys():
    q = RNG.normal(size=(2, 4))
    kv = RNG.normal(size=(5, 4))
    np.testing.assert_array_equal(
        influence(lambda kv: attention(q, kv, kv, causal=True), kv), causal_mask(2, 5)
    )


def test_keys_that_nobody_sees_and_queries_that_see_nothing():
    mask = np.zeros((3, 4), dtype=bool)
    mask[1, 2] = True
    q, x = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 4))
    np.testing.assert_array_equal(influence(lambda x: attention(q, x, x, mask=mask), x), mask)


@pytest.mark.parametrize(
    "broken, found",
    [
        (masked(np.tril(np.ones((5, 5), dtype=bool), 1)), [(0, 1), (1, 2), (2, 3), (3, 4)]),
        (lambda x: masked(causal_mask(5))(x - x.mean(-2, keepdims=True)), None),
        (lambda x: x / np.abs(x).max(), None),
    ],
    ids=["off by one", "a mean over positions", "a maximum over all"],
)
def test_leaks_are_found(broken, found):
    got = leaks(broken, X, causal_mask(5))
    assert got
    assert all(j > i for i, j in got)
    assert found is None or got == found


def test_axis_0_finds_what_passes_between_the_sequences_of_a_batch():
    x = RNG.normal(size=(3, 5, 4))
    alone = np.eye(3, dtype=bool)
    assert leaks(masked(causal_mask(5)), x, alone, axis=0) == []
    through = leaks(lambda x: x - x.mean(axis=(0, 1)), x, alone, axis=0)
    assert through == [(i, j) for i in range(3) for j in range(3) if i != j]


def test_tokens_are_changed_by_a_function_of_their_own():
    table = RNG.normal(size=(10, 4))
    tokens = RNG.integers(10, size=(2, 5))

    def model(tokens):
        x = table[tokens]
        return attention(x, x, x, causal=True)[..., 0]

    def other(tokens):
        return (tokens + 1) % 10

    np.testing.assert_array_equal(influence(model, tokens, axis=-1, change=other), causal_mask(5))
    with pytest.raises(TypeError, match="takes no noise; give change"):
        influence(model, tokens, axis=-1)


def test_nan_finds_a_weight_of_zero_times_nan():
    """Behind the same mask torch's attention takes the NaN along, and the library does not."""

    def by_torch(x):
        q = torch.ones(1, 4, 4, dtype=x.dtype)
        return torch.nn.functional.scaled_dot_product_attention(q, x, x, is_causal=True)

    x = torch.randn(1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def nan(x):
        return x * math.nan

    assert leaks(by_torch, x, causal_mask(4)) == []
    assert leaks(by_torch, x, causal_mask(4), change=nan) != []
    ours = lambda x: attention(torch.ones_like(x), x, x, causal=True)  # noqa: E731
    np.testing.assert_array_equal(influence(ours, x, change=nan), causal_mask(4))


def test_a_tolerance_lets_rounding_pass():
    def nearly(x):
        return x + 1e-9 * x.sum()

    assert leaks(nearly, X, np.eye(5, dtype=bool))
    assert leaks(nearly, X, np.eye(5, dtype=bool), tolerance=1e-6) == []


def test_a_tolerance_does_not_hide_nan():
    def spoils(x):
        return np.where(x[..., -1:, :] == X[..., -1:, :], x, math.nan)

    assert leaks(spoils, X, np.eye(5, dtype=bool), tolerance=1.0) == [(i, 4) for i in range(4)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_torch(dtype):
    x = torch.tensor(X, dtype=dtype, requires_grad=True)
    mask = causal_mask(5, xp=torch)
    assert leaks(masked(mask), x, mask) == []
    np.testing.assert_array_equal(influence(masked(mask), x), causal_mask(5))


def test_array_api():
    x = array_api_strict.asarray(X)
    got = influence(lambda x: attention(x, x, x, causal=True), x)
    np.testing.assert_array_equal(got, causal_mask(5))


def test_padding():
    mask = padding_mask(np.array([3, 5]), 5)[:, None, :]
    padding = ~mask[0, 0]
    found = influence(lambda x: masked(mask[:1])(x[:1])[0, :3], X[0][None])
    assert not found[:, padding].any()
    assert found[:, ~padding].all()


def test_the_input_is_not_written_to_and_may_be_empty():
    x = X.copy()
    influence(masked(causal_mask(5)), x)
    np.testing.assert_array_equal(x, X)
    assert influence(lambda x: x, np.zeros((0, 3))).shape == (0, 0)


def test_errors():
    draws = np.random.default_rng(0)
    with pytest.raises(ValueError, match="two results for one input; switch dropout off"):
        influence(lambda x: x * draws.random(x.shape), X)
    with pytest.raises(ValueError, match=r"differs from x everywhere; x is .* with equal entries"):
        influence(lambda x: x, X, change=lambda x: x)
    with pytest.raises(ValueError, match=r"x is \(2, 5, 4\), it gave \(4,\)$"):
        influence(lambda x: x, X, change=lambda x: x[0, 0])
    with pytest.raises(ValueError, match=r"the output has shape \(\), and so no axis -2"):
        influence(lambda x: x.sum(), X)
    with pytest.raises(ValueError, match=r"the output has shape \(4,\), and so no axis 1"):
        influence(lambda x: x[0, 0], X, axis=1)
    with pytest.raises(ValueError, match="the output changes its shape"):
        influence(lambda x: x[:, : 5 - int((x != X).any())], X)
    with pytest.raises(TypeError, match="x is a list, not an array"):
        influence(lambda x: x, [[1.0]])
    with pytest.raises(TypeError, match="it must be bool, True = may influence"):
        leaks(lambda x: x, X, np.eye(5))
    with pytest.raises(ValueError, match="there are 5 outputs and 5 inputs"):
        leaks(lambda x: x, X, np.eye(4, dtype=bool))
