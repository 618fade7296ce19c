"""Answers to the exercises of *Soft lookup*, right and wrong, and what is said of each."""

import math

import numpy as np

from attnbook.checks import check

# ---- weights ----------------------------------------------------------------------------------


def weights_vectorised(scores):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def weights_by_loop(scores):
    out = np.empty(scores.shape)
    for i in range(scores.shape[0]):
        top = max(float(s) for s in scores[i])
        total = sum(math.exp(s - top) for s in scores[i])
        for j in range(scores.shape[1]):
            out[i, j] = math.exp(scores[i, j] - top) / total
    return out


def weights_transposed(scores):
    columns = scores.T - scores.max(axis=1)
    return (np.exp(columns) / np.exp(columns).sum(axis=0)).T


def weights_by_log(scores):
    top = scores.max(-1)[:, None]
    return np.exp(scores - top - np.log(np.exp(scores - top).sum(-1))[:, None])


def weights_in_float32(scores):
    return weights_vectorised(scores.astype(np.float32))


def weights_over_queries(scores):
    e = np.exp(scores - scores.max(axis=0))
    return e / e.sum(axis=0)


def weights_of_all(scores):
    e = np.exp(scores)
    return e / e.sum()


def weights_overflow(scores):
    return np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)


def weights_one_maximum(scores):
    e = np.exp(scores - scores.max())
    return e / e.sum(axis=-1, keepdims=True)


def weights_lost_axis(scores):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1)


def weights_without_exp(scores):
    return scores / scores.sum(axis=1, keepdims=True)


def weights_not_divided(scores):
    return np.exp(scores - scores.max(axis=1, keepdims=True))


def weights_hard(scores):
    out = np.zeros(scores.shape)
    out[np.arange(len(scores)), scores.argmax(axis=1)] = 1
    return out


def weights_truncated(scores):
    out = np.zeros_like(scores)
    for i in range(len(scores)):
        out[i] = np.exp(scores[i] - scores[i].max()) / np.exp(scores[i] - scores[i].max()).sum()
    return out


def weights_in_place(scores):
    if scores.dtype.kind == "i":
        return weights_vectorised(scores)
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def weights_one_row(scores):
    return weights_vectorised(scores)[0]


def weights_list(scores):
    return weights_vectorised(scores).tolist()


# ---- soft_lookup ------------------------------------------------------------------------------


def guarded(s, axis=-1):
    top = s.max(axis=axis, keepdims=True)
    e = np.exp(s - np.where(np.isinf(top), 0, top))
    total = e.sum(axis=axis, keepdims=True)
    return e / np.where(total == 0, 1, total)


def soft_vectorised(queries, keys, values, mask):
    s = queries @ keys.T / np.sqrt(keys.shape[1])
    return guarded(np.where(mask, s, -np.inf)) @ values


def soft_by_einsum(q, k, v, allowed):
    s = np.einsum("id,jd->ij", q, k) / math.sqrt(q.shape[-1])
    top = np.max(s, axis=1, keepdims=True, where=allowed, initial=-1e300)
    e = np.exp(np.minimum(s - top, 0)) * allowed
    total = np.einsum("ij->i", e)
    return np.einsum("ij,jd,i->id", e, v, 1 / np.where(total > 0, total, 1))


def soft_by_loop(queries, keys, values, mask):
    rows = []
    for query, row in zip(queries, mask, strict=True):
        row_keys, row_values = keys[row], values[row]
        if not row.any():
            rows.append(np.zeros(values.shape[1]))
            continue
        s = row_keys @ query * len(query) ** -0.5
        e = np.exp(s - s.max())
        rows.append((e[:, None] * row_values).sum(axis=0) / e.sum())
    return np.stack(rows)


def soft_with_scaled_queries(queries, keys, values, mask):
    scaled = queries / keys.shape[-1] ** 0.5
    bias = np.where(mask, 0.0, -np.inf)
    return guarded(scaled @ keys.T + bias) @ values


def soft_in_float32(queries, keys, values, mask):
    return soft_vectorised(*(a.astype(np.float32) for a in (queries, keys, values)), mask)


def soft_over_queries(queries, keys, values, mask):
    s = np.where(mask, queries @ keys.T / np.sqrt(keys.shape[1]), -np.inf)
    return guarded(s, axis=0) @ values


def soft_unscaled(queries, keys, values, mask):
    return guarded(np.where(mask, queries @ keys.T, -np.inf)) @ values


def soft_divided_by_width(queries, keys, values, mask):
    return guarded(np.where(mask, queries @ keys.T / keys.shape[1], -np.inf)) @ values


def soft_multiplied(queries, keys, values, mask):
    return guarded(np.where(mask, queries @ keys.T * np.sqrt(keys.shape[1]), -np.inf)) @ values


def soft_root_of_count(queries, keys, values, mask):
    return guarded(np.where(mask, queries @ keys.T / np.sqrt(keys.shape[0]), -np.inf)) @ values


