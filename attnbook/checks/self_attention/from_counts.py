"""Exercise `from_counts`: o_i = Σ_j c_j exp(s_ij) e_j / Σ_j c_j exp(s_ij), s_ij = e_i·e_j / √d."""

import numpy as np

from ..core import Case, Exercise, Mistake


def from_counts(E, counts):
    """Return the output of each different word, from the sentence written out."""
    sentence = [j for j, count in enumerate(counts) for _ in range(int(count))]
    out = []
    for query in E:
        scores = np.array([query @ E[j] for j in sentence]) / np.sqrt(len(query))
        powers = np.exp(scores - max(scores))
        out.append(sum(p * E[j] for p, j in zip(powers, sentence, strict=True)) / sum(powers))
    return np.array(out)


def _cases(rng):
    def drawn(words, d, most=4, size=1.0):
        counts = rng.integers(1, most + 1, size=words)
        counts[rng.integers(words)] = most  # never all alike
        counts[counts.argmin()] = 1
        return (size * rng.normal(size=(words, d))).round(1), counts

    return [
        Case((np.array([[1.0], [0.0]]), np.array([1, 2])), "one word twice"),
        Case((np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([3, 1])), "one word three times"),
        Case((np.array([[2.0, 1.0]]), np.array([5])), "the same word five times"),
        Case(drawn(3, 2)),
        Case(drawn(4, 4), "as many words as dimensions"),
        Case((rng.normal(size=(3, 5)).round(1), np.array([1, 1, 1])), "every word once"),
        Case((rng.normal(size=(3, 2)).round(1), np.array([4, 4, 4])), "every word four times"),
        Case(drawn(6, 3, most=9)),
        Case(drawn(8, 5, most=200)),
        Case(drawn(3, 2, size=60.0), "scores of thousands"),
        Case(drawn(5, 4, size=90.0), "scores of thousands"),
    ]


def _scores(E):
    return E @ E.T / np.sqrt(E.shape[1])


def _soft(s, axis=-1):
    powers = np.exp(s - s.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def _unstable(E, counts):
    powers = counts * np.exp(_scores(E))
    return powers / powers.sum(axis=1, keepdims=True) @ E


def _written_out(E, counts):
    X = np.repeat(E, counts, axis=0)
    return _soft(X @ X.T / np.sqrt(E.shape[1])) @ X


_MISTAKES = (
    Mistake(
        "The counts have no effect. A word that stands there twice has two terms in each sum.",
        lambda E, counts: _soft(_scores(E)) @ E,
    ),
    Mistake(
        "You multiply the weights by the counts after the softmax, so they do not sum to one any "
        "more. The counts belong in the denominator too.",
        lambda E, counts: (_soft(_scores(E)) * counts) @ E,
    ),
    Mistake(
        "You multiply the *scores* by the counts. Two equal terms are twice the exponential, "
        "2 e^s, and not e^(2s).",
        lambda E, counts: _soft(_scores(E) * counts) @ E,
    ),
    Mistake(
        "You add the counts to the scores. Twice an exponential is 2 e^s = e^(s + log 2): add "
        "their logarithms.",
        lambda E, counts: _soft(_scores(E) + counts) @ E,
    ),
    Mistake(
        "You subtract the logarithms of the counts: words that stand there more often get less. "
        "Add them.",
        lambda E, counts: _soft(_scores(E) - np.log(counts)) @ E,
    ),
    Mistake(
        "You add log(counts) before dividing by √d, so it is divided as well. Add it to the "
        "scaled scores.",
        lambda E, counts: _soft((E @ E.T + np.log(counts)) / np.sqrt(E.shape[1])) @ E,
    ),
    Mistake(
        "The counts go along the queries, where they cancel or do harm. It is the *keys* that "
        "stand there several times: along the last axis.",
        lambda E, counts: counts[:, None] * _soft(_scores(E)) @ E,
    ),
    Mistake(
        "You return a row for each word of the sentence. Wanted is one for each *different* word, "
        "in the order of E.",
        _written_out,
    ),
    Mistake(
        "The scores are not divided by √d.",
        lambda E, counts: _soft(E @ E.T + np.log(counts)) @ E,
    ),
    Mistake(
        "Your weights sum to one over the queries, not over the keys: softmax along axis=-1.",
        lambda E, counts: _soft(_scores(E) + np.log(counts), axis=0) @ E,
    ),
    Mistake(
        "Large scores overflow: inf/inf is NaN. Subtract the greatest score of each row first.",
        _unstable,
    ),
)

EXERCISE = Exercise("from_counts", from_counts, _cases, _MISTAKES)
