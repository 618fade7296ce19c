"""Answers to the exercises of *Self-attention*, right and wrong, and what is said of each."""

import numpy as np
import torch

from attnbook import attention
from attnbook.checks import check
from attnbook.costs import attention_flops, projection_parameters

# ---- self_attention ---------------------------------------------------------------------------


def soft(s, axis=-1):
    e = np.exp(s - s.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def batch_by_the_library(X, W_Q, W_K, W_V):
    return attention(X @ W_Q, X @ W_K, X @ W_V)


def batch_by_a_loop(X, W_Q, W_K, W_V):
    return np.stack([soft((x @ W_Q) @ (x @ W_K).T / np.sqrt(W_Q.shape[1])) @ (x @ W_V) for x in X])


def batch_by_letters(X, W_Q, W_K, W_V):
    s = np.einsum("bid,dk,ek,bje->bij", X, W_Q, W_K, X) / W_K.shape[-1] ** 0.5
    return np.einsum("bij,bjd,dv->biv", soft(s), X, W_V)


def batch_by_torch(X, W_Q, W_K, W_V):
    q, k, v = (torch.from_numpy(X @ w) for w in (W_Q, W_K, W_V))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v).numpy()


def batch_turned_all(X, W_Q, W_K, W_V):
    return soft((X @ W_Q) @ (X @ W_K).T / np.sqrt(W_K.shape[1])) @ (X @ W_V)


def batch_flattened(X, W_Q, W_K, W_V):
    b, n, d = X.shape
    flat = X.reshape(b * n, d)
    return attention(flat @ W_Q, flat @ W_K, flat @ W_V).reshape(b, n, -1)


def batch_over_queries(X, W_Q, W_K, W_V):
    s = (X @ W_Q) @ (X @ W_K).transpose(0, 2, 1) / np.sqrt(W_K.shape[1])
    return soft(s, axis=1) @ (X @ W_V)


def batch_over_sentences(X, W_Q, W_K, W_V):
    s = (X @ W_Q) @ (X @ W_K).transpose(0, 2, 1) / np.sqrt(W_K.shape[1])
    return soft(s, axis=0) @ (X @ W_V)


def batch_without_keepdims(X, W_Q, W_K, W_V):
    s = (X @ W_Q) @ (X @ W_K).transpose(0, 2, 1) / np.sqrt(W_K.shape[1])
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1) @ (X @ W_V)


def batch_unscaled(X, W_Q, W_K, W_V):
    return attention(X @ W_Q, X @ W_K, X @ W_V, scale=1.0)


def batch_scaled_by_words(X, W_Q, W_K, W_V):
    return attention(X @ W_Q, X @ W_K, X @ W_V, scale=X.shape[1] ** -0.5)


def batch_scaled_by_embedding(X, W_Q, W_K, W_V):
    return attention(X @ W_Q, X @ W_K, X @ W_V, scale=X.shape[2] ** -0.5)


def batch_exchanged(X, W_Q, W_K, W_V):
    return attention(X @ W_K, X @ W_Q, X @ W_V)


def batch_of_embeddings(X, W_Q, W_K, W_V):
    return attention(X @ W_Q, X @ W_K, X)


def batch_overflow(X, W_Q, W_K, W_V):
    e = np.exp((X @ W_Q) @ np.swapaxes(X @ W_K, 1, 2) / np.sqrt(W_K.shape[1]))
    return e / e.sum(-1, keepdims=True) @ (X @ W_V)


# ---- is_equivariant ---------------------------------------------------------------------------


def equivariant_by_allclose(f, X, order):
    return np.allclose(f(X[order]), f(X)[order], rtol=0, atol=1e-9)


def equivariant_by_a_matrix(f, X, order):
    P = np.eye(len(X))[order]
    return bool(np.abs(f(P @ X) - P @ f(X)).max() <= 1e-9)


def equivariant_undone(f, X, order):
    back = np.argsort(order)
    return bool((np.abs(f(X[order])[back] - f(X)) < 1e-9).all())


def equivariant_row_by_row(f, X, order):
    before, after = f(X), f(X[order])
    for place, word in enumerate(order):
        if np.linalg.norm(after[place] - before[word]) > 1e-8:
            return False
    return True


def invariant(f, X, order):
    return np.allclose(f(X[order]), f(X), rtol=0, atol=1e-9)


def equivariant_backwards(f, X, order):
    return np.allclose(f(X[order])[order], f(X), rtol=0, atol=1e-9)


def equivariant_to_the_bit(f, X, order):
    return np.array_equal(f(X[order]), f(X)[order])


def equivariant_loosely(f, X, order):
    return np.allclose(f(X[order]), f(X)[order], atol=1e-3)


def equivariant_in_sum(f, X, order):
    return np.allclose(f(X[order]).sum(0), f(X).sum(0), rtol=0, atol=1e-9)


def equivariant_in_columns(f, X, order):
    return np.allclose(f(X[:, order]), f(X)[:, order], rtol=0, atol=1e-9)


def equivariant_without_f(f, X, order):
    return np.allclose(f(X)[order], f(X), rtol=0, atol=1e-9)


def equivariant_denied(f, X, order):
    return bool(np.abs(f(X[order]) - f(X)[order]).max() > 1e-9)


def equivariant_always(f, X, order):
    return True


# ---- from_counts ------------------------------------------------------------------------------


def counts_as_bias(E, counts):
    return attention(E, E, E, bias=np.log(counts)[None].astype(float))


def counts_as_factors(E, counts):
    s = E @ E.T / np.sqrt(E.shape[1])
    powers = counts * np.exp(s - s.max(axis=1, keepdims=True))
    return powers @ E / powers.sum(axis=1, keepdims=True)


