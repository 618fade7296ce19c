"""The four colours of the book: query, key, value and weight.

One table feeds everything that has a colour: matplotlib (`attnbook.plots`), the live figures,
the style sheet of the site and its formulas. Change a colour here and it changes everywhere.

Each pair is (light theme, dark theme). Against the page, contrast is at least 4.8 : 1 (light)
and 6.1 : 1 (dark); the least difference between any two of the four, in normal sight and with
each of the three kinds of colour blindness, is ΔE 24 (light) and 33 (dark).
"""

from __future__ import annotations

PALETTE: dict[str, tuple[str, str]] = {
    "query": ("#14366b", "#b9cdf2"),
    "key": ("#c73a10", "#ff6a3d"),
    "value": ("#0b7f72", "#5fe0ac"),
    "weight": ("#a321b8", "#cf6bff"),
    "ink": ("#1d1d1f", "#e8e8ea"),  # text, axes
    "muted": ("#5c5c63", "#a9a9b2"),  # ticks, secondary text, hairlines that carry meaning
    "rule": ("#d4d4d9", "#46464d"),  # hairlines that carry none: grids, frames
    "page": ("#ffffff", "#16161a"),  # the background
}

#: The shape that goes with each role, because colour is never the only sign.
MARKERS: dict[str, str] = {"query": "o", "key": "^", "value": "s"}

# Where a dark theme announces itself: the site, JupyterLab, VS Code, Colab.
DARK_SELECTORS = (
    'html[data-theme="dark"]',
    'body[data-jp-theme-light="false"]',
    "body.vscode-dark",
    'html[theme="dark"]',
)


def css_variables() -> str:
    """Return a style sheet that defines ``--ab-<role>`` for both themes.

    The light values stand on ``:root``; the dark ones on whatever marks a dark theme on the
    site, in JupyterLab, in VS Code and in Colab.

    Examples
    --------
    >>> print(css_variables().splitlines()[0][:27])
    :root{--ab-query:#14366b;--
    """
    light, dark = (
        ";".join(f"--ab-{role}:{pair[theme]}" for role, pair in PALETTE.items()) for theme in (0, 1)
    )
    return f":root{{{light}}}\n{','.join(DARK_SELECTORS)}{{{dark}}}\n"
