"""More answers to the exercises of *Soft lookup*: weights seen from outside, kernel regression."""

import math

import numpy as np

from attnbook import kernel_regression, soft_lookup
from attnbook.checks import check

# ---- weights_of -------------------------------------------------------------------------------


def outside_by_identity(lookup, queries, keys):
    return lookup(queries, keys, np.eye(len(keys)))


def outside_query_by_query(lookup, queries, keys):
    if len(set(map(tuple, queries))) < 1:
        return None
    n = len(keys)
    out = np.zeros((len(queries), n))
    for j in range(n):
        out[:, j] = lookup(queries, keys, (np.arange(n) == j).astype(float)[:, None])[:, 0]
    return out


def outside_by_solving(lookup, queries, keys):
    # The output is linear in the values: any n independent ones will do.
    values = np.eye(len(keys)) + np.tri(len(keys), k=-1)
    return np.linalg.solve(values.T, lookup(queries, keys, values).T).T


def outside_ones(lookup, queries, keys):
    return lookup(queries, keys, np.ones((len(keys), 1)))


def outside_keys(lookup, queries, keys):
    return lookup(queries, keys, keys)


def outside_transposed(lookup, queries, keys):
    return lookup(queries, keys, np.identity(keys.shape[0])).T


def outside_own_softmax(lookup, queries, keys):
    e = np.exp(queries @ keys.T)
    return e / e.sum(axis=1, keepdims=True)


def outside_swapped(lookup, queries, keys):
    return lookup(keys, queries, np.eye(len(queries)))


def outside_wrong_size(lookup, queries, keys):
    return lookup(queries, keys, np.eye(keys.shape[1]))


def outside_flat(lookup, queries, keys):
    return outside_by_identity(lookup, queries, keys).ravel()


def outside_normalised(lookup, queries, keys):
    a = lookup(queries, keys, np.eye(len(keys)))
    return a / a.sum(axis=-1)[:, None]


# ---- kernel_regression ------------------------------------------------------------------------


def kernel_from_the_library(places, x, y, h):
    return kernel_regression(places, x, y, bandwidth=h)


def kernel_as_a_lookup(places, x, y, h):
    return soft_lookup(places[:, None], x[:, None], y, score="distance", temperature=h**2)


def kernel_vectorised(places, x, y, h):
    u = (places[:, None] - x[None, :]) / h
    k = np.exp(-0.5 * (u**2 - (u**2).min(axis=1, keepdims=True)))
    return (k * y).sum(axis=1) / k.sum(axis=1)


def kernel_by_loop(places, x, y, h):
    out = np.zeros(len(places))
    for i, place in enumerate(places):
        s = [-((place - a) ** 2) / (2 * h * h) for a in x]
        k = [math.exp(b - max(s)) for b in s]
        out[i] = sum(a * b for a, b in zip(k, y, strict=True)) / sum(k)
    return out


def gauss(u):
    return np.exp(-(u**2) / 2)


def kernel_unsquared(places, x, y, h):
    s = -((places[:, None] - x) ** 2) / (2 * h)
    return soft(s) @ y


