"""Answers on hops and on what they look at, right and wrong, and what is said of each."""

import math
from itertools import pairwise

import numpy as np

from attnbook import softmax
from attnbook.checks import check

# ---- read_in_hops -----------------------------------------------------------------------------


def hops_by_pairs(u, tables):
    weights = []
    for m, c in pairwise(tables):
        p = softmax(m @ u)
        u = u + p @ c
        weights.append(p)
    return u, np.array(weights)


def hops_by_number(u, tables):
    hops, n = len(tables) - 1, tables.shape[1]
    weights = np.zeros((hops, n), dtype=np.float32)
    for k in range(hops):
        s = tables[k] @ u
        e = np.exp(s - s.max())
        weights[k] = e / e.sum()
        u = u + weights[k] @ tables[k + 1]
    return u, weights


def hops_by_recursion(u, tables):
    if len(tables) == 1:
        return u, np.zeros((0, tables.shape[1]))
    p = softmax(tables[0] @ u)
    after, rest = hops_by_recursion(u + tables[1].T @ p, tables[1:])
    return after, np.vstack([p, rest])


def hops_same_query(u, tables):
    after, weights = u, []
    for m, c in pairwise(tables):
        p = softmax(m @ u)
        after = after + p @ c
        weights.append(p)
    return after, np.array(weights)


def hops_query_replaced(u, tables):
    weights = []
    for m, c in pairwise(tables):
        weights.append(softmax(m @ u))
        u = weights[-1] @ c
    return u, np.array(weights)


def hops_last_answer(u, tables):
    now, weights = u, []
    for m, c in pairwise(tables):
        weights.append(softmax(m @ now))
        now = u + weights[-1] @ c
    return now, np.array(weights)


def hops_layerwise(u, tables):
    weights = []
    for _ in range(len(tables) - 1):
        weights.append(softmax(tables[0] @ u))
        u = u + weights[-1] @ tables[1]
    return u, np.array(weights)


def hops_found_by_the_first(u, tables):
    weights = []
    for c in tables[1:]:
        weights.append(softmax(tables[0] @ u))
        u = u + weights[-1] @ c
    return u, np.array(weights)


def hops_read_what_they_find(u, tables):
    weights = []
    for m in tables[:-1]:
        weights.append(softmax(m @ u))
        u = u + weights[-1] @ m
    return u, np.array(weights)


def hops_two_tables_each(u, tables):
    weights = []
    for k in range(0, len(tables) - 1, 2):
        weights.append(softmax(tables[k] @ u))
        u = u + weights[-1] @ tables[k + 1]
    return u, np.array(weights)


def hops_one_too_few(u, tables):
    weights = np.zeros((len(tables) - 2, tables.shape[1]))
    for k in range(len(tables) - 2):
        weights[k] = softmax(tables[k] @ u)
        u = u + weights[k] @ tables[k + 1]
    return u, weights


def hops_divided(u, tables):
    weights = []
    for m, c in pairwise(tables):
        weights.append(softmax(m @ u / math.sqrt(len(u))))
        u = u + weights[-1] @ c
    return u, np.array(weights)


def hops_hard(u, tables):
    weights = []
    for m, c in pairwise(tables):
        weights.append(np.eye(len(m))[np.argmax(m @ u)])
        u = u + weights[-1] @ c
    return u, np.array(weights)


def hops_overflow(u, tables):
    weights = []
    for m, c in pairwise(tables):
        e = np.exp(m @ u)
        weights.append(e / e.sum())
        u = u + weights[-1] @ c
    return u, np.array(weights)


def hops_last_weights(u, tables):
    u, weights = hops_by_pairs(u, tables)
    return u, weights[-1]


def hops_query_alone(u, tables):
    return hops_by_pairs(u, tables)[0]


def hops_in_place(u, tables):
    weights = []
    for m, c in pairwise(tables):
        weights.append(softmax(m @ u))
        u += weights[-1] @ c
    return u, np.array(weights)


# ---- fact_accuracy ----------------------------------------------------------------------------


def accuracy_by_sums(weights, support):
    hit = weights.argmax(axis=-1) == support
    return 100 * hit.sum(axis=0) / (support >= 0).sum(axis=0)


def accuracy_by_hops(weights, support):
    result = []
    for hop in range(support.shape[1]):
        asked = support[:, hop] >= 0
        result.append(100 * np.mean(weights[asked, hop].argmax(axis=1) == support[asked, hop]))
    return np.array(result)


def accuracy_by_nanmean(weights, support):
    hit = np.where(support < 0, np.nan, weights.argmax(axis=2) == support)
    return 100 * np.nanmean(hit, axis=0)


def accuracy_by_rank(weights, support):
    known = support >= 0
    at = np.take_along_axis(weights, np.where(known, support, 0)[..., None], axis=2)
    hit = ((weights > at).sum(axis=2) == 0) & known
    return np.average(hit, axis=0, weights=known) * np.float32(100)


