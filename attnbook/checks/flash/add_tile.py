"""Exercise `add_tile`: one tile of scores and values goes into the state (m, ℓ, o) of each row.

m' = max(m, max_j s_j),  ℓ' = e^{m-m'} ℓ + Σ_j e^{s_j-m'},  o' = e^{m-m'} o + Σ_j e^{s_j-m'} v_j
"""

# ruff: noqa: E741 - m, l and o are the names of the chapter, and the reader's

import numpy as np

from ..core import Case, Exercise, Mistake


def add_tile(m, l, o, s, v):
    """Return the state of each row after the tile; a row that has seen nothing stays -inf, 0, 0."""
    m_new, l_new, o_new = np.array(m, float), np.array(l, float), np.array(o, float)
    for i, row in enumerate(s):
        m_new[i] = max(m[i], *row)
        if m_new[i] == -np.inf:
            continue
        kept = np.exp(m[i] - m_new[i])
        powers = [np.exp(x - m_new[i]) for x in row]
        l_new[i] = kept * l[i] + sum(powers)
        o_new[i] = kept * o[i] + sum(p * value for p, value in zip(powers, v, strict=True))
    return m_new, l_new, o_new


def _cases(rng):
    def drawn(n_q, n_k, d_v, seen=3, spread=1.0, about=0.0, shift=0.0, allowed=1.0):
        """Draw a tile; the state is that after `seen` other keys, their scores `shift` higher."""
        m, l, o = np.full(n_q, -np.inf), np.zeros(n_q), np.zeros((n_q, d_v))
        if seen:
            s = (about + shift + spread * rng.normal(size=(n_q, seen))).round(1)
            m, l, o = add_tile(m, l, o, s, rng.normal(size=(seen, d_v)).round(1))
        s = (about + spread * rng.normal(size=(n_q, n_k))).round(1)
        s[:, 1:] = np.where(rng.random((n_q, n_k - 1)) < allowed, s[:, 1:], -np.inf)
        return m, l.round(2), o.round(2), s, rng.normal(size=(n_k, d_v)).round(1)

    def forbidden(state, rows):
        state[3][rows] = -np.inf
        return state

    rises = (np.array([x]) for x in (1.0, 1.0, [2.0], [3.0], [5.0]))
    stays = (np.array([x]) for x in (3.0, 1.0, [2.0], [1.0], [5.0]))
    return [
        Case(tuple(rises), "the maximum rises"),
        Case(tuple(stays), "the maximum stays"),
        Case(drawn(1, 2, 1, seen=0), "nothing seen before"),
        Case(drawn(1, 2, 2)),
        Case(drawn(2, 2, 1, shift=-2.0), "as many queries as keys"),
        Case(drawn(3, 2, 2, shift=2.0)),
        Case(drawn(2, 3, 2, shift=-1.0)),
        Case(drawn(4, 4, 4), "as many queries as keys"),
        Case(drawn(5, 7, 3)),
        Case(drawn(6, 4, 5, spread=3.0, allowed=0.6), "forbidden scores, -inf"),
        Case(drawn(3, 4, 2, about=900.0, spread=3.0), "scores of hundreds"),
        Case(drawn(3, 3, 2, about=-900.0, spread=3.0), "scores far below zero"),
        Case(drawn(2, 3, 1, spread=400.0), "rows at different heights"),
        Case(forbidden(drawn(2, 2, 1), [1]), "row 1 may see nothing of this tile"),
        Case(
            forbidden(drawn(2, 2, 1, seen=0), [0]), "row 0 has seen nothing yet, and does not now"
        ),
        Case(
            forbidden(drawn(4, 3, 2, seen=0), [1, 3]),
            "rows 1 and 3 have seen nothing yet, and do not now",
        ),
    ]


def _finite(top):
    """Return what to subtract: 0 where nothing has been seen."""
    return np.where(np.isinf(top), 0.0, top)


def _with(
    top=lambda m, s: np.maximum(m, s.max(axis=1)),
    keep_l=lambda m, top: np.exp(m - _finite(top)),
    keep_o=lambda m, top: np.exp(m - _finite(top)),
    powers=lambda s, m, top: np.exp(s - _finite(top)[:, None]),
    total=lambda p: p.sum(axis=1),
    end=lambda m, l, o: (m, l, o),
):
    """Return a step that does one of its parts in another way."""

    def wrong(m, l, o, s, v):
        new = top(m, s)
        p = powers(s, m, new)
        return end(new, keep_l(m, new) * l + total(p), keep_o(m, new)[:, None] * o + p @ v)

    return wrong


def _one(m, top):
    return np.ones(m.shape)


def _turned(m, top):
    return np.exp(np.where(np.isinf(m), 0.0, top - m))


