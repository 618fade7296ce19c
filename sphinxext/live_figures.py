"""Bring live figures to life on the static page.

A figure's output is a ``div`` with its state and a still picture (see `attnbook.figures.base`).
Each page that holds one gets the figure's module inline: browsers refuse imported modules under
``file://``, and inline is also one request less. Pages without figures get nothing.

A page that is no notebook shows a figure with a directive, its state as JSON if need be::

    ```{live-figure} OneSlider
    {"temperature": 1.0}
    ```
"""

from __future__ import annotations

import json
import re

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from attnbook import figures
from attnbook.figures import module_text, style_text

FIGURE = re.compile(r'data-figure="([\w-]+)"')


class LiveFigure(SphinxDirective):
    """Show a figure of `attnbook.figures` by the name of its class."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the same HTML that the figure shows in a notebook."""
        name = self.arguments[0]
        if name not in figures.__all__:
            raise self.error(f"no live figure {name!r}; there are {', '.join(figures.__all__)}")
        state = json.loads("\n".join(self.content) or "{}")
        return [nodes.raw("", getattr(figures, name)(**state).html(), format="html")]


def add_modules(app, pagename, templatename, context, doctree) -> None:
    """Put the style and the modules of the figures that stand on this page into it."""
    names = sorted(set(FIGURE.findall(context.get("body", ""))))
    if not names:
        return
    context["metatags"] = context.get("metatags", "") + f"<style>{style_text()}</style>"
    for name in names:
        try:
            module = module_text(name)
        except FileNotFoundError as missing:
            raise ExtensionError(
                f"{pagename} shows a figure {name!r} that has no module"
            ) from missing
        app.add_js_file(None, body=f'{module}\nmount("{name}", render);', type="module")


def setup(app) -> dict:
    """Register with Sphinx."""
    app.add_directive("live-figure", LiveFigure)
    app.connect("html-page-context", add_modules)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
