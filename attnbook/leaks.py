"""Who influences whom: change one position at a time, and see which outputs move.

    influence[i, j]  =  (output i differs once input j is changed)

A mask says what should be. This says what is, whatever the function does inside: masks, caches,
normalization, an index that is off by one. True is a proof, since the output did change. False
says that *this* change did not get through, so change by something that cannot cancel out.
"""

import numpy

from ._arrays import check_axis, namespace


def influence(function, x, *, axis=-2, change=None, tolerance=0.0):
    """Return which output positions change when one input position does.

    The function runs twice on ``x``, and once for each position.

    Parameters
    ----------
    function : callable
        From an array like ``x`` to an array with as many axes up to ``axis``, such as
        ``lambda x: attention(x, x, x, causal=True)``, or a model. It must give the same result
        twice: switch dropout off.
    x : array, such as (..., n, d)
        The input; it is not written to.
    axis : int
        The axis of the positions, in ``x`` and in the output. -2 for vectors (..., n, d), -1 for
        tokens (..., n). With 0 the "positions" are the sequences of a batch.
    change : callable, optional
        Takes ``x`` and returns what to put in the place of a position: an array of that shape,
        different everywhere. By default ``x`` plus normal noise. For tokens,
        ``lambda x: (x + 1) % vocabulary``; ``lambda x: x * math.nan`` finds 0 × NaN as well.
    tolerance : float
        Outputs that differ by no more than this count as equal. 0 is right where a masked
        position has weight 0, since adding 0 changes no bit.

    Returns
    -------
    bool numpy array, shape (n_out, n)
        True at [i, j] where output i depends on input j.

    Raises
    ------
    TypeError
        If x is no array, or holds integers and no change is given.
    ValueError
        If the function gives two results for one input, or if a change changes nothing.

    Examples
    --------
    >>> from attnbook import attention
    >>> x = numpy.random.default_rng(0).normal(size=(3, 4))
    >>> influence(lambda x: attention(x, x, x, causal=True), x).astype(int)
    array([[1, 0, 0],
           [1, 1, 0],
           [1, 1, 1]])
    """
    xp = namespace(x=x)
    at = check_axis(axis, x, "x")
    other = _noisy(xp, x) if change is None else change(x)
    if tuple(other.shape) != tuple(x.shape) or not bool(xp.all(other != x)):
        raise ValueError(
            "change must give an array of the shape of x that differs from x everywhere; "
            f"x is {tuple(x.shape)}, it gave {tuple(other.shape)}"
            + (" with equal entries" if tuple(other.shape) == tuple(x.shape) else "")
        )
    before = _to_numpy(function(x))
    if axis >= before.ndim or -axis > before.ndim:
        raise ValueError(f"the output has shape {before.shape}, and so no axis {axis}")
    elsewhere = tuple(i for i in range(before.ndim) if i != axis % before.ndim)

    def moved(after):
        if after.shape != before.shape:
            raise ValueError(f"the output changes its shape, from {before.shape} to {after.shape}")
        with numpy.errstate(invalid="ignore"):  # inf - inf
            same = (after == before) | (numpy.isnan(after) & numpy.isnan(before))
            return (~same & ~(abs(after - before) <= tolerance)).any(axis=elsewhere)

    if moved(_to_numpy(function(x))).any():
        raise ValueError("the function gives two results for one input; switch dropout off")
    place = xp.reshape(xp.arange(x.shape[at], device=x.device), (-1,) + (1,) * (x.ndim - 1 - at))
    columns = [
        moved(_to_numpy(function(xp.where(place == j, other, x)))) for j in range(x.shape[at])
    ]
    rows = before.shape[axis]
    return numpy.stack(columns, axis=-1) if columns else numpy.zeros((rows, 0), dtype=bool)


def leaks(function, x, allowed, **options):
    """Return the pairs (output, input) with an influence that ``allowed`` forbids.

    Parameters
    ----------
    function, x, **options
        As for `influence`.
    allowed : bool array, broadcasts to (n_out, n)
        True = may influence: a mask, if the function has one layer. Through several layers,
        influence goes step by step: a window of w reaches 2w in two layers.

    Returns
    -------
    list of (int, int)
        In the order of the outputs; empty if nothing leaks.

    Raises
    ------
    TypeError, ValueError
        As for `influence`; also if ``allowed`` does not fit the number of positions.

    Examples
    --------
    The mean over all positions sees the future, whatever mask comes after it:

    >>> from attnbook import causal_mask
    >>> x = numpy.random.default_rng(0).normal(size=(3, 4))
    >>> leaks(lambda x: x - x.mean(axis=0), x, causal_mask(3))
    [(0, 1), (0, 2), (1, 2)]
    """
    found = influence(function, x, **options)
    allowed = _to_numpy(allowed)
    if allowed.dtype != bool:
        raise TypeError(f"allowed has dtype {allowed.dtype}; it must be bool, True = may influence")
    try:
        allowed = numpy.broadcast_to(allowed, found.shape)
    except ValueError:
        raise ValueError(
            f"allowed has shape {allowed.shape}; there are {found.shape[0]} outputs and "
            f"{found.shape[1]} inputs"
        ) from None
    return [(int(i), int(j)) for i, j in zip(*numpy.nonzero(found & ~allowed), strict=True)]


def _noisy(xp, x):
    """Return x plus normal noise, the same in each call."""
    if not xp.isdtype(x.dtype, "real floating"):
        raise TypeError(
            f"x has dtype {x.dtype}, which takes no noise; give change, such as "
            "lambda x: (x + 1) % vocabulary"
        )
    noise = numpy.random.default_rng(0).normal(size=tuple(x.shape))
    return x + xp.asarray(noise, dtype=x.dtype, device=x.device)


def _to_numpy(array):
    if hasattr(array, "detach"):  # PyTorch: off the graph, off the GPU, out of bfloat16
        array = array.detach().cpu()
        array = array.double() if array.is_floating_point() else array
    return numpy.asarray(array)
