"""Exercise `heard_of`: which tokens each token can have heard of after so many layers."""

import numpy as np

from ..core import Case, Exercise, Mistake


def heard_of(mask, layers):
    """Let each token pass on, layer by layer, the set that it knows."""
    n = len(mask)
    known = [{i} for i in range(n)]
    for _ in range(layers):
        known = [known[i].union(*(known[j] for j in range(n) if mask[i, j])) for i in range(n)]
    return np.array([[j in known[i] for j in range(n)] for i in range(n)]).reshape(n, n)


def _chain(n):
    """Each token sees the one before it, and not itself."""
    return np.eye(n, k=-1, dtype=bool)


def _cases(rng):
    def drawn(n, share, layers):
        return Case((rng.uniform(size=(n, n)) < share, layers))

    def band(n, half):
        places = np.arange(n)
        return abs(places[:, None] - places) <= half

    return [
        Case((np.array([[True]]), 1), "one token"),
        Case((_chain(3), 1), "each token sees only the one before it"),
        Case((_chain(3), 0), "no layer at all: each token knows itself"),
        Case((_chain(4), 2), "each token sees only the one before it"),
        Case((_chain(6), 3)),
        Case((np.zeros((3, 3), dtype=bool), 2), "nobody may look at anybody"),
        Case((band(7, 1), 2), "a window of one neighbor on each side"),
        Case((band(9, 1), 3)),
        Case((np.tril(np.ones((4, 4), dtype=bool)), 2), "a causal mask"),
        drawn(8, 0.15, 2),
        drawn(12, 0.12, 3),
        drawn(20, 0.06, 4),
        drawn(15, 0.08, 5),
    ]


def _powers(mask, layers, own=True):
    step = mask.astype(float) + (np.eye(len(mask)) if own else 0)
    known = np.eye(len(mask))
    for _ in range(layers):
        known = step @ known
    return known


def _squared(mask, layers):
    known = mask | np.eye(len(mask), dtype=bool)
    for _ in range(layers - 1):
        known = (known.astype(int) @ known.astype(int)) > 0
    return known if layers else np.eye(len(mask), dtype=bool)


_MISTAKES = (
    Mistake(
        "You lose what a token knew already. It keeps its own news beside what it looks at: add "
        "the diagonal to the mask.",
        lambda mask, layers: _powers(mask, layers, own=False) > 0,
    ),
    Mistake(
        "You return numbers of paths. Whether there is a path is asked: True where the number is "
        "not 0.",
        _powers,
    ),
    Mistake(
        "You lose what a token knew already, and you return numbers of paths. Add the diagonal to "
        "the mask, and return True where the number is not 0.",
        lambda mask, layers: _powers(mask, layers, own=False),
    ),
    Mistake(
        "That is one layer too many. No layer at all: each token knows itself.",
        lambda mask, layers: heard_of(mask, layers + 1),
    ),
    Mistake(
        "That is one layer too few: one look after `layers` layers is missing.",
        lambda mask, layers: heard_of(mask, max(layers - 1, 0)),
    ),
    Mistake(
        "News flows the wrong way: row i of the mask says whom i *looks at*, so i hears of them. "
        "You return the transpose.",
        lambda mask, layers: heard_of(mask, layers).T,
    ),
    Mistake(
        "You return what is seen in one layer. Multiply once more for each further layer.",
        lambda mask, layers: mask | np.eye(len(mask), dtype=bool),
    ),
    Mistake(
        "You return the mask itself. Multiply once more for each further layer, with `@`: `*` and "
        "`**` work on each entry alone. And a token keeps its own news.",
        lambda mask, layers: mask.copy(),
    ),
    Mistake(
        "You square what you have in each layer, so the layers double. Multiply by the mask of one "
        "layer each time.",
        _squared,
    ),
    Mistake(
        "You return how many tokens each has heard of. Which ones is asked: an array (n, n).",
        lambda mask, layers: heard_of(mask, layers).sum(axis=1),
    ),
)

EXERCISE = Exercise("heard_of", heard_of, _cases, _MISTAKES)
