"""hard_lookup, soft_lookup, their scores, and kernel regression."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnbook import (
    attention,
    hard_lookup,
    kernel_regression,
    scores,
    soft_lookup,
    softmax,
)

SCORES = ["dot", "scaled_dot", "distance", "cosine"]
KEYS = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]])
VALUES = np.array([[1.0], [2.0], [3.0], [4.0]])


@st.composite
def problems(draw):
    """Small whole numbers, so that ties are common and exact."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lead = draw(st.sampled_from([(), (3,), (2, 3)]))
    n, d_k, d_v = (draw(st.integers(1, 6)) for _ in range(3))
    query, keys, values = (
        rng.integers(-2, 3, shape).astype(np.float64)
        for shape in ((*lead, d_k), (n, d_k), (n, d_v))
    )
    return query, keys, values


def score_by_hand(q, k, score):
    q, k = [float(x) for x in q], [float(x) for x in k]
    dot = sum(a * b for a, b in zip(q, k, strict=True))
    lengths = math.hypot(*q) * math.hypot(*k)
    return {
        "dot": dot,
        "scaled_dot": dot / math.sqrt(len(q)),
        "distance": -0.5 * math.dist(q, k) ** 2,
        "cosine": dot / lengths if lengths else 0.0,
    }[score]


@pytest.mark.parametrize("score", SCORES)
@given(problem=problems())
def test_scores_equal_those_by_hand(score, problem):
    query, keys, _ = problem
    ours = scores(query, keys, score=score)
    assert ours.shape == (*query.shape[:-1], keys.shape[0])
    for at in np.ndindex(query.shape[:-1]):
        want = [score_by_hand(query[at], key, score) for key in keys]
        np.testing.assert_allclose(ours[at], want, atol=1e-14)


def test_cosine_takes_very_short_and_very_long_vectors():
    keys = np.array([[3e-30, 4e-30], [3e30, 4e30], [0.0, 0.0]], np.float32)
    ours = scores(np.array([1.0, 0.0], np.float32), keys, score="cosine")
    np.testing.assert_allclose(ours, [0.6, 0.6, 0.0], rtol=1e-6)
    zero = torch.zeros(2, requires_grad=True)
    (g,) = torch.autograd.grad(scores(zero, torch.eye(2), score="cosine").sum(), zero)
    assert torch.isfinite(g).all()


@given(st.integers(0, 999))
def test_the_softmax_of_the_distance_is_a_gaussian_kernel(seed):
    rng = np.random.default_rng(seed)
    query, keys = rng.standard_normal((5, 3)), rng.standard_normal((4, 3))
    kernel = np.exp(-((query[:, None] - keys) ** 2).sum(-1) / (2 * 0.3))
    weights = softmax(scores(query, keys, score="distance"), temperature=0.3)
    np.testing.assert_allclose(weights, kernel / kernel.sum(1, keepdims=True), atol=1e-12)


@pytest.mark.parametrize("score", SCORES)
@given(problem=problems())
def test_temperature_zero_equals_the_hard_lookup(score, problem):
    query, keys, values = problem
    hard = hard_lookup(query, keys, values, score=score)
    np.testing.assert_array_equal(
        soft_lookup(query, keys, values, temperature=0, score=score), hard
    )
    # and is the mean of the best-scoring values
    s = scores(query, keys, score=score)
    for at in np.ndindex(query.shape[:-1]):
        np.testing.assert_allclose(hard[at], values[s[at] == s[at].max()].mean(0), atol=1e-13)
        first = hard_lookup(query, keys, values, score=score, ties="first")
        np.testing.assert_array_equal(first[at], values[np.argmax(s[at])])


@given(problems())
def test_temperature_infinity_is_the_mean(problem):
    query, keys, values = problem
    out = soft_lookup(query, keys, values, temperature=math.inf)
    np.testing.assert_allclose(out, np.broadcast_to(values.mean(0), out.shape), atol=1e-13)
    mask = np.arange(keys.shape[0]) < 1
    only = soft_lookup(query, keys, values, temperature=math.inf, mask=mask)
    np.testing.assert_array_equal(only, np.broadcast_to(values[0], only.shape))


