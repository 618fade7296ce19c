"""Exercise `weight_by_distance`: what the last token has from each distance, under even weights."""

import numpy as np

from ..core import Case, Exercise, Mistake


def weight_by_distance(window, layers):
    """Walk back layer by layer: each step is 0, ..., window, all equally likely."""
    share = [1.0]
    for _ in range(layers):
        wider = [0.0] * (len(share) + window)
        for distance, weight in enumerate(share):
            for step in range(window + 1):
                wider[distance + step] += weight / (window + 1)
        share = wider
    return np.array(share)


def _cases(rng):
    return [
        Case((0, 1), "a token that sees itself alone"),
        Case((1, 0), "no layer"),
        Case((1, 1), "one layer"),
        Case((2, 1), "one layer"),
        Case((1, 2), "two layers, with one token back in each"),
        Case((2, 2)),
        Case((3, 2)),
        Case((1, 5)),
        Case((4, 3)),
        Case((int(rng.integers(5, 9)), int(rng.integers(3, 6)))),
        Case((16, 8)),
    ]


def _walk(steps, layers):
    share = np.ones(1)
    for _ in range(layers):
        share = np.convolve(share, steps)
    return share


def _line(window, layers):
    reach = window * layers
    return np.full(reach + 1, 1 / (reach + 1))


_MISTAKES = (
    Mistake(
        "You return the even weights of one layer. Each further layer walks once more.",
        lambda window, layers: _walk(np.full(window + 1, 1 / (window + 1)), 1),
    ),
    Mistake(
        "You spread the weight evenly over the whole reach. There are many ways to walk to the "
        "middle, and one to the end.",
        _line,
    ),
    Mistake(
        "The weights do not sum to one: you return the number of ways. In each layer a token "
        "gives 1/(window + 1) to each that it sees.",
        lambda window, layers: _walk(np.ones(window + 1), layers),
    ),
    Mistake(
        "You divide by the window. A token sees `window` tokens before it *and itself*: "
        "window + 1.",
        lambda window, layers: _walk(np.full(window + 1, 1 / max(window, 1)), layers),
    ),
    Mistake(
        "You leave the token itself out of its window. It sees `window` tokens before it and "
        "itself, so a step may be 0.",
        lambda window, layers: _walk(
            np.append(0.0, np.full(window, 1 / window)) if window else np.ones(1), layers
        ),
    ),
    Mistake(
        "The window ends one token too early: it has `window` tokens before the token itself.",
        lambda window, layers: _walk(np.full(max(window, 1), 1 / max(window, 1)), layers),
    ),
    Mistake(
        "That is one layer too many.",
        lambda window, layers: weight_by_distance(window, layers + 1),
    ),
    Mistake(
        "That is one layer too few. With no layer a token has only itself.",
        lambda window, layers: weight_by_distance(window, max(layers - 1, 0)),
    ),
    Mistake(
        "You convolve the shares with themselves, so the layers double. Each layer walks one "
        "step of 0, ..., window.",
        lambda window, layers: weight_by_distance(window, 2 ** (layers - 1) if layers else 0),
    ),
    Mistake(
        "The window looks to both sides. It looks back only: steps of 0, ..., window.",
        lambda window, layers: _walk(np.full(2 * window + 1, 1 / (2 * window + 1)), layers),
    ),
    Mistake(
        "You return the sum of the weights so far. Entry i is what comes from exactly i tokens "
        "back.",
        lambda window, layers: weight_by_distance(window, layers).cumsum(),
    ),
)

EXERCISE = Exercise("weight_by_distance", weight_by_distance, _cases, _MISTAKES)
