"""Self-attention in the plane: a sentence whose words look each other up; choose who asks."""

from typing import ClassVar

import numpy as np
import traitlets

from attnbook.attention import attention, attention_weights
from attnbook.figures.base import Figure
from attnbook.plots import INK, KEY, MUTED, QUERY, VALUE, WEIGHT, WEIGHT_CMAP, subplots

#: The two numbers by which each word is written here: about money, about water.
VECTORS = {
    "the": [0.3, 0.2],
    "bank": [1.1, 1.1],
    "by": [-0.8, -0.2],
    "river": [-0.5, 2.4],
    "lends": [1.5, -0.9],
    "money": [2.4, -0.5],
}
LOW, HIGH = -1.5, 3.0
LONGEST = 6


class SelfAttention(Figure):
    """Up to six words, each its vector in the plane; each vector is query, key and value at once.

    State: ``sentence``, a list of words; ``vectors``, an [x, y] for each word, from -1.5 to 3;
    ``query``, the place in the sentence of the word that asks (past the end, the last).
    """

    name = "self_attention"
    heights = (664, 1184)
    examples: ClassVar[list[dict]] = [
        {},
        {"sentence": ["the", "bank", "lends", "the", "money"]},
        {"sentence": ["the", "river", "by", "the", "bank"], "query": 4},
        {"sentence": ["bank"], "query": 0},
        {"sentence": ["the", "the", "the"], "query": 5},
        {"query": 0, "vectors": VECTORS | {"the": [0.0, 0.0]}},
        {"vectors": {word: [1.0, -1.0] for word in VECTORS}},
        {"query": 2, "vectors": VECTORS | {"by": [3.0, 3.0], "river": [-1.5, -1.5]}},
    ]

    sentence = traitlets.List(
        traitlets.Unicode(),
        ["the", "bank", "by", "the", "river"],
        minlen=1,
        maxlen=LONGEST,
    ).tag(sync=True)
    vectors = traitlets.Dict(VECTORS).tag(sync=True)
    query = traitlets.Int(1, min=0).tag(sync=True)

    @traitlets.validate("vectors")
    def _points(self, proposal):
        for word, point in proposal["value"].items():
            array = np.asarray(point, dtype=float)
            if array.shape != (2,) or not ((array >= LOW) & (array <= HIGH)).all():
                raise traitlets.TraitError(
                    f"the vector of {word!r} is {point!r}; it needs two numbers from "
                    f"{LOW:g} to {HIGH:g}"
                )
        return proposal["value"]

    def rows(self) -> np.ndarray:
        """Return the vectors of the words of the sentence, one to a row."""
        missing = [word for word in self.sentence if word not in self.vectors]
        if missing:
            raise ValueError(
                f"no vector for {missing[0]!r}; there are vectors for {', '.join(self.vectors)}"
            )
        return np.array([self.vectors[word] for word in self.sentence], dtype=float)

    def numbers(self) -> dict:
        """Return scores, weights and outputs of all words; the row and the output of the query."""
        x = self.rows()
        weights, outputs = attention_weights(x, x), attention(x, x, x)
        asking = min(self.query, len(x) - 1)
        row = weights[asking]
        most = int(np.argmax(row >= row.max() - 1e-9))  # of equal ones the first
        return {
            "scores": (x @ x.T / np.sqrt(2)).tolist(),
            "weights": weights.tolist(),
            "outputs": outputs.tolist(),
            "asking": asking,
            "row": row.tolist(),
            "output": outputs[asking].tolist(),
            "most": self.sentence[most],
            "most_weight": float(row[most]),
            "moved": float(np.linalg.norm(outputs[asking] - x[asking])),
        }

    def picture(self):
        """Return the plane of the words with the output of the query, and the map of weights."""
        numbers, x = self.numbers(), self.rows()
        asking, weights = numbers["asking"], np.array(numbers["weights"])
        alt = (
            f"Left, the words of “{' '.join(self.sentence)}” in the plane, with lines from "
            f"“{self.sentence[asking]}” as wide as its weights, and its output. Right, the "
            f"weights of all words; “{self.sentence[asking]}” gives most, "
            f"{numbers['most_weight']:.2f}, to “{numbers['most']}”."
        )
        plot, (left, right) = subplots(1, 2, figsize=(7.0, 3.5), width_ratios=(1, 1.1), alt=alt)
        for word in dict.fromkeys(self.sentence):
            share = sum(w for w, other in zip(numbers["row"], self.sentence, strict=True)
                        if other == word)  # fmt: skip
            point, asks = self.vectors[word], word == self.sentence[asking]
            ends = zip(x[asking], point, strict=True)
            left.plot(*ends, color=WEIGHT, linewidth=0.5 + 8 * share, alpha=0.5)
            left.plot(*point, "o" if asks else "^", color=QUERY if asks else KEY, markersize=8)
            left.annotate(word, point, (8, 5 if point[1] >= 0 else -14), textcoords="offset points")
        left.plot(*numbers["output"], "s", color=VALUE, markeredgecolor=INK, markersize=10)
        for draw in (left.axhline, left.axvline):
            draw(0, color=MUTED, linewidth=0.5)
        left.set(xlim=(LOW, HIGH), ylim=(LOW, HIGH), aspect="equal")
        left.set(xlabel="dimension 1 (money)", ylabel="dimension 2 (water)")
        mesh = right.pcolormesh(weights, cmap=WEIGHT_CMAP, vmin=0, vmax=1)
        count = len(self.sentence)
        right.set(ylim=(count, 0), aspect="equal", title="weights", ylabel="query", xlabel="key")
        right.set_xticks(np.arange(count) + 0.5, self.sentence, rotation=90)
        right.set_yticks(np.arange(count) + 0.5, self.sentence)
        right.tick_params(length=0)
        bar = plot.colorbar(mesh, ax=right, shrink=0.8, ticks=(0, 1), label="weight")
        bar.outline.set_visible(False)
        return plot
