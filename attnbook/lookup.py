"""A dictionary returns one value for an exact key; a soft lookup, a weighted mean of all.

    soft_lookup(q, K, V) = Σ_j α_j v_j,   α = softmax(score(q, k_1), …, score(q, k_n)),

with the scores divided by a temperature T. `hard_lookup` is the dictionary, and its limit T → 0.
Reading a memory by content in this way: Graves, Wayne and Danihelka (2014), section 3.3.1; as
attention: Bahdanau, Cho and Bengio (2015), section 3.1.
"""

from math import nan, sqrt

from ._arrays import (
    check_choice,
    check_floating,
    check_mask,
    check_query_and_keys,
    check_values,
    in_float32_or_better,
    namespace,
    split_finite,
)
from ._exact import MISSING, exact_lookup
from .distributions import softmax, weighted_mean

_SCORES = ("dot", "scaled_dot", "distance", "cosine")


def scores(query, keys, *, score="dot"):
    r"""How well each key matches the query.

    ======================  =====================================================
    ``"dot"``               q·k
    ``"scaled_dot"``        q·k / √d_k
    ``"distance"``          -‖q - k‖² / 2; its softmax is a Gaussian kernel, of width √T
    ``"cosine"``            q·k / (‖q‖ ‖k‖), in [-1, 1]; 0 if either is the zero vector
    ======================  =====================================================

    Parameters
    ----------
    query : array, shape (..., d_k), floating
        One query, or many.
    keys : array, shape (n, d_k), floating
        The keys. The scores of a key with a NaN or an inf are NaN.
    score : {"dot", "scaled_dot", "distance", "cosine"}
        The score function.

    Returns
    -------
    array, shape (..., n), the dtype of the inputs
        Sums are in float32 or better.

    Raises
    ------
    TypeError
        If query or keys are no floating arrays, or not of one library.
    ValueError
        If the shapes do not fit, or the score is unknown.

    References
    ----------
    Dot: Luong, Pham and Manning (2015), section 3.1. Scaled: Vaswani et al. (2017), section
    3.2.1. Cosine: Graves, Wayne and Danihelka (2014), section 3.3.1.

    Examples
    --------
    >>> import numpy as np
    >>> keys = np.array([[1.0, 0.0], [0.0, 2.0]])
    >>> scores(np.array([3.0, 4.0]), keys)
    array([3., 8.])
    >>> scores(np.array([3.0, 4.0]), keys, score="cosine")
    array([0.6, 0.8])
    """
    xp = namespace(query=query, keys=keys)
    _check(xp, query, keys, score)
    dtype = xp.result_type(query.dtype, keys.dtype)
    q, k = in_float32_or_better(xp, query, keys)
    return xp.astype(_scores(xp, q, k, score), dtype, copy=False)


def hard_lookup(
    query, keys, values, *, match="nearest", score="dot", ties="split", default=MISSING
):
    r"""Return the value of one key: ``v_j``, where k_j = q, or ``j = argmax score(q, k_j)``.

    Parameters
    ----------
    query : array, shape (..., d_k)
        One query, or many.
    keys : array, shape (n, d_k)
        The keys.
    values : array, shape (n, d_v), or (n,) for numbers
        One value for each key.
    match : {"nearest", "exact"}
        ``"nearest"``: the value of the key with the best score; floating arrays only.
        ``"exact"``: the value of the key that equals the query in every component; of equal
        keys the last one counts, as in a ``dict``. Integers will do as well.
    score : str
        See `scores`. For ``match="nearest"`` only.
    ties : {"split", "first"}
        What to do if several keys have the best score: ``"split"`` is the mean of their values,
        which equals ``soft_lookup(..., temperature=0)``; ``"first"`` is the lowest index. For
        ``match="nearest"`` only.
    default : number or array, broadcasts to one value, optional
        What an exact match returns on a miss; without it, a miss raises KeyError.

    Returns
    -------
    array, shape (..., d_v), or (...) if values has shape (n,)
        In the dtype of values for an exact match, of the inputs together otherwise.

    Raises
    ------
    KeyError
        If any query equals no key and there is no default. Names the query and the nearest key.
    TypeError
        If dtypes or libraries do not fit. An exact match wants query and keys in one dtype:
        0.1 in float32 does not equal 0.1 in float64.
    ValueError
        If shapes do not fit, an option is unknown or belongs to the other kind of match, or
        there are no keys to be nearest to.

    References
    ----------
    The content-addressed read of Graves, Wayne and Danihelka (2014), section 3.3.1, in the
    limit of an infinite key strength.

    Examples
    --------
    >>> import numpy as np
    >>> keys = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> values = np.array([10.0, 20.0])
    >>> print(hard_lookup(np.array([0.2, 0.9]), keys, values))
    20.0
    >>> print(hard_lookup(np.array([0.2, 0.9]), keys, values, match="exact", default=-1))
    -1.0
    """
    check_choice("match", match, ("nearest", "exact"))
    check_choice("ties", ties, ("split", "first"))
    if match == "exact":
        if (score, ties) != ("dot", "split"):
            raise ValueError(
                f"score={score!r} and ties={ties!r} rank the nearest keys; leave them out with "
                'match="exact"'
            )
        return exact_lookup(query, keys, values, default)
    if default is not MISSING:
        raise ValueError('default is for match="exact": a nearest key is always found')
    xp, dtype, q, k, v = _prepare(query, keys, values, score)
    if k.shape[0] == 0:
        raise ValueError("there are no keys (n = 0), so none is nearest; give at least one")
    weights = softmax(_scores(xp, q, k, score), temperature=0)
    if ties == "first":
        first = xp.argmax(weights, axis=-1, keepdims=True)
        index = xp.arange(k.shape[0], device=k.device)
        weights = xp.where(index == first, xp.ceil(weights), 0.0)  # 1/ties to 1; NaN stays
    return xp.astype(_read(xp, weights, v), dtype, copy=False)


