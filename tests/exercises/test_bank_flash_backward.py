"""More answers to the exercises of *FlashAttention*: gradients by hand, and bytes."""

import math

import numpy as np

from attnbook.checks import check
from attnbook.costs import flash_traffic, naive_traffic

# ---- attention_backward -----------------------------------------------------------------------


def backward_whole(q, k, v, out, lse, d_out):
    scale = q.shape[1] ** -0.5
    p = np.exp(scale * q @ k.T - lse[:, None])
    d_s = p * (d_out @ v.T - (d_out * out).sum(axis=1, keepdims=True))
    return scale * d_s @ k, scale * d_s.T @ q, p.T @ d_out


def backward_in_tiles(q, k, v, out, lse, d_out):
    scale, block = 1 / math.sqrt(q.shape[1]), 2
    d_q, d_k, d_v = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    delta = np.einsum("nd,nd->n", d_out, out)
    for i in range(0, len(q), block):
        rows = slice(i, i + block)
        for j in range(0, len(k), block):
            keys = slice(j, j + block)
            p = np.exp(q[rows] @ k[keys].T * scale - lse[rows, None])
            d_s = p * (d_out[rows] @ v[keys].T - delta[rows, None])
            d_v[keys] += p.T @ d_out[rows]
            d_q[rows] += scale * (d_s @ k[keys])
            d_k[keys] += scale * (d_s.T @ q[rows])
    return d_q, d_k, d_v


def backward_by_jacobians(q, k, v, out, lse, d_out):
    """A softmax of its own, and its Jacobian, row by row: neither out nor lse is used."""
    root = np.sqrt(q.shape[1])
    d_q, d_k, d_v = [], np.zeros(k.shape), np.zeros(v.shape)
    for query, gradient in zip(q, d_out, strict=True):
        s = k @ query / root
        a = np.exp(s - s.max())
        a /= a.sum()
        d_s = (np.diag(a) - np.outer(a, a)) @ (v @ gradient)
        d_q.append(d_s @ k / root)
        d_k += np.outer(d_s, query) / root
        d_v += np.outer(a, gradient)
    return [np.array(d_q), d_k, d_v]


def spoiled(old, new):
    """The plain answer with one line written otherwise."""
    lines = (
        "def answer(q, k, v, out, lse, d_out):\n"
        "    scale = q.shape[1] ** -0.5\n"
        "    p = np.exp(scale * q @ k.T - lse[:, None])\n"
        "    d_p = d_out @ v.T\n"
        "    delta = (d_out * out).sum(axis=1, keepdims=True)\n"
        "    d_s = p * (d_p - delta)\n"
        "    d_q = scale * d_s @ k\n"
        "    d_k = scale * d_s.T @ q\n"
        "    d_v = p.T @ d_out\n"
        "    return d_q, d_k, d_v\n"
    )
    assert lines.count(old) == 1
    names = {"np": np}
    exec(lines.replace(old, new), names)
    return names["answer"]


# ---- bytes_moved ------------------------------------------------------------------------------


def moved_by_formula(n, d, tiles):
    return 2 * (2 * n * d + np.ceil(n / tiles) * 2 * n * d) + 4 * n


def moved_from_the_library(n, d, tiles):
    return np.array([flash_traffic(n, n, d, block_q=int(block)) for block in tiles])


def moved_by_steps(n, d, tiles):
    counts = np.zeros(len(tiles), dtype=int)
    for which, block in enumerate(tiles):
        at = 0
        while at < n:
            counts[which] += 2 * n * d * 2
            at += block
        counts[which] += n * d * 2 + n * (2 * d + 4)
    return counts


