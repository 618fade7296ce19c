"""Linear attention: with a product of features in the place of exp(q·k), the sum can be kept.

    out_i = φ(q_i) · Σ_j φ(k_j) v_j^T / φ(q_i) · Σ_j φ(k_j)  =  φ(q_i) S / φ(q_i) · z
    S_t = S_{t-1} + φ(k_t) v_t^T        z_t = z_{t-1} + φ(k_t)

Katharopoulos et al. (2020), sections 3.2 to 3.4. The state (S, z) has one size, whatever the number
of tokens; a KV cache grows. Three forms give the same numbers: *parallel* scores all pairs, as
softmax attention does; *recurrent* writes and reads the state, token by token; *chunked* is
parallel within a chunk and recurrent from chunk to chunk (Hua et al., 2022; Sun et al., 2023).
"""

from math import inf, nan
from typing import NamedTuple

from ._arrays import check_choice, check_count, check_switch, namespace, split_finite
from ._torch import check_qkv, check_tensors, sums_dtype, torch


class LinearState(NamedTuple):
    """What linear attention keeps of all keys and values so far, in float32 or better."""

    S: torch.Tensor  #: Σ φ(k) v^T, shape (B, H_kv, d_phi, d_v)
    z: torch.Tensor  #: Σ φ(k), shape (B, H_kv, d_phi)


