"""Kernel regression: a soft lookup whose score is fixed by hand, not learned.

    ŷ(x) = Σ_j K(u_j) y_j / Σ_j K(u_j),   u_j = ‖x - x_j‖ / h

Nadaraya (1964) and Watson (1964). With the Gaussian kernel, K(u) = exp(-u²/2), the weights are
softmax(-‖x - x_j‖²/2) at temperature h²: attention with the distance as its score.
"""

from ._arrays import (
    check_choice,
    check_floating,
    check_number,
    in_float32_or_better,
    namespace,
)
from .distributions import softmax, weighted_mean


def kernel_regression(x_query, x, y, *, kernel="gaussian", bandwidth=1.0, return_weights=False):
    r"""Predict y at new places: ``sum_j K(u_j) y_j / sum_j K(u_j)``, ``u_j = ‖x_query - x_j‖ / h``.

    ====================  =============================
    ``"gaussian"``        K(u) = exp(-u²/2)
    ``"boxcar"``          K(u) = 1 if u <= 1, else 0
    ``"epanechnikov"``    K(u) = max(0, 1 - u²)
    ====================  =============================

    Parameters
    ----------
    x_query : array, shape (m,) or (m, d), floating
        Places to predict at: the queries.
    x : array, shape (n,) or (n, d), floating
        Places that were observed: the keys.
    y : array, shape (n,) or (n, d_y), floating
        What was observed there: the values.
    kernel : {"gaussian", "boxcar", "epanechnikov"}
        The kernel K.
    bandwidth : float, > 0
        The width h, in units of x.
    return_weights : bool
        Return the weights as well.

    Returns
    -------
    y_query : array, shape (m,) or (m, d_y), the dtype of the inputs
        In units of y. A Gaussian kernel reaches everywhere: far from all data it gives the
        nearest value, not 0/0. The other two reach as far as h; a place with no data so near
        gets 0, as does every lookup with nothing to attend to.
    weights : array, shape (m, n); only if ``return_weights``
        Each row sums to 1, or is all zeros where no data is near.

    Raises
    ------
    TypeError
        If an array is no floating array, the libraries differ, or bandwidth is no number.
    ValueError
        If the shapes do not fit, the kernel is unknown, or the bandwidth not > 0 and finite.

    References
    ----------
    Nadaraya (1964), "On estimating regression"; Watson (1964), "Smooth regression analysis";
    Epanechnikov (1969) for the kernel of that name.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 4.0])
    >>> kernel_regression(np.array([0.5, 99.0]), x, y, bandwidth=0.5).round(3)
    array([0.532, 4.   ])
    >>> kernel_regression(np.array([0.5, 99.0]), x, y, kernel="boxcar")
    array([0.5, 0. ])
    """
    xp = namespace(x_query=x_query, x=x, y=y)
    check_choice("kernel", kernel, ("gaussian", "boxcar", "epanechnikov"))
    bandwidth = check_number("bandwidth", bandwidth, positive=True)
    check_floating(xp, x_query=x_query, x=x, y=y)
    _check_shapes(x_query, x, y)
    dtype = xp.result_type(x_query.dtype, x.dtype, y.dtype)
    places, data, values = (
        array if array.ndim == 2 else array[:, None]
        for array in in_float32_or_better(xp, x_query, x, y)
    )
    weights = _weights(xp, places[:, None, :] - data, kernel, bandwidth)
    out = weighted_mean(xp, weights, values)
    out = xp.astype(out if y.ndim == 2 else out[:, 0], dtype, copy=False)
    return (out, xp.astype(weights, dtype, copy=False)) if return_weights else out


def _weights(xp, difference, kernel, bandwidth):
    if kernel == "gaussian":
        square = xp.sum(difference**2, axis=-1)
        return softmax(-0.5 * square, temperature=bandwidth * bandwidth)
    u_square = xp.sum((difference / bandwidth) ** 2, axis=-1)
    height = 1.0 - u_square if kernel == "epanechnikov" else xp.ones_like(u_square)
    height = xp.where(u_square > 1.0, 0.0, height)
    total = xp.sum(height, axis=-1, keepdims=True)
    return height / xp.where(total == 0, 1.0, total)


def _check_shapes(x_query, x, y):
    same_rank = x_query.ndim == x.ndim in (1, 2)
    if not same_rank or (x.ndim == 2 and x_query.shape[1] != x.shape[1]):
        raise ValueError(
            f"x_query has shape {tuple(x_query.shape)} and x {tuple(x.shape)}; "
            "they must be (m,) and (n,), or (m, d) and (n, d)"
        )
    if y.ndim not in (1, 2) or y.shape[0] != x.shape[0]:
        raise ValueError(
            f"y has shape {tuple(y.shape)} for {x.shape[0]} places x; "
            f"it must be ({x.shape[0]},) or ({x.shape[0]}, d_y)"
        )