def moved_rounded_down(n, d, tiles):
    return 2 * (2 * n * d + (n // tiles) * 2 * n * d) + 4 * n


def moved_by_fraction(n, d, tiles):
    return 2 * (2 * n * d + n / tiles * 2 * n * d) + 4 * n


def moved_one_too_many(n, d, tiles):
    return 2 * (2 * n * d + (n // tiles + 1) * 2 * n * d) + 4 * n


def moved_once(n, d, tiles):
    return 2 * 4 * n * d + 4 * n + 0 * tiles


def moved_times_tile(n, d, tiles):
    return 4 * n * d + tiles * 4 * n * d + 4 * n


def moved_keys_alone(n, d, tiles):
    return 2 * (2 * n * d + np.ceil(n / tiles) * n * d) + 4 * n


def moved_numbers(n, d, tiles):
    return 2 * n * d + np.ceil(n / tiles) * 2 * n * d + n


def moved_without_sums(n, d, tiles):
    return 2 * (2 * n * d + np.ceil(n / tiles) * 2 * n * d)


def moved_written_out(n, d, tiles):
    return np.array([naive_traffic(n, n, d)] * len(tiles))


def moved_list(n, d, tiles):
    return list(moved_by_formula(n, d, tiles))


RIGHT = {
    "attention_backward": [backward_whole, backward_in_tiles, backward_by_jacobians],
    "bytes_moved": [moved_by_formula, moved_from_the_library, moved_by_steps],
}

WRONG = {
    "attention_backward": [
        (spoiled("(d_p - delta)", "d_p"), "Δ is dropped"),
        (spoiled("(d_p - delta)", "(d_p + delta)"), "Δ is added"),
        (spoiled("p * (d_p - delta)", "p * d_p - delta"), "brackets included"),
        (spoiled("p * (d_p - delta)", "d_p - delta"), "P is dropped"),
        (spoiled("(d_out * out)", "d_p"), "without its weights"),
        (spoiled(", keepdims=True", ""), "Δ runs along the keys"),
        (spoiled("return", "d_q, d_k = d_q / scale, d_k / scale; return"), "missing in dQ and dK"),
        (spoiled("d_q = scale *", "d_q ="), "scale is missing in dQ:"),
        (spoiled("d_k = scale *", "d_k ="), "scale is missing in dK:"),
        (spoiled("(d_p - delta)", "(d_p - delta) * scale"), "scale is applied twice"),
        (spoiled("np.exp(scale *", "np.exp(1 *"), "made again without the scale"),
        (spoiled(" - lse[:, None]", ""), "without the log-sum-exp"),
        (spoiled("d_v = p.T", "d_v = p"), "dV is not transposed"),
        (spoiled("d_v = p.T", "d_v = d_s.T"), "dV is made of dS"),
        (spoiled("d_s.T @ q", "d_s @ q"), "dK is not transposed"),
        (spoiled("d_q, d_k, d_v\n", "d_k, d_q, d_v\n"), "wrong order"),
        (spoiled("d_p = d_out", "d_p = out"), "output in place of its gradient"),
        (spoiled("(d_out * out)", "out.__imul__(d_out)"), "you changed the caller's array: `out`"),
        (spoiled("return d_q, d_k, d_v", "return d_q, d_k"), "should return 3 things"),
    ],
    "bytes_moved": [
        (moved_rounded_down, "number of tiles down"),
        (moved_by_fraction, "number of tiles is a fraction"),
        (moved_one_too_many, "one tile too many"),
        (moved_once, "keys and values once"),
        (moved_times_tile, "multiply by the size of a tile"),
        (moved_keys_alone, "keys or the values, not both"),
        (moved_numbers, "You count numbers"),
        (moved_without_sums, "log-sum-exps are missing"),
        (moved_written_out, "form that is written out"),
        (moved_list, "returns a list"),
    ],
}


def test_a_right_answer_passes(exercise, right_answer):
    result = check(exercise, right_answer, show=False)
    assert result.passed, result.message


def test_a_wrong_answer_is_told_what_is_wrong(exercise, wrong_answer, words):
    result = check(exercise, wrong_answer, show=False)
    assert not result.passed
    assert words in " ".join(result.message.split())
