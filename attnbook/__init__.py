"""attnbook: the library of *Attention: from dictionary lookup to FlashAttention*.

What is named here needs NumPy alone, and takes NumPy, PyTorch, JAX and array-api-strict arrays
alike. All else is imported from its module; each module is one idea.

======================================  =====================================================
`lookup`, `distributions`, `kernels`    one soft lookup; softmax and entropy; regression
`attention`, `masks`, `patterns`        the reference; who may look at whom
`leaks`                                 who does, found by changing one position at a time
`online`, `flash`                       softmax in portions; attention in tiles
`flash_triton`, `flash_kernels`         the same on a GPU
`layers`, `latent`, `additive`          learned projections around it, three kinds
`seq2seq`                               a translator, with a lookup or without
`positions`, `position_bias`            where in the sequence
`cache`, `paged`, `paged_attention`     what generation keeps, in one piece or in blocks
`block_mask`, `sparse`, `top_k`         looking at some keys only
`linear`, `delta`                       a state in place of the keys
`ring`                                  many machines
`addressing`, `hopfield`                memories before and beside attention
`memory`, `tasks`                       a list of sentences as the memory; stories to train on
`indexes`, `retrieval`                  a store that does not fit in memory
`costs`                                 operations, parameters, bytes
`checks`                                graders of the exercises, which name the mistake
======================================  =====================================================
"""

from .attention import attention, attention_weights
from .costs import attention_flops, bilinear_parameters, projection_parameters
from .distributions import entropy, logsumexp, softmax, softmax_jacobian
from .kernels import kernel_regression
from .lookup import hard_lookup, scores, soft_lookup
from .masks import causal_mask, padding_mask, window_mask

__all__ = [
    "attention",
    "attention_flops",
    "attention_weights",
    "bilinear_parameters",
    "causal_mask",
    "entropy",
    "hard_lookup",
    "kernel_regression",
    "logsumexp",
    "padding_mask",
    "projection_parameters",
    "scores",
    "soft_lookup",
    "softmax",
    "softmax_jacobian",
    "window_mask",
]

__version__ = "0.1.0"
