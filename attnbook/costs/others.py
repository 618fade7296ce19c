"""The other mechanisms: additive and linear attention, memories read by content, positions.

    linear attention, one position:  write k v^T, read q S:  4 · d_k · d_v operations

Katharopoulos et al. (2020), section 3.4. As everywhere in these files, products of matrices are
counted, and what is of lower order is not.
"""

from .._arrays import check_choice, check_count
from .core import attention_flops


def additive_parameters(d_query, d_key, d_hidden):
    """Parameters of `AdditiveAttention`: ``d_hidden (d_query + d_key + 1)``.

    Parameters
    ----------
    d_query, d_key, d_hidden : int, >= 1
        Widths of a query, of a key, and of the layer that adds them.

    Returns
    -------
    int
        Number of parameters of W_q, W_k and w.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small.

    References
    ----------
    Bahdanau, Cho and Bengio (2015), appendix A.1.2.

    Examples
    --------
    >>> additive_parameters(4, 6, 8)
    88
    """
    widths = {"d_query": d_query, "d_key": d_key, "d_hidden": d_hidden}
    d_query, d_key, d_hidden = (check_count(name, w, least=1) for name, w in widths.items())
    return d_hidden * (d_query + d_key + 1)


def additive_flops(n_q, n_k, d_query, d_key, d_hidden, d_v, *, batch=1):
    """Operations of additive attention: ``2 B [n_q d_query h + n_k d_key h + n_q n_k (h + d_v)]``.

    Parameters
    ----------
    n_q, n_k : int, >= 0
        Numbers of queries and of keys.
    d_query, d_key, d_hidden, d_v : int, >= 1
        Widths of a query, a key, the hidden layer h and a value.
    batch : int, >= 1
        Sequences.

    Returns
    -------
    int
        Operations of the products; the n_q n_k h additions and hyperbolic tangents are not counted.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small.

    References
    ----------
    Bahdanau, Cho and Bengio (2015), appendix A.1.2.

    Examples
    --------
    >>> additive_flops(1, 1, 2, 3, 4, 5)
    58
    """
    n_q, n_k = check_count("n_q", n_q), check_count("n_k", n_k)
    widths = {"d_query": d_query, "d_key": d_key, "d_hidden": d_hidden, "d_v": d_v, "batch": batch}
    d_query, d_key, hidden, d_v, batch = (check_count(k, w, least=1) for k, w in widths.items())
    products = n_q * d_query * hidden + n_k * d_key * hidden + n_q * n_k * (hidden + d_v)
    return 2 * batch * products


def linear_attention_flops(
    n, d_k, d_v=None, *, num_heads=1, batch=1, form="recurrent", chunk_size=64
):
    """Operations of causal linear attention over n positions, in each of its three forms.

    ==============  ======================================================================
    ``recurrent``   ``4 n d_k d_v``: write one outer product, read one row, at each step
    ``parallel``    ``2 n² (d_k + d_v)``: all pairs, as in softmax attention
    ``chunked``     for a chunk of c positions ``2 c² (d_k + d_v) + 4 c d_k d_v``
    ==============  ======================================================================

    Parameters
    ----------
    n : int, >= 0
        Number of positions.
    d_k, d_v : int, >= 1
        Widths of a key *after the feature map*, and of a value; d_v is d_k if not given.
    num_heads, batch : int, >= 1
        Heads and sequences.
    form : {"recurrent", "parallel", "chunked"}
        Which form to count.
    chunk_size : int, >= 1
        For the chunked form.

    Returns
    -------
    int
        Floating-point operations; the normalizer and the feature map are of lower order.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small, or the form is unknown.

    References
    ----------
    Katharopoulos et al. (2020), section 3.2, for the parallel and the recurrent form.

    Examples
    --------
    >>> sizes = dict(d_k=64, d_v=64)
    >>> [linear_attention_flops(4096, **sizes, form=f) // 10**6
    ...  for f in ("recurrent", "chunked", "parallel")]
    [67, 134, 4294]
    """
    n, d_k = check_count("n", n), check_count("d_k", d_k, least=1)
    d_v = d_k if d_v is None else check_count("d_v", d_v, least=1)
    heads = check_count("num_heads", num_heads, least=1) * check_count("batch", batch, least=1)
    check_choice("form", form, ("recurrent", "parallel", "chunked"))
    chunk = check_count("chunk_size", chunk_size, least=1)
    if form == "recurrent":
        return heads * 4 * n * d_k * d_v
    if form == "parallel":
        return heads * 2 * n * n * (d_k + d_v)
    return heads * (2 * _squares(n, chunk) * (d_k + d_v) + 4 * n * d_k * d_v)


