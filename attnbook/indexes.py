r"""An index finds the k keys with the greatest inner products with a query.

    ids = the k indices j with the greatest s_j = q·k_j,   best first

`ExactIndex` looks at all keys, in NumPy. `FaissIndex` asks FAISS (Johnson, Douze and Jégou, 2017,
"Billion-scale similarity search with GPUs"), which can be approximate: it looks at some keys only,
and may miss a good one. For cosines, scale keys and queries to length 1. What to do with the keys
found, and what a miss costs: retrieval.py.
"""

import numpy as np

from ._arrays import check_choice, check_count, check_floating, namespace

_QUERIES_AT_ONCE = 64
# What a user may set for each kind of FAISS index, and what it is otherwise.
_SETTINGS = {
    "flat": {},
    "ivf": {"n_lists": None, "n_probe": 8},
    "hnsw": {"links": 32, "ef_construction": 40, "ef_search": 64},
}


class ExactIndex:
    """The k keys with the greatest inner product, by looking at all of them.

    Parameters
    ----------
    keys : NumPy array, shape (n, d_k), floating
        At least one key. They are not copied: do not change them.
    keys_at_once : int
        How many keys are scored at a time. So the memory that a search needs does not grow with n.

    Raises
    ------
    TypeError, ValueError
        If keys is no floating NumPy array (n, d_k), is empty, or has a NaN or an inf in it.

    Examples
    --------
    >>> import numpy as np
    >>> index = ExactIndex(np.array([[1.0, 0.0], [0.0, 3.0], [1.0, 1.0]]))
    >>> scores, ids = index.search(np.array([[2.0, 1.0]]), 2)
    >>> scores, ids
    (array([[3., 3.]]), array([[1, 2]]))
    """

    exact = True

    def __init__(self, keys, *, keys_at_once=65536):
        _check_keys(keys)
        self.shape = keys.shape
        self._keys = keys
        self._step = check_count("keys_at_once", keys_at_once, least=1)

    def search(self, queries, top_k):
        """Return scores and ids, both (m, k), of the best keys for queries (m, d_k), best first.

        Equal scores are in the order of their ids. Scores are in float32, or float64 for float64.

        Raises
        ------
        TypeError, ValueError
            If the queries do not fit the keys, or top_k is not from 1 to n.
        """
        top_k = _check_search(queries, top_k, self.shape)
        dtype = np.result_type(np.float32, queries.dtype, self._keys.dtype)
        scores = np.empty((len(queries), top_k), dtype)
        ids = np.empty((len(queries), top_k), np.int64)
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            rows = slice(start, start + _QUERIES_AT_ONCE)
            scores[rows], ids[rows] = self._search(queries[rows].astype(dtype), top_k)
        return scores, ids

    def _search(self, queries, top_k):
        scores = np.empty((len(queries), 0), queries.dtype)
        ids = np.empty((len(queries), 0), np.int64)
        for start in range(0, len(self._keys), self._step):
            keys = self._keys[start : start + self._step].astype(queries.dtype, copy=False)
            here = queries @ keys.T
            best = _best(here, top_k)
            # What stood in front stays in front, so that of equal scores the lower id comes first.
            scores = np.concatenate([scores, np.take_along_axis(here, best, axis=1)], axis=1)
            ids = np.concatenate([ids, start + best], axis=1)
            best = _best(scores, top_k)
            scores, ids = (np.take_along_axis(array, best, axis=1) for array in (scores, ids))
        return scores, ids


