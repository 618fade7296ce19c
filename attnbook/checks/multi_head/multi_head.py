"""Exercise `multi_head`: [head_1 … head_h] W_O, head_j = softmax(Q_j K_jᵀ / √(d/h)) V_j."""

import numpy as np

from ..core import Case, Exercise, Mistake


def multi_head(x, w_q, w_k, w_v, w_o, h):
    """Return the answers (n, d), one head and one query at a time."""
    n, d = np.shape(x)
    width = d // h
    side_by_side = np.zeros((n, d))
    for j in range(h):
        at = slice(j * width, (j + 1) * width)
        q, k, v = x @ w_q[:, at], x @ w_k[:, at], x @ w_v[:, at]
        for i in range(n):
            scores = np.array([q[i] @ key for key in k]) / np.sqrt(width)
            powers = np.exp(scores - scores.max())
            side_by_side[i, at] = powers @ v / powers.sum()
    return side_by_side @ w_o


def _cases(rng):
    def drawn(n, d, h, spread=1.0):
        x = rng.normal(size=(n, d)).round(1)
        w_q, w_k, w_v, w_o = rng.normal(size=(4, d, d)).round(1)
        return x, w_q * spread, w_k, w_v, w_o, h

    eye = np.eye(2)
    two = np.array([[1.0, 0.0], [0.0, 2.0]])
    return [
        Case((two[:1] + two[1:], eye, eye, eye, eye, 2), "one token, two heads of width 1"),
        Case((two, eye, eye, eye, eye, 1), "one head"),
        Case((two, eye, eye, eye, eye, 2), "two heads of width 1"),
        Case(drawn(1, 4, 2), "one token"),
        Case(drawn(2, 4, 2), "as many tokens as heads"),
        Case(drawn(3, 4, 2)),
        Case(drawn(3, 6, 3), "as many tokens as heads"),
        Case(drawn(4, 6, 2)),
        Case(drawn(5, 8, 4)),
        Case(drawn(6, 12, 3)),
        Case(drawn(4, 8, 8), "heads of width 1"),
        Case(drawn(7, 6, 1), "one head"),
        Case(drawn(4, 8, 2, spread=300.0), "scores of hundreds"),
        Case(drawn(5, 6, 3, spread=600.0), "scores of hundreds"),
    ]


def _softmax(s, axis=-1):
    powers = np.exp(s - s.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def _cut(y, h):
    return y.reshape(len(y), h, -1).transpose(1, 0, 2)


def _join(heads):
    return heads.transpose(1, 0, 2).reshape(heads.shape[1], -1)


def _reshaped(y, h):
    return y.reshape(h, len(y), -1)


def _with(cut=_cut, join=_join, scale=lambda d, h: (d / h) ** 0.5, soften=_softmax, out=np.matmul):
    """Return multi-head attention with one of its steps replaced."""

    def wrong(x, w_q, w_k, w_v, w_o, h):
        q, k, v = (cut(x @ w, h) for w in (w_q, w_k, w_v))
        weights = soften(q @ k.swapaxes(-1, -2) / scale(x.shape[1], h))
        return out(join(weights @ v), w_o)

    return wrong


def _flat(heads):
    return heads.reshape(heads.shape[1], -1)


def _shared(s):
    """One softmax for all heads, of the mean of their scores."""
    return np.broadcast_to(_softmax(s.mean(axis=0)), s.shape)


def _plain(s):
    powers = np.exp(s)
    return powers / powers.sum(axis=-1, keepdims=True)


_MISTAKES = (
    Mistake(
        "You cut into heads by reshape alone: a head then holds pieces of a few tokens. Reshape to "
        "(n, h, d/h), then bring the heads in front with a transpose.",
        _with(cut=_reshaped),
    ),
    Mistake(
        "You cut and join by reshape alone. Then head and tokens are mixed up: reshape to "
        "(n, h, d/h) and transpose, and transpose back before you join.",
        _with(cut=_reshaped, join=_flat),
    ),
    Mistake(
        "The heads are right, but you join them by reshape alone: answers of different tokens get "
        "into one row. Transpose back to (n, h, d/h) first.",
        _with(join=_flat),
    ),
    Mistake(
        "A head takes every h-th column. It should take d/h columns that stand together: columns "
        "0 … d/h - 1 for the first.",
        _with(
            cut=lambda y, h: y.reshape(len(y), -1, h).transpose(2, 0, 1),
            join=lambda heads: heads.transpose(1, 0, 2).reshape(heads.shape[1], -1),
        ),
    ),
    Mistake(
        "A head takes every h-th column, and gives its answers back there. It should take d/h "
        "columns that stand together: columns 0 … d/h - 1 for the first.",
        _with(
            cut=lambda y, h: y.reshape(len(y), -1, h).transpose(2, 0, 1),
            join=lambda heads: heads.transpose(1, 2, 0).reshape(heads.shape[1], -1),
        ),
    ),
    Mistake(
        "You join the heads number by number. Lay the answer of head 1 down first, then that of "
        "head 2 beside it.",
        _with(join=lambda heads: heads.transpose(1, 2, 0).reshape(heads.shape[1], -1)),
    ),
    Mistake(
        "The scores are divided by √d. A head's keys are d/h wide: divide by √(d/h).",
        _with(scale=lambda d, h: d**0.5),
    ),
    Mistake(
        "The scores are not divided by √(d/h), the width of a head's keys.",
        _with(scale=lambda d, h: 1.0),
    ),
    Mistake(
        "The scores are divided by d/h. Divide by its square root.", _with(scale=lambda d, h: d / h)
    ),
    Mistake(
        "The output projection is missing: multiply what the heads say, side by side, by w_o.",
        _with(out=lambda joined, w_o: joined),
    ),
    Mistake(
        "w_o is transposed. Rows are tokens here: side by side @ w_o.",
        _with(out=lambda joined, w_o: joined @ w_o.T),
    ),
    Mistake(
        "The number of heads is not used: this is one head of full width.",
        lambda x, w_q, w_k, w_v, w_o, h: multi_head(x, w_q, w_k, w_v, w_o, 1),
    ),
    Mistake(
        "All heads share one softmax, of their mean scores. Each head needs weights of its own: "
        "that is what heads are for.",
        _with(soften=_shared),
    ),
    Mistake(
        "The softmax goes over the queries. Each query's weights must sum to one over the keys.",
        _with(soften=lambda s: _softmax(s, axis=-2)),
    ),
    Mistake(
        "The softmax goes over the heads. Each head's weights must sum to one over the keys.",
        _with(soften=lambda s: _softmax(s, axis=0)),
    ),
    Mistake(
        "Scores of hundreds overflow: inf/inf is NaN. Subtract each row's greatest score first.",
        _with(soften=_plain),
    ),
)

EXERCISE = Exercise("multi_head", multi_head, _cases, _MISTAKES)
