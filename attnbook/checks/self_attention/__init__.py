"""Exercises of the chapter *Self-attention*: batches, order, bags and what they cost."""

from . import from_counts, is_equivariant, layer_flops, self_attention

EXERCISES = (
    self_attention.EXERCISE,
    is_equivariant.EXERCISE,
    from_counts.EXERCISE,
    layer_flops.EXERCISE,
)