@given(problems(), st.floats(0.1, 5))
def test_a_soft_lookup_is_attention(problem, temperature):
    query, keys, values = problem
    out, weights = soft_lookup(query, keys, values, temperature=temperature, return_weights=True)
    want = attention(np.atleast_2d(query), keys, values, scale=1 / temperature)
    np.testing.assert_allclose(out, want.reshape(out.shape), atol=1e-12)
    np.testing.assert_allclose(weights @ values, out, atol=1e-12)
    numbers = soft_lookup(query, keys, values[:, 0], temperature=temperature)
    np.testing.assert_allclose(numbers, out[..., 0], atol=1e-12)


def test_identical_keys_make_the_query_stop_mattering():
    keys = np.ones((4, 2))
    for query in (np.array([9.0, -3.0]), np.zeros(2)):
        np.testing.assert_allclose(soft_lookup(query, keys, VALUES), [2.5])


def test_nothing_to_look_at_gives_zero():
    query = np.ones((3, 2))
    out, weights = soft_lookup(query, KEYS, VALUES, mask=np.zeros(4, bool), return_weights=True)
    assert (out == 0).all() and (weights == 0).all()
    assert (soft_lookup(query, KEYS[:0], VALUES[:0]) == 0).all()
    mask = np.array([[True] * 4, [False] * 4, [True] * 4])
    np.testing.assert_array_equal(soft_lookup(query, KEYS, VALUES, mask=mask)[1], [0])


def test_ties():
    query = np.array([1.0, 0.0])
    np.testing.assert_array_equal(hard_lookup(query, KEYS, VALUES), [2])
    np.testing.assert_array_equal(hard_lookup(query, KEYS, VALUES, ties="first"), [1])
    nan = np.array([np.nan, 0.0])
    assert np.isnan(hard_lookup(nan, KEYS, VALUES)).all()
    assert np.isnan(hard_lookup(nan, KEYS, VALUES, ties="first")).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.uint8])
def test_an_exact_match_is_a_dict(dtype):
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 3, (12, 2)).astype(dtype)
    values = rng.integers(0, 99, (12, 2)).astype(dtype)
    book = {tuple(key): value for key, value in zip(keys.tolist(), values, strict=True)}
    queries = np.array([[a, b] for a in range(4) for b in range(3)]).astype(dtype)
    for query in queries:
        want = book.get(tuple(query.tolist()))
        if want is None:
            with pytest.raises(KeyError):
                hard_lookup(query, keys, values, match="exact")
        else:
            found = hard_lookup(query, keys, values, match="exact")
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, want)
    found = hard_lookup(queries.reshape(4, 3, 2), keys, values, match="exact", default=7)
    want = [book.get(tuple(query), [7, 7]) for query in queries.tolist()]
    np.testing.assert_array_equal(found, np.reshape(want, (4, 3, 2)))


def test_a_miss_names_the_query_and_the_nearest_key():
    queries = np.array([[1.0, 0.0], [0.2, 0.9], [5.0, 5.0]])
    with pytest.raises(KeyError, match=r"equals the query \(0\.2, 0\.9\).*key 1, \(0, 1\)"):
        hard_lookup(queries, KEYS, VALUES, match="exact")
    with pytest.raises(KeyError, match=r"\(12345678\); the nearest is key 0, \(12345677\)"):
        hard_lookup(np.array([12345678]), np.array([[12345677]]), np.array([1]), match="exact")
    with pytest.raises(KeyError, match="there are no keys"):
        hard_lookup(queries, KEYS[:0], VALUES[:0], match="exact")


def test_the_default_of_a_miss():
    queries = np.array([[1.0, 0.0], [0.2, 0.9]])
    look = {"match": "exact"}
    np.testing.assert_array_equal(hard_lookup(queries, KEYS, VALUES, default=0, **look), [[3], [0]])
    default = np.array([np.nan])
    found = hard_lookup(queries, KEYS, VALUES, default=default, **look)
    np.testing.assert_array_equal(found, [[3], [np.nan]])
    assert hard_lookup(queries[1], KEYS, VALUES[:, 0], default=-1, **look) == -1
    np.testing.assert_array_equal(
        hard_lookup(queries, KEYS[:0], VALUES[:0], default=5, **look), [[5], [5]]
    )


