"""Hard and soft on a line: move the query, watch the two outputs and their derivatives."""

from typing import ClassVar

import numpy as np
import traitlets

from attnbook.figures.base import Figure
from attnbook.lookup import hard_lookup, scores, soft_lookup
from attnbook.plots import KEY, MUTED, QUERY, VALUE, subplots

KEYS = np.array([[-2.0], [-0.5], [1.0], [2.5]])
VALUES = np.array([0.2, 1.0, -0.6, 0.6])


class HardSoftLine(Figure):
    """Four keys on a line and one query; scores are −½(q − kᵢ)².

    State: ``query`` in [−3.5, 3.5], ``temperature`` in [0.05, 2]. Halfway between two keys the
    hard lookup splits the tie, and its derivative is undefined (``None``).
    """

    name = "line"
    heights = (694, 784)
    examples: ClassVar[list[dict]] = [
        {},
        {"query": 0.25},  # ties: the two nearest keys are equally far
        {"query": -1.25, "temperature": 0.05},
        {"query": 1.75, "temperature": 2.0},
        {"query": 0.24, "temperature": 0.05},
        {"query": -3.5, "temperature": 0.05},
        {"query": 3.5, "temperature": 2.0},
        {"query": -0.5, "temperature": 1.0},
    ]

    query = traitlets.Float(0.1, min=-3.5, max=3.5).tag(sync=True)
    temperature = traitlets.Float(0.3, min=0.05, max=2.0).tag(sync=True)

    def _outputs(self, queries):
        queries = np.asarray(queries, dtype=float)[:, None]
        soft, weights = soft_lookup(
            queries,
            KEYS,
            VALUES,
            temperature=self.temperature,
            score="distance",
            return_weights=True,
        )
        hard = hard_lookup(queries, KEYS, VALUES, score="distance")
        # d soft / dq = Cov(v, k) / T under the weights.
        covariance = weights @ (VALUES * KEYS[:, 0]) - soft * (weights @ KEYS[:, 0])
        return hard, soft, covariance / self.temperature, weights

    def numbers(self) -> dict:
        """Return both outputs, both derivatives and the weights at the query."""
        hard, soft, slope, weights = (out[0] for out in self._outputs([self.query]))
        match = scores(np.array([self.query]), KEYS, score="distance")
        tied = (match == match.max()).sum() > 1
        return {
            "hard": float(hard),
            "soft": float(soft),
            "hard_derivative": None if tied else 0.0,
            "soft_derivative": float(slope),
            "weights": weights.tolist(),
        }

    def picture(self):
        """Return outputs above, derivatives beneath, over the whole line."""
        line = np.linspace(-3.5, 3.5, 281)
        hard, soft, slope, _ = self._outputs(line)
        # A gap at each jump: no value lies between two steps, and no derivative at the jump.
        jumps = np.abs(line[:, None] - (KEYS[1:, 0] + KEYS[:-1, 0]) / 2).min(axis=1) < 1e-9
        hard, flat = np.where(jumps, np.nan, hard), np.where(jumps, np.nan, 0.0)
        numbers = self.numbers()
        plot, (above, beneath) = subplots(
            2,
            1,
            figsize=(6.4, 4.3),
            sharex=True,
            alt=(
                "Two curves over the position of a query among four keys. The hard output is a "
                "staircase with three jumps; the soft output is a smooth curve that follows it. "
                "Beneath, the derivative of the hard output is zero wherever there is one, that "
                "of the soft output is not."
            ),
        )
        above.plot(line, hard, "--", color=MUTED, label="hard")
        above.plot(line, soft, color=VALUE, label="soft")
        above.plot(KEYS[:, 0], VALUES, "s", color=VALUE, markersize=5)
        above.plot(KEYS[:, 0], np.full(4, -0.8), "^", color=KEY, label="keys", clip_on=False)
        above.set(ylabel="output", ylim=(-0.8, 1.2))
        beneath.plot(line, flat, "--", color=MUTED)
        beneath.plot(line, slope, color=VALUE)
        beneath.set(ylabel="derivative", xlabel="position of the query q")
        for ax, name in ((above, "soft"), (beneath, "soft_derivative")):
            ax.axvline(self.query, color=QUERY, linestyle=":", linewidth=1.2)
            ax.plot(self.query, numbers[name], "o", color=QUERY)
        above.legend(loc="upper right", ncols=3)
        return plot
