"""What attention costs: operations and parameters, counted.

    FLOPs = 2 · B · H · (allowed pairs) · (d_k + d_v)

One multiplication and one addition count as two operations. For n queries, n keys, d_k = d_v = D
and no mask this is the usual 4·B·H·N²·D (Dao, 2023, FlashAttention-2, section 4.1).
"""

from ._arrays import check_count


def attention_flops(n_q, n_k, d_k, d_v=None, *, num_heads=1, batch=1, causal=False):
    """Operations of the two matrix products, q k^T and weights times v.

    ``2 * batch * num_heads * pairs * (d_k + d_v)``, where pairs is n_q n_k, or under a causal
    mask the number of pairs with j <= i + n_k - n_q. Softmax, of order pairs, is not counted.

    Parameters
    ----------
    n_q, n_k : int, >= 0
        Numbers of queries and of keys, per head.
    d_k, d_v : int, >= 1
        Widths of a key and of a value, per head; d_v is d_k if not given.
    num_heads, batch : int, >= 1
        Query heads and sequences. Grouped queries share memory, not operations.
    causal : bool
        Count the pairs that a causal mask allows, and no others.

    Returns
    -------
    int
        Floating-point operations of the forward pass; a backward pass takes 2.5 times as many
        if it computes the scores again, as FlashAttention does.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small.

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
    n_q, n_k = check_count("n_q", n_q), check_count("n_k", n_k)
    d_k = check_count("d_k", d_k, least=1)
    d_v = d_k if d_v is None else check_count("d_v", d_v, least=1)
    heads = check_count("num_heads", num_heads, least=1) * check_count("batch", batch, least=1)
    pairs = n_q * n_k
    if causal:
        # The last min(n_q, n_k) queries see n_k, n_k - 1, ... keys; earlier ones see none.
        rows = min(n_q, n_k)
        pairs = rows * n_k - rows * (rows - 1) // 2
    return 2 * heads * pairs * (d_k + d_v)


def projection_parameters(d_model, d_k=None, d_v=None, *, tied_qk=False, tied_kv=False):
    """Parameters of W_Q, W_K and W_V: ``d_model * (d_k + d_k + d_v)``, tied ones counted once.

    Parameters
    ----------
    d_model : int, >= 1
        Width of what is projected.
    d_k, d_v : int, >= 1
        Widths of queries and keys, and of values, all heads together. d_k is d_model and d_v
        is d_k if not given.
    tied_qk : bool
        W_Q = W_K: then the scores are symmetric.
    tied_kv : bool
        W_K = W_V: then one vector is both what is found and what is returned.

    Returns
    -------
    int
        Number of weights; biases and the output projection are not counted.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small, or tied_kv comes with d_k != d_v.

    References
    ----------
    Vaswani et al. (2017), section 3.2.2, for the projections.

    Examples
    --------
    >>> projection_parameters(512, 64)
    98304
    >>> projection_parameters(512, 64, tied_qk=True)
    65536
    """
    d_model = check_count("d_model", d_model, least=1)
    d_k = d_model if d_k is None else check_count("d_k", d_k, least=1)
    d_v = d_k if d_v is None else check_count("d_v", d_v, least=1)
    if tied_kv and d_k != d_v:
        raise ValueError(
            f"tied_kv makes W_K and W_V one matrix, so d_k = {d_k} must equal d_v = {d_v}"
        )
    return d_model * (d_k + (0 if tied_qk else d_k) + (0 if tied_kv else d_v))


def bilinear_parameters(d_model, d_k=None):
    """Parameters of the form x^T M y that scores a pair: ``d_model**2``, or ``2 * d_model * d_k``.

    Queries W_Q^T x and keys W_K^T y have the score x^T (W_Q W_K^T) y: a matrix M of rank d_k at
    most, stored as two factors. That is cheaper than M itself if d_k < d_model / 2.

    Parameters
    ----------
    d_model : int, >= 1
        Width of x and y.
    d_k : int, >= 1, optional
        Width of queries and keys. Without it the full matrix M is counted.

    Returns
    -------
    int
        Number of weights.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small.

    References
    ----------
    The full form: Luong, Pham and Manning (2015), section 3.1 ("general").

    Examples
    --------
    >>> bilinear_parameters(512), bilinear_parameters(512, 64)
    (262144, 65536)
    """
    d_model = check_count("d_model", d_model, least=1)
    if d_k is None:
        return d_model**2
    return 2 * d_model * check_count("d_k", d_k, least=1)
