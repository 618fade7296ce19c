r"""A memory that a network reads and writes, addressed by content and by place.

    by content        w_i = softmax_i(β cos(key, M_i))                   β >= 0, (5) and (6)
    interpolate       w ← g w + (1 - g) w_previous                       0 <= g <= 1, (7)
    shift             w_i ← Σ_j w_j s(i - j), indices modulo n           s sums to 1, (8)
    sharpen           w_i ← w_i^γ / Σ_j w_j^γ                            γ >= 1, (9)
    read              r = Σ_i w_i M_i                                    (2)
    erase and add     M_i ← M_i (1 - w_i e) + w_i a                      0 <= e <= 1, (3) and (4)

Graves, Wayne and Danihelka (2014), "Neural Turing Machines", sections 3.1 to 3.3, with their
numbers of the equations. Each stage takes distributions over the n rows of the memory and returns
one, and all of it has a gradient: the network learns where to read and what to write.

A memory M has shape (..., n, width). What one head emits has the leading axes of the memory, a key
(..., width) for instance; with several heads one more axis stands before the last, (..., heads,
width). Below, "one per head" means a number, or an array that broadcasts to (...) or (..., heads).
NaN is not an error: it shows in the result.
"""

from math import inf
from numbers import Real

from ._arrays import (
    check_broadcast,
    check_floating,
    check_number,
    check_rank,
    in_float32_or_better,
    namespace,
)
from .attention import attention_weights
from .distributions import weighted_mean
from .lookup import _unit


def content_weights(memory, key, strength):
    r"""``softmax(β cos(key, M_i))`` over the rows i: attention over vectors of length 1.

    Parameters
    ----------
    memory : array, shape (..., n, width), floating
        At least one row. A row of zeros has cosine 0 with every key, as has a key of zeros.
    key : array, shape (..., width) or (..., heads, width), floating
        What to look for.
    strength : number or array, one per head, >= 0
        The key strength β: an inverse temperature, in nats per unit of cosine. 0 is uniform.

    Returns
    -------
    array, shape (..., n) or (..., heads, n), the dtype of memory and key
        A distribution. The greater β is, the nearer to a lookup of the one most similar row.

    Raises
    ------
    TypeError, ValueError
        If arrays or shapes do not fit, or a strength is negative or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> memory = np.array([[1.0, 0.0], [0.0, 5.0]])
    >>> content_weights(memory, np.array([0.0, 2.0]), 3.0).round(2)
    array([0.05, 0.95])
    """
    xp, dtype, m, k = _prepare(memory=memory, key=key)
    alone = _check_heads(memory, key=(key, memory.shape[-1]))
    beta = _one_per_head(xp, "strength", strength, key, low=0)
    q, m = beta * _unit(xp, k), _unit(xp, m)
    w = attention_weights(q[..., None, :] if alone else q, m, scale=1.0)
    return xp.astype(w[..., 0, :] if alone else w, dtype, copy=False)


def interpolate(weights, previous, gate):
    r"""``g w + (1 - g) w_previous``: stay where the head was, or go where the content is.

    Parameters
    ----------
    weights, previous : array, shape (..., n) or (..., heads, n), floating
        Distributions: the weights by content, and the weights of the step before.
    gate : number or array, one per head, 0 <= g <= 1
        0 keeps the previous weights, 1 takes the new ones.

    Returns
    -------
    array, the shape of weights, the dtype of both
        A distribution.

    Raises
    ------
    TypeError, ValueError
        If arrays or shapes do not fit, a gate is not from 0 to 1, or weights are no distribution.

    Examples
    --------
    >>> import numpy as np
    >>> interpolate(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 0.75)
    array([0.75, 0.25])
    """
    xp, dtype, w, p = _prepare(weights=weights, previous=previous)
    check_broadcast("previous", previous, weights.shape, "weights")
    _check_distribution(xp, weights=weights, previous=previous)
    g = _one_per_head(xp, "gate", gate, weights, low=0, high=1)
    return xp.astype(g * w + (1 - g) * p, dtype, copy=False)


