"""Exercise `layer_flops`: 6 n d² operations for the projections, 4 n² d for the lookups."""

import numpy as np

from ..core import Case, Exercise, Mistake


def layer_flops(n, d):
    """Count product by product: (a × b) times (b × c) takes 2 a b c operations."""
    projections, lookups = [], []
    for tokens in n:
        tokens = int(tokens)
        projections.append(sum(2 * tokens * d * d for _ in "qkv"))
        scores, outputs = 2 * tokens * d * tokens, 2 * tokens * tokens * d
        lookups.append(scores + outputs)
    return np.array(projections), np.array(lookups)


def _cases(rng):
    def drawn(count, d):
        return Case((rng.integers(2, 5000, size=count), d))

    return [
        Case((np.array([1]), 1), "one token of width 1"),
        Case((np.array([3]), 2)),
        Case((np.array([2, 5]), 3)),
        Case((np.array([4, 4, 7]), 4)),
        Case((np.array([96]), 64), "where both are equal"),
        drawn(3, 7),
        drawn(5, 64),
        Case((2 ** np.arange(7, 17), 128), "n doubled again and again"),
    ]


def _with(six=6, four=4, power=(1, 2), squares=(2, 1)):
    """Return a count with other factors or powers."""

    def wrong(n, d):
        n = np.asarray(n, dtype=np.int64)
        return six * n ** power[0] * d ** power[1], four * n ** squares[0] * d ** squares[1]

    return wrong


_MISTAKES = (
    Mistake(
        "You count multiplications only. Each comes with an addition: 2 operations for each term.",
        _with(six=3, four=2),
    ),
    Mistake("You count one projection. There are three: queries, keys and values.", _with(six=2)),
    Mistake("You count two projections. There are three: queries, keys and values.", _with(six=4)),
    Mistake(
        "You count four projections. There are three here, and no matrix after the lookup.",
        _with(six=8),
    ),
    Mistake(
        "You count one product of the lookup. There are two: queries with keys, and weights with "
        "values.",
        _with(four=2),
    ),
    Mistake(
        "The additions are missing in the projections: 2 operations for each term.", _with(six=3)
    ),
    Mistake(
        "The projections grow with n, not with its square: each token is projected once.",
        _with(power=(2, 2)),
    ),
    Mistake(
        "The projections have n rows, and each row takes d² terms: a vector times a matrix.",
        _with(power=(1, 1)),
    ),
    Mistake(
        "The lookups take d terms for each pair of tokens, and there are n² pairs.",
        _with(squares=(1, 1)),
    ),
    Mistake(
        "The lookups count pairs alone, n². For each pair there are d terms in either product.",
        _with(squares=(2, 0)),
    ),
    Mistake(
        "The lookups take d terms for each pair, not d².",
        _with(squares=(2, 2)),
    ),
    Mistake(
        "The two have changed places: projections first, then lookups.",
        lambda n, d: _with()(n, d)[::-1],
    ),
    Mistake(
        "You return one array, the sum. Return the two: projections, lookups.",
        lambda n, d: sum(_with()(n, d)),
    ),
)

EXERCISE = Exercise("layer_flops", layer_flops, _cases, _MISTAKES, rtol=1e-9)
