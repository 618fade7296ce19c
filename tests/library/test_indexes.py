"""Indexes: exact in NumPy against sorting all scores, FAISS against exact."""

import sys
import tracemalloc

import faiss
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnbook.indexes import ExactIndex, FaissIndex
from attnbook.retrieval import recall

faiss.omp_set_num_threads(1)  # the same graph and the same clusters in every run


def by_sorting(keys, queries, top_k):
    """Sort all scores, best first; of equal ones the lowest id comes first."""
    scores = queries @ keys.T
    ids = np.array([sorted(range(len(keys)), key=lambda j: (-row[j], j))[:top_k] for row in scores])
    ids = ids.reshape(len(queries), top_k).astype(int)
    return np.take_along_axis(scores, ids, axis=1), ids


@given(
    seed=st.integers(0, 999),
    n=st.integers(1, 30),
    m=st.integers(0, 4),
    at_once=st.integers(1, 40),
    most=st.sampled_from([1, 4, 1000]),
    data=st.data(),
)
def test_exact_equals_sorting_whatever_the_portions_and_the_ties(seed, n, m, at_once, most, data):
    top_k = data.draw(st.integers(1, n))
    rng = np.random.default_rng(seed)
    # Whole numbers: their products are exact, and few of them make many ties.
    keys, queries = (rng.integers(-most, most + 1, (rows, 2)).astype(float) for rows in (n, m))
    scores, ids = ExactIndex(keys, keys_at_once=at_once).search(queries, top_k)
    want_scores, want_ids = by_sorting(keys, queries, top_k)
    np.testing.assert_array_equal(ids, want_ids)
    np.testing.assert_array_equal(scores, want_scores)


def test_more_queries_than_are_searched_at_once():
    rng = np.random.default_rng(0)
    keys, queries = rng.standard_normal((40, 3)), rng.standard_normal((150, 3))
    scores, ids = ExactIndex(keys, keys_at_once=7).search(queries, 5)
    want_scores, want_ids = by_sorting(keys, queries, 5)
    np.testing.assert_array_equal(ids, want_ids)
    np.testing.assert_allclose(scores, want_scores, atol=1e-14)


@pytest.mark.parametrize(
    ("keys_dtype", "queries_dtype", "want"),
    [
        (np.float16, np.float16, np.float32),
        (np.float32, np.float32, np.float32),
        (np.float32, np.float64, np.float64),
        (np.float64, np.float32, np.float64),
        (np.float64, np.float64, np.float64),
    ],
)
def test_scores_are_in_float32_or_better(keys_dtype, queries_dtype, want):
    rng = np.random.default_rng(1)
    keys = rng.standard_normal((9, 4)).astype(keys_dtype)
    queries = rng.standard_normal((2, 4)).astype(queries_dtype)
    scores, ids = ExactIndex(keys).search(queries, 3)
    assert scores.dtype == want and ids.dtype == np.int64
    exact, _ = by_sorting(keys.astype(float), queries.astype(float), 3)
    np.testing.assert_allclose(scores, exact, rtol=1e-5 if want == np.float32 else 1e-12)
    for kind in ("flat", "ivf", "hnsw"):
        scores, ids = FaissIndex(keys, kind=kind).search(queries, 3)
        assert scores.dtype == np.float32 and ids.dtype == np.int64