def linear_attention(
    q,
    k,
    v,
    *,
    feature_map="elu",
    causal=True,
    normalize=True,
    form="parallel",
    chunk_size=64,
    state=None,
    return_state=False,
):
    r"""``φ(q)·Σ φ(k) v^T / φ(q)·Σ φ(k)``, over the keys up to each query, or over all.

    ==============  =========================================  ====================
    form            operations, causal, n queries and keys     at a time in memory
    ==============  =========================================  ====================
    ``parallel``    2 n² (d_phi + d_v)                         n² weights
    ``recurrent``   4 n d_phi d_v, in n steps                  the state
    ``chunked``     2 n c (d_phi + d_v) + 4 n d_phi d_v,       c² weights, the state
                    in n / c steps, c = chunk_size
    ==============  =========================================  ====================

    Parameters
    ----------
    q : tensor, shape (B, H, n_q, d_k), floating
        Queries. There is no scale: the feature map has the place of ``exp(q·k/√d_k)``.
    k : tensor, shape (B, H_kv, n_k, d_k), floating
        Keys. Query head h uses key head h // (H / H_kv), and these share one state.
    v : tensor, shape (B, H_kv, n_k, d_v), floating
        Values.
    feature_map : {"elu", "relu", "identity"} or function
        φ: ``elu(x) + 1``, as in the paper; ``max(x, 0)``; x itself; or any function from
        (..., d_k) to (..., d_phi). It is called once for q and once for k, in float32 or better.
        Features that are not negative make weights that are not negative. With "identity" the
        weights q·k have any sign and may sum to nearly 0, so that to normalize is to divide by
        nearly 0: take ``normalize=False``.
    causal : bool
        Query i sees keys j <= i + n_k - n_q (lower right). Otherwise it sees all keys, and
        ``recurrent`` and ``chunked`` are both one sum, ``φ(q) (φ(k)^T v)``.
    normalize : bool
        Divide by φ(q)·Σ φ(k).
    form : {"parallel", "recurrent", "chunked"}
        How to compute it.
    chunk_size : int, >= 1
        Tokens in a chunk, for the chunked form.
    state : LinearState, optional
        What another call returned: its keys come before those of this call, and every query
        sees them.
    return_state : bool
        Return the state after the last key as well.

    Returns
    -------
    out : tensor, shape (B, H, n_q, d_v), the dtype of the inputs
        0 where φ(q)·Σ φ(k) is 0: with no key to see, for one.
    state : LinearState; only if ``return_state``
        S (B, H_kv, d_phi, d_v) and z (B, H_kv, d_phi), in float32 or better.

    Notes
    -----
    A NaN or inf in a key or value reaches the queries that see it, and the state, and no others;
    one in a query makes its own output NaN.

    Raises
    ------
    TypeError
        If the tensors are not floating, or not of one dtype on one device.
    ValueError
        If shapes do not fit, those of the state included, or an option is unknown.

    References
    ----------
    Katharopoulos et al. (2020), "Transformers are RNNs", sections 3.2 to 3.4.

    Examples
    --------
    >>> q, k, v = torch.randn(3, 1, 2, 5, 4, dtype=torch.float64)
    >>> out = linear_attention(q, k, v)
    >>> state, steps = None, []
    >>> for t in range(5):
    ...     token = (x[:, :, t : t + 1] for x in (q, k, v))
    ...     step, state = linear_attention(*token, state=state, return_state=True)
    ...     steps.append(step)
    >>> torch.allclose(torch.cat(steps, 2), out)
    True
    >>> tuple(state.S.shape), tuple(state.z.shape)
    ((1, 2, 4, 4), (1, 2, 4))
    """
    check_qkv(q, k, v)
    check_choice("form", form, ("parallel", "recurrent", "chunked"))
    chunk_size = check_count("chunk_size", chunk_size, least=1)
    check_switch("causal", causal)
    check_switch("normalize", normalize)
    check_switch("return_state", return_state)
    dtype, phi = q.dtype, _feature_map(feature_map)
    (q, q_whole), (k, k_whole), (v, v_whole) = (
        split_finite(namespace(x=x), x.to(sums_dtype(dtype))) for x in (q, k, v)
    )
    q, k = _features(phi, "q", q), _features(phi, "k", k)
    S = _join(state, k, v)
    broken = ~(k_whole & v_whole)  # (B, H_kv, n_k)

    # One more value, always 1, has Σ φ(k) as its sum: S and z are one matrix from here on.
    v = torch.cat([v, v.new_ones(*v.shape[:-1], 1)], dim=-1)
    h_kv = k.shape[1]
    q = q.unflatten(1, (h_kv, q.shape[1] // h_kv))  # (B, H_kv, group, n_q, d_phi)
    k, v, S = k[:, :, None], v[:, :, None], S[:, :, None]  # one for the group
    if form == "parallel":
        out, S = _parallel(q, k, v, S, causal)
    elif form == "recurrent":
        out, S = _in_turn(q, k, v, S, causal, 1, _one_token)
    else:
        out, S = _in_turn(q, k, v, S, causal, chunk_size, _parallel)

    out, total = out[..., :-1], out[..., -1:]
    if normalize:
        out = out / total.masked_fill(
            total == 0, inf
        )  # 0, and no gradient, where there is no weight
    out = out.masked_fill(sees_broken(broken, causal, q.shape[-2])[:, :, None, :, None], nan)
    out = out.flatten(1, 2).masked_fill(~q_whole[..., None], nan).to(dtype)
    if not return_state:
        return out
    S = S.squeeze(2).masked_fill(broken.any(-1)[..., None, None], nan)
    return out, LinearState(S[..., :-1], S[..., -1])


def _parallel(q, k, v, S, causal=True):
    """All pairs at once: ``(φ(q) φ(k)^T) v``, and what the state adds."""
    weights = q @ k.mT
    if causal:
        weights = weights.tril(k.shape[-2] - q.shape[-2])  # lower right
    return weights @ v + q @ S, S + k.mT @ v


def _one_token(q, k, v, S):
    """Write, then read: ``S + φ(k) v^T``, and φ(q) times that."""
    S = S + k.mT @ v
    return q @ S, S


def _in_turn(q, k, v, S, causal, size, step):
    """Do ``step`` for so many tokens at a time; the state goes from one step to the next."""
    n_q, n_k = q.shape[-2], k.shape[-2]
    # Keys that every query sees are one sum; queries before the first key read what there is.
    early = max(0, n_k - n_q) if causal else n_k
    alone = n_q - (n_k - early)
    S = S + k[..., :early, :].mT @ v[..., :early, :]
    outs = [q[..., :alone, :] @ S]
    rest = q[..., alone:, :], k[..., early:, :], v[..., early:, :]
    for part in zip(*(x.split(size, dim=-2) for x in rest), strict=True):
        out, S = step(*part, S)
        outs.append(out)
    return torch.cat(outs, dim=-2), S


def positive_random_features(d_k, num_features, *, seed=0):
    r"""Return a feature map with ``φ(q)·φ(k) ≈ exp(q·k/√d_k)``: linear attention near softmax.

    ``φ(x)_i = exp(w_i·y - |y|²/2) / √m`` with ``y = x / d_k^(1/4)`` and random ``w_i ~ N(0, I)``.
    The mean of φ(q)·φ(k) over the draws is exact, and all features are positive. The variance,
    relative to the square of the mean, is ``(exp(|y_q + y_k|²) - 1) / m``: fine for short vectors,
    hopeless for long ones.

    Parameters
    ----------
    d_k : int, >= 1
        Width of queries and keys.
    num_features : int, >= 1
        m, the width of the features. The paper draws them orthogonal to each other, which lowers
        the variance; here they are independent.
    seed : int, >= 0
        The same seed gives the same features.

    Returns
    -------
    function
        From (..., d_k) to (..., num_features), for `linear_attention`.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small.

    References
    ----------
    Choromanski et al. (2021), "Rethinking attention with performers", lemma 1.

    Examples
    --------
    >>> phi = positive_random_features(2, 10_000)
    >>> q, k = torch.tensor([0.6, 0.2]), torch.tensor([0.5, 0.4])
    >>> print(f"{phi(q) @ phi(k):.1f}, {((q @ k) / 2**0.5).exp():.1f}")
    1.3, 1.3
    """
    d_k = check_count("d_k", d_k, least=1)
    num_features = check_count("num_features", num_features, least=1)
    made = torch.Generator().manual_seed(check_count("seed", seed))
    w = torch.randn(d_k, num_features, generator=made, dtype=torch.float64)

    def feature_map(x):
        y = x / d_k**0.25
        half = y.square().sum(-1, keepdim=True) / 2
        return (y @ w.to(y) - half).exp() / num_features**0.5

    return feature_map


def _elu(x):
    """elu(x) + 1, without the cancellation that makes it 0 for x < -17 in float32."""
    return torch.where(x > 0, x + 1, x.clamp(max=0).exp())


_MAPS = {"elu": _elu, "relu": torch.relu, "identity": lambda x: x}


def _feature_map(feature_map):
    if callable(feature_map):
        return feature_map
    if feature_map not in _MAPS:
        known = ", ".join(map(repr, _MAPS))
        raise ValueError(f"feature_map is {feature_map!r}; it must be {known} or a function")
    return _MAPS[feature_map]


def _features(phi, name, x):
    """Return φ(x), after a look at what came out of φ."""
    features = phi(x)
    check_tensors(**{name: x, f"feature_map({name})": features})
    if features.shape[:-1] != x.shape[:-1]:
        raise ValueError(
            "feature_map must go from (..., d_k) to (..., d_phi); it made "
            f"{tuple(features.shape)} of {name} {tuple(x.shape)}"
        )
    return features


def _join(state, k, v):
    """Return S and z as one matrix (B, H_kv, d_phi, d_v + 1); zeros if there is no state yet."""
    shape = (*k.shape[:2], k.shape[-1], v.shape[-1])
    if state is None:
        return k.new_zeros(*shape[:-1], shape[-1] + 1)
    if not isinstance(state, tuple) or len(state) != 2:
        raise TypeError(
            f"state is a {type(state).__name__}; it must be a LinearState, as return_state=True "
            "gives it"
        )
    S, z = state
    check_tensors(**{"state.S": S, "state.z": z, "φ(k)": k})
    if tuple(S.shape) != shape or tuple(z.shape) != shape[:-1]:
        raise ValueError(
            f"state has S {tuple(S.shape)} and z {tuple(z.shape)}; with these keys and values they "
            f"must be {shape} and {shape[:-1]}"
        )
    return torch.cat([S, z[..., None]], dim=-1)


def sees_broken(broken, causal, n_q):
    """Return which queries see a broken key: (B, H_kv, n_k) -> (B, H_kv, n_q)."""
    if not causal:
        return broken.any(-1, keepdim=True).expand(*broken.shape[:2], n_q)
    so_far = broken.cumsum(-1) > 0
    return torch.nn.functional.pad(so_far, (n_q, 0))[..., broken.shape[-1] :]
