"""Answers to the exercises of *Memory networks*, right and wrong, and what is said of each."""

import math

import numpy as np

from attnbook import softmax
from attnbook.checks import check

# ---- sentence_vector --------------------------------------------------------------------------


def sentence_by_outer(words):
    n, d = words.shape
    j = np.arange(1, n + 1)[:, None] / max(n, 1)
    k = np.arange(1, d + 1) / d
    return ((1 - j - k * (1 - 2 * j)) * words).sum(axis=0)


def sentence_by_loops(words):
    n, d = words.shape
    total = np.zeros(d)
    for j in range(1, n + 1):
        for k in range(1, d + 1):
            total[k - 1] += ((1 - j / n) - (k / d) * (1 - 2 * j / n)) * words[j - 1, k - 1]
    return total


def sentence_by_two_sums(words):
    """The formula is linear in k/d: one sum with 1 - j/J, one with 2j/J - 1."""
    places = np.linspace(0, 1, len(words) + 1)[1:]
    k = np.linspace(0, 1, words.shape[1] + 1, dtype=np.float32)[1:]
    return (1 - places) @ words + k * ((2 * places - 1) @ words)


def sentence_bag(words):
    return words.sum(axis=0)


def sentence_from_zero(words):
    n, d = words.shape
    total = np.zeros(d)
    for j in range(n):
        for k in range(d):
            total[k] += ((1 - j / n) - (k / d) * (1 - 2 * j / n)) * words[j, k]
    return total


def sentence_words_from_zero(words):
    n, d = words.shape
    j, k = np.arange(n)[:, None] / max(n, 1), np.arange(1, d + 1) / d
    return ((1 - j - k * (1 - 2 * j)) * words).sum(axis=0)


def sentence_components_from_zero(words):
    n, d = words.shape
    j, k = np.arange(1, n + 1)[:, None] / max(n, 1), np.arange(d) / d
    return ((1 - j - k * (1 - 2 * j)) * words).sum(axis=0)


def sentence_swapped(words):
    d, n = words.shape
    j, k = np.arange(1, d + 1)[:, None] / n, np.arange(1, n + 1) / max(d, 1)
    return ((1 - j - k * (1 - 2 * j)) * words).sum(axis=0)


def sentence_sign(words):
    n, d = words.shape
    j, k = np.arange(1, n + 1)[:, None] / max(n, 1), np.arange(1, d + 1) / d
    return ((1 - j + k * (1 - 2 * j)) * words).sum(axis=0)


def sentence_no_brackets(words):
    n, d = words.shape
    j, k = np.arange(1, n + 1)[:, None] / max(n, 1), np.arange(1, d + 1) / d
    return ((1 - j - k * 1 - 2 * j) * words).sum(axis=0)


def sentence_of_the_program(words):
    n, d = words.shape
    j, k = np.arange(1, n + 1)[:, None], np.arange(1, d + 1)
    return ((1 + 4 * (k - (d + 1) / 2) * (j - (n + 1) / 2) / d / max(n, 1)) * words).sum(axis=0)


def sentence_mean(words):
    return sentence_by_outer(words) / max(len(words), 1)


def sentence_along_the_width(words):
    n, d = words.shape
    j, k = np.arange(1, n + 1)[:, None] / max(n, 1), np.arange(1, d + 1) / d
    return ((1 - j - k * (1 - 2 * j)) * words).sum(axis=1)


def sentence_not_added(words):
    n, d = words.shape
    j, k = np.arange(1, n + 1)[:, None] / max(n, 1), np.arange(1, d + 1) / d
    return (1 - j - k * (1 - 2 * j)) * words


def sentence_in_place(words):
    n, d = words.shape
    j, k = np.arange(1, n + 1)[:, None] / max(n, 1), np.arange(1, d + 1) / d
    words *= 1 - j - k * (1 - 2 * j)
    return words.sum(axis=0)


# ---- with_ages --------------------------------------------------------------------------------


def ages_by_slices(sentences, times):
    kept = sentences[::-1][: len(times)]
    return kept + times[: len(kept)]


def ages_by_loop(sentences, times):
    rows = [x + t for x, t in zip(reversed(sentences), times, strict=False)]
    return np.array(rows) if rows else np.zeros((0, times.shape[1]))


def ages_by_numbers(sentences, times):
    age = np.arange(min(len(sentences), len(times)))
    return sentences[len(sentences) - 1 - age] + times[age]


def ages_oldest_first(sentences, times):
    return ages_by_slices(sentences, times)[::-1]


def ages_as_they_stand(sentences, times):
    n = min(len(sentences), len(times))
    return sentences[:n] + times[:n]


def ages_newest_as_they_stand(sentences, times):
    n = min(len(sentences), len(times))
    return sentences[len(sentences) - n :] + times[:n]


