"""Answers to the exercises of *Dictionary*, right and wrong, and what is said of each."""

import numpy as np

from attnbook.checks import check

# ---- nearest ----------------------------------------------------------------------------------


def nearest_in_one_line(query, keys, values):
    return values[((query - keys) ** 2).sum(axis=-1).argmin()]


def nearest_by_norm(query, keys, values):
    return values[np.argmin(np.linalg.norm(keys - query, axis=1))]


def nearest_by_loop(query, keys, values):
    best, least = None, float("inf")
    for key, value in zip(keys, values, strict=True):
        distance = sum((a - b) ** 2 for a, b in zip(query, key, strict=True))
        if distance < least:
            best, least = value, distance
    return best


def nearest_by_score(query, keys, values):
    scores = keys @ query - 0.5 * np.einsum("nd,nd->n", keys, keys)
    return values[np.argmax(np.round(scores, 9))]


def nearest_argmax(query, keys, values):
    return values[np.linalg.norm(keys - query, axis=1).argmax()]


def nearest_dot(query, keys, values):
    return values[(keys @ query).argmax()]


def nearest_index(query, keys, values):
    return np.linalg.norm(keys - query, axis=1).argmin()


def nearest_key(query, keys, values):
    return keys[np.linalg.norm(keys - query, axis=1).argmin()]


def nearest_last(query, keys, values):
    best = 0
    for j, key in enumerate(keys):
        if np.linalg.norm(query - key) <= np.linalg.norm(query - keys[best]):
            best = j
    return values[best]


def nearest_signed(query, keys, values):
    return values[np.sum(query - keys, axis=1).argmin()]


def nearest_manhattan(query, keys, values):
    return values[np.abs(query - keys).sum(axis=1).argmin()]


def nearest_wrong_axis(query, keys, values):
    return values[((query - keys) ** 2).sum(axis=0).argmin()]


def nearest_prints(query, keys, values):
    print(nearest_in_one_line(query, keys, values))


def nearest_forgets_to_return(query, keys, values):
    values[((query - keys) ** 2).sum(axis=-1).argmin()]


def nearest_takes_two(query, keys):
    return keys[0]


def nearest_raises(query, keys, values):
    return values[keys.index(query)]


def nearest_moves_the_keys(query, keys, values):
    keys -= query
    return values[(keys**2).sum(axis=1).argmin()]


def nearest_mean(query, keys, values):
    return values.mean(axis=0)


# ---- find -------------------------------------------------------------------------------------


def find_by_norm(query, keys, values, radius):
    if len(keys) == 0:
        raise KeyError(query)
    distances = np.linalg.norm(keys - query, axis=1)
    best = distances.argmin()
    if distances[best] > radius:
        raise KeyError(f"nothing within {radius}")
    return values[best]


def find_among_those_within(query, keys, values, radius):
    distances = np.sqrt(np.einsum("nd,nd->n", keys - query, keys - query))
    within = np.flatnonzero(distances <= radius)
    if not within.size:
        raise KeyError("miss")
    return values[within[distances[within].argmin()]]


def find_in_a_dict(query, keys, values, radius):
    near = {
        float(np.hypot.reduce(key - query)): value
        for key, value in reversed(list(zip(keys, values, strict=True)))
    }
    return {d: v for d, v in near.items() if d <= radius}[min(near, default=None)]


def find_never_misses(query, keys, values, radius):
    return nearest_by_norm(query, keys, values)


def find_squared(query, keys, values, radius):
    squares = ((keys - query) ** 2).sum(axis=1)
    if not len(keys) or squares.min() > radius:
        raise KeyError
    return values[squares.argmin()]


def find_strictly(query, keys, values, radius):
    distances = np.linalg.norm(keys - query, axis=1)
    if not (distances < radius).any():
        raise KeyError
    return values[distances.argmin()]


def find_none(query, keys, values, radius):
    distances = np.linalg.norm(keys - query, axis=1)
    if (distances <= radius).any():
        return values[distances.argmin()]


def find_value_error(query, keys, values, radius):
    distances = np.linalg.norm(keys - query, axis=1)
    if not (distances <= radius).any():
        raise ValueError("miss")
    return values[distances.argmin()]


def find_minus_one(query, keys, values, radius):
    distances = np.linalg.norm(keys - query, axis=1)
    return values[distances.argmin()] if (distances <= radius).any() else -1


