r"""Soft lookup over an index: weigh only the k keys with the best scores, and know what that costs.

    out_k = Σ_{j in top k} a_j v_j,   a = softmax over the top k of q·k_j / T

Let m be the weight that the softmax over all n keys gives to the others: the missing mass. On the
top k, the two softmaxes differ by a factor only, so

    out_full = (1 - m) out_k + m out_rest,   out_full - out_k = m (out_rest - out_k).

Both are means of values, so the error is at most m times the diameter of the values, which is at
most 2 max ‖v‖. And m has a bound that needs no look at the rest: none of the n - k scores there is
greater than s_k, the least one found, whose weight is a_k. So

    m <= (n - k) e^{s_k/T} / (Σ_top e^{s_j/T} + (n - k) e^{s_k/T}) = (n-k) a_k / (1 + (n-k) a_k).

This holds for an exact top k only. An approximate index may miss keys with greater scores than all
that it found, and then nothing follows from what it found; `recall` measures how often it does.

Reading from an index in this way, with a softmax over the best k: Lewis et al. (2020),
"Retrieval-augmented generation for knowledge-intensive NLP tasks", section 2. NumPy arrays only.
"""

from typing import NamedTuple

import numpy as np

from ._arrays import check_rank, check_values, namespace
from .distributions import softmax, weighted_mean
from .indexes import ExactIndex, FaissIndex, check_numpy

__all__ = ["ExactIndex", "FaissIndex", "TopK", "missing_mass", "recall", "top_k_lookup"]


class TopK(NamedTuple):
    """What `top_k_lookup` returns."""

    out: np.ndarray  # (..., d_v), or (...) for values that are numbers
    weights: np.ndarray  # (..., k), best first; each row sums to 1
    ids: np.ndarray  # (..., k), whose weights they are; -1, of weight 0, where none was found
    missing_mass_bound: np.ndarray  # (...); NaN if the index is approximate


def top_k_lookup(query, index, values, *, top_k, temperature=1.0):
    r"""``Σ_j a_j v_j`` over the k best keys, ``a = softmax(scores / T)`` over these alone.

    Parameters
    ----------
    query : NumPy array, shape (..., d_k), floating
        One query, or many.
    index : ExactIndex or FaissIndex
        Over n keys.
    values : NumPy array, shape (n, d_v), or (n,) for numbers; floating
        One value for each key.
    top_k : int
        From 1 to n; at n, an exact index gives `soft_lookup`.
    temperature : float, 0 <= T <= inf
        In units of the inner product; √d_k is that of attention.

    Returns
    -------
    TopK
        ``out``, ``weights``, ``ids`` and ``missing_mass_bound``. If nothing was found, out and
        weights are 0.

    Raises
    ------
    TypeError, ValueError
        If arrays or shapes do not fit, top_k is not from 1 to n, or the temperature is negative.

    Examples
    --------
    >>> import numpy as np
    >>> index, values = ExactIndex(np.array([[3.0], [2.0], [0.0]])), np.array([1.0, 2.0, 9.0])
    >>> found = top_k_lookup(np.array([1.0]), index, values, top_k=2)
    >>> found.ids, found.weights.round(2), found.out.round(2)
    (array([0, 1]), array([0.73, 0.27]), np.float64(1.27))
    """
    if not isinstance(index, ExactIndex | FaissIndex):
        raise TypeError(f"index is a {type(index).__name__}; ExactIndex(keys) makes an index")
    check_numpy(query=query, values=values)
    check_values(index, values)
    if query.shape[-1:] != index.shape[1:]:
        raise ValueError(
            f"query has shape {query.shape}; for keys {index.shape} it must be "
            f"(..., {index.shape[1]})"
        )
    scores, ids = index.search(query.reshape(-1, index.shape[1]), top_k)
    weights = softmax(scores.astype(np.float64), temperature=temperature)  # 0 at a score of -inf
    rows = values if values.ndim == 2 else values[:, None]
    picked = rows[np.maximum(ids, 0)]  # (m, k, d_v)
    out = weighted_mean(np, weights[:, None, :], picked)[:, 0, :]
    rest = (index.shape[0] - top_k) * weights[:, -1]
    bound = rest / (1 + rest) if index.exact else np.full(len(ids), np.nan)
    lead, dtype = query.shape[:-1], np.result_type(query, values)
    return TopK(
        out.reshape((*lead, *values.shape[1:])).astype(dtype),
        weights.reshape((*lead, top_k)).astype(dtype),
        ids.reshape((*lead, top_k)),
        bound.reshape(lead),
    )


def missing_mass(scores, ids, *, temperature=1.0):
    r"""``Σ_j not in ids softmax(scores / T)_j``: the weight of the keys left out, exactly.

    Parameters
    ----------
    scores : NumPy array, shape (..., n), floating
        The scores of all keys.
    ids : NumPy array, shape (..., k), integer
        The keys that were found; -1 is none.
    temperature : float, 0 <= T <= inf
        In units of the scores.

    Returns
    -------
    NumPy array, shape (...), float64
        From 0 to 1.

    Raises
    ------
    TypeError, ValueError
        If arrays or shapes do not fit, an id is not from -1 to n - 1, or the temperature is
        negative.

    Examples
    --------
    >>> import numpy as np
    >>> print(missing_mass(np.log([5.0, 3.0, 2.0]), np.array([0, 1])).round(2))
    0.2
    """
    check_numpy(scores=scores)
    check_rank(1, "(..., n)", scores=scores)
    _check_ids(scores.shape[:-1], ids=ids)
    n = scores.shape[-1]
    if np.any((ids < -1) | (ids >= n)):
        raise ValueError(f"ids go from {ids.min()} to {ids.max()}; {n} keys have -1 to {n - 1}")
    weights = softmax(scores.astype(np.float64), temperature=temperature)
    # One more column, the last: what an id of -1 is written to.
    weights = np.concatenate([weights, np.zeros((*weights.shape[:-1], 1))], axis=-1)
    np.put_along_axis(weights, ids, 0.0, axis=-1)
    return weights.sum(axis=-1)


def recall(found, exact):
    r"""``|found ∩ exact| / |exact|``: the fraction of the true top k that an index found.

    Parameters
    ----------
    found : NumPy array, shape (..., k'), integer
        The ids that an approximate index returns; -1 is none.
    exact : NumPy array, shape (..., k), integer
        Those of an exact one.

    Returns
    -------
    float
        The mean over all queries.

    Raises
    ------
    TypeError, ValueError
        If arrays or shapes do not fit, exact is empty, or it has an id below 0.

    Examples
    --------
    >>> import numpy as np
    >>> recall(np.array([[4, 7, -1]]), np.array([[7, 5, 4, 1]]))
    0.5
    """
    _check_ids(np.shape(exact)[:-1], found=found, exact=exact)
    if exact.size == 0 or exact.min() < 0:
        raise ValueError(f"exact, of shape {exact.shape}, must hold ids >= 0, and at least one")
    return float(np.any(exact[..., :, None] == found[..., None, :], axis=-1).mean())


def _check_ids(lead, **arrays):
    namespace(**arrays)
    for name, array in arrays.items():
        if not np.issubdtype(array.dtype, np.integer):
            raise TypeError(f"{name} has dtype {array.dtype}; ids must be integers")
        if array.ndim < 1 or array.shape[:-1] != tuple(lead):
            raise ValueError(f"{name} has shape {array.shape}; it must be {(*lead, 'k')}")
