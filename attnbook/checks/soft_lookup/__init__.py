"""Exercises of the chapter *Soft lookup*: weights that sum to one, and what they average."""

from . import kernel_regression, left_out_error, soft_lookup, weights, weights_of

EXERCISES = (
    weights.EXERCISE,
    soft_lookup.EXERCISE,
    weights_of.EXERCISE,
    kernel_regression.EXERCISE,
    left_out_error.EXERCISE,
)
