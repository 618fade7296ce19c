"""Exercises of the chapter *Masking*: empty rows, positions, polarity, and who influences whom."""

from . import blocked, causal_at, influence_of, masked_softmax

EXERCISES = (
    masked_softmax.EXERCISE,
    causal_at.EXERCISE,
    blocked.EXERCISE,
    influence_of.EXERCISE,
)
