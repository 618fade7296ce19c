"""Still pictures in the book's colours: matplotlib, drawn for both themes at once.

``subplots`` gives a matplotlib figure that shows itself as inline SVG. The colours of the book are
written as the style-sheet variables of `attnbook.palette`, so the same picture is right on a light
and on a dark page, and its text stays text.
"""

from __future__ import annotations

import hashlib
import io
import re
from html import escape

try:
    import matplotlib
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "attnbook.plots needs matplotlib: pip install 'attnbook[plots]'"
    ) from missing
import numpy as np
from matplotlib.colors import ListedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from attnbook.palette import PALETTE

QUERY, KEY, VALUE, WEIGHT, INK, MUTED, RULE, PAGE = (
    PALETTE[role][0] for role in ("query", "key", "value", "weight", "ink", "muted", "rule", "page")
)

STYLE = {
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": matplotlib.cycler(color=[WEIGHT, KEY, VALUE, QUERY]),
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "grid.color": RULE,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "attnbook",
}
matplotlib.rcParams.update(STYLE)  # one style for the whole book, set where pictures come from

#: From the page's background to the weight colour: the one colour scale of the book. It fades by
#: opacity and not by mixing with white, so it is right on any background.
WEIGHT_CMAP = ListedColormap(
    [(*to_rgb(WEIGHT), level) for level in np.linspace(0.0, 1.0, 41)], name="attnbook_weight"
)


class Plot(Figure):
    """A matplotlib figure that shows itself as inline SVG for both themes, with its alt text."""

    def __init__(self, *args, alt: str, **kwargs) -> None:
        if not alt or not alt.strip():
            raise ValueError("alt is empty; say in a sentence what is to be seen in the picture")
        self.alt = alt
        super().__init__(*args, **kwargs)

    def html(self) -> str:
        """Return the picture as inline SVG: deterministic, themed, its text readable."""
        # Lay out once: each further pass of the engine would move things by a hair.
        self.draw_without_rendering()
        self.set_layout_engine("none")
        buffer = io.StringIO()
        self.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        return f'<div class="ab-plot">{_themed(buffer.getvalue(), self.alt)}</div>'

    def __repr__(self) -> str:
        """Show the alt text and no memory address, so that notebooks compare equal."""
        return f"Plot({self.alt!r})"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self.html(), "text/plain": repr(self)}


def subplots(rows: int = 1, cols: int = 1, *, alt: str, figsize=(6.4, 3.0), **kwargs):
    """Return ``(plot, axes)`` as `matplotlib.pyplot.subplots` does, in the book's style.

    Parameters
    ----------
    rows, cols : int
    alt : str
        What is to be seen, in a sentence, for readers who do not see the picture.
    figsize : (float, float)
        Width and height in inches, 100 pixels each.
    **kwargs
        As for `matplotlib.figure.Figure.subplots`.

    Examples
    --------
    >>> plot, ax = subplots(alt="A straight line from 0 to 1.")
    >>> _ = ax.plot([0, 1], [0, 1])
    >>> plot
    Plot('A straight line from 0 to 1.')
    """
    plot = Plot(figsize=figsize, alt=alt, layout="constrained")
    return plot, plot.subplots(rows, cols, **kwargs)


