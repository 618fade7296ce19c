"""Kernel regression: data, a kernel, a bandwidth; the fit and the weights that make it."""

import numpy as np
import traitlets

from attnbook.distributions import entropy
from attnbook.figures.base import Figure
from attnbook.kernels import kernel_regression
from attnbook.plots import KEY, MUTED, QUERY, VALUE, WEIGHT, WEIGHT_CMAP, subplots

# Twenty measurements of `curve`, with normal noise of standard deviation 0.35, drawn once.
X = [0.25, 0.55, 0.76, 0.88, 1.14, 1.5, 1.55, 1.97, 2.2, 2.37,
     2.58, 2.81, 3.05, 3.33, 3.58, 3.83, 4.17, 4.36, 4.57, 4.89]  # fmt: skip
Y = [-0.04, 1.08, 0.94, 1.52, 1.38, 0.83, -0.06, 0.08, 0.13, 0.23,
     -0.15, 0.62, 1.0, 1.75, 2.93, 2.61, 2.96, 3.14, 2.36, 2.06]  # fmt: skip


def curve(x):
    """Return the true curve, sin 2x + x/2, that the data were measured on."""
    return np.sin(2 * x) + x / 2


class KernelRegression(Figure):
    """Twenty noisy points and the fit through them, on 0 <= x <= 5.

    State: ``kernel``, "gaussian", "boxcar" or "epanechnikov"; ``bandwidth`` in [0.05, 5];
    ``query`` in [0, 5]; ``xs`` and ``ys``, the data.
    """

    name = "kernel"
    heights = (592, 1085)
    examples = (
        {},
        {"bandwidth": 0.05},
        {"bandwidth": 2.0, "query": 4.4},
        {"kernel": "boxcar", "bandwidth": 0.5},
        {"kernel": "boxcar", "bandwidth": 0.05, "query": 1.75},  # nothing within reach
        {"kernel": "epanechnikov", "bandwidth": 1.0, "query": 0.0},
        {"kernel": "epanechnikov", "bandwidth": 0.05, "query": 2.2},
        {"bandwidth": 5.0, "query": 5.0},
    )

    kernel = traitlets.Enum(["gaussian", "boxcar", "epanechnikov"], "gaussian").tag(sync=True)
    bandwidth = traitlets.Float(0.25, min=0.05, max=5.0).tag(sync=True)
    query = traitlets.Float(1.8, min=0.0, max=5.0).tag(sync=True)
    xs = traitlets.List(traitlets.Float(), X, minlen=1).tag(sync=True)
    ys = traitlets.List(traitlets.Float(), Y, minlen=1).tag(sync=True)

    def _fit(self, places):
        count = min(len(self.xs), len(self.ys))
        return kernel_regression(
            np.asarray(places, dtype=float),
            np.array(self.xs[:count]),
            np.array(self.ys[:count]),
            kernel=self.kernel,
            bandwidth=self.bandwidth,
            return_weights=True,
        )

    def numbers(self) -> dict:
        """Return prediction and weights at the query, exp(entropy) of these, and the error.

        ``effective`` is 0 where no point is within reach; ``error`` is the mean squared
        difference to the true curve at 100 places, 0.025 to 4.975.
        """
        (prediction,), (weights,) = self._fit([self.query])
        grid = (np.arange(100) + 0.5) / 20
        return {
            "prediction": float(prediction),
            "weights": weights.tolist(),
            "effective": float(np.exp(entropy(weights))) if weights.any() else 0.0,
            "error": float(np.mean((self._fit(grid)[0] - curve(grid)) ** 2)),
        }

    def picture(self):
        """Return the fit beside the weights of 11 queries."""
        numbers = self.numbers()
        grid = np.linspace(0, 5, 151)
        plot, (left, right) = subplots(
            1,
            2,
            figsize=(7.2, 3.1),
            width_ratios=(3, 2),
            alt=(
                f"Left, {len(numbers['weights'])} noisy points, the true curve dashed, and the fit "
                f"with a {self.kernel} kernel of bandwidth {self.bandwidth:g}. Right, the weights "
                "as a heatmap: a band along the diagonal, as wide as the kernel."
            ),
        )
        left.plot(grid, curve(grid), "--", color=MUTED, label="true curve")
        left.plot(grid, self._fit(grid)[0], color=VALUE, label="fit")
        left.plot(self.xs, self.ys, "s", color=VALUE, markersize=4)
        left.plot(self.xs, [-1] * len(self.xs), "^", color=KEY, markersize=5, clip_on=False)
        left.axvline(self.query, color=QUERY, linestyle=":", linewidth=1.2)
        left.plot(self.query, numbers["prediction"], "o", color=QUERY)
        left.set(xlabel="x", ylabel="y", xlim=(0, 5), ylim=(-1, 4))
        left.legend(loc="upper left")
        queries = np.linspace(0, 5, 11)
        weights = self._fit(queries)[1]
        top = max(float(weights.max()), 1e-9)
        seen = np.ma.masked_less(weights, 0.005 * top)  # the rest would be invisible, and heavy
        mesh = right.pcolormesh(seen, vmin=0, vmax=top, cmap=WEIGHT_CMAP)
        right.set(xlabel="data point i", ylabel="query x", ylim=(11, 0), xlim=(0, len(self.xs)))
        right.set_yticks(np.arange(0, 11, 2) + 0.5, range(6))
        right.set_xticks(np.arange(0, len(self.xs), 5) + 0.5, range(1, len(self.xs) + 1, 5))
        right.axhline(self.query * 2 + 0.5, color=QUERY, linestyle=":", linewidth=1.2)
        bar = plot.colorbar(mesh, ax=right, label="weight")
        bar.outline.set_visible(False)
        bar.ax.yaxis.label.set_color(WEIGHT)
        return plot
