"""Answers to the exercises of *Bottleneck*, right and wrong, and what is said of each."""

import numpy as np
import torch

from attnbook.additive import additive_scores
from attnbook.checks import check
from attnbook.distributions import softmax

# ---- additive_attention -----------------------------------------------------------------------


def look_by_broadcasting(q, k, v, w_q, w_k, w):
    hidden = np.tanh((q @ w_q)[:, None, :] + (k @ w_k)[None, :, :])
    s = hidden @ w
    p = np.exp(s - s.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True) @ v


def look_by_rows(q, k, v, w_q, w_k, w):
    keys = k @ w_k
    rows = []
    for query in q @ w_q:
        s = np.tanh(query + keys) @ w
        p = np.exp(s - max(s))
        rows.append((p / p.sum()) @ v)
    return np.stack(rows)


def look_by_the_library(q, k, v, w_q, w_k, w):
    s = additive_scores(*(torch.tensor(x) for x in (q, k, w_q, w_k, w)))
    return softmax(s).numpy() @ v


def look_by_einsum_in_float32(q, k, v, w_q, w_k, w):
    q, k, v, w_q, w_k, w = (np.float32(x) for x in (q, k, v, w_q, w_k, w))
    hidden = np.tanh(np.einsum("td,dh->th", q, w_q)[:, None] + np.einsum("jd,dh->jh", k, w_k))
    return np.einsum("tj,jv->tv", softmax(np.einsum("tjh,h->tj", hidden, w)), v)


def look_without_tanh(q, k, v, w_q, w_k, w):
    return softmax(((q @ w_q)[:, None] + k @ w_k) @ w) @ v


def look_tanh_outside(q, k, v, w_q, w_k, w):
    return softmax(np.tanh((q @ w_q @ w)[:, None] + k @ w_k @ w)) @ v


def look_two_tanhs(q, k, v, w_q, w_k, w):
    return softmax((np.tanh(q @ w_q) @ w)[:, None] + np.tanh(k @ w_k) @ w) @ v


def look_multiplied(q, k, v, w_q, w_k, w):
    return softmax(np.tanh((q @ w_q)[:, None] * (k @ w_k)) @ w) @ v


def look_dot_product(q, k, v, w_q, w_k, w):
    return softmax(q @ w_q @ (k @ w_k).T) @ v


def look_without_w(q, k, v, w_q, w_k, w):
    return softmax(np.tanh((q @ w_q)[:, None] + k @ w_k).sum(-1)) @ v


def look_without_query(q, k, v, w_q, w_k, w):
    s = np.tanh(k @ w_k) @ w
    return np.tile(softmax(s) @ v, (len(q), 1))


def look_scaled(q, k, v, w_q, w_k, w):
    return softmax(np.tanh((q @ w_q)[:, None] + k @ w_k) @ w / len(w) ** 0.5) @ v


def look_over_queries(q, k, v, w_q, w_k, w):
    return softmax(np.tanh((q @ w_q)[:, None] + k @ w_k) @ w, axis=0) @ v


def look_all_at_once(q, k, v, w_q, w_k, w):
    s = np.tanh((q @ w_q)[:, None] + k @ w_k) @ w
    return softmax(s.ravel()).reshape(s.shape) @ v


def look_without_softmax(q, k, v, w_q, w_k, w):
    return np.tanh((q @ w_q)[:, None] + k @ w_k) @ w @ v


def look_overflow(q, k, v, w_q, w_k, w):
    p = np.exp(np.tanh((q @ w_q)[:, None] + k @ w_k) @ w)
    return p / p.sum(axis=1, keepdims=True) @ v


def look_weights(q, k, v, w_q, w_k, w):
    return softmax(np.tanh((q @ w_q)[:, None] + k @ w_k) @ w)


def look_keys(q, k, v, w_q, w_k, w):
    return look_by_broadcasting(q, k, k, w_q, w_k, w)


def look_in_place(q, k, v, w_q, w_k, w):
    right = look_by_broadcasting(q, k, v, w_q, w_k, w)
    w /= 2
    return right


# ---- signal_left ------------------------------------------------------------------------------


def left_backwards(jacobians):
    product = np.eye(jacobians.shape[1])
    sizes = [1.0]
    for j in reversed(jacobians):
        product = product @ j
        sizes.append(np.sqrt((product**2).mean() * len(product)))
    return np.array(sizes[::-1])


def left_by_multi_dot(jacobians):
    d = jacobians.shape[1]
    sizes = []
    for t in range(len(jacobians) + 1):
        chain = [np.eye(d), *jacobians[t:][::-1], np.eye(d)]
        sizes.append(np.linalg.norm(np.linalg.multi_dot(chain), "fro") / d**0.5)
    return np.array(sizes)


def left_by_recursion(jacobians):
    def arriving(rest):
        return np.eye(jacobians.shape[1]) if len(rest) == 0 else arriving(rest[1:]) @ rest[0]

    products = [arriving(jacobians[t:]) for t in range(len(jacobians) + 1)]
    return np.sqrt([np.trace(p.T @ p) / len(p) for p in products])


def left_wrong_order(jacobians):
    return np.array(
        [
            np.linalg.norm(np.linalg.multi_dot([np.eye(len(jacobians[0])), *jacobians[t:]]))
            / len(jacobians[0]) ** 0.5
            if t < len(jacobians)
            else 1.0
            for t in range(len(jacobians) + 1)
        ]
    )


