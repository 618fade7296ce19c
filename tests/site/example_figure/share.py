"""How much of the answer does the better of two entries get?"""

from pathlib import Path

import numpy as np
import traitlets

from attnbook import softmax
from attnbook.figures import Figure
from attnbook.plots import WEIGHT, subplots


class Share(Figure):
    """The weight of the better of two entries, over the gap of their scores."""

    name = "share"
    folder = Path(__file__).parent  # left out for a figure that lives in attnbook/figures
    heights = (396, 440)
    examples = ({}, {"gap": 0.0}, {"gap": 6.0})

    gap = traitlets.Float(2.0, min=0.0, max=6.0).tag(sync=True)

    def numbers(self):
        return {"weight": float(softmax(np.array([self.gap, 0.0]))[0])}

    def picture(self):
        weight = self.numbers()["weight"]
        plot, ax = subplots(alt=f"The better of two entries gets {weight:.2f} of the weight.")
        gaps = np.linspace(0, 6, 61)
        ax.plot(gaps, softmax(np.stack([gaps, 0 * gaps], axis=1))[:, 0], color=WEIGHT)
        ax.plot(self.gap, weight, "D", color=WEIGHT)
        ax.set(xlabel="gap of the scores", ylabel="weight", ylim=(0, 1))
        return plot
