"""Hopfield networks: energies that never rise, what is recalled, an update that is attention."""

from itertools import pairwise

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnbook.hopfield import (
    classical_energy,
    classical_retrieve,
    classical_update,
    hebbian_weights,
    modern_energy,
    modern_retrieve,
    modern_update,
)


def signs(rng, *shape):
    return rng.choice([-1.0, 1.0], shape)


def symmetric(rng, n):
    """Weights as good as any: symmetric, zero diagonal, not made of patterns."""
    w = rng.standard_normal((n, n))
    return (w + w.T) * (1 - np.eye(n))


def softmax_by_hand(z):
    e = np.exp(z - z.max())
    return e / e.sum()


# ---------------------------------------------------------------- classical


def test_hebbian_weights_equal_their_definition():
    x = signs(np.random.default_rng(0), 3, 7)
    want = sum(np.outer(row, row) for row in x) / 7
    np.fill_diagonal(want, 0)
    np.testing.assert_allclose(hebbian_weights(x), want, atol=1e-15)
    np.testing.assert_array_equal(hebbian_weights(x[:0]), np.zeros((7, 7)))


@given(seed=st.integers(0, 999), n=st.integers(1, 12))
def test_the_energy_equals_its_definition_and_falls_with_each_unit(seed, n):
    rng = np.random.default_rng(seed)
    s, w = signs(rng, n), symmetric(rng, n)
    energy = -0.5 * sum(w[i, j] * s[i] * s[j] for i in range(n) for j in range(n))
    np.testing.assert_allclose(classical_energy(s, w), energy, atol=1e-12)
    for i in rng.integers(0, n, 30):
        new = classical_update(s, w, order=[i])
        assert (np.delete(new, i) == np.delete(s, i)).all()
        now = classical_energy(new, w)
        # A change of unit i by 2 s_i lowers the energy by 2 |field|: strictly.
        drop = 2 * abs(w[i] @ s) if new[i] != s[i] else 0.0
        np.testing.assert_allclose(now, energy - drop, atol=1e-12)
        s, energy = new, now


@given(seed=st.integers(0, 999), n=st.integers(1, 9))
def test_a_sweep_is_one_unit_after_the_other(seed, n):
    rng = np.random.default_rng(seed)
    start, w = signs(rng, 4, n), symmetric(rng, n)
    before = start.copy()
    for order in (None, rng.permutation(n), [n - 1, 0, n - 1]):
        want = start.copy()
        for s in want:
            for i in range(n) if order is None else order:
                s[i] = 1.0 if w[i] @ s > 0 else -1.0 if w[i] @ s < 0 else s[i]
        np.testing.assert_array_equal(classical_update(start, w, order=order), want)
    w = rng.standard_normal((n, n))  # unit i listens to row i, also where that matters
    fields = start @ w.T
    want = np.where(fields == 0, start, np.sign(fields))
    np.testing.assert_array_equal(classical_update(start, w, synchronous=True), want)
    np.testing.assert_array_equal(start, before)


def test_synchronous_updates_may_cycle_with_period_two():
    w = hebbian_weights(np.array([[1.0, 1.0]]))
    state = np.array([1.0, -1.0])
    once = classical_update(state, w, synchronous=True)
    np.testing.assert_array_equal(once, -state)
    np.testing.assert_array_equal(classical_update(once, w, synchronous=True), state)
    # One after the other, the same state comes to rest, and it does so lower.
    rest = classical_retrieve(state, w)
    assert rest.converged and classical_energy(rest.state, w) < classical_energy(state, w)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_tie_keeps_the_old_sign_in_spite_of_rounding(dtype):
    # n = 49 with 1/49 rounded: fields that are 0 in exact arithmetic come out as 1e-17 or so.
    n, rounding = 49, 0
    for seed in range(20):
        x = signs(np.random.default_rng(seed), 3, n).astype(dtype)
        state, w = signs(np.random.default_rng(seed + 99), n).astype(dtype), hebbian_weights(x)
        exact = (x.T @ x - 3 * np.eye(n, dtype=dtype)) @ state  # whole numbers
        rounding += ((w @ state != 0) & (exact == 0)).sum()
        want = np.where(exact == 0, state, np.sign(exact))
        np.testing.assert_array_equal(classical_update(state, w, synchronous=True), want)
        for i in np.flatnonzero(exact == 0):
            np.testing.assert_array_equal(classical_update(state, w, order=[i]), state)
    assert rounding > 0


