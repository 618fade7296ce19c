"""Answers to the exercises of *Temperature*, right and wrong, and what is said of each."""

import math

import numpy as np

from attnbook import entropy, softmax, softmax_jacobian
from attnbook.checks import check

# ---- scaled_scores ----------------------------------------------------------------------------


def scaled_by_matrix(queries, keys):
    return queries @ keys.T / np.sqrt(keys.shape[-1])


def scaled_by_einsum(queries, keys):
    return np.einsum("id,jd->ij", queries, keys) * queries.shape[1] ** -0.5


def scaled_by_loop(queries, keys):
    out = np.zeros((len(queries), len(keys)), dtype=np.float32)
    for i in range(len(queries)):
        for j in range(len(keys)):
            out[i, j] = np.dot(queries[i], keys[j]) / math.sqrt(len(keys[j]))
    return out


def scaled_not(queries, keys):
    return queries @ keys.T


def scaled_by_width(queries, keys):
    return queries @ keys.T / keys.shape[1]


def scaled_up(queries, keys):
    return queries @ keys.T * math.sqrt(keys.shape[1])


def scaled_by_count(queries, keys):
    return queries @ keys.T / np.sqrt(keys.shape[0])


def scaled_cosine(queries, keys):
    lengths = np.outer(np.linalg.norm(queries, axis=1), np.linalg.norm(keys, axis=1))
    return queries @ keys.T / lengths


def scaled_by_spread(queries, keys):
    s = queries @ keys.T
    return s / s.std()


def scaled_transposed(queries, keys):
    return keys @ queries.T / np.sqrt(keys.shape[1])


def scaled_elementwise(queries, keys):
    return queries * keys / np.sqrt(keys.shape[1])


def scaled_in_place(queries, keys):
    queries /= np.sqrt(keys.shape[1])
    return queries @ keys.T


# ---- stable_softmax ---------------------------------------------------------------------------


def stable_by_cases(s, T, axis=-1):
    m = s.max(axis=axis, keepdims=True)
    if T == 0:
        powers = (s == m).astype(float)
    elif np.isinf(T):
        powers = np.ones(s.shape)
    else:
        powers = np.exp((s - m) / T)
    return powers / powers.sum(axis=axis, keepdims=True)


def stable_from_the_library(scores, T, axis):
    return softmax(np.asarray(scores, dtype=float), axis, temperature=T)


def stable_on_the_last_axis(scores, T, axis):
    moved = np.moveaxis(np.array(scores, dtype=np.float32), axis, -1)
    flat = moved.reshape(-1, moved.shape[-1])
    rows = []
    for row in flat:
        gap = row - row.max()
        with np.errstate(invalid="ignore", divide="ignore"):
            z = np.where(gap == 0, 0, gap / T) if np.isfinite(T) else 0 * gap
        rows.append(np.exp(z) / np.exp(z).sum())
    return np.moveaxis(np.array(rows).reshape(moved.shape), -1, axis)


def stable_multiplied(s, T, axis):
    if T in (0, np.inf):
        return stable_by_cases(s, T, axis)
    e = np.exp((s - s.max(axis=axis, keepdims=True)) * T)
    return e / e.sum(axis=axis, keepdims=True)


def stable_ignores_temperature(s, T, axis):
    return stable_by_cases(s, 1.0 if 0 < T < np.inf else T, axis)


def stable_ignores_axis(s, T, axis):
    return stable_by_cases(s, T, -1)


def stable_first_of_ties(s, T, axis):
    if T == 0:
        out = np.zeros(s.shape)
        np.put_along_axis(out, np.expand_dims(s.argmax(axis=axis), axis), 1.0, axis)
        return out
    return stable_by_cases(s, T, axis)


def stable_ones_for_ties(s, T, axis):
    if T == 0:
        return 1.0 * (s == s.max(axis=axis, keepdims=True))
    return stable_by_cases(s, T, axis)


def stable_nan_at_zero(s, T, axis):
    e = np.exp((s - s.max(axis=axis, keepdims=True)) / T)
    return e / e.sum(axis=axis, keepdims=True)


def stable_overflow(s, T, axis):
    if T in (0, np.inf):
        return stable_by_cases(s, T, axis)
    e = np.exp(s / T)
    return e / e.sum(axis=axis, keepdims=True)


def stable_one_maximum(s, T, axis):
    if T in (0, np.inf):
        return stable_by_cases(s, T, axis)
    e = np.exp((s - s.max()) / T)
    return e / e.sum(axis=axis, keepdims=True)


