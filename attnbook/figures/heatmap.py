"""Heatmap: any matrix of weights, each cell read by pointer or by arrow keys."""

from typing import ClassVar

import numpy as np
import traitlets

from attnbook.figures.base import Figure
from attnbook.plots import show_heatmaps


class Heatmap(Figure):
    """A matrix of weights, one row for each query and one column for each key.

    Parameters
    ----------
    weights : array, (n_q, n_k)
        NumPy, PyTorch or nested lists.
    row_labels, col_labels : sequence of str, optional
        Names of the rows and columns; by default their numbers.
    row_name, col_name : str
        What a row and a column are, such as "query" and "key".
    title : str
        What is to be seen.

    Raises
    ------
    ValueError
        If ``weights`` is no matrix, is empty or not finite, or labels do not match its shape.

    Examples
    --------
    >>> Heatmap(np.eye(2), row_labels=["cat", "sat"], col_labels=["cat", "sat"]).numbers()
    {'weights': [[1.0, 0.0], [0.0, 1.0]], 'largest': 1.0}
    """

    name = "heatmap"
    heights = (0, 0)  # each heatmap has its own, by the number of its rows
    examples: ClassVar[list[dict]] = [
        {"weights": [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.25, 0.25, 0.5]]},
        {"weights": [[1.0]]},
        {
            "weights": [[0.25, 0.75], [0.5, 0.5]],
            "row_labels": ["the", "cat"],
            "col_labels": ["sat", "down"],
        },
        {"weights": [[-2.0, 0.5, 3.0]], "row_name": "query", "col_name": "key", "title": "Scores"},
    ]

    weights = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    row_labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    col_labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    row_name = traitlets.Unicode("query").tag(sync=True)
    col_name = traitlets.Unicode("key").tag(sync=True)
    title = traitlets.Unicode("Weights: one row for each query").tag(sync=True)

    def __init__(self, weights, *, row_labels=None, col_labels=None, anchor=None, **names) -> None:
        if hasattr(weights, "detach"):
            weights = weights.detach().cpu().double()
        matrix = np.asarray(weights, dtype=float)
        if matrix.ndim != 2 or matrix.size == 0 or not np.isfinite(matrix).all():
            raise ValueError(
                f"weights has shape {matrix.shape}; Heatmap takes a finite, non-empty matrix "
                "(n_q, n_k): pick one head or one batch entry first"
            )
        labels = []
        for name, given, count in zip(
            ("row_labels", "col_labels"), (row_labels, col_labels), matrix.shape, strict=True
        ):
            labels.append(
                [str(label) for label in (range(1, count + 1) if given is None else given)]
            )
            if len(labels[-1]) != count:
                raise ValueError(f"{name} has {len(labels[-1])} entries; this matrix needs {count}")
        letters = max(map(len, labels[1]))
        stage = min(290, 60 * len(matrix)) + 54 + min(90, 7 * letters)  # as in heatmap.js
        self.heights = (stage + 162, stage + 184)
        super().__init__(
            weights=matrix.tolist(),
            row_labels=labels[0],
            col_labels=labels[1],
            anchor=anchor,
            **names,
        )

    def numbers(self) -> dict:
        """Return the matrix and its largest entry."""
        return {"weights": self.weights, "largest": float(np.max(self.weights))}

    def picture(self):
        """Return the same heatmap, still."""
        matrix = np.array(self.weights)
        return show_heatmaps(
            matrix[None, None],
            xlabel=self.col_name,
            ylabel=self.row_name,
            titles=[self.title],
            row_labels=self.row_labels,
            col_labels=self.col_labels,
            scale_label="weight",
            figsize=(5.6, min(4.6, 1.4 + 0.5 * len(matrix))),
            alt=f"Heatmap, {self.title}: {matrix.shape[0]} rows ({self.row_name}) and "
            f"{matrix.shape[1]} columns ({self.col_name}), "
            f"from {matrix.min():.3g} to {matrix.max():.3g}.",
        )