def test_what_counts_as_a_tie_depends_on_the_weights_of_the_unit_alone():
    w = np.zeros((4, 4))
    w[0, 1] = w[1, 0] = 1e-10
    w[2, 3] = w[3, 2] = 1e6
    state = np.array([1.0, -1.0, 1.0, -1.0])
    np.testing.assert_array_equal(classical_update(state, w), [-1, -1, -1, -1])


def test_classical_states_of_any_shape_are_many_single_states():
    rng = np.random.default_rng(6)
    w, states = symmetric(rng, 5), signs(rng, 2, 3, 5)
    for synchronous in (False, True):
        got = classical_update(states, w, synchronous=synchronous)
        for index in np.ndindex(2, 3):
            want = classical_update(states[index], w, synchronous=synchronous)
            np.testing.assert_array_equal(got[index], want)
    for index in np.ndindex(2, 3):
        want = classical_energy(states[index], w)
        np.testing.assert_allclose(classical_energy(states, w)[index], want)
    assert classical_retrieve(states[:0], w).state.shape == (0, 3, 5)


def test_without_weights_every_state_stays():
    state = np.array([1.0, -1.0, 1.0])
    for synchronous in (False, True):
        got = classical_update(state, np.zeros((3, 3)), synchronous=synchronous)
        np.testing.assert_array_equal(got, state)


def recalled(load, n=150, seeds=4):
    """The fraction of random patterns that come back from a state with 5 % of its signs wrong."""
    fractions = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        x = signs(rng, round(load * n), n)
        start = np.where(rng.random(x.shape) < 0.05, -x, x)
        found = classical_retrieve(start, hebbian_weights(x), seed=seed)
        assert found.converged
        fractions.append(((found.state * x).mean(axis=1) > 0.95).mean())
    return np.mean(fractions)


def test_patterns_are_recalled_below_the_capacity_of_0_138_n_and_lost_above():
    assert recalled(0.05) >= 0.95  # Amit, Gutfreund and Sompolinsky (1985): up to 0.138
    assert recalled(0.25) <= 0.4


def test_stored_patterns_far_below_capacity_are_fixed_points():
    x = signs(np.random.default_rng(1), 4, 200)
    found = classical_retrieve(x, hebbian_weights(x))
    np.testing.assert_array_equal(found.state, x)
    assert found.steps == 1 and found.converged
    # The network cannot tell a pattern from its opposite.
    np.testing.assert_array_equal(classical_update(-x, hebbian_weights(x)), -x)


def test_a_retrieval_gives_up_and_says_so_and_repeats_with_its_seed():
    rng = np.random.default_rng(2)
    start, w = signs(rng, 3, 60), symmetric(rng, 60)
    done = classical_retrieve(start, w, seed=5)
    assert done.converged and 2 < done.steps < 100
    short = classical_retrieve(start, w, seed=5, max_sweeps=done.steps - 1)
    assert not short.converged and short.steps == done.steps - 1
    np.testing.assert_array_equal(short.state, done.state)  # only the proof of rest was missing
    np.testing.assert_array_equal(classical_retrieve(start, w, seed=5).state, done.state)
    others = [classical_retrieve(start, w, seed=seed).state for seed in range(5)]
    assert any((other != done.state).any() for other in others)
    one = classical_retrieve(start[0], w, seed=5).state
    np.testing.assert_array_equal(one, done.state[0])
    # Another order in each sweep, the first of them that of the seed.
    first = np.random.default_rng(5).permutation(60)
    once = classical_retrieve(start, w, seed=5, max_sweeps=1)
    np.testing.assert_array_equal(once.state, classical_update(start, w, order=first))


# ---------------------------------------------------------------- modern


