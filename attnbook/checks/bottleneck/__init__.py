"""Exercises of the chapter *Bottleneck*: additive attention, what is left of a signal, a gate."""

from . import additive_attention, gate_for, signal_left

EXERCISES = (
    additive_attention.EXERCISE,
    signal_left.EXERCISE,
    gate_for.EXERCISE,
)
