"""Answers to the exercises of *Sparse attention*, right and wrong, and what is said of each."""

import numpy as np

from attnbook.checks import check
from attnbook.patterns import longformer

# ---- longformer_mask --------------------------------------------------------------------------


def mask_by_rows_and_columns(n, half, tokens):
    p = np.arange(n)
    mask = abs(np.subtract.outer(p, p)) <= half
    mask[tokens] = True
    mask[:, tokens] = True
    return mask


def mask_by_loops(n, half, tokens):
    mask = np.empty((n, n), dtype=int)
    for p in range(n):
        for j in range(n):
            mask[p, j] = abs(p - j) <= half or p in list(tokens) or j in list(tokens)
    return mask


def mask_from_the_library(n, half, tokens):
    return longformer(half, tokens.tolist()).mask(n)


def mask_by_bands(n, half, tokens):
    mask = np.tri(n, k=half) - np.tri(n, k=-half - 1)
    sees = np.isin(np.arange(n), tokens)
    return (mask > 0) | sees | sees[:, None]


def mask_no_rows(n, half, tokens):
    p = np.arange(n)
    mask = abs(p[:, None] - p) <= half
    mask[:, tokens] = True
    return mask


def mask_no_columns(n, half, tokens):
    p = np.arange(n)
    mask = abs(p[:, None] - p) <= half
    mask[tokens] = True
    return mask


def mask_by_ix(n, half, tokens):
    p = np.arange(n)
    mask = abs(p[:, None] - p) <= half
    mask[np.ix_(tokens, tokens)] = True
    return mask


def mask_window_alone(n, half, tokens):
    return abs(np.subtract.outer(np.arange(n), np.arange(n))) <= half


def mask_globals_alone(n, half, tokens):
    sees = np.isin(np.arange(n), tokens)
    return sees | sees[:, None]


def mask_looks_back(n, half, tokens):
    mask = (np.tri(n) - np.tri(n, k=-half - 1)) > 0
    mask[tokens] = mask[:, tokens] = True
    return mask


def mask_by_slices(n, half, tokens):
    mask = np.zeros((n, n), dtype=bool)
    for p in range(n):
        mask[p, max(0, p - half) : p + half] = True
    mask[tokens] = mask[:, tokens] = True
    return mask


def mask_too_narrow(n, half, tokens):
    p = np.arange(n)
    mask = abs(p[:, None] - p) < half
    mask[tokens] = mask[:, tokens] = True
    return mask


