"""Exercise `soft_lookup`: softmax(Q K^T / √d_k) V over the keys that a mask allows."""

import numpy as np

from ..core import Case, Exercise, Mistake
from ._softmax import OVERFLOW, QUERIES_NOT_KEYS, row, softmax


def soft_lookup(queries, keys, values, mask):
    """Average the values under softmax(q·k / √d_k), over the keys that the mask allows."""
    out = np.zeros((len(queries), values.shape[1]))
    for i, query in enumerate(queries):
        allowed = [j for j in range(len(keys)) if mask[i, j]]
        if allowed:
            scores = [query @ keys[j] / np.sqrt(len(query)) for j in allowed]
            out[i] = sum(a * values[j] for a, j in zip(row(scores), allowed, strict=True))
    return out


def _cases(rng):
    def drawn(n_q, n_k, d_k, d_v, allowed=1.0, size=1.0):
        mask = rng.random((n_q, n_k)) < allowed
        mask[:, 0] = True
        q, k = size * rng.normal(size=(n_q, d_k)), rng.normal(size=(n_k, d_k))
        return q.round(1), k.round(1), rng.normal(size=(n_k, d_v)).round(1), mask

    some = drawn(3, 4, 2, 2)
    nothing = np.array([[True, False], [False, False]])
    return [
        Case((*(np.array([[x]]) for x in (1.0, 2.0, 5.0)), np.array([[True]])), "a single entry"),
        Case((*drawn(1, 2, 4, 1)[:3], np.array([[True, True]])), "one query"),
        Case(drawn(2, 2, 2, 1)),
        Case(drawn(2, 3, 4, 2)),
        Case(
            (*drawn(2, 3, 4, 1)[:3], np.array([[True, False, True], [True, True, False]])), "a mask"
        ),
        Case((*drawn(2, 2, 4, 1)[:3], nothing), "row 1 has nothing to attend to"),
        Case(
            (*some[:3], np.array([[True] * 4, [False] * 4, [True, False] * 2])),
            "row 1 has nothing to attend to",
        ),
        Case(drawn(5, 5, 3, 5)),
        Case(drawn(4, 6, 9, 3, allowed=0.6), "a mask"),
        Case(drawn(6, 3, 16, 2)),
        Case(drawn(7, 11, 5, 4, allowed=0.5), "a mask"),
        Case(drawn(2, 3, 4, 1, size=4000.0), "scores of thousands"),
        Case(drawn(3, 5, 6, 2, size=9000.0), "scores of thousands"),
    ]


def _soft(score=lambda q, k: q @ k.T / np.sqrt(q.shape[1]), forbid=None, share=None, read=None):
    """Return a soft lookup that scores, masks, shares or reads in another way."""

    def forbidden(s, mask):
        return np.where(mask, s, -np.inf)

    def shared(s, mask):
        top = np.where(np.isfinite(s.max(axis=-1, keepdims=True)), s.max(axis=-1, keepdims=True), 0)
        powers = np.exp(s - top)
        total = powers.sum(axis=-1, keepdims=True)
        return powers / np.where(total == 0, 1, total)

    def wrong(queries, keys, values, mask):
        s = (forbid or forbidden)(score(queries, keys), mask)
        a = (share or shared)(s, mask)
        return read(a, queries, keys, values) if read else a @ values

    return wrong


