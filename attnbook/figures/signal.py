"""A nudge at position t, felt at position n: through n - t recurrent steps, or one lookup."""

from math import log10
from typing import ClassVar

import numpy as np
import traitlets

from attnbook.distributions import softmax
from attnbook.figures.base import Figure
from attnbook.plots import INK, WEIGHT, subplots

LONGEST = 60
WIDTH = 8
#: Some inputs that neither repeat nor grow.
INPUTS = 0.4 * np.sin(np.outer(np.arange(1, LONGEST + 1), np.arange(1, WIDTH + 1)))
#: A mirror and a shift: orthogonal, so that the gain alone says how much a step stretches.
MIRROR = np.roll(np.eye(WIDTH) - 2 / WIDTH, 1, axis=0)


class Signal(Figure):
    """A recurrent state of width 8 reads n inputs; how much of position t is left in it.

    h_t = z h_{t-1} + (1 - z) tanh(g U h_{t-1} + x_t), with U orthogonal. The signal is the root
    mean square length of J u, where J = ∂h_n/∂h_t and u is a direction of length 1: the Frobenius
    norm of J over the root of the width.

    State: ``length`` n; ``gain`` g; ``gate`` z, the share of the old state that is kept;
    ``squash``: with the tanh or without; ``match``: the score of the position that is looked for,
    all others having 0.
    """

    name = "signal"
    heights = (650, 762)
    examples: ClassVar[list[dict]] = [
        {},
        {"length": 2},
        {"length": 60},
        {"length": 60, "gate": 0.9},
        {"length": 60, "gate": 0.99, "match": 0.0},
        {"length": 60, "gain": 1.2, "squash": False},
        {"length": 60, "gain": 1.0, "squash": False, "match": 10.0},
        {"length": 45, "gain": 2.0},
        {"length": 60, "gain": 0.5, "gate": 0.5},
    ]

    length = traitlets.Int(40, min=2, max=LONGEST).tag(sync=True)
    gain = traitlets.Float(0.9, min=0.5, max=2.0).tag(sync=True)
    gate = traitlets.Float(0.0, min=0.0, max=0.99).tag(sync=True)
    squash = traitlets.Bool(True).tag(sync=True)
    match = traitlets.Float(6.0, min=0.0, max=10.0).tag(sync=True)

    def numbers(self) -> dict:
        """Return the signals of positions n, n - 1, …, 1 as powers of ten, and the weights."""
        h, steps = np.zeros(WIDTH), []
        for x in INPUTS[: self.length]:
            inner = self.gain * MIRROR @ h + x
            new, slope = (np.tanh(inner), 1 - np.tanh(inner) ** 2) if self.squash else (inner, 1.0)
            through = self.gain * MIRROR * np.broadcast_to(slope, WIDTH)[:, None]
            steps.append(self.gate * np.eye(WIDTH) + (1 - self.gate) * through)
            h = self.gate * h + (1 - self.gate) * new
        product, powers = np.eye(WIDTH), [0.0]
        for step in steps[:0:-1]:
            product = product @ step
            powers.append(log10(np.linalg.norm(product) / WIDTH**0.5))
        scores = np.zeros(self.length)
        scores[0] = self.match
        return {
            "powers": powers,
            "power": powers[-1],
            "kept": 10 ** (powers[-1] / (self.length - 1)),
            "weight": float(softmax(scores)[0]),
        }

    def picture(self):
        """Return the two signals over the position, on a logarithmic axis."""
        numbers = self.numbers()
        plot, ax = subplots(
            figsize=(6.4, 3.2),
            alt=(
                f"How much of a nudge at each of {self.length} positions is felt at the last one, "
                f"on a logarithmic axis. Through recurrent steps 10 to the "
                f"{numbers['power']:.1f} is left of position 1; one lookup passes on "
                f"{numbers['weight']:.2f}, wherever the position."
            ),
        )
        positions = np.arange(self.length, 0, -1)
        ax.plot(positions, numbers["powers"], color=INK)
        ax.plot([1, self.length], [log10(numbers["weight"])] * 2, color=WEIGHT)
        ax.text(1, log10(numbers["weight"]) + 0.4, "through one lookup", color=WEIGHT)
        beneath = max(numbers["power"] - 0.4, -8)
        ax.text(1, beneath, "through the recurrent steps", va="top", clip_on=True)
        ax.set(
            xlim=(0, LONGEST), ylim=(-9, 6), xlabel="position of the nudge", ylabel="signal, log₁₀"
        )
        return plot
