"""Two trained translators read a sentence of the reader's own: where the lookup looks."""

import json
from functools import cache
from itertools import zip_longest
from typing import ClassVar

import numpy as np
import traitlets

from attnbook.distributions import softmax
from attnbook.figures.base import HERE, Figure
from attnbook.plots import show_heatmaps
from attnbook.tasks.phrases import END, WORDS, reordered

LONGEST = 14
FULL_STOP = "."


@cache
def trained() -> dict:
    """Return the weights of both networks by name: scripts/train_alignment_weights.py."""
    told = json.loads((HERE / "data" / "alignment.json").read_text("utf-8"))
    return {
        name: {key: np.array(table) * told["unit"] for key, table in network["weights"].items()}
        for name, network in told["networks"].items()
    }


def _gru(weights, name, x, h, suffix=""):
    """Return the next state of a gated recurrent unit, gates in PyTorch's order."""
    from_x = weights[f"{name}.weight_ih{suffix}"] @ x + weights[f"{name}.bias_ih{suffix}"]
    from_h = weights[f"{name}.weight_hh{suffix}"] @ h + weights[f"{name}.bias_hh{suffix}"]
    (r_x, z_x, n_x), (r_h, z_h, n_h) = np.split(from_x, 3), np.split(from_h, 3)
    reset, keep = 1 / (1 + np.exp(-r_x - r_h)), 1 / (1 + np.exp(-z_x - z_h))
    return (1 - keep) * np.tanh(n_x + reset * n_h) + keep * h


def translated(weights, source):
    """Return the numbers of the words written, and the weights of each step if there are any."""
    words, width = weights["words.weight"], len(weights["start.bias"])

    def read(places, suffix):
        states, h = {}, np.zeros(width)
        for i in places:
            states[i] = h = _gru(weights, "encoder", words[source[i]], h, suffix)
        return states, h

    places = range(len(source))
    forth, last = read(places, "_l0")
    back, first = read(reversed(places), "_l0_reverse")
    states = np.array([np.concatenate([forth[i], back[i]]) for i in places])
    context = np.concatenate([last, first])
    s = np.tanh(weights["start.weight"] @ context + weights["start.bias"])
    written, looks = [END], []
    for _ in range(len(source) + 2):
        if "look.w" in weights:
            inner = s @ weights["look.w_q"] + states @ weights["look.w_k"]
            looks.append(softmax(np.tanh(inner) @ weights["look.w"]))
            context = looks[-1] @ states
        word = words[written[-1]]
        s = _gru(weights, "decoder", np.concatenate([word, context]), s)
        logits = weights["answer.weight"] @ np.concatenate([s, context, word])
        written.append(int((logits + weights["answer.bias"]).argmax()))
        if written[-1] == END:
            break
    return written[1:], looks


class Alignment(Figure):
    """A sentence of up to 14 words, translated with a lookup at each step, and from one vector.

    State: ``words`` of the source.
    """

    name = "alignment"
    heights = (668, 772)
    examples: ClassVar[list[dict]] = [
        {},
        {"words": ["cat"]},
        {"words": ["red"]},
        {"words": ["big", "red", "cat", "old"]},
        {"words": ["wet", "new", "tea", "sun", "hot", "car", "old", "big", "box", "cat"]},
        {"words": ["hat"] * LONGEST},
        {"words": ["box", "car", "wet", "wet", "cat", "hot", "tea"] * 2},
    ]

    words = traitlets.List(["big", "red", "cat", "sun", "old", "box", "hot", "new", "tea"]).tag(
        sync=True
    )

    @traitlets.validate("words")
    def _checked(self, proposal):
        words = proposal["value"]
        if not 1 <= len(words) <= LONGEST:
            raise traitlets.TraitError(f"a sentence has 1 to {LONGEST} words; got {len(words)}")
        for word in words:
            if word not in WORDS:
                raise traitlets.TraitError(f"{word!r} must be one of {', '.join(WORDS)}")
        return words

    def numbers(self) -> dict:
        """Return what both networks write, what is right, and the weights of the lookups."""
        order = reordered(self.words)
        source = [WORDS.index(word) for word in self.words]
        expected = [self.words[i] for i in order] + [FULL_STOP]
        found = {"order": order, "expected": expected}
        for name in ("attention", "vector"):
            written, looks = translated(trained()[name], source)
            told = [FULL_STOP if n == END else WORDS[n] for n in written]
            right = sum(a == b for a, b in zip_longest(told, expected))
            found |= {name: told, f"{name}_right": f"{right} of {len(expected)}"}
            if looks:
                found["weights"] = np.array(looks).tolist()
        return found

    def picture(self):
        """Return the weights, a row for each word that is written."""
        numbers = self.numbers()
        return show_heatmaps(
            np.array(numbers["weights"])[None, None],
            xlabel="source",
            ylabel="written",
            row_labels=numbers["attention"],
            col_labels=self.words,
            show_values=False,
            figsize=(5.2, 4.2),
            alt=(
                f"The sentence “{' '.join(self.words)}” is translated to "
                f"“{' '.join(numbers['attention'])}”. A heatmap has a row for each word written "
                "and a column for each source word: most rows have one dark cell, and the cells "
                "step back within each phrase and forward from phrase to phrase."
            ),
        )
