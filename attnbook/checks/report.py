"""What to say about a function that is not right, with the smallest input that shows it."""

from __future__ import annotations

import textwrap
import types
from inspect import Signature, signature

import numpy as np

from .core import Case, Exercise, Mistake, Outcome, as_numbers, run, same, same_value

LARGEST = 12  # an array with more numbers is shown by its shape alone
WIDTH = 80  # of the text, so that it fits under a cell


def show(value) -> str:
    """Write a value so that it can be read, and typed in again where it is small."""
    try:
        return _written(value)
    except Exception:  # a reader's own class may fail at this too
        return f"a value of type {type(value).__name__} that cannot be shown"


def _written(value) -> str:
    if isinstance(value, tuple | list) and not all(np.isscalar(item) for item in value):
        return "(" + ", ".join(show(item) for item in value) + ")"
    if isinstance(value, types.FunctionType):
        return f"the function `{value.__name__}`"
    if isinstance(value, np.ndarray) and value.size > LARGEST:
        return f"array of shape {value.shape}"
    numbers = as_numbers(value)
    if numbers is None or np.asarray(value).dtype.kind in "bi":
        text = repr(value.tolist() if hasattr(value, "tolist") else value)
        return text if len(text) <= 200 else text[:200] + " ..."
    if numbers.size > LARGEST:
        return f"{type(value).__name__} of {numbers.size} numbers"
    text = np.array2string(
        numbers + 0.0, separator=", ", formatter={"float_kind": _number}, max_line_width=200
    )
    return " ".join(text.split())


def _number(x: float) -> str:
    return f"{x:.4g}" if abs(x) >= 1e4 or 0 < abs(x) < 1e-3 else f"{round(x, 3) + 0.0:g}"


def wrap(words: str) -> str:
    """Break long lines between words."""
    return "\n".join(textwrap.fill(line, WIDTH) for line in words.splitlines())


def describe_input(exercise: Exercise, case: Case) -> str:
    """Name each argument with its value, one a line."""
    lines = [f"On this input{f' ({case.note})' if case.note else ''}:"]
    for name, value in zip(exercise.parameters, case.args, strict=True):
        small = isinstance(value, np.ndarray) and value.ndim > 0 and value.size <= LARGEST
        lines.append(f"  {name} = {show(value)}" + (f"   shape {value.shape}" if small else ""))
    return "\n".join(lines)


def describe_outcome(outcome: Outcome) -> str:
    """Say what a call returned or raised."""
    if outcome.error is None:
        return show(outcome.value)
    try:
        text = " ".join(str(outcome.error).split())[:200]
    except Exception:  # as in `show`
        text = ""
    return f"{type(outcome.error).__name__}{f': {text}' if text else ''}"


def with_case(exercise: Exercise, case: Case, right: Outcome, got: Outcome, words: str) -> str:
    """Join the words with the input that shows the mistake, the right answer, and the given one."""
    if right.error is None:
        expected = show(right.value)
    else:
        expected = f"should raise {type(right.error).__name__}"
    return "\n".join(
        [
            wrap(words),
            describe_input(exercise, case),
            f"  right answer:  {expected}",
            f"  your function: {describe_outcome(got)}",
        ]
    )


def of_mistake(mistake: Mistake, right: Outcome, got: Outcome, open_cases: int) -> str:
    """Return the mistake's message, with its row, and whether anything else is wrong."""
    words = mistake.message.replace("{row}", str(first_wrong_row(right.value, got.value)))
    if open_cases:
        which = "one more case fails" if open_cases == 1 else f"{open_cases} more cases fail"
        words += f"\nThat is not all: {which} for another reason. Mend this first."
    return words


def first_wrong_row(expected, got) -> int:
    """Return the first row in which two results of one shape differ."""
    want, have = as_numbers(expected), as_numbers(got)
    if want is None or have is None or want.shape != have.shape or want.ndim == 0:
        return 0
    wrong = ~np.isclose(have, want, rtol=1e-4, atol=1e-9)
    return int(np.argmax(wrong.reshape(len(want), -1).any(axis=1))) if want.size else 0