@given(
    seed=st.integers(0, 999),
    n=st.integers(1, 6),
    d=st.integers(1, 5),
    beta=st.floats(0.01, 20),
    spread=st.floats(0.1, 5),
)
def test_the_modern_energy_is_not_negative_and_never_rises(seed, n, d, beta, spread):
    rng = np.random.default_rng(seed)
    x, state = spread * rng.standard_normal((n, d)), 3 * rng.standard_normal(d)
    z = beta * x @ state
    lse = (np.log(np.exp(z - z.max()).sum()) + z.max()) / beta
    want = -lse + state @ state / 2 + np.log(n) / beta + (x**2).sum(axis=1).max() / 2
    energy = modern_energy(state, x, beta)
    np.testing.assert_allclose(energy, want, rtol=1e-10, atol=1e-10)
    tiny = 1e-10 * (1 + abs(energy) + spread**2)
    assert energy >= -tiny
    for _ in range(5):
        new = modern_update(state, x, beta)
        np.testing.assert_allclose(new, softmax_by_hand(beta * x @ state) @ x, atol=1e-12)
        now = modern_energy(new, x, beta)
        assert now <= energy - ((new - state) ** 2).sum() / 2 + tiny
        state, energy = new, now


def test_a_step_downhill_is_the_gradient_of_the_energy():
    torch.manual_seed(0)
    x, state = torch.randn(4, 3).double(), torch.randn(3).double().requires_grad_()
    (gradient,) = torch.autograd.grad(modern_energy(state, x, 1.7), state)
    np.testing.assert_allclose(gradient, (state - modern_update(state, x, 1.7)).detach())


def test_beta_sets_how_many_patterns_mix():
    x = np.array([[3.0, 0.3], [3.0, -0.3], [-3.0, 0.0]])  # two similar ones, one apart
    state = np.array([1.0, 0.1])
    np.testing.assert_allclose(modern_retrieve(state, x, 1e-9).state, x.mean(axis=0), atol=1e-6)
    # Between: a state that mixes the similar ones and stays there, though it is no pattern.
    metastable = modern_retrieve(state, x, 1.0)
    assert metastable.converged
    np.testing.assert_allclose(metastable.state, [3, 0], atol=1e-3)
    nearest = modern_retrieve(state, x, 1e4)
    assert nearest.converged
    np.testing.assert_array_equal(nearest.state, x[0])


def test_one_update_retrieves_within_the_bound():
    rng = np.random.default_rng(3)
    n, d, beta = 6, 20, 0.8
    sharp = []
    for _ in range(20):
        x = rng.standard_normal((n, d))
        longest = np.linalg.norm(x, axis=1).max()
        products = x @ x.T
        apart = np.where(np.eye(n, dtype=bool), np.inf, products.diagonal()[:, None] - products)
        delta = apart.min(axis=1)
        state = x + 0.02 * rng.standard_normal((n, d))
        off = np.linalg.norm(state - x, axis=1)
        error = np.linalg.norm(modern_update(state, x, beta) - x, axis=1)
        bound = 2 * longest * (n - 1) * np.exp(-beta * (delta - 2 * longest * off))
        assert (error <= bound).all()
        sharp += list(error[bound < 0.1] > 0)
    assert len(sharp) > 20  # the bound says something


def capacity(d, queries=100):
    """The most patterns, a power of 2, of which 90 % come back with one update.

    Random patterns of length √d, beta 1; an error below a fifth of the length counts as recalled.
    """
    for log2 in range(1, 15):
        rng, recalled = np.random.default_rng(d), []
        while len(recalled) < queries:
            x = rng.standard_normal((2**log2, d))
            x *= np.sqrt(d) / np.linalg.norm(x, axis=1, keepdims=True)
            some = x[:queries]
            error = np.linalg.norm(modern_update(some, x, 1.0) - some, axis=1)
            recalled += list(error < 0.2 * np.sqrt(d))
        if np.mean(recalled) < 0.9:
            return 2 ** (log2 - 1)
    raise AssertionError("all were recalled")


def test_the_capacity_grows_exponentially_with_the_dimension():
    counts = [capacity(d) for d in (6, 8, 10, 12, 14)]  # measured: 16, 64, 256, 1024, 4096
    for fewer, more in pairwise(counts):
        assert more >= 2 * fewer  # a line would give a factor of 4/3 at first, and then less
    assert counts[-1] >= 64 * counts[0]


