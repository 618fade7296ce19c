r"""Associative memory: a state runs downhill in energy, to the pattern that it resembles.

    classical   E(s) = -½ s^T W s,   W = (1/n) Σ_μ x_μ x_μ^T with zero diagonal,   s_i ← sign(W_i s)
    modern      E(ξ) = -lse(β, X ξ) + ½ ξ^T ξ + β^{-1} log N + ½ M²,   ξ ← X^T softmax(β X ξ)

where lse(β, z) = β^{-1} log Σ_i exp(β z_i), the N patterns are the rows of X, and M is the length
of the longest.

Classical: states of n signs; Hopfield (1982), equations 1, 2 and 7. It recalls, with few errors, up
to 0.138 n random patterns (Amit, Gutfreund and Sompolinsky, 1985). Modern: real vectors of width d;
Ramsauer et al. (2021), section 2, after Krotov and Hopfield (2016) and Demircigil et al. (2017).
The update *is* attention, from the state to the patterns, and the capacity grows exponentially with
d.
"""

from math import log
from typing import Any, NamedTuple

import numpy as np

from ._arrays import (
    check_count,
    check_floating,
    check_number,
    check_switch,
    in_float32_or_better,
    namespace,
)
from .attention import attention
from .distributions import logsumexp


class Retrieved(NamedTuple):
    """What a retrieval ends with: the state, and whether it is a fixed point."""

    state: Any
    steps: int  # updates of all units, the last of which changed nothing if converged
    converged: bool  # all states, if there are many


def hebbian_weights(patterns):
    r"""``(1/n) Σ_μ x_μ x_μ^T``, zero diagonal: units that agree in a pattern excite each other.

    Parameters
    ----------
    patterns : array, shape (N, n), floating, each entry 1 or -1

    Returns
    -------
    array, shape (n, n), the dtype of patterns
        Symmetric. The factor 1/n, which Hopfield (1982) leaves out, sets the unit of energy: that
        of a pattern stored alone is -(n - 1)/2.

    Raises
    ------
    TypeError, ValueError
        If patterns is no floating array (N, n), or an entry is not 1 or -1.

    Examples
    --------
    >>> import numpy as np
    >>> hebbian_weights(np.array([[1.0, -1.0]]))
    array([[ 0. , -0.5],
           [-0.5,  0. ]])
    """
    xp = namespace(patterns=patterns)
    check_floating(xp, patterns=patterns)
    if patterns.ndim != 2 or patterns.shape[-1] == 0 or not bool(xp.all(abs(patterns) == 1)):
        raise ValueError(f"patterns {tuple(patterns.shape)} must be (N, n), entries 1 or -1")
    (x,) = in_float32_or_better(xp, patterns)
    n = x.shape[-1]
    others = 1 - xp.eye(n, dtype=x.dtype, device=x.device)
    weights = others * xp.matmul(xp.matrix_transpose(x), x) / n
    return xp.astype(weights, patterns.dtype, copy=False)


def classical_energy(state, weights):
    r"""``-½ s^T W s``, which no asynchronous update raises.

    Parameters
    ----------
    state : array, shape (..., n), floating, each entry 1 or -1
    weights : array, shape (n, n), floating
        Symmetric, with a zero diagonal; without that the energy may rise.

    Returns
    -------
    array, shape (...), the dtype of state and weights

    Raises
    ------
    TypeError, ValueError
        If arrays or shapes do not fit, or an entry of the state is not 1 or -1.

    Examples
    --------
    >>> import numpy as np
    >>> pattern = np.array([1.0, 1.0, -1.0, -1.0, 1.0])
    >>> print(classical_energy(pattern, hebbian_weights(pattern[None])))
    -2.0
    """
    xp, dtype, s, w = _prepare(state=state, weights=weights)
    energy = -0.5 * xp.sum(s * xp.matmul(s, w), axis=-1)
    return xp.astype(energy, dtype, copy=False)