def shift(weights, kernel):
    r"""``Σ_j w_j s(i - j)``, indices modulo n: move the weights round the memory.

    The kernel's entries belong to the shifts -r, …, 0, …, r in this order. So with three entries
    the last, s(1), moves the weight of row j to row j + 1, and that of the last row to row 0.

    Parameters
    ----------
    weights : array, shape (..., n) or (..., heads, n), floating
        A distribution.
    kernel : array, shape (2r + 1,) or (..., 2r + 1) or (..., heads, 2r + 1), floating
        A distribution over the shifts. It may be wider than the memory.

    Returns
    -------
    array, the shape of weights, the dtype of weights and kernel
        A distribution.

    Raises
    ------
    TypeError, ValueError
        If arrays or shapes do not fit, the kernel's length is even, or one is no distribution.

    Examples
    --------
    >>> import numpy as np
    >>> shift(np.array([0.0, 0.0, 1.0]), np.array([0.25, 0.0, 0.75]))
    array([0.75, 0.25, 0.  ])
    """
    xp, dtype, w, s = _prepare(weights=weights, kernel=kernel)
    if kernel.shape[-1] % 2 == 0:
        raise ValueError(f"kernel has {kernel.shape[-1]} entries; -r, ..., r needs an odd number")
    per_head = (*weights.shape[:-1], kernel.shape[-1])
    check_broadcast("kernel", kernel, per_head, "one kernel per head")
    _check_distribution(xp, weights=weights, kernel=kernel)
    r = kernel.shape[-1] // 2
    moved = sum(s[..., r + by, None] * xp.roll(w, by, axis=-1) for by in range(-r, r + 1))
    return xp.astype(moved, dtype, copy=False)


def sharpen(weights, exponent):
    r"""``w_i^γ / Σ_j w_j^γ``: undo the blur of a shift; it is softmax of γ log w.

    Parameters
    ----------
    weights : array, shape (..., n) or (..., heads, n), floating
        A distribution.
    exponent : number or array, one per head, γ >= 1
        1 changes nothing.

    Returns
    -------
    array, the shape and dtype of weights
        A distribution. However great γ is, the greatest weight does not underflow.

    Raises
    ------
    TypeError, ValueError
        If an array does not fit, an exponent is below 1 or not finite, or weights are no
        distribution.

    Examples
    --------
    >>> import numpy as np
    >>> sharpen(np.array([0.75, 0.25]), 2.0)
    array([0.9, 0.1])
    """
    xp, dtype, w = _prepare(weights=weights)
    _check_distribution(xp, weights=weights)
    gamma = _one_per_head(xp, "exponent", exponent, weights, low=1)
    power = (w / xp.max(w, axis=-1, keepdims=True)) ** gamma  # 1 at the peak
    return xp.astype(power / xp.sum(power, axis=-1, keepdims=True), dtype, copy=False)


def address(memory, key, strength, gate, kernel, exponent, previous):
    r"""``sharpen(shift(interpolate(content_weights(...), previous, g), s), γ)``: the whole way.

    Takes, returns and raises what the four stages do. Here it finds a row by content, and steps
    to the next one:

    Examples
    --------
    >>> import numpy as np
    >>> memory, start = np.eye(4), np.array([1.0, 0.0, 0.0, 0.0])
    >>> ahead = np.array([0.0, 0.0, 1.0])
    >>> address(memory, memory[1], 50.0, 1.0, ahead, 1.0, start).round(2)
    array([0., 0., 1., 0.])
    """
    weights = content_weights(memory, key, strength)
    return sharpen(shift(interpolate(weights, previous, gate), kernel), exponent)


def read(memory, weights):
    r"""``Σ_i w_i M_i``: a mean of the rows.

    Parameters
    ----------
    memory : array, shape (..., n, width), floating
    weights : array, shape (..., n) or (..., heads, n), floating
        A distribution.

    Returns
    -------
    array, shape (..., width) or (..., heads, width), the dtype of memory and weights
        A weight of exactly 0 takes nothing from its row, be it NaN.

    Raises
    ------
    TypeError, ValueError
        If arrays or shapes do not fit, or weights are no distribution.

    Examples
    --------
    >>> import numpy as np
    >>> read(np.array([[1.0, 0.0], [3.0, 4.0]]), np.array([0.5, 0.5]))
    array([2., 2.])
    """
    xp, dtype, m, w = _prepare(memory=memory, weights=weights)
    alone = _check_heads(memory, weights=(weights, memory.shape[-2]))
    _check_distribution(xp, weights=weights)
    out = weighted_mean(xp, w[..., None, :] if alone else w, m)
    return xp.astype(out[..., 0, :] if alone else out, dtype, copy=False)


