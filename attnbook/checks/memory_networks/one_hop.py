"""Exercise `one_hop`: p_i = softmax(u · m_i), o = Σ_i p_i c_i, u + o, for a batch of stories."""

import numpy as np

from ..core import Case, Exercise, Mistake


def one_hop(u, m, c, told):
    """Return u + o and the weights p; where nothing was told, u as it is and weights of 0."""
    after, weights = np.array(u, float), np.zeros(told.shape)
    for b in range(len(u)):
        slots = [i for i, there in enumerate(told[b]) if there]
        if not slots:
            continue
        scores = [float(np.dot(u[b], m[b, i])) for i in slots]
        powers = [np.exp(s - max(scores)) for s in scores]
        for i, power in zip(slots, powers, strict=True):
            weights[b, i] = power / sum(powers)
            after[b] += weights[b, i] * c[b, i]
    return after, weights


def _cases(rng):
    def drawn(b, n, d, lengths=None, spread=1.0, note=""):
        """Draw stories; what lies in the slots beyond their lengths is not to be read."""
        u = spread * rng.normal(size=(b, d))
        m, c = rng.normal(size=(2, b, n, d)).round(1)
        lengths = np.full(b, n) if lengths is None else np.array(lengths)
        return Case((u.round(1), m, c, np.arange(n) < lengths[:, None]), note)

    first = [[1.0]], [[[0.0], [1.0]]], [[[3.0], [5.0]]]
    return [
        Case((*map(np.array, first), np.array([[True, True]])), "one story, two sentences"),
        Case((*map(np.array, first), np.array([[True, False]])), "slot 1 is empty"),
        drawn(1, 3, 2, note="one story"),
        drawn(2, 2, 2, note="as many stories as slots"),
        drawn(2, 3, 4),
        drawn(3, 4, 3, lengths=[4, 2, 1], note="stories of different lengths"),
        drawn(4, 6, 5, lengths=[6, 1, 3, 4], note="stories of different lengths"),
        drawn(3, 5, 2, spread=4.0),
        drawn(2, 3, 4, spread=600.0, note="scores of hundreds"),
        drawn(4, 5, 3, lengths=[5, 2, 4, 1], spread=900.0, note="scores of hundreds"),
        drawn(1, 2, 1, lengths=[0], note="nothing was told"),
        drawn(3, 4, 2, lengths=[2, 0, 4], note="in story 1 nothing was told"),
    ]


def _masked(u, m, told):
    return np.where(told, np.einsum("bd,bnd->bn", u, m), -np.inf)


def _softmax(s):
    """Return weights over the last axis; a row of -inf gets zeros."""
    top = s.max(axis=-1, keepdims=True)
    p = np.exp(s - np.where(np.isinf(top), 0.0, top))
    total = p.sum(axis=-1, keepdims=True)
    return p / np.where(total == 0, 1.0, total)


