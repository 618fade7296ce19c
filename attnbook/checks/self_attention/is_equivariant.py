"""Exercise `is_equivariant`: f(X[order]) = f(X)[order], to 1e-9."""

import numpy as np

from ..core import Case, Exercise, Mistake


def is_equivariant(f, X, order):
    """Whether the outputs of a shuffled sequence are the shuffled outputs of the sequence."""
    outputs, shuffled = f(X), f(np.array([X[i] for i in order]))
    return all(
        abs(a - b) <= 1e-9
        for i, row in zip(order, shuffled, strict=True)
        for a, b in zip(outputs[i], row, strict=True)
    )


# ---- functions of a sequence that a reader's test is tried on ---------------------------------


def self_attention(X):
    """Let the words look each other up, without projections."""
    s = X @ X.T
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True) @ X


def each_word_by_itself(X):
    """Treat every row alike, and by itself."""
    return np.maximum(2 * X - 1, 0)


def mean_of_all(X):
    """Return the mean for every row."""
    return np.zeros(X.shape) + X.mean(axis=0)


def with_rounding_errors(X):
    """Double each row, with an error far below 1e-9 that depends on its place."""
    return 2 * X + 1e-12 * np.arange(1, len(X) + 1)[:, None]


def with_places(X):
    """Add half of its place to each row."""
    return X + 0.5 * np.arange(len(X))[:, None]


def with_small_places(X):
    """Add so little for the place that only a narrow tolerance sees it."""
    return X + 1e-5 * np.arange(len(X))[:, None] ** 2


def running_sum(X):
    """Sum up the rows so far."""
    return np.cumsum(X, axis=0)


def first_word(X):
    """Return the first row for every row."""
    return np.zeros(X.shape) + X[0]


def backwards(X):
    """Turn the order round."""
    return X[::-1]


def sorted_columns(X):
    """Sort each column."""
    return np.sort(X, axis=0)


def last_word_marked(X):
    """Add 1 to the last row."""
    return X + (np.arange(len(X)) == len(X) - 1)[:, None]


def _cases(rng):
    def case(f, order, width, note=""):
        X = rng.normal(size=(len(order), width)).round(1)
        X[:, 0] += np.arange(len(order))  # no two words alike
        return Case((f, X, np.array(order)), note)

    ring, far = [1, 2, 0], [2, 0, 3, 1]
    return [
        case(each_word_by_itself, ring, 1),
        case(with_places, [1, 0], 1),
        case(self_attention, ring, 2),
        case(mean_of_all, ring, 2, "all outputs are equal"),
        case(with_places, ring, 2),
        case(running_sum, far, 2),
        case(self_attention, far, 4, "as many words as dimensions"),
        case(running_sum, far, 4, "as many words as dimensions"),
        case(first_word, far, 2, "all outputs are equal"),
        case(first_word, [0, 3, 1, 2], 2, "the first word stays"),
        case(backwards, [3, 2, 1, 0], 2, "for this order it holds"),
        case(backwards, far, 2),
        case(sorted_columns, ring, 1, "the outputs do not change at all"),
        case(sorted_columns, far, 3, "the outputs do not change at all"),
        case(with_rounding_errors, ring, 2, "differences of 1e-12 are rounding"),
        case(with_rounding_errors, far, 3, "differences of 1e-12 are rounding"),
        case(with_small_places, ring, 2, "differences of 1e-5 are real"),
        case(with_small_places, far, 3, "differences of 1e-5 are real"),
        case(last_word_marked, [1, 0, 2, 3], 2, "the last word stays"),
        case(last_word_marked, far, 3),
        case(each_word_by_itself, list(rng.permutation(9)), 3),
        case(running_sum, list(rng.permutation(9)), 5),
    ]


def _close(a, b, atol=1e-9):
    return np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=0, atol=atol)


_MISTAKES = (
    Mistake(
        "That is *invariance*: you ask whether f(X[order]) equals f(X). The outputs should be "
        "shuffled as well: f(X)[order].",
        lambda f, X, order: _close(f(X[order]), f(X)),
    ),
    Mistake(
        "You shuffle the outputs back in place of forth, or twice the other way: row i of X[order] "
        "is word order[i], so compare with f(X)[order], not with np.argsort(order).",
        lambda f, X, order: _close(f(X[order]), f(X)[np.argsort(order)]),
    ),
    Mistake(
        "You compare f(X)[order] with f(X), so f never sees the shuffled words. Call it on "
        "X[order] too.",
        lambda f, X, order: _close(f(X)[order], f(X)),
    ),
    Mistake(
        "Both sides of your comparison are shuffled after f. One of them must be shuffled before: "
        "f(X[order]).",
        lambda f, X, order: _close(f(X)[order], f(X)[order]),
    ),
    Mistake(
        "You ask for equality to the last bit. Sums in another order differ by roundings: allow "
        "1e-9.",
        lambda f, X, order: bool(np.all(f(X[order]) == f(X)[order])),
    ),
    Mistake(
        "Your tolerance is so wide that real differences pass. np.allclose allows a hundred "
        "thousandth of the number by default: set rtol=0 and atol=1e-9.",
        lambda f, X, order: bool(np.allclose(f(X[order]), f(X)[order], rtol=1e-3, atol=1e-4)),
    ),
    Mistake(
        "You compare sums over the words. Two sequences of outputs may have one sum and differ in "
        "every row.",
        lambda f, X, order: _close(f(X[order]).sum(axis=0), f(X)[order].sum(axis=0)),
    ),
    Mistake(
        "You shuffle the columns of X, the dimensions. The words are its rows: X[order].",
        lambda f, X, order: _close(f(X[:, order]), f(X)[:, order]),
    ),
    Mistake(
        "The answer is turned round: True where it holds.",
        lambda f, X, order: not _close(f(X[order]), f(X)[order]),
    ),
    Mistake(
        "One row that fits is not enough: *all* must. Use .all(), or np.allclose.",
        lambda f, X, order: bool((abs(f(X[order]) - f(X)[order]) <= 1e-9).any()),
    ),
)

EXERCISE = Exercise("is_equivariant", is_equivariant, _cases, _MISTAKES)
