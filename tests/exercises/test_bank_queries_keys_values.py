"""Answers to the exercises of *Queries, keys, values*, right and wrong, and what is said."""

import numpy as np

from attnbook import attention
from attnbook.checks import check

# ---- cross_attention --------------------------------------------------------------------------


def soft(s, axis=-1):
    e = np.exp(s - s.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def cross_from_the_library(A, B, W_Q, W_K, W_V):
    return attention(A @ W_Q, B @ W_K, B @ W_V)


def cross_by_matrices(A, B, W_Q, W_K, W_V):
    Q, K, V = A @ W_Q, B @ W_K, B @ W_V
    return soft(Q @ K.T / np.sqrt(Q.shape[-1])) @ V


def cross_by_form(A, B, W_Q, W_K, W_V):
    scores = np.einsum("ad,dk,ek,be->ab", A, W_Q, W_K, B) / W_K.shape[1] ** 0.5
    return np.einsum("ab,bd,dv->av", soft(scores), B, W_V)


def cross_by_loop(A, B, W_Q, W_K, W_V):
    out = []
    for a in A:
        s = np.array([(a @ W_Q) @ (b @ W_K) for b in B]) / np.sqrt(W_Q.shape[1])
        out.append(soft(s) @ np.stack([b @ W_V for b in B]))
    return np.stack(out)


def cross_unscaled(A, B, W_Q, W_K, W_V):
    return soft((A @ W_Q) @ (B @ W_K).T) @ (B @ W_V)


def cross_root_of_embedding(A, B, W_Q, W_K, W_V):
    return soft((A @ W_Q) @ (B @ W_K).T / np.sqrt(A.shape[-1])) @ (B @ W_V)


def cross_over_queries(A, B, W_Q, W_K, W_V):
    return soft((A @ W_Q) @ (B @ W_K).T / np.sqrt(W_K.shape[1]), axis=0) @ (B @ W_V)


def cross_swapped(A, B, W_Q, W_K, W_V):
    return cross_by_matrices(B, A, W_Q, W_K, W_V)


def cross_values_of_askers(A, B, W_Q, W_K, W_V):
    return soft((A @ W_Q) @ (B @ W_K).T / np.sqrt(W_K.shape[1])) @ (A @ W_V)


def cross_self(A, B, W_Q, W_K, W_V):
    return cross_by_matrices(A, A, W_Q, W_K, W_V)


def cross_exchanged(A, B, W_Q, W_K, W_V):
    return cross_by_matrices(A, B, W_K, W_Q, W_V)


def cross_tied(A, B, W_Q, W_K, W_V):
    return cross_by_matrices(A, B, W_Q, W_Q, W_V)


def cross_unprojected(A, B, W_Q, W_K, W_V):
    return soft((A @ W_Q) @ (B @ W_K).T / np.sqrt(W_K.shape[1])) @ B


def cross_keys_as_values(A, B, W_Q, W_K, W_V):
    return attention(A @ W_Q, B @ W_K, B @ W_K)


def cross_overflow(A, B, W_Q, W_K, W_V):
    e = np.exp((A @ W_Q) @ (B @ W_K).T / np.sqrt(W_K.shape[1]))
    return e @ (B @ W_V) / e.sum(axis=1, keepdims=True)


def cross_transposed_matrices(A, B, W_Q, W_K, W_V):
    return attention(A @ W_Q.T, B @ W_K.T, B @ W_V.T)


# ---- score_parts ------------------------------------------------------------------------------


def parts_by_matrices(W_Q, W_K):
    M = W_Q @ W_K.T
    return (M + M.T) / 2, (M - M.T) / 2


def parts_by_difference(W_Q, W_K):
    M = np.einsum("ik,jk->ij", W_Q, W_K).astype(np.float32)
    symmetric = 0.5 * M + 0.5 * M.transpose()
    return [symmetric, M - symmetric]


def parts_by_rank_one_terms(W_Q, W_K):
    symmetric, directed = 0.0, 0.0
    for q, k in zip(W_Q.T, W_K.T, strict=True):
        symmetric = symmetric + (np.outer(q, k) + np.outer(k, q)) / 2
        directed = directed + (np.outer(q, k) - np.outer(k, q)) / 2
    return symmetric, directed


def parts_without_half(W_Q, W_K):
    M = W_Q @ W_K.T
    return M + M.T, M - M.T


def parts_exchanged(W_Q, W_K):
    return parts_by_matrices(W_Q, W_K)[::-1]


def parts_of_the_transpose(W_Q, W_K):
    return parts_by_matrices(W_K, W_Q)


def parts_small_product(W_Q, W_K):
    M = W_Q.T @ W_K
    return (M + M.T) / 2, (M - M.T) / 2


def parts_whole_first(W_Q, W_K):
    M = W_Q @ W_K.T
    return M, (M - M.T) / 2


def parts_scaled(W_Q, W_K):
    M = W_Q @ W_K.T / np.sqrt(W_Q.shape[1])
    return (M + M.T) / 2, (M - M.T) / 2


def parts_first_alone(W_Q, W_K):
    return parts_by_matrices(W_Q, W_K)[0]


# ---- right_on_ring ----------------------------------------------------------------------------


def ring_by_argmax(S):
    off = np.where(np.eye(len(S), dtype=bool), -np.inf, S)
    return int((off.argmax(axis=1) == (np.arange(len(S)) + 1) % len(S)).sum())


def ring_by_loop(S):
    count = 0
    for i, row in enumerate(S):
        follower = (i + 1) % len(S)
        count += all(row[follower] > row[j] for j in range(len(S)) if j not in (i, follower))
    return count


def ring_by_rolling(S):
    turned = np.array([np.roll(row, -i) for i, row in enumerate(S)])  # self first, follower next
    return np.sum(turned[:, 1] >= turned[:, 1:].max(axis=1))


def ring_with_diagonal(S):
    return int(np.sum(S.argmax(axis=1) == np.roll(np.arange(len(S)), -1)))


def ring_zero_diagonal(S):
    off = S * (1 - np.eye(len(S)))
    return int((off.argmax(axis=1) == (np.arange(len(S)) + 1) % len(S)).sum())


def ring_open(S):
    return sum(
        int(np.where(np.arange(len(S)) == i, -np.inf, S[i]).argmax() == i + 1)
        for i in range(len(S))
    )


def ring_by_columns(S):
    off = np.where(np.eye(len(S), dtype=bool), -np.inf, S)
    return int((off.argmax(axis=0) == (np.arange(len(S)) + 1) % len(S)).sum())


def ring_backwards(S):
    off = np.where(np.eye(len(S), dtype=bool), -np.inf, S)
    return int((off.argmax(axis=1) == (np.arange(len(S)) - 1) % len(S)).sum())


def ring_share(S):
    return ring_by_argmax(S) / len(S)


def ring_each(S):
    off = np.where(np.eye(len(S), dtype=bool), -np.inf, S)
    return off.argmax(axis=1) == (np.arange(len(S)) + 1) % len(S)


def ring_fills_the_diagonal(S):
    np.fill_diagonal(S, -1e9)
    return int((S.argmax(axis=1) == (np.arange(len(S)) + 1) % len(S)).sum())


# ---- which_is_which ---------------------------------------------------------------------------


def which_by_doubling_and_nudging(f, arrays):
    out, names = f(*arrays), []
    for place, array in enumerate(arrays):
        doubled, nudged = list(arrays), list(arrays)
        doubled[place] = 2 * array
        nudged[place] = array.copy()
        nudged[place][0] += 1.0
        moved = (np.abs(f(*nudged) - out).max(axis=1) > 1e-9).sum()
        linear = np.allclose(f(*doubled), 2 * out)
        names.append("value" if linear else "query" if moved == 1 else "key")
    return names


def which_by_zeros(f, arrays):
    """Zero values give zeros; a zero row of queries moves no other row."""
    answer = [None] * 3
    for place in range(3):
        changed = [a.copy() for a in arrays]
        changed[place][:] = 0
        if not f(*changed).any():
            answer[place] = "value"
        else:
            changed[place] = arrays[place].copy()
            changed[place][-1] = 0
            untouched = np.isclose(f(*changed)[0], f(*arrays)[0]).all()
            answer[place] = "query" if untouched else "key"
    return tuple(answer)


def which_by_counting_rows(f, arrays):
    """As many rows come out as there are queries; keys and values must agree in number."""
    names = ["key", "key", "key"]
    for place in range(3):
        longer = list(arrays)
        longer[place] = np.concatenate([arrays[place], arrays[place][:1]])
        try:
            if len(f(*longer)) == len(arrays[place]) + 1:
                names[place] = "query"
        except ValueError:
            wider = list(arrays)
            wider[place] = np.concatenate([arrays[place], arrays[place][:, :1]], axis=1)
            try:
                if f(*wider).shape[1] == arrays[place].shape[1] + 1:
                    names[place] = "value"
            except ValueError:
                pass
    return names


def which_query_and_key_exchanged(f, arrays):
    other = {"query": "key", "key": "query", "value": "value"}
    return [other[name] for name in which_by_doubling_and_nudging(f, arrays)]


def which_key_and_value_exchanged(f, arrays):
    other = {"query": "query", "key": "value", "value": "key"}
    return [other[name] for name in which_by_doubling_and_nudging(f, arrays)]


def which_always_the_same(f, arrays):
    return ["query", "key", "value"]


def which_short(f, arrays):
    return [name[0].upper() for name in which_by_doubling_and_nudging(f, arrays)]


def which_places(f, arrays):
    names = which_by_doubling_and_nudging(f, arrays)
    return [names.index(name) for name in ("query", "key", "value")]


def which_value_only(f, arrays):
    names = which_by_doubling_and_nudging(f, arrays)
    return [name if name == "value" else "key" for name in names]


def which_writes_into_the_arrays(f, arrays):
    out, names = f(*arrays), []
    for place in range(3):
        doubled, nudged = list(arrays), list(arrays)
        doubled[place] = 2 * arrays[place]
        linear = np.allclose(f(*doubled), 2 * out)
        nudged[place][0] += 1.0
        moved = (np.abs(f(*nudged) - out).max(axis=1) > 1e-9).sum()
        names.append("value" if linear else "query" if moved == 1 else "key")
    return names


def which_none(f, arrays):
    names = which_by_doubling_and_nudging(f, arrays)
    names.sort()


# ---- rewritten --------------------------------------------------------------------------------


def rewritten_by_inverse(W_Q, W_K, A):
    return W_Q @ A, W_K @ np.linalg.inv(A).T


def rewritten_by_solving(W_Q, W_K, A):
    return W_Q @ A, np.linalg.solve(A, W_K.T).T


def rewritten_from_the_scores(W_Q, W_K, A):
    new = np.einsum("dk,kl->dl", W_Q, A)
    square = W_Q.shape[0] >= W_Q.shape[1] == np.linalg.matrix_rank(new)
    if not square:
        return rewritten_by_inverse(W_Q, W_K, A)
    return new, (np.linalg.pinv(new) @ W_Q @ W_K.T).T


def rewritten_plain_inverse(W_Q, W_K, A):
    return W_Q @ A, W_K @ np.linalg.inv(A)


def rewritten_same_for_both(W_Q, W_K, A):
    return W_Q @ A, W_K @ A


def rewritten_transposed(W_Q, W_K, A):
    return W_Q @ A, W_K @ A.T


def rewritten_half(W_Q, W_K, A):
    return W_Q @ A, W_K


def rewritten_exchanged(W_Q, W_K, A):
    return W_K @ np.linalg.inv(A).T, W_Q @ A


def rewritten_not(W_Q, W_K, A):
    return W_Q, W_K


def rewritten_wrong_side(W_Q, W_K, A):
    return A @ W_Q, np.linalg.inv(A).T @ W_K


def rewritten_in_place(W_Q, W_K, A):
    W_Q[...] = W_Q @ A
    return W_Q, W_K @ np.linalg.inv(A).T


RIGHT = {
    "cross_attention": [cross_from_the_library, cross_by_matrices, cross_by_form, cross_by_loop],
    "score_parts": [parts_by_matrices, parts_by_difference, parts_by_rank_one_terms],
    "right_on_ring": [ring_by_argmax, ring_by_loop, ring_by_rolling],
    "which_is_which": [which_by_doubling_and_nudging, which_by_zeros, which_by_counting_rows],
    "rewritten": [rewritten_by_inverse, rewritten_by_solving, rewritten_from_the_scores],
}

WRONG = {
    "cross_attention": [
        (cross_unscaled, "not divided by √d_k"),
        (cross_root_of_embedding, "embedding's width"),
        (cross_over_queries, "over the queries, not over the keys"),
        (cross_swapped, "A and B have changed places"),
        (cross_values_of_askers, "The values come from A"),
        (cross_self, "this is self-attention"),
        (cross_exchanged, "W_Q and W_K have changed places"),
        (cross_tied, "both use W_Q"),
        (cross_unprojected, "average the rows of B"),
        (cross_keys_as_values, "values are the keys"),
        (cross_overflow, "Large scores overflow"),
        (cross_transposed_matrices, "stops with ValueError"),
    ],
    "score_parts": [
        (parts_without_half, "halves are missing"),
        (parts_exchanged, "changed places"),
        (parts_of_the_transpose, "wrong sign"),
        (parts_small_product, "d × d"),
        (parts_whole_first, "M itself"),
        (parts_scaled, "before scaling"),
        (parts_first_alone, "should return 2 things"),
    ],
    "right_on_ring": [
        (ring_with_diagonal, "diagonal takes part"),
        (ring_zero_diagonal, "0 on the diagonal"),
        (ring_open, "ring is not closed"),
        (ring_by_columns, "each column"),
        (ring_backwards, "You look at i - 1"),
        (ring_share, "You return a share"),
        (ring_each, "one truth value for each row"),
        (ring_fills_the_diagonal, "you changed the caller's array: `S`"),
    ],
    "which_is_which": [
        (which_query_and_key_exchanged, "Query and key have changed places"),
        (which_key_and_value_exchanged, "Key and value have changed places"),
        (which_always_the_same, "always answer query, key, value"),
        (which_short, "short names"),
        (which_places, "You return the places"),
        (which_value_only, "call both of the others key"),
        (which_none, "returns None"),
        (which_writes_into_the_arrays, "you changed the caller's array: `arrays`"),
    ],
    "rewritten": [
        (rewritten_plain_inverse, "*transposed* inverse"),
        (rewritten_same_for_both, "A must cancel"),
        (rewritten_transposed, "only if A is a rotation"),
        (rewritten_half, "leave W_K as it is"),
        (rewritten_exchanged, "changed places"),
        (rewritten_not, "the same two matrices"),
        (rewritten_wrong_side, "stops with ValueError"),
        (rewritten_in_place, "you changed the caller's array: `W_Q`"),
    ],
}


def test_a_right_answer_passes(exercise, right_answer):
    result = check(exercise, right_answer, show=False)
    assert result.passed, result.message


def test_a_wrong_answer_is_told_what_is_wrong(exercise, wrong_answer, words):
    result = check(exercise, wrong_answer, show=False)
    assert not result.passed
    assert words in " ".join(result.message.split())