def delta_rule_flops(n, d_k, d_v=None, *, num_heads=1, batch=1, form="recurrent", chunk_size=64):
    """Operations of the delta rule over n positions: ``6 n d_k d_v``, and what chunks add.

    At each step it reads what is stored under the key, writes the difference, reads for the query.
    A chunk of c positions adds ``2 c² (2 d_k + d_v)`` for the products among them, and ``c² d_v``
    for the triangular system, which PyTorch's counter leaves out.

    Parameters
    ----------
    n : int, >= 0
        Number of positions.
    d_k, d_v : int, >= 1
        Widths of a key and of a value; d_v is d_k if not given.
    num_heads, batch : int, >= 1
        Heads and sequences.
    form : {"recurrent", "chunked"}
        Which form to count.
    chunk_size : int, >= 1
        For the chunked form.

    Returns
    -------
    int
        Floating-point operations.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small, or the form is unknown.

    References
    ----------
    Schlag, Irie and Schmidhuber (2021), section 4; chunks: Yang et al. (2024).

    Examples
    --------
    >>> delta_rule_flops(4096, 64) / linear_attention_flops(4096, 64)
    1.5
    """
    n, d_k = check_count("n", n), check_count("d_k", d_k, least=1)
    d_v = d_k if d_v is None else check_count("d_v", d_v, least=1)
    heads = check_count("num_heads", num_heads, least=1) * check_count("batch", batch, least=1)
    check_choice("form", form, ("recurrent", "chunked"))
    chunk = check_count("chunk_size", chunk_size, least=1)
    steps = 6 * n * d_k * d_v
    if form == "recurrent":
        return heads * steps
    return heads * (steps + _squares(n, chunk) * (2 * (2 * d_k + d_v) + d_v))


def content_addressing_flops(n, width, *, heads=1, batch=1):
    """Operations of one content-based read of a memory: ``2 n width`` for scores, and for reading.

    Also of one modern Hopfield update (n patterns), and of one exact search with its soft lookup,
    except that the latter reads only the top k.

    Parameters
    ----------
    n : int, >= 0
        Rows of the memory.
    width : int, >= 1
        Width of a row, which is both key and value.
    heads, batch : int, >= 1
        Read heads and memories.

    Returns
    -------
    int
        Floating-point operations; norms, softmax and the shift are of lower order.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small.

    References
    ----------
    Graves, Wayne and Danihelka (2014), sections 3.1 and 3.3.1.

    Examples
    --------
    >>> content_addressing_flops(128, 20)
    10240
    """
    n, width = check_count("n", n), check_count("width", width, least=1)
    heads = check_count("heads", heads, least=1)
    return attention_flops(1, n, width, num_heads=heads, batch=batch)


def position_parameters(
    kind, *, d_model=None, max_positions=None, num_heads=None, num_buckets=None
):
    """Parameters of a way to tell positions: a row for each position, or a number for each bucket.

    Parameters
    ----------
    kind : {"sinusoidal", "rope", "alibi", "learned", "relative"}
        The first three learn nothing.
    d_model, max_positions : int, >= 1
        For "learned": one vector for each position.
    num_heads, num_buckets : int, >= 1
        For "relative": one number for each head and bucket of offsets.

    Returns
    -------
    int
        Number of parameters.

    Raises
    ------
    TypeError, ValueError
        If the kind is unknown, or a number that it needs is not an integer, or is too small.

    References
    ----------
    Learned: Gehring et al. (2017), section 3.1. Relative: Raffel et al. (2020), section 2.1.

    Examples
    --------
    >>> position_parameters("learned", d_model=64, max_positions=512)
    32768
    >>> position_parameters("rope")
    0
    """
    check_choice("kind", kind, ("sinusoidal", "rope", "alibi", "learned", "relative"))
    if kind == "learned":
        return check_count("d_model", d_model, least=1) * check_count(
            "max_positions", max_positions, least=1
        )
    if kind == "relative":
        return check_count("num_heads", num_heads, least=1) * check_count(
            "num_buckets", num_buckets, least=1
        )
    return 0


def _squares(n, chunk):
    """Return the pairs within chunks: c² for each whole one, and those of the rest."""
    whole, rest = divmod(n, chunk)
    return whole * chunk**2 + rest**2