def form_problem(expected, got, printed: str) -> str | None:
    """Say what is wrong with the kind of thing that came back, whatever its numbers."""
    if got is None:
        if printed:
            return (
                "Your function prints its answer and returns None. Return it instead of printing."
            )
        return "Your function returns None. Does every way through it end in a `return`?"
    if isinstance(got, types.GeneratorType):
        return "Your function returns a generator. Use `return`, not `yield`."
    if isinstance(expected, tuple):
        if not isinstance(got, tuple | list) or len(got) != len(expected):
            return (
                f"Your function should return {len(expected)} things, as in `return a, b`; "
                f"it returns {_kind(got)}."
            )
        problems = (form_problem(e, g, printed) for e, g in zip(expected, got, strict=True))
        return next(filter(None, problems), None)
    if not isinstance(expected, np.ndarray | np.generic | float | int) or isinstance(
        expected, bool
    ):
        return None
    if isinstance(got, tuple | list) and not isinstance(expected, tuple):
        if isinstance(got, tuple):
            return f"Your function returns {_kind(got)}. Return the result alone."
        return "Your function returns a list. Return an array: np.array(...) makes one of a list."
    numbers = as_numbers(got)
    if numbers is None:
        return f"Your function returns {_kind(got)}, where real numbers are asked for."
    want = np.asarray(expected)
    if numbers.shape != want.shape:
        words = f"The result has shape {numbers.shape}; it should have shape {want.shape}."
        if numbers.ndim >= 2 and numbers.T.shape == want.shape:
            words += " Is it transposed?"
        elif numbers.size == want.size and numbers.ndim != want.ndim:
            words += " The number of entries is right: an axis is missing, or one too many."
        return words
    return None


def _kind(value) -> str:
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, np.ndarray) and value.dtype.kind not in "biuf":
        return f"an array of dtype {value.dtype}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return f"a value of type {type(value).__name__}"


def arity_problem(exercise: Exercise, function) -> str | None:
    """Say so if the function cannot be called with the exercise's arguments."""
    try:
        wanted: Signature = signature(function)
        wanted.bind(*exercise.parameters)
    except ValueError:  # a built-in function without a signature
        return None
    except TypeError:
        return wrap(
            f"Your function takes {wanted}; it is called with {len(exercise.parameters)} "
            f"arguments: ({', '.join(exercise.parameters)})."
        )
    return None


def changed_array(name: str) -> str:
    """Say that a function writes into what it was given, though its numbers are right."""
    return wrap(
        f"The numbers are right, but you changed the caller's array: `{name}` is different after "
        f"the call. Something like `{name} -= ...` or `{name}[...] = ...` writes into it. Make a "
        f"new array: `{name} = {name} - ...`."
    )


def in_general(
    exercise: Exercise, function, cases: list[Case], right: list[Outcome], got: list[Outcome]
) -> tuple[int, str]:
    """Describe a difference that no known mistake explains: which case shows it, and in words."""
    failing = [
        i for i, (e, g) in enumerate(zip(right, got, strict=True)) if not _good(exercise, e, g)
    ]
    first = failing[0]
    expected, came = right[first], got[first]
    if came.error is not None:
        if expected.error is not None:
            return first, (
                f"Your function raises {type(came.error).__name__}; here it should raise "
                f"{type(expected.error).__name__}."
            )
        return first, f"Your function stops with {describe_outcome(came)}"
    if expected.error is not None:
        kind = type(expected.error).__name__
        return first, f"Your function returns an answer where it should raise {kind}."
    problem = form_problem(expected.value, came.value, came.printed)
    if problem:
        return first, problem
    rest = f" It is right on {len(cases) - len(failing)} of {len(cases)} inputs."
    problem = number_problem(exercise, expected.value, came.value)
    if problem:
        return first, problem + rest
    factor = common_factor(right, got)
    if factor is not None:
        return first, f"Your result is {factor:.4g} times the right one, on every input."
    ignored = ignored_argument(exercise, function, cases, got)
    if ignored:
        return first, f"Your result does not depend on `{ignored}`: other {ignored} give the same."
    return first, which_of(exercise, expected.value, came.value) + " not right." + rest


