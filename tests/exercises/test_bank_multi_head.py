"""Right and wrong answers to the exercises of *Multi-head attention*, as readers write them."""

import numpy as np
import torch

from attnbook import attention
from attnbook.checks import check
from attnbook.layers import MultiHeadAttention


def weights_of(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# ---- multi_head -------------------------------------------------------------------------------


def heads_by_axes(x, w_q, w_k, w_v, w_o, h):
    n, d = x.shape

    def split(y):
        return y.reshape(n, h, d // h).transpose(1, 0, 2)

    q, k, v = split(x @ w_q), split(x @ w_k), split(x @ w_v)
    heads = weights_of(q @ k.transpose(0, 2, 1) / np.sqrt(d // h)) @ v
    return heads.transpose(1, 0, 2).reshape(n, d) @ w_o


def heads_by_loop(x, w_q, w_k, w_v, w_o, h):
    out = 0
    for q, k, v, o in zip(
        np.split(w_q, h, axis=1),
        np.split(w_k, h, axis=1),
        np.split(w_v, h, axis=1),
        np.split(w_o, h),
        strict=True,
    ):
        out = out + attention(x @ q, x @ k, x @ v) @ o
    return out


def heads_by_einsum(x, w_q, w_k, w_v, w_o, h):
    d = x.shape[1]
    q, k, v = (np.einsum("nd,dhe->hne", x, w.reshape(d, h, -1)) for w in (w_q, w_k, w_v))
    a = weights_of(np.einsum("hie,hje->hij", q, k) * (d / h) ** -0.5)
    return np.einsum("hij,hje,hem->im", a, v, w_o.reshape(h, d // h, d))


def heads_by_the_layer(x, w_q, w_k, w_v, w_o, h):
    layer = MultiHeadAttention(x.shape[1], h, bias=False).double()
    with torch.no_grad():
        for name, w in zip("qkvo", (w_q, w_k, w_v, w_o), strict=True):
            getattr(layer, f"w_{name}").weight.copy_(torch.tensor(w.T))
        return layer(torch.tensor(x)[None])[0].numpy()


def heads_reshaped(x, w_q, w_k, w_v, w_o, h):
    n, d = x.shape
    q, k, v = (y.reshape(h, n, d // h) for y in (x @ w_q, x @ w_k, x @ w_v))
    heads = weights_of(q @ k.transpose(0, 2, 1) / np.sqrt(d // h)) @ v
    return heads.transpose(1, 0, 2).reshape(n, d) @ w_o


def heads_reshaped_twice(x, w_q, w_k, w_v, w_o, h):
    n, d = x.shape
    q, k, v = (y.reshape(h, n, d // h) for y in (x @ w_q, x @ w_k, x @ w_v))
    heads = weights_of(q @ k.transpose(0, 2, 1) / np.sqrt(d // h)) @ v
    return heads.reshape(n, d) @ w_o


def heads_joined_flat(x, w_q, w_k, w_v, w_o, h):
    n, d = x.shape
    q, k, v = (y.reshape(n, h, d // h).transpose(1, 0, 2) for y in (x @ w_q, x @ w_k, x @ w_v))
    return attention(q, k, v).reshape(n, d) @ w_o


def heads_every_hth(x, w_q, w_k, w_v, w_o, h):
    heads = [attention(x @ w_q[:, j::h], x @ w_k[:, j::h], x @ w_v[:, j::h]) for j in range(h)]
    return np.concatenate(heads, axis=1) @ w_o


def heads_scaled_by_d(x, w_q, w_k, w_v, w_o, h):
    parts = zip(*(np.split(x @ w, h, axis=1) for w in (w_q, w_k, w_v)), strict=True)
    heads = [weights_of(q @ k.T / np.sqrt(x.shape[1])) @ v for q, k, v in parts]
    return np.hstack(heads) @ w_o


def heads_not_scaled(x, w_q, w_k, w_v, w_o, h):
    parts = zip(*(np.split(x @ w, h, axis=1) for w in (w_q, w_k, w_v)), strict=True)
    return np.hstack([weights_of(q @ k.T) @ v for q, k, v in parts]) @ w_o


def heads_without_output(x, w_q, w_k, w_v, w_o, h):
    return heads_by_axes(x, w_q, w_k, w_v, np.eye(x.shape[1]), h)


def heads_output_transposed(x, w_q, w_k, w_v, w_o, h):
    return heads_by_axes(x, w_q, w_k, w_v, w_o.T, h)


def heads_only_one(x, w_q, w_k, w_v, w_o, h):
    return attention(x @ w_q, x @ w_k, x @ w_v) @ w_o


def heads_one_softmax(x, w_q, w_k, w_v, w_o, h):
    n, d = x.shape
    q, k, v = (y.reshape(n, h, d // h).transpose(1, 0, 2) for y in (x @ w_q, x @ w_k, x @ w_v))
    a = weights_of((q @ k.transpose(0, 2, 1) / np.sqrt(d // h)).mean(axis=0))
    return (a @ v).transpose(1, 0, 2).reshape(n, d) @ w_o


def heads_over_queries(x, w_q, w_k, w_v, w_o, h):
    n, d = x.shape
    q, k, v = (y.reshape(n, h, d // h).transpose(1, 0, 2) for y in (x @ w_q, x @ w_k, x @ w_v))
    a = weights_of(k @ q.transpose(0, 2, 1) / np.sqrt(d // h)).transpose(0, 2, 1)
    return (a @ v).transpose(1, 0, 2).reshape(n, d) @ w_o


def heads_overflow(x, w_q, w_k, w_v, w_o, h):
    n, d = x.shape
    q, k, v = (y.reshape(n, h, d // h).transpose(1, 0, 2) for y in (x @ w_q, x @ w_k, x @ w_v))
    e = np.exp(q @ k.transpose(0, 2, 1) / np.sqrt(d // h))
    a = e / e.sum(-1, keepdims=True)
    return (a @ v).transpose(1, 0, 2).reshape(n, d) @ w_o


def heads_side_by_side_lost(x, w_q, w_k, w_v, w_o, h):
    return sum(
        attention(x @ q, x @ k, x @ v)
        for q, k, v in zip(*(np.split(w, h, axis=1) for w in (w_q, w_k, w_v)), strict=True)
    )


# ---- without_heads ----------------------------------------------------------------------------


def left_by_sum(heads, w_o, removed):
    blocks = np.split(w_o, len(heads))
    kept = [a @ b for j, (a, b) in enumerate(zip(heads, blocks, strict=True)) if j not in removed]
    return sum(kept, np.zeros((heads.shape[1], w_o.shape[1])))


def left_by_zeros(heads, w_o, removed):
    h, n, width = heads.shape
    heads = heads.copy()
    for j in set(removed):
        heads[j] = 0
    return heads.transpose(1, 0, 2).reshape(n, h * width) @ w_o


def left_by_rows(heads, w_o, removed):
    h, _, width = heads.shape
    blocks = w_o.reshape(h, width, -1).copy()
    blocks[removed] = 0
    return np.einsum("hnd,hdm->nm", heads, blocks)


def left_in_place(heads, w_o, removed):
    for j in removed:
        heads[j] = 0
    return left_by_sum(heads, w_o, [])


def left_columns(heads, w_o, removed):
    _, n, width = heads.shape
    w_o = w_o.copy()
    for j in removed:
        w_o[:, width * j : width * j + width] = 0
    return heads.transpose(1, 0, 2).reshape(n, -1) @ w_o


def left_single_rows(heads, w_o, removed):
    n = heads.shape[1]
    w_o = w_o.copy()
    for j in removed:
        w_o[j] = 0
    return heads.transpose(1, 0, 2).reshape(n, -1) @ w_o


def left_scaled(heads, w_o, removed):
    kept = len(heads) - len(set(removed))
    return left_by_sum(heads, w_o, removed) * len(heads) / max(kept, 1)


def left_mean(heads, w_o, removed):
    return left_by_sum(heads, w_o, removed) / len(heads)


def left_the_others(heads, w_o, removed):
    return left_by_sum(heads, w_o, set(range(len(heads))) - set(removed))


def left_all(heads, w_o, removed):
    return left_by_sum(heads, w_o, [])


def left_subtracted(heads, w_o, removed):
    blocks = np.split(w_o, len(heads))
    return left_by_sum(heads, w_o, []) - sum((heads[j] @ blocks[j] for j in removed), 0.0)


def left_flat(heads, w_o, removed):
    heads = heads.copy()
    heads[removed] = 0
    return heads.reshape(heads.shape[1], -1) @ w_o


def left_counted_from_one(heads, w_o, removed):
    return left_by_sum(heads, w_o, [j - 1 for j in removed])


# ---- induction_score --------------------------------------------------------------------------


def score_by_loop(weights, text):
    per_query = []
    for i, letter in enumerate(text):
        places = [j + 1 for j in range(i) if text[j] == letter]
        if places:
            per_query.append(sum(weights[i, j] for j in places))
    return np.mean(per_query) if per_query else 0


def score_by_mask(weights, text):
    n = len(text)
    after = np.zeros((n, n), dtype=bool)
    after[:, 1:] = text[:, None] == text[None, :-1]
    after &= np.tri(n, dtype=bool)
    rows = after.any(axis=1)
    return (weights * after).sum(axis=1)[rows].mean() if rows.any() else 0.0


def score_by_dictionary(weights, text):
    followed, total, count = {}, 0.0, 0
    for i, letter in enumerate(text.tolist()):
        if i:
            followed.setdefault(int(text[i - 1]), []).append(i)
        if letter in followed:
            total += float(weights[i][followed[letter]].sum())
            count += 1
    return total / max(count, 1)


def score_same_letter(weights, text):
    n = len(text)
    same = (text[:, None] == text[None]) & np.tri(n, k=-1, dtype=bool)
    rows = same.any(axis=1)
    return (weights * same).sum(axis=1)[rows].mean() if rows.any() else 0.0


def score_previous(weights, text):
    n = len(text)
    return float(np.mean([weights[i, i - 1] for i in range(1, n)])) if n > 1 else 0.0


def score_latest(weights, text):
    last, found = {}, []
    for i, letter in enumerate(text.tolist()):
        if i:
            last[int(text[i - 1])] = i
        if letter in last:
            found.append(weights[i, last[letter]])
    return float(np.mean(found)) if found else 0.0


def score_over_all(weights, text):
    n = len(text)
    after = np.zeros((n, n), dtype=bool)
    after[:, 1:] = text[:, None] == text[None, :-1]
    return (weights * np.tril(after)).sum() / n


def score_summed(weights, text):
    return score_over_all(weights, text) * len(text)


def score_nan(weights, text):
    n = len(text)
    after = np.zeros((n, n), dtype=bool)
    after[:, 1:] = text[:, None] == text[None, :-1]
    after = np.tril(after)
    return (weights * after).sum(axis=1)[after.any(axis=1)].mean()


def score_wraps(weights, text):
    after = np.tril(text[:, None] == np.roll(text, 1)[None])
    rows = after.any(axis=1)
    return (weights * after).sum(axis=1)[rows].mean() if rows.any() else 0.0


def score_over_pairs(weights, text):
    n = len(text)
    after = np.zeros((n, n), dtype=bool)
    after[:, 1:] = text[:, None] == text[None, :-1]
    after = np.tril(after)
    return weights[after].mean() if after.any() else 0.0


def score_not_itself(weights, text):
    n = len(text)
    after = np.zeros((n, n), dtype=bool)
    after[:, 1:] = text[:, None] == text[None, :-1]
    after = np.tril(after, -1)
    rows = after.any(axis=1)
    return (weights * after).sum(axis=1)[rows].mean() if rows.any() else 0.0


RIGHT = {
    "multi_head": [heads_by_axes, heads_by_loop, heads_by_einsum, heads_by_the_layer],
    "without_heads": [left_by_sum, left_by_zeros, left_by_rows],
    "induction_score": [score_by_loop, score_by_mask, score_by_dictionary],
}

WRONG = {
    "multi_head": [
        (heads_reshaped, "You cut into heads by reshape alone"),
        (heads_reshaped_twice, "You cut and join by reshape alone"),
        (heads_joined_flat, "you join them by reshape alone"),
        (heads_every_hth, "takes every h-th column"),
        (heads_scaled_by_d, "divide by √(d/h)"),
        (heads_not_scaled, "are not divided by √(d/h)"),
        (heads_without_output, "output projection is missing"),
        (heads_output_transposed, "w_o is transposed"),
        (heads_only_one, "one head of full width"),
        (heads_one_softmax, "All heads share one softmax"),
        (heads_over_queries, "over the queries"),
        (heads_overflow, "overflow"),
        (heads_side_by_side_lost, "it should have shape"),
    ],
    "without_heads": [
        (left_columns, "You set columns of w_o to 0"),
        (left_single_rows, "single rows of w_o"),
        (left_scaled, "You scale what is left"),
        (left_mean, "divide by the number of heads"),
        (left_the_others, "keep the heads that should go"),
        (left_all, "Nothing is removed"),
        (left_subtracted, "subtracted twice"),
        (left_flat, "joined by reshape alone"),
        (left_counted_from_one, "counted from 0"),
        (left_in_place, "you changed the caller's array: `heads`"),
    ],
    "induction_score": [
        (score_same_letter, "weight on the same letter"),
        (score_previous, "previous-token score"),
        (score_latest, "only the latest"),
        (score_over_all, "mean over all queries"),
        (score_summed, "sum over queries"),
        (score_nan, "mean over no queries"),
        (score_wraps, "text[-1] is the last letter"),
        (score_over_pairs, "mean over pairs"),
        (score_not_itself, "leave out the query's own place"),
    ],
}


def test_a_right_answer_passes(exercise, right_answer):
    result = check(exercise, right_answer, show=False)
    assert result.passed, result.message


def test_a_wrong_answer_is_told_what_is_wrong(exercise, wrong_answer, words):
    result = check(exercise, wrong_answer, show=False)
    assert not result.passed
    assert words in " ".join(result.message.split())
