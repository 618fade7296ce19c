"""Who may look at whom: boolean masks, True where attending is allowed.

    allowed[i, j]  =  p - left <= j <= p + right,   p = i + n_k - n_q

Query i stands at position p: the queries are the last n_q positions of n_k, as in decoding,
so the last query stands at the last key (lower-right alignment). A causal mask is the window
with no limit on the left and 0 on the right.
Windows: Beltagy, Peters and Cohan (2020), section 3.1, with the meaning of (left, right) in
the flash-attention library (Dao, 2023). Causal: Vaswani et al. (2017), section 3.2.3.
"""

import numpy

from ._arrays import check_count, namespace


def causal_mask(n_q, n_k=None, *, xp=numpy, device=None):
    """Allow query i the keys ``j <= i + n_k - n_q``: those up to its own position.

    Two queries, five keys (X = may attend); the last query sees every key::

        key      0 1 2 3 4
        query 0  X X X X .
        query 1  X X X X X

    PyTorch's ``is_causal`` aligns to the upper left instead: there query 0 sees key 0 alone,
    and query 1 keys 0 and 1. The two agree when n_q = n_k. With n_q > n_k the first n_q - n_k
    queries see nothing.

    Parameters
    ----------
    n_q, n_k : int, >= 0
        Numbers of queries and of keys; n_k is n_q if not given.
    xp : array namespace
        The library of the mask: ``numpy``, ``torch``, ...
    device : optional
        The device of the mask, in the terms of that library.

    Returns
    -------
    bool array, shape (n_q, n_k)

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is negative.

    References
    ----------
    Vaswani et al. (2017), section 3.2.3.

    Examples
    --------
    >>> causal_mask(2, 5).astype(int)
    array([[1, 1, 1, 1, 0],
           [1, 1, 1, 1, 1]])
    """
    return window_mask(n_q, n_k, right=0, xp=xp, device=device)


def window_mask(n_q, n_k=None, *, left=None, right=None, xp=numpy, device=None):
    """Allow query i the keys ``p - left <= j <= p + right``, where ``p = i + n_k - n_q``.

    Parameters
    ----------
    n_q, n_k : int, >= 0
        Numbers of queries and of keys; n_k is n_q if not given.
    left, right : int >= 0, or None
        How many positions before and after its own a query may see. None is no limit.
    xp : array namespace
        The library of the mask: ``numpy``, ``torch``, ...
    device : optional
        The device of the mask, in the terms of that library.

    Returns
    -------
    bool array, shape (n_q, n_k)

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is negative.

    References
    ----------
    Beltagy, Peters and Cohan (2020), "Longformer", section 3.1.

    Examples
    --------
    >>> window_mask(4, left=1, right=0).astype(int)
    array([[1, 0, 0, 0],
           [1, 1, 0, 0],
           [0, 1, 1, 0],
           [0, 0, 1, 1]])
    """
    left, right = check_window((left, right))
    return mask_of(lambda p, key: in_window(p, key, left, right), n_q, n_k, xp=xp, device=device)


def in_window(position, key, left, right):
    """Return ``position - left <= key <= position + right``; None is no limit."""
    allowed = True
    if left is not None:
        allowed = key >= position - left
    if right is not None:
        allowed = allowed & (key <= position + right)
    return allowed


def mask_of(rule, n_q, n_k=None, *, xp=numpy, device=None):
    """Return ``rule(position, key)`` for each pair of query and key: bool, (n_q, n_k)."""
    n_q = check_count("n_q", n_q)
    n_k = n_q if n_k is None else check_count("n_k", n_k)
    position = xp.arange(n_q, device=device)[:, None] + (n_k - n_q)
    key = xp.arange(n_k, device=device)[None, :]
    return xp.ones((n_q, n_k), dtype=xp.bool, device=device) & rule(position, key)


def padding_mask(lengths, n_k, *, xp=None):
    """Allow the keys ``j < length``: the true ones, not those that fill up a batch.

    Parameters
    ----------
    lengths : int array, shape (...), each from 0 to n_k
        How many keys of each sequence are true. With ``xp`` given, a number or a list will do.
    n_k : int, >= 0
        Number of keys after padding.
    xp : array namespace, optional
        The library of the mask, when lengths is not an array.

    Returns
    -------
    bool array, shape (..., n_k)
        For attention over (B, H, N, D) write ``padding_mask(lengths, n_k)[:, None, None, :]``.

    Raises
    ------
    TypeError
        If lengths are not integers in an array.
    ValueError
        If a length is negative or greater than n_k.

    References
    ----------
    Sequences padded to one length, the rest masked: Vaswani et al. (2017), section 3.2.3, masks
    by -inf in the same way.

    Examples
    --------
    >>> import numpy as np
    >>> padding_mask(np.array([1, 3]), 4).astype(int)
    array([[1, 0, 0, 0],
           [1, 1, 1, 0]])
    """
    n_k = check_count("n_k", n_k)
    if xp is None:
        xp = namespace(lengths=lengths)
    else:
        lengths = xp.asarray(lengths)
    if not namespace(lengths=lengths).isdtype(lengths.dtype, "integral"):
        raise TypeError(f"lengths has dtype {lengths.dtype}; it must be an integer dtype")
    if bool(xp.any((lengths < 0) | (lengths > n_k))):
        raise ValueError(
            f"lengths go from {int(xp.min(lengths))} to {int(xp.max(lengths))}; "
            f"each must be from 0 to n_k = {n_k}"
        )
    return xp.arange(n_k, device=lengths.device) < lengths[..., None]


def check_window(window):
    """Return the window as a pair (left, right), each an int >= 0 or None."""
    try:
        left, right = window
    except (TypeError, ValueError):
        raise TypeError(
            f"window must be a pair (left, right), None on a side for no limit; got {window!r}"
        ) from None
    for name, side in (("left", left), ("right", right)):
        if isinstance(side, int) and side == -1:
            raise ValueError(f"{name} is -1; no limit is None here (flash-attention writes -1)")
        if side is not None:
            check_count(name, side)
    return left, right
