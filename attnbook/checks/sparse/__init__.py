"""Exercises of the chapter *Sparse attention*: a pattern, its reach, its blocks, its weight."""

from . import blocks_visited, heard_of, longformer_mask, weight_by_distance

EXERCISES = (
    longformer_mask.EXERCISE,
    heard_of.EXERCISE,
    weight_by_distance.EXERCISE,
    blocks_visited.EXERCISE,
)
