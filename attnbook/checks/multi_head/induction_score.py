"""Exercise `induction_score`: the mean weight on places whose letter before is the query's own."""

import numpy as np

from ..core import Case, Exercise, Mistake


def induction_score(weights, text):
    """Return the mean over queries i that have places 1 <= j <= i with text[j - 1] = text[i]."""
    found = []
    for i in range(len(text)):
        after = [j for j in range(1, i + 1) if text[j - 1] == text[i]]
        if after:
            found.append(sum(weights[i][j] for j in after))
    return sum(found) / len(found) if found else 0.0


def _cases(rng):
    def drawn(text):
        n = len(text)
        powers = np.tril(np.exp(rng.normal(size=(n, n))))
        return (powers / powers.sum(axis=1, keepdims=True)).round(3), np.array(text)

    xyx = np.array([[1.0, 0, 0], [0.4, 0.6, 0], [0.1, 0.7, 0.2]])
    return [
        Case((xyx, np.array([0, 1, 0])), "x y x: one query has a place to find"),
        Case((xyx, np.array([0, 1, 2])), "nothing repeats"),
        Case((xyx, np.array([0, 1, 1])), "the place itself is the one after"),
        Case((np.array([[1.0]]), np.array([5])), "one letter"),
        Case(drawn([3, 1, 3, 1])),
        Case(drawn([2, 2, 2]), "one letter, again and again"),
        Case(drawn([0, 1, 0, 2, 0]), "two places to find"),
        Case(drawn([4, 1, 2, 4, 1, 2])),
        Case(drawn([0, 1, 2, 3, 0, 1, 2, 3, 0])),
        Case(drawn(rng.integers(0, 4, size=9).tolist())),
        Case(drawn(rng.integers(0, 6, size=14).tolist())),
        Case(drawn(list(range(6)) * 3)),
    ]


def _by(matches, empty=0.0, total=sum, over_all=False, latest=False):
    """Return the score for other places (`matches(text, i, j)`), or another mean over them."""

    def wrong(weights, text):
        found = []
        for i in range(len(text)):
            after = [j for j in range(len(text)) if matches(text, i, j)]
            if latest:
                after = after[-1:]
            if after or over_all:
                found.append(total([weights[i][j] for j in after]) if after else 0.0)
        return float(np.mean(found)) if found else empty

    return wrong


def _right(text, i, j):
    return 1 <= j <= i and text[j - 1] == text[i]


def _mean(values):
    return sum(values) / len(values)


def _sum_of_all(weights, text):
    places = range(len(text))
    return float(sum(weights[i][j] for i in places for j in places if _right(text, i, j)))


def _over_pairs(weights, text):
    places = range(len(text))
    pairs = [weights[i][j] for i in places for j in places if _right(text, i, j)]
    return float(np.mean(pairs)) if pairs else 0.0


def _transposed(weights, text):
    return induction_score(np.transpose(weights), text)


_MISTAKES = (
    Mistake(
        "You count the weight on the same letter. An induction head looks one place further, at "
        "what came *after* it.",
        _by(lambda text, i, j: j < i and text[j] == text[i]),
    ),
    Mistake(
        "You count the weight on the same letter, the query's own place among them. An induction "
        "head looks one place further, at what came *after* an earlier one.",
        _by(lambda text, i, j: j <= i and text[j] == text[i]),
    ),
    Mistake(
        "You count the weight on the place *before* an equal letter. An induction head looks at "
        "the place after it: text[j - 1] = text[i].",
        _by(lambda text, i, j: j < i and j + 1 < len(text) and text[j + 1] == text[i]),
    ),
    Mistake(
        "You count the weight on the place before the query: that is the previous-token score.",
        _by(lambda text, i, j: j == i - 1),
    ),
    Mistake(
        "You compare with the letter before the *query*. What stands before the *key* must be the "
        "query's own letter: text[j - 1] = text[i].",
        _by(lambda text, i, j: 1 <= j <= i and i >= 1 and text[j - 1] == text[i - 1]),
    ),
    Mistake(
        "You count only the latest such place. All of them count: add up their weights.",
        _by(_right, latest=True),
    ),
    Mistake(
        "You leave out the query's own place. It counts where the letter before is the same: "
        "j ≤ i, with j = i among them.",
        _by(lambda text, i, j: _right(text, i, j) and j < i),
    ),
    Mistake(
        "You take the mean over all queries. Those that have no place to find do not count.",
        _by(_right, over_all=True),
    ),
    Mistake(
        "For each query you take the mean weight of its places. Add them up: a head may share its "
        "weight among them.",
        _by(_right, total=_mean),
    ),
    Mistake(
        "You take the mean over pairs. Add up the weights of each query first, then take the mean "
        "over queries.",
        _over_pairs,
    ),
    Mistake(
        "You take the greatest weight of each query's places. Add them up.", _by(_right, total=max)
    ),
    Mistake("You take the sum over queries, not the mean.", _sum_of_all),
    Mistake(
        "Where nothing repeats you give NaN: a mean over no queries. The score is 0 there.",
        _by(_right, empty=np.nan),
    ),
    Mistake(
        "Before the first letter stands nothing, but text[-1] is the last letter. Start at j = 1.",
        _by(lambda text, i, j: j <= i and text[j - 1] == text[i]),
    ),
    Mistake("Rows are queries: the weight of query i on place j is weights[i, j].", _transposed),
)

EXERCISE = Exercise("induction_score", induction_score, _cases, _MISTAKES)
