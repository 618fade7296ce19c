"""What every function shares: which array library came, and whether its arrays will do.

All checks of the library live here, so that the mathematics elsewhere is only mathematics.
Each check names what came and what would do. They look at types, shapes and numbers, not
at the contents of arrays; a caller's array is never written to.
"""

import math
import sys
from numbers import Integral, Real


def namespace(**arrays):
    """Return the one array library that all these arrays belong to.

    NumPy, array-api-strict, JAX and CuPy arrays bring their namespace along (the Python
    array API standard). PyTorch tensors do not: array-api-compat wraps PyTorch for them.
    ``None`` stands for an argument that was not given.
    """
    arrays = {name: array for name, array in arrays.items() if array is not None}
    spaces = {name: _namespace_of(name, array) for name, array in arrays.items()}
    (first, xp), *rest = spaces.items()
    for name, other in rest:
        if other is not xp:
            raise TypeError(
                f"{first} is a {_library(arrays[first])} array and {name} is a "
                f"{_library(arrays[name])} array; convert one, so that both come from one library"
            )
    return xp


def _namespace_of(name, array):
    torch = sys.modules.get("torch")  # no tensor can come if PyTorch was never imported
    if torch is not None and isinstance(array, torch.Tensor):
        try:
            import array_api_compat.torch as xp
        except ImportError:
            raise ImportError(
                "PyTorch tensors need array-api-compat: pip install 'attnbook[torch]'"
            ) from None
        return xp
    if not hasattr(array, "__array_namespace__"):
        raise TypeError(
            f"{name} is a {type(array).__name__}, not an array; wrap it in numpy.asarray(...)"
        )
    return array.__array_namespace__()


def _library(array):
    return type(array).__module__.partition(".")[0]


def check_floating(xp, **arrays):
    """Check for real numbers: integers as scores, keys or values are most often a mistake."""
    for name, array in arrays.items():
        if array is not None and not xp.isdtype(array.dtype, "real floating"):
            raise TypeError(
                f"{name} has dtype {array.dtype}; it must be real floating point, such as "
                "float32 or float64: convert it first"
            )


def check_rank(least, form, **arrays):
    """Check for at least so many axes; ``form`` is the shape that would do."""
    for name, array in arrays.items():
        if array.ndim < least:
            raise ValueError(f"{name} has shape {tuple(array.shape)}; it must be {form}")


def check_mask(xp, mask, shape):
    """Check that the mask is boolean and broadcasts to ``shape``, the shape of the scores."""
    if mask is None:
        return
    if not xp.isdtype(mask.dtype, "bool"):
        raise TypeError(
            f"mask has dtype {mask.dtype}; it must be bool, True = may attend "
            "(numbers that are added to the scores are a bias, not a mask)"
        )
    check_broadcast("mask", mask, shape)


def check_broadcast(name, array, shape, what="the scores"):
    """Check that ``array`` broadcasts to ``shape``, that of ``what``, as it is."""
    sizes = tuple(array.shape)
    padded = (1,) * (len(shape) - len(sizes)) + sizes
    if len(padded) != len(shape) or any(
        have not in (1, want) for have, want in zip(padded, shape, strict=True)
    ):
        raise ValueError(
            f"{name} has shape {sizes}; it must broadcast to the shape of {what}, {tuple(shape)}"
        )


def check_query_and_keys(query, keys):
    """Check that queries (..., d_k) and keys (n, d_k) have one width."""
    if query.ndim < 1 or keys.ndim != 2 or not query.shape[-1] == keys.shape[-1] >= 1:
        raise ValueError(
            f"query has shape {tuple(query.shape)} and keys {tuple(keys.shape)}; they must be "
            "(..., d_k) and (n, d_k), with one d_k >= 1 (for numbers write keys[:, None])"
        )


def check_values(keys, values):
    """Check that there is one value, a vector or a number, for each key."""
    if values.ndim not in (1, 2) or values.shape[0] != keys.shape[0]:
        raise ValueError(
            f"values has shape {tuple(values.shape)} for {keys.shape[0]} keys; "
            f"it must be ({keys.shape[0]}, d_v), or ({keys.shape[0]},) for numbers"
        )


def check_axis(axis, array, name):
    """Return the axis counted from 0."""
    if not isinstance(axis, Integral) or isinstance(axis, bool):
        raise TypeError(f"axis must be an integer; got {axis!r}")
    check_rank(1, "at least 1-dimensional", **{name: array})
    if not -array.ndim <= axis < array.ndim:
        raise ValueError(
            f"axis is {axis}, but {name} has shape {tuple(array.shape)}: "
            f"an axis from {-array.ndim} to {array.ndim - 1} would do"
        )
    return int(axis) % array.ndim


def check_number(name, value, *, positive=False, infinite=False):
    """Return a real number as a float: any finite one, or >= 0, or > 0."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a Python number; got a {type(value).__name__}")
    value = float(value)
    if math.isnan(value) or (math.isinf(value) and not infinite) or (positive and value <= 0):
        want = "> 0" if positive else "a number"
        raise ValueError(f"{name} must be {want}{'' if infinite else ' and finite'}; got {value}")
    return value


def check_temperature(value):
    """Return the temperature as a float, 0 <= T <= inf."""
    value = check_number("temperature", value, infinite=True)
    if value < 0:
        raise ValueError(f"temperature must be from 0 (argmax) to inf (uniform); got {value}")
    return value


def check_count(name, value, *, least=0):
    """Return a whole number of things as an int, at least ``least``."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer; got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}; got {value}")
    return int(value)


def check_heads(d_model, num_heads, num_kv_heads, d_head):
    """Return the heads of a layer, those of keys and values, and the width of one, as ints."""
    heads = check_count("num_heads", num_heads, least=1)
    kv_heads = heads if num_kv_heads is None else check_count("num_kv_heads", num_kv_heads, least=1)
    if heads % kv_heads:
        raise ValueError(
            f"{heads} query heads cannot share {kv_heads} key/value heads evenly; the first "
            "number must be a multiple of the second"
        )
    if d_head is None and d_model % heads:
        raise ValueError(
            f"d_model = {d_model} does not divide into {heads} heads; give d_head, or a multiple"
        )
    return (
        heads,
        kv_heads,
        d_model // heads if d_head is None else check_count("d_head", d_head, least=1),
    )


def check_switch(name, value):
    """Return True or False; anything else, an array say, was meant for another argument."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False; got a {type(value).__name__}")
    return value


def check_choice(name, value, choices):
    """Check that ``value`` is one of ``choices``."""
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, choices))}")


def in_float32_or_better(xp, *arrays):
    """Return the arrays in one dtype in which sums are safe: float32, or float64 if one is."""
    dtype = xp.result_type(xp.float32, *(array.dtype for array in arrays))
    return tuple(xp.astype(array, dtype, copy=False) for array in arrays)


def split_finite(xp, rows):
    """Return ``rows`` with NaN and inf set to 0, and which rows needed no such change.

    A product with 0 does not remove a NaN (0 * NaN is NaN), neither in the result nor in the
    gradient. So the product is taken with clean rows, and the others are put back afterwards
    where they may be seen.
    """
    finite = xp.isfinite(rows)
    return xp.where(finite, rows, 0.0), xp.all(finite, axis=-1)
