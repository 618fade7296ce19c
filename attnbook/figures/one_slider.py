"""One slider: the same lookup from one entry (T = 0) to the mean of all entries (T = ∞)."""

import math
from typing import ClassVar

import numpy as np

from attnbook.distributions import entropy
from attnbook.figures.base import Figure, limit_float
from attnbook.lookup import soft_lookup
from attnbook.plots import KEY, MUTED, VALUE, WEIGHT, subplots

CITIES = ["Oslo", "Rome", "Athens", "Madrid", "Reykjavík", "Cairo"]
#: Where they lie, seen from Berlin: thousands of kilometres east and north.
KEYS = np.array(
    [[-0.15, 0.83], [-0.08, -1.18], [0.91, -1.56], [-1.45, -1.18], [-1.65, 1.73], [1.75, -2.30]]
)
#: Hours from sunrise to sunset on 21 June, from the latitude (the sun's center 0.833° below the
#: horizon).
VALUES = np.array([18.8, 15.2, 14.8, 15.1, 21.1, 14.1])
BERLIN = np.zeros(2)


class OneSlider(Figure):
    """Six cities and their longest day; the query, Berlin, is not among them.

    Scores are −½ distance², in (1000 km)². State: ``temperature`` in [0, ∞].
    """

    name = "one_slider"
    heights = (416, 550)
    examples: ClassVar[list[dict]] = [
        {},
        {"temperature": 0.0},
        {"temperature": math.inf},
        {"temperature": 0.032},
        {"temperature": 1.0},
        {"temperature": 100.0},
        {"temperature": 1e-320},  # too small for a float's exponent range: counts as 0
        {"temperature": 1e300},
    ]

    temperature = limit_float(0.5)

    def numbers(self) -> dict:
        """Return the weights, the returned hours and the entropy of the weights in nats."""
        output, weights = soft_lookup(
            BERLIN,
            KEYS,
            VALUES,
            temperature=self.temperature,
            score="distance",
            return_weights=True,
        )
        return {
            "weights": weights.tolist(),
            "output": float(output),
            "entropy": float(entropy(weights)),
        }

    def picture(self):
        """Return the weights as bars, and the values on a line with the returned one."""
        numbers = self.numbers()
        weights, output = numbers["weights"], numbers["output"]
        plot, (above, beneath) = subplots(
            2,
            1,
            figsize=(6.4, 3.6),
            height_ratios=[6, 1.2],
            alt=(
                "A dictionary of six cities and their hours of daylight on 21 June, asked for "
                f"Berlin, which it does not hold. At temperature {self.temperature:g} the weights "
                "are "
                + ", ".join(f"{c} {w:.2f}" for c, w in zip(CITIES, weights, strict=True))
                + f"; the returned value is {output:.1f} hours."
            ),
        )
        rows = np.arange(len(CITIES))
        above.barh(rows, weights, height=0.5, color=WEIGHT)
        above.plot(np.zeros(len(rows)), rows, "^", color=KEY, clip_on=False)
        for row, (weight, value) in enumerate(zip(weights, VALUES, strict=True)):
            above.text(weight + 0.02, row, f"{weight:.2f}", va="center", fontsize=10)
            above.text(1.14, row, f"{value:.1f} h", va="center", ha="right", color=VALUE)
        above.set(
            yticks=rows, yticklabels=CITIES, xlim=(0, 1.15), ylim=(5.6, -0.6), xlabel="weight"
        )
        above.set_xticks([0, 0.5, 1])
        beneath.scatter(
            VALUES,
            np.zeros(len(rows)),
            150 * np.array(weights) + 6,
            marker="s",
            color=VALUE,
            alpha=0.5,
        )
        beneath.axvline(output, color=VALUE)
        beneath.text(
            output, 1.1, f"returned: {output:.1f} h", ha="center", va="bottom", color=VALUE
        )
        beneath.set(
            yticks=[], ylim=(-1, 1), xlim=(13.5, 21.5), xlabel="hours of daylight on 21 June"
        )
        beneath.spines["left"].set_visible(False)
        above.spines["bottom"].set_color(MUTED)
        return plot
