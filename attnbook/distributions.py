"""From scores to weights: softmax, and what can be said about the weights.

    α_j = exp(s_j / T) / Σ_i exp(s_i / T)

Bridle (1990) named the function; the temperature T is that of Hinton, Vinyals and Dean (2015),
section 2. The greatest score is subtracted first, so that no exponential overflows (Blanchard,
Higham and Higham, 2021). A row in which nothing is allowed has no greatest score: its weights
are 0, never NaN.
"""

from math import inf, nan

from ._arrays import (
    check_axis,
    check_floating,
    check_mask,
    check_temperature,
    in_float32_or_better,
    namespace,
    split_finite,
)


def softmax(x, axis=-1, *, temperature=1.0, mask=None):
    r"""Turn scores into weights: ``exp(x_j / T) / sum_i exp(x_i / T)``.

    Parameters
    ----------
    x : array, any shape, floating
        Scores. An entry of -inf is not allowed; entries of +inf share the weight evenly.
    axis : int
        The axis along which the weights sum to 1: that of the keys.
    temperature : float, 0 <= T <= inf
        In units of the scores. Both ends are exact limits: 0 is argmax, with the weight split
        evenly among ties; inf is uniform over the allowed entries. A temperature too small for
        the dtype of the sums (below its smallest normal number) counts as 0.
    mask : bool array, broadcasts to the shape of x, optional
        True where an entry may get weight.

    Returns
    -------
    array, the shape and dtype of x
        A row without allowed entries is all zeros. Sums are in float32 or better.

    Raises
    ------
    TypeError
        If x is not a floating array, the mask not bool, the temperature not a number.
    ValueError
        If the temperature is negative or NaN, or axis or mask do not fit x.

    References
    ----------
    Bridle (1990), "Probabilistic interpretation of feedforward classification network outputs";
    Hinton, Vinyals and Dean (2015), section 2 (temperature).

    Examples
    --------
    >>> import numpy as np
    >>> softmax(np.array([1.0, 2.0, 3.0])).round(3)
    array([0.09 , 0.245, 0.665])
    >>> softmax(np.array([1.0, 3.0, 3.0]), temperature=0)
    array([0. , 0.5, 0.5])
    """
    xp, s, axis = _prepare(x, axis, mask)
    temperature = check_temperature(temperature)
    if s.shape[axis] == 0:
        return 0.0 * x  # as empty as x, and still on its gradient's path
    e, _ = _exponentials(xp, s, axis, temperature)
    total = xp.sum(e, axis=axis, keepdims=True)
    weights = e / xp.where(total == 0, 1.0, total)  # 0/1, not 0/0, where nothing is allowed
    return xp.astype(weights, x.dtype, copy=False)


def logsumexp(x, axis=-1, *, mask=None):
    r"""``log sum_j exp(x_j)``, without overflow.

    Parameters
    ----------
    x : array, any shape, floating
        Scores. An entry of -inf counts for nothing.
    axis : int
        The axis that is summed, and so removed.
    mask : bool array, broadcasts to the shape of x, optional
        True where an entry counts.

    Returns
    -------
    array, the shape of x without that axis, in nats
        float32, or float64 for float64. -inf where nothing is allowed.

    Raises
    ------
    TypeError, ValueError
        As for `softmax`.

    References
    ----------
    Blanchard, Higham and Higham (2021), "Accurately computing the log-sum-exp and softmax
    functions", section 1.

    Examples
    --------
    >>> import numpy as np
    >>> bool(np.isclose(logsumexp(np.array([1000.0, 1000.0])), 1000 + np.log(2)))
    True
    """
    xp, s, axis = _prepare(x, axis, mask)
    if s.shape[axis] == 0:
        return xp.sum(s, axis=axis) - inf
    e, peak = _exponentials(xp, s, axis, 1.0)
    total = xp.sum(e, axis=axis, keepdims=True)
    lse = xp.log(xp.where(total == 0, 1.0, total)) + peak
    # The same numbers again, but as constants: they have no gradient.
    lse = xp.where(peak == -inf, -inf, xp.where(peak == inf, inf, lse))
    return xp.squeeze(lse, axis=axis)


def entropy(weights, axis=-1):
    r"""Entropy of the weights: ``-sum_j a_j log a_j``, in nats; 0 log 0 is 0.

    Parameters
    ----------
    weights : array, any shape, floating
        Each row is a distribution, or all zeros (nothing to attend to).
    axis : int
        The axis along which the weights sum to 1.

    Returns
    -------
    array, the shape of weights without that axis
        From 0 (one entry has all the weight; also a row of zeros) to log n (uniform), in nats.

    Raises
    ------
    TypeError
        If weights is not a floating array.
    ValueError
        If a weight is negative or NaN, or a row sums neither to 1 nor to 0. A sum may be off
        by the square root of the dtype's epsilon, and by 1e-6 in any dtype.

    References
    ----------
    Shannon (1948), "A mathematical theory of communication", section 6.

    Examples
    --------
    >>> import numpy as np
    >>> entropy(np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])).round(3)
    array([0.693, 0.   ])
    """
    xp = namespace(weights=weights)
    check_floating(xp, weights=weights)
    axis = check_axis(axis, weights, "weights")
    (a,) = in_float32_or_better(xp, weights)
    _check_distribution(xp, weights, a, axis)
    terms = xp.where(a > 0, a * xp.log(xp.where(a > 0, a, 1.0)), 0.0)
    return xp.astype(0.0 - xp.sum(terms, axis=axis), weights.dtype, copy=False)