def counts_written_out(E, counts):
    X = np.repeat(E, counts, axis=0)
    return attention(E, X, X)


def counts_first_of_each(E, counts):
    X = np.repeat(E, counts, axis=0)
    return attention(X, X, X)[np.cumsum(counts) - counts]


def counts_ignored(E, counts):
    return attention(E, E, E)


def counts_after_softmax(E, counts):
    return soft(E @ E.T / np.sqrt(E.shape[1])) * counts @ E


def counts_times_scores(E, counts):
    return soft(counts * (E @ E.T) / np.sqrt(E.shape[1])) @ E


def counts_added(E, counts):
    return attention(E, E, E, bias=counts[None].astype(float))


def counts_logs_scaled(E, counts):
    return soft((E @ E.T + np.log(counts)) / E.shape[1] ** 0.5) @ E


def counts_all_rows(E, counts):
    X = np.repeat(E, counts, axis=0)
    return attention(X, X, X)


def counts_unscaled(E, counts):
    return soft(E @ E.T + np.log(counts)) @ E


def counts_overflow(E, counts):
    powers = counts * np.exp(E @ E.T / np.sqrt(E.shape[1]))
    return powers @ E / powers.sum(axis=1, keepdims=True)


# ---- layer_flops ------------------------------------------------------------------------------


def flops_by_formula(n, d):
    return 6 * n * d**2, 4 * n**2 * d


def flops_by_the_library(n, d):
    pairs = [
        (2 * int(m) * projection_parameters(d, d), attention_flops(int(m), int(m), d)) for m in n
    ]
    return tuple(np.array(pairs).T)


def flops_in_floats(n, d):
    n = np.asarray(n, dtype=float)
    return [2.0 * n * d * (d + d + d), 2 * n * n * (d + d)]


def flops_of_multiplications(n, d):
    return 3 * n * d**2, 2 * n**2 * d


def flops_of_two_projections(n, d):
    return 4 * n * d**2, 4 * n**2 * d


def flops_with_output(n, d):
    return 8 * n * d**2, 4 * n**2 * d


def flops_of_one_product(n, d):
    return 6 * n * d**2, 2 * n**2 * d


def flops_square_projections(n, d):
    return 6 * (n * d) ** 2, 4 * n**2 * d


def flops_of_pairs(n, d):
    return 6 * n * d**2, 4 * n**2


def flops_exchanged(n, d):
    return 4 * n**2 * d, 6 * n * d**2


def flops_in_one(n, d):
    return 6 * n * d**2 + 4 * n**2 * d


# ---- the bank ---------------------------------------------------------------------------------

RIGHT = {
    "self_attention": [
        batch_by_the_library,
        batch_by_a_loop,
        batch_by_letters,
        batch_by_torch,
    ],
    "is_equivariant": [
        equivariant_by_allclose,
        equivariant_by_a_matrix,
        equivariant_undone,
        equivariant_row_by_row,
    ],
    "from_counts": [
        counts_as_bias,
        counts_as_factors,
        counts_written_out,
        counts_first_of_each,
    ],
    "layer_flops": [flops_by_formula, flops_by_the_library, flops_in_floats],
}
WRONG = {
    "self_attention": [
        (batch_turned_all, "turns *all* axes"),
        (batch_flattened, "The sentences look at each other"),
        (batch_over_queries, "sum to one over the queries"),
        (batch_over_sentences, "axis 0 is the batch"),
        (batch_without_keepdims, "keepdims=True"),
        (batch_unscaled, "not divided by √d_k"),
        (batch_scaled_by_words, "root of the number of words"),
        (batch_scaled_by_embedding, "root of the embedding's width"),
        (batch_exchanged, "W_Q and W_K have changed places"),
        (batch_of_embeddings, "The values go through W_V"),
        (batch_overflow, "Large scores overflow"),
    ],
    "is_equivariant": [
        (invariant, "That is *invariance*"),
        (equivariant_backwards, "compare with f(X)[order], not with np.argsort(order)"),
        (equivariant_to_the_bit, "equality to the last bit"),
        (equivariant_loosely, "tolerance is so wide"),
        (equivariant_in_sum, "You compare sums"),
        (equivariant_in_columns, "The words are its rows"),
        (equivariant_without_f, "f never sees the shuffled words"),
        (equivariant_denied, "The answer is turned round"),
        (equivariant_always, "Both sides of your comparison"),
    ],
    "from_counts": [
        (counts_ignored, "The counts have no effect"),
        (counts_after_softmax, "do not sum to one any more"),
        (counts_times_scores, "You multiply the *scores*"),
        (counts_added, "add their logarithms"),
        (counts_logs_scaled, "so it is divided as well"),
        (counts_all_rows, "one for each *different* word"),
        (counts_unscaled, "not divided by √d"),
        (counts_overflow, "Large scores overflow"),
    ],
    "layer_flops": [
        (flops_of_multiplications, "You count multiplications only"),
        (flops_of_two_projections, "You count two projections"),
        (flops_with_output, "no matrix after the lookup"),
        (flops_of_one_product, "There are two: queries with keys"),
        (flops_square_projections, "each token is projected once"),
        (flops_of_pairs, "For each pair there are d terms"),
        (flops_exchanged, "projections first, then lookups"),
        (flops_in_one, "You return one array, the sum"),
    ],
}


def test_right_answers_pass(exercise, right_answer):
    for seed in (0, 3):
        result = check(exercise, right_answer, seed=seed, show=False)
        assert result, result.message


def test_wrong_answers_are_told_what_is_wrong(exercise, wrong_answer, words):
    for seed in (0, 3):
        result = check(exercise, wrong_answer, seed=seed, show=False)
        assert not result
        assert words in result.message.replace("\n", " "), result.message
