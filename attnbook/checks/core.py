"""Run a reader's function on many cases, and find the wrong function that it behaves like.

An `Exercise` holds a reference, cases from the smallest to the largest, and `Mistake`s: functions
that are wrong in a known way, each with what to say about it. The reader's function is run on all
cases. If it differs from the reference and equals a mistake wherever it differs, the mistake's
message is what helps. One case could agree by luck, or because softmax is saturated; all of them
cannot, and the tests hold that each mistake is told from the reference by several cases.

References are written here in plain NumPy, apart from the library, so that the two can be wrong
only independently.
"""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from inspect import signature

import numpy as np


@dataclass(frozen=True)
class Case:
    """Arguments for one call, and what is special about them ("two keys are equally near")."""

    args: tuple
    note: str = ""


@dataclass(frozen=True)
class Mistake:
    """A function that is wrong in a known way, and what to tell a reader whose function equals it.

    ``{row}`` in the message stands for the first row of the result that is wrong.
    """

    message: str
    variant: Callable


@dataclass(frozen=True)
class Exercise:
    """One exercise: its name, the right function, cases, and the mistakes that people make.

    `cases` takes a seeded generator, so that a grader can draw other numbers than the reader saw.
    `rtol` is how near to the reference a number must be; the default lets float32 pass.
    """

    name: str
    reference: Callable
    cases: Callable[[np.random.Generator], list[Case]]
    mistakes: tuple[Mistake, ...]
    rtol: float = 1e-4

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the arguments."""
        return tuple(signature(self.reference).parameters)


@dataclass(frozen=True)
class Outcome:
    """What a call did: the value it returned or the error that stopped it, and what else."""

    value: object = None
    error: BaseException | None = None
    printed: str = ""
    changed: tuple[int, ...] = ()  # which of the caller's arrays are different afterwards


def run(function: Callable, args: tuple) -> Outcome:
    """Call the function on copies of the arguments; whatever it does, come back."""
    given = copy.deepcopy(args)
    printed = io.StringIO()
    value, error = None, None
    try:
        with (
            redirect_stdout(printed),
            redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
            np.errstate(all="ignore"),
        ):
            warnings.simplefilter("ignore")
            value = function(*given)
    except (Exception, SystemExit, GeneratorExit) as stopped:  # a reader's interrupt goes through
        error = stopped
    pairs = enumerate(zip(args, given, strict=True))
    changed = tuple(i for i, (before, after) in pairs if _differ(before, after))
    return Outcome(value, error, printed.getvalue(), changed)


def _differ(before, after) -> bool:
    """Whether an array, or one in a list, has been written to."""
    if isinstance(before, list):
        pairs = zip(before, after, strict=False)
        return len(before) != len(after) or any(_differ(b, a) for b, a in pairs)
    return isinstance(before, np.ndarray) and not np.array_equal(before, after, equal_nan=True)


@lru_cache(maxsize=64)
def right_answers(exercise: Exercise, seed: int) -> tuple[list[Case], list[Outcome]]:
    """Return the cases of a seed and what the reference does on them."""
    cases = exercise.cases(np.random.default_rng(seed))
    return cases, [run(exercise.reference, case.args) for case in cases]


@lru_cache(maxsize=64)
def wrong_answers(exercise: Exercise, seed: int) -> list[list[Outcome]]:
    """Return what each known mistake does on these cases."""
    cases, _ = right_answers(exercise, seed)
    return [[run(mistake.variant, case.args) for case in cases] for mistake in exercise.mistakes]


def same(expected: Outcome, got: Outcome, rtol: float) -> bool:
    """Whether two calls did the same: equal values, or the same kind of error."""
    if expected.error is not None or got.error is not None:
        return isinstance(got.error, type(expected.error)) and expected.error is not None
    return same_value(expected.value, got.value, rtol)


def same_value(expected, got, rtol: float) -> bool:
    """Whether two values are equal to the tolerance, in numbers and shape; NaN equals NaN."""
    if isinstance(expected, tuple | list):
        return (
            isinstance(got, tuple | list)
            and len(expected) == len(got)
            and all(same_value(e, g, rtol) for e, g in zip(expected, got, strict=True))
        )
    want, have = as_numbers(expected), as_numbers(got)
    if want is None or have is None:
        # By `str` itself: the other value may say that it equals everything.
        return expected is got or (isinstance(expected, str) and str.__eq__(expected, got) is True)
    if want.shape != have.shape:
        return False
    # Compared with the largest entry too, since a small one may be a difference of large ones.
    scale = np.max(np.abs(want), initial=0.0, where=np.isfinite(want))
    return np.allclose(have, want, rtol=rtol, atol=rtol * scale + 1e-7, equal_nan=True)


def as_numbers(value) -> np.ndarray | None:
    """Return the value as a float64 array, or None if it is not made of real numbers."""
    if value is None or isinstance(value, str | dict | set):
        return None
    try:
        array = np.asarray(value)
        return array.astype(np.float64) if array.dtype.kind in "biuf" else None
    except Exception:  # of a value that can be turned into an array, but fails at it
        return None


def find_mistake(
    exercise: Exercise, seed: int, got: list[Outcome]
) -> tuple[Mistake, int, int] | None:
    """Return the mistake that explains most, the case that shows it, and how many it leaves open.

    A mistake is a candidate if it does what the reader's function does on every case where that
    is right, and on the smallest case where it is wrong. On each other case where it is wrong the
    mistake may be right too (two mistakes that show on different inputs); or it must explain most
    of them (two mistakes, one of which shows nearly everywhere).
    """

    def equal(a, b):
        return [same(x, y, exercise.rtol) for x, y in zip(a, b, strict=True)]

    _, right = right_answers(exercise, seed)
    passing = equal(right, got)
    if all(passing):
        return None
    first, failures = passing.index(False), passing.count(False)
    best, fewest = None, failures
    for mistake, wrong in zip(exercise.mistakes, wrong_answers(exercise, seed), strict=True):
        as_wrong, as_right = equal(wrong, got), equal(wrong, right)
        agrees = all(w for w, good in zip(as_wrong, passing, strict=True) if good)
        if not agrees or not as_wrong[first]:
            continue
        left = [r for w, r in zip(as_wrong, as_right, strict=True) if not w]
        if len(left) < fewest and (all(left) or len(left) <= 0.4 * failures):
            best, fewest = (mistake, first, len(left)), len(left)
    return best
