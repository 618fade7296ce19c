"""Projections and the layers made of them: parameters and operations.

    parameters:  d_model · d_head · (H + H) + d_context · d_head · (H_kv + H_kv)

The four terms are W_Q and W_O, W_K and W_V (Vaswani et al., 2017, section 3.2.2; fewer key and
value heads: Shazeer, 2019, and Ainslie et al., 2023). Biases, gates and sinks are added where asked
for. Each weight costs two operations for each position that it is applied to.
"""

from .._arrays import check_choice, check_count, check_heads, check_switch
from .core import attention_flops


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


def multi_head_parameters(
    d_model,
    num_heads,
    *,
    num_kv_heads=None,
    d_head=None,
    d_context=None,
    bias=True,
    gate=None,
    sink=False,
):
    """Parameters of `MultiHeadAttention` with the same arguments.

    ``H d_head (d_model + d_model) + H_kv d_head (d_context + d_context)``, and what is switched on.

    Parameters
    ----------
    d_model, num_heads : int, >= 1
        Width of the layer, and query heads.
    num_kv_heads, d_head, d_context : int, >= 1, optional
        As in the layer: num_heads, d_model / num_heads and d_model if not given.
    bias : bool
        Whether the four projections have biases.
    gate : {None, "head", "element"}
        The output gate: one number for each head, or for each element of each head.
    sink : bool
        Whether each head has a sink, one number.

    Returns
    -------
    int
        Number of parameters.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small, or the gate is unknown.

    References
    ----------
    Vaswani et al. (2017), section 3.2.2; Shazeer (2019) and Ainslie et al. (2023) for num_kv_heads.

    Examples
    --------
    >>> multi_head_parameters(512, 8, bias=False) == 4 * 512**2
    True
    >>> multi_head_parameters(512, 8, num_kv_heads=1, bias=False) / (4 * 512**2)
    0.5625
    """
    d_model = check_count("d_model", d_model, least=1)
    heads, kv_heads, d_head = check_heads(d_model, num_heads, num_kv_heads, d_head)
    d_context = d_model if d_context is None else check_count("d_context", d_context, least=1)
    check_choice("gate", gate, (None, "head", "element"))
    count = 2 * d_model * heads * d_head + 2 * d_context * kv_heads * d_head
    if check_switch("bias", bias):
        count += heads * d_head + 2 * kv_heads * d_head + d_model
    gates = {None: 0, "head": heads, "element": heads * d_head}[gate]
    count += gates * (d_model + bias)
    return count + (heads if check_switch("sink", sink) else 0)


def multi_head_flops(
    n_q,
    n_k,
    d_model,
    num_heads,
    *,
    num_kv_heads=None,
    d_head=None,
    d_context=None,
    gate=None,
    n_projected=None,
    batch=1,
    causal=False,
    window=None,
):
    """Operations of `MultiHeadAttention`: its projections, and the attention between them.

    ``2 B [n_q d_model H d_head · 2 + n_projected d_context H_kv d_head · 2] + attention_flops``

    Parameters
    ----------
    n_q, n_k : int, >= 0
        Numbers of queries and of keys.
    d_model, num_heads, num_kv_heads, d_head, d_context, gate
        As in the layer.
    n_projected : int, >= 0, optional
        Positions whose keys and values are computed, n_k if not given: n_q when the others come
        from a cache, 0 in cross-attention to a context that was projected before.
    batch : int, >= 1
        Sequences.
    causal, window
        As for `attention_flops`.

    Returns
    -------
    int
        Floating-point operations of the forward pass.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small, or the gate is unknown.

    References
    ----------
    Kaplan et al. (2020), "Scaling laws for neural language models", table 1, counts in this way.

    Examples
    --------
    >>> once = multi_head_flops(1, 1000, 512, 8, n_projected=1)
    >>> round(multi_head_flops(1, 1000, 512, 8) / once, 1)  # without a cache
    253.7
    """
    d_model = check_count("d_model", d_model, least=1)
    heads, kv_heads, d_head = check_heads(d_model, num_heads, num_kv_heads, d_head)
    d_context = d_model if d_context is None else check_count("d_context", d_context, least=1)
    check_choice("gate", gate, (None, "head", "element"))
    n_new = n_k if n_projected is None else check_count("n_projected", n_projected)
    gates = {None: 0, "head": heads, "element": heads * d_head}[gate]
    core = attention_flops(
        n_q, n_k, d_head, num_heads=heads, batch=batch, causal=causal, window=window
    )
    projections = n_q * d_model * (2 * heads * d_head + gates)
    return core + 2 * batch * (projections + 2 * n_new * d_context * kv_heads * d_head)
