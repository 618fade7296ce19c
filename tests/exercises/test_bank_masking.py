"""Answers to the exercises of *Masking*, right and wrong, and what is said of each."""

import numpy as np

import attnbook
from attnbook import padding_mask
from attnbook.checks import check
from attnbook.leaks import influence

# ---- masked_softmax ---------------------------------------------------------------------------


def softmax_guarded(scores, mask):
    s = np.where(mask, scores, -np.inf)
    top = s.max(axis=-1, keepdims=True)
    powers = np.exp(s - np.where(top == -np.inf, 0, top))
    total = powers.sum(axis=-1, keepdims=True)
    return powers / np.where(total == 0, 1, total)


def softmax_by_rows(scores, mask):
    out = np.zeros_like(scores)
    for i in range(len(scores)):
        if mask[i].any():
            s = scores[i, mask[i]]
            e = np.exp(s - s.max())
            out[i, mask[i]] = e / e.sum()
    return out


def softmax_nan_to_num(scores, mask):
    s = np.where(mask, scores, -np.inf)
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return np.nan_to_num(e / e.sum(axis=1, keepdims=True))


def softmax_from_the_library(scores, mask):
    return attnbook.softmax(scores, mask=mask)


def softmax_finite_then_times_mask(scores, mask):
    s = np.where(mask, scores, -1e30)
    e = np.exp(s - s.max(axis=1, keepdims=True)) * mask
    return e / np.maximum(e.sum(axis=1, keepdims=True), 1e-30)


def softmax_nan(scores, mask):
    scores = np.where(mask, scores, -np.inf)
    e = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def softmax_inverted(scores, mask):
    return softmax_nan(scores, ~mask)


def softmax_large_number(scores, mask):
    s = scores.copy()
    s[~mask] = -1e9
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_added(scores, mask):
    s = scores + (1 - mask) * -1e8
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_then_mask(scores, mask):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.where(mask, e / e.sum(axis=1, keepdims=True), 0)


def softmax_zero_scores(scores, mask):
    s = np.where(mask, scores, 0)
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_unmasked(scores, mask):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_hidden_top(scores, mask):
    e = np.where(mask, np.exp(scores - scores.max(axis=1, keepdims=True)), 0)
    return e / e.sum(axis=1, keepdims=True)


def softmax_overflow(scores, mask):
    e = np.exp(np.where(mask, scores, -np.inf))
    total = e.sum(axis=1, keepdims=True)
    return np.divide(e, total, out=np.zeros_like(e), where=total != 0)


def softmax_over_queries(scores, mask):
    s = np.where(mask, scores, -np.inf)
    e = np.exp(s - s.max(axis=0))
    return e / e.sum(axis=0)


def softmax_in_place(scores, mask):
    scores[~mask] = -np.inf
    return softmax_guarded(scores, mask)


# ---- causal_at --------------------------------------------------------------------------------


def at_by_comparison(positions, n_k):
    return positions[:, None] >= np.arange(n_k)


def at_by_rows(positions, n_k):
    mask = np.zeros((len(positions), n_k), dtype=bool)
    for i, p in enumerate(positions):
        mask[i, : p + 1] = True
    return mask


def at_out_of_a_triangle(positions, n_k):
    return np.tri(n_k, dtype=bool)[positions]


def at_as_numbers(positions, n_k):
    return np.array([[1 if j <= p else 0 for j in range(n_k)] for p in positions])


def at_upper_left(positions, n_k):
    return np.tri(len(positions), n_k, dtype=bool)


def at_lower_right(positions, n_k):
    return attnbook.causal_mask(len(positions), n_k)


def at_from_the_first(positions, n_k):
    return np.tri(len(positions), n_k, positions[0], dtype=bool)


def at_strict(positions, n_k):
    return np.arange(n_k)[None] < positions[:, None]


def at_one_more(positions, n_k):
    mask = np.zeros((len(positions), n_k), dtype=bool)
    for i, p in enumerate(positions):
        mask[i, : p + 2] = True
    return mask


def at_inverted(positions, n_k):
    return np.arange(n_k)[None] > positions[:, None]


def at_turned(positions, n_k):
    return np.arange(n_k)[None] >= positions[:, None]


def at_transposed(positions, n_k):
    return np.arange(n_k)[:, None] <= positions