def soft_lookup(
    query, keys, values, *, temperature=1.0, score="dot", mask=None, return_weights=False
):
    r"""Return a mean of all values, weighted by ``softmax(score(q, k_j) / T)``.

    Parameters
    ----------
    query : array, shape (..., d_k), floating
        One query, or many.
    keys : array, shape (n, d_k), floating
        The keys.
    values : array, shape (n, d_v), or (n,) for numbers; floating
        One value for each key.
    temperature : float, 0 <= T <= inf
        In units of the scores. 0 is ``hard_lookup`` with ties split; inf is the plain mean.
    score : str
        See `scores`.
    mask : bool array, broadcasts to (..., n), optional
        True where a key may be looked at. NaN in a masked key or value does not matter.
    return_weights : bool
        Return the weights as well.

    Returns
    -------
    out : array, shape (..., d_v), or (...) if values has shape (n,); the dtype of the inputs
        In the convex hull of the values. 0 where no key may be looked at.
    weights : array, shape (..., n); only if ``return_weights``
        Each row sums to 1, or is all zeros where no key may be looked at.

    Raises
    ------
    TypeError
        If an array is no floating array, the libraries differ, or the mask is not bool.
    ValueError
        If the shapes do not fit, the score is unknown or the temperature negative.

    References
    ----------
    Bahdanau, Cho and Bengio (2015), section 3.1; Graves, Wayne and Danihelka (2014), section
    3.3.1, where the key strength is 1/T.

    Examples
    --------
    >>> import numpy as np
    >>> keys = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> values = np.array([10.0, 20.0])
    >>> print(soft_lookup(np.array([1.0, 1.0]), keys, values))
    15.0
    >>> print(soft_lookup(np.array([0.0, 3.0]), keys, values).round(3))
    19.526
    """
    xp, dtype, q, k, v = _prepare(query, keys, values, score, mask)
    weights = softmax(_scores(xp, q, k, score), temperature=temperature, mask=mask)
    out = xp.astype(_read(xp, weights, v), dtype, copy=False)
    return (out, xp.astype(weights, dtype, copy=False)) if return_weights else out


def _scores(xp, q, k, score):
    # As in attention: a key with a NaN scores NaN by `where`, so that a masked one leaves no
    # trace in the gradient.
    (q, q_whole), (k, k_whole) = split_finite(xp, q), split_finite(xp, k)
    if score == "cosine":
        q, k = _unit(xp, q), _unit(xp, k)
    if score == "distance":
        s = -0.5 * xp.sum((q[..., None, :] - k) ** 2, axis=-1)
    else:
        s = xp.matmul(q, xp.matrix_transpose(k))
    if score == "scaled_dot":
        s = s / sqrt(q.shape[-1])
    return xp.where(q_whole[..., None] & k_whole, s, nan)


def _unit(xp, x):
    """Vectors of length 1; the zero vector stays zero."""
    largest = xp.max(abs(x), axis=-1, keepdims=True)  # so that no square over- or underflows
    x = x / xp.where(largest == 0, 1.0, largest)
    square = xp.sum(x * x, axis=-1, keepdims=True)
    return x / xp.sqrt(xp.where(square == 0, 1.0, square))


def _read(xp, weights, values):
    """Return the weighted mean of values (n, d_v), or of numbers (n,)."""
    if values.ndim == 2:
        return weighted_mean(xp, weights, values)
    return weighted_mean(xp, weights, values[:, None])[..., 0]


def _prepare(query, keys, values, score, mask=None):
    xp = namespace(query=query, keys=keys, values=values, mask=mask)
    _check(xp, query, keys, score)
    check_floating(xp, values=values)
    check_values(keys, values)
    check_mask(xp, mask, (*query.shape[:-1], keys.shape[0]))
    dtype = xp.result_type(query.dtype, keys.dtype, values.dtype)
    return xp, dtype, *in_float32_or_better(xp, query, keys, values)


def _check(xp, query, keys, score):
    check_choice("score", score, _SCORES)
    check_floating(xp, query=query, keys=keys)
    check_query_and_keys(query, keys)
