"""Exercise `right_on_ring`: how many people on a ring score their follower highest."""

import numpy as np

from ..core import Case, Exercise, Mistake


def right_on_ring(S):
    """Count the rows i whose greatest entry off the diagonal is at i + 1 (the last row: at 0)."""
    m, count = len(S), 0
    for i in range(m):
        others = [j for j in range(m) if j != i]
        count += max(others, key=lambda j: S[i, j]) == (i + 1) % m
    return count


def _ring(m):
    """Return scores with which everyone is right."""
    return np.roll(np.eye(m), 1, axis=1)


def _cases(rng):
    def drawn(m):
        # All entries of a row differ: who is preferred is never a tie.
        return np.array([rng.permutation(m) for _ in range(m)]) - m / 2

    below = -5.0 + _ring(4)
    heavy = _ring(3) + 5 * np.eye(3)
    back = np.roll(np.eye(5), -1, axis=1)
    return [
        Case((np.array([[0.0, 1.0], [1.0, 0.0]]),), "a pair"),
        Case((_ring(3),), "everyone is right"),
        Case((heavy,), "everyone likes itself best"),
        Case((below,), "all scores are negative"),
        Case((_ring(5) - 2.0,), "all scores are negative"),
        Case((np.array([[0.0, 2.0, 1.0], [1.0, 0.0, 2.0], [1.0, 2.0, 0.0]]),), "the last is wrong"),
        Case(
            (np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 2.0], [2.0, 1.0, 0.0]]),), "the first is wrong"
        ),
        Case((back,), "everyone looks back"),
        Case((drawn(4),)),
        Case((drawn(5),)),
        Case((_ring(6) * 2.75 + drawn(6) / 2,)),
        Case((_ring(9) * 4.75 + drawn(9),)),
    ]


def _rows(S, shift=1, hide=-np.inf, axis=1):
    """Say for each row whether it is right, by another rule."""
    off = np.where(np.eye(len(S), dtype=bool), hide, S)
    return off.argmax(axis=axis) == (np.arange(len(S)) + shift) % len(S)


def _count(S, rows=slice(None), **rule):
    return int(_rows(S, **rule)[rows].sum())


_MISTAKES = (
    Mistake(
        "The diagonal takes part: whoever scores itself highest is counted as wrong. Leave it out: "
        "put -inf there.",
        lambda S: int((S.argmax(axis=1) == (np.arange(len(S)) + 1) % len(S)).sum()),
    ),
    Mistake(
        "You put 0 on the diagonal. Where all other scores are negative, 0 wins: put -inf there.",
        lambda S: _count(S, hide=0.0),
    ),
    Mistake(
        "The ring is not closed: the last one follows the first, (i + 1) % m.",
        lambda S: _count(S, rows=slice(None, -1)),
    ),
    Mistake(
        "You look for the greatest of each column. Row i holds the scores that i gives: axis=1.",
        lambda S: _count(S, axis=0),
    ),
    Mistake("You look at i - 1. Each follows the next one: i + 1.", lambda S: _count(S, shift=-1)),
    Mistake(
        "You return a share. The number of rows is asked for.",
        lambda S: float(_count(S)) / len(S),
    ),
    Mistake(
        "You return whether all are right. The number of those who are is asked for.",
        lambda S: _count(S) == len(S),
    ),
    Mistake("You count those who are wrong.", lambda S: len(S) - _count(S)),
    Mistake(
        "You count scores that are greater than 0. The greatest of the row is what matters.",
        lambda S: int((S[np.arange(len(S)), (np.arange(len(S)) + 1) % len(S)] > 0).sum()),
    ),
    Mistake(
        "You return one truth value for each row. Add them up.",
        _rows,
    ),
)

EXERCISE = Exercise("right_on_ring", right_on_ring, _cases, _MISTAKES)
