"""Exercise `online_logsumexp`: m = max_j s_j and ℓ = Σ_j exp(s_j - m), read from the left."""

import numpy as np

from ..core import Case, Exercise, Mistake


def online_logsumexp(scores):
    """Return the greatest score and the sum of exponentials under it: -inf and 0 for nothing."""
    allowed = [s for s in scores if s > -np.inf]
    if not allowed:
        return -np.inf, 0.0
    return max(allowed), sum(np.exp(s - max(allowed)) for s in allowed)


def _cases(rng):
    def drawn(n, spread=1.0, about=0.0):
        return Case(((about + spread * rng.normal(size=n)).round(1),))

    none = -np.inf
    return [
        Case((np.array([2.0]),), "a single score"),
        Case((np.array([1.0, 0.0]),), "the greatest comes first"),
        Case((np.array([1.0, 2.0]),), "the maximum rises"),
        Case((np.array([3.0, 3.0]),), "two scores tie"),
        Case((np.array([0.5, 1.0, 0.0, 2.0]),), "the maximum rises twice"),
        Case((np.array([-3.0, -2.0, -4.0]),), "all scores are below zero"),
        drawn(7),
        drawn(40, 3.0),
        drawn(25, 2.0, -20.0),
        Case((np.array([1000.0, 1002.0, 999.0]),), "scores of a thousand"),
        Case((np.array([-1000.0, -1002.0, -999.0]),), "scores far below zero"),
        Case((np.array([1.0, none, 2.0]),), "a forbidden score, -inf, in the middle"),
        Case((np.array([none, 1.0, 2.0]),), "a forbidden score, -inf, comes first"),
        Case((np.array([none, none, 0.5, none]),), "forbidden scores, -inf, come first"),
        Case((np.array([none, none]),), "all scores are forbidden, -inf"),
        Case((np.array([]),), "no scores at all"),
    ]


def _pass(
    factor=lambda m, new: np.exp(m - new), term=lambda s, m, new: np.exp(s - new), start=None
):
    """Return one pass that takes another factor, another new term, or another start."""

    def wrong(scores):
        m, total = (-np.inf, 0.0) if start is None else start
        for s in scores:
            new = max(m, s)
            if new > -np.inf:
                total = (factor(m, new) if total else 0.0) * total + term(s, m, new)
            m = new
        return m, total

    return wrong


def _unguarded(scores):
    m, total = -np.inf, 0.0
    for s in scores:
        new = max(m, s)
        total = np.exp(m - new) * total + np.exp(s - new)
        m = new
    return m, total


def _unguarded_turned(scores):
    m, total = -np.inf, 0.0
    for s in scores:
        new = max(m, s)
        total = np.exp(new - m) * total + np.exp(s - new)
        m = new
    return m, total


def _unguarded_forgetful(scores):
    m, total = -np.inf, 0.0
    for s in scores:
        m = max(m, s)
        total = total + np.exp(s - m)
    return m, total


def _last(scores):
    m, total = -np.inf, 0.0
    for s in scores:
        if s > -np.inf:
            m, total = s, (np.exp(m - s) * total if total else 0.0) + 1.0
    return m, total


_FORGOTTEN = (
    "The sum is not rescaled when the maximum rises: its old terms still stand under the old "
    "maximum. Multiply it by exp(m - new) before you add the next term."
)
_TURNED = (
    "The factor is turned around: when the maximum rises, the old terms become *smaller*. It is "
    "exp(m - new), never more than 1."
)
_MISTAKES = (
    Mistake(_FORGOTTEN, _pass(factor=lambda m, new: 1.0)),
    Mistake(
        _FORGOTTEN + " And a score of -inf before any other gives -inf - (-inf), which is NaN.",
        _unguarded_forgetful,
    ),
    Mistake(_TURNED, _pass(factor=lambda m, new: np.exp(new - m))),
    Mistake(
        _TURNED + " With m = -inf at the start it is infinite, and inf · 0 is NaN.",
        _unguarded_turned,
    ),
    Mistake(
        "The maximum starts at 0, so it never falls below 0. Start with nothing seen: m = -inf.",
        _pass(start=(0.0, 0.0)),
    ),
    Mistake(
        "The sum starts at 1. Before the first score it holds no term: start with 0.",
        lambda scores: (online_logsumexp(scores)[0], _ones_more(scores)),
    ),
    Mistake(
        "The sum is Σ exp(s), under no maximum, so large scores overflow. Every exponent should "
        "be a score less the greatest so far, which is never above 0.",
        lambda scores: (max(scores, default=-np.inf), sum(np.exp(s) for s in scores)),
    ),
    Mistake(
        "The new term stands under the old maximum: it should be exp(s - new), with the maximum "
        "that counts from now on.",
        _pass(term=lambda s, m, new: np.exp(s - (m if m > -np.inf else s))),
    ),
    Mistake(
        "A score that raises the maximum is not counted itself. After the factor, add its own "
        "term, exp(0) = 1.",
        _pass(term=lambda s, m, new: 0.0 if s > m > -np.inf else np.exp(s - new)),
    ),
    Mistake(
        "You begin a new sum when the maximum rises. The old terms still count, only smaller: "
        "multiply them by exp(m - new).",
        _pass(factor=lambda m, new: float(m == new)),
    ),
    Mistake(
        "The greatest score is the last one that you read. Keep the greatest: max(m, s).", _last
    ),
    Mistake(
        "A score of -inf before any other gives -inf - (-inf), which is NaN. Such a score adds "
        "nothing: leave it out, or subtract 0 as long as the maximum is -inf.",
        _unguarded,
    ),
    Mistake(
        "You return the log-sum-exp, m + log ℓ. The pair is asked for: return m, l.",
        lambda scores: float(np.add(*(f(x) for f, x in _log_of(scores)))),
    ),
    Mistake(
        "The pair is the wrong way round: the greatest score comes first, then the sum.",
        lambda scores: online_logsumexp(scores)[::-1],
    ),
    Mistake(
        "You return the logarithm of the sum. The sum itself is asked for.",
        lambda scores: tuple(f(x) for f, x in _log_of(scores)),
    ),
    Mistake(
        "You divide the sum by the number of scores. It is a sum, not a mean.",
        lambda scores: (
            online_logsumexp(scores)[0],
            online_logsumexp(scores)[1] / max(len(scores), 1),
        ),
    ),
)


def _ones_more(scores):
    """Return the sum when it starts at 1 under the first score."""
    m, total = online_logsumexp(scores)
    first = scores[0] if len(scores) else -np.inf
    return total + (np.exp(first - m) if m > -np.inf else 1.0)


def _log_of(scores):
    """Return the pair with what has still to be done to each: nothing, the logarithm."""
    m, total = online_logsumexp(scores)
    return (float, m), (np.log, total)


EXERCISE = Exercise("online_logsumexp", online_logsumexp, _cases, _MISTAKES)