def softmax_jacobian(weights, *, temperature=1.0):
    r"""Return ``(diag(a) - a a^T) / T``: the derivative of the weights by the scores.

    Entry (i, j) is the derivative of weight i by score j. It dies where softmax saturates:
    with all the weight on one entry the matrix is 0.

    Parameters
    ----------
    weights : array, shape (..., n), floating
        ``a = softmax(scores, temperature=T)``; rows sum to 1, or are all zeros.
    temperature : float, 0 < T <= inf
        The T with which the weights were made; at inf the derivative is 0.

    Returns
    -------
    array, shape (..., n, n), the dtype of weights
        In weight per unit of score. Symmetric; each row and each column sums to 0.

    Raises
    ------
    TypeError
        If weights is not a floating array or the temperature not a number.
    ValueError
        If T <= 0 or NaN (at 0 softmax is a step, which has no derivative), or if the weights
        are no distribution (see `entropy`).

    References
    ----------
    Bridle (1990), section 3, gives the derivative.

    Examples
    --------
    >>> import numpy as np
    >>> softmax_jacobian(np.array([0.5, 0.5]))
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    xp = namespace(weights=weights)
    check_floating(xp, weights=weights)
    axis = check_axis(-1, weights, "weights")
    temperature = check_temperature(temperature)
    if temperature == 0:
        raise ValueError(
            "temperature is 0: there softmax is a step and has no derivative; use a temperature > 0"
        )
    (a,) = in_float32_or_better(xp, weights)
    _check_distribution(xp, weights, a, axis)
    diagonal = a[..., None] * xp.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    jacobian = (diagonal - a[..., :, None] * a[..., None, :]) / temperature
    return xp.astype(jacobian, weights.dtype, copy=False)


def weighted_mean(xp, weights, values):
    """``sum_j a_j v_j``: weights (..., n), values (..., n, d_v) -> (..., d_v).

    A weight of exactly 0 takes nothing from its value, be it NaN. A row that gives weight to
    a value with a NaN or an inf in it is NaN as a whole.
    """
    clean, whole = split_finite(xp, values)
    whole = whole if whole.ndim == 1 else whole[..., None, :]  # one row for all queries
    spoiled = xp.any((weights > 0) & ~whole, axis=-1)
    return xp.where(spoiled[..., None], nan, xp.matmul(weights, clean))


def _prepare(x, axis, mask):
    """Check softmax's arguments; return x in float32 or better, -inf where masked."""
    xp = namespace(x=x, mask=mask)
    check_floating(xp, x=x)
    axis = check_axis(axis, x, "x")
    check_mask(xp, mask, x.shape)
    (s,) = in_float32_or_better(xp, x)
    return xp, (s if mask is None else xp.where(mask, s, -inf)), axis


def _exponentials(xp, s, axis, temperature):
    """Return exp((s - max s) / T), with 0 where s is -inf, and max s."""
    peak = xp.max(s, axis=axis, keepdims=True)
    # Where the peak is +inf, its entries count as equal and all others as not allowed.
    s = xp.where((peak == inf) & (s != inf), -inf, s)
    s = xp.where(s == inf, 0.0, s)
    # Guarded: where nothing is allowed the peak is -inf, and -inf - -inf would be NaN.
    z = s - xp.where(abs(peak) == inf, 0.0, peak)
    return xp.where(s == -inf, 0.0, xp.exp(_divide(xp, z, temperature))), peak


def _divide(xp, z, temperature):
    """Return z / T for z <= 0, at both limits too; NaN stays NaN."""
    limits = xp.finfo(z.dtype)
    level = 0.0 * xp.where(z < 0, 0.0, z)
    if temperature > float(limits.max):
        return level
    if temperature < float(limits.smallest_normal):
        return xp.where(z < 0, -inf, level)
    # exp(-1000) is 0 in every dtype: stopping there keeps z / T from overflowing.
    floor = max(-1000.0 * temperature, -float(limits.max))
    return xp.where(z < floor, floor, z) / temperature


def _check_distribution(xp, weights, a, axis):
    tolerance = max(float(xp.finfo(weights.dtype).eps) ** 0.5, 1e-6)
    total = xp.sum(a, axis=axis)
    if bool(xp.any(a < 0)):
        raise ValueError(f"weights must not be negative; the least is {float(xp.min(a)):.6g}")
    good = (abs(total - 1.0) <= tolerance) | (total == 0)
    if not bool(xp.all(good)):
        off = xp.reshape(xp.where(good, 0.0, abs(total - 1.0)), (-1,))
        worst = float(xp.reshape(total, (-1,))[int(xp.argmax(off))])
        raise ValueError(
            f"weights of shape {tuple(weights.shape)} must sum to 1 along axis {axis}, or to 0 "
            f"where nothing is attended to; one row sums to {worst:.6g}"
        )