def test_a_modern_retrieval_gives_up_and_says_so():
    x, start = np.eye(3), np.array([[0.6, 0.4, 0.1], [0.1, 0.8, 0.2]])
    done = modern_retrieve(start, x, 4.0)
    assert done.converged and 2 < done.steps < 1000
    np.testing.assert_allclose(modern_update(done.state, x, 4.0), done.state, atol=1e-6)
    short = modern_retrieve(start, x, 4.0, max_steps=done.steps - 1)
    assert not short.converged and short.steps == done.steps - 1
    # The tolerance is relative: patterns 10 times as long, at 1/100 of beta, take the same steps.
    assert modern_retrieve(10 * start, 10 * x, 0.04).steps == done.steps
    one = modern_retrieve(start, x, 4.0, tolerance=10.0)
    assert one.converged and one.steps == 1
    np.testing.assert_allclose(one.state, modern_update(start, x, 4.0))


def test_the_tolerance_is_for_each_state_in_lengths_of_the_longest_pattern():
    x, start = np.array([[2.0, 0], [0, 2], [1, 1], [1, -1]]), np.tile([0.5, 0.2], (9, 1))
    move = np.linalg.norm(modern_update(start, x, 1.0) - start, axis=-1)[0]
    for factor, converged in ((0.95, False), (1.05, True)):
        found = modern_retrieve(start, x, 1.0, tolerance=factor * move / 2, max_steps=1)
        assert found.converged == converged
    # Nothing but zeros: any move would be too much, and there is none.
    found = modern_retrieve(np.ones(2), np.zeros((3, 2)), 1.0)
    assert (found.state == 0).all() and found.steps == 2 and found.converged


def test_a_state_of_nan_never_converges():
    found = modern_retrieve(np.array([np.nan, 0.0]), np.eye(2), 1.0, max_steps=3)
    assert not found.converged and np.isnan(found.state).all()


def test_states_of_any_shape_are_many_single_states():
    rng = np.random.default_rng(4)
    x, states = rng.standard_normal((5, 3)), rng.standard_normal((2, 1, 2, 4, 3))
    got, energies = modern_update(states, x, 1.3), modern_energy(states, x, 1.3)
    for index in np.ndindex(2, 1, 2, 4):
        np.testing.assert_allclose(got[index], modern_update(states[index], x, 1.3), atol=1e-14)
        np.testing.assert_allclose(energies[index], modern_energy(states[index], x, 1.3))
    assert modern_retrieve(states, x, 1.3).state.shape == states.shape
    assert modern_update(states[:0], x, 1.3).shape == (0, 1, 2, 4, 3)


# ---------------------------------------------------------------- both


def all_results(a):
    rng = np.random.default_rng(5)
    x, s = a(signs(rng, 3, 9)), a(signs(rng, 4, 9))
    w = hebbian_weights(x)
    found, modern = classical_retrieve(s, w, seed=0), modern_retrieve(s, x, 0.5)
    sync = classical_update(s, w, synchronous=True)
    return [w, classical_energy(s, w), found[0], sync, modern_energy(s, x, 0.5), modern.state]