def _unguarded(s):
    p = np.exp(s - s.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


def _overflowing(s):
    p = np.exp(s)
    total = p.sum(axis=-1, keepdims=True)
    return p / np.where(total == 0, 1.0, total)


def _overflowing_unguarded(s):
    return np.exp(s) / np.exp(s).sum(axis=-1, keepdims=True)


def _overflowing_all(u, m, c, told):
    """Multiply by `told` after the exponential: inf · 0 is NaN in an empty slot."""
    e = np.exp(np.einsum("bd,bnd->bn", u, m)) * told
    p = e / np.maximum(e.sum(axis=1, keepdims=True), 1e-300)
    return u + np.einsum("bn,bnd->bd", p, c), p


def _one_softmax(s):
    p = np.exp(s - s.max(initial=-1e300))
    return p / max(p.sum(), 1e-300)


def _over_stories(s):
    return _softmax(s.T).T


def _hard(s):
    return (np.arange(s.shape[1]) == s.argmax(axis=1)[:, None]) * np.isfinite(s) * 1.0


def _with(
    score=_masked,
    weigh=_softmax,
    after=lambda p, told: p,
    read=lambda p, m, c: np.einsum("bn,bnd->bd", p, c),
    end=lambda u, o, p: (u + o, p),
):
    """Return a hop that does one of its parts in another way."""

    def wrong(u, m, c, told):
        p = after(weigh(score(u, m, told)), told)
        return end(u, read(p, m, c), p)

    return wrong


def _root(u, m, told):
    return _masked(u, m, told) / np.sqrt(u.shape[1])


_NO_NAN = (
    "A story in which nothing was told gives NaN: -inf - (-inf), or 0/0. Its weights are 0 and its "
    "query stays as it is."
)
_OVERFLOW = (
    "Scores of hundreds overflow: inf/inf is NaN. Subtract the greatest score of the story first; "
    "the weights stay the same."
)
_ROOT = (
    "The scores are divided by √d. A memory network does without: the score is u · m_i as it is."
)
_NOT_ADDED = "You return what was read. The next query is the old one plus that: u + o."
_MISTAKES = (
    Mistake(_ROOT, _with(score=_root)),
    Mistake(_ROOT + " And guard stories in which nothing was told.", _with(_root, _unguarded)),
    Mistake(
        "Empty slots get weight: you do not look at `told`. What lies in such a slot is nothing "
        "that was told; its score is to be -inf.",
        _with(score=lambda u, m, told: np.einsum("bd,bnd->bn", u, m)),
    ),
    Mistake(
        "Empty slots get weight: a score of 0 is a score like any other, and exp(0) = 1. Make it "
        "-inf.",
        _with(score=lambda u, m, told: np.einsum("bd,bnd->bn", u, m) * told),
    ),
    Mistake(
        "You cut the empty slots out after the softmax, so that the weights that remain do not sum "
        "to one. Make their scores -inf before it.",
        _with(
            score=lambda u, m, told: np.einsum("bd,bnd->bn", u, m), after=lambda p, told: p * told
        ),
    ),
    Mistake(
        "`told` is turned round: True is where there is a sentence.",
        _with(score=lambda u, m, told: _masked(u, m, ~told)),
    ),
    Mistake(_NOT_ADDED, _with(end=lambda u, o, p: (o, p))),
    Mistake(
        _NOT_ADDED + " And guard stories in which nothing was told.",
        _with(weigh=_unguarded, end=lambda u, o, p: (o, p)),
    ),
    Mistake(
        "You read out `m`, what the sentences are found by. What they say is `c`.",
        _with(read=lambda p, m, c: np.einsum("bn,bnd->bd", p, m)),
    ),
    Mistake(
        "`m` and `c` are swapped: sentences are found by `m`, and say `c`.",
        lambda u, m, c, told: _with()(u, c, m, told),
    ),
    Mistake(
        "Sentences are found by `c` and read as `c`. They are found by `m`.",
        lambda u, m, c, told: _with()(u, c, c, told),
    ),
    Mistake(
        "The softmax runs over the stories. Each story has weights of its own that sum to one: "
        "axis=1.",
        _with(weigh=_over_stories),
    ),
    Mistake(
        "There is one softmax over all stories together. Each story has weights of its own that "
        "sum to one: axis=1, keepdims=True.",
        _with(weigh=_one_softmax),
    ),
    Mistake(
        "You read the best sentence alone, a hard lookup. A soft one weighs all of them.",
        _with(weigh=_hard),
    ),
    Mistake(
        "There is no softmax: the scores themselves are the weights. That is what linear start "
        "does, in the first epochs; a hop has exp(score), divided by the sum.",
        _with(weigh=lambda s: np.where(np.isinf(s), 0.0, s)),
    ),
    Mistake(
        "The weights do not sum to one: divide the exponentials by their sum.",
        _with(weigh=lambda s: np.exp(s - np.where(np.isinf(_top(s)), 0.0, _top(s)))),
    ),
    Mistake(_NO_NAN, _with(weigh=_unguarded)),
    Mistake(
        "A story in which nothing was told gets weights, all the same in every slot: a score of "
        "-1e9 for all of them is as good as 0. Its weights are 0 and its query stays as it is.",
        _with(weigh=lambda s: _unguarded(np.where(np.isinf(s), -1e9, s))),
    ),
    Mistake(_OVERFLOW, _with(weigh=_overflowing)),
    Mistake(_OVERFLOW, _overflowing_all),
    Mistake(
        _OVERFLOW + " And guard stories in which nothing was told.",
        _with(weigh=_overflowing_unguarded),
    ),
    Mistake(
        "The two results are the wrong way round: the new query comes first, then the weights.",
        _with(end=lambda u, o, p: (p, u + o)),
    ),
)


def _top(s):
    return s.max(axis=-1, keepdims=True)


EXERCISE = Exercise("one_hop", one_hop, _cases, _MISTAKES)
