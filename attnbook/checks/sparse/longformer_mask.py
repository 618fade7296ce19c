"""Exercise `longformer_mask`: allowed[p, j] = |p - j| <= half, or p or j is a global token."""

import numpy as np

from ..core import Case, Exercise, Mistake


def longformer_mask(n, half, tokens):
    """Ask each pair."""
    mask = np.zeros((n, n), dtype=bool)
    for p in range(n):
        for j in range(n):
            mask[p, j] = abs(p - j) <= half or p in tokens or j in tokens
    return mask


def _cases(rng):
    def drawn(n, half, count):
        return Case((n, half, np.sort(rng.choice(n, size=count, replace=False))))

    none = np.array([], dtype=int)
    return [
        Case((1, 0, none), "one token"),
        Case((3, 0, none), "each token sees itself alone"),
        Case((4, 1, none), "no global token"),
        Case((4, 0, np.array([1])), "a global token, and no neighbors"),
        Case((5, 1, np.array([0])), "the first token is global"),
        Case((6, 1, np.array([5])), "the last token is global"),
        Case((6, 2, np.array([1, 4])), "two global tokens"),
        Case((4, 9, none), "the window is wider than the text"),
        drawn(9, 1, 2),
        drawn(12, 3, 1),
        drawn(20, 2, 3),
    ]


def _with(near=lambda p, j, half: abs(p - j) <= half, far=lambda p, j, sees: sees[p] | sees[j]):
    """Return a mask with another window, or other global tokens."""

    def wrong(n, half, tokens):
        p, j = np.arange(n)[:, None], np.arange(n)[None, :]
        sees = np.zeros(n, dtype=bool)
        sees[tokens] = True
        return near(p, j, half) | far(p, j, sees)

    return wrong


_MISTAKES = (
    Mistake(
        "The global tokens are seen by all, but they do not see all: their *rows* are missing.",
        _with(far=lambda p, j, sees: sees[j] & (p >= 0)),
    ),
    Mistake(
        "The global tokens see all, but they are not seen by all: their *columns* are missing.",
        _with(far=lambda p, j, sees: sees[p] & (j >= 0)),
    ),
    Mistake(
        "A global token sees the other global tokens only. It should see all, and be seen by all: "
        "p *or* j is global.",
        _with(far=lambda p, j, sees: sees[p] & sees[j]),
    ),
    Mistake(
        "The global tokens are missing: their rows and their columns are all True.",
        _with(far=lambda p, j, sees: (p < 0) | (j < 0)),
    ),
    Mistake(
        "The window is missing: tokens at most `half` apart see each other.",
        _with(near=lambda p, j, half: (p < 0) | (j < 0)),
    ),
    Mistake(
        "The window looks back only. It has `half` neighbors on each side.",
        _with(near=lambda p, j, half: (p - j <= half) & (j <= p)),
    ),
    Mistake(
        "The window looks forward only. It has `half` neighbors on each side.",
        _with(near=lambda p, j, half: (j - p <= half) & (j >= p)),
    ),
    Mistake(
        "The window ends one token too early: a distance of exactly `half` is allowed, so <=.",
        _with(near=lambda p, j, half: abs(p - j) < half),
    ),
    Mistake(
        "The window ends one token too early on the right: a slice leaves out its last place.",
        _with(near=lambda p, j, half: (p - half <= j) & (j < p + half)),
    ),
    Mistake(
        "The window is half as wide as it should be: `half` counts the neighbors on *each* side.",
        _with(near=lambda p, j, half: abs(p - j) <= half // 2),
    ),
    Mistake(
        "The mask is upside down: True means that the query may look.",
        lambda n, half, tokens: ~longformer_mask(n, half, tokens),
    ),
    Mistake(
        "You take the first tokens as global, as many as there are. `tokens` says which.",
        lambda n, half, tokens: longformer_mask(n, half, range(len(tokens))),
    ),
)

EXERCISE = Exercise("longformer_mask", longformer_mask, _cases, _MISTAKES)