def soft(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def kernel_without_two(places, x, y, h):
    return soft(-(((places[:, None] - x) / h) ** 2)) @ y


def kernel_multiplied(places, x, y, h):
    return soft(-0.5 * ((places[:, None] - x) * h) ** 2) @ y


def kernel_without_h(places, x, y, h):
    return soft(-0.5 * (places[:, None] - x) ** 2) @ y


def kernel_absolute(places, x, y, h):
    return soft(-np.abs(places[:, None] - x) / h) @ y


def kernel_repels(places, x, y, h):
    return soft(0.5 * ((places[:, None] - x) / h) ** 2) @ y


def kernel_over_places(places, x, y, h):
    k = gauss((places[:, None] - x) / h)
    return (k / k.sum(axis=0)) @ y


def kernel_not_divided(places, x, y, h):
    return gauss((places[:, None] - x) / h) @ y


def kernel_nan_far_away(places, x, y, h):
    k = gauss((places[:, None] - x) / h)
    return k @ y / k.sum(axis=1)


def kernel_nearest(places, x, y, h):
    return y[np.abs(places[:, None] - x).argmin(axis=1)]


def kernel_column(places, x, y, h):
    return kernel_vectorised(places, x, y, h)[:, None]


# ---- left_out_error ---------------------------------------------------------------------------


def left_out_by_mask(x, y, h):
    others = ~np.eye(len(x), dtype=bool)
    guess = soft_lookup(x[:, None], x[:, None], y, score="distance", temperature=h**2, mask=others)
    return np.mean((guess - y) ** 2)


def left_out_by_delete(x, y, h):
    total = 0.0
    for i in range(len(x)):
        rest_x, rest_y = np.delete(x, i), np.delete(y, i)
        total += (kernel_regression(x[[i]], rest_x, rest_y, bandwidth=h)[0] - y[i]) ** 2
    return total / len(x)


def left_out_by_diagonal(x, y, h):
    s = -(np.subtract.outer(x, x) ** 2) / (2 * h**2)
    np.fill_diagonal(s, -np.inf)
    return float(np.square(soft(s) @ y - y).mean())


def left_out_none(x, y, h):
    return np.mean((kernel_regression(x, x, y, bandwidth=h) - y) ** 2)


def left_out_itself_alone(x, y, h):
    self = np.eye(len(x), dtype=bool)
    guess = soft_lookup(x[:, None], x[:, None], y, score="distance", temperature=h**2, mask=self)
    return np.mean((guess - y) ** 2)


def left_out_late(x, y, h):
    a = soft(-(np.subtract.outer(x, x) ** 2) / (2 * h**2))
    np.fill_diagonal(a, 0)
    return np.mean((a @ y - y) ** 2)


def left_out_sum(x, y, h):
    return left_out_by_mask(x, y, h) * len(x)


def left_out_root(x, y, h):
    return np.sqrt(left_out_by_mask(x, y, h))


def left_out_absolute(x, y, h):
    s = -(np.subtract.outer(x, x) ** 2) / (2 * h**2)
    np.fill_diagonal(s, -np.inf)
    return np.abs(soft(s) @ y - y).mean()


def left_out_unsquared_h(x, y, h):
    others = ~np.eye(len(x), dtype=bool)
    guess = soft_lookup(x[:, None], x[:, None], y, score="distance", temperature=h, mask=others)
    return np.mean((guess - y) ** 2)


def left_out_each(x, y, h):
    s = -(np.subtract.outer(x, x) ** 2) / (2 * h**2)
    np.fill_diagonal(s, -np.inf)
    return (soft(s) @ y - y) ** 2


def left_out_nan(x, y, h):
    k = gauss(np.subtract.outer(x, x) / h)
    np.fill_diagonal(k, 0)
    return np.mean((k @ y / k.sum(axis=1) - y) ** 2)


def left_out_prints(x, y, h):
    print(left_out_by_mask(x, y, h))


RIGHT = {
    "weights_of": [outside_by_identity, outside_query_by_query, outside_by_solving],
    "kernel_regression": [
        kernel_from_the_library,
        kernel_as_a_lookup,
        kernel_vectorised,
        kernel_by_loop,
    ],
    "left_out_error": [left_out_by_mask, left_out_by_delete, left_out_by_diagonal],
}

WRONG = {
    "weights_of": [
        (outside_ones, "the sum of each row"),
        (outside_keys, "pass the keys as values"),
        (outside_transposed, "transposed"),
        (outside_own_softmax, "Look only at what it returns"),
        (outside_swapped, "each other's place"),
        (outside_wrong_size, "stops with ValueError"),
        (outside_flat, "it should have shape (1, 2)"),
        (outside_normalised, "this hides it"),
    ],
    "kernel_regression": [
        (kernel_unsquared, "bandwidth is not squared"),
        (kernel_without_two, "The 2 is missing"),
        (kernel_multiplied, "multiply by the bandwidth"),
        (kernel_without_h, "bandwidth is not used"),
        (kernel_absolute, "not its square"),
        (kernel_repels, "sign is missing"),
        (kernel_over_places, "over the queries, not over the keys"),
        (kernel_not_divided, "do not sum to one"),
        (kernel_nan_far_away, "Far from all data"),
        (kernel_nearest, "nearest point"),
        (kernel_column, "an axis is missing, or one too many"),
    ],
    "left_out_error": [
        (left_out_none, "helps to predict itself"),
        (left_out_itself_alone, "by itself alone"),
        (left_out_late, "after the softmax"),
        (left_out_sum, "add up the errors"),
        (left_out_root, "root of the mean"),
        (left_out_absolute, "size of the errors"),
        (left_out_unsquared_h, "bandwidth is not squared"),
        (left_out_each, "one error for each point"),
        (left_out_nan, "far from all others"),
        (left_out_prints, "returns None"),
    ],
}


def test_a_right_answer_passes(exercise, right_answer):
    result = check(exercise, right_answer, show=False)
    assert result.passed, result.message


def test_a_wrong_answer_is_told_what_is_wrong(exercise, wrong_answer, words):
    result = check(exercise, wrong_answer, show=False)
    assert not result.passed
    assert words in " ".join(result.message.split())