def find_first(query, keys, values, radius):
    for key, value in zip(keys, values, strict=True):
        if np.linalg.norm(key - query) <= radius:
            return value
    raise KeyError(query)


def find_average(query, keys, values, radius):
    near = np.linalg.norm(keys - query, axis=1) <= radius
    if near.sum() == 0:
        raise KeyError(query)
    return values[near].sum() / near.sum()


def find_stops_at_empty(query, keys, values, radius):
    distances = np.linalg.norm(keys - query, axis=1)
    best = distances.argmin()
    if distances[best] > radius:
        raise KeyError
    return values[best]


def find_inverted(query, keys, values, radius):
    distances = np.linalg.norm(keys - query, axis=1)
    if (distances <= radius).any() or not len(keys):
        raise KeyError
    return values[distances.argmin()]


def find_exact_only(query, keys, values, radius):
    return {tuple(k): v for k, v in zip(keys, values, strict=True)}[tuple(query)]


# ---- exact_match ------------------------------------------------------------------------------


def exact_by_dict(queries, keys, values, default):
    book = {tuple(key): value for key, value in zip(keys, values, strict=True)}
    return np.array([book.get(tuple(query), default) for query in queries])


def exact_by_comparison(queries, keys, values, default):
    out = np.full(len(queries), default, dtype=float)
    for key, value in zip(keys, values, strict=True):
        out[(queries == key).all(axis=1)] = value
    return out


def exact_at_once(queries, keys, values, default):
    same = (queries[:, None, :] == keys[None, :, :]).all(axis=-1)
    if not len(keys):
        return np.full(len(queries), default)
    last = len(keys) - 1 - same[:, ::-1].argmax(axis=1)
    return np.where(same.any(axis=1), values[last], default)


def exact_first(queries, keys, values, default):
    same = (queries[:, None, :] == keys).all(axis=-1)
    if not len(keys):
        return np.full(len(queries), default)
    return np.where(same.any(axis=1), values[same.argmax(axis=1)], default)


def exact_summed(queries, keys, values, default):
    same = (queries[:, None, :] == keys).all(axis=-1)
    return np.where(same.any(axis=1), same @ values, default)


def exact_any(queries, keys, values, default):
    out = np.full(len(queries), default, dtype=float)
    for key, value in zip(keys, values, strict=True):
        out[(queries == key).any(axis=1)] = value
    return out


def exact_close(queries, keys, values, default):
    out = np.full(len(queries), default, dtype=float)
    for key, value in zip(keys, values, strict=True):
        out[np.isclose(queries, key).all(axis=1)] = value
    return out


def exact_raises(queries, keys, values, default):
    book = {tuple(key): value for key, value in zip(keys, values, strict=True)}
    return np.array([book[tuple(query)] for query in queries])


def exact_zero(queries, keys, values, default):
    book = {tuple(key): value for key, value in zip(keys, values, strict=True)}
    return np.array([book.get(tuple(query), 0.0) for query in queries])


def exact_list(queries, keys, values, default):
    return list(exact_by_dict(queries, keys, values, default))


def exact_column(queries, keys, values, default):
    return exact_by_dict(queries, keys, values, default)[:, None]


def exact_none(queries, keys, values, default):
    book = {tuple(key): value for key, value in zip(keys, values, strict=True)}
    return np.array([book.get(tuple(query)) for query in queries])


def exact_indices(queries, keys, values, default):
    return exact_by_dict(queries, keys, range(len(keys)), default)


# ---- jumps ------------------------------------------------------------------------------------


def jumps_by_argsort(keys, values):
    order = np.argsort(keys)
    k, v = keys[order], values[order]
    return (k[1:] + k[:-1]) / 2, np.diff(v)


def jumps_by_loop(keys, values):
    entries = sorted(zip(keys.tolist(), values.tolist(), strict=True))
    places, heights = np.zeros(len(keys) - 1), np.zeros(len(keys) - 1)
    for i in range(len(entries) - 1):
        places[i] = 0.5 * entries[i][0] + 0.5 * entries[i + 1][0]
        heights[i] = entries[i + 1][1] - entries[i][1]
    return places, heights


def jumps_in_float32(keys, values):
    order = keys.argsort()
    k, v = keys[order].astype(np.float32), values[order].astype(np.float32)
    return [(k[1:] + k[:-1]) * np.float32(0.5), v[1:] - v[:-1]]