def left_turned(jacobians):
    return left_backwards(jacobians)[::-1]


def left_from_first(jacobians):
    sizes, product = [1.0], np.eye(jacobians.shape[1])
    for j in jacobians:
        product = j @ product
        sizes.append(np.linalg.norm(product) / len(product) ** 0.5)
    return np.array(sizes)


def left_of_norms(jacobians):
    norms = np.linalg.norm(jacobians, axis=(1, 2)) / jacobians.shape[1] ** 0.5
    return np.append(np.cumprod(norms[::-1])[::-1], 1.0)


def left_of_spectral_norms(jacobians):
    norms = np.linalg.norm(jacobians, 2, axis=(1, 2))
    return np.append(np.cumprod(norms[::-1])[::-1], 1.0)


def left_entries(jacobians):
    product, sizes = np.ones(jacobians.shape[1:]), []
    for j in jacobians[::-1]:
        product = product * j
        sizes.append(np.linalg.norm(product) / len(j) ** 0.5)
    return np.array([*sizes[::-1], 1.0])


def left_without_root(jacobians):
    return left_backwards(jacobians) * jacobians.shape[1] ** 0.5


def left_by_width(jacobians):
    return left_backwards(jacobians) / jacobians.shape[1] ** 0.5


def left_greatest(jacobians):
    product, sizes = np.eye(jacobians.shape[1]), [1.0]
    for j in jacobians[::-1]:
        product = product @ j
        sizes.insert(0, np.linalg.svd(product)[1].max())
    return np.array(sizes)


def left_squares(jacobians):
    return left_backwards(jacobians) ** 2


def left_without_last(jacobians):
    return left_backwards(jacobians)[:-1]


# ---- gate_for ---------------------------------------------------------------------------------


def gate_by_power(steps, share):
    return share ** (1 / steps)


def gate_by_logarithm(steps, share):
    return np.exp(np.log(share) / steps)


def gate_by_halving(steps, share):
    low, high = np.zeros(len(steps)), np.ones(len(steps))
    for _ in range(80):
        middle = (low + high) / 2
        enough = middle**steps > share
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return (low + high) / 2


def gate_linear(steps, share):
    return 1 - (1 - share) / steps


def gate_divided(steps, share):
    return share / steps


def gate_power(steps, share):
    return np.power(share, steps)


def gate_of_new(steps, share):
    return -np.expm1(np.log(share) / steps)


def gate_too_few(steps, share):
    return share ** (1 / np.where(steps > 1, steps - 1, 1))


def gate_too_many(steps, share):
    return share ** (1 / (steps + 1))


def gate_of_a_third(steps, share):
    return (steps - 1) / steps


def gate_of_e(steps, share):
    return np.e ** (-1 / steps)


def gate_first_order(steps, share):
    return 1 + np.log(share) / steps


def gate_as_list(steps, share):
    return [share ** (1 / n) for n in steps]


RIGHT = {
    "additive_attention": [
        look_by_broadcasting,
        look_by_rows,
        look_by_the_library,
        look_by_einsum_in_float32,
    ],
    "signal_left": [left_backwards, left_by_multi_dot, left_by_recursion],
    "gate_for": [gate_by_power, gate_by_logarithm, gate_by_halving],
}

WRONG = {
    "additive_attention": [
        (look_without_tanh, "The tanh is missing"),
        (look_tanh_outside, "The tanh comes too late"),
        (look_two_tanhs, "tanh of query and key apart"),
        (look_multiplied, "You multiply the projected query and key"),
        (look_dot_product, "dot product of the projected query and key"),
        (look_without_w, "`w` is missing"),
        (look_without_query, "The query has no say"),
        (look_scaled, "divided by a root"),
        (look_over_queries, "softmax goes over the queries"),
        (look_all_at_once, "weights of all queries together sum to one"),
        (look_without_softmax, "softmax is missing"),
        (look_overflow, "Large scores overflow"),
        (look_weights, "You return the weights"),
        (look_keys, "You average the keys"),
        (look_in_place, "you changed the caller's array: `w`"),
    ],
    "signal_left": [
        (left_wrong_order, "multiplied in the wrong order"),
        (left_turned, "the wrong way round"),
        (left_from_first, "You start from the first position"),
        (left_of_norms, "no product of norms"),
        (left_of_spectral_norms, "That is a bound"),
        (left_entries, "entry by entry"),
        (left_without_root, "root of the width is missing"),
        (left_by_width, "You divide by the width"),
        (left_greatest, "greatest stretch of any direction"),
        (left_squares, "You return squares"),
        (left_without_last, "Position n is missing"),
    ],
    "gate_for": [
        (gate_linear, "subtract the same amount"),
        (gate_divided, "divide the share among the steps"),
        (gate_power, "not its n-th power"),
        (gate_of_new, "You return 1 - z"),
        (gate_too_few, "You leave out one step"),
        (gate_too_many, "one step too many"),
        (gate_of_a_third, "1 - 1/n leaves about a third"),
        (gate_of_e, "e^(-1/n) leaves"),
        (gate_first_order, "close to the root for many steps"),
        (gate_as_list, "returns a list"),
    ],
}


def test_a_right_answer_passes(exercise, right_answer):
    result = check(exercise, right_answer, show=False)
    assert result.passed, result.message


def test_a_wrong_answer_is_told_what_is_wrong(exercise, wrong_answer, words):
    result = check(exercise, wrong_answer, show=False)
    assert not result.passed
    assert words in " ".join(result.message.split())
