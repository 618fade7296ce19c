"""Multi-head latent attention: parameters, operations and bytes of cache.

    cached for each token:  d_latent + d_rope numbers, in place of 2 · H · d_head

DeepSeek-AI (2024), "DeepSeek-V2", section 2.1.
"""

from .._arrays import check_count, check_switch
from .caches import cache_bytes
from .core import attention_flops


def latent_parameters(
    d_model, num_heads, *, d_head, d_latent, d_rope, d_v=None, d_query_latent=None
):
    """Parameters of `MultiHeadLatentAttention` with the same arguments.

    Keys and values: ``d_model (d_latent + d_rope) + d_latent H (d_head + d_v)``; queries:
    ``d_model H (d_head + d_rope)``, or through a latent of their own; output ``H d_v d_model``; and
    one scale for each entry of a latent (RMSNorm).

    Parameters
    ----------
    d_model, num_heads : int, >= 1
        Width of the layer, and heads.
    d_head, d_rope : int, >= 1
        Widths of the part of a key without position, and of the part that is rotated.
    d_latent : int, >= 1
        Width of the latent that keys and values are made from.
    d_v : int, >= 1, optional
        Width of a value; d_head if not given.
    d_query_latent : int, >= 1, optional
        Width of the latent that queries are made from; without it they come from the input.

    Returns
    -------
    int
        Number of parameters.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small.

    References
    ----------
    DeepSeek-AI (2024), "DeepSeek-V2", section 2.1.

    Examples
    --------
    >>> latent_parameters(8, 2, d_head=4, d_latent=3, d_rope=2)
    251
    """
    d_model = check_count("d_model", d_model, least=1)
    heads = check_count("num_heads", num_heads, least=1)
    d_head, d_rope = check_count("d_head", d_head, least=1), check_count("d_rope", d_rope, least=1)
    d_latent = check_count("d_latent", d_latent, least=1)
    d_v = d_head if d_v is None else check_count("d_v", d_v, least=1)
    keys_and_values = d_model * (d_latent + d_rope) + d_latent * heads * (d_head + d_v) + d_latent
    width = heads * (d_head + d_rope)
    if d_query_latent is None:
        queries = d_model * width
    else:
        rank = check_count("d_query_latent", d_query_latent, least=1)
        queries = rank * (d_model + width) + rank
    return keys_and_values + queries + heads * d_v * d_model


def latent_flops(
    n_q,
    n_k,
    d_model,
    num_heads,
    *,
    d_head,
    d_latent,
    d_rope,
    d_v=None,
    d_query_latent=None,
    n_projected=None,
    absorbed=False,
    batch=1,
):
    """Operations of `MultiHeadLatentAttention`, plain or absorbed.

    Plain: all n_k latents become keys and values of every head. Absorbed: none does; each query
    becomes d_latent wide instead, and each head reads latents.

    Parameters
    ----------
    n_q, n_k : int, >= 0
        Numbers of queries and of keys.
    d_model, num_heads, d_head, d_latent, d_rope, d_v, d_query_latent
        As in the layer.
    n_projected : int, >= 0, optional
        Positions whose latents are computed, n_k if not given; n_q when the others are cached.
    absorbed : bool
        Count the absorbed form.
    batch : int, >= 1
        Sequences.

    Returns
    -------
    int
        Floating-point operations of the forward pass, without a mask.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small.

    References
    ----------
    DeepSeek-AI (2024), "DeepSeek-V2", section 2.1.

    Examples
    --------
    >>> sizes = dict(d_head=128, d_latent=512, d_rope=64, n_projected=1)
    >>> plain = latent_flops(1, 4096, 5120, 128, **sizes)
    >>> round(plain / latent_flops(1, 4096, 5120, 128, absorbed=True, **sizes), 1)
    86.4
    """
    d_model = check_count("d_model", d_model, least=1)
    heads = check_count("num_heads", num_heads, least=1)
    d_head, d_rope = check_count("d_head", d_head, least=1), check_count("d_rope", d_rope, least=1)
    d_latent = check_count("d_latent", d_latent, least=1)
    d_v = d_head if d_v is None else check_count("d_v", d_v, least=1)
    n_q, n_k = check_count("n_q", n_q), check_count("n_k", n_k)
    n_new = n_k if n_projected is None else check_count("n_projected", n_projected)
    width = heads * (d_head + d_rope)
    if d_query_latent is None:
        queries = d_model * width
    else:
        queries = check_count("d_query_latent", d_query_latent, least=1) * (d_model + width)
    projections = n_q * (queries + heads * d_v * d_model) + n_new * d_model * (d_latent + d_rope)
    up = d_latent * heads * (d_head + d_v)  # W_UK and W_UV, applied to keys, or to queries
    if check_switch("absorbed", absorbed):
        core = attention_flops(n_q, n_k, d_latent + d_rope, d_latent, num_heads=heads, batch=batch)
        return core + 2 * batch * (projections + n_q * up)
    core = attention_flops(n_q, n_k, d_head + d_rope, d_v, num_heads=heads, batch=batch)
    return core + 2 * batch * (projections + n_k * up)


def latent_cache_bytes(n, d_latent, d_rope, *, layers=1, batch=1, bytes_per_number=2):
    """Bytes of the cache of multi-head latent attention: ``layers B n (d_latent + d_rope) bytes``.

    Parameters
    ----------
    n : int, >= 0
        Tokens that are kept for each sequence.
    d_latent, d_rope : int, >= 1
        Widths of the latent and of the rotated key, which all heads share.
    layers, batch, bytes_per_number : int, >= 1
        As for `cache_bytes`.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small.

    References
    ----------
    DeepSeek-AI (2024), "DeepSeek-V2", section 2.1 and table 1.

    Examples
    --------
    >>> heads, latent = cache_bytes(1, 128, 128), latent_cache_bytes(1, 512, 64)
    >>> heads, latent, round(heads / latent)
    (65536, 1152, 57)
    """
    d_latent = check_count("d_latent", d_latent, least=1)
    d_rope = check_count("d_rope", d_rope, least=1)
    return cache_bytes(
        n, 1, d_latent, d_rope, layers=layers, batch=batch, bytes_per_number=bytes_per_number
    )