def classical_update(state, weights, *, order=None, synchronous=False):
    r"""``s_i ← sign(Σ_j W_ij s_j)``, one unit after the other; at 0 the unit keeps its sign.

    Parameters
    ----------
    state : array, shape (..., n), floating, each entry 1 or -1
        One state, or many.
    weights : array, shape (n, n), floating
        As for `classical_energy`.
    order : sequence of int, optional
        The units to update, one after the other; 0 … n - 1 if not given.
    synchronous : bool
        Update all units at once instead. The energy may rise, and the state may go to and fro
        between two for ever, as in the example.

    Returns
    -------
    array, the shape and dtype of state
        Equal to the state if that is a fixed point.

    Raises
    ------
    TypeError, ValueError
        As for `classical_energy`, and if the order does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> weights = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> classical_update(np.array([1.0, -1.0]), weights)
    array([-1., -1.])
    >>> classical_update(np.array([1.0, -1.0]), weights, synchronous=True)
    array([-1.,  1.])
    """
    xp, _, s, w = _prepare(state=state, weights=weights)
    n = s.shape[-1]
    # Multiples of 1/n are rounded, so their sum may miss 0 by a little where it should be 0.
    slack = 16 * xp.finfo(w.dtype).eps * xp.sum(abs(w), axis=-1)
    if check_switch("synchronous", synchronous):
        if order is not None:
            raise ValueError("an order is for one unit after the other; leave it out here")
        field = xp.matmul(s, xp.matrix_transpose(w))
        return xp.astype(_turn(xp, s, field, slack), state.dtype, copy=False)
    units = xp.arange(n, device=s.device)
    for i in range(n) if order is None else order:
        i = check_count("a unit in order", i)
        if i >= n:
            raise ValueError(f"order names unit {i}; the units are 0 to {n - 1}")
        field = xp.sum(w[i, :] * s, axis=-1, keepdims=True)
        s = xp.where(units == i, _turn(xp, s, field, slack), s)
    return xp.astype(s, state.dtype, copy=False)


def classical_retrieve(state, weights, *, max_sweeps=100, seed=None):
    r"""Sweep over all units, one after the other, until a sweep changes nothing.

    Parameters
    ----------
    state, weights
        As for `classical_update`. With symmetric weights and a zero diagonal an end always comes:
        each change of a unit lowers the energy, and there are finitely many states.
    max_sweeps : int
        When to give up.
    seed : int, optional
        Draw a random order for each sweep; without it, the order is always 0 … n - 1.

    Returns
    -------
    Retrieved : (state, steps, converged), with the number of sweeps

    Raises
    ------
    TypeError, ValueError
        As for `classical_update`, and if max_sweeps or seed do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> patterns = np.array([[1.0, 1, 1, 1, 1, 1, 1, 1], [1.0, 1, 1, 1, -1, -1, -1, -1]])
    >>> spoiled = np.array([-1.0, 1, 1, 1, -1, -1, -1, -1])
    >>> classical_retrieve(spoiled, hebbian_weights(patterns)).state
    array([ 1.,  1.,  1.,  1., -1., -1., -1., -1.])
    """
    xp, *_ = _prepare(state=state, weights=weights)
    rng = None if seed is None else np.random.default_rng(check_count("seed", seed))
    step, moves = 0, True
    while moves and step < check_count("max_sweeps", max_sweeps, least=1):
        order = None if rng is None else rng.permutation(state.shape[-1])
        step, old, state = step + 1, state, classical_update(state, weights, order=order)
        moves = bool(xp.any(state != old))
    return Retrieved(state, step, not moves)


def modern_energy(state, patterns, beta):
    r"""``-lse(β, X ξ) + ½ ξ^T ξ + β^{-1} log N + ½ M²``, which no `modern_update` raises.

    It is >= 0, and an update that moves the state by δ lowers it by at least ½ ‖δ‖².

    Parameters
    ----------
    state : array, shape (..., d), floating
    patterns : array, shape (N, d), floating
    beta : float, > 0
        Inverse temperature, in nats per unit of dot product.

    Returns
    -------
    array, shape (...), the dtype of state and patterns

    Raises
    ------
    TypeError, ValueError
        If arrays or shapes do not fit, there are no patterns, or beta is not > 0 and finite.

    Examples
    --------
    >>> import numpy as np
    >>> modern_energy(np.array([[1.0, 0.0], [0.0, 0.0]]), np.eye(2), 50.0).round(3)
    array([0.014, 0.5  ])
    """
    xp, dtype, s, x = _prepare(state=state, patterns=patterns)
    beta = check_number("beta", beta, positive=True)
    lse = logsumexp(beta * xp.matmul(s, xp.matrix_transpose(x))) / beta
    longest = xp.max(xp.sum(x * x, axis=-1))
    energy = 0.5 * (xp.sum(s * s, axis=-1) + longest) - lse + log(x.shape[0]) / beta
    return xp.astype(energy, dtype, copy=False)


