"""Exercises of the chapter *Dictionary*: hard lookups."""

from . import exact_match, find, jumps, nearest

EXERCISES = (nearest.EXERCISE, find.EXERCISE, exact_match.EXERCISE, jumps.EXERCISE)