def number_problem(exercise: Exercise, expected, got) -> str | None:
    """Say so if numbers are NaN, infinite or cut off, where the right ones are not."""
    result = "the result"
    if isinstance(expected, tuple):
        at = wrong_part(exercise, expected, got)
        expected, got, result = expected[at], got[at], f"result {at + 1}"
    want, have = as_numbers(expected), as_numbers(got)
    if want is None or have is None:
        return None
    for name, bad in (("NaN", np.isnan(have)), ("infinite", np.isinf(have))):
        if (bad & np.isfinite(want)).any():
            if have.ndim == 0:
                return f"{result.capitalize()} is {name}."
            return f"Row {first_wrong_row(expected, got)} of {result} is {name}."
    kind = np.asarray(got).dtype
    if kind.kind in "iu" and np.array_equal(np.trunc(want), have):
        return f"The numbers of {result} are cut off: its dtype is {kind}, for whole numbers only."
    return None


def wrong_part(exercise: Exercise, expected: tuple, got) -> int:
    """Return which of several results is the first that is wrong."""
    good = (same_value(e, g, exercise.rtol) for e, g in zip(expected, got, strict=True))
    return next((i for i, right in enumerate(good) if not right), 0)


def which_of(exercise: Exercise, expected, got) -> str:
    """Say where some numbers are not right, if there are several results."""
    if not isinstance(expected, tuple):
        return "Some numbers are"
    return f"Some numbers of result {wrong_part(exercise, expected, got) + 1} are"


def _good(exercise: Exercise, right: Outcome, got: Outcome) -> bool:
    return same(right, got, exercise.rtol) and (
        right.error is not None or form_problem(right.value, got.value, got.printed) is None
    )


def all_good(exercise: Exercise, right: list[Outcome], got: list[Outcome]) -> bool:
    """Whether every call did what the reference does, and returned the right kind of thing."""
    return all(_good(exercise, r, g) for r, g in zip(right, got, strict=True))


def common_factor(right: list[Outcome], got: list[Outcome]) -> float | None:
    """Return c if the results are c times the right ones in every case, else None."""
    pairs = [(as_numbers(r.value), as_numbers(g.value)) for r, g in zip(right, got, strict=True)]
    pairs = [(r, g) for r, g in pairs if r is not None and g is not None and r.shape == g.shape]
    if len(pairs) < len(right) or not any(np.abs(r).max(initial=0) > 0 for r, _ in pairs):
        return None
    r, g = (np.concatenate([np.ravel(pair[i]) for pair in pairs]) for i in (0, 1))
    if not (np.isfinite(r).all() and np.isfinite(g).all()):
        return None
    factor = float(r @ g / (r @ r))
    return factor if abs(factor) > 1e-3 and same_value(factor * r, g, 1e-6) else None


def ignored_argument(
    exercise: Exercise, function, cases: list[Case], got: list[Outcome]
) -> str | None:
    """Return the array that changes most right results, but never the reader's, by its name."""
    found = {}
    for i, name in enumerate(exercise.parameters):
        unmoved = []
        for case, came in zip(cases, got, strict=True):
            value = case.args[i]
            if came.error or not isinstance(value, np.ndarray) or value.dtype.kind != "f":
                continue
            other = value + np.random.default_rng(1).normal(size=value.shape)
            args = (*case.args[:i], other, *case.args[i + 1 :])
            before, after = run(exercise.reference, case.args), run(exercise.reference, args)
            if not same(after, before, 1e-6):  # else the argument has no say here
                unmoved.append(same(run(function, args), came, 1e-12))
                if not unmoved[-1]:
                    break
        if unmoved and all(unmoved):
            found[name] = len(unmoved)
    return max(found, key=found.get, default=None)
