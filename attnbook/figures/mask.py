"""Paint a mask: weights, pairs that look ahead, and empty rows, at once."""

from typing import ClassVar

import numpy as np
import traitlets
from matplotlib.colors import ListedColormap, to_rgb

from attnbook.distributions import softmax
from attnbook.figures.base import Figure
from attnbook.masks import padding_mask
from attnbook.patterns import causal, documents, window
from attnbook.plots import INK, MUTED, WEIGHT_CMAP, subplots

#: Nothing, and grey by opacity, right on any background.
GREY = ListedColormap([(0, 0, 0, 0), (*to_rgb(MUTED), 0.4)])
FILL = np.float32(-1e9)  # the finite number that many programs put in the place of -inf


class MaskPainter(Figure):
    """n_q queries, the last n_q of n_k positions, and a mask that a reader paints.

    State: ``n_q``, ``n_k``; ``align``, where a pattern puts query i: "lower" at i + n_k - n_q,
    "upper" at i; ``pattern``; ``flips``, the cells [query, key] that differ from the pattern;
    ``fill``, what happens at a forbidden pair: "zero" weight, as in this book, -1e9 in float32
    ("finite"), or a plain softmax over -inf ("nan"). Scores are 1.5 sin(1 + 2i + 3j).

    Wherever the pattern puts them, the queries *are* the last positions. So query i leaks if it
    may attend to a key j > i + n_k - n_q.
    """

    name = "mask"
    heights = (585, 1030)
    examples: ClassVar[list[dict]] = [
        {},
        {"flips": []},
        {"flips": [], "align": "upper", "n_q": 2, "n_k": 5},
        {"flips": [], "align": "upper", "n_q": 5, "n_k": 3},
        {"flips": [], "n_q": 5, "n_k": 3, "fill": "finite"},
        {"flips": [], "n_q": 5, "n_k": 2, "fill": "nan"},
        {"flips": [[0, 0]], "pattern": "left", "n_q": 5, "n_k": 5, "fill": "finite"},
        {"flips": [[9, 9], [1, 7]], "pattern": "documents", "n_q": 5, "n_k": 8},
        {"flips": [], "pattern": "documents", "align": "upper", "n_q": 5, "n_k": 3},
        {"flips": [], "pattern": "window", "align": "upper", "n_q": 3, "n_k": 8},
        {"flips": [], "pattern": "padding", "n_q": 1, "n_k": 1, "fill": "nan"},
        {"flips": [], "pattern": "all", "n_q": 3, "n_k": 4},
    ]

    n_q = traitlets.Int(4, min=1, max=5).tag(sync=True)
    n_k = traitlets.Int(6, min=1, max=8).tag(sync=True)
    align = traitlets.Enum(["lower", "upper"], "lower").tag(sync=True)
    pattern = traitlets.Enum(
        ["all", "causal", "window", "padding", "left", "documents"], "causal"
    ).tag(sync=True)
    flips = traitlets.List(
        traitlets.List(traitlets.Int(), minlen=2, maxlen=2), [[0, 0], [0, 1], [0, 2], [2, 5]]
    ).tag(sync=True)
    fill = traitlets.Enum(["zero", "finite", "nan"], "zero").tag(sync=True)

    def mask(self) -> np.ndarray:
        """Return who may attend to whom, bool (n_q, n_k)."""
        n_q, n_k = self.n_q, self.n_k
        position = np.arange(n_q)[:, None] + (n_k - n_q if self.align == "lower" else 0)
        key = np.arange(n_k)[None, :]
        first = -(-n_k // 2)
        allowed = {
            "all": lambda: True,
            "causal": lambda: causal().rule(position, key),
            "window": lambda: window(2, 0).rule(position, key),
            "padding": lambda: padding_mask(max(n_k - 2, 0), n_k, xp=np),
            "left": lambda: causal().rule(position, key) & (key >= 2),
            "documents": lambda: (causal() & documents([0] * first + [1] * (n_k - first))).rule(
                position, key
            ),
        }[self.pattern]()
        mask = np.ones((n_q, n_k), dtype=bool) & allowed
        for i, j in self.flips:
            if 0 <= i < n_q and 0 <= j < n_k:
                mask[i, j] = not mask[i, j]
        return mask

    def future(self) -> np.ndarray:
        """Return which keys come after the query, bool (n_q, n_k)."""
        return ~causal().mask(self.n_q, self.n_k)

    def weights(self, mask: np.ndarray) -> np.ndarray:
        """Return the weights under this mask; a row of NaN where a plain softmax gives that."""
        i, j = np.indices(mask.shape)
        scores = 1.5 * np.sin(1 + 2 * i + 3 * j)
        if self.fill == "finite":
            return softmax(np.where(mask, scores, (scores.astype(np.float32) + FILL).astype(float)))
        weights = softmax(scores, mask=mask)
        if self.fill == "nan":
            weights[~mask.any(axis=1)] = np.nan
        return weights

    def numbers(self) -> dict:
        """Return mask and weights, and what is wrong with them: leaks, blind pairs, empty rows."""
        mask, future = self.mask(), self.future()
        weights = self.weights(mask)
        return {
            "mask": mask.astype(int).tolist(),
            "weights": [[None if np.isnan(w) else float(w) for w in row] for row in weights],
            "allowed": int(mask.sum()),
            "leaks": int((mask & future).sum()),
            "blind": int((~mask & ~future).sum()),
            "empty": int((~mask.any(axis=1)).sum()),
            "ahead": float(np.nan_to_num(np.where(future, weights, 0)).sum(axis=1).max()),
        }

    def picture(self):
        """Return the mask, with leaks and empty rows marked, beside the weights."""
        numbers, mask, future = self.numbers(), self.mask(), self.future()
        weights = self.weights(mask)
        alt = (
            f"A mask of {self.n_q} queries by {self.n_k} keys with {numbers['allowed']} allowed "
            f"pairs, {numbers['leaks']} of them with a key after the query, marked by an "
            f"exclamation mark, and {numbers['empty']} empty rows. Beside it the weights."
        )
        plot, axes = subplots(1, 2, figsize=(6.8, 2.9), alt=alt)
        edges = np.arange(self.n_k + 1) - 0.5, np.arange(self.n_q + 1) - 0.5
        for ax, matrix, title in zip(
            axes, (mask, np.nan_to_num(weights)), ("mask", "weights"), strict=True
        ):
            ax.pcolormesh(
                *edges, matrix, vmin=0, vmax=1, cmap=GREY if title == "mask" else WEIGHT_CMAP
            )
            ax.set(xlim=(-0.5, self.n_k - 0.5), ylim=(self.n_q - 0.5, -0.5), aspect="equal")
            ax.set(title=title, xlabel="key", xticks=range(self.n_k), yticks=range(self.n_q))
            ax.tick_params(length=0)
        axes[0].set_ylabel("query")
        start = self.n_k - self.n_q + np.arange(self.n_q) + 0.5
        axes[0].stairs(np.clip(start, -0.5, self.n_k - 0.5), edges[1], orientation="horizontal",
                       baseline=None, color=INK, linestyle="--", linewidth=1)  # fmt: skip
        for i, j in np.argwhere(mask & future):
            axes[0].text(j, i, "!", ha="center", va="center", weight="bold", color=INK)
        for i in np.flatnonzero(~mask.any(axis=1)):
            axes[0].text(self.n_k / 2 - 0.5, i, "empty", ha="center", va="center", color=MUTED)
        for (i, j), weight in np.ndenumerate(weights):
            if np.isnan(weight):
                axes[1].text(j, i, "NaN", ha="center", va="center", fontsize=8, color=INK)
        return plot
