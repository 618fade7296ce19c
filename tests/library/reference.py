"""The oracle: attention in NumPy float64, written apart from the library."""

import numpy as np


def attention_reference(q, k, v, mask=True, bias=0.0, scale=None):
    """Return the output and the log-sum-exp; a row without allowed keys gives 0 and -inf."""
    q, k, v = (np.asarray(x, dtype=np.float64) for x in (q, k, v))
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    s = np.where(mask, np.einsum("...id,...jd->...ij", q, k) * scale + bias, -np.inf)
    lse = np.logaddexp.reduce(s, axis=-1)
    weights = np.exp(s - np.where(lse == -np.inf, 0.0, lse)[..., None])
    return np.einsum("...ij,...jd->...id", weights, v), lse


def allowed_pairs(n_q, n_k, causal=False, window=(None, None)):
    """The mask of the conventions, one pair at a time: query i stands at i + n_k - n_q."""
    left, right = window
    mask = np.zeros((n_q, n_k), dtype=bool)
    for i in range(n_q):
        for j in range(n_k):
            ahead = j - (i + n_k - n_q)
            mask[i, j] = (
                not (causal and ahead > 0)
                and not (left is not None and ahead < -left)
                and not (right is not None and ahead > right)
            )
    return mask
