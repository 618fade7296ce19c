"""What attention costs, counted: operations, parameters, bytes kept and bytes moved.

Every such number in the book comes from here, and each is tested against a count made another way:
what PyTorch's operation counter sees, what a layer allocates, what a loop reads and writes, what
processes send. Plain arithmetic on whole numbers: nothing is computed, nothing is allocated.
"""

from .caches import cache_bytes, linear_state_bytes, paged_cache_bytes, ring_bytes_sent
from .core import allowed_pairs, attention_flops, decode_traffic, flash_traffic, naive_traffic
from .latent import latent_cache_bytes, latent_flops, latent_parameters
from .others import (
    additive_flops,
    additive_parameters,
    content_addressing_flops,
    delta_rule_flops,
    linear_attention_flops,
    position_parameters,
)
from .projections import (
    bilinear_parameters,
    multi_head_flops,
    multi_head_parameters,
    projection_parameters,
)

__all__ = [
    "additive_flops",
    "additive_parameters",
    "allowed_pairs",
    "attention_flops",
    "bilinear_parameters",
    "cache_bytes",
    "content_addressing_flops",
    "decode_traffic",
    "delta_rule_flops",
    "flash_traffic",
    "latent_cache_bytes",
    "latent_flops",
    "latent_parameters",
    "linear_attention_flops",
    "linear_state_bytes",
    "multi_head_flops",
    "multi_head_parameters",
    "naive_traffic",
    "paged_cache_bytes",
    "position_parameters",
    "projection_parameters",
    "ring_bytes_sent",
]
