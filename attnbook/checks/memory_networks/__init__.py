"""Exercises of the chapter *Memory networks*: sentences as vectors, their ages, and hops."""

from . import fact_accuracy, one_hop, read_in_hops, sentence_vector, with_ages

EXERCISES = (
    sentence_vector.EXERCISE,
    with_ages.EXERCISE,
    one_hop.EXERCISE,
    read_in_hops.EXERCISE,
    fact_accuracy.EXERCISE,
)
