"""Exercise `signal_left`: ‖∂h_n/∂h_t‖_F / √d for t = 1 … n, out of the Jacobians of the steps."""

import numpy as np

from ..core import Case, Exercise, Mistake


def signal_left(jacobians):
    """Send each direction of length 1 from each position to the end; the root mean square."""
    steps, d = len(jacobians), jacobians.shape[1]
    sizes = []
    for t in range(steps + 1):
        total = 0.0
        for direction in np.eye(d):
            arrives = direction
            for jacobian in jacobians[t:]:
                arrives = jacobian @ arrives
            total += float(arrives @ arrives)
        sizes.append((total / d) ** 0.5)
    return np.array(sizes)


def _cases(rng):
    def drawn(steps, d, size=1.0):
        return Case(((size * rng.normal(size=(steps, d, d)) / d**0.5).round(2),))

    double, half = np.full((1, 1, 1), 2.0), np.full((3, 1, 1), 0.5)
    shear = np.array([[[1.0, 2.0], [0.0, 1.0]], [[1.0, 0.0], [3.0, 1.0]]])
    return [
        Case((double,), "one step, which doubles"),
        Case((half,), "three steps, each of which halves"),
        Case((np.array([[[2.0]], [[3.0]], [[5.0]]]),), "three steps with different factors"),
        Case((shear,), "two matrices that do not commute"),
        drawn(1, 2),
        drawn(2, 2),
        drawn(2, 3),
        drawn(4, 3),
        drawn(6, 4, size=0.7),
        drawn(5, 5, size=1.5),
        drawn(12, 6),
    ]


def _size(matrix):
    return np.linalg.norm(matrix) / np.sqrt(len(matrix))


def _walk(order=lambda product, j: product @ j, size=_size, end=lambda sizes: sizes[::-1]):
    """Return the usual walk from the last step back to the first, one part done otherwise."""

    def wrong(jacobians):
        product = np.eye(jacobians.shape[1])
        sizes = [size(product)]
        for j in jacobians[::-1]:
            product = order(product, j)
            sizes.append(size(product))
        return np.array(end(sizes))

    return wrong


def _from_the_first(jacobians):
    product = np.eye(jacobians.shape[1])
    sizes = [1.0]
    for j in jacobians:
        product = j @ product
        sizes.append(_size(product))
    return np.array(sizes)


def _of_factors(jacobians):
    sizes = [_size(j) for j in jacobians]
    return np.array([np.prod(sizes[t:]) for t in range(len(sizes) + 1)])


def _of_spectra(jacobians):
    sizes = [np.linalg.norm(j, 2) for j in jacobians]
    return np.array([np.prod(sizes[t:]) for t in range(len(sizes) + 1)])


def _entry_by_entry(jacobians):
    products = [np.prod(jacobians[t:], axis=0) for t in range(len(jacobians))]
    return np.array([*map(_size, products), 1.0])


_MISTAKES = (
    Mistake(
        "The Jacobians are multiplied in the wrong order. The chain rule puts the latest step in "
        "front: J[-1] @ J[-2] @ ... @ J[t].",
        _walk(order=lambda product, j: j @ product),
    ),
    Mistake(
        "The result is the wrong way round: position 1 comes first, position n, where nothing is "
        "lost yet, last.",
        _walk(end=lambda sizes: sizes),
    ),
    Mistake(
        "You start from the first position, and measure ∂h_t/∂h_1. Asked for is ∂h_n/∂h_t: what "
        "arrives at the *last* position.",
        _from_the_first,
    ),
    Mistake(
        "You multiply the norms of the steps. The norm of a product is no product of norms: what "
        "one step stretches, the next may shrink. Multiply the matrices, then take the norm.",
        _of_factors,
    ),
    Mistake(
        "You multiply the norms of the steps. That is a bound, and often far above what arrives: "
        "multiply the matrices, then take the norm.",
        _of_spectra,
    ),
    Mistake(
        "The Jacobians are multiplied entry by entry, with `*`. Matrices follow each other by `@`.",
        _entry_by_entry,
    ),
    Mistake(
        "The root of the width is missing: divide the Frobenius norm by √d, so that the identity "
        "passes on 1.",
        _walk(size=np.linalg.norm),
    ),
    Mistake(
        "You divide by the width. The mean is of *squares*, so the norm is divided by its root.",
        _walk(size=lambda m: np.linalg.norm(m) / len(m)),
    ),
    Mistake(
        "You take the greatest stretch of any direction. Asked for is the root mean square over "
        "directions: the Frobenius norm over √d.",
        _walk(size=lambda m: np.linalg.norm(m, 2)),
    ),
    Mistake("You return squares: take the root of the mean.", _walk(size=lambda m: _size(m) ** 2)),
    Mistake(
        "Position n is missing. Nothing lies between it and the end: the identity, which passes "
        "on 1.",
        _walk(end=lambda sizes: sizes[:0:-1]),
    ),
)

EXERCISE = Exercise("signal_left", signal_left, _cases, _MISTAKES)
