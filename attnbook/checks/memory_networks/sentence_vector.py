"""Exercise `sentence_vector`: Σ_j l_j ⊙ x_j with l_kj = (1 - j/J) - (k/d) (1 - 2j/J)."""

import numpy as np

from ..core import Case, Exercise, Mistake


def sentence_vector(words):
    """Return the sum of the words of a sentence, (J, d), weighted by their places: (d,)."""
    total, d = [0.0] * words.shape[1], words.shape[1]
    for j, word in enumerate(words, start=1):
        for k in range(1, d + 1):
            place = j / len(words)
            total[k - 1] += ((1 - place) - k / d * (1 - 2 * place)) * word[k - 1]
    return np.array(total)


def _cases(rng):
    def drawn(n, d, note=""):
        return Case((rng.normal(size=(n, d)).round(1),), note)

    return [
        Case((np.array([[2.0]]),), "one word of width 1"),
        Case((np.array([[1.0, 1.0], [0.0, 0.0]]),), "the second word is a vector of zeros"),
        Case((np.array([[0.0, 0.0], [1.0, 1.0]]),), "the same words, the other way round"),
        drawn(1, 4, "one word"),
        drawn(2, 3),
        drawn(3, 2),
        drawn(3, 3, "as many words as components"),
        drawn(5, 4),
        drawn(4, 6),
        drawn(7, 20, "the sizes of the paper"),
        Case((np.zeros((0, 3)),), "no words at all"),
        Case((np.zeros((0, 5)),), "no words at all"),
    ]


def _with(weight, end=lambda weighted: weighted.sum(axis=0), first_j=1, first_k=1):
    """Return a sum with other weights l(j, k, J, d), other first numbers, or another end."""

    def wrong(words):
        n, d = words.shape
        j = np.arange(n)[:, None] + first_j
        k = np.arange(d) + first_k
        return end(weight(j, k, max(n, 1), d) * words)

    return wrong


def _right(j, k, n, d):
    return (1 - j / n) - k / d * (1 - 2 * j / n)


_MISTAKES = (
    Mistake(
        "You add the words as they are, a bag of words: `John gave Mary` is then `Mary gave John`. "
        "Multiply word j by l_j first, component by component.",
        _with(lambda j, k, n, d: 1.0 + 0 * j * k),
    ),
    Mistake(
        "Words are counted from 0. In the paper j runs from 1 to J: the last word has j/J = 1.",
        _with(_right, first_j=0),
    ),
    Mistake(
        "Components are counted from 0. In the paper k runs from 1 to d: the last one has k/d = 1.",
        _with(_right, first_k=0),
    ),
    Mistake(
        "Words and components are counted from 0. In the paper both are counted from 1.",
        _with(_right, first_j=0, first_k=0),
    ),
    Mistake(
        "J and d are swapped: j is divided by the number of words, k by the width.",
        _with(lambda j, k, n, d: (1 - j / d) - k / n * (1 - 2 * j / d)),
    ),
    Mistake(
        "The second term is added. It is taken away: (1 - j/J) - (k/d) (1 - 2j/J).",
        _with(lambda j, k, n, d: (1 - j / n) + k / d * (1 - 2 * j / n)),
    ),
    Mistake(
        "The factor 2 is missing: 1 - 2j/J changes its sign in the middle of the sentence.",
        _with(lambda j, k, n, d: (1 - j / n) - k / d * (1 - j / n)),
    ),
    Mistake(
        "The second term is missing, so that later words count less in every component. The "
        "components must differ: - (k/d) (1 - 2j/J).",
        _with(lambda j, k, n, d: (1 - j / n) + 0 * k),
    ),
    Mistake(
        "The first term is missing: (1 - j/J) comes before the product.",
        _with(lambda j, k, n, d: -k / d * (1 - 2 * j / n)),
    ),
    Mistake(
        "The brackets are elsewhere than in the formula: k/d is multiplied by all of (1 - 2j/J).",
        _with(lambda j, k, n, d: (1 - j / n) - k / d - 2 * j / n),
    ),
    Mistake(
        "These are the weights of the authors' program, about twice as large. Asked for is the "
        "formula of the paper's section 4.1.",
        _with(lambda j, k, n, d: 1 + 4 * (k - (d + 1) / 2) * (j - (n + 1) / 2) / (d * n)),
    ),
    Mistake(
        "`//` rounds down, so that j/J is 0 until the last word. Use `/`.",
        _with(lambda j, k, n, d: (1 - j // n) - k // d * (1 - 2 * j // n)),
    ),
    Mistake(
        "You take the mean of the weighted words. The paper adds them: a sum.",
        _with(_right, end=lambda weighted: weighted.sum(axis=0) / max(len(weighted), 1)),
    ),
    Mistake(
        "You add over the components and keep the words. Add over the words, axis 0: what is left "
        "is one vector for the sentence.",
        _with(_right, end=lambda weighted: weighted.sum(axis=1)),
    ),
    Mistake(
        "You return the weighted words. Add them up: one vector for the sentence.",
        _with(_right, end=lambda weighted: weighted),
    ),
    Mistake(
        "You return the sum of all numbers. Add over the words alone, axis 0.",
        _with(_right, end=np.sum),
    ),
)

EXERCISE = Exercise("sentence_vector", sentence_vector, _cases, _MISTAKES)
