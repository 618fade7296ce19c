"""Exercise `weights`: each query's weights are exp(s_j) / Σ_i exp(s_i), over its own row."""

import numpy as np

from ..core import Case, Exercise, Mistake
from ._softmax import OVERFLOW, QUERIES_NOT_KEYS, row, softmax


def weights(scores):
    """Turn each row of scores, one for each query, into weights that sum to one."""
    return np.array([row(each) for each in scores])


def _cases(rng):
    return [
        Case((np.array([[0.0, 1.0]]),), "one query"),
        Case((np.array([[1.0, 0.0], [0.0, 3.0]]),), "two queries, two keys"),
        Case((np.array([[1.0, 2.0, 0.0], [0.0, 0.5, -1.0]]),), "two queries, three keys"),
        Case((np.array([[5.0, 5.0, 5.0]]),), "equal scores"),
        Case((np.array([[2, 0], [1, 3]]),), "scores that are whole numbers"),
        Case((np.array([[1, 2, 3]]),), "scores that are whole numbers"),
        Case((rng.normal(size=(4, 4)),)),
        Case((rng.normal(size=(7, 3)),)),
        Case((rng.normal(size=(3, 7)) - 2,)),
        Case((np.array([[1000.0, 999.0], [0.0, 1.0]]),), "scores of a thousand"),
        Case((np.array([[-1000.0, -999.0], [-2000.0, -2001.0]]),), "scores far below zero"),
        Case((np.array([[800.0, 799.0], [-800.0, -799.0]]),), "rows at very different heights"),
    ]


def _truncated(scores):
    out = np.zeros_like(scores)
    for i, each in enumerate(scores):
        out[i] = row(each)
    return out


def _without_keepdims(scores):
    powers = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1)


def _shift_by_row_sum_by_column(scores):
    powers = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    return powers / powers.sum(axis=0)


def _one_shift(scores):
    powers = np.exp(scores - np.max(scores))
    return powers / powers.sum(axis=-1, keepdims=True)


_MISTAKES = (
    Mistake(QUERIES_NOT_KEYS, lambda scores: softmax(scores, axis=0)),
    Mistake(QUERIES_NOT_KEYS, _shift_by_row_sum_by_column),
    Mistake(QUERIES_NOT_KEYS, lambda scores: softmax(scores, axis=0, stable=False)),
    Mistake(
        "You divide by the total of the whole matrix. Each query spreads its own weight: divide "
        "each row by the total of that row.",
        lambda scores: np.exp(scores) / np.exp(scores).sum(),
    ),
    Mistake(
        "You divide by the total of the whole matrix. Each query spreads its own weight: divide "
        "each row by the total of that row.",
        lambda scores: np.exp(scores - np.max(scores)) / np.exp(scores - np.max(scores)).sum(),
    ),
    Mistake(OVERFLOW, lambda scores: softmax(scores, stable=False)),
    Mistake(
        "You subtract the greatest score of the whole matrix. A row far below it then becomes "
        "0/0, which is NaN in row {row}. Subtract the greatest score of each row: axis=-1, "
        "keepdims=True.",
        _one_shift,
    ),
    Mistake(
        "The totals of the rows are divided into the columns: sum(axis=-1) has lost an axis. Write "
        "sum(axis=-1, keepdims=True).",
        _without_keepdims,
    ),
    Mistake(
        "You divide the scores by their sum, without the exponential. Negative scores then give "
        "negative weights.",
        lambda scores: scores / scores.sum(axis=-1, keepdims=True),
    ),
    Mistake(
        "You do not divide by the sum, so a row does not sum to one.",
        lambda scores: np.exp(scores),
    ),
    Mistake(
        "You do not divide by the sum, so a row does not sum to one.",
        lambda scores: np.exp(scores - np.max(scores, axis=-1, keepdims=True)),
    ),
    Mistake(
        "You give the whole weight to the best score. That is the hard lookup; a soft one gives "
        "every key a share.",
        lambda scores: np.eye(scores.shape[-1])[scores.argmax(axis=-1)],
    ),
    Mistake(
        "Your result has the whole-number dtype of the scores, so all weights are cut off to 0 or "
        "1. Make it with np.zeros(scores.shape).",
        _truncated,
    ),
    Mistake(
        "You divide by the root of the sum of squares. Weights must *sum* to one.",
        lambda scores: np.exp(scores) / np.linalg.norm(np.exp(scores), axis=-1, keepdims=True),
    ),
    Mistake(
        "You take the exponential of minus the scores: the worst key wins.",
        lambda scores: softmax(-scores),
    ),
)

EXERCISE = Exercise("weights", weights, _cases, _MISTAKES)
