"""Exercises of the chapter *Queries, keys, values*: three projections, and what they can say."""

from . import cross_attention, rewritten, right_on_ring, score_parts, which_is_which

EXERCISES = (
    cross_attention.EXERCISE,
    score_parts.EXERCISE,
    right_on_ring.EXERCISE,
    which_is_which.EXERCISE,
    rewritten.EXERCISE,
)