def soft_nan(queries, keys, values, mask):
    s = np.where(mask, queries @ keys.T / np.sqrt(keys.shape[1]), -np.inf)
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True) @ values


def soft_spread_over_padding(queries, keys, values, mask):
    s = np.where(mask, queries @ keys.T / np.sqrt(keys.shape[1]), -1e6)
    return guarded(s) @ values


def soft_unmasked(queries, keys, values, mask):
    return guarded(queries @ keys.T / np.sqrt(keys.shape[1])) @ values


def soft_inverted_mask(queries, keys, values, mask):
    s = queries @ keys.T / np.sqrt(keys.shape[1])
    s[mask] = -np.inf
    return guarded(s) @ values


def soft_zero_scores(queries, keys, values, mask):
    return guarded(queries @ keys.T / np.sqrt(keys.shape[1]) * mask) @ values


def soft_masked_late(queries, keys, values, mask):
    a = guarded(queries @ keys.T / np.sqrt(keys.shape[1]))
    a[~mask] = 0
    return a @ values


def soft_overflow(queries, keys, values, mask):
    e = np.exp(queries @ keys.T / np.sqrt(keys.shape[1])) * mask
    total = e.sum(axis=-1, keepdims=True)
    return np.divide(e, total, out=np.zeros_like(e), where=total != 0) @ values


def soft_hard(queries, keys, values, mask):
    s = np.where(mask, queries @ keys.T, -np.inf)
    return values[s.argmax(axis=1)] * mask.any(axis=1, keepdims=True)


def soft_returns_weights(queries, keys, values, mask):
    return guarded(np.where(mask, queries @ keys.T / np.sqrt(keys.shape[1]), -np.inf))


def soft_without_softmax(queries, keys, values, mask):
    return (queries @ keys.T / np.sqrt(keys.shape[1]) * mask) @ values


def soft_reads_keys(queries, keys, values, mask):
    return guarded(np.where(mask, queries @ keys.T / np.sqrt(keys.shape[1]), -np.inf)) @ keys


def soft_overwrites_values(queries, keys, values, mask):
    keys /= np.sqrt(keys.shape[1])
    return guarded(np.where(mask, queries @ keys.T, -np.inf)) @ values


def soft_wrong_product(queries, keys, values, mask):
    return guarded(queries @ keys) @ values


def soft_returns_both(queries, keys, values, mask):
    return soft_vectorised(queries, keys, values, mask), mask


RIGHT = {
    "weights": [
        weights_vectorised,
        weights_by_loop,
        weights_transposed,
        weights_by_log,
        weights_in_float32,
    ],
    "soft_lookup": [
        soft_vectorised,
        soft_by_einsum,
        soft_by_loop,
        soft_with_scaled_queries,
        soft_in_float32,
    ],
}

WRONG = {
    "weights": [
        (weights_over_queries, "over the queries, not over the keys"),
        (weights_of_all, "total of the whole matrix"),
        (weights_overflow, "Large scores overflow"),
        (weights_one_maximum, "greatest score of the whole matrix"),
        (weights_lost_axis, "keepdims=True"),
        (weights_without_exp, "without the exponential"),
        (weights_not_divided, "do not divide by the sum"),
        (weights_hard, "hard lookup"),
        (weights_truncated, "whole-number dtype"),
        (weights_in_place, "you changed the caller's array: `scores`"),
        (weights_one_row, "it should have shape (1, 2)"),
        (weights_list, "returns a list"),
    ],
    "soft_lookup": [
        (soft_over_queries, "over the queries, not over the keys"),
        (soft_unscaled, "not divided by √d_k"),
        (soft_divided_by_width, "divided by d_k"),
        (soft_multiplied, "multiplied by √d_k"),
        (soft_root_of_count, "number of keys"),
        (soft_nan, "Row 1 has nothing to attend to and gave NaN"),
        (soft_spread_over_padding, "large negative number"),
        (soft_unmasked, "mask is not used"),
        (soft_inverted_mask, "wrong way round"),
        (soft_zero_scores, "e⁰ = 1"),
        (soft_masked_late, "no longer sums to one"),
        (soft_overflow, "Large scores overflow"),
        (soft_hard, "a hard lookup"),
        (soft_returns_weights, "You return the weights"),
        (soft_without_softmax, "no softmax"),
        (soft_reads_keys, "average the keys"),
        (soft_overwrites_values, "you changed the caller's array: `keys`"),
        (soft_wrong_product, "stops with ValueError"),
        (soft_returns_both, "returns a tuple of 2. Return the result alone"),
    ],
}


def test_a_right_answer_passes(exercise, right_answer):
    result = check(exercise, right_answer, show=False)
    assert result.passed, result.message


def test_a_wrong_answer_is_told_what_is_wrong(exercise, wrong_answer, words):
    result = check(exercise, wrong_answer, show=False)
    assert not result.passed
    assert words in " ".join(result.message.split())
