"""Exercise `gate_for`: the gate z with z^steps = share."""

from math import exp, log

import numpy as np

from ..core import Case, Exercise, Mistake


def gate_for(steps, share):
    """Return for each number of steps the gate that leaves the share."""
    return np.array([exp(log(share) / n) for n in steps])


def _cases(rng):
    return [
        Case((np.array([1]), 0.5), "one step"),
        Case((np.array([2]), 0.25), "two steps"),
        Case((np.array([3]), 0.5)),
        Case((np.array([10]), 0.9)),
        Case((np.array([1, 2, 4, 8]), 0.5)),
        Case((np.array([5, 50, 500]), 0.01), "a small share"),
        Case((np.sort(rng.integers(1, 200, size=6)), 1 / 3)),
        Case((np.sort(rng.integers(1, 3000, size=8)), round(rng.uniform(0.05, 0.95), 2))),
    ]


_MISTAKES = (
    Mistake(
        "You subtract the same amount at each step. A gate multiplies: after n steps z^n is left.",
        lambda steps, share: 1 - (1 - share) / np.asarray(steps),
    ),
    Mistake(
        "You divide the share among the steps. The factors multiply: find z with z^n = share.",
        lambda steps, share: share / np.asarray(steps),
    ),
    Mistake(
        "You return what is left when the gate *is* the share. Asked for is the gate: the n-th "
        "root of the share, not its n-th power.",
        lambda steps, share: share ** np.asarray(steps, dtype=float),
    ),
    Mistake(
        "You return 1 - z, what is taken of the new state. The gate z is what is kept of the old.",
        lambda steps, share: 1 - share ** (1 / np.asarray(steps)),
    ),
    Mistake(
        "You leave out one step: there are n of them, so the root is the n-th.",
        lambda steps, share: share ** (1 / np.maximum(np.asarray(steps) - 1, 1)),
    ),
    Mistake(
        "You count one step too many: there are n of them, so the root is the n-th.",
        lambda steps, share: share ** (1 / (np.asarray(steps) + 1)),
    ),
    Mistake(
        "1 - 1/n leaves about a third, e^-1, after n steps, whatever the share. The share must "
        "come in.",
        lambda steps, share: 1 - 1 / np.asarray(steps),
    ),
    Mistake(
        "e^(-1/n) leaves e^-1 after n steps, whatever the share. The share must come in.",
        lambda steps, share: np.exp(-1 / np.asarray(steps)),
    ),
    Mistake(
        "1 + log(share)/n is close to the root for many steps, and far from it for few. The root "
        "itself is exp(log(share)/n).",
        lambda steps, share: 1 + np.log(share) / np.asarray(steps),
    ),
    Mistake(
        "You return the number of steps that a gate of this size allows. Asked for is the gate.",
        lambda steps, share: np.log(share) / np.log(1 - 1 / (np.asarray(steps) + 1)),
    ),
)

EXERCISE = Exercise("gate_for", gate_for, _cases, _MISTAKES, rtol=1e-6)
