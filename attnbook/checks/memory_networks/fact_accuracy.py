"""Exercise `fact_accuracy`: for each hop, how often its heaviest sentence is the fact, in %."""

import numpy as np

from ..core import Case, Exercise, Mistake


def fact_accuracy(weights, support):
    """Count over the questions that have a fact in that hop: (Q, K, N) and (Q, K) to (K,)."""
    shares = []
    for hop in range(weights.shape[1]):
        found, asked = 0, 0
        for row, fact in zip(weights[:, hop], support[:, hop], strict=True):
            if fact >= 0:
                asked += 1
                found += max(range(len(row)), key=lambda slot: row[slot]) == fact
        shares.append(100 * found / asked)
    return np.array(shares)


def _cases(rng):
    def drawn(questions, hops, slots, right=0.5, known=1.0, note=""):
        """Draw weights; the heaviest slot is the fact in about the share ``right``."""
        weights = rng.dirichlet(np.full(slots, 0.6), size=(questions, hops)).round(2)
        weights += rng.permuted(np.tile(np.arange(slots), (questions, hops, 1)), axis=2) * 1e-3
        weights /= weights.sum(axis=2, keepdims=True)  # no two of a row are the same
        support = rng.integers(slots, size=(questions, hops))
        support = np.where(rng.random((questions, hops)) < right, weights.argmax(axis=2), support)
        support[:, 1:] = np.where(rng.random((questions, hops - 1)) < known, support[:, 1:], -1)
        support[0] = weights[0].argmax(axis=1)  # so that every hop has a fact somewhere
        return Case((weights, support), note)

    two = np.array([[[0.7, 0.3]], [[0.4, 0.6]]])
    none = np.array([[[0.7, 0.3], [0.2, 0.8]], [[0.6, 0.4], [0.9, 0.1]]])
    return [
        Case((two, np.array([[0], [0]])), "two questions, one hop"),
        Case((none, np.array([[0, 1], [0, -1]])), "question 1 has one fact"),
        Case((none, np.array([[0, 0], [1, 0]]))),
        drawn(4, 1, 3, note="one hop"),
        drawn(3, 3, 3, note="as many questions as hops and slots"),
        drawn(6, 2, 4),
        drawn(12, 2, 5, known=0.5, note="some questions have one fact"),
        drawn(20, 3, 8, known=0.6, note="some questions have fewer facts than hops"),
        drawn(30, 3, 10, right=0.9, known=0.7),
        drawn(40, 2, 6, right=0.2),
    ]


def _hits(weights, support):
    return weights.argmax(axis=2) == support


def _on_fact(weights, support):
    return np.take_along_axis(weights, support[..., None], axis=2)[..., 0]


_UNKNOWN = (
    "A question without a fact in this hop counts as a miss. Its -1 is no slot: leave it out of "
    "the count and of the number that you divide by."
)
_MISTAKES = (
    Mistake(_UNKNOWN, lambda w, s: 100 * _hits(w, s).mean(axis=0)),
    Mistake(
        "A question without a fact in this hop counts as right. Leave it out of the count and of "
        "the number that you divide by.",
        lambda w, s: 100 * (_hits(w, s) | (s < 0)).mean(axis=0),
    ),
    Mistake(
        "-1 is taken as the last slot, as Python counts. It says that there is no fact: leave the "
        "question out.",
        lambda w, s: 100 * (w.argmax(axis=2) == s % w.shape[2]).mean(axis=0),
    ),
    Mistake(
        "You leave out a question altogether if it lacks one of the facts. Its other hops count.",
        lambda w, s: 100 * _hits(w, s)[(s >= 0).all(axis=1)].mean(axis=0),
    ),
    Mistake(
        "You take the mean weight of the facts. Asked is how often the fact is the *heaviest* "
        "sentence of its hop.",
        lambda w, s: 100 * np.where(s >= 0, _on_fact(w, s), 0).sum(axis=0) / (s >= 0).sum(axis=0),
    ),
    Mistake(
        "You ask for a weight above one half. The heaviest sentence may have less: compare "
        "argmax with the fact.",
        lambda w, s: 100 * ((_on_fact(w, s) > 0.5) & (s >= 0)).sum(axis=0) / (s >= 0).sum(axis=0),
    ),
    Mistake(
        "A fact counts in whichever hop it was found. Hop k must look at fact k.",
        lambda w, s: (
            100
            * ((w.argmax(axis=2)[:, :, None] == s[:, None, :]).any(axis=1) & (s >= 0)).sum(axis=0)
            / (s >= 0).sum(axis=0)
        ),
    ),
    Mistake(
        "A hop counts in which any of the facts was found. Hop k must look at fact k.",
        lambda w, s: (
            100
            * ((w.argmax(axis=2)[:, :, None] == s[:, None, :]).any(axis=2) & (s >= 0)).sum(axis=0)
            / (s >= 0).sum(axis=0)
        ),
    ),
    Mistake(
        "A hop counts only if all hops of the question are right. Count each hop by itself.",
        lambda w, s: (
            100
            * ((_hits(w, s) | (s < 0)).all(axis=1)[:, None] & (s >= 0)).sum(axis=0)
            / (s >= 0).sum(axis=0)
        ),
    ),
    Mistake(
        "The argmax runs over the hops. It belongs over the sentences, the last axis.",
        lambda w, s: (
            100
            * np.array(
                [
                    (w.argmax(axis=1)[:, hop % w.shape[2]] == s[:, hop])[s[:, hop] >= 0].mean()
                    for hop in range(w.shape[1])
                ]
            )
        ),
    ),
    Mistake(
        "You look for the lightest sentence. The heaviest: argmax.",
        lambda w, s: 100 * ((w.argmin(axis=2) == s) & (s >= 0)).sum(axis=0) / (s >= 0).sum(axis=0),
    ),
    Mistake(
        "Slots are counted from 1. The facts are given as Python counts, from 0.",
        lambda w, s: (
            100 * ((w.argmax(axis=2) + 1 == s) & (s >= 0)).sum(axis=0) / (s >= 0).sum(axis=0)
        ),
    ),
    Mistake(
        "You return the share of misses. Asked is how often the fact is the heaviest.",
        lambda w, s: 100 - 100 * _hits(w, s).sum(axis=0) / (s >= 0).sum(axis=0),
    ),
    Mistake(
        "You return a fraction. In percent: times 100.",
        lambda w, s: _hits(w, s).sum(axis=0) / (s >= 0).sum(axis=0),
    ),
    Mistake(
        "You return a count. Divide by the number of questions that have a fact in this hop, and "
        "take it times 100.",
        lambda w, s: _hits(w, s).sum(axis=0) * 1.0,
    ),
    Mistake(
        "You return one number for all hops. One for each hop: mean over the questions, axis 0.",
        lambda w, s: 100 * _hits(w, s)[s >= 0].mean(),
    ),
    Mistake(
        "You return one number for each question. One for each hop: mean over the questions, "
        "axis 0.",
        lambda w, s: 100 * _hits(w, s).sum(axis=1) / (s >= 0).sum(axis=1),
    ),
)

EXERCISE = Exercise("fact_accuracy", fact_accuracy, _cases, _MISTAKES, rtol=1e-6)
