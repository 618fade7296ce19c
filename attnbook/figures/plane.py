"""Lookup in the plane: drag the query, keys and values; watch scores, weights and the output."""

import numpy as np
import traitlets

from attnbook.distributions import softmax_jacobian
from attnbook.figures.base import Figure
from attnbook.lookup import scores, soft_lookup
from attnbook.plots import INK, KEY, MUTED, QUERY, VALUE, WEIGHT, subplots

KEYS = [[1.6, 1.0], [-1.2, 1.4], [-1.8, -0.8], [0.8, -1.5]]
VALUES = [[-2.0, 1.3], [1.2, 1.6], [-1.3, -1.5], [2.3, -0.9]]


def _points(default):
    point = traitlets.List(traitlets.Float(), minlen=2, maxlen=2)
    return traitlets.List(point, default, minlen=1, maxlen=6).tag(sync=True)


class LookupPlane(Figure):
    """One query, one to six keys and their values, all in the plane; temperature 1, or 0 if hard.

    State: ``query``, an [x, y]; ``key_list`` and ``value_list``, lists of [x, y] (if one
    is longer, its last entries do not count); ``score``, "dot" or "distance"; ``hard``, bool.
    """

    name = "plane"
    heights = (720, 1175)
    examples = (
        {},
        {"hard": True},
        {"query": [0.0, 0.0], "hard": True},  # a tie of all four
        {"query": [1.6, 1.0], "score": "distance"},
        {"key_list": [[2.0, 0.0], [0.0, 2.0]], "value_list": VALUES[:2], "query": [2.0, 0.0]},
        {"value_list": [[1.0, 0.5]] * 4, "query": [-3.0, 2.0]},
        {"key_list": [[1.0, 1.0]] * 4, "score": "distance", "query": [3.0, -2.0]},
        {"key_list": [[0.0, 0.0]], "value_list": [[1.0, 1.0]]},
    )

    query = traitlets.List(traitlets.Float(), [1.2, -0.2], minlen=2, maxlen=2).tag(sync=True)
    key_list = _points(KEYS)
    value_list = _points(VALUES)
    score = traitlets.Enum(["dot", "distance"], "dot").tag(sync=True)
    hard = traitlets.Bool(False).tag(sync=True)

    def numbers(self) -> dict:
        """Return scores, weights, output and the Frobenius norm of its derivative by the query."""
        count = min(len(self.key_list), len(self.value_list))
        query, keys, values = (
            np.asarray(a, dtype=float)
            for a in (self.query, self.key_list[:count], self.value_list[:count])
        )
        output, weights = soft_lookup(
            query,
            keys,
            values,
            temperature=0.0 if self.hard else 1.0,
            score=self.score,
            return_weights=True,
        )
        # With either score, ds_i/dq is k_i up to a shift that all entries share.
        slope = np.zeros((2, 2)) if self.hard else values.T @ softmax_jacobian(weights) @ keys
        return {
            "scores": scores(query, keys, score=self.score).tolist(),
            "weights": weights.tolist(),
            "output": output.tolist(),
            "sensitivity": float(np.linalg.norm(slope)),
        }

    def picture(self):
        """Return the plane of the keys, the plane of the values, and the weights as bars."""
        numbers = self.numbers()
        weights, output = numbers["weights"], numbers["output"]
        count = len(weights)
        plot, (left, right, bars) = subplots(
            1,
            3,
            figsize=(7.2, 2.7),
            width_ratios=(3, 3, 1.5),
            alt=(
                f"Left, a query among {count} keys in the plane, tied to each by a line as wide as "
                f"its weight. Middle, the {count} values with their convex hull, and the blended "
                "output inside it. Right, the weights as bars."
            ),
        )
        for i, (key, value, weight) in enumerate(
            zip(self.key_list, self.value_list, weights, strict=False)
        ):
            for ax, point, end, role, shape, word in (
                (left, key, self.query, KEY, "^", "k"),
                (right, value, output, VALUE, "s", "v"),
            ):
                ax.plot(
                    *zip(end, point, strict=True),
                    color=WEIGHT,
                    linewidth=0.5 + 8 * weight,
                    alpha=0.5,
                )
                ax.plot(*point, shape, color=role, markersize=8)
                ax.annotate(
                    f"{word}{'₁₂₃₄₅₆'[i]}", point, (7, 4), textcoords="offset points", color=role
                )
        corners = _hull(np.array(self.value_list[:count]))
        right.fill(*corners.T, facecolor=VALUE, alpha=0.1, edgecolor="none")
        left.plot(*self.query, "o", color=QUERY, markersize=9)
        left.annotate("q", self.query, (8, -12), textcoords="offset points", color=QUERY)
        right.plot(
            *output, "s", color=VALUE, markersize=11, markeredgecolor=INK, markeredgewidth=1.5
        )
        right.annotate("output", output, (9, -12), textcoords="offset points", color=INK)
        for ax, title in ((left, "query and keys"), (right, "values and output")):
            ax.set(
                xlim=(-3.2, 3.2),
                ylim=(-2.2, 2.2),
                aspect="equal",
                title=title,
                xlabel="dimension 1",
            )
            ax.axhline(0, color=MUTED, linewidth=0.5)
            ax.axvline(0, color=MUTED, linewidth=0.5)
        left.set_ylabel("dimension 2")
        rows = np.arange(count)[::-1]
        bars.barh(rows, weights, color=WEIGHT, height=0.6)
        for row, weight in zip(rows, weights, strict=True):
            bars.text(weight + 0.05, row, f"{weight:.2f}", va="center", fontsize=9)
        bars.set(xlim=(0, 1.35), xticks=[0, 1], title="weights")
        bars.set_yticks(rows, [f"α{'₁₂₃₄₅₆'[i]}" for i in range(count)])
        return plot


def _hull(points):
    """Return the corners of the convex hull in order (Andrew's monotone chain)."""
    points = sorted(map(tuple, points))

    def chain(ordered):
        corners = []
        for x, y in ordered:
            while len(corners) > 1:
                (ax, ay), (bx, by) = corners[-2:]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                    break
                corners.pop()
            corners.append((x, y))
        return corners[:-1]

    return np.array(chain(points) + chain(points[::-1]) or points[:1])
