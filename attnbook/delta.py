"""The delta rule: write the difference between the value and what the memory already answers.

    S_t = S_{t-1} + β_t k_t^T (v_t - k_t S_{t-1})        out_t = q_t S_t

(q_t, k_t, v_t are rows; with columns S is transposed.) Linear attention adds v_t to whatever lies
under k_t, so a key that is written twice answers with a sum. The delta rule, of Widrow and Hoff
(1960), corrects the answer: with |k_t| = 1 and β_t = 1 it is v_t. Schlag, Irie and Schmidhuber
(2021), section 4. Chunks at once: Yang et al. (2024), section 3.
"""

from math import nan

from ._arrays import check_choice, check_count, check_switch, namespace, split_finite
from ._torch import check_qkv, check_tensors, sums_dtype, torch
from .linear import sees_broken


def delta_rule(q, k, v, beta, *, form="recurrent", chunk_size=64, state=None, return_state=False):
    r"""``S ← S + β k^T (v - k S)`` for each key in turn; each query reads ``q S``.

    Parameters
    ----------
    q : tensor, shape (B, H, n_q, d_k), floating
        Queries. Query i reads after keys j <= i + n_k - n_q (lower right). There is no scale.
    k : tensor, shape (B, H_kv, n_k, d_k), floating
        Keys, of length 1: ``torch.nn.functional.normalize(k, dim=-1)``. This is not checked. A
        write multiplies what lies along k by ``1 - β |k|²``, so with ``β |k|² > 2`` the memory
        grows without bound. Query head h reads the memory of key head h // (H / H_kv).
    v : tensor, shape (B, H_kv, n_k, d_v), floating
        Values.
    beta : tensor, shape (B, H_kv, n_k), floating
        How much of each difference is written, mostly from 0 (nothing) to 1 (all).
    form : {"recurrent", "chunked"}
        Token by token, or a chunk at a time; the result is the same.
    chunk_size : int, >= 1
        Tokens in a chunk, for the chunked form.
    state : tensor, shape (B, H_kv, d_k, d_v), optional
        What another call returned: its keys come before those of this call.
    return_state : bool
        Return the state after the last key as well.

    Returns
    -------
    out : tensor, shape (B, H, n_q, d_v), the dtype of the inputs
        0 for a query that stands before every key, if there is no state.
    state : tensor, shape (B, H_kv, d_k, d_v); only if ``return_state``
        S, in float32 or better: of one size, whatever the number of tokens.

    Notes
    -----
    A NaN or inf in a key, value or beta reaches the queries after it, and the state, and no others;
    one in a query makes its own output NaN.

    Raises
    ------
    TypeError
        If the tensors are not floating, or not of one dtype on one device.
    ValueError
        If shapes do not fit, that of the state included, or an option is unknown.

    References
    ----------
    Schlag, Irie and Schmidhuber (2021), "Linear transformers are secretly fast weight
    programmers", section 4. Chunked form: Yang et al. (2024), "Parallelizing linear transformers
    with the delta rule over sequence length", section 3.

    Examples
    --------
    >>> k = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])[None, None]  # the first key again
    >>> v = torch.tensor([[10.0], [20.0], [30.0]])[None, None]
    >>> ask = k[:, :, :1]
    >>> delta_rule(ask, k, v, torch.ones(1, 1, 3)).item()  # the newest value
    30.0
    >>> from attnbook.linear import linear_attention
    >>> linear_attention(ask, k, v, feature_map="identity", normalize=False).item()  # the sum
    40.0
    """
    check_qkv(q, k, v)
    check_tensors(q=q, beta=beta)
    if beta.shape != k.shape[:-1]:
        raise ValueError(
            f"beta has shape {tuple(beta.shape)}; with k of shape {tuple(k.shape)} it must be "
            f"{tuple(k.shape[:-1])}"
        )
    check_choice("form", form, ("recurrent", "chunked"))
    chunk_size = check_count("chunk_size", chunk_size, least=1)
    check_switch("return_state", return_state)
    dtype, n_q, n_k = q.dtype, q.shape[-2], k.shape[-2]
    (q, q_whole), (k, k_whole), (v, v_whole), (beta, beta_whole) = (
        split_finite(namespace(x=x), x.to(sums_dtype(dtype))) for x in (q, k, v, beta[..., None])
    )
    broken = ~(k_whole & v_whole & beta_whole)  # (B, H_kv, n_k)
    S = _check_state(state, k, v)[:, :, None]  # (B, H_kv, 1, d_k, d_v): one for the group of heads

    h_kv = k.shape[1]
    q = q.unflatten(1, (h_kv, q.shape[1] // h_kv))  # (B, H_kv, group, n_q, d_k)
    # Zeros in front make both as long: a query of 0 reads nothing, a key of 0 writes nothing.
    q = _pad(q, n_k - n_q)
    k, v, beta = (_pad(x[:, :, None], n_q - n_k) for x in (k, v, beta))
    step, size = (_chunk, chunk_size) if form == "chunked" else (_one_token, 1)
    outs = []
    for part in zip(*(x.split(size, dim=-2) for x in (q, k, v, beta)), strict=True):
        out, S = step(*part, S)
        outs.append(out)
    out = torch.cat(outs, dim=-2)[..., max(0, n_k - n_q) :, :]

    out = out.masked_fill(sees_broken(broken, True, n_q)[:, :, None, :, None], nan)
    out = out.flatten(1, 2).masked_fill(~q_whole[..., None], nan).to(dtype)
    S = S.squeeze(2).masked_fill(broken.any(-1)[..., None, None], nan)
    return (out, S) if return_state else out


def _one_token(q, k, v, beta, S):
    """Write, then read."""
    S = S + k.mT @ (beta * (v - k @ S))
    return q @ S, S


def _chunk(q, k, v, beta, S):
    """Do c tokens at once, from the state before them.

    Let u_i = β_i (v_i - k_i S_{i-1}) be what token i writes, so that S_i = S + Σ_{j<=i} k_j^T u_j.
    Then u_i = β_i (v_i - k_i S) - β_i Σ_{j<i} (k_i · k_j) u_j: a triangular system for all u. This
    sum of c outer products in the place of a product of c matrices is the WY representation.
    """
    overlap = beta * (k @ k.mT)  # (..., c, c); only what is below the diagonal is read
    right = beta * (v - k @ S)
    u = torch.linalg.solve_triangular(overlap, right, upper=False, unitriangular=True)
    return q @ S + (q @ k.mT).tril() @ u, S + k.mT @ u


def _pad(x, number):
    """Put so many rows of 0 in front (none if negative)."""
    return torch.nn.functional.pad(x, (0, 0, max(0, number), 0))


def _check_state(state, k, v):
    """Return the state, or one of zeros if there is none yet."""
    shape = (*k.shape[:2], k.shape[-1], v.shape[-1])
    if state is None:
        return k.new_zeros(shape)
    check_tensors(**{"state": state, "k (in float32 or better)": k})
    if tuple(state.shape) != shape:
        raise ValueError(
            f"state has shape {tuple(state.shape)}; with these keys and values it must be {shape}"
        )
    return state
