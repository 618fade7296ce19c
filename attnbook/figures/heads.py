"""The heads of a small trained model, each looking at the reader's own text."""

import json
from functools import cache
from string import ascii_lowercase
from typing import ClassVar

import numpy as np
import traitlets
from matplotlib.colors import to_rgb

from attnbook.distributions import softmax
from attnbook.figures.base import HERE, Figure
from attnbook.plots import WEIGHT, subplots

LONGEST = 20
NAMES = [f"{layer}.{head}" for layer in (1, 2) for head in (1, 2, 3, 4)]
FIRST = "mkzdqpmkzdqpmk"


@cache
def trained() -> dict:
    """Return the trained model as its script wrote it: scripts/train_induction_heads.py."""
    told = json.loads((HERE / "data" / "heads.json").read_text("utf-8"))
    unit = told["unit"]
    return {
        "letters": np.array(told["letters"]) * unit,
        "layers": [
            {name: np.array(weight) * unit for name, weight in layer.items()}
            for layer in told["layers"]
        ],
        "out": np.array(told["out"]) * unit,
    }


@cache
def _layers():
    """Return the two layers of the library with the trained weights, in float64."""
    import torch  # only here: a page of figures need not wait for it

    from attnbook.layers import MultiHeadAttention

    layers = []
    for weights in trained()["layers"]:
        layer = MultiHeadAttention(32, 4, bias=False, causal=True, position="rope").double()
        with torch.no_grad():
            for name, weight in weights.items():
                getattr(layer, f"w_{name}").weight.copy_(torch.tensor(weight.T))
        layers.append(layer)
    return layers


def look(text: str, removed=()):
    """Return the weights of all heads, (2, 4, n, n), and the scores of the next letters, (n, 26).

    The output of a removed head is replaced by 0: its rows of W_O take no part.
    """
    import torch

    tokens = [ascii_lowercase.index(letter) for letter in text]
    x, weights = torch.tensor(trained()["letters"][tokens])[None], []
    with torch.no_grad():
        for number, layer in enumerate(_layers(), start=1):
            kept = [f"{number}.{head}" not in removed for head in (1, 2, 3, 4)]
            _, found = layer(x, return_weights=True)
            _, values = layer.keys_and_values(x)
            heads = found @ values * torch.tensor(kept)[:, None, None]
            x = x + layer.w_o(heads.transpose(1, 2).flatten(2))
            weights.append(found[0].numpy())
    return np.array(weights), x[0].numpy() @ trained()["out"]


def pattern_scores(weights, text: str):
    """Return two numbers from 0 to 1 for the weights of a head, (n, n), on a text.

    The mean weight on the letter before, from the second letter on; and the mean weight on letters
    whose letter before is the query's own, over the queries that have such: the induction score.
    """
    n = len(text)
    previous = [weights[i][i - 1] for i in range(1, n)]
    after = [[j for j in range(1, i + 1) if text[j - 1] == text[i]] for i in range(n)]
    induction = [weights[i][after[i]].sum() for i in range(n) if after[i]]
    return [float(np.mean(found)) if found else 0.0 for found in (previous, induction)]


class Heads(Figure):
    """The eight heads of a trained model of two layers, on a text of up to twenty letters.

    State: ``text``; ``query``, the place of the letter that asks, from 0; ``head``, the one that is
    drawn large, "1.1" to "2.4" (layer, head); ``removed``, heads whose output is replaced by 0.
    """

    name = "heads"
    heights = (842, 915)
    examples: ClassVar[list[dict]] = [
        {},
        {"text": "abcdefgabcdefg", "query": 10, "head": "1.2"},
        {"text": "banana", "query": 5},
        {"text": "abracadabra", "query": 10, "head": "2.4"},
        {"text": "qwertyuiop", "query": 9},
        {"text": "zz", "query": 1, "head": "1.1"},
        {"removed": ["1.2"]},
        {"text": "abcdefghijabcdefghij", "query": 14, "removed": ["2.1", "2.2", "2.3", "2.4"]},
    ]

    text = traitlets.Unicode(FIRST).tag(sync=True)
    query = traitlets.Int(9, min=0, max=LONGEST - 1).tag(sync=True)
    head = traitlets.Enum(NAMES, "2.1").tag(sync=True)
    removed = traitlets.List(traitlets.Enum(NAMES)).tag(sync=True)

    @traitlets.validate("text")
    def _checked(self, proposal):
        text = proposal["value"]
        if not 2 <= len(text) <= LONGEST or set(text) - set(ascii_lowercase):
            raise traitlets.TraitError(f"text must be 2 to {LONGEST} letters, a to z; got {text!r}")
        return text

    def numbers(self) -> dict:
        """Return the weights and the scores of all heads, and what the model says comes next."""
        weights, logits = look(self.text, self.removed)
        at = min(self.query, len(self.text) - 1)
        shares = softmax(logits)
        scores = [pattern_scores(head, self.text) for layer in weights for head in layer]
        seen = [i for i in range(len(self.text) - 1) if self.text[i] in self.text[:i]]
        losses = [-np.log(shares[i][ascii_lowercase.index(self.text[i + 1])]) for i in seen]
        best = int(shares[at].argmax())
        return {
            "weights": weights.tolist(),
            "previous": [previous for previous, _ in scores],
            "induction": [induction for _, induction in scores],
            "asks": self.text[at],
            "next": ascii_lowercase[best],
            "probability": float(shares[at][best]),
            "loss": float(np.mean(losses)) if losses else 0.0,
        }

    def picture(self):
        """Return the weights of all heads, a row of heatmaps for each layer."""
        numbers = self.numbers()
        best = [NAMES[int(np.argmax(numbers[name]))] for name in ("previous", "induction")]
        gone = f" Removed: {', '.join(self.removed)}." if self.removed else ""
        n = len(self.text)
        plot, axes = subplots(
            2,
            4,
            figsize=(7.2, 4.2),
            sharex=True,
            sharey=True,
            alt=f"The weights of eight heads, two layers of four, on the text {self.text}. Head "
            f"{best[0]} looks most at the letter before, head {best[1]} most at letters that "
            f"followed the query's letter earlier. After the letter {numbers['asks']} the model "
            f"says {numbers['next']}, with probability {numbers['probability']:.2f}.{gone}",
        )
        for ax, name, weights in zip(
            axes.flat, NAMES, np.concatenate(numbers["weights"]), strict=True
        ):
            rows, columns = np.nonzero(weights > 0.1)  # cells that one can see: a light picture
            colors = [
                (*to_rgb(WEIGHT), round(weights[cell], 2))
                for cell in zip(rows, columns, strict=True)
            ]
            ax.scatter(columns, rows, s=(1150 / n) ** 2 / 100, marker="s", c=colors, linewidths=0)
            ax.set(title=f"head {name}", aspect="equal")
            ax.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5))
        axes[0, 0].set_xticks([])
        axes[0, 0].set_yticks(range(n), self.text)
        for ax in axes.flat:
            ax.tick_params(length=0, labelsize=8)
        plot.supxlabel("keys")
        plot.supylabel("queries")
        return plot