def accuracy_none_is_a_miss(weights, support):
    return (weights.argmax(axis=2) == support).mean(axis=0) * 100


def accuracy_none_is_right(weights, support):
    return ((weights.argmax(axis=2) == support) | (support == -1)).mean(axis=0) * 100


def accuracy_last_slot(weights, support):
    n = weights.shape[2]
    return (weights.argmax(axis=2) == np.arange(n)[support]).mean(axis=0) * 100


def accuracy_whole_questions_only(weights, support):
    whole = (support >= 0).all(axis=1)
    return (weights.argmax(axis=2) == support)[whole].mean(axis=0) * 100


def accuracy_mean_weight(weights, support):
    result = []
    for hop in range(support.shape[1]):
        asked = np.flatnonzero(support[:, hop] >= 0)
        result.append(100 * weights[asked, hop, support[asked, hop]].mean())
    return np.array(result)


def accuracy_above_half(weights, support):
    result = []
    for hop in range(support.shape[1]):
        asked = np.flatnonzero(support[:, hop] >= 0)
        result.append(100 * (weights[asked, hop, support[asked, hop]] > 0.5).mean())
    return np.array(result)


def accuracy_of_any_fact(weights, support):
    result = []
    for hop, best in enumerate(weights.argmax(axis=2).T):
        asked = support[:, hop] >= 0
        result.append(100 * (support == best[:, None]).any(axis=1)[asked].mean())
    return np.array(result)


def accuracy_in_any_hop(weights, support):
    result, best = [], weights.argmax(axis=2)
    for fact in support.T:
        found = (best == fact[:, None]).any(axis=1)
        result.append(100 * found[fact >= 0].mean())
    return np.array(result)


def accuracy_all_or_nothing(weights, support):
    hit = ((weights.argmax(axis=2) == support) | (support < 0)).all(axis=1)
    return np.array([100 * hit[support[:, k] >= 0].mean() for k in range(support.shape[1])])


def accuracy_misses(weights, support):
    return 100 - accuracy_by_sums(weights, support)


def accuracy_fraction(weights, support):
    return accuracy_by_sums(weights, support) / 100


def accuracy_one_number(weights, support):
    return 100 * (weights.argmax(axis=2) == support)[support >= 0].mean()


def accuracy_by_question(weights, support):
    return 100 * (weights.argmax(axis=2) == support).sum(axis=1) / (support >= 0).sum(axis=1)


def accuracy_list(weights, support):
    return accuracy_by_sums(weights, support).tolist()


RIGHT = {
    "read_in_hops": [hops_by_pairs, hops_by_number, hops_by_recursion],
    "fact_accuracy": [accuracy_by_sums, accuracy_by_hops, accuracy_by_nanmean, accuracy_by_rank],
}

WRONG = {
    "read_in_hops": [
        (hops_same_query, "Every hop asks with the first query"),
        (hops_query_replaced, "the question is forgotten"),
        (hops_last_answer, "Only the last answer is added"),
        (hops_layerwise, "Every hop uses the tables 0 and 1"),
        (hops_found_by_the_first, "Every hop finds by table 0"),
        (hops_read_what_they_find, "What is read is what sentences are found by"),
        (hops_two_tables_each, "two new tables for each hop"),
        (hops_one_too_few, "one hop too few"),
        (hops_divided, "divided by √d"),
        (hops_hard, "a hard lookup"),
        (hops_overflow, "hundreds overflow"),
        (hops_last_weights, "the weights of the last hop alone"),
        (hops_query_alone, "should return 2 things"),
        (hops_in_place, "you changed the caller's array: `u`"),
    ],
    "fact_accuracy": [
        (accuracy_none_is_a_miss, "counts as a miss"),
        (accuracy_none_is_right, "counts as right"),
        (accuracy_last_slot, "taken as the last slot"),
        (accuracy_whole_questions_only, "leave out a question altogether"),
        (accuracy_mean_weight, "You take the mean weight"),
        (accuracy_above_half, "above one half"),
        (accuracy_of_any_fact, "in which any of the facts was found"),
        (accuracy_in_any_hop, "in whichever hop it was found"),
        (accuracy_all_or_nothing, "only if all hops of the question are right"),
        (accuracy_misses, "the share of misses"),
        (accuracy_fraction, "a fraction"),
        (accuracy_one_number, "one number for all hops"),
        (accuracy_by_question, "one number for each question"),
        (accuracy_list, "returns a list"),
    ],
}


def test_a_right_answer_passes(exercise, right_answer):
    result = check(exercise, right_answer, show=False)
    assert result.passed, result.message


def test_a_wrong_answer_is_told_what_is_wrong(exercise, wrong_answer, words):
    result = check(exercise, wrong_answer, show=False)
    assert not result.passed
    assert words in " ".join(result.message.split())