def ages_turned(sentences, times):
    n = min(len(sentences), len(times))
    return sentences[::-1][:n] + times[:n][::-1]


def ages_keep_the_oldest(sentences, times):
    kept = sentences[: len(times)]
    return kept[::-1] + times[: len(kept)]


def ages_from_the_end(sentences, times):
    n = min(len(sentences), len(times))
    return sentences[::-1][:n] + times[len(times) - n :]


def ages_missing(sentences, times):
    return sentences[::-1][: len(times)]


def ages_multiplied(sentences, times):
    n = min(len(sentences), len(times))
    return sentences[::-1][:n] * times[:n]


def ages_forget_nothing(sentences, times):
    age = np.minimum(np.arange(len(sentences)), len(times) - 1)
    return sentences[::-1] + times[age]


def ages_filled_up(sentences, times):
    memory = times.copy()
    for age, x in enumerate(sentences[::-1][: len(times)]):
        memory[age] += x
    return memory


def ages_in_place(sentences, times):
    n = min(len(sentences), len(times))
    turned = sentences[::-1][:n]
    turned += times[:n]
    return turned


# ---- one_hop ----------------------------------------------------------------------------------


def hop_by_einsum(u, m, c, told):
    s = np.where(told, np.einsum("bd,bnd->bn", u, m), -np.inf)
    top = s.max(axis=1, keepdims=True)
    e = np.exp(s - np.where(top == -np.inf, 0, top))
    p = e / np.maximum(e.sum(axis=1, keepdims=True), 1e-300)
    return u + np.einsum("bn,bnd->bd", p, c), p


def hop_by_stories(u, m, c, told):
    after, weights = u.copy(), np.zeros(told.shape)
    for b in range(len(u)):
        if told[b].any():
            weights[b, told[b]] = softmax(m[b][told[b]] @ u[b])
            after[b] += weights[b] @ c[b]
    return [after, weights]


def hop_by_hand(u, m, c, told):
    queries, weights = [], []
    for query, keys, values, there in zip(u, m, c, told, strict=True):
        scores = [
            math.fsum(query * key) if t else -math.inf for key, t in zip(keys, there, strict=True)
        ]
        top = max(scores)
        e = [0.0 if s == -math.inf else math.exp(s - top) for s in scores]
        p = [x / sum(e) if any(e) else 0.0 for x in e]
        queries.append(query + sum(x * value for x, value in zip(p, values, strict=True)))
        weights.append(p)
    return np.array(queries), np.array(weights)


def hop_by_matmul(u, m, c, told):
    u, m, c = (x.astype(np.float32) for x in (u, m, c))
    s = (m @ u[:, :, None])[:, :, 0]
    s = np.where(told, s - np.max(s, axis=1, keepdims=True, where=told, initial=-np.inf), -np.inf)
    e = np.exp(np.nan_to_num(s, nan=-np.inf, neginf=-np.inf))
    total = e.sum(axis=1, keepdims=True)
    p = np.divide(e, total, out=np.zeros_like(e), where=total > 0)
    return u + (p[:, None, :] @ c)[:, 0], p


def hop_divided(u, m, c, told):
    return hop_by_einsum(u, m / np.sqrt(u.shape[1]), c, told)


def hop_sees_all(u, m, c, told):
    s = np.einsum("bd,bnd->bn", u, m)
    p = softmax(s, axis=1)
    return u + np.einsum("bn,bnd->bd", p, c), p


def hop_zero_scores(u, m, c, told):
    s = np.einsum("bd,bnd->bn", u, m) * told
    p = softmax(s, axis=1)
    return u + np.einsum("bn,bnd->bd", p, c), p


def hop_cut_afterwards(u, m, c, told):
    p = softmax(np.einsum("bd,bnd->bn", u, m), axis=1) * told
    return u + np.einsum("bn,bnd->bd", p, c), p


def hop_not_added(u, m, c, told):
    after, p = hop_by_einsum(u, m, c, told)
    return after - u, p