def mask_half_of_half(n, half, tokens):
    return mask_by_rows_and_columns(n, half // 2, tokens)


def mask_upside_down(n, half, tokens):
    return ~mask_by_rows_and_columns(n, half, tokens)


def mask_first_tokens(n, half, tokens):
    return mask_by_rows_and_columns(n, half, slice(len(tokens)))


# ---- heard_of ---------------------------------------------------------------------------------


def heard_by_products(mask, layers):
    step = mask | np.eye(len(mask), dtype=bool)
    known = np.eye(len(mask), dtype=bool)
    for _ in range(layers):
        known = known @ step  # of bools: or of ands
    return known


def heard_by_power(mask, layers):
    step = mask.astype(np.int64) + np.eye(len(mask), dtype=np.int64)
    return np.linalg.matrix_power(step, layers) > 0


def heard_by_search(mask, layers):
    n = len(mask)
    out = np.zeros((n, n))
    for i in range(n):
        edge = {i}
        out[i, i] = 1
        for _ in range(layers):
            edge = {j for p in edge for j in range(n) if mask[p, j] and not out[i, j]}
            out[i, list(edge)] = 1
    return out


def heard_forgets_itself(mask, layers):
    return np.linalg.matrix_power(mask.astype(int), layers) > 0


def heard_paths(mask, layers):
    return np.linalg.matrix_power(mask + np.eye(len(mask)), layers)


def heard_paths_forgets(mask, layers):
    return np.linalg.matrix_power(mask.astype(int), layers)


def heard_one_more(mask, layers):
    return heard_by_power(mask, layers + 1)


def heard_one_less(mask, layers):
    return heard_by_power(mask, max(0, layers - 1))


def heard_turned(mask, layers):
    return heard_by_power(mask.T, layers)


def heard_once(mask, layers):
    return mask | np.eye(len(mask), dtype=bool)


def heard_entrywise(mask, layers):
    return mask.astype(int) ** max(layers, 1) > 0


def heard_squares(mask, layers):
    known = heard_by_power(mask, min(layers, 1))
    for _ in range(layers - 1):
        known = known @ known
    return known


def heard_counts(mask, layers):
    return heard_by_power(mask, layers).sum(axis=1)


def heard_in_place(mask, layers):
    np.fill_diagonal(mask, True)
    return heard_by_power(mask, layers)


# ---- weight_by_distance -----------------------------------------------------------------------


def weight_by_convolution(windows):
    share = np.ones(1)
    for w in windows:
        share = np.convolve(share, np.ones(w + 1) / (w + 1))
    return share


def weight_by_polynomial(windows):
    found = np.polynomial.Polynomial([1.0])
    for w in windows:
        found = found * np.polynomial.Polynomial(np.full(w + 1, 1 / (w + 1)))
    return found.coef


def weight_by_matrix(windows):
    n = sum(windows) + 1
    back = np.subtract.outer(np.arange(n), np.arange(n))
    last = np.zeros(n)
    last[-1] = 1.0
    for w in windows:
        last = last @ ((back >= 0) & (back <= w)) / (w + 1)
    return last[::-1]


def weight_one_layer(windows):
    return weight_by_convolution(windows[:1])


def weight_even(windows):
    n = sum(windows) + 1
    return np.ones(n) / n


def weight_ways(windows):
    share = np.ones(1)
    for w in windows:
        share = np.convolve(share, np.ones(w + 1))
    return share


def weight_without_itself(windows):
    share = np.ones(1)
    for w in windows:
        if w:
            share = np.convolve(share, np.concatenate([[0.0], np.ones(w) / w]))
    return share


def weight_short_window(windows):
    return weight_by_convolution([max(w - 1, 0) for w in windows])


def weight_wrong_share(windows):
    share = np.ones(1)
    for w in windows:
        share = np.convolve(share, np.ones(w + 1) / max(w, 1))
    return share


def weight_not_the_last(windows):
    return weight_by_convolution(windows[:-1])


def weight_not_the_first(windows):
    return weight_by_convolution(windows[1:])


def weight_one_window(windows):
    return weight_by_convolution([windows[0] for _ in windows])


def weight_both_sides(windows):
    return weight_by_convolution([2 * w for w in windows])


def weight_summed(windows):
    return np.cumsum(weight_by_convolution(windows))


def weight_squared(windows):
    share = weight_by_convolution(windows[:1])
    for _ in range(len(windows) - 1):
        share = np.convolve(share, share)
    return share


# ---- blocks_visited ---------------------------------------------------------------------------


def blocks_by_slices(mask, size):
    found = [
        mask[a : a + size, b : b + size].any()
        for a in range(0, mask.shape[0], size)
        for b in range(0, mask.shape[1], size)
    ]
    return sum(found) / len(found)


def blocks_by_padding(mask, size):
    up = [(0, -n % size) for n in mask.shape]
    full = np.pad(mask, up)
    rows, cols = full.shape[0] // size, full.shape[1] // size
    return full.reshape(rows, size, cols, size).any(axis=(1, 3)).mean()


def blocks_by_pairs(mask, size):
    p, j = np.nonzero(mask)
    blocks = -(-mask.shape[0] // size) * -(-mask.shape[1] // size)
    return len(set(zip(p // size, j // size, strict=True))) / blocks


def blocks_pairs(mask, size):
    return mask.mean()


def blocks_all(mask, size):
    found = [
        mask[a : a + size, b : b + size].all()
        for a in range(0, mask.shape[0], size)
        for b in range(0, mask.shape[1], size)
    ]
    return np.mean(found)


def blocks_cut(mask, size):
    rows, cols = mask.shape[0] // size, mask.shape[1] // size
    if not rows * cols:
        return 0.0
    part = mask[: rows * size, : cols * size]
    return part.reshape(rows, size, cols, size).any(axis=(1, 3)).mean()


def blocks_number(mask, size):
    p, j = np.nonzero(mask)
    return len(set(zip(p // size, j // size, strict=True)))


def blocks_skipped(mask, size):
    return 1 - blocks_by_slices(mask, size)


def blocks_by_area(mask, size):
    return blocks_number(mask, size) * size**2 / mask.size


def blocks_square(mask, size):
    return blocks_number(mask, size) / (-(-len(mask) // size)) ** 2


def blocks_over_pairs(mask, size):
    return blocks_number(mask, size) / mask.size


RIGHT = {
    "longformer_mask": [
        mask_by_rows_and_columns,
        mask_by_loops,
        mask_from_the_library,
        mask_by_bands,
    ],
    "heard_of": [heard_by_products, heard_by_power, heard_by_search],
    "weight_by_distance": [weight_by_convolution, weight_by_polynomial, weight_by_matrix],
    "blocks_visited": [blocks_by_slices, blocks_by_padding, blocks_by_pairs],
}

WRONG = {
    "longformer_mask": [
        (mask_no_rows, "their *rows* are missing"),
        (mask_no_columns, "their *columns* are missing"),
        (mask_by_ix, "sees the other global tokens only"),
        (mask_window_alone, "global tokens are missing"),
        (mask_globals_alone, "window is missing"),
        (mask_looks_back, "looks back only"),
        (mask_by_slices, "a slice leaves out its last place"),
        (mask_too_narrow, "a distance of exactly `half` is allowed"),
        (mask_half_of_half, "counts the neighbors on *each* side"),
        (mask_upside_down, "upside down"),
        (mask_first_tokens, "`tokens` says which"),
    ],
    "heard_of": [
        (heard_forgets_itself, "You lose what a token knew already."),
        (heard_paths, "You return numbers of paths"),
        (heard_paths_forgets, "and you return numbers of paths"),
        (heard_one_more, "one layer too many"),
        (heard_one_less, "one layer too few"),
        (heard_turned, "You return the transpose"),
        (heard_once, "what is seen in one layer"),
        (heard_entrywise, "You return the mask itself"),
        (heard_squares, "so the layers double"),
        (heard_counts, "Which ones is asked"),
        (heard_in_place, "you changed the caller's array: `mask`"),
    ],
    "weight_by_distance": [
        (weight_one_layer, "even weights of the first layer"),
        (weight_even, "evenly over the whole reach"),
        (weight_ways, "you return the number of ways"),
        (weight_wrong_share, "You divide by the window"),
        (weight_without_itself, "leave the token itself out"),
        (weight_short_window, "ends one token too early"),
        (weight_not_the_last, "last layer is missing"),
        (weight_not_the_first, "first layer is missing"),
        (weight_one_window, "Each layer has its own"),
        (weight_both_sides, "looks to both sides"),
        (weight_summed, "sum of the weights so far"),
        (weight_squared, "so the layers double"),
    ],
    "blocks_visited": [
        (blocks_pairs, "share of allowed *pairs*"),
        (blocks_all, "in which *all* pairs are allowed"),
        (blocks_cut, "leave out the last blocks"),
        (blocks_number, "how many blocks are visited"),
        (blocks_skipped, "share that is *skipped*"),
        (blocks_by_area, "a fraction where the last blocks are smaller"),
        (blocks_square, "There may be more keys than queries"),
        (blocks_over_pairs, "Divide by the number of blocks"),
    ],
}


def test_a_right_answer_passes(exercise, right_answer):
    result = check(exercise, right_answer, show=False)
    assert result.passed, result.message


def test_a_wrong_answer_is_told_what_is_wrong(exercise, wrong_answer, words):
    result = check(exercise, wrong_answer, show=False)
    assert not result.passed
    assert words in " ".join(result.message.split())
