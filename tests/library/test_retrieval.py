"""Soft lookup over an index: what the top k gives, and what it costs to leave out the rest."""

import subprocess
import sys

import faiss
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnbook import soft_lookup
from attnbook.retrieval import ExactIndex, FaissIndex, missing_mass, recall, top_k_lookup

faiss.omp_set_num_threads(1)
TEMPERATURES = st.sampled_from([0.0, 0.05, 0.3, 1.0, 4.0, 1e3, float("inf")])


def softmax_by_hand(scores, temperature):
    if temperature == 0:
        e = (scores == scores.max()) * 1.0
    else:
        e = np.exp((scores - scores.max()) / temperature)
    return e / e.sum()


def a_case(seed, n=12, d=3, d_v=2):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(d), rng.standard_normal((n, d)), rng.standard_normal((n, d_v))


@given(seed=st.integers(0, 999), n=st.integers(1, 12), temperature=TEMPERATURES, data=st.data())
def test_the_error_is_within_the_missing_mass_and_that_within_its_bound(seed, n, temperature, data):
    top_k = data.draw(st.integers(1, n))
    query, keys, values = a_case(seed, n)
    index = ExactIndex(keys, keys_at_once=5)
    found = top_k_lookup(query, index, values, top_k=top_k, temperature=temperature)
    scores = keys @ query
    ids = np.argsort(-scores)[:top_k]
    np.testing.assert_array_equal(found.ids, ids)
    weights = softmax_by_hand(scores[ids], temperature)
    np.testing.assert_allclose(found.weights, weights, atol=1e-12)
    np.testing.assert_allclose(found.out, weights @ values[ids], atol=1e-12)

    full = softmax_by_hand(scores, temperature)
    m = missing_mass(scores, found.ids, temperature=temperature)
    np.testing.assert_allclose(m, 1 - full[ids].sum(), atol=1e-12)
    assert 0 <= m <= found.missing_mass_bound + 1e-12 <= 1 + 1e-12
    error = np.linalg.norm(full @ values - found.out)
    diameter = np.linalg.norm(values[:, None] - values, axis=-1).max()
    assert error <= m * diameter + 1e-12
    assert diameter <= 2 * np.linalg.norm(values, axis=1).max() + 1e-12


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0, float("inf")])
def test_with_all_keys_it_is_soft_lookup(temperature):
    _, keys, values = a_case(0)
    queries = np.random.default_rng(1).standard_normal((2, 5, 3))
    for v in (values, values[:, 0]):
        want, want_weights = soft_lookup(
            queries, keys, v, temperature=temperature, return_weights=True
        )
        found = top_k_lookup(queries, ExactIndex(keys), v, top_k=len(keys), temperature=temperature)
        np.testing.assert_allclose(found.out, want, atol=1e-12)
        in_order = np.take_along_axis(want_weights, found.ids, axis=-1)
        np.testing.assert_allclose(found.weights, in_order, atol=1e-12)
        np.testing.assert_array_equal(found.missing_mass_bound, np.zeros((2, 5)))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 7.0])
def test_both_bounds_are_tight(temperature):
    # All that is left out scores as much as the last one found, and has one value; the keys found
    # have another. Then both inequalities are equalities.
    scores = np.array([2.0, 1.5, 1.0, 1.0, 1.0, 1.0])
    values = np.array([[1.0, 0.0]] * 3 + [[-1.0, 2.0]] * 3)
    found = top_k_lookup(
        np.ones(1), ExactIndex(scores[:, None]), values, top_k=3, temperature=temperature
    )
    m = missing_mass(scores, found.ids, temperature=temperature)
    e = np.exp(scores / temperature)
    np.testing.assert_allclose(m, e[3:].sum() / e.sum())
    np.testing.assert_allclose(found.missing_mass_bound, m)
    error = np.linalg.norm(
        soft_lookup(np.ones(1), scores[:, None], values, temperature=temperature) - found.out
    )
    np.testing.assert_allclose(error, m * np.sqrt(8))


def test_the_bound_at_the_ends_of_the_temperature():
    keys, values = np.array([[2.0], [1.0], [0.0], [0.0]]), np.arange(4.0)
    for top_k, temperature, want in [
        (1, 0.0, 3 / 4),
        (2, 0.0, 0.0),
        (1, np.inf, 3 / 4),
        (3, np.inf, 1 / 4),
    ]:
        found = top_k_lookup(
            np.ones(1), ExactIndex(keys), values, top_k=top_k, temperature=temperature
        )
        np.testing.assert_allclose(found.missing_mass_bound, want)
        assert missing_mass(keys[:, 0], found.ids, temperature=temperature) <= want