def stable_of_all(s, T, axis):
    if T in (0, np.inf):
        return stable_by_cases(s, T, axis)
    e = np.exp((s - s.max(axis=axis, keepdims=True)) / T)
    return e / e.sum()


def stable_not_divided_when_hot(s, T, axis):
    return np.ones(s.shape) if math.isinf(T) else stable_by_cases(s, T, axis)


def stable_truncated(s, T, axis):
    out = np.zeros_like(s)
    out[...] = stable_by_cases(s, T, axis)
    return out


def stable_in_place(s, T, axis):
    if s.dtype.kind == "i":
        return stable_by_cases(s, T, axis)
    s -= s.max(axis=axis, keepdims=True)
    return stable_by_cases(s, T, axis)


def stable_takes_two(s, T):
    return stable_by_cases(s, T)


# ---- temperature_for --------------------------------------------------------------------------


def for_by_halving(s, H):
    low, high = 1e-3, 1e3
    for _ in range(60):
        middle = np.sqrt(low * high)
        if entropy(softmax(s, temperature=middle)) < H:
            low = middle
        else:
            high = middle
    return middle


def for_by_newton(scores, H):
    """dH/d(log T) = Var(s) / T², from the chapter; halved where a step would leave the bounds."""
    low, high, x = math.log(1e-3), math.log(1e3), 0.0
    for _ in range(200):
        T = math.exp(x)
        a = softmax(scores, temperature=T)
        gap = float(entropy(a)) - H
        low, high = (x, high) if gap < 0 else (low, x)
        slope = float(a @ scores**2 - (a @ scores) ** 2) / T**2
        step = x - gap / slope if slope > 1e-12 else low
        x = step if low < step < high else (low + high) / 2
    return np.float32(math.exp(x))


def for_by_sharpness(s, H):
    low, high = 1e-3, 1e3  # in 1/T
    while high / low > 1 + 1e-9:
        beta = (low * high) ** 0.5
        z = np.exp(beta * (s - s.max()))
        a = z / z.sum()
        enough = -np.sum(a[a > 0] * np.log(a[a > 0])) > H
        low, high = (beta, high) if enough else (low, beta)
    return 1 / low


def for_in_bits(s, H):
    low, high = 1e-3, 1e3
    for _ in range(60):
        T = np.sqrt(low * high)
        a = softmax(s, temperature=T)
        low, high = (T, high) if -np.sum(a * np.log2(a + 1e-300)) < H else (low, T)
    return T


def for_sharpness(s, H):
    return 1 / for_by_halving(s, H)


def for_wrong_half(s, H):
    low, high = 1e-3, 1e3
    for _ in range(60):
        T = np.sqrt(low * high)
        low, high = (T, high) if entropy(softmax(s, temperature=T)) > H else (low, T)
    return T


def for_entries(s, H):
    low, high = 1e-3, 1e3
    for _ in range(60):
        T = np.sqrt(low * high)
        low, high = (T, high) if np.exp(entropy(softmax(s, temperature=T))) < H else (low, T)
    return T


def for_share(s, H):
    return for_by_halving(s, H * np.log(len(s)))


def for_grid(s, H):
    grid = np.logspace(-3, 3, 61)
    return grid[np.argmin([abs(entropy(softmax(s, temperature=T)) - H) for T in grid])]


def for_ten_steps(s, H):
    low, high = 1e-3, 1e3
    for _ in range(10):
        T = np.sqrt(low * high)
        low, high = (T, high) if entropy(softmax(s, temperature=T)) < H else (low, T)
    return T


def for_near_one(s, H):
    low, high = 0.1, 10.0
    for _ in range(60):
        T = np.sqrt(low * high)
        low, high = (T, high) if entropy(softmax(s, temperature=T)) < H else (low, T)
    return T


def for_interval(s, H):
    T = for_by_halving(s, H)
    return T, T


def for_overflow(s, H):
    low, high = 1e-3, 1e3
    for _ in range(80):
        T = np.sqrt(low * high)
        e = np.exp(s / T)
        a = e / e.sum()
        low, high = (T, high) if -(a * np.log(a)).sum() < H else (low, T)
    return T


# ---- softmax_jacobian -------------------------------------------------------------------------


def jacobian_by_outer(weights, T):
    return (np.diag(weights) - np.outer(weights, weights)) / T


