"""The graders themselves: every known mistake is told from the reference and from the others."""

import ast
import runpy
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import attnbook.checks
from attnbook.checks import EXERCISES, Result, check
from attnbook.checks.core import run, same

MISTAKES = [
    pytest.param(exercise, mistake, id=f"{exercise.name}-{number}")
    for exercise in EXERCISES.values()
    for number, mistake in enumerate(exercise.mistakes)
]


def cases_of(exercise, seed=0):
    return exercise.cases(np.random.default_rng(seed))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", EXERCISES)
def test_the_reference_is_right_for_any_numbers(name, seed):
    assert check(name, EXERCISES[name].reference, seed=seed, show=False)


@pytest.mark.parametrize(("exercise", "mistake"), MISTAKES)
def test_each_known_mistake_gets_its_own_message(exercise, mistake):
    assert check(exercise.name, mistake.variant, show=False).mistake == mistake.message


@pytest.mark.parametrize(("exercise", "mistake"), MISTAKES)
def test_no_mistake_shows_on_one_lucky_input_only(exercise, mistake):
    """A grader that compares saturated weights, or one shape, passes wrong answers."""
    cases = cases_of(exercise)
    right = [run(exercise.reference, case.args) for case in cases]
    wrong = [run(mistake.variant, case.args) for case in cases]
    different = [not same(r, w, 1e-3) for r, w in zip(right, wrong, strict=True)]
    assert sum(different) >= 2


@pytest.mark.parametrize("name", EXERCISES)
def test_cases_have_several_shapes_and_start_small(name):
    exercise = EXERCISES[name]
    cases = cases_of(exercise)
    shapes = [tuple(np.shape(a) for a in case.args if not callable(a)) for case in cases]
    assert len(set(shapes)) >= 3
    size = [sum(np.size(a) for a in case.args) for case in cases]
    assert size[0] <= 20 and max(size) > 2 * size[0]


@pytest.mark.parametrize("name", EXERCISES)
def test_nothing_that_a_function_does_comes_through(name, capsys):
    def stops(*_):
        raise SystemExit

    def noisy(*_):
        warnings.warn("a warning", stacklevel=1)
        print("noise", file=sys.stderr)
        return np.float64(1) / np.float64(0)

    def odd(*_):
        return {"a": object()}

    def yields(*_):
        yield 1

    for function in (stops, noisy, odd, yields, lambda *_: "text", lambda *_: 1j, lambda *_: ()):
        result = check(name, function)
        assert not result.passed
        assert result.message.startswith(f"{name}: not yet.")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", EXERCISES)
def test_an_unwritten_function_is_not_called_wrong(name):
    def stub(*_):
        raise NotImplementedError

    for nothing in (stub, lambda *_: ..., ..., None):
        result = check(name, nothing, show=False)
        assert (result.passed, result.message) == (False, f"{name}: not written yet.")


def test_the_result_prints_once_and_reads_as_a_truth_value(capsys):
    result = check("nearest", EXERCISES["nearest"].reference)
    assert capsys.readouterr().out == result.message + "\n" == repr(result) + "\n"
    assert result and isinstance(result, Result)
    result.require()
    assert result._ipython_display_() is None
    assert capsys.readouterr().out == ""


def test_the_message_is_the_same_each_time_and_shows_the_smallest_input():
    def unscaled(queries, keys, values, mask):
        s = np.where(mask, queries @ keys.T, -1e30)
        e = np.exp(s - s.max(axis=1, keepdims=True)) * mask
        return e / np.maximum(e.sum(axis=1, keepdims=True), 1e-300) @ values

    first, second = (check("soft_lookup", unscaled, show=False) for _ in range(2))
    assert first.message == second.message
    assert "not divided by √d_k" in first.message
    assert "keys = [[" in first.message and "shape (2, 4)" in first.message
    with pytest.raises(AssertionError, match="not divided by"):
        first.require()