def test_the_memory_of_a_search_grows_neither_with_the_keys_nor_with_the_queries():
    keys = np.ones((10_000, 2), dtype=np.float32)
    keys[::7] = 2
    queries = np.ones((500, 2), dtype=np.float32)  # all scores: 20 MB
    index = ExactIndex(keys, keys_at_once=2000)
    tracemalloc.start()
    index.search(queries, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5e6, peak


def test_the_keys_and_queries_stay_as_they_are():
    rng = np.random.default_rng(2)
    keys, queries = rng.standard_normal((20, 3)), rng.standard_normal((4, 3))[:, ::-1]
    before = keys.copy(), queries.copy()
    for index in (ExactIndex(keys), FaissIndex(keys), FaissIndex(keys, kind="ivf")):
        index.search(queries, 2)
    np.testing.assert_array_equal(keys, before[0])
    np.testing.assert_array_equal(queries, before[1])


def clustered(seed, n=2000, m=100):
    """Keys of length 1 in 50 clusters, and queries near some of them."""
    rng = np.random.default_rng(seed)
    keys = rng.standard_normal((50, 16))[rng.integers(0, 50, n)] + 0.5 * rng.standard_normal(
        (n, 16)
    )
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    return keys, keys[:m] + 0.2 * rng.standard_normal((m, 16))


def test_flat_faiss_equals_exact():
    keys, queries = clustered(0)
    scores, ids = FaissIndex(keys).search(queries, 10)
    want, want_ids = ExactIndex(keys).search(queries, 10)
    np.testing.assert_allclose(scores, want, atol=1e-5)
    # Scores that are equal in float32 may change places.
    np.testing.assert_allclose((keys[ids] * queries[:, None]).sum(-1), want, atol=1e-5)
    assert recall(ids, want_ids) > 0.99


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("kind", "knob", "efforts"),
    [("ivf", "n_probe", (1, 4, 16)), ("hnsw", "ef_search", (10, 64, 256))],
)
def test_an_approximate_index_recalls_more_with_more_effort(kind, knob, efforts, seed):
    keys, queries = clustered(seed)
    _, exact = ExactIndex(keys).search(queries, 10)
    few_links = {"links": 4, "ef_construction": 10} if kind == "hnsw" else {}
    recalls = []
    for effort in efforts:
        index = FaissIndex(keys, kind=kind, **{knob: effort}, **few_links)
        recalls.append(recall(index.search(queries, 10)[1], exact))
    # Measured: 0.8, 0.98, 1.0 and 0.5, 0.8, 0.95.
    assert recalls[0] + 0.05 < recalls[1] < recalls[2] and recalls[2] > 0.85
    # Without settings, each kind is good.
    assert recall(FaissIndex(keys, kind=kind).search(queries, 10)[1], exact) > 0.9
    # The same knob on the index itself, later.
    if kind == "ivf":
        index.faiss.nprobe = efforts[0]
    else:
        index.faiss.hnsw.efSearch = efforts[0]
    assert recall(index.search(queries, 10)[1], exact) == recalls[0]


def test_settings_reach_faiss():
    keys, _ = clustered(0, n=400)
    ivf = FaissIndex(keys, kind="ivf").faiss
    assert (ivf.nlist, ivf.nprobe, ivf.ntotal) == (20, 8, 400)
    assert FaissIndex(keys, kind="ivf", n_lists=5).faiss.nlist == 5
    for settings, want in (
        ({"links": 6, "ef_construction": 7, "ef_search": 9}, (6, 7, 9)),
        ({}, (32, 40, 64)),
    ):
        index = FaissIndex(keys, kind="hnsw", **settings)  # its parts live as long as it does
        hnsw = index.faiss.hnsw
        assert (hnsw.nb_neighbors(1), hnsw.efConstruction, hnsw.efSearch) == want
    assert [FaissIndex(keys, kind=kind).exact for kind in ("flat", "ivf", "hnsw")] == [
        True,
        False,
        False,
    ]
    assert ExactIndex(keys).exact and ExactIndex(keys).shape == FaissIndex(keys).shape == (400, 16)


def test_what_an_index_does_not_find_has_no_id_and_no_score():
    # Two clusters far apart; looking at one of them finds 3 keys, not 5.
    keys = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, -0.1], [-1.0, 0.0], [-1.0, 0.1], [-1.0, -0.1]])
    index = FaissIndex(keys, kind="ivf", n_lists=2, n_probe=1)
    scores, ids = index.search(np.array([[1.0, 0.5]]), 5)
    np.testing.assert_array_equal(ids, [[1, 0, 2, -1, -1]])
    np.testing.assert_allclose(scores, [[1.05, 1.0, 0.95, -np.inf, -np.inf]], rtol=1e-6)


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_one_key_and_no_queries(kind, capfd):
    index = FaissIndex(np.ones((1, 2)), kind=kind)
    scores, ids = index.search(np.array([[1.0, 2.0]]), 1)
    assert (scores, ids) == (3, 0)
    assert index.search(np.ones((0, 2)), 1)[1].shape == (0, 1)
    assert not capfd.readouterr().err  # FAISS would warn of too few keys to train on


