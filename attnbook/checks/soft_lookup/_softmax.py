"""What the exercises on softmax share: a plain right one, one to spoil, and words for mistakes."""

import numpy as np


def row(scores):
    """Softmax of one row, in the plainest way that does not overflow."""
    powers = [np.exp(s - max(scores)) for s in scores]
    return np.array([p / sum(powers) for p in powers])


def softmax(s, axis=-1, stable=True):
    """Softmax for the wrong functions, which spoil it in their own ways."""
    shift = np.max(s, axis=axis, keepdims=True) if stable else 0.0
    shift = np.where(np.isinf(shift), 0.0, shift)
    powers = np.exp(s - shift)
    return powers / powers.sum(axis=axis, keepdims=True)


QUERIES_NOT_KEYS = (
    "Your weights sum to one over the queries, not over the keys: the softmax must run along the "
    "last axis (axis=-1), so that each row sums to one."
)
OVERFLOW = (
    "Large scores overflow: exp of more than 709 is infinite, and inf/inf is NaN. Subtract the "
    "greatest score of each row first; the weights stay the same."
)
