"""Exercise `read_in_hops`: u ← u + Σ_i softmax(u · x_i^k) x_i^{k+1}, for k = 1 … K."""

from itertools import pairwise

import numpy as np

from ..core import Case, Exercise, Mistake


def read_in_hops(u, tables):
    """Return the query after all hops, and the weights of each hop: (d,) and (K, n)."""
    u, weights = np.array(u, float), []
    for m, c in pairwise(tables):
        scores = [float(np.dot(u, row)) for row in m]
        powers = [np.exp(s - max(scores)) for s in scores]
        weights.append([power / sum(powers) for power in powers])
        u = u + sum(p * row for p, row in zip(weights[-1], c, strict=True))
    return u, np.array(weights)


def _cases(rng):
    def drawn(hops, n, d, spread=1.0, note=""):
        tables = rng.normal(size=(hops + 1, n, d))
        return Case(((spread * rng.normal(size=d)).round(1), tables.round(1)), note)

    chain = [[[1.0, 0.0], [0.0, 1.0]], [[-1.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [3.0, 3.0]]]
    return [
        Case((np.array([1.0]), np.array([[[0.0], [1.0]], [[1.0], [2.0]]])), "one hop"),
        Case((np.array([2.0, 0.0]), np.array(chain)), "hop 1 finds sentence 0, hop 2 sentence 1"),
        drawn(1, 3, 2, note="one hop"),
        drawn(2, 2, 3, note="two hops"),
        drawn(2, 3, 3),
        drawn(3, 4, 2, note="three hops"),
        drawn(3, 5, 4),
        drawn(5, 6, 3, note="five hops"),
        drawn(2, 1, 4, note="one sentence"),
        drawn(2, 4, 3, spread=500.0, note="scores of hundreds"),
        drawn(4, 3, 2, spread=900.0, note="scores of hundreds"),
    ]


def _softmax(s):
    powers = np.exp(s - s.max())
    return powers / powers.sum()


def _plain(s):
    return np.exp(s) / np.exp(s).sum()


def _with(
    pairs=lambda tables: pairwise(tables),
    weigh=_softmax,
    ask=lambda u, start: u,
    add=lambda u, o, start: u + o,
    end=lambda u, weights: (u, weights),
):
    """Return hops that do one of their parts in another way."""

    def wrong(u, tables):
        start, weights = np.array(u, float), []
        now = start
        for m, c in pairs(tables):
            weights.append(weigh(m @ ask(now, start)))
            now = add(now, weights[-1] @ c, start)
        return end(now, np.array(weights).reshape(-1, tables.shape[1]))

    return wrong


_MISTAKES = (
    Mistake(
        "Every hop asks with the first query. Hop 2 must ask with what hop 1 gave back: "
        "u = u + o inside the loop.",
        _with(ask=lambda u, start: start),
    ),
    Mistake(
        "Every hop asks with the first query, and only the last answer is added to it. Hop 2 must "
        "ask with what hop 1 gave back: u = u + o inside the loop.",
        _with(ask=lambda u, start: start, add=lambda u, o, start: start + o),
    ),
    Mistake(
        "After a hop the query is what was read, and the question is forgotten. Add: u = u + o.",
        _with(add=lambda u, o, start: o),
    ),
    Mistake(
        "Only the last answer is added to the first query. What earlier hops found stays in it: "
        "u = u + o in each hop.",
        _with(add=lambda u, o, start: start + o),
    ),
    Mistake(
        "Every hop uses the tables 0 and 1. Hop k is found by table k - 1 and says table k "
        "(k = 1, 2, …).",
        _with(pairs=lambda tables: [(tables[0], tables[1])] * (len(tables) - 1)),
    ),
    Mistake(
        "Every hop finds by table 0. With adjacent tying, what a sentence says in one hop is what "
        "it is found by in the next.",
        _with(pairs=lambda tables: [(tables[0], c) for c in tables[1:]]),
    ),
    Mistake(
        "What is read is what sentences are found by. In each hop they say the next table.",
        _with(pairs=lambda tables: [(m, m) for m in tables[:-1]]),
    ),
    Mistake(
        "Sentences are found by the table that they are read from. They are found by the one "
        "before.",
        _with(pairs=lambda tables: [(c, c) for c in tables[1:]]),
    ),
    Mistake(
        "In each hop the two tables are swapped: sentences are found by the earlier one and say "
        "the later.",
        _with(pairs=lambda tables: [(c, m) for m, c in pairwise(tables)]),
    ),
    Mistake(
        "You take two new tables for each hop. With adjacent tying a table is used twice: K + 1 "
        "tables make K hops.",
        _with(pairs=lambda tables: list(zip(tables[::2], tables[1::2], strict=False))),
    ),
    Mistake(
        "You start with the last table. Hop 1 uses the tables 0 and 1.",
        _with(pairs=lambda tables: list(pairwise(tables[::-1]))),
    ),
    Mistake(
        "There is one hop too few: K + 1 tables make K hops.",
        _with(pairs=lambda tables: list(pairwise(tables))[:-1]),
    ),
    Mistake(
        "The scores are divided by √d. A memory network does without: the score is u · m_i.",
        lambda u, tables: _with(weigh=lambda s: _softmax(s / np.sqrt(len(u))))(u, tables),
    ),
    Mistake(
        "Each hop reads the best sentence alone, a hard lookup. A soft one weighs all of them.",
        _with(weigh=lambda s: (np.arange(len(s)) == s.argmax()) * 1.0),
    ),
    Mistake(
        "There is no softmax: the scores themselves are the weights. That is what linear start "
        "does, in the first epochs.",
        _with(weigh=lambda s: s),
    ),
    Mistake(
        "Scores of hundreds overflow: inf/inf is NaN. Subtract the greatest score of the hop "
        "first; the weights stay the same.",
        _with(weigh=_plain),
    ),
    Mistake(
        "You return the answer of the last hop, without the query that it is added to.",
        lambda u, tables: (lambda after, weights: (weights[-1] @ tables[-1], weights))(
            *_with()(u, tables)
        ),
    ),
    Mistake(
        "You return the weights of the last hop alone. Keep those of each hop: a row for each.",
        _with(end=lambda u, weights: (u, weights[-1])),
    ),
    Mistake(
        "The weights of the last hop come first. Row 0 is hop 1.",
        _with(end=lambda u, weights: (u, weights[::-1])),
    ),
    Mistake(
        "The two results are the wrong way round: the query comes first, then the weights.",
        _with(end=lambda u, weights: (weights, u)),
    ),
)

EXERCISE = Exercise("read_in_hops", read_in_hops, _cases, _MISTAKES)