def test_without_faiss_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(
        ImportError, match=r"^FaissIndex needs FAISS: pip install 'attnbook\[retrieval\]'"
    ):
        FaissIndex(np.ones((3, 2)))


K = np.ones((5, 4))
E, F = ExactIndex(K), FaissIndex(K)
VALUE_ERRORS = {
    "no keys": (lambda: ExactIndex(K[:0]), r"keys has shape \(0, 4\).*n, d_k >= 1"),
    "no keys for FAISS": (lambda: FaissIndex(K[:0]), r"keys has shape \(0, 4\).*n, d_k >= 1"),
    "no width": (lambda: ExactIndex(K[:, :0]), r"keys has shape \(5, 0\)"),
    "keys 1-d": (lambda: ExactIndex(K[0]), r"keys has shape \(4,\).*\(n, d_k\)"),
    "NaN": (lambda: ExactIndex(np.where(np.eye(4) > 0, np.nan, 1.0)), r"keys must be finite"),
    "NaN for FAISS": (lambda: FaissIndex(K * np.nan, kind="ivf"), r"keys must be finite"),
    "inf": (lambda: ExactIndex(K * np.inf), r"keys must be finite"),
    "NaN query": (lambda: E.search(K * np.nan, 1), r"queries must be finite"),
    "NaN query to FAISS": (lambda: F.search(K * np.nan, 1), r"queries must be finite"),
    "top_k > n": (lambda: E.search(K, 6), r"top_k is 6, but there are 5 keys"),
    "top_k > n in FAISS": (lambda: F.search(K, 6), r"top_k is 6, but there are 5 keys"),
    "top_k 0": (lambda: E.search(K, 0), r"top_k must be at least 1; got 0"),
    "one query": (lambda: E.search(K[0], 1), r"queries has shape \(4,\).*\(m, 4\)"),
    "width": (lambda: F.search(K[:, :3], 1), r"queries has shape \(5, 3\); for keys \(5, 4\)"),
    "kind": (lambda: FaissIndex(K, kind="lsh"), r"kind is 'lsh'.*'flat', 'ivf', 'hnsw'"),
    "keys_at_once": (lambda: ExactIndex(K, keys_at_once=0), r"keys_at_once must be at least 1"),
    "n_probe": (lambda: FaissIndex(K, kind="ivf", n_probe=0), r"n_probe must be at least 1"),
    "n_lists": (lambda: FaissIndex(K, kind="ivf", n_lists=6), r"n_lists is 6.*there are 5 keys"),
    "one link": (lambda: FaissIndex(K, kind="hnsw", links=1), r"links must be at least 2; got 1"),
}
TYPE_ERRORS = {
    "list": (lambda: ExactIndex([[1.0]]), r"keys is a list"),
    "integers": (lambda: ExactIndex(np.ones((2, 2), int)), r"keys has dtype int64"),
    "torch": (lambda: ExactIndex(torch.ones(2, 2)), r"NumPy arrays; keys is a Tensor"),
    "torch queries": (lambda: F.search(torch.ones(2, 4), 1), r"queries is a Tensor"),
    "top_k": (lambda: E.search(K, 1.0), r"top_k must be an integer; got 1.0"),
    "setting": (
        lambda: FaissIndex(K, n_probe=3),
        r"kind='flat' has no setting 'n_probe'.*has none",
    ),
    "setting of another kind": (
        lambda: FaissIndex(K, kind="ivf", links=3),
        r"kind='ivf' has no setting 'links'; it has n_lists, n_probe",
    ),
    "setting float": (lambda: FaissIndex(K, kind="ivf", n_lists=2.0), r"n_lists must be an int"),
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
