"""Bytes that are kept from one token to the next.

    KV cache = layers · B · n · H_kv · (d_k + d_v) · bytes per number

Generation reads the whole cache for each token, so these bytes are also the time of a token on a
machine that is bound by its memory (Shazeer, 2019, section 2.3; Pope et al., 2022, section 2).
"""

from .._arrays import check_count, check_switch


def cache_bytes(n, num_kv_heads, d_k, d_v=None, *, layers=1, batch=1, bytes_per_number=2):
    """Bytes of a KV cache: ``layers B n H_kv (d_k + d_v) bytes_per_number``.

    Parameters
    ----------
    n : int, >= 0
        Tokens that are kept for each sequence; with a window, no more than the window.
    num_kv_heads : int, >= 1
        Key and value heads: H for multi-head, 1 for multi-query, between for grouped-query.
    d_k, d_v : int, >= 1
        Widths of a key and a value, per head; d_v is d_k if not given.
    layers, batch : int, >= 1
        Layers and sequences.
    bytes_per_number : int, >= 1
        2 for float16 and bfloat16, 4 for float32.

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
    Shazeer (2019), "Fast transformer decoding", sections 2.3 and 3.

    Examples
    --------
    >>> cache_bytes(1, 32, 128, layers=32)  # one token of a model of Llama-2-7B's shape: 512 KiB
    524288
    """
    d_k = check_count("d_k", d_k, least=1)
    d_v = d_k if d_v is None else check_count("d_v", d_v, least=1)
    factors = {"num_kv_heads": num_kv_heads, "layers": layers, "batch": batch}
    factors["bytes_per_number"] = bytes_per_number
    total = check_count("n", n) * (d_k + d_v)
    for name, factor in factors.items():
        total *= check_count(name, factor, least=1)
    return total


def paged_cache_bytes(lengths, block_size, num_kv_heads, d_k, d_v=None, *, bytes_per_number=2):
    """Bytes of the blocks that sequences of these lengths hold: whole blocks, so some go unused.

    Parameters
    ----------
    lengths : iterable of int, >= 0
        Tokens of each sequence; nothing is shared.
    block_size : int, >= 1
        Tokens in a block.
    num_kv_heads, d_k, d_v, bytes_per_number
        As for `cache_bytes`.

    Returns
    -------
    held, unused : int
        Bytes of the blocks held, and how many of these hold no token: less than one block for
        each sequence.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small.

    References
    ----------
    Kwon et al. (2023), "Efficient memory management for large language model serving with
    PagedAttention", section 4.

    Examples
    --------
    >>> paged_cache_bytes([1, 16, 17], 16, 1, 1, bytes_per_number=1)
    (128, 60)
    """
    block_size = check_count("block_size", block_size, least=1)
    lengths = [check_count("a length", length) for length in lengths]
    sizes = {"num_kv_heads": num_kv_heads, "d_k": d_k, "d_v": d_v}
    slots = sum(-(-length // block_size) * block_size for length in lengths)
    held, used = (
        cache_bytes(n, **sizes, bytes_per_number=bytes_per_number) for n in (slots, sum(lengths))
    )
    return held, held - used


def linear_state_bytes(
    num_heads, d_k, d_v=None, *, normalizer=True, layers=1, batch=1, bytes_per_number=4
):
    """Bytes of the state of linear attention: ``layers B H d_k (d_v + 1)``, whatever the length.

    Parameters
    ----------
    num_heads, d_k, d_v : int, >= 1
        Heads, the width of a key after the feature map, and of a value (d_k if not given).
    normalizer : bool
        Whether the sum of the keys is kept as well; the delta rule keeps none.
    layers, batch, bytes_per_number : int, >= 1
        As for `cache_bytes`; states are kept in float32 as a rule.

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
    Katharopoulos et al. (2020), section 3.4.

    Examples
    --------
    >>> state = linear_state_bytes(8, 64, bytes_per_number=2)
    >>> state / cache_bytes(1, 8, 64)  # tokens of a KV cache in the same room
    32.5
    """
    d_k = check_count("d_k", d_k, least=1)
    d_v = d_k if d_v is None else check_count("d_v", d_v, least=1)
    factors = {"num_heads": num_heads, "layers": layers, "batch": batch}
    factors["bytes_per_number"] = bytes_per_number
    total = d_k * (d_v + check_switch("normalizer", normalizer))
    for name, factor in factors.items():
        total *= check_count(name, factor, least=1)
    return total


def ring_bytes_sent(
    n,
    world_size,
    num_kv_heads,
    d_k,
    d_v=None,
    *,
    backward=False,
    batch=1,
    bytes_per_number=2,
    bytes_per_gradient=4,
):
    """Bytes that each rank of a ring sends: ``(p - 1)`` times its part of keys and values.

    Backward these are sent again, and ``p`` times a part of their gradients, which come home.

    Parameters
    ----------
    n : int, >= 0
        Keys in all; a multiple of world_size.
    world_size : int, >= 1
        Ranks p in the ring.
    num_kv_heads, d_k, d_v, batch, bytes_per_number
        As for `cache_bytes`.
    backward : bool
        Count the backward pass, in place of the forward pass.
    bytes_per_gradient : int, >= 1
        Gradients travel in float32 or better: 4, or 8 for float64.

    Returns
    -------
    int
        Bytes sent by one rank; the few bytes with which ranks agree on shapes are not counted.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small, or n does not divide.

    References
    ----------
    Liu, Zaharia and Abbeel (2023), "Ring attention", section 3.

    Examples
    --------
    >>> ring_bytes_sent(8192, 4, 8, 64) == 3 * cache_bytes(8192 // 4, 8, 64)
    True
    """
    n, world_size = check_count("n", n), check_count("world_size", world_size, least=1)
    gradient = check_count("bytes_per_gradient", bytes_per_gradient, least=1)
    if n % world_size:
        raise ValueError(f"n = {n} does not divide into {world_size} equal parts")
    sizes = {"num_kv_heads": num_kv_heads, "d_k": d_k, "d_v": d_v, "batch": batch}
    part = cache_bytes(n // world_size, **sizes, bytes_per_number=bytes_per_number)
    if not check_switch("backward", backward):
        return (world_size - 1) * part
    gradients = cache_bytes(n // world_size, **sizes, bytes_per_number=gradient)
    # A ring of one sends nothing: its gradients are home already.
    return (world_size - 1) * part + (world_size * gradients if world_size > 1 else 0)
