"""Exercises of the chapter *Soft lookup*: weights that sum to one, and what they average."""

from . import soft_lookup, weights

EXERCISES = (weights.EXERCISE, soft_lookup.EXERCISE)