def test_the_bound_would_be_false_for_an_approximate_index_so_it_is_nan():
    # The query lies between two clusters. Looking at the nearer one alone misses keys of the
    # other that score higher than some of those found.
    rng = np.random.default_rng(0)
    keys = np.repeat([[5.0, 1.0], [5.0, -1.0]], 50, axis=0) + rng.standard_normal((100, 2)) * 0.5
    query, values, top_k = np.array([3.0, 0.05]), np.ones(100), 40
    index = FaissIndex(keys, kind="ivf", n_lists=2, n_probe=1)
    found = top_k_lookup(query, index, values, top_k=top_k)
    assert np.isnan(found.missing_mass_bound)
    rest = (100 - top_k) * found.weights[-1]
    m = missing_mass(keys @ query, found.ids)
    assert m > 1.2 * rest / (1 + rest)  # what the bound would be, were it one
    exact = top_k_lookup(query, ExactIndex(keys), values, top_k=top_k)
    assert missing_mass(keys @ query, exact.ids) <= exact.missing_mass_bound
    for kind, known in (("flat", True), ("ivf", False), ("hnsw", False)):
        found = top_k_lookup(query, FaissIndex(keys, kind=kind), values, top_k=top_k)
        assert np.isfinite(found.missing_mass_bound) == known


def test_keys_that_were_not_found_weigh_nothing():
    keys = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, -0.1], [-1.0, 0.0], [-1.0, 0.1], [-1.0, -0.1]])
    index = FaissIndex(keys, kind="ivf", n_lists=2, n_probe=1)
    values = np.array([1.0, 2.0, 3.0, np.nan, np.nan, np.nan])
    queries = np.array([[1.0, 0.5], [1.0, 0.0]])
    found = top_k_lookup(queries, index, values, top_k=5)
    np.testing.assert_array_equal(found.ids[:, 3:], -1)
    np.testing.assert_array_equal(found.weights[:, 3:], 0)
    np.testing.assert_allclose(found.weights.sum(axis=-1), 1)
    want = soft_lookup(queries, keys[:3], values[:3])
    np.testing.assert_allclose(found.out, want, rtol=1e-6)
    for temperature in (0.0, float("inf")):
        found = top_k_lookup(queries, index, values, top_k=5, temperature=temperature)
        want = soft_lookup(queries, keys[:3], values[:3], temperature=temperature)
        np.testing.assert_allclose(found.out, want, rtol=1e-6)
    everywhere = missing_mass(queries @ keys.T, found.ids)
    np.testing.assert_allclose(everywhere, missing_mass(queries @ keys.T, found.ids[:, :3]))


def test_nothing_found_gives_zero(monkeypatch):
    index = FaissIndex(np.ones((4, 2)), kind="hnsw")
    nothing = np.full((1, 3), -np.inf, np.float32), np.full((1, 3), -1)
    monkeypatch.setattr(index, "search", lambda queries, top_k: nothing)
    found = top_k_lookup(np.ones(2), index, np.full((4, 2), np.nan), top_k=3)
    np.testing.assert_array_equal(found.out, [0, 0])
    np.testing.assert_array_equal(found.weights, [0, 0, 0])
    assert missing_mass(np.zeros(4), found.ids) == 1


@pytest.mark.parametrize("shape", [(), (4,), (0,), (2, 0), (2, 3)])
@pytest.mark.parametrize("make", [ExactIndex, FaissIndex])
def test_shapes(shape, make):
    _, keys, values = a_case(2)
    queries = np.random.default_rng(3).standard_normal((*shape, 3))
    for v in (values, values[:, 0], values[:, :0]):
        found = top_k_lookup(queries, make(keys), v, top_k=4)
        assert found.out.shape == (*shape, *v.shape[1:])
        assert found.weights.shape == found.ids.shape == (*shape, 4)
        assert found.missing_mass_bound.shape == shape
        for i in np.ndindex(shape):
            one = top_k_lookup(queries[i], make(keys), v, top_k=4)
            np.testing.assert_allclose(found.out[i], one.out, atol=1e-6)
            np.testing.assert_array_equal(found.ids[i], one.ids)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_result_has_the_dtype_of_query_and_values(dtype):
    query, keys, values = (array.astype(dtype) for array in a_case(4, n=300))
    found = top_k_lookup(query, ExactIndex(keys), values, top_k=200)
    assert found.out.dtype == found.weights.dtype == dtype
    wide = [array.astype(np.float64) for array in (query, keys, values)]
    want = top_k_lookup(wide[0], ExactIndex(wide[1]), wide[2], top_k=200).out
    np.testing.assert_allclose(found.out, want, atol=2 * np.finfo(dtype).eps)
    for q, v in ((wide[0], values), (query, wide[2])):
        mixed = top_k_lookup(q, ExactIndex(keys), v, top_k=3)
        assert mixed.out.dtype == mixed.weights.dtype == np.float64


def test_recall_counts_what_was_found():
    exact = np.array([[3, 1, 4], [1, 5, 9]])
    assert recall(exact, exact) == 1
    assert recall(exact[:, ::-1], exact) == 1  # the order does not count
    assert recall(np.array([[3, -1, -1], [9, 1, 2]]), exact) == 0.5
    assert recall(np.array([[0, 1, 2, 3, 4], [1, 0, 0, 0, 0]]), exact) == 4 / 6
    assert recall(np.zeros((2, 0), int), exact) == 0
    assert recall(np.array([7, 0]), np.array([0])) == 1


