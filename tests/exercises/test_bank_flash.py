"""Answers to the exercises of *FlashAttention*, right and wrong, and what is said of each."""

# ruff: noqa: E741 - m, l and o are the names of the chapter, and the reader's

import math

import numpy as np

from attnbook import online
from attnbook.checks import check

# ---- online_logsumexp -------------------------------------------------------------------------


def pass_by_one_line(scores):
    m, l = -math.inf, 0.0
    for s in scores:
        if s == -math.inf:
            continue
        higher = max(m, s)
        l = math.exp(m - higher) * l + math.exp(s - higher)
        m = higher
    return m, l


def pass_by_two_cases(scores):
    m, l = np.float32(-np.inf), np.float32(0)
    for s in np.asarray(scores, dtype=np.float32):
        if s > m:
            l = l * np.exp(m - s) + 1
            m = s
        elif np.isfinite(m):
            l += np.exp(s - m)
    return m, l


def pass_by_halves(scores):
    if len(scores) == 0:
        return -np.inf, 0.0
    if len(scores) == 1:
        return scores[0], float(scores[0] > -np.inf)
    (a, l_a), (b, l_b) = (
        pass_by_halves(half) for half in (scores[: len(scores) // 2], scores[len(scores) // 2 :])
    )
    m = max(a, b)
    safe = 0.0 if m == -np.inf else m
    return m, np.exp(a - safe) * l_a + np.exp(b - safe) * l_b


def pass_at_once(scores):
    m = np.max(scores, initial=-np.inf)
    return [m, np.exp(scores - (m if np.isfinite(m) else 0)).sum()]


def pass_without_factor(scores):
    m, l = -np.inf, 0.0
    for s in scores:
        m = max(m, s)
        if m > -np.inf:
            l += np.exp(s - m)
    return m, l


def pass_without_factor_or_guard(scores):
    m, l = -np.inf, 0.0
    for s in scores:
        m = max(m, s)
        l += np.exp(s - m)
    return m, l


def pass_turned(scores):
    m, l = -np.inf, 0.0
    for s in scores:
        higher = max(m, s)
        l = np.exp(higher - m) * l + np.exp(s - higher)
        m = higher
    return m, l


def pass_from_zero(scores):
    m, l = 0.0, 0.0
    for s in scores:
        higher = max(m, s)
        l = np.exp(m - higher) * l + np.exp(s - higher)
        m = higher
    return m, l


def pass_plain_sum(scores):
    return np.max(scores, initial=-np.inf), np.exp(scores).sum()


def pass_old_maximum(scores):
    m, l = -np.inf, 0.0
    for s in scores:
        if s == -np.inf:
            continue
        if m == -np.inf:
            m, l = s, 1.0
        else:
            higher = max(m, s)
            l = l * np.exp(m - higher) + np.exp(s - m)
            m = higher
    return m, l


def pass_new_maximum_not_counted(scores):
    m, l = -np.inf, 0.0
    for s in scores:
        if m == -np.inf:
            m, l = s, float(s > -np.inf)
        elif s > m:
            l *= np.exp(m - s)
            m = s
        else:
            l += np.exp(s - m)
    return m, l


def pass_starts_anew(scores):
    m, l = -np.inf, 0.0
    for s in scores:
        if s > m:
            m, l = s, 1.0
        elif m > -np.inf:
            l += np.exp(s - m)
    return m, l


def pass_nan(scores):
    m, l = -np.inf, 0.0
    for s in scores:
        higher = np.maximum(m, s)
        l = l * np.exp(m - higher) + np.exp(s - higher)
        m = higher
    return m, l


def pass_logarithm(scores):
    m, l = pass_by_one_line(scores)
    return m + np.log(l)


def pass_swapped(scores):
    m, l = pass_by_one_line(scores)
    return l, m


def pass_in_place(scores):
    m = scores.max(initial=-np.inf)
    if m > -np.inf:
        scores -= m
    return m, np.exp(scores).sum()


# ---- add_tile ---------------------------------------------------------------------------------


def tile_by_columns(m, l, o, s, v):
    new = np.maximum(m, s.max(axis=1))
    safe = np.where(new == -np.inf, 0, new)
    factor, p = np.exp(m - safe), np.exp(s - safe[:, None])
    return new, factor * l + p.sum(axis=1), factor[:, None] * o + p @ v


def tile_by_key(m, l, o, s, v):
    for j in range(len(v)):
        new = np.maximum(m, s[:, j])
        seen = new > -np.inf
        factor = np.exp(np.subtract(m, new, where=seen, out=np.zeros(len(m))))
        p = np.where(seen, np.exp(np.where(seen, s[:, j] - np.where(seen, new, 0), 0)), 0)
        m, l, o = new, l * factor + p, o * factor[:, None] + np.outer(p, v[j])
    return m, l, o


def tile_by_concatenation(m, l, o, s, v):
    """What was kept is one more key: its score m, its weight l, its value o / l."""
    scores = np.concatenate([m[:, None], s], axis=1)
    top = scores.max(axis=1, keepdims=True)
    p = np.exp(np.nan_to_num(scores - top, nan=-np.inf, neginf=-np.inf))
    kept = p[:, :1]
    return [top[:, 0], kept[:, 0] * l + p[:, 1:].sum(axis=1), kept * o + p[:, 1:] @ v]


def tile_o_forgotten(m, l, o, s, v):
    new, l, _ = tile_by_columns(m, l, o, s, v)
    return new, l, o + np.exp(s - np.where(new == -np.inf, 0, new)[:, None]) @ v


def tile_l_forgotten(m, l, o, s, v):
    new, _, o = tile_by_columns(m, l, o, s, v)
    return new, l + np.exp(s - np.where(new == -np.inf, 0, new)[:, None]).sum(axis=1), o


def tile_nothing_rescaled(m, l, o, s, v):
    new = np.maximum(m, s.max(axis=1))
    p = np.exp(s - new[:, None])
    return new, l + p.sum(axis=1), o + p @ v


def tile_turned(m, l, o, s, v):
    new = np.maximum(m, s.max(axis=1))
    factor, p = np.exp(new - m), np.exp(s - new[:, None])
    return new, factor * l + p.sum(axis=1), factor[:, None] * o + p @ v


def tile_old_maximum(m, l, o, s, v):
    new = np.maximum(m, s.max(axis=1))
    factor, p = np.exp(m - np.where(new == -np.inf, 0, new)), np.exp(s - m[:, None])
    return new, factor * l + p.sum(axis=1), factor[:, None] * o + p @ v


def tile_own_maximum(m, l, o, s, v):
    own = s.max(axis=1)
    new = np.maximum(m, own)
    factor = np.exp(m - np.where(new == -np.inf, 0, new))
    p = np.exp(s - np.where(own == -np.inf, 0, own)[:, None])
    return new, factor * l + p.sum(axis=1), factor[:, None] * o + p @ v


def tile_forgets_the_maximum(m, l, o, s, v):
    new = s.max(axis=1)
    factor, p = np.exp(m - new), np.exp(s - new[:, None])
    return new, factor * l + p.sum(axis=1), factor[:, None] * o + p @ v


def tile_wrong_axis(m, l, o, s, v):
    new = np.maximum(m, s.max(axis=0))
    safe = np.where(new == -np.inf, 0, new)
    factor, p = np.exp(m - safe), np.exp(s - safe[:, None])
    return new, factor * l + p.sum(axis=1), factor[:, None] * o + p @ v


def tile_sum_over_queries(m, l, o, s, v):
    new, _, o = tile_by_columns(m, l, o, s, v)
    safe = np.where(new == -np.inf, 0, new)
    return new, np.exp(m - safe) * l + np.exp(s - safe[:, None]).sum(axis=0), o


def tile_one_maximum(m, l, o, s, v):
    new = np.maximum(m, s.max())
    safe = np.where(np.isinf(new), 0, new)
    factor, p = np.exp(m - safe), np.exp(s - safe[:, None])
    return new, factor * l + p.sum(axis=1), factor[:, None] * o + p @ v


def tile_nan(m, l, o, s, v):
    new = np.maximum(m, s.max(axis=1))
    factor, p = np.exp(m - new), np.exp(s - new[:, None])
    return new, factor * l + p.sum(axis=1), factor[:, None] * o + p @ v


def tile_divided(m, l, o, s, v):
    m, l, o = tile_by_columns(m, l, o, s, v)
    return m, l, o / np.maximum(l, 1e-300)[:, None]


def tile_in_place(m, l, o, s, v):
    new, l, right = tile_by_columns(m, l, o, s, v)
    o[...] = right
    return new, l, o


def tile_returns_two(m, l, o, s, v):
    return tile_by_columns(m, l, o, s, v)[1:]


# ---- merge ------------------------------------------------------------------------------------


def merge_by_logaddexp(out_a, lse_a, out_b, lse_b):
    lse = np.logaddexp(lse_a, lse_b)
    safe = np.where(lse == -np.inf, 0, lse)
    w_a, w_b = np.exp(lse_a - safe), np.exp(lse_b - safe)
    return w_a[:, None] * out_a + w_b[:, None] * out_b, lse


def merge_by_stack(out_a, lse_a, out_b, lse_b):
    both, outs = np.stack([lse_a, lse_b]), np.stack([out_a, out_b])
    top = both.max(axis=0)
    powers = np.exp(both - np.where(np.isinf(top), 0, top))
    total = powers.sum(axis=0)
    with np.errstate(divide="ignore"):
        lse = top + np.log(total)
    return np.einsum("sn,snd->nd", powers / np.where(total > 0, total, 1), outs), lse


def merge_from_the_library(out_a, lse_a, out_b, lse_b):
    return online.merge(out_a, lse_a, out_b, lse_b)


def merge_by_sigmoid(out_a, lse_a, out_b, lse_b):
    rows, sums = [], []
    for a, x, b, y in zip(out_a, lse_a, out_b, lse_b, strict=True):
        if x < y:
            a, x, b, y = b, y, a, x
        share = math.exp(y - x) if y > -math.inf else 0.0  # of b, beside a
        rows.append((a + share * b) / (1 + share))
        sums.append(x + math.log1p(share))
    return np.array(rows), np.array(sums)


def merge_plain_mean(out_a, lse_a, out_b, lse_b):
    return (out_a + out_b) / 2, np.logaddexp(lse_a, lse_b)


def merge_sum(out_a, lse_a, out_b, lse_b):
    return out_a + out_b, np.logaddexp(lse_a, lse_b)


def merge_swapped(out_a, lse_a, out_b, lse_b):
    out, _ = merge_by_logaddexp(out_b, lse_a, out_a, lse_b)
    return out, np.logaddexp(lse_a, lse_b)


def merge_lse_added(out_a, lse_a, out_b, lse_b):
    return merge_by_logaddexp(out_a, lse_a, out_b, lse_b)[0], lse_a + lse_b


def merge_lse_greatest(out_a, lse_a, out_b, lse_b):
    return merge_by_logaddexp(out_a, lse_a, out_b, lse_b)[0], np.maximum(lse_a, lse_b)


def merge_by_logarithms(out_a, lse_a, out_b, lse_b):
    out = (lse_a[:, None] * out_a + lse_b[:, None] * out_b) / (lse_a + lse_b)[:, None]
    return out, np.logaddexp(lse_a, lse_b)


def merge_nan(out_a, lse_a, out_b, lse_b):
    lse = np.logaddexp(lse_a, lse_b)
    return np.exp(lse_a - lse)[:, None] * out_a + np.exp(lse_b - lse)[:, None] * out_b, lse


def merge_nan_by_maximum(out_a, lse_a, out_b, lse_b):
    top = np.maximum(lse_a, lse_b)
    w_a, w_b = np.exp(lse_a - top), np.exp(lse_b - top)
    out = (w_a[:, None] * out_a + w_b[:, None] * out_b) / (w_a + w_b)[:, None]
    return out, top + np.log(w_a + w_b)


def merge_overflow(out_a, lse_a, out_b, lse_b):
    w_a, w_b = np.exp(lse_a), np.exp(lse_b)
    total = w_a + w_b
    return (w_a[:, None] * out_a + w_b[:, None] * out_b) / total[:, None], np.log(total)


def merge_not_divided(out_a, lse_a, out_b, lse_b):
    top = np.maximum(lse_a, lse_b)
    top = np.where(top == -np.inf, 0, top)
    out = np.exp(lse_a - top)[:, None] * out_a + np.exp(lse_b - top)[:, None] * out_b
    return out, np.logaddexp(lse_a, lse_b)


def merge_output_alone(out_a, lse_a, out_b, lse_b):
    return merge_by_logaddexp(out_a, lse_a, out_b, lse_b)[0]


def merge_in_place(out_a, lse_a, out_b, lse_b):
    lse = np.logaddexp(lse_a, lse_b)
    safe = np.where(lse == -np.inf, 0, lse)
    out_a *= np.exp(lse_a - safe)[:, None]
    return out_a + np.exp(lse_b - safe)[:, None] * out_b, lse


RIGHT = {
    "online_logsumexp": [pass_by_one_line, pass_by_two_cases, pass_by_halves, pass_at_once],
    "add_tile": [tile_by_columns, tile_by_key, tile_by_concatenation],
    "merge": [merge_by_logaddexp, merge_by_stack, merge_from_the_library, merge_by_sigmoid],
}

WRONG = {
    "online_logsumexp": [
        (pass_without_factor, "sum is not rescaled"),
        (pass_without_factor_or_guard, "sum is not rescaled"),
        (pass_turned, "factor is turned around"),
        (pass_from_zero, "starts at 0, so it never falls below 0"),
        (pass_plain_sum, "under no maximum"),
        (pass_old_maximum, "under the old maximum: it should be exp(s - new)"),
        (pass_new_maximum_not_counted, "raises the maximum is not counted"),
        (pass_starts_anew, "begin a new sum"),
        (pass_nan, "-inf - (-inf), which is NaN"),
        (pass_logarithm, "You return the log-sum-exp"),
        (pass_swapped, "wrong way round"),
        (pass_in_place, "you changed the caller's array: `scores`"),
    ],
    "add_tile": [
        (tile_o_forgotten, "`o` is not rescaled"),
        (tile_l_forgotten, "`l` is not rescaled"),
        (tile_nothing_rescaled, "Neither `l` nor `o` is rescaled"),
        (tile_turned, "factor is turned around"),
        (tile_old_maximum, "new tile stands under the old maximum"),
        (tile_own_maximum, "new tile stands under its own maximum"),
        (tile_forgets_the_maximum, "maximum of the tile alone"),
        (tile_wrong_axis, "maximum along the wrong axis"),
        (tile_sum_over_queries, "sum the weights along the wrong axis"),
        (tile_one_maximum, "greatest score of the whole tile"),
        (tile_nan, "A row that has seen nothing so far gives NaN"),
        (tile_divided, "You divide `o` by `l`"),
        (tile_in_place, "you changed the caller's array: `o`"),
        (tile_returns_two, "should return 3 things"),
    ],
    "merge": [
        (merge_plain_mean, "plain mean of the outputs"),
        (merge_sum, "You add the outputs"),
        (merge_swapped, "weights are swapped"),
        (merge_lse_added, "You add the log-sum-exps"),
        (merge_lse_greatest, "you return the greater one"),
        (merge_by_logarithms, "weigh by the log-sum-exps themselves"),
        (merge_nan, "sees nothing on either side gives NaN"),
        (merge_nan_by_maximum, "sees nothing on either side gives NaN"),
        (merge_overflow, "hundreds overflow"),
        (merge_not_divided, "weights do not sum to one"),
        (merge_output_alone, "should return 2 things"),
        (merge_in_place, "you changed the caller's array: `out_a`"),
    ],
}


def test_a_right_answer_passes(exercise, right_answer):
    result = check(exercise, right_answer, show=False)
    assert result.passed, result.message


def test_a_wrong_answer_is_told_what_is_wrong(exercise, wrong_answer, words):
    result = check(exercise, wrong_answer, show=False)
    assert not result.passed
    assert words in " ".join(result.message.split())