def at_latest(positions, n_k):
    return np.tile(np.arange(n_k) <= max(positions), (len(positions), 1))


# ---- blocked ----------------------------------------------------------------------------------


def blocked_by_or(lengths, n):
    future = np.triu(np.ones((n, n), dtype=bool), k=1)
    padding = np.arange(n) < n - lengths[:, None]
    return future | padding[:, None, :]


def blocked_by_not_and(lengths, n):
    allowed = np.tri(n, dtype=bool) & padding_mask(lengths, n)[:, ::-1][:, None, :]
    return ~allowed


def blocked_by_loops(lengths, n):
    out = np.ones((len(lengths), n, n), dtype=bool)
    for b, length in enumerate(lengths):
        for i in range(n):
            out[b, i, n - length : i + 1] = False
    return out


def blocked_our_polarity(lengths, n):
    return np.tri(n, dtype=bool) & (np.arange(n) >= n - lengths[:, None])[:, None, :]


def blocked_de_morgan(lengths, n):
    return ~np.tri(n, dtype=bool) & ~padding_mask(lengths, n)[:, ::-1][:, None, :]


def blocked_causal_alone(lengths, n):
    return np.repeat(~np.tri(n, dtype=bool)[None], len(lengths), axis=0)


def blocked_padding_alone(lengths, n):
    return np.repeat((np.arange(n) < n - lengths[:, None])[:, None], n, axis=1)


def blocked_queries(lengths, n):
    return ~np.tri(n, dtype=bool) | (np.arange(n) < n - lengths[:, None])[:, :, None]


def blocked_behind(lengths, n):
    return ~np.tri(n, dtype=bool) | ~padding_mask(lengths, n)[:, None, :]


def blocked_itself(lengths, n):
    return np.triu(np.ones((n, n), dtype=bool)) | ~padding_mask(lengths, n)[:, ::-1][:, None, :]


def blocked_past(lengths, n):
    return np.tril(np.ones((n, n), dtype=bool), -1) | ~padding_mask(lengths, n)[:, ::-1][:, None, :]


def blocked_length_off(lengths, n):
    return (
        np.triu(np.ones((n, n), dtype=bool), 1)
        | (np.arange(n) < n - 1 - lengths[:, None])[:, None, :]
    )


def blocked_one_matrix(lengths, n):
    """The masks of the sequences are laid over each other: an axis is missing."""
    return ~np.tri(n, dtype=bool) | ~padding_mask(lengths, n)[:, ::-1].all(axis=0)


# ---- influence_of -----------------------------------------------------------------------------


def influence_by_columns(function, x):
    before = function(x)
    draws = np.random.default_rng(5)
    columns = []
    for j in range(len(x)):
        other = x.copy()
        other[j] += draws.normal(size=x.shape[1])
        columns.append((function(other) != before).any(axis=1))
    return np.stack(columns, axis=1)


def influence_by_uniform_noise(function, x):
    before = function(x)
    found = np.zeros((len(before), len(x)), dtype=int)
    noise = np.random.default_rng(2).random(x.shape)
    for j in range(len(x)):
        here = (np.arange(len(x)) == j)[:, None]
        found[:, j] = np.abs(function(np.where(here, x + noise, x)) - before).sum(axis=1) > 0
    return found


def influence_from_the_library(function, x):
    return influence(function, x)


def influence_transposed(function, x):
    return influence_by_columns(function, x).T


def influence_adds_up(function, x):
    before, other = function(x), x.copy()
    draws, columns = np.random.default_rng(0), []
    for j in range(len(x)):
        other[j] += draws.normal(size=x.shape[1])
        columns.append((function(other) != before).any(axis=1))
    return np.array(columns).T


def influence_with_tolerance(function, x):
    before, draws = function(x), np.random.default_rng(0)
    found = np.zeros((len(before), len(x)), dtype=bool)
    for j in range(len(x)):
        other = x.copy()
        other[j] += draws.normal(size=x.shape[1])
        found[:, j] = np.abs(function(other) - before).max(axis=1) > 1e-6
    return found


def changed(function, x, change):
    before = function(x)
    found = np.zeros((len(before), len(x)), dtype=bool)
    for j in range(len(x)):
        other = x.copy()
        change(other, j)
        found[:, j] = (function(other) != before).any(axis=1)
    return found


def influence_first_number(function, x):
    def change(other, j):
        other[j, 0] += 0.5

    return changed(function, x, change)