def _nan_share(s, mask):
    powers = np.exp(s - s.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _nan_safe(a):
    return np.where(np.isfinite(a), a, 0.0)


def _unstable(s, mask):
    total = np.exp(s).sum(axis=-1, keepdims=True)
    return np.exp(s) / np.where(total == 0, 1, total)


def _best_only(s, mask):
    return np.eye(s.shape[-1])[s.argmax(axis=-1)] * mask


def _over_queries(s, mask):
    return _nan_safe(softmax(s, axis=0))


_NO_NAN = (
    "Row {row} has nothing to attend to and gave NaN: its scores are all -inf, and 0/0 is NaN. "
    "Such a row should be 0. Guard the maximum and the sum."
)
_MISTAKES = (
    Mistake(QUERIES_NOT_KEYS, _soft(share=_over_queries)),
    Mistake(QUERIES_NOT_KEYS, _soft(share=lambda s, mask: softmax(s, axis=0))),
    Mistake("The scores are not divided by √d_k.", _soft(score=lambda q, k: q @ k.T)),
    Mistake(
        "The scores are divided by d_k. Divide by its square root, √d_k.",
        _soft(score=lambda q, k: q @ k.T / q.shape[1]),
    ),
    Mistake(
        "The scores are multiplied by √d_k. Divide by it.",
        _soft(score=lambda q, k: q @ k.T * np.sqrt(q.shape[1])),
    ),
    Mistake(
        "The scores are divided by the root of the number of keys. d_k is their width: "
        "keys.shape[1].",
        _soft(score=lambda q, k: q @ k.T / np.sqrt(len(k))),
    ),
    Mistake(
        "Queries and keys are made unit vectors first, so the score is the cosine. It should be "
        "the dot product over √d_k.",
        _soft(
            score=lambda q, k: _nan_safe(
                (q / np.linalg.norm(q, axis=1, keepdims=True))
                @ (k / np.linalg.norm(k, axis=1, keepdims=True)).T
            )
        ),
    ),
    Mistake("The mask is not used.", _soft(forbid=lambda s, mask: s)),
    Mistake(
        "The mask is the wrong way round: True means that a key *may* be looked at.",
        _soft(forbid=lambda s, mask: np.where(mask, -np.inf, s)),
    ),
    Mistake(
        "The mask is the wrong way round: True means that a key *may* be looked at.",
        _soft(forbid=lambda s, mask: np.where(mask, -np.inf, s), share=_nan_share),
    ),
    Mistake(
        "Masked scores become 0, and a score of 0 still gets weight: e⁰ = 1. Make them -inf.",
        _soft(forbid=lambda s, mask: s * mask),
    ),
    Mistake(
        "You take away masked weights after the softmax, so the rest no longer sums to one. Mask "
        "the scores before the softmax.",
        _soft(forbid=lambda s, mask: s, share=lambda s, mask: softmax(s) * mask),
    ),
    Mistake(_NO_NAN, _soft(share=_nan_share)),
    Mistake(
        "Row {row} has nothing to attend to and gave a mean of the values: masked by a large "
        "negative number, its scores are all equal. Mask by -inf, and make such a row 0.",
        _soft(forbid=lambda s, mask: np.where(mask, s, -1e9)),
    ),
    Mistake(OVERFLOW, _soft(share=_unstable)),
    Mistake(
        OVERFLOW + " And a row with nothing to attend to should be 0: yours is 0/0.",
        _soft(share=lambda s, mask: np.exp(s) / np.exp(s).sum(axis=-1, keepdims=True)),
    ),
    Mistake(
        "You return the value of the best key: a hard lookup. A soft one averages all values.",
        _soft(share=_best_only),
    ),
    Mistake(
        "You return the weights. Multiply them with the values: weights @ values.",
        _soft(read=lambda a, queries, keys, values: a),
    ),
    Mistake(
        "You average the keys. Keys are for finding; average the values.",
        _soft(read=lambda a, queries, keys, values: a @ keys),
    ),
    Mistake(
        "There is no softmax: you multiply the scores with the values.",
        _soft(forbid=lambda s, mask: s * mask, share=lambda s, mask: s),
    ),
    Mistake(
        "The weights of a row do not sum to one: divide the exponentials by their sum.",
        _soft(share=lambda s, mask: np.exp(s)),
    ),
    Mistake(
        "The weights of the whole matrix sum to one. Each row should: sum along axis=-1.",
        _soft(share=lambda s, mask: np.exp(s - s.max()) / np.exp(s - s.max()).sum()),
    ),
)

EXERCISE = Exercise("soft_lookup", soft_lookup, _cases, _MISTAKES)
