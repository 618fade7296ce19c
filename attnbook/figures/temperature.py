"""Temperature: the same scores, from one winner to an even share."""

import math
from typing import ClassVar

import numpy as np
import traitlets

from attnbook.distributions import entropy, softmax, softmax_jacobian
from attnbook.figures.base import Figure, limit_float
from attnbook.plots import KEY, MUTED, WEIGHT, WEIGHT_CMAP, subplots

#: The rows of the heatmap: both limits, and half decades between them.
ROWS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, math.inf)


class Temperature(Figure):
    """Six scores, which can be dragged, and the weights softmax(s / T) at a temperature.

    State: ``scores``, six numbers in [−3, 3]; ``temperature`` in [0, ∞].
    """

    name = "temperature"
    heights = (645, 1195)
    examples: ClassVar[list[dict]] = [
        {},
        {"temperature": 0.0},
        {"temperature": math.inf},
        {"temperature": 0.1},
        {"temperature": 10.0},
        {"scores": [2.0, 1.0, 2.0, 0.0, -1.0, 0.5], "temperature": 0.0},
        {"scores": [2.0, 1.0, 2.0, 0.0, -1.0, 0.5], "temperature": 0.05},
        {"scores": [1.0] * 6, "temperature": 1.0},
    ]

    scores = traitlets.List(
        traitlets.Float(min=-3.0, max=3.0), [2.0, 1.0, 1.6, 0.0, -1.0, 0.5], minlen=6, maxlen=6
    ).tag(sync=True)
    temperature = limit_float(1.0)

    def gradient_norm(self) -> float | None:
        """Return the Frobenius norm of dα/ds; None where there is no derivative.

        At T = ∞ the weights do not move. At T = 0 they do not move either, but for a tie, where
        they jump.
        """
        if self.temperature == math.inf:
            return 0.0
        if self.temperature == 0:
            return None if self.scores.count(max(self.scores)) > 1 else 0.0
        weights = softmax(np.array(self.scores), temperature=self.temperature)
        return float(np.linalg.norm(softmax_jacobian(weights, temperature=self.temperature)))

    def numbers(self) -> dict:
        """Return weights, entropy in nats, the largest weight and the gradient norm."""
        weights = softmax(np.array(self.scores), temperature=self.temperature)
        return {
            "weights": weights.tolist(),
            "entropy": float(entropy(weights)),
            "largest_weight": float(weights.max()),
            "gradient_norm": self.gradient_norm(),
        }

    def picture(self):
        """Return scores, weights, the weights at seven temperatures, and entropy over T."""
        scores, weights = np.array(self.scores), np.array(self.numbers()["weights"])
        plot, axes = subplots(
            2,
            2,
            figsize=(6.6, 4.4),
            height_ratios=[1, 1.1],
            alt=(
                f"Six scores and their softmax at temperature {self.temperature:g}: weights "
                + ", ".join(f"{w:.2f}" for w in weights)
                + ". A heatmap shows the weights at seven temperatures, from all on the best score "
                "to an even share. A curve shows the entropy rising with the temperature."
            ),
        )
        (top, grid), (bottom, curve) = axes
        entries = np.arange(1, 7)
        top.axhline(0, color=MUTED, linewidth=0.8)
        top.vlines(entries, 0, scores, color=KEY)
        top.plot(entries, scores, "^", color=KEY)
        top.set(ylabel="score", xlim=(0.4, 6.6), ylim=(-3.2, 3.2), xticks=entries)
        bottom.bar(entries, weights, width=0.6, color=WEIGHT)
        bottom.set(ylabel="weight", xlim=(0.4, 6.6), ylim=(0, 1), xticks=entries, xlabel="entry")
        rows = np.array([softmax(scores, temperature=t) for t in ROWS])
        mesh = grid.pcolormesh(rows, cmap=WEIGHT_CMAP, vmin=0, vmax=1)
        grid.set(xticks=entries - 0.5, xticklabels=entries, ylim=(len(ROWS), 0))
        grid.set_yticks(np.arange(len(ROWS)) + 0.5, ["0", "0.1", "0.3", "1", "3", "10", "∞"])
        grid.set(ylabel="temperature T", xlabel="entry")
        plot.colorbar(mesh, ax=grid, label="weight").outline.set_visible(False)
        t = np.logspace(-2, 2, 161)
        curve.semilogx(t, [entropy(softmax(scores, temperature=x)) for x in t], color=WEIGHT)
        curve.axhline(math.log(6), color=MUTED, linestyle=":", linewidth=1)
        curve.plot(
            np.clip(self.temperature, 0.01, 100), self.numbers()["entropy"], "D", color=WEIGHT
        )
        curve.minorticks_off()
        curve.set(xlabel="temperature T", ylabel="entropy (nats)", ylim=(0, 1.9))
        return plot
