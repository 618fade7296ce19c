"""Attention itself: operations, and bytes moved.

    FLOPs = 2 · B · H · (allowed pairs) · (d_k + d_v)

For n queries, n keys, d_k = d_v = D and no mask this is the usual 4·B·H·N²·D (Dao, 2023,
FlashAttention-2, section 4.1). A product of matrices (m × k)(k × n) takes 2·m·k·n: multiplications
and additions count one each. What is of lower order (softmax, norms, biases) is not counted, as
PyTorch's counter does not.
"""

from .._arrays import check_count, check_switch
from ..masks import check_window
from .caches import cache_bytes


def allowed_pairs(n_q, n_k, *, causal=False, window=None):
    """Count the pairs that may attend: ``p - left <= j <= p + right``, where ``p = i + n_k - n_q``.

    Parameters
    ----------
    n_q, n_k : int, >= 0
        Numbers of queries and of keys.
    causal, window
        As for `attention`.

    Returns
    -------
    int
        Number of pairs.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is negative.

    References
    ----------
    Beltagy, Peters and Cohan (2020), section 3.1, for the window.

    Examples
    --------
    >>> allowed_pairs(2, 5), allowed_pairs(2, 5, causal=True), allowed_pairs(4, 4, window=(1, 0))
    (10, 9, 7)
    """
    n_q, n_k = check_count("n_q", n_q), check_count("n_k", n_k)
    left, right = (None, None) if window is None else check_window(window)
    if check_switch("causal", causal):
        right = 0
    pairs = 0
    for position in range(n_k - n_q, n_k):
        first = 0 if left is None else max(0, position - left)
        last = n_k - 1 if right is None else min(n_k - 1, position + right)
        pairs += max(0, last - first + 1)
    return pairs


def attention_flops(
    n_q, n_k, d_k, d_v=None, *, num_heads=1, batch=1, causal=False, window=None, pairs=None
):
    """Operations of the two matrix products, q k^T and weights times v.

    ``2 * batch * num_heads * pairs * (d_k + d_v)``, where pairs is n_q n_k, or the number of pairs
    that causal and window allow, or what is given. Softmax, of order pairs, is not counted.

    Parameters
    ----------
    n_q, n_k : int, >= 0
        Numbers of queries and of keys, per head.
    d_k, d_v : int, >= 1
        Widths of a key and of a value, per head; d_v is d_k if not given.
    num_heads, batch : int, >= 1
        Query heads and sequences. Grouped queries share memory, not operations.
    causal, window
        Count the pairs that these allow, and no others.
    pairs : int, >= 0, optional
        Pairs that are visited, per head, for any other pattern: block-sparse attention visits
        whole blocks, top-k attention scores every key and reads k values.

    Returns
    -------
    int
        Floating-point operations of the forward pass; a backward pass takes 2.5 times as many
        if it computes the scores again, as FlashAttention does.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small, or pairs come with causal or window.

    References
    ----------
    Dao (2023), "FlashAttention-2", section 4.1.

    Examples
    --------
    >>> attention_flops(1024, 1024, 64) == 4 * 1024**2 * 64
    True
    >>> attention_flops(2, 5, 1, causal=True)  # 4 + 5 pairs, 4 operations each
    36
    """
    d_k = check_count("d_k", d_k, least=1)
    d_v = d_k if d_v is None else check_count("d_v", d_v, least=1)
    heads = check_count("num_heads", num_heads, least=1) * check_count("batch", batch, least=1)
    allowed = allowed_pairs(n_q, n_k, causal=causal, window=window)
    if pairs is not None:
        if causal or window is not None:
            raise ValueError("pairs says what is visited; leave causal and window out")
        allowed = check_count("pairs", pairs)
    return 2 * heads * allowed * (d_k + d_v)


def naive_traffic(n_q, n_k, d_k, d_v=None, *, num_heads=1, batch=1, bytes_per_number=2):
    """Bytes read and written by attention in three passes, with the n_q × n_k matrix in memory.

    ``q k^T`` reads q and k and writes S; softmax reads S and writes P; ``P v`` reads P and v and
    writes the output: ``B H [n_q d_k + n_k d_k + 4 n_q n_k + n_k d_v + n_q d_v] bytes``.

    Parameters
    ----------
    n_q, n_k : int, >= 0
        Numbers of queries and of keys.
    d_k, d_v : int, >= 1
        Widths of a key and a value, per head; d_v is d_k if not given.
    num_heads, batch, bytes_per_number : int, >= 1
        Heads (each with its own keys), sequences, and bytes of a number.

    Returns
    -------
    int
        Bytes, if each pass reads and writes each of its arrays once.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small.

    References
    ----------
    Dao et al. (2022), "FlashAttention", section 2.2, algorithm 0.

    Examples
    --------
    >>> round(naive_traffic(4096, 4096, 64) / flash_traffic(4096, 4096, 64, block_q=128))
    4
    """
    n_q, n_k, d_k, d_v, factor = _sizes(n_q, n_k, d_k, d_v, num_heads, batch, bytes_per_number)
    return factor * ((n_q + n_k) * (d_k + d_v) + 4 * n_q * n_k)


