"""Exercises of the chapter *FlashAttention*: a softmax in one pass, in tiles, and its gradient."""

from . import add_tile, attention_backward, bytes_moved, merge, online_logsumexp

EXERCISES = (
    online_logsumexp.EXERCISE,
    add_tile.EXERCISE,
    merge.EXERCISE,
    attention_backward.EXERCISE,
    bytes_moved.EXERCISE,
)
