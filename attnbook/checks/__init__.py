"""Graders for the exercises, which say in words what is wrong.

    check("soft_lookup", my_function)

runs the function on many inputs, compares it with a reference written apart from the library, and
names the mistake. Each exercise is one module in the folder of its chapter: reference, cases,
mistakes. `core` finds the mistake and `report` puts it into words.

A new exercise is one such module and its line in the chapter's `EXERCISES`; its right and wrong
answers go into `tests/exercises/test_bank_*.py`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from . import (
    bottleneck,
    dictionary,
    flash,
    masking,
    memory_networks,
    multi_head,
    queries_keys_values,
    self_attention,
    soft_lookup,
    sparse,
    temperature,
)
from .core import Exercise, find_mistake, right_answers, run
from .report import (
    all_good,
    arity_problem,
    changed_array,
    describe_input,
    in_general,
    of_mistake,
    with_case,
)

__all__ = ["EXERCISES", "Result", "check"]

#: Every exercise of the book by its name.
EXERCISES: dict[str, Exercise] = {
    exercise.name: exercise
    for chapter in (
        dictionary,
        soft_lookup,
        temperature,
        queries_keys_values,
        memory_networks,
        bottleneck,
        self_attention,
        masking,
        multi_head,
        sparse,
        flash,
    )
    for exercise in chapter.EXERCISES
}


@dataclass(frozen=True)
class Result:
    """What `check` found. True if the function is right; its text is the message.

    `mistake` is the known mistake's message without the example, or None.
    """

    exercise: str
    passed: bool
    message: str
    mistake: str | None = None

    def require(self) -> None:
        """Raise AssertionError with the message unless the function is right: for graded tests."""
        if not self.passed:
            raise AssertionError(self.message)

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return self.message

    def _ipython_display_(self) -> None:
        """Show nothing more at the end of a cell: `check` has printed the message."""


def check(name: str, function, *, seed: int = 0, show: bool = True) -> Result:
    """Check a reader's function; print, and return, whether it is right or what is wrong with it.

    Parameters
    ----------
    name : str
        The name of the exercise.
    function : callable
        The reader's function. What it raises is reported, not raised; what it prints is
        dropped. One that never ends has to be interrupted.
    seed : int
        Draws other numbers for the inputs.
    show : bool
        Print the message.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        If there is no exercise of that name.

    Examples
    --------
    >>> import numpy as np
    >>> def weights(scores):
    ...     e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    ...     return e / e.sum(axis=0)
    >>> result = check("weights", weights)  # doctest: +ELLIPSIS
    weights: not yet.
    Your weights sum to one over the queries, not over the keys: the softmax must...
    >>> result.passed
    False
    """
    if name not in EXERCISES:
        near = get_close_matches(str(name), EXERCISES, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(EXERCISES)}"
        raise ValueError(f"no exercise {name!r}{meant}")
    # A notebook may have made warnings and roundings into errors: not those of the grader.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        result = _examine(EXERCISES[name], function, seed)
    if show:
        print(result.message)
    return result


def _examine(exercise: Exercise, function, seed: int) -> Result:
    def not_yet(words: str, mistake: str | None = None) -> Result:
        return Result(exercise.name, False, f"{exercise.name}: not yet.\n{words}", mistake)

    if function is ... or function is None:
        return Result(exercise.name, False, f"{exercise.name}: not written yet.")
    if not callable(function):
        return not_yet(
            "Hand over the function itself, without brackets after its name:\n"
            f'check("{exercise.name}", {exercise.name})'
        )
    problem = arity_problem(exercise, function)
    if problem:
        return not_yet(problem)
    cases, right = right_answers(exercise, seed)
    got = [run(function, case.args) for case in cases]
    if all(isinstance(g.error, NotImplementedError) or g.value is ... for g in got):
        return Result(exercise.name, False, f"{exercise.name}: not written yet.")
    if all_good(exercise, right, got):
        at = next((i for i, g in enumerate(got) if g.changed), None)
        if at is None:
            words = f"{exercise.name}: right, on all {len(cases)} inputs."
            return Result(exercise.name, True, words)
        words = changed_array(exercise.parameters[got[at].changed[0]])
        return not_yet(f"{words}\n{describe_input(exercise, cases[at])}")
    found = find_mistake(exercise, seed, got)
    if found:
        mistake, at, open_cases = found
        words = of_mistake(mistake, right[at], got[at], open_cases)
    else:
        mistake = None
        at, words = in_general(exercise, function, cases, right, got)
        if got[at].changed:
            name = exercise.parameters[got[at].changed[0]]
            words += f"\nAnd you changed the caller's array: `{name}` is different after the call."
    return not_yet(
        with_case(exercise, cases[at], right[at], got[at], words), mistake and mistake.message
    )
