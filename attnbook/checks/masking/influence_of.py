"""Exercise `influence_of`: change one input at a time, and see which outputs move."""

import numpy as np

from ..core import Case, Exercise, Mistake


def influence_of(function, x):
    """Return whether output i moves when input j is changed, bool (n_out, n)."""
    before, noise = function(x.copy()), np.random.default_rng(0)
    found = np.zeros((len(before), len(x)), dtype=bool)
    for j in range(len(x)):
        other = x.copy()
        other[j] = other[j] + noise.normal(size=x.shape[1])
        after = function(other)
        for i in range(len(before)):
            found[i, j] = any(a != b for a, b in zip(before[i], after[i], strict=True))
    return found


# What is examined. Each is named in the message that shows a mistake.


def each_alone(x):
    """Double each row."""
    return 2 * x


def mean_so_far(x):
    """Average each row with those before it."""
    return np.cumsum(x, axis=0) / np.arange(1, len(x) + 1)[:, None]


def one_before(x):
    """Hand on the row before."""
    return np.concatenate([np.zeros((1, x.shape[1])), x[:-1]])


def off_by_one(x):
    """Add the row after."""
    return x + np.concatenate([x[1:], np.zeros((1, x.shape[1]))])


def backward(x):
    """Sum each row with those after it."""
    return np.cumsum(x[::-1], axis=0)[::-1]


def last_two_ask(x):
    """Sum all rows but the last, and all rows."""
    return np.stack([x[:-1].sum(axis=0), x.sum(axis=0)])


def second_number_only(x):
    """Sum the second number of each row with those before it."""
    return np.cumsum(x[:, 1:2], axis=0)


def one_number_of_two(x):
    """Keep the first number of each output; make the second a running sum."""
    return np.column_stack([np.ones(len(x)), np.cumsum(x[:, 0])])


def other_number_of_two(x):
    """Make the first number of each output a running sum; keep the second."""
    return np.column_stack([np.cumsum(x[:, 0]), np.ones(len(x))])


def with_opposite(x):
    """Sum the first number of each row with those before it, and put the opposite beside it."""
    return np.cumsum(x[:, :1], axis=0) * [1.0, -1.0]


def without_its_mean(x):
    """Take from each row its mean, so that its numbers sum to 0; then sum the rows."""
    steps = x - x.mean(axis=1, keepdims=True)
    return np.cumsum(steps, axis=0).round(12)  # what rounding moves is no influence


def faint_mean(x):
    """Add a ten-millionth of the mean over all rows."""
    return x + 1e-7 * x.mean(axis=0)


def _cases(rng):
    def drawn(n, d):
        return rng.normal(size=(n, d)).round(1) + 0.05

    holes = drawn(4, 2)
    holes[[0, 2]] = 0.0
    return [
        Case((each_alone, drawn(2, 1)), "no position hears of another"),
        Case((mean_so_far, drawn(2, 1)), "causal"),
        Case((mean_so_far, drawn(3, 2)), "causal"),
        Case((off_by_one, drawn(3, 2)), "a leak of one position"),
        Case((one_before, drawn(4, 2)), "input 3 moves nothing"),
        Case((backward, drawn(3, 2)), "each hears what comes after it"),
        Case((last_two_ask, drawn(4, 3)), "two outputs, four inputs"),
        Case((last_two_ask, drawn(6, 2)), "two outputs, six inputs"),
        Case((second_number_only, drawn(3, 2)), "the first number of a row is not read"),
        Case((second_number_only, drawn(5, 3)), "one number of three is read"),
        Case((one_number_of_two, drawn(3, 2)), "half of each output never moves"),
        Case((one_number_of_two, drawn(4, 3)), "half of each output never moves"),
        Case((other_number_of_two, drawn(3, 2)), "half of each output never moves"),
        Case((with_opposite, drawn(3, 2)), "the two numbers of an output cancel"),
        Case((with_opposite, drawn(5, 3)), "the two numbers of an output cancel"),
        Case((without_its_mean, drawn(3, 3)), "a row less its mean"),
        Case((without_its_mean, drawn(5, 4)), "a row less its mean"),
        Case((faint_mean, drawn(3, 2)), "a faint leak from everywhere"),
        Case((faint_mean, drawn(4, 3)), "a faint leak from everywhere"),
        Case((mean_so_far, holes), "two inputs are rows of zeros"),
        Case((off_by_one, holes), "two inputs are rows of zeros"),
        Case((mean_so_far, drawn(7, 3)), "causal"),
    ]


def _with(
    change=lambda row, noise: row + noise.normal(size=row.shape),
    moved=lambda before, after: (before != after).any(axis=1),
    restore=True,
):
    """Return an examiner that changes, or compares, in another way."""

    def wrong(function, x):
        before, noise = function(x.copy()), np.random.default_rng(1)
        columns, other = [], x.copy()
        for j in range(len(x)):
            other = x.copy() if restore else other
            other[j] = change(other[j], noise)
            columns.append(moved(before, function(other.copy())))
        return np.stack(columns, axis=-1)

    return wrong


def _first_number(row, noise):
    row = row.copy()
    row[0] += 1.0
    return row


_STAYS_ZERO = (
    "You multiply the row, or set it to 0. Where it is 0 already, that changes nothing: add noise."
)
_MISTAKES = (
    Mistake(
        "Rows and columns are exchanged: entry [i, j] says whether output i depends on input j. "
        "Changing one input fills a *column*.",
        lambda function, x: influence_of(function, x).T,
    ),
    Mistake(
        "The changes add up: when you come to input j, those before it are still changed. Start "
        "from a fresh copy of x each time.",
        _with(restore=False),
    ),
    Mistake(
        "You compare up to a tolerance, and a faint influence stays below it. What is masked has "
        "weight 0 exactly: compare with !=.",
        _with(moved=lambda before, after: ~np.isclose(before, after).all(axis=1)),
    ),
    Mistake(
        "You change the first number of a row alone. The function may read another: change the "
        "whole row.",
        _with(change=_first_number),
    ),
    Mistake(
        "You add the same number to the whole row. A function that takes the mean from each row "
        "does not notice: add noise, different in each entry.",
        _with(change=lambda row, noise: row + 1.0),
    ),
    Mistake(_STAYS_ZERO, _with(change=lambda row, noise: 0.0 * row)),
    Mistake(
        _STAYS_ZERO,
        _with(change=lambda row, noise: row * (2.0 + noise.random(size=row.shape))),
    ),
    Mistake(
        "You ask whether *all* numbers of an output moved. One is enough: any(axis=1).",
        _with(moved=lambda before, after: (before != after).all(axis=1)),
    ),
    Mistake(
        "You compare sums of rows. The sum may stay when the numbers move: compare each number.",
        _with(moved=lambda before, after: np.abs((before - after).sum(axis=1)) > 1e-10),
    ),
    Mistake(
        "You compare the first number of each output alone. Any of them may move.",
        _with(moved=lambda before, after: before[:, 0] != after[:, 0]),
    ),
)

EXERCISE = Exercise("influence_of", influence_of, _cases, _MISTAKES)