def _unguarded(**other):
    """Return a step without the guard against -inf - (-inf)."""

    def kept(m, top):
        return np.exp(m - top)

    parts = {"keep_l": kept, "keep_o": kept, "powers": _under_top}
    return _with(**(parts | other))


def _under_top(s, m, top):
    return np.exp(s - top[:, None])


_OLD_TERMS = "its old terms still stand under the old maximum. Multiply by exp(m - new)"
_NO_NAN = (
    "A row that has seen nothing so far gives NaN: its maximum is -inf, and -inf - (-inf) is not a "
    "number. Subtract 0 where the new maximum is -inf; such a row stays -inf, 0 and 0."
)
_TURNED = (
    "The factor is turned around: when the maximum rises, what was kept becomes *smaller*. It is "
    "exp(m - new), never more than 1."
)
_O_KEPT = f"`o` is not rescaled when the maximum rises: {_OLD_TERMS}, as you do with `l`."
_L_KEPT = f"`l` is not rescaled when the maximum rises: {_OLD_TERMS}, as you do with `o`."
_BOTH_KEPT = f"Neither `l` nor `o` is rescaled when the maximum rises: {_OLD_TERMS}."
_AND_NAN = " And a row that has seen nothing so far gives NaN: guard -inf - (-inf)."
_MISTAKES = (
    Mistake(_O_KEPT, _with(keep_o=_one)),
    Mistake(_O_KEPT + _AND_NAN, _unguarded(keep_o=_one)),
    Mistake(_L_KEPT, _with(keep_l=_one)),
    Mistake(_L_KEPT + _AND_NAN, _unguarded(keep_l=_one)),
    Mistake(_BOTH_KEPT, _with(keep_l=_one, keep_o=_one)),
    Mistake(_BOTH_KEPT + _AND_NAN, _unguarded(keep_l=_one, keep_o=_one)),
    Mistake(_TURNED, _with(keep_l=_turned, keep_o=_turned)),
    Mistake(
        _TURNED + " Where m is -inf it is infinite, and inf · 0 is NaN.",
        _unguarded(keep_l=lambda m, top: np.exp(top - m), keep_o=lambda m, top: np.exp(top - m)),
    ),
    Mistake(
        "The new tile stands under the old maximum: its weights are exp(s - new), with the "
        "maximum that counts from now on.",
        _with(powers=lambda s, m, top: np.exp(s - m[:, None])),
    ),
    Mistake(
        "The new tile stands under its own maximum. Its weights are exp(s - new), where new is the "
        "greater of that and m.",
        _with(powers=lambda s, m, top: np.exp(s - _finite(s.max(axis=1))[:, None])),
    ),
    Mistake(
        "You take the maximum of the tile alone, so what was kept can grow without bound. The new "
        "maximum is the greater of that and m: np.maximum(m, s.max(axis=1)).",
        _with(top=lambda m, s: s.max(axis=1)),
    ),
    Mistake(
        "You take the maximum of the tile alone, so what was kept can grow without bound. The new "
        "maximum is the greater of that and m: np.maximum(m, s.max(axis=1)). And guard rows that "
        "see nothing of the tile.",
        _unguarded(top=lambda m, s: s.max(axis=1)),
    ),
    Mistake(
        "You take the maximum along the wrong axis: over the queries, for each key. A row has a "
        "maximum of its own, over its keys: axis=1.",
        _with(top=lambda m, s: np.maximum(m, s.max(axis=0))),
    ),
    Mistake(
        "You take the greatest score of the whole tile. Each row has a maximum of its own: "
        "s.max(axis=1).",
        _with(top=lambda m, s: np.maximum(m, s.max())),
    ),
    Mistake(
        "You sum the weights along the wrong axis: over the queries, for each key. Each row has a "
        "sum of its own, over its keys: axis=1.",
        _with(total=lambda p: p.sum(axis=0)),
    ),
    Mistake(
        "The weights of the whole tile are added to the sum of every row. Sum along axis=1.",
        _with(total=lambda p: p.sum()),
    ),
    Mistake(_NO_NAN, _unguarded()),
    Mistake(_NO_NAN, _with(powers=_under_top)),
    Mistake(
        "You divide `o` by `l` after the tile. The next tile would add to a mean: keep the sum, "
        "and divide once, after the last tile.",
        _with(end=lambda m, l, o: (m, l, o / np.where(l == 0, 1, l)[:, None])),
    ),
    Mistake(
        "There is no maximum: the weights are exp(s), and large scores overflow. Subtract the new "
        "maximum of the row.",
        _with(powers=lambda s, m, top: np.exp(s), keep_l=_one, keep_o=_one),
    ),
)

EXERCISE = Exercise("add_tile", add_tile, _cases, _MISTAKES)