def test_two_mistakes_at_once_are_both_announced():
    def unscaled_and_nan(queries, keys, values, mask):
        s = np.where(mask, queries @ keys.T, -np.inf)
        e = np.exp(s - s.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True) @ values

    message = check("soft_lookup", unscaled_and_nan, show=False).message
    assert "not divided by √d_k" in message
    assert "That is not all" in message


def test_two_mistakes_that_show_on_different_inputs_are_told_one_after_the_other():
    right = EXERCISES["stable_softmax"].reference

    def both(scores, T, axis):
        if np.isinf(T):  # should be 1/n
            return np.zeros(scores.shape)
        if T == 0:  # should be split among ties
            return (np.cumsum(scores == scores.max(axis, keepdims=True), axis) == 1) * (
                scores == scores.max(axis, keepdims=True)
            )
        return right(scores, T, axis)

    message = check("stable_softmax", both, show=False).message
    assert "to the first of several best scores" in message.replace("\n", " ")
    assert "That is not all" in message


def test_half_a_function_is_not_taken_for_an_unwritten_one():
    right = EXERCISES["stable_softmax"].reference

    def half(scores, T, axis):
        if T == 0:
            raise NotImplementedError("the cold limit")
        return right(scores, T, axis)

    message = check("stable_softmax", half, show=False).message
    assert "stops with NotImplementedError: the cold limit" in message


def test_a_warning_does_not_make_a_right_function_wrong(capsys):
    def warns(query, keys, values):
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        print("at work")
        return EXERCISES["nearest"].reference(query, keys, values)

    assert check("nearest", warns, show=False)
    assert capsys.readouterr() == ("", "")


def test_a_constant_factor_and_an_unused_argument_are_seen():
    right = EXERCISES["soft_lookup"].reference
    doubled = check("soft_lookup", lambda q, k, v, m: 2 * right(q, k, v, m), show=False)
    assert "2 times the right one" in doubled.message
    nothing = check("soft_lookup", lambda q, k, v, m: 0 * right(q, k, v, m), show=False)
    assert "times the right one" not in nothing.message
    blind = check("soft_lookup", lambda q, k, v, m: right(q, k, np.ones_like(v) / 3, m), show=False)
    assert "does not depend on `values`" in blind.message


def test_an_argument_is_called_unused_only_if_it_is_unused_everywhere():
    right = EXERCISES["soft_lookup"].reference

    def on_one_shape(q, k, v, m):
        return right(q, k, v, m) if q.shape == (2, 2) else np.zeros((len(q), v.shape[1]))

    message = check("soft_lookup", on_one_shape, show=False).message
    assert "It is right on 1 of 13 inputs" in message and "depend" not in message


def test_a_changed_array_is_shown_with_the_smallest_input():
    def writes(scores):
        scores -= scores.max(axis=-1, keepdims=True)
        return np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)

    right = EXERCISES["weights"].reference
    result = check("weights", lambda s: writes(s) if s.dtype == float else right(s), show=False)
    assert "you changed the caller's array: `scores`" in result.message
    assert result.message.endswith("scores = [[0, 1]]   shape (1, 2)")


@pytest.mark.parametrize("name", EXERCISES)
def test_what_cannot_even_be_written_does_not_stop_the_grader(name):
    class Unwritable:
        def __repr__(self):
            raise LookupError

        __array__ = __repr__

    class Speechless(Exception):
        __str__ = Unwritable.__repr__

    def raises(*_):
        raise Speechless

    itself = []
    itself.append(itself)
    for function in (raises, lambda *_: Unwritable(), lambda *_: itself, lambda *_: 10**400):
        assert check(name, function, show=False).message.startswith(f"{name}: not yet.")


