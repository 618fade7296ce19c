"""Additive attention: the score is a small network, not a dot product.

    s_ij = w · tanh(q_i W_q + k_j W_k)        out_i = Σ_j softmax(s_i)_j v_j

Bahdanau, Cho and Bengio (2015), section 3.1 and appendix A.1.2: the first attention of neural
translation. Queries and keys may have different widths. k_j W_k is the same for every query, so a
decoder computes it once for a sentence. The sum of every query with every key is an array
(n_q, n_k, d_hidden): d_hidden times the memory of a dot product's scores.
"""

from math import nan

from ._arrays import check_count, check_switch, namespace, split_finite
from ._torch import check_mask, check_tensors, sums_dtype, torch
from .distributions import softmax, weighted_mean


def additive_scores(q, k, w_q, w_k, w):
    r"""``s_ij = w · tanh(q_i W_q + k_j W_k)``.

    Parameters
    ----------
    q : tensor, shape (..., n_q, d_query), floating
        Queries.
    k : tensor, shape (..., n_k, d_key), floating
        Keys, with the same leading axes.
    w_q : tensor, shape (d_query, d_hidden)
        W_q; the paper's W_a, transposed.
    w_k : tensor, shape (d_key, d_hidden)
        W_k; the paper's U_a, transposed.
    w : tensor, shape (d_hidden,)
        w; the paper's v_a, which is no value here.

    Returns
    -------
    tensor, shape (..., n_q, n_k), the dtype of the inputs, in nats
        From -Σ|w| to Σ|w|, as tanh is between -1 and 1. The scores of a query or key with a NaN or
        an inf are NaN.

    Raises
    ------
    TypeError
        If the tensors are not floating, or not of one dtype on one device.
    ValueError
        If the shapes do not fit.

    References
    ----------
    Bahdanau, Cho and Bengio (2015), "Neural machine translation by jointly learning to align and
    translate", appendix A.1.2.

    Examples
    --------
    >>> q, k = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0, 0.0], [1.0, -1.0]])
    >>> additive_scores(q, k, torch.ones(1, 3), torch.ones(2, 3), torch.ones(3))
    tensor([[0.0000, 0.0000],
            [2.2848, 2.2848]])
    """
    check_tensors(q=q, k=k, w_q=w_q, w_k=w_k, w=w)
    came = f"w_q {tuple(w_q.shape)}, w_k {tuple(w_k.shape)}, w {tuple(w.shape)}"
    if not (w_q.ndim == w_k.ndim == 2 and w.ndim == 1):
        raise ValueError(
            "w_q, w_k and w must be (d_query, d_hidden), (d_key, d_hidden) and (d_hidden,); "
            f"got {came}"
        )
    if not w_q.shape[1] == w_k.shape[1] == w.shape[0] >= 1:
        raise ValueError(f"w_q, w_k and w must have one d_hidden >= 1; got {came}")
    for name, x, weight in (("q", q, w_q), ("k", k, w_k)):
        if x.ndim < 2 or x.shape[-1] != weight.shape[0]:
            raise ValueError(
                f"{name} has shape {tuple(x.shape)}; with w_{name} of shape {tuple(weight.shape)} "
                f"it must be (..., n, {weight.shape[0]})"
            )
    if q.shape[:-2] != k.shape[:-2]:
        raise ValueError(
            f"q and k must have the same leading axes; got q {tuple(q.shape)}, k {tuple(k.shape)}"
        )
    return _scores(_project(q, w_q), _project(k, w_k), w).to(q.dtype)


