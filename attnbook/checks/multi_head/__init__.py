"""Exercises of the chapter *Multi-head attention*: heads cut and joined, removed, and scored."""

from . import induction_score, multi_head, without_heads

EXERCISES = (multi_head.EXERCISE, without_heads.EXERCISE, induction_score.EXERCISE)