def show_heatmaps(
    matrices,
    xlabel: str,
    ylabel: str,
    titles=None,
    figsize=None,
    cmap=None,
    *,
    row_labels=None,
    col_labels=None,
    scale_label: str = "attention weight",
    vmin: float | None = None,
    vmax: float | None = None,
    show_values: bool | None = None,
    alt: str | None = None,
):
    """Draw a grid of heatmaps with one shared colour scale.

    The call of *Dive into Deep Learning* (Zhang et al. 2023, section 11.1), with what its readers
    miss: values in the cells when there is room, labels of tokens, a scale that says what it is.

    Parameters
    ----------
    matrices : array, (rows, columns, queries, keys)
        NumPy or PyTorch.
    xlabel, ylabel : str
        What the columns and the rows of each matrix are, such as "keys" and "queries".
    titles : sequence of str, optional
        One for each column of the grid.
    figsize : (float, float), optional
        Width and height in inches.
    cmap : str or matplotlib colormap, optional
        By default from the page's background to the book's weight colour.
    row_labels, col_labels : sequence of str, optional
        Names of the queries and of the keys.
    scale_label : str
        What the colour means.
    vmin, vmax : float, optional
        Ends of the scale; by default the least and the greatest entry, and 0 for weights.
    show_values : bool, optional
        Write each value in its cell; by default when a matrix has at most 64 entries.
    alt : str, optional
        Text for readers who do not see the picture; by default it is made from the labels.

    Raises
    ------
    ValueError
        If ``matrices`` has another rank, is empty, or labels do not match its shape.

    Examples
    --------
    >>> import numpy as np
    >>> show_heatmaps(np.eye(3).reshape(1, 1, 3, 3), xlabel="keys", ylabel="queries")
    Plot('Heatmap of attention weight, 3 queries by 3 keys, from 0 to 1.')
    """
    if hasattr(matrices, "detach"):  # PyTorch: off the graph, off the GPU, out of half precision
        matrices = matrices.detach().cpu().double()
    grid = np.asarray(matrices)
    if grid.ndim != 4 or grid.size == 0:
        raise ValueError(
            f"matrices has shape {grid.shape}; show_heatmaps takes a non-empty (rows, columns, "
            "queries, keys) array: for one matrix, reshape it to (1, 1, n_q, n_k)"
        )
    rows, cols, n_q, n_k = grid.shape
    for name, labels, count in (
        ("titles", titles, cols),
        ("row_labels", row_labels, n_q),
        ("col_labels", col_labels, n_k),
    ):
        if labels is not None and len(labels) != count:
            raise ValueError(f"{name} has {len(labels)} entries; this array needs {count}")
    low = min(float(grid.min()), 0.0) if vmin is None else vmin
    high = float(grid.max()) if vmax is None else vmax
    norm = Normalize(low, high if high > low else low + 1.0)
    if show_values is None:
        show_values = n_q * n_k <= 64
    if alt is None:
        count = "Heatmap" if rows * cols == 1 else f"{rows * cols} heatmaps"
        alt = f"{count} of {scale_label}, {n_q} {ylabel} by {n_k} {xlabel}, "
        alt += f"from {low:.3g} to {high:.3g}."
    if figsize is None:
        cell = 0.62 if show_values else 0.42
        width = min(cols * max(1.6, cell * n_k) + 1.6, 9.6)
        figsize = (
            width,
            rows * max(1.6, cell * n_q * (width - 1.6) / (cols * max(1.6, cell * n_k))) + 0.7,
        )
    plot, axes = subplots(
        rows, cols, alt=alt, figsize=figsize, squeeze=False, sharex=True, sharey=True
    )
    for i, j in np.ndindex(rows, cols):
        ax = axes[i, j]
        mesh = _heatmap(ax, grid[i, j], norm, cmap or WEIGHT_CMAP, show_values)
        _ticks(ax.yaxis, row_labels)
        _ticks(ax.xaxis, col_labels, turned=True)
        if j == 0:
            ax.set_ylabel(ylabel)
        if i == rows - 1:
            ax.set_xlabel(xlabel)
        if titles is not None and i == 0:
            ax.set_title(titles[j])
    bar = plot.colorbar(mesh, ax=axes, shrink=0.8, label=scale_label)
    bar.outline.set_visible(False)
    return plot


def _heatmap(ax, matrix, norm, cmap, show_values):
    """Draw one matrix, row 0 on top, as vector cells (an image could not follow the theme)."""
    n_q, n_k = matrix.shape
    edges = np.arange(n_k + 1) - 0.5, np.arange(n_q + 1) - 0.5
    mesh = ax.pcolormesh(*edges, matrix, norm=norm, cmap=cmap, clip_on=False)
    ax.set(xlim=(-0.5, n_k - 0.5), ylim=(n_q - 0.5, -0.5), aspect="equal")
    ax.tick_params(length=0)
    if show_values:
        for (i, j), value in np.ndenumerate(matrix):
            # Ink on pale cells, the page's colour on full ones: readable in both themes.
            colour = PAGE if norm(value) > 0.6 and cmap is WEIGHT_CMAP else INK
            ax.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=9, color=colour)
    return mesh


def _ticks(axis, labels, turned=False):
    """Name the cells where names are given, and number them where not."""
    if labels is None:
        axis.set_major_locator(MaxNLocator(integer=True))
    else:
        tall = turned and max(map(len, labels)) > 4
        axis.set_ticks(range(len(labels)), labels, rotation=90 if tall else 0)


# ---- from matplotlib's SVG to the page's ------------------------------------------------------

_VARIABLES = {pair[0]: f"var(--ab-{role}, {pair[0]})" for role, pair in PALETTE.items()}


def _themed(svg: str, alt: str) -> str:
    """Make matplotlib's SVG the page's own: themed, small, the same on every machine."""
    svg = svg[svg.index("<svg") :].strip()
    # What is not seen goes; a style element would restyle every picture of the page.
    unseen = (
        r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->|<path [^>]*style=\"fill: none\"/>"
    )
    svg = re.sub(unseen, "", svg, flags=re.S)
    # Two decimals are a hundredth of a point: invisible, and no last digit can differ.
    svg = re.sub(r"-?\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), svg)
    svg = re.sub("|".join(_VARIABLES), lambda m: _VARIABLES[m[0]], svg)
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", svg)
    svg = _local_ids(svg)
    width, height = (
        float(re.search(rf'{side}="([\d.]+)pt"', svg)[1]) for side in ("width", "height")
    )
    box = f'viewBox="0 0 {width:g} {height:g}"'
    size = f'width="{width / 0.72:.0f}" height="{height / 0.72:.0f}"'
    space = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    look = 'stroke-linejoin="round" stroke-linecap="butt"'
    body = re.sub(r"\s*\n\s*(?!\s*<)", " ", svg[svg.index(">") + 1 :])  # a line an element
    body = re.sub(r"(\s*\n)+\s*", "\n", body)
    return f'<svg {space} role="img" aria-label="{escape(alt)}" {size} {box} {look}>{body}'


def _local_ids(svg: str) -> str:
    """Drop ids that nothing refers to, and make the others unique among the page's pictures."""
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    tag = hashlib.sha256(svg.encode()).hexdigest()[:8]
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{tag}-{m[1]}"' if m[1] in used else "", svg)
    return re.sub(r'(url\(#|href="#)([^)"]+)', rf"\g<1>{tag}-\g<2>", svg)