def modern_update(state, patterns, beta):
    r"""``X^T softmax(β X ξ)``: attention(ξ, X, X) with β in place of 1/√d.

    One update nearly retrieves a pattern that stands apart. Let Δ_i = min_j (x_i·x_i - x_i·x_j)
    over the others. Then ‖update - x_i‖ <= 2 M (N - 1) exp(-β (Δ_i - 2 M ‖ξ - x_i‖)), since each
    other pattern gets at most the exponential as its weight, and is at most 2 M away.

    Parameters
    ----------
    state, patterns, beta
        As for `modern_energy`. With β → 0 the result is the mean of the patterns; with β → ∞ it
        is the one with the greatest dot product; between, it may be a mean of a few similar ones,
        which Ramsauer et al. call metastable.

    Returns
    -------
    array, the shape of state, the dtype of state and patterns

    Raises
    ------
    TypeError, ValueError
        As for `modern_energy`.

    Examples
    --------
    >>> import numpy as np
    >>> modern_update(np.array([0.6, 0.4]), np.eye(2), 10.0).round(2)
    array([0.88, 0.12])
    """
    _prepare(state=state, patterns=patterns)
    beta = check_number("beta", beta, positive=True)
    rows = state[None, :] if state.ndim == 1 else state
    out = attention(rows, patterns, patterns, scale=beta)
    return out[0, :] if state.ndim == 1 else out


def modern_retrieve(state, patterns, beta, *, tolerance=1e-6, max_steps=1000):
    r"""Repeat `modern_update` until a state moves by no more than the tolerance.

    Parameters
    ----------
    state, patterns, beta
        As for `modern_energy`.
    tolerance : float, > 0
        In units of M, the length of the longest pattern.
    max_steps : int
        When to give up.

    Returns
    -------
    Retrieved : (state, steps, converged), with the number of updates

    Raises
    ------
    TypeError, ValueError
        As for `modern_energy`, and if tolerance or max_steps do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> found = modern_retrieve(np.array([0.6, 0.4]), np.eye(2), 10.0)
    >>> found.state.round(2), found.converged
    (array([1., 0.]), True)
    """
    xp, dtype, s, x = _prepare(state=state, patterns=patterns)
    beta = check_number("beta", beta, positive=True)
    tolerance = check_number("tolerance", tolerance, positive=True)
    near = tolerance * xp.sqrt(xp.max(xp.sum(x * x, axis=-1)))
    step, moves = 0, True
    while moves and step < check_count("max_steps", max_steps, least=1):
        step, old, s = step + 1, s, modern_update(s, x, beta)
        moves = not bool(xp.all(xp.sqrt(xp.sum((s - old) ** 2, axis=-1)) <= near))  # NaN moves
    return Retrieved(xp.astype(s, dtype, copy=False), step, not moves)


def _turn(xp, s, field, slack):
    """Return the signs of the field, or the old ones where it is 0 but for rounding."""
    return xp.where(abs(field) <= slack, s, xp.sign(field))


def _prepare(**arrays):
    """Check a state and its weights or patterns; return them in float32 or better."""
    xp = namespace(**arrays)
    check_floating(xp, **arrays)
    (_, state), (name, matrix) = arrays.items()
    form = "(n, n)" if name == "weights" else "(N, n)"
    fits = matrix.ndim == 2 and 0 not in matrix.shape and state.shape[-1:] == matrix.shape[1:]
    if not fits or (name == "weights" and matrix.shape[0] != matrix.shape[1]):
        raise ValueError(
            f"state has shape {tuple(state.shape)} and {name} {tuple(matrix.shape)}; they must be "
            f"(..., n) and {form}, and not empty"
        )
    if name == "weights" and not bool(xp.all(abs(state) == 1)):
        raise ValueError("each entry of the state must be 1 or -1")
    dtype = xp.result_type(state.dtype, matrix.dtype)
    return xp, dtype, *in_float32_or_better(xp, state, matrix)
