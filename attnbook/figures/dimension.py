"""Dimension: why scores are divided by √d_k."""

import math
from functools import lru_cache
from typing import ClassVar

import numpy as np
import traitlets

from attnbook.distributions import softmax, softmax_jacobian
from attnbook.figures._draws import normals
from attnbook.figures.base import Figure
from attnbook.plots import KEY, MUTED, QUERY, WEIGHT, subplots

QUERIES, KEYS, WIDTH = 16, 64, 1024


@lru_cache(maxsize=8)
def _draws(seed: int):
    """Return queries and keys of full width, all components from N(0, 1)."""
    drawn = normals(seed, (QUERIES + KEYS) * WIDTH).reshape(QUERIES + KEYS, WIDTH)
    return drawn[:QUERIES], drawn[QUERIES:]


class Dimension(Figure):
    """Scores of 16 random queries with 64 random keys, of width d_k.

    Components are independent draws from N(0, 1). State: ``width`` from 1 to 1024, ``scaled``
    (divide by √d_k or not), ``seed``.
    """

    name = "dimension"
    heights = (510, 884)
    examples: ClassVar[list[dict]] = [
        {},
        {"width": 1},
        {"width": 1, "scaled": True},
        {"width": 64, "scaled": True},
        {"width": 1024},
        {"width": 1024, "scaled": True, "seed": 7},
        {"width": 2, "seed": 123},
    ]

    width = traitlets.Int(64, min=1, max=WIDTH).tag(sync=True)
    scaled = traitlets.Bool(False).tag(sync=True)
    seed = traitlets.Int(1, min=0, max=2**31).tag(sync=True)

    def scores(self) -> np.ndarray:
        """Return the (16, 64) scores of the first ``width`` components."""
        q, k = (part[:, : self.width] for part in _draws(self.seed))
        return q @ k.T / (math.sqrt(self.width) if self.scaled else 1.0)

    def numbers(self) -> dict:
        """Return the spread of the scores, and two means over the queries."""
        scores = self.scores()
        weights = softmax(scores)
        norms = np.linalg.norm(softmax_jacobian(weights), axis=(-2, -1))
        return {
            "theory": 1.0 if self.scaled else math.sqrt(self.width),
            "standard_deviation": float(np.sqrt(np.mean(scores**2))),
            "largest_weight": float(weights.max(axis=-1).mean()),
            "gradient_norm": float(norms.mean()),
        }

    def picture(self):
        """Return the histogram of the scores, and the sorted weights of one query."""
        numbers, scores = self.numbers(), self.scores()
        spread = numbers["theory"]
        plot, (left, right) = subplots(
            1,
            2,
            figsize=(6.6, 2.9),
            alt=(
                f"Left, a histogram of {scores.size} scores at width {self.width}, "
                f"{'divided by the square root of the width' if self.scaled else 'not divided'}: a "
                f"bell of standard deviation {numbers['standard_deviation']:.2f}. Right, the "
                f"sorted weights of one query over {KEYS} keys; the largest weight is "
                f"{numbers['largest_weight']:.2f} on average."
            ),
        )
        edges = np.linspace(-4 * spread, 4 * spread, 41)
        left.hist(scores.ravel(), edges, density=True, color=KEY, alpha=0.55)
        x = np.linspace(-4 * spread, 4 * spread, 121)
        bell = np.exp(-0.5 * (x / spread) ** 2) / (spread * math.sqrt(2 * math.pi))
        left.plot(x, bell, color=QUERY)
        left.set(xlabel="score", ylabel="density")
        right.bar(
            np.arange(1, KEYS + 1), np.sort(softmax(scores[0]))[::-1], width=0.8, color=WEIGHT
        )
        right.axhline(1 / KEYS, color=MUTED, linestyle=":", linewidth=1)
        right.set(xlabel="key, by weight", ylabel="weight", ylim=(0, 1))
        return plot