def influence_constant(function, x):
    def change(other, j):
        other[j] += 8.0

    return changed(function, x, change)


def influence_zero(function, x):
    def change(other, j):
        other[j] = 0.0

    return changed(function, x, change)


def influence_of_all_numbers(function, x):
    before, draws = function(x), np.random.default_rng(0)
    found = np.zeros((len(before), len(x)), dtype=bool)
    for j in range(len(x)):
        other = x.copy()
        other[j] += draws.normal(size=x.shape[1])
        found[:, j] = np.all(function(other) != before, axis=1)
    return found


def influence_by_sums(function, x):
    before, draws = function(x).sum(axis=1), np.random.default_rng(0)
    found = np.zeros((len(before), len(x)), dtype=bool)
    for j in range(len(x)):
        other = x.copy()
        other[j] += draws.normal(size=x.shape[1])
        found[:, j] = np.abs(function(other).sum(axis=1) - before) > 1e-9
    return found


def influence_in_place(function, x):
    found = influence_by_columns(function, x)
    x[0] += 1.0
    return found


RIGHT = {
    "masked_softmax": [
        softmax_guarded,
        softmax_by_rows,
        softmax_nan_to_num,
        softmax_from_the_library,
        softmax_finite_then_times_mask,
    ],
    "causal_at": [at_by_comparison, at_by_rows, at_out_of_a_triangle, at_as_numbers],
    "blocked": [blocked_by_or, blocked_by_not_and, blocked_by_loops],
    "influence_of": [
        influence_by_columns,
        influence_by_uniform_noise,
        influence_from_the_library,
    ],
}

WRONG = {
    "masked_softmax": [
        (softmax_nan, "allows nothing and gave NaN"),
        (softmax_inverted, "mask is inverted"),
        (softmax_large_number, "its weights are even"),
        (softmax_added, "you return the softmax of what is forbidden"),
        (softmax_then_mask, "to 0 after the softmax"),
        (softmax_zero_scores, "set forbidden scores to 0"),
        (softmax_unmasked, "You ignore the mask"),
        (softmax_hidden_top, "greatest of *all* scores"),
        (softmax_overflow, "exp of a large score overflows"),
        (softmax_over_queries, "goes over the queries"),
        (softmax_in_place, "you changed the caller's array: `scores`"),
    ],
    "causal_at": [
        (at_upper_left, "align to the upper left"),
        (at_lower_right, "align to the lower right"),
        (at_from_the_first, "count on from the first position"),
        (at_strict, "does not see the key at its own position"),
        (at_one_more, "one key too many"),
        (at_inverted, "mask is inverted"),
        (at_turned, "inequality is turned around"),
        (at_transposed, "Rows and columns are exchanged"),
        (at_latest, "what the last of them may see"),
    ],
    "blocked": [
        (blocked_our_polarity, "polarity is that of this book"),
        (blocked_de_morgan, "You inverted each mask and joined them by *and*"),
        (blocked_causal_alone, "The padding is missing"),
        (blocked_padding_alone, "The causal part is missing"),
        (blocked_queries, "You hide padding *queries*"),
        (blocked_behind, "as if the padding stood behind"),
        (blocked_itself, "A token is hidden from itself"),
        (blocked_past, "triangle is turned around"),
        (blocked_length_off, "last row of padding is not hidden"),
        (blocked_one_matrix, "an axis is missing"),
    ],
    "influence_of": [
        (influence_transposed, "Rows and columns are exchanged"),
        (influence_adds_up, "The changes add up"),
        (influence_with_tolerance, "up to a tolerance"),
        (influence_first_number, "first number of a row alone"),
        (influence_constant, "add the same number to the whole row"),
        (influence_zero, "multiply the row, or set it to 0"),
        (influence_of_all_numbers, "whether *all* numbers"),
        (influence_by_sums, "compare sums of rows"),
        (influence_in_place, "you changed the caller's array: `x`"),
    ],
}


def test_a_right_answer_passes(exercise, right_answer):
    result = check(exercise, right_answer, show=False)
    assert result.passed, result.message


def test_a_wrong_answer_is_told_what_is_wrong(exercise, wrong_answer, words):
    result = check(exercise, wrong_answer, show=False)
    assert not result.passed
    assert words in " ".join(result.message.split())