class FaissIndex:
    """The same search in FAISS, approximate where that is faster.

    ==========  ====================================================================
    ``"flat"``  looks at all keys: exact
    ``"ivf"``   sorts the keys into ``n_lists`` clusters (about √n if not given) and looks at the
                ``n_probe`` (8) nearest to the query
    ``"hnsw"``  walks a graph in which each key has ``links`` (32) neighbours, keeping ``ef_search``
                (64) candidates; ``ef_construction`` (40) are kept while it is built
    ==========  ====================================================================

    The attribute ``faiss`` is the FAISS index itself: set ``faiss.nprobe`` or
    ``faiss.hnsw.efSearch`` to trade time for recall later on.

    Parameters
    ----------
    keys : NumPy array, shape (n, d_k), floating
        At least one key. FAISS keeps a copy, in float32.
    kind : {"flat", "ivf", "hnsw"}
        What to build.
    **settings : int
        Those of the table.

    Raises
    ------
    ImportError
        If FAISS is not installed.
    TypeError, ValueError
        As for `ExactIndex`, and if a setting does not belong to the kind or is out of range.

    References
    ----------
    HNSW: Malkov and Yashunin (2018), "Efficient and robust approximate nearest neighbor search
    using hierarchical navigable small world graphs".

    Examples
    --------
    >>> import numpy as np
    >>> index = FaissIndex(np.eye(3), kind="hnsw", ef_search=16)
    >>> scores, ids = index.search(np.array([[0.0, 0.5, 1.0]]), 2)
    >>> ids
    array([[2, 1]])
    """

    def __init__(self, keys, *, kind="flat", **settings):
        check_choice("kind", kind, tuple(_SETTINGS))
        unknown = settings.keys() - _SETTINGS[kind].keys()
        if unknown:
            raise TypeError(
                f"kind={kind!r} has no setting {min(unknown)!r}; it has "
                f"{', '.join(_SETTINGS[kind]) or 'none'}"
            )
        for name, number in settings.items():
            check_count(name, number, least=2 if name == "links" else 1)  # FAISS crashes with 1
        _check_keys(keys)
        if settings.get("n_lists", 1) > len(keys):
            raise ValueError(f"n_lists is {settings['n_lists']}, but there are {len(keys)} keys")
        self.exact = kind == "flat"
        self.shape = keys.shape
        self.faiss = _build(
            np.ascontiguousarray(keys, np.float32), kind, _SETTINGS[kind] | settings
        )

    def search(self, queries, top_k):
        """Return scores and ids as `ExactIndex.search` does, in float32.

        Where an approximate index finds fewer than top_k keys, the last ids are -1 with scores
        -inf. Equal scores are in any order.
        """
        top_k = _check_search(queries, top_k, self.shape)
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        scores, ids = self.faiss.search(queries, top_k)
        return np.where(ids < 0, -np.inf, scores), ids


def _best(scores, k):
    """Return the columns of the k greatest scores of each row, in order; ties by the column."""
    k = min(k, scores.shape[1])
    least = np.partition(scores, -k, axis=1)[:, -k, None]
    row, column = np.nonzero(scores >= least)  # k in each row, or more if some equal the least
    order = np.lexsort((-scores[row, column], row))  # stable, so equal scores keep their order
    first = np.searchsorted(row, np.arange(len(scores)))
    return column[order[first[:, None] + np.arange(k)]]


def _build(keys, kind, settings):
    """Make the FAISS index of keys in float32."""
    try:
        import faiss
    except ImportError:
        raise ImportError("FaissIndex needs FAISS: pip install 'attnbook[retrieval]'") from None
    n, d = keys.shape
    if kind == "hnsw":
        index = faiss.IndexHNSWFlat(d, settings["links"], faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = settings["ef_construction"]
        index.hnsw.efSearch = settings["ef_search"]
    else:
        index = faiss.IndexFlatIP(d)
    if kind == "ivf":
        n_lists = settings["n_lists"] or round(n**0.5)
        index = faiss.IndexIVFFlat(index, d, n_lists, faiss.METRIC_INNER_PRODUCT)
        index.cp.min_points_per_centroid = 1  # small indexes are fine here, and no warning is due
        index.nprobe = settings["n_probe"]
        index.train(keys)
    index.add(keys)
    return index


def check_numpy(**arrays):
    """Check for floating NumPy arrays."""
    if namespace(**arrays) is not np:
        kinds = ", ".join(f"{name} is a {type(array).__name__}" for name, array in arrays.items())
        raise TypeError(f"an index works with NumPy arrays; {kinds}: convert with numpy.asarray")
    check_floating(np, **arrays)


def _check_keys(keys):
    check_numpy(keys=keys)
    if keys.ndim != 2 or 0 in keys.shape:
        raise ValueError(f"keys has shape {keys.shape}; it must be (n, d_k), with n, d_k >= 1")
    _check_finite(keys=keys)


def _check_search(queries, top_k, shape):
    """Return top_k if it and the queries fit keys of this shape."""
    check_numpy(queries=queries)
    if queries.ndim != 2 or queries.shape[1] != shape[1]:
        raise ValueError(
            f"queries has shape {queries.shape}; for keys {shape} it must be (m, {shape[1]})"
        )
    _check_finite(queries=queries)
    top_k = check_count("top_k", top_k, least=1)
    if top_k > shape[0]:
        raise ValueError(f"top_k is {top_k}, but there are {shape[0]} keys")
    return top_k


def _check_finite(**arrays):
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite: the best score cannot be told from NaN")
