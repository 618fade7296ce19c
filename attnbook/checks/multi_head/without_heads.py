"""Exercise `without_heads`: Σ_j head_j W_O^j over the heads that are not removed."""

import numpy as np

from ..core import Case, Exercise, Mistake


def without_heads(heads, w_o, removed):
    """Return the sum over heads, (n, d): each times its own rows of w_o, removed ones left out."""
    h, n, width = np.shape(heads)
    out = np.zeros((n, np.shape(w_o)[1]))
    for j in range(h):
        if j not in removed:
            out += heads[j] @ w_o[j * width : (j + 1) * width]
    return out


def _cases(rng):
    def drawn(h, n, width, removed):
        heads = rng.normal(size=(h, n, width)).round(1)
        return heads, rng.normal(size=(h * width, h * width)).round(1), removed

    plain = np.array([[[1.0]], [[2.0]]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    return [
        Case((*plain, []), "nothing removed"),
        Case((*plain, [0]), "head 0 removed"),
        Case((*plain, [1]), "head 1 removed"),
        Case((*plain, [0, 1]), "all removed"),
        Case(drawn(2, 3, 2, [1])),
        Case(drawn(2, 2, 2, [0])),
        Case(drawn(3, 4, 2, [2, 0])),
        Case(drawn(4, 4, 4, [])),
        Case(drawn(4, 2, 3, [1, 2])),
        Case(drawn(4, 5, 2, [3])),
        Case(drawn(2, 3, 1, [0, 0]), "a head named twice"),
        Case(drawn(3, 3, 3, [2, 1, 1]), "a head named twice"),
    ]


def _joined(heads):
    return heads.transpose(1, 0, 2).reshape(heads.shape[1], -1)


def _zeroed(heads, removed):
    kept = heads.copy()
    kept[list(removed)] = 0
    return kept


def _columns(heads, w_o, removed):
    width, w_o = heads.shape[2], w_o.copy()
    for j in removed:
        w_o[:, j * width : (j + 1) * width] = 0
    return _joined(heads) @ w_o


def _single_rows(heads, w_o, removed):
    w_o = w_o.copy()
    w_o[list(removed)] = 0
    return _joined(heads) @ w_o


def _every_hth(heads, w_o, removed):
    return sum(
        (heads[j] @ w_o[j :: len(heads)] for j in range(len(heads)) if j not in removed),
        np.zeros((heads.shape[1], w_o.shape[1])),
    )


def _rescaled(heads, w_o, removed):
    left = len(heads) - len(set(removed))
    return without_heads(heads, w_o, removed) * (len(heads) / left if left else 1)


def _only(heads, w_o, removed):
    return without_heads(heads, w_o, [j for j in range(len(heads)) if j not in removed])


def _subtracted(heads, w_o, removed):
    width = heads.shape[2]
    out = _joined(heads) @ w_o
    for j in removed:
        out = out - heads[j] @ w_o[j * width : (j + 1) * width]
    return out


def _averaged(heads, w_o, removed):
    kept = heads.copy()
    kept[list(removed)] = heads.mean(axis=1, keepdims=True)[list(removed)]
    return _joined(kept) @ w_o


_MISTAKES = (
    Mistake(
        "You set columns of w_o to 0. Columns are places where all heads write; what one head "
        "writes goes through its *rows*.",
        _columns,
    ),
    Mistake(
        "You take single rows of w_o away. Head j has d/h rows: j·d/h up to (j + 1)·d/h.",
        _single_rows,
    ),
    Mistake(
        "A head has every h-th row of w_o in your code. Its rows stand together: j·d/h up to "
        "(j + 1)·d/h.",
        _every_hth,
    ),
    Mistake(
        "You scale what is left by h over the number of heads left. The others write what they "
        "wrote before: removing is leaving a term out of a sum.",
        _rescaled,
    ),
    Mistake(
        "You divide by the number of heads. The layer is a sum over heads, no mean.",
        lambda heads, w_o, removed: without_heads(heads, w_o, removed) / len(heads),
    ),
    Mistake("You keep the heads that should go, and remove the others.", _only),
    Mistake(
        "A head that is named twice is subtracted twice. It can go only once.",
        _subtracted,
    ),
    Mistake(
        "Nothing is removed: this is the sum over all heads.",
        lambda heads, w_o, removed: _joined(heads) @ w_o,
    ),
    Mistake(
        "A removed head says its mean over the tokens. Here it should say nothing: 0.", _averaged
    ),
    Mistake(
        "The heads are joined by reshape alone, which mixes tokens. Transpose to (n, h, d/h) "
        "first, or sum over heads.",
        lambda heads, w_o, removed: _zeroed(heads, removed).reshape(heads.shape[1], -1) @ w_o,
    ),
    Mistake(
        "w_o is transposed. Rows are tokens here: head @ its rows of w_o.",
        lambda heads, w_o, removed: _joined(_zeroed(heads, removed)) @ w_o.T,
    ),
    Mistake(
        "The heads are in reverse order: head 0 has the first rows of w_o.",
        lambda heads, w_o, removed: _joined(_zeroed(heads, removed)[::-1]) @ w_o,
    ),
    Mistake(
        "Heads are counted from 0 here: [1] removes the second.",
        lambda heads, w_o, removed: without_heads(heads, w_o, [j - 1 for j in removed]),
    ),
)

EXERCISE = Exercise("without_heads", without_heads, _cases, _MISTAKES)