def hop_not_added_nan(u, m, c, told):
    s = np.where(told, np.einsum("bd,bnd->bn", u, m), -np.inf)
    e = np.exp(s - s.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return np.einsum("bn,bnd->bd", p, c), p


def hop_reads_m(u, m, c, told):
    _, p = hop_by_einsum(u, m, c, told)
    return u + np.einsum("bn,bnd->bd", p, m), p


def hop_swapped(u, m, c, told):
    return hop_by_einsum(u, c, m, told)


def hop_over_stories(u, m, c, told):
    s = np.where(told, np.einsum("bd,bnd->bn", u, m), -1e30)
    e = np.exp(s - s.max(axis=0)) * told
    p = e / np.maximum(e.sum(axis=0), 1e-300)
    return u + np.einsum("bn,bnd->bd", p, c), p


def hop_hard(u, m, c, told):
    p = np.zeros(told.shape)
    for b in range(len(u)):
        if told[b].any():
            p[b, np.where(told[b], m[b] @ u[b], -np.inf).argmax()] = 1
    return u + np.einsum("bn,bnd->bd", p, c), p


def hop_linear(u, m, c, told):
    p = np.einsum("bd,bnd->bn", u, m) * told
    return u + np.einsum("bn,bnd->bd", p, c), p


def hop_nan(u, m, c, told):
    s = np.where(told, np.einsum("bd,bnd->bn", u, m), -np.inf)
    e = np.exp(s - s.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return u + np.einsum("bn,bnd->bd", p, c), p


def hop_uniform(u, m, c, told):
    s = np.where(told, np.einsum("bd,bnd->bn", u, m), -1e9)
    p = softmax(s, axis=1)
    return u + np.einsum("bn,bnd->bd", p, c), p


def hop_overflow(u, m, c, told):
    e = np.exp(np.einsum("bd,bnd->bn", u, m)) * told
    p = e / np.maximum(e.sum(axis=1, keepdims=True), 1e-300)
    return u + np.einsum("bn,bnd->bd", p, c), p


def hop_wrong_way_round(u, m, c, told):
    return hop_by_einsum(u, m, c, told)[::-1]


def hop_query_alone(u, m, c, told):
    return hop_by_einsum(u, m, c, told)[0]


def hop_in_place(u, m, c, told):
    _, p = hop_by_einsum(u, m, c, told)
    u += np.einsum("bn,bnd->bd", p, c)
    return u, p


RIGHT = {
    "sentence_vector": [sentence_by_outer, sentence_by_loops, sentence_by_two_sums],
    "with_ages": [ages_by_slices, ages_by_loop, ages_by_numbers],
    "one_hop": [hop_by_einsum, hop_by_stories, hop_by_hand, hop_by_matmul],
}

WRONG = {
    "sentence_vector": [
        (sentence_bag, "a bag of words"),
        (sentence_from_zero, "Words and components are counted from 0"),
        (sentence_words_from_zero, "Words are counted from 0"),
        (sentence_components_from_zero, "Components are counted from 0"),
        (sentence_swapped, "J and d are swapped"),
        (sentence_sign, "The second term is added"),
        (sentence_no_brackets, "The brackets are elsewhere"),
        (sentence_of_the_program, "the authors' program"),
        (sentence_mean, "You take the mean"),
        (sentence_along_the_width, "You add over the components"),
        (sentence_not_added, "You return the weighted words"),
        (sentence_in_place, "you changed the caller's array: `words`"),
    ],
    "with_ages": [
        (ages_oldest_first, "come out oldest first"),
        (ages_as_they_stand, "and keep the oldest: turn the sentences round first"),
        (ages_newest_as_they_stand, "You keep the newest sentences, but add `times`"),
        (ages_turned, "The ages are turned round"),
        (ages_keep_the_oldest, "too many sentences you keep the oldest"),
        (ages_from_the_end, "count the rows of `times` from its end"),
        (ages_missing, "The ages are missing"),
        (ages_multiplied, "You multiply by `times`"),
        (ages_forget_nothing, "They are forgotten"),
        (ages_filled_up, "You fill the memory up"),
        (ages_in_place, "you changed the caller's array: `sentences`"),
    ],
    "one_hop": [
        (hop_divided, "divided by √d"),
        (hop_sees_all, "you do not look at `told`"),
        (hop_zero_scores, "a score of 0 is a score like any other"),
        (hop_cut_afterwards, "cut the empty slots out after the softmax"),
        (hop_not_added, "You return what was read"),
        (hop_not_added_nan, "You return what was read"),
        (hop_reads_m, "You read out `m`"),
        (hop_swapped, "`m` and `c` are swapped"),
        (hop_over_stories, "softmax runs over the stories"),
        (hop_hard, "a hard lookup"),
        (hop_linear, "linear start"),
        (hop_nan, "nothing was told gives NaN"),
        (hop_uniform, "-1e9"),
        (hop_overflow, "hundreds overflow"),
        (hop_wrong_way_round, "the wrong way round"),
        (hop_query_alone, "should return 2 things"),
        (hop_in_place, "you changed the caller's array: `u`"),
    ],
}


def test_a_right_answer_passes(exercise, right_answer):
    result = check(exercise, right_answer, show=False)
    assert result.passed, result.message


def test_a_wrong_answer_is_told_what_is_wrong(exercise, wrong_answer, words):
    result = check(exercise, wrong_answer, show=False)
    assert not result.passed
    assert words in " ".join(result.message.split())
