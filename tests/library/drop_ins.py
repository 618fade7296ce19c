"""Every version of attention that takes the reference's arguments, under one name each.

`test_drop_ins.py` holds all of them against the same oracle. A function here has the signature of
`attnbook.attention` for tensors (B, H, N, D); what it cannot do by its nature is named in `LACKS`.
"""

from attnbook import attention

DROP_INS = {"attention": attention}

LACKS: dict[str, set[str]] = {}  # of "bias", "gradient", "nothing to see", ...
