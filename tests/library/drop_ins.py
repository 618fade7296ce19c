"""Every version of attention that takes the reference's arguments, under one name each.

`test_drop_ins.py` holds all of them against the same oracle. A function here has the signature of
`attnbook.attention` for tensors (B, H, N, D); what it cannot do by its nature is named in `LACKS`.
"""

from functools import partial

from paged_adapter import paged_drop_in

from attnbook import attention
from attnbook.flash import flash_attention
from attnbook.ring import ring_attention
from attnbook.sparse import block_sparse_attention

DROP_INS = {
    "attention": attention,
    "flash": flash_attention,
    "flash, blocks of 8": partial(flash_attention, block_size=8),
    "block-sparse": block_sparse_attention,
    "block-sparse, blocks of 8": partial(block_sparse_attention, block_size=8),
    "ring of one": ring_attention,
    "paged": paged_drop_in,
    "paged, blocks of 16": partial(paged_drop_in, block_size=16),
}

LACKS: dict[str, set[str]] = {  # of "mask", "bias", "gradient"
    "ring of one": {"mask", "bias"},
    "paged": {"mask", "bias", "gradient"},
    "paged, blocks of 16": {"mask", "bias", "gradient"},
}


def those_with(*features):
    """The names of those that have all these features."""
    return [name for name in DROP_INS if not LACKS.get(name, set()) & set(features)]
