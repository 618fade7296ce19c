"""Three projections: two embeddings, W_Q, W_K and W_V with handles, and the lookup they make."""

from typing import ClassVar

import numpy as np
import traitlets

from attnbook.attention import attention, attention_weights
from attnbook.figures.base import Figure
from attnbook.plots import INK, KEY, MUTED, PAGE, QUERY, RULE, VALUE, WEIGHT_CMAP, subplots

REACH = 2.0


def _numbers(default):
    """Return a synchronised pair or pair of pairs of numbers."""
    return traitlets.List(default).tag(sync=True)


class Projections(Figure):
    """Two embeddings in the plane and three 2 × 2 projections; rows are vectors, so q = x W_Q.

    State: ``x1``, ``x2`` (two numbers each), ``wq``, ``wk``, ``wv`` (two rows each: where the
    basis vectors go), all within ±2; ``tied``: use W_Q for W_K as well.
    """

    name = "projections"
    heights = (596, 996)

    x1 = _numbers([1.7, 0.0])
    x2 = _numbers([-0.85, 1.45])
    wq = _numbers([[-0.5, 0.85], [-0.85, -0.5]])
    wk = _numbers([[1.0, 0.0], [0.0, 1.0]])
    wv = _numbers([[1.0, 0.0], [0.0, -1.0]])
    tied = traitlets.Bool(False).tag(sync=True)

    examples: ClassVar[list[dict]] = [
        {},
        {"tied": True},
        {"wq": [[1.0, 0.0], [0.0, 1.0]]},
        {"wq": [[-0.5, 0.85], [0.85, 0.5]]},
        {"wk": [[0.0, 0.0], [0.0, 0.0]]},
        {"wv": [[0.0, 0.0], [0.0, 0.0]], "tied": True},
        {"x1": [1.0, 1.0], "x2": [1.0, 1.0]},
        {"x1": [2.0, 2.0], "x2": [-2.0, 2.0], "wq": [[2.0, 2.0], [-2.0, 2.0]],
         "wk": [[2.0, -2.0], [2.0, 2.0]]},
        {"x1": [0.7, -1.3], "x2": [-0.4, 0.9], "wq": [[0.3, 1.1], [-0.8, 0.6]],
         "wk": [[1.2, -0.5], [0.1, 0.9]], "tied": True},
    ]  # fmt: skip

    @traitlets.validate("x1", "x2")
    def _two_numbers(self, proposal):
        return self._checked(proposal, (2,))

    @traitlets.validate("wq", "wk", "wv")
    def _two_rows(self, proposal):
        return self._checked(proposal, (2, 2))

    @staticmethod
    def _checked(proposal, shape):
        try:
            array = np.asarray(proposal["value"], dtype=float)
        except (TypeError, ValueError):
            array = np.empty(0)
        if array.shape != shape or not (np.abs(array) <= REACH).all():
            raise traitlets.TraitError(
                f"{proposal['trait'].name} = {proposal['value']!r} must be numbers of shape "
                f"{shape}, each from -{REACH} to {REACH}"
            )
        return array.tolist()

    def _project(self):
        x = np.array([self.x1, self.x2])
        w_q, w_k, w_v = (np.array(w) for w in (self.wq, self.wq if self.tied else self.wk, self.wv))
        return x @ w_q, x @ w_k, x @ w_v

    def numbers(self) -> dict:
        """Return queries, keys, values, scores, weights, outputs and how unlike s₁₂ and s₂₁ are."""
        q, k, v = self._project()
        scores = q @ k.T
        return {
            "queries": q.tolist(),
            "keys": k.tolist(),
            "values": v.tolist(),
            "scores": scores.tolist(),
            "scaled": (scores / np.sqrt(2)).tolist(),
            "weights": attention_weights(q, k).tolist(),
            "outputs": attention(q, k, v).tolist(),
            "asymmetry": float(abs(scores[0, 1] - scores[1, 0])),
        }

    def picture(self):
        """Return the four planes above, scores and weights beneath."""
        numbers = self.numbers()
        kind = "symmetric" if numbers["asymmetry"] < 1e-9 else "not symmetric"
        alt = (
            "Three small planes hold the queries, keys and values of two embeddings, each with "
            "two arrows: where its projection sends the two axes. Beneath, the two embeddings, "
            f"the two by two score matrix, which is {kind}, and the weights."
        )
        plot, axes = subplots(2, 3, figsize=(6.8, 4.7), alt=alt)
        w_k = self.wq if self.tied else self.wk
        for ax, points, matrix, role, sign, title in (
            (axes[0, 0], numbers["queries"], self.wq, QUERY, "o", "queries q = x W_Q"),
            (axes[0, 1], numbers["keys"], w_k, KEY, "^", "keys k = x W_K"),
            (axes[0, 2], numbers["values"], self.wv, VALUE, "s", "values v = x W_V"),
            (axes[1, 0], [self.x1, self.x2], np.eye(2), MUTED, "D", "embeddings x"),
        ):
            span = 1.15 * max(REACH, np.abs(points).max(), np.abs(matrix).max())
            ax.set(xlim=(-span, span), ylim=(-span, span), aspect="equal", title=title)
            ax.set(xticks=(-2, 0, 2), yticks=(-2, 0, 2))
            ax.tick_params(length=0)
            ax.axhline(0, color=RULE, linewidth=0.8)
            ax.axvline(0, color=RULE, linewidth=0.8)
            for tip in matrix:
                if role != MUTED:
                    ax.annotate("", tip, (0, 0), arrowprops={"arrowstyle": "->", "color": role})
            for number, (a, b) in enumerate(points, start=1):
                ax.plot(a, b, sign, color=role, clip_on=False)
                ax.annotate(str(number), (a, b), (5, 5), textcoords="offset points", color=role)
        for number, (a, b) in enumerate(numbers["outputs"], start=1):
            axes[0, 2].plot(a, b, "s", color=VALUE, markerfacecolor="none")
            axes[0, 2].annotate(f"output {number}", (a, b), (7, -4), textcoords="offset points")
        for ax, name, title, least in (
            (axes[1, 1], "scores", "scores q·k", 1e-9),
            (axes[1, 2], "weights", "weights", 1.0),
        ):
            matrix = np.array(numbers[name])
            low, high = min(0.0, matrix.min()), max(least, matrix.max())
            mesh = ax.pcolormesh(matrix, cmap=WEIGHT_CMAP.resampled(15), vmin=low, vmax=high)
            for (i, j), cell in np.ndenumerate(matrix):
                pale = (cell - low) / (high - low) <= 0.6
                ax.text(j + 0.5, i + 0.5, f"{cell:.2f}", ha="center", va="center",
                        color=INK if pale else PAGE)  # fmt: skip
            ax.set(title=title, aspect="equal", ylim=(2, 0), xlabel="key of", ylabel="query of")
            ax.tick_params(length=0)
            ax.set_xticks([0.5, 1.5], ["x₁", "x₂"])
            ax.set_yticks([0.5, 1.5], ["x₁", "x₂"])
            bar = plot.colorbar(mesh, ax=ax, shrink=0.8, ticks=(low, high), format="%.1f")
            bar.outline.set_visible(False)
        return plot