def write(memory, weights, erase, add):
    r"""``M_i (1 - w_i e) + w_i a``: erase, then add. Heads: ``M_i Π (1 - w_i e) + Σ w_i a``.

    Parameters
    ----------
    memory : array, shape (..., n, width), floating
    weights : array, shape (..., n) or (..., heads, n), floating
        A distribution: where to write. One row alone, with erase = 1, is replaced as a whole.
    erase : array, shape (..., width) or (..., heads, width), floating, from 0 to 1
        How much of each component goes.
    add : array, the shape of erase, floating
        What comes instead.

    Returns
    -------
    array, shape (..., n, width), the dtype of the inputs
        The new memory; the old one is as it was. The order of the heads does not matter.

    Raises
    ------
    TypeError, ValueError
        If arrays or shapes do not fit, erase is not from 0 to 1, or weights are no distribution.

    Examples
    --------
    >>> import numpy as np
    >>> here, all_of_it = np.array([0.0, 1.0]), np.array([1.0, 1.0])
    >>> write(np.eye(2), here, all_of_it, np.array([7.0, 8.0]))
    array([[1., 0.],
           [7., 8.]])
    """
    xp, dtype, m, w, e, a = _prepare(memory=memory, weights=weights, erase=erase, add=add)
    n, width = memory.shape[-2:]
    alone = _check_heads(memory, weights=(weights, n), erase=(erase, width), add=(add, width))
    _check_distribution(xp, weights=weights)
    _check_range(xp, "erase", e, low=0, high=1)
    if alone:
        w, e, a = w[..., None, :], e[..., None, :], a[..., None, :]
    kept = xp.prod(1 - w[..., :, None] * e[..., None, :], axis=-3)  # (..., n, width)
    new = m * kept + xp.matmul(xp.matrix_transpose(w), a)
    return xp.astype(new, dtype, copy=False)


def _prepare(**arrays):
    """Check the arrays; return them in float32 or better, and the dtype for the result."""
    xp = namespace(**arrays)
    check_floating(xp, **arrays)
    for name, array in arrays.items():
        least, form = (2, "(..., n, width)") if name == "memory" else (1, "at least 1-dimensional")
        check_rank(least, form, **{name: array})
        if 0 in array.shape[-least:]:
            raise ValueError(f"{name} has shape {tuple(array.shape)}; there is nothing in it")
    dtype = xp.result_type(*(array.dtype for array in arrays.values()))
    return xp, dtype, *in_float32_or_better(xp, *arrays.values())


def _check_heads(memory, **parts):
    """Check what the heads emit; return whether there is one head alone, without an axis."""
    (first, _), *_ = parts.values()
    alone = first.ndim < memory.ndim
    lead = tuple(memory.shape[:-2]) + (() if alone else (first.shape[-2],))
    for name, (array, last) in parts.items():
        if tuple(array.shape) != (*lead, last):
            raise ValueError(
                f"{name} has shape {tuple(array.shape)} for memory {tuple(memory.shape)}; it must "
                f"be {(*lead, last)} (one head: (..., last); several: (..., heads, last))"
            )
    return alone


def _one_per_head(xp, name, value, like, low, high=inf):
    """Check a number, or an array with one number per head; give the array an axis at the end."""
    if isinstance(value, Real):
        number = check_number(name, value)
        _check_range(xp, name, xp.asarray(number), low, high)
        return number
    namespace(**{name: value, "the rest": like})
    check_floating(xp, **{name: value})
    check_broadcast(name, value, like.shape[:-1], "the heads")
    _check_range(xp, name, value, low, high)
    return value[..., None]


def _check_range(xp, name, value, low, high):
    if bool(xp.any((value < low) | (value > high) | (value == inf))):
        want = f"at least {low} and finite" if high == inf else f"from {low} to {high}"
        least, most = float(xp.min(value)), float(xp.max(value))
        raise ValueError(f"{name} must be {want}; got {least:.6g} to {most:.6g}")


def _check_distribution(xp, **arrays):
    for name, array in arrays.items():
        tolerance = max(float(xp.finfo(array.dtype).eps) ** 0.5, 1e-6)
        total = xp.sum(array, axis=-1)
        if bool(xp.any(array < 0)) or bool(xp.any(abs(total - 1) > tolerance)):
            raise ValueError(
                f"{name} must be >= 0 and sum to 1 over the last axis; the least entry is "
                f"{float(xp.min(array)):.6g}, the sums are {float(xp.min(total)):.6g} to "
                f"{float(xp.max(total)):.6g}"
            )