def flash_traffic(
    n_q, n_k, d_k, d_v=None, *, block_q=128, num_heads=1, batch=1, bytes_per_number=2
):
    """Bytes read and written by tiled attention, forward: keys and values once for each query tile.

    ``B H [n_q d_k + ⌈n_q / block_q⌉ n_k (d_k + d_v) + n_q d_v] bytes``, and 4 bytes for the
    log-sum-exp of each query. No matrix of n_q × n_k numbers is read or written.

    Parameters
    ----------
    n_q, n_k : int, >= 0
        Numbers of queries and of keys.
    d_k, d_v : int, >= 1
        Widths of a key and a value, per head; d_v is d_k if not given.
    block_q : int, >= 1
        Queries of a tile, which stay on the chip while all keys go by.
    num_heads, batch, bytes_per_number : int, >= 1
        As for `naive_traffic`.

    Returns
    -------
    int
        Bytes, if no tile of keys is found in a cache.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small.

    References
    ----------
    Dao (2023), "FlashAttention-2", section 3.1: the order of loops. Dao et al. (2022), theorem 2,
    for the order of growth.

    Examples
    --------
    >>> flash_traffic(256, 256, 64, block_q=256, bytes_per_number=1) == 4 * 256 * 64 + 4 * 256
    True
    """
    block_q, heads = check_count("block_q", block_q, least=1), num_heads
    n_q, n_k, d_k, d_v, factor = _sizes(n_q, n_k, d_k, d_v, heads, batch, bytes_per_number)
    tiles = -(-n_q // block_q)
    return factor * (n_q * (d_k + d_v) + tiles * n_k * (d_k + d_v)) + 4 * batch * heads * n_q


def decode_traffic(n, num_heads, num_kv_heads, d_k, d_v=None, *, batch=1, bytes_per_number=2):
    """Bytes read and written to look up one token among n: the cache, the queries, the outputs.

    Parameters
    ----------
    n : int, >= 0
        Tokens in the cache of each sequence.
    num_heads, num_kv_heads : int, >= 1
        Query heads, and key and value heads.
    d_k, d_v : int, >= 1
        Widths of a key and a value, per head; d_v is d_k if not given.
    batch, bytes_per_number : int, >= 1
        Sequences, and bytes of a number.

    Returns
    -------
    int
        Bytes. Divide `attention_flops(1, n, d_k, d_v, num_heads=...)` by them for the operations
        per byte: about 2 H / (H_kv bytes_per_number), whatever n is.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small, or the heads do not divide.

    References
    ----------
    Shazeer (2019), "Fast transformer decoding", section 2.3.

    Examples
    --------
    >>> from attnbook.costs import attention_flops
    >>> [round(attention_flops(1, 8192, 128, num_heads=32) / decode_traffic(8192, 32, h, 128), 1)
    ...  for h in (32, 8, 1)]
    [1.0, 4.0, 31.9]
    """
    heads = check_count("num_heads", num_heads, least=1)
    check_count("num_kv_heads", num_kv_heads, least=1)
    if heads % num_kv_heads:
        raise ValueError(
            f"{heads} query heads cannot share {num_kv_heads} key/value heads evenly; the first "
            "number must be a multiple of the second"
        )
    kept = cache_bytes(n, num_kv_heads, d_k, d_v, batch=batch, bytes_per_number=bytes_per_number)
    return kept + cache_bytes(1, heads, d_k, d_v, batch=batch, bytes_per_number=bytes_per_number)


def _sizes(n_q, n_k, d_k, d_v, num_heads, batch, bytes_per_number):
    d_k = check_count("d_k", d_k, least=1)
    d_v = d_k if d_v is None else check_count("d_v", d_v, least=1)
    factor = check_count("num_heads", num_heads, least=1) * check_count("batch", batch, least=1)
    factor *= check_count("bytes_per_number", bytes_per_number, least=1)
    return check_count("n_q", n_q), check_count("n_k", n_k), d_k, d_v, factor