class AdditiveAttention(torch.nn.Module):
    """``softmax(w · tanh(q W_q + k W_k)) v``, with learned W_q, W_k and w.

    Parameters
    ----------
    d_query, d_key, d_hidden : int, >= 1
        Widths of a query, of a key, and of the layer that adds them.
    dtype, device : optional
        Of the weights.

    Attributes
    ----------
    w_q : Parameter, shape (d_query, d_hidden)
    w_k : Parameter, shape (d_key, d_hidden)
    w : Parameter, shape (d_hidden,)
        Each starts uniform between -1/√n and 1/√n, n being the length of a column.

    Raises
    ------
    TypeError, ValueError
        If a width is not an integer, or is less than 1.

    References
    ----------
    Bahdanau, Cho and Bengio (2015), section 3.1 and appendix A.1.2.

    Examples
    --------
    A decoder that asks one question after another projects the keys once:

    >>> attention = AdditiveAttention(d_query=4, d_key=6, d_hidden=8)
    >>> words, meanings = torch.randn(1, 5, 6), torch.randn(1, 5, 3)
    >>> keys = attention.project_keys(words)
    >>> questions = torch.randn(1, 2, 4)
    >>> steps = [attention.read(questions[:, t : t + 1], keys, meanings) for t in range(2)]
    >>> torch.allclose(torch.cat(steps, 1), attention(questions, words, meanings), atol=1e-6)
    True
    """

    def __init__(self, d_query, d_key, d_hidden, *, dtype=None, device=None):
        super().__init__()
        self.d_query = check_count("d_query", d_query, least=1)
        self.d_key = check_count("d_key", d_key, least=1)
        self.d_hidden = check_count("d_hidden", d_hidden, least=1)

        def start(*shape):
            bound = shape[0] ** -0.5
            weight = torch.empty(shape, dtype=dtype, device=device)
            return torch.nn.Parameter(torch.nn.init.uniform_(weight, -bound, bound))

        self.w_q = start(d_query, d_hidden)
        self.w_k = start(d_key, d_hidden)
        self.w = start(d_hidden)

    def forward(self, q, k, v, *, mask=None, return_weights=False):
        """Look up each query among the keys; return the mean of the values.

        Parameters
        ----------
        q : tensor, shape (B, n_q, d_query)
            Queries.
        k : tensor, shape (B, n_k, d_key)
            Keys.
        v : tensor, shape (B, n_k, d_v)
            Values.
        mask : bool tensor, broadcasts to (B, n_q, n_k), optional
            True = may attend. What lies in a masked key or value, NaN too, reaches neither the
            output nor any gradient.
        return_weights : bool
            Return the weights as well.

        Returns
        -------
        out : tensor, shape (B, n_q, d_v), the dtype of the inputs
            0 for a query that may attend to nothing.
        weights : tensor, shape (B, n_q, n_k); only if ``return_weights``
            Each row sums to 1, or is all zeros.

        Raises
        ------
        TypeError, ValueError
            If dtypes or shapes do not fit.
        """
        return self.read(q, self.project_keys(k), v, mask=mask, return_weights=return_weights)

    def project_keys(self, k):
        """Return k W_k, (B, n_k, d_hidden) in float32 or better, for `read`."""
        check_tensors(k=k, w_k=self.w_k)
        _check_shape("k", k, "(B, n_k, d_key)", self.d_key)
        return _project(k, self.w_k)

    def read(self, q, projected_keys, v, *, mask=None, return_weights=False):
        """Do the same as `forward`, with ``project_keys(k)`` in the place of the keys."""
        check_tensors(q=q, v=v, w_q=self.w_q)
        check_tensors(projected_keys=projected_keys)
        _check_shape("q", q, "(B, n_q, d_query)", self.d_query)
        _check_shape("projected_keys", projected_keys, "(B, n_k, d_hidden)", self.d_hidden)
        if v.ndim != 3 or v.shape[:2] != projected_keys.shape[:2] or len(q) != len(v):
            raise ValueError(
                f"there must be one value (B, n_k, d_v) for each key, and one B; got v "
                f"{tuple(v.shape)}, q {tuple(q.shape)}, keys {tuple(projected_keys.shape)}"
            )
        if mask is not None:
            check_mask(mask, (*q.shape[:2], v.shape[1]))
        check_switch("return_weights", return_weights)
        weights = softmax(_scores(_project(q, self.w_q), projected_keys, self.w), mask=mask)
        out = weighted_mean(namespace(v=v), weights, v.to(weights.dtype)).to(v.dtype)
        return (out, weights.to(v.dtype)) if return_weights else out

    def extra_repr(self):
        """Say what is inside, when printed."""
        return f"d_query={self.d_query}, d_key={self.d_key}, d_hidden={self.d_hidden}"


def _project(x, weight):
    """Return ``x @ weight`` in float32 or better; NaN for a row of x that is not finite.

    By `where`, not by the product: what is masked later then leaves no trace in the gradient.
    """
    x, weight = x.to(sums_dtype(x.dtype)), weight.to(sums_dtype(weight.dtype))
    x, whole = split_finite(namespace(x=x), x)
    return torch.where(whole[..., None], x @ weight, nan)


def _scores(projected_q, projected_k, w):
    """Return ``w · tanh(q' + k')`` for projected queries and keys: (..., n_q, n_k)."""
    xp = namespace(projected_q=projected_q)
    (q, q_whole), (k, k_whole) = split_finite(xp, projected_q), split_finite(xp, projected_k)
    s = torch.tanh(q[..., :, None, :] + k[..., None, :, :]) @ w.to(q.dtype)
    return torch.where(q_whole[..., :, None] & k_whole[..., None, :], s, nan)


def _check_shape(name, x, form, width):
    if x.ndim != 3 or x.shape[-1] != width:
        raise ValueError(
            f"{name} has shape {tuple(x.shape)}; it must be {form}, the last axis {width}"
        )