@pytest.mark.parametrize("name", EXERCISES)
def test_errors_that_a_notebook_asks_for_are_not_the_graders(name):
    """A right function stays right where roundings and warnings are made errors."""
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check(name, EXERCISES[name].reference, seed=5, show=False)
        assert not check(name, lambda *_: np.inf, seed=5, show=False)


def test_what_says_that_it_equals_everything_is_not_believed():
    class Anything:
        def __eq__(self, other):
            return True

        __hash__ = None

    class AnyWord(str):
        __eq__ = Anything.__eq__
        __hash__ = str.__hash__

    for answer in (Anything(), AnyWord("value")):
        assert not check("which_is_which", lambda *_, a=answer: [a] * 3, show=False)


@pytest.mark.parametrize(
    ("name", "function", "words"),
    [
        ("find", lambda q, k, v, r: [][0], "stops with IndexError"),
        ("nearest", max, "stops with"),
        ("weights", lambda scores: EXERCISES["weights"].reference(scores).T, "Is it transposed?"),
        ("weights", lambda scores: np.full(scores.shape, np.nan), "Row 0 of the result is NaN"),
        ("left_out_error", lambda x, y, h: np.nan, "The result is NaN"),
        ("left_out_error", lambda x, y, h: np.inf, "The result is infinite"),
        ("soft_lookup", lambda q, k, v, m: np.full((len(q), v.shape[1]), np.inf), "Row 0 of the"),
        ("softmax_jacobian", lambda w, T: np.zeros((len(w),) * 2, int), "its dtype is int64"),
        ("score_parts", lambda Q, K: (0.5 * (Q @ K.T + K @ Q.T), Q @ K.T), "of result 2 are not"),
        ("score_parts", lambda Q, K: (Q @ K.T * np.nan, Q @ K.T), "Row 0 of result 1 is NaN"),
        ("nearest", lambda q, k, v: [0.5] * 40, "returns a list"),
    ],
)
def test_what_no_known_mistake_explains_is_described(name, function, words):
    result = check(name, function, show=False)
    assert not result.passed and result.mistake is None
    assert words in result.message


def test_an_error_of_another_kind_or_none_at_all_is_described():
    right = EXERCISES["find"].reference

    def other(query, keys, values, radius):
        try:
            return right(query, keys, values, radius)
        except KeyError:
            raise RuntimeError("no") from None

    def none_at_all(query, keys, values, radius):
        try:
            return right(query, keys, values, radius)
        except KeyError:
            return 12345.0

    assert (
        "raises RuntimeError; here it should raise KeyError"
        in check("find", other, show=False).message
    )
    assert (
        "returns an answer where it should raise KeyError"
        in check("find", none_at_all, show=False).message
    )


def test_a_call_in_place_of_the_function_is_explained():
    message = check("nearest", 3.0, show=False).message
    assert 'check("nearest", nearest)' in message


def test_the_bank_has_right_and_wrong_answers_for_every_exercise():
    right, wrong = Counter(), Counter()
    for path in Path(__file__).parent.glob("test_bank_*.py"):
        bank = runpy.run_path(str(path))
        right.update({name: len(answers) for name, answers in bank["RIGHT"].items()})
        wrong.update({name: len(answers) for name, answers in bank["WRONG"].items()})
    assert set(right) == set(wrong) == set(EXERCISES)
    assert min(right.values()) >= 3
    assert min(wrong.values()) >= 6


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'soft_lookup'"):
        check("soft_lokup", min)
    with pytest.raises(ValueError, match="there are nearest"):
        check("xyz", min)


def test_the_references_are_written_apart_from_the_library():
    """NumPy and the graders' own modules: a mistake of the library must not be theirs too."""
    folder = Path(attnbook.checks.__file__).parent
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                inside = Path(path).relative_to(folder).parts
                assert node.level <= len(inside), f"{path}: imports from the library"
                assert not (node.module or "").startswith("attnbook")
            elif isinstance(node, ast.Import):
                assert not any(alias.name.startswith("attnbook") for alias in node.names)