def test_the_missing_mass_of_many_queries_leaves_the_scores_alone():
    scores = np.log(np.array([[5.0, 3.0, 2.0], [1.0, 1.0, 8.0]]))
    before = scores.copy()
    np.testing.assert_allclose(missing_mass(scores, np.array([[0], [2]])), [0.5, 0.2])
    np.testing.assert_allclose(missing_mass(scores, np.array([[0, -1], [-1, -1]])), [0.5, 1])
    np.testing.assert_array_equal(scores, before)
    # A mass far below the rounding of 1 - m is exact too.
    tiny = missing_mass(np.array([0.0, -100.0]), np.array([0]))
    np.testing.assert_allclose(tiny, np.exp(-100.0))
    assert missing_mass(np.zeros(3, np.float32), np.array([1])).dtype == np.float64


def test_importing_it_needs_neither_faiss_nor_pytorch():
    code = (
        "import sys; sys.modules['faiss'] = sys.modules['torch'] = None\n"
        "import numpy as np, attnbook.retrieval as r\n"
        "print(r.top_k_lookup(np.ones(2), r.ExactIndex(np.eye(2)), np.ones(2), top_k=1).out)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "1.0", done.stderr


Q, K, V = np.ones(4), np.ones((5, 4)), np.ones((5, 2))
INDEX, IDS = ExactIndex(K), np.array([0, 1])
VALUE_ERRORS = {
    "top_k > n": (lambda: top_k_lookup(Q, INDEX, V, top_k=6), r"top_k is 6, but there are 5 keys"),
    "top_k 0": (lambda: top_k_lookup(Q, INDEX, V, top_k=0), r"top_k must be at least 1"),
    "temperature": (
        lambda: top_k_lookup(Q, INDEX, V, top_k=1, temperature=-1.0),
        r"temperature must be from 0",
    ),
    "query width": (
        lambda: top_k_lookup(Q[:3], INDEX, V, top_k=1),
        r"query has shape \(3,\); for keys \(5, 4\) it must be \(\.\.\., 4\)",
    ),
    "query 0-d": (lambda: top_k_lookup(np.ones(()), INDEX, V, top_k=1), r"query has shape \(\)"),
    "query NaN": (lambda: top_k_lookup(Q * np.nan, INDEX, V, top_k=1), r"must be finite"),
    "values": (lambda: top_k_lookup(Q, INDEX, V[:3], top_k=1), r"values has shape .* for 5 keys"),
    "values 3-d": (
        lambda: top_k_lookup(Q, INDEX, V[..., None], top_k=1),
        r"\(5, 2, 1\) for 5 keys",
    ),
    "ids too great": (lambda: missing_mass(Q, IDS + 3), r"ids go from 3 to 4; 4 keys have -1 to 3"),
    "ids too small": (lambda: missing_mass(Q, IDS - 2), r"ids go from -2 to -1; 4 keys"),
    "ids of fewer queries": (
        lambda: missing_mass(K, IDS),
        r"ids has shape \(2,\); it must be \(5, 'k'\)",
    ),
    "scores 0-d": (
        lambda: missing_mass(np.ones(()), IDS),
        r"scores has shape \(\); it .*\(\.\.\., n\)$",
    ),
    "temperature of the mass": (lambda: missing_mass(Q, IDS, temperature=-1), r"temperature must"),
    "recall shapes": (lambda: recall(IDS, IDS[None]), r"found has shape \(2,\).*\(1, 'k'\)"),
    "recall of nothing": (lambda: recall(IDS, IDS[:0]), r"exact, of shape \(0,\), must hold"),
    "recall of a miss": (
        lambda: recall(IDS, IDS - 1),
        r"exact, of shape \(2,\), must hold ids >= 0",
    ),
    "recall 0-d": (lambda: recall(IDS, np.array(1)), r"found has shape|exact has shape"),
}
TYPE_ERRORS = {
    "no index": (lambda: top_k_lookup(Q, K, V, top_k=1), r"index is a ndarray; ExactIndex\(keys\)"),
    "list": (lambda: top_k_lookup([1.0], INDEX, V, top_k=1), r"query is a list"),
    "torch": (
        lambda: top_k_lookup(torch.ones(4), INDEX, torch.ones(5, 2), top_k=1),
        r"query is a Tensor, values is a Tensor",
    ),
    "integer values": (
        lambda: top_k_lookup(Q, INDEX, V.astype(int), top_k=1),
        r"values has dtype int64",
    ),
    "top_k": (lambda: top_k_lookup(Q, INDEX, V, top_k=1.5), r"top_k must be an integer"),
    "float ids": (lambda: missing_mass(Q, Q), r"ids has dtype float64; ids must be integers"),
    "integer scores": (lambda: missing_mass(IDS, IDS), r"scores has dtype int64"),
    "float recall": (lambda: recall(Q, IDS), r"found has dtype float64; ids must be integers"),
    "list recall": (lambda: recall([1], [1]), r"found is a list"),
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
