"""Exercise `weight_by_distance`: what the last token has from each distance, under even weights."""

import numpy as np

from ..core import Case, Exercise, Mistake


def weight_by_distance(windows):
    """Walk back layer by layer: each step is 0, ..., window, all equally likely."""
    share = [1.0]
    for window in windows:
        wider = [0.0] * (len(share) + int(window))
        for distance, weight in enumerate(share):
            for step in range(window + 1):
                wider[distance + step] += weight / (window + 1)
        share = wider
    return np.array(share)


def _cases(rng):
    def case(*windows, note=""):
        return Case((np.array(windows, dtype=int),), note)

    return [
        case(note="no layer"),
        case(0, note="one layer, in which a token sees itself alone"),
        case(1, note="one layer"),
        case(2, note="one layer"),
        case(1, 1, note="two layers, with one token back in each"),
        case(2, 2),
        case(1, 3, note="two layers with different windows"),
        case(3, 0, 1, note="a layer in which a token sees itself alone"),
        case(1, 1, 1, 1, 1),
        case(4, 4, 4),
        case(*rng.integers(1, 9, size=4)),
        case(*rng.integers(0, 12, size=5)),
        case(*[16] * 8),
    ]


def _walk(windows, steps=lambda window: np.full(window + 1, 1 / (window + 1))):
    share = np.ones(1)
    for window in windows:
        share = np.convolve(share, steps(window))
    return share


def _squared(windows):
    share = _walk(windows[:1])
    for _ in windows[1:]:
        share = np.convolve(share, share)
    return share


def _without_itself(window):
    return np.append(0.0, np.full(window, 1 / window)) if window else np.ones(1)


_MISTAKES = (
    Mistake(
        "You return the even weights of the first layer. Each further layer walks once more.",
        lambda windows: _walk(windows[:1]),
    ),
    Mistake(
        "You spread the weight evenly over the whole reach. There are many ways to walk to the "
        "middle, and one to the end.",
        lambda windows: np.full(windows.sum() + 1, 1 / (windows.sum() + 1)),
    ),
    Mistake(
        "The weights do not sum to one: you return the number of ways. In each layer a token "
        "gives 1/(window + 1) to each that it sees.",
        lambda windows: _walk(windows, lambda window: np.ones(window + 1)),
    ),
    Mistake(
        "You divide by the window. A token sees `window` tokens before it *and itself*: "
        "window + 1.",
        lambda windows: _walk(windows, lambda w: np.full(w + 1, 1 / max(w, 1))),
    ),
    Mistake(
        "You leave the token itself out of its window. It sees `window` tokens before it and "
        "itself, so a step may be 0.",
        lambda windows: _walk(windows, _without_itself),
    ),
    Mistake(
        "The window ends one token too early: it has `window` tokens before the token itself.",
        lambda windows: _walk(windows, lambda w: np.full(max(w, 1), 1 / max(w, 1))),
    ),
    Mistake(
        "The last layer is missing. Walk once for each window.",
        lambda windows: _walk(windows[:-1]),
    ),
    Mistake(
        "The first layer is missing. Walk once for each window.",
        lambda windows: _walk(windows[1:]),
    ),
    Mistake(
        "You take the first window for all layers. Each layer has its own.",
        lambda windows: _walk([windows[0]] * len(windows) if len(windows) else []),
    ),
    Mistake(
        "You convolve the shares with themselves, so the layers double. Each layer walks one "
        "step of 0, ..., window.",
        _squared,
    ),
    Mistake(
        "The window looks to both sides. It looks back only: steps of 0, ..., window.",
        lambda windows: _walk(2 * windows),
    ),
    Mistake(
        "You return the sum of the weights so far. Entry i is what comes from exactly i tokens "
        "back.",
        lambda windows: weight_by_distance(windows).cumsum(),
    ),
)

EXERCISE = Exercise("weight_by_distance", weight_by_distance, _cases, _MISTAKES)
