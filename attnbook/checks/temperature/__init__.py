"""Exercises of the chapter *Temperature*: scales of scores, and what softmax makes of them."""

from . import scaled_scores, softmax_jacobian, stable_softmax, temperature_for

EXERCISES = (
    scaled_scores.EXERCISE,
    stable_softmax.EXERCISE,
    temperature_for.EXERCISE,
    softmax_jacobian.EXERCISE,
)
