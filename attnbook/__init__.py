"""attnbook: the library of *Attention: from dictionary lookup to FlashAttention*.

What is named here needs NumPy alone, and takes NumPy, PyTorch, JAX and array-api-strict arrays
alike. A module that needs more is imported by its name.
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