def jumps_unsorted(keys, values):
    return (keys[1:] + keys[:-1]) / 2, np.diff(values)


def jumps_values_left_behind(keys, values):
    k = np.sort(keys)
    return (k[1:] + k[:-1]) / 2, np.diff(values)


def jumps_backwards(keys, values):
    places, heights = jumps_by_argsort(keys, values)
    return places, -heights


def jumps_sizes(keys, values):
    places, heights = jumps_by_argsort(keys, values)
    return places, abs(heights)


def jumps_at_the_keys(keys, values):
    return np.sort(keys)[1:], jumps_by_argsort(keys, values)[1]


def jumps_slopes(keys, values):
    places, heights = jumps_by_argsort(keys, values)
    return places, heights / np.diff(np.sort(keys))


def jumps_places_alone(keys, values):
    return jumps_by_argsort(keys, values)[0]


def jumps_sorts_in_place(keys, values):
    values[:] = values[np.argsort(keys)]
    keys.sort()
    return (keys[1:] + keys[:-1]) / 2, np.diff(values)


def jumps_swapped(keys, values):
    places, heights = jumps_by_argsort(keys, values)
    return heights, places


RIGHT = {
    "nearest": [nearest_in_one_line, nearest_by_norm, nearest_by_loop, nearest_by_score],
    "find": [find_by_norm, find_among_those_within, find_in_a_dict],
    "exact_match": [exact_by_dict, exact_by_comparison, exact_at_once],
    "jumps": [jumps_by_argsort, jumps_by_loop, jumps_in_float32],
}

WRONG = {
    "nearest": [
        (nearest_argmax, "farthest away"),
        (nearest_dot, "compare dot products"),
        (nearest_index, "return the number of the entry"),
        (nearest_key, "return the key that was found"),
        (nearest_last, "Take the first"),
        (nearest_signed, "with their signs"),
        (nearest_manhattan, "absolute differences"),
        (nearest_wrong_axis, "over the keys (axis=0)"),
        (nearest_prints, "prints its answer and returns None"),
        (nearest_forgets_to_return, "returns None. Does every way"),
        (nearest_takes_two, "takes (query, keys); it is called with 3"),
        (nearest_raises, "stops with AttributeError"),
        (nearest_moves_the_keys, "you changed the caller's array: `keys`"),
        (nearest_mean, "average the values"),
    ],
    "find": [
        (find_never_misses, "never misses"),
        (find_squared, "*squared* distance"),
        (find_strictly, "use <="),
        (find_none, "On a miss you return None"),
        (find_value_error, "On a miss you raise ValueError"),
        (find_minus_one, "On a miss you return -1"),
        (find_first, "Another may be nearer"),
        (find_average, "average all values within"),
        (find_stops_at_empty, "without entries makes your function stop"),
        (find_inverted, "wrong way round"),
        (find_exact_only, "*equals* the query"),
    ],
    "exact_match": [
        (exact_first, "take the last"),
        (exact_summed, "add their values"),
        (exact_any, "*any* component"),
        (exact_close, "0.1 + 0.2 misses 0.3"),
        (exact_raises, "On a miss you raise KeyError"),
        (exact_zero, "On a miss you return 0"),
        (exact_list, "returns a list"),
        (exact_column, "has shape (1, 1); it should have shape (1,)"),
        (exact_none, "of dtype object"),
        (exact_indices, "return the number of the entry"),
    ],
    "jumps": [
        (jumps_unsorted, "need not come in order"),
        (jumps_values_left_behind, "leave their values where they were"),
        (jumps_backwards, "wrong sign"),
        (jumps_sizes, "size alone"),
        (jumps_at_the_keys, "on the keys"),
        (jumps_slopes, "it has no slope"),
        (jumps_places_alone, "should return 2 things"),
        (jumps_sorts_in_place, "you changed the caller's array: `keys`"),
        (jumps_swapped, "The places come first"),
    ],
}


def test_a_right_answer_passes(exercise, right_answer):
    result = check(exercise, right_answer, show=False)
    assert result.passed, result.message


def test_a_wrong_answer_is_told_what_is_wrong(exercise, wrong_answer, words):
    result = check(exercise, wrong_answer, show=False)
    assert not result.passed
    assert words in " ".join(result.message.split())
