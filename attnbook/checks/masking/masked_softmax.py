"""Exercise `masked_softmax`: weights over the allowed keys; 0 in a row that allows none."""

import numpy as np

from ..core import Case, Exercise, Mistake


def masked_softmax(scores, mask):
    """Return the weights, row by row, over the keys that the mask allows."""
    out = np.zeros(np.shape(scores))
    for i, row in enumerate(scores):
        allowed = [j for j in range(len(row)) if mask[i, j]]
        if allowed:
            top = max(row[j] for j in allowed)
            powers = {j: np.exp(row[j] - top) for j in allowed}
            for j, power in powers.items():
                out[i, j] = power / sum(powers.values())
    return out


def _cases(rng):
    def drawn(n_q, n_k, allowed=0.6, size=1.0, empty=()):
        mask = rng.random((n_q, n_k)) < allowed
        mask[np.arange(n_q), rng.integers(n_k, size=n_q)] = True
        mask[list(empty)] = False
        return (size * rng.normal(size=(n_q, n_k))).round(1), mask

    def hidden_peak(n_q, n_k, high):
        scores, mask = drawn(n_q, n_k)
        mask[:, 0], mask[:, 1] = False, True
        scores[:, 0] = high
        return scores, mask

    yes, no = True, False
    return [
        Case((np.array([[1.0, 2.0]]), np.array([[yes, yes]])), "all is allowed"),
        Case((np.array([[1.0, 0.0, 3.0]]), np.array([[yes, yes, no]])), "key 2 is forbidden"),
        Case((np.array([[-1.0, 2.0, 0.5]]), np.array([[no, yes, yes]])), "key 0 is forbidden"),
        Case(drawn(2, 3)),
        Case(drawn(2, 2, empty=[1]), "row 1 allows nothing"),
        Case(drawn(3, 4, empty=[0, 2]), "rows 0 and 2 allow nothing"),
        Case(drawn(4, 4)),
        Case(drawn(3, 6, allowed=0.4)),
        Case(drawn(7, 5)),
        Case(drawn(2, 4, size=4000.0), "scores of thousands"),
        Case(drawn(4, 5, size=4000.0, empty=[3]), "scores of thousands; row 3 allows nothing"),
        Case(hidden_peak(2, 3, 2000.0), "a forbidden score is by far the greatest"),
        Case(hidden_peak(3, 5, 1500.0), "a forbidden score is by far the greatest"),
    ]


def _plain(s, axis=-1):
    powers = np.exp(s - s.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def _guarded(s, axis=-1):
    top = s.max(axis=axis, keepdims=True)
    powers = np.exp(s - np.where(np.isinf(top), 0.0, top))
    total = powers.sum(axis=axis, keepdims=True)
    return powers / np.where(total == 0, 1.0, total)


def _times(scores, mask, guard):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True)) * mask
    total = powers.sum(axis=-1, keepdims=True)
    return powers / (np.where(total == 0, 1.0, total) if guard else total)


def _unstable(scores, mask, guard):
    powers = np.where(mask, np.exp(scores), 0.0)
    total = powers.sum(axis=-1, keepdims=True)
    return powers / (np.where(total == 0, 1.0, total) if guard else total)


_INVERTED = (
    "The mask is inverted: here True means *may attend*, and you give the weight to the keys that "
    "are False."
)
_HIDDEN_TOP = (
    "You subtract the greatest of *all* scores. Where a forbidden one is far above the rest, all "
    "allowed powers become 0. Put -inf into the forbidden places first, then take the maximum."
)
_OVERFLOW = "exp of a large score overflows. Subtract the greatest allowed score of the row first."
_AXIS = "The softmax goes over the queries. Each *row* shares out one unit: axis -1."
_MISTAKES = (
    Mistake(_INVERTED, lambda s, m: _guarded(np.where(m, -np.inf, s))),
    Mistake(
        _INVERTED + " And guard rows that are left without a key.",
        lambda s, m: _plain(np.where(m, -np.inf, s)),
    ),
    Mistake(
        "Row {row} allows nothing and gave NaN: -inf - (-inf) and 0/0 are no numbers. Subtract 0 "
        "where the maximum is -inf, and divide by 1 where the sum is 0.",
        lambda s, m: _plain(np.where(m, s, -np.inf)),
    ),
    Mistake(
        "Row {row} allows nothing, and its weights are even: a large negative number is a score "
        "like any other if there is nothing else. Such a row should be 0.",
        lambda s, m: _plain(np.where(m, s, -1e9)),
    ),
    Mistake(
        "Row {row} allows nothing, and you return the softmax of what is forbidden: adding one "
        "number to all scores of a row changes no weight. Such a row should be 0.",
        lambda s, m: _plain(s + np.where(m, 0.0, -1e7)),
    ),
    Mistake(
        "You set weights to 0 after the softmax. The row no longer sums to one, since forbidden "
        "keys still count in the denominator.",
        lambda s, m: _plain(s) * m,
    ),
    Mistake(
        "You set forbidden scores to 0. A score of 0 is a score like any other, and e^0 = 1: put "
        "-inf there.",
        lambda s, m: _plain(s * m),
    ),
    Mistake(
        "You ignore the mask. A forbidden key gets weight 0, and the others share the row.",
        lambda s, m: _plain(s),
    ),
    Mistake(_HIDDEN_TOP, lambda s, m: _times(s, m, guard=True)),
    Mistake(
        _HIDDEN_TOP + " And 0/0 is NaN: divide by 1 where the sum is 0.",
        lambda s, m: _times(s, m, guard=False),
    ),
    Mistake(_OVERFLOW, lambda s, m: _unstable(s, m, guard=True)),
    Mistake(
        _OVERFLOW + " And a row that allows nothing gives 0/0: divide by 1 where the sum is 0.",
        lambda s, m: _unstable(s, m, guard=False),
    ),
    Mistake(_AXIS, lambda s, m: _guarded(np.where(m, s, -np.inf), axis=0)),
    Mistake(
        _AXIS + " And guard what allows nothing.",
        lambda s, m: _plain(np.where(m, s, -np.inf), axis=0),
    ),
)

EXERCISE = Exercise("masked_softmax", masked_softmax, _cases, _MISTAKES)