def test_low_precision_is_summed_in_float32():
    keys = torch.ones(4096, 1, dtype=torch.float16)
    values = torch.ones(4096, dtype=torch.float16)
    out = soft_lookup(torch.ones(1, dtype=torch.float16), keys, values)
    assert out.dtype == torch.float16 and out == 1


def test_the_gradient_of_a_hard_lookup_is_zero_and_of_a_soft_one_is_not():
    keys, values = torch.from_numpy(KEYS), torch.from_numpy(VALUES)
    query = torch.tensor([0.3, 0.2], dtype=torch.float64, requires_grad=True)
    (hard,) = torch.autograd.grad(hard_lookup(query, keys, values).sum(), query)
    (soft,) = torch.autograd.grad(soft_lookup(query, keys, values).sum(), query)
    assert (hard == 0).all() and (soft != 0).all()
    for score in SCORES:
        assert torch.autograd.gradcheck(
            lambda q, k, v, score=score: soft_lookup(q, k, v, score=score, temperature=0.7),
            (query, keys.clone().requires_grad_(), values.clone().requires_grad_()),
        )


def kernel_by_hand(kernel, u):
    return {
        "gaussian": math.exp(-u * u / 2),
        "boxcar": float(abs(u) <= 1),
        "epanechnikov": max(0.0, 1 - u * u),
    }[kernel]


@pytest.mark.parametrize("kernel", ["gaussian", "boxcar", "epanechnikov"])
@given(seed=st.integers(0, 999), bandwidth=st.floats(0.3, 3), flat=st.booleans())
def test_kernel_regression_equals_its_definition(kernel, seed, bandwidth, flat):
    rng = np.random.default_rng(seed)
    width = () if flat else (2,)
    at, x = rng.standard_normal((4, *width)), rng.standard_normal((6, *width))
    y = rng.standard_normal((6, *width))
    out, weights = kernel_regression(
        at, x, y, kernel=kernel, bandwidth=bandwidth, return_weights=True
    )
    assert out.shape == at.shape and weights.shape == (4, 6)
    for i in range(4):
        heights = [
            kernel_by_hand(kernel, np.linalg.norm(at[i] - x[j]) / bandwidth) for j in range(6)
        ]
        total = sum(heights)
        want = np.array(heights) / total if total else np.zeros(6)
        np.testing.assert_allclose(weights[i], want, atol=1e-12)
        np.testing.assert_allclose(out[i], want @ y, atol=1e-12)


def test_far_from_all_data():
    x, y = np.array([0.0, 1.0, 2.0]), np.array([5.0, 6.0, 7.0])
    at = np.array([-1e4, 1e4])
    np.testing.assert_array_equal(kernel_regression(at, x, y, bandwidth=0.1), [5, 7])
    np.testing.assert_array_equal(kernel_regression(at, x, y, bandwidth=1e-200), [5, 7])
    np.testing.assert_allclose(kernel_regression(at, x, y, bandwidth=1e200), [6, 6])
    for kernel in ("boxcar", "epanechnikov"):
        np.testing.assert_array_equal(kernel_regression(at, x, y, kernel=kernel), [0, 0])
    assert kernel_regression(at, x[:0], y[:0]).tolist() == [0, 0]


def test_the_boxcar_includes_its_edge():
    x, y = np.array([0.0, 1.0]), np.array([1.0, 3.0])
    out = kernel_regression(np.array([2.0, -1.0]), x, y, kernel="boxcar")
    np.testing.assert_array_equal(out, [3, 1])


@pytest.mark.parametrize("kernel", ["gaussian", "epanechnikov"])
def test_kernel_regression_has_a_gradient(kernel):
    at = torch.tensor([0.2, 1.0], dtype=torch.float64, requires_grad=True)  # 1.0 is a data point
    x = torch.tensor([0.0, 1.0, 2.5], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([1.0, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda *a: kernel_regression(*a, kernel=kernel, bandwidth=1.2), (at, x, y)
    )