@pytest.mark.parametrize("library", [array_api_strict.asarray, torch.from_numpy])
def test_every_library_gives_the_numbers_of_numpy(library):
    for ours, want in zip(all_results(library), all_results(np.asarray), strict=True):
        assert type(ours) is type(library(np.zeros(1)))
        np.testing.assert_allclose(np.asarray(ours), want, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_result_has_the_dtype_of_the_input(dtype):
    results = all_results(lambda array: torch.as_tensor(array, dtype=dtype))
    assert {result.dtype for result in results} == {dtype}
    for a, b in ((torch.float64, dtype), (dtype, torch.float64)):
        state, matrix = torch.ones(2, dtype=a), torch.ones(2, 2, dtype=b)
        assert modern_energy(state, matrix, 1.0).dtype == torch.float64
        assert classical_energy(state, matrix).dtype == torch.float64
    np.testing.assert_allclose(results[-1].double(), all_results(np.asarray)[-1], atol=1e-2)


S, W, X, XI = np.ones(4), np.zeros((4, 4)), np.ones((3, 4)), np.zeros(4)
VALUE_ERRORS = {
    "patterns 1-d": (lambda: hebbian_weights(S), r"patterns \(4,\) must be \(N, n\)"),
    "patterns without units": (lambda: hebbian_weights(X[:, :0]), r"\(3, 0\).*\(N, n\)"),
    "patterns of 0 and 1": (lambda: hebbian_weights(0 * X), r"patterns .*entries 1 or -1"),
    "state of 0 and 1": (lambda: classical_energy(XI, W), r"entry of the state must be 1 or -1"),
    "state of NaN": (lambda: classical_update(S * np.nan, W), r"^each .* must be 1 or -1$"),
    "weights not square": (lambda: classical_energy(S, X), r"weights \(3, 4\).*and \(n, n\)"),
    "weights of another size": (lambda: classical_update(S[:3], W), r"state has shape \(3,\)"),
    "weights 1-d": (lambda: classical_update(S, S), r"weights \(4,\); they must be"),
    "state 0-d": (lambda: classical_retrieve(np.ones(()), W), r"state has shape \(\)"),
    "no units": (lambda: classical_energy(S[:0], W[:0, :0]), r"weights \(0, 0\).*not empty"),
    "order too far": (
        lambda: classical_update(S, W, order=[0, 4]),
        r"unit 4; the units are 0 to 3",
    ),
    "order negative": (lambda: classical_update(S, W, order=[-1]), r"order must be at least 0"),
    "order of all at once": (
        lambda: classical_update(S, W, order=[0], synchronous=True),
        r"^an order is for one unit after the other",
    ),
    "max_sweeps": (
        lambda: classical_retrieve(S, W, max_sweeps=0),
        r"max_sweeps must be at least 1",
    ),
    "seed": (lambda: classical_retrieve(S, W, seed=-1), r"seed must be at least 0"),
    "widths": (
        lambda: modern_update(XI[:3], X, 1.0),
        r"state has shape \(3,\) and patterns \(3, 4",
    ),
    "states 0-d": (lambda: modern_update(np.ones(()), X, 1.0), r"state has shape \(\)"),
    "patterns of modern 1-d": (
        lambda: modern_update(XI, XI, 1.0),
        r"patterns \(4,\).* and \(N, n\), and",
    ),
    "no patterns": (lambda: modern_energy(XI, X[:0], 1.0), r"patterns \(0, 4\).*not empty"),
    "beta 0": (lambda: modern_energy(XI, X, 0), r"beta must be > 0 and finite; got 0"),
    "beta negative": (lambda: modern_update(XI, X, -1.0), r"beta must be > 0.*got -1"),
    "beta inf": (lambda: modern_retrieve(XI, X, np.inf), r"beta must be > 0 and finite; got inf"),
    "tolerance": (lambda: modern_retrieve(XI, X, 1.0, tolerance=0), r"tolerance must be > 0"),
    "max_steps": (
        lambda: modern_retrieve(XI, X, 1.0, max_steps=0),
        r"max_steps must be at least 1",
    ),
}
TYPE_ERRORS = {
    "list": (lambda: hebbian_weights([[1.0]]), r"patterns is a list"),
    "integers": (lambda: hebbian_weights(np.ones((3, 4), int)), r"patterns has dtype int64"),
    "integer state": (lambda: classical_energy(np.ones(4, int), W), r"state has dtype int64"),
    "two libraries": (lambda: modern_energy(torch.ones(4), X, 1.0), r"state is a torch array"),
    "synchronous": (lambda: classical_update(S, W, synchronous=1), r"synchronous must be True or"),
    "order": (lambda: classical_update(S, W, order=[0.5]), r"a unit in order must be an integer"),
    "beta array": (lambda: modern_update(XI, X, np.ones(1)), r"beta must be a Python number"),
    "seed": (lambda: classical_retrieve(S, W, seed=0.5), r"seed must be an integer"),
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