def jacobian_by_loop(weights, T):
    n = len(weights)
    J = np.zeros((n, n), dtype=np.float32)
    for i in range(n):
        for j in range(n):
            J[i, j] = weights[i] * (1 - weights[i]) if i == j else -weights[i] * weights[j]
    return J / T


def jacobian_by_einsum(a, T):
    return np.einsum("i,ij->ij", a / T, np.eye(a.size) - a)


def jacobian_from_the_library(weights, T):
    return softmax_jacobian(weights, temperature=T)


def jacobian_without_temperature(a, T):
    return np.diag(a) - np.outer(a, a)


def jacobian_times_temperature(a, T):
    return (np.diag(a) - np.outer(a, a)) * T


def jacobian_negative(a, T):
    return (np.outer(a, a) - np.diag(a)) / T


def jacobian_diagonal(a, T):
    return np.diag(a * (1 - a)) / T


def jacobian_vector(a, T):
    return a * (1 - a) / T


def jacobian_without_outer(a, T):
    return np.diag(a) / T


def jacobian_identity(a, T):
    return (np.eye(len(a)) - np.outer(a, a)) / T


def jacobian_inner(a, T):
    return (np.diag(a) - a @ a.T) / T


def jacobian_list(a, T):
    return jacobian_by_outer(a, T).tolist()


def jacobian_in_place(a, T):
    J = np.diag(a) - np.outer(a, a)
    a /= T
    return J / T


RIGHT = {
    "scaled_scores": [scaled_by_matrix, scaled_by_einsum, scaled_by_loop],
    "stable_softmax": [stable_by_cases, stable_from_the_library, stable_on_the_last_axis],
    "temperature_for": [for_by_halving, for_by_newton, for_by_sharpness],
    "softmax_jacobian": [
        jacobian_by_outer,
        jacobian_by_loop,
        jacobian_by_einsum,
        jacobian_from_the_library,
    ],
}

WRONG = {
    "scaled_scores": [
        (scaled_not, "not divided by √d_k"),
        (scaled_by_width, "divided by d_k"),
        (scaled_up, "multiplied by √d_k"),
        (scaled_by_count, "number of keys"),
        (scaled_cosine, "cosine"),
        (scaled_by_spread, "spread of the scores at hand"),
        (scaled_transposed, "transposed"),
        (scaled_elementwise, "it should have shape"),
        (scaled_in_place, "you changed the caller's array: `queries`"),
    ],
    "stable_softmax": [
        (stable_multiplied, "multiplied by T"),
        (stable_ignores_temperature, "temperature is not used"),
        (stable_ignores_axis, "always take the last one"),
        (stable_first_of_ties, "to the first of several best"),
        (stable_ones_for_ties, "They share it"),
        (stable_nan_at_zero, "At T = 0 you divide by zero"),
        (stable_overflow, "inf/inf is NaN"),
        (stable_one_maximum, "of the whole array"),
        (stable_of_all, "whole array sum to one"),
        (stable_not_divided_when_hot, "At T = inf the weights are 1"),
        (stable_truncated, "whole-number dtype"),
        (stable_in_place, "you changed the caller's array: `scores`"),
        (stable_takes_two, "it is called with 3"),
    ],
    "temperature_for": [
        (for_in_bits, "in bits"),
        (for_sharpness, "You return 1/T"),
        (for_wrong_half, "wrong half"),
        (for_entries, "exp(entropy) = H"),
        (for_share, "share H"),
        (for_grid, "best of a grid"),
        (for_ten_steps, "Ten halvings"),
        (for_near_one, "does not look far enough"),
        (for_interval, "a tuple of 2"),
        (for_overflow, "overflows for large scores"),
    ],
    "softmax_jacobian": [
        (jacobian_without_temperature, "The 1/T is missing"),
        (jacobian_times_temperature, "multiply by T"),
        (jacobian_negative, "sign is wrong"),
        (jacobian_diagonal, "the others pay"),
        (jacobian_vector, "diagonal alone"),
        (jacobian_without_outer, "outer product is missing"),
        (jacobian_identity, "identity for diag"),
        (jacobian_inner, "np.outer(a, a)"),
        (jacobian_list, "returns a list"),
        (jacobian_in_place, "you changed the caller's array: `weights`"),
    ],
}


def test_a_right_answer_passes(exercise, right_answer):
    result = check(exercise, right_answer, show=False)
    assert result.passed, result.message


def test_a_wrong_answer_is_told_what_is_wrong(exercise, wrong_answer, words):
    result = check(exercise, wrong_answer, show=False)
    assert not result.passed
    assert words in " ".join(result.message.split())
