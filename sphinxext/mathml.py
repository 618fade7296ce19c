"""Formulas become MathML when the book is built: no script, no wait, no jump on the page.

A formula that cannot be set is a warning that names it, and so stops the build: nonsense is never
printed. The conversion itself is in `mathml_convert`.
"""

import re

from docutils import nodes
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

from sphinxext.mathml_convert import FormulaError, to_mathml

logger = logging.getLogger(__name__)

AFTER = r"^[-–,.;:!?)\]”’\w]{1,3}"  # punctuation, or the th of n-th


def _set(self, node, display):
    try:
        return to_mathml(node.astext(), display)
    except FormulaError as error:
        message = "formula %r cannot be set: %s"
        logger.warning(message, node.astext(), error, location=node, type="mathml")
        return f"<code>{self.encode(node.astext())}</code>"


def keep_together(app, doctree, docname):
    """Give a formula the comma after it and the parenthesis before it: no line may part them."""
    for node in list(doctree.findall(nodes.math)):
        here, siblings = node.parent.index(node), node.parent
        for side, place, pattern in (
            ("before", here - 1, r"[(\[“‘]+$"),
            ("after", here + 1, AFTER),
        ):
            near = siblings[place] if 0 <= place < len(siblings) else None
            if isinstance(near, nodes.Text) and (glued := re.search(pattern, near)):
                node[side] = glued[0]
                siblings[place] = nodes.Text(re.sub(pattern, "", near))


def visit_math(self, node):
    formula, before, after = _set(self, node, False), node.get("before", ""), node.get("after", "")
    formula = f"{self.encode(before)}{formula}{self.encode(after)}"
    self.body.append(f'<span class="math notranslate nohighlight">{formula}</span>')
    raise nodes.SkipNode


def visit_displaymath(self, node):
    # The formula scrolls by itself where it is too wide; its number stays beside it.
    self.body.append(self.starttag(node, "div", CLASS="math ab-display notranslate nohighlight"))
    self.body.append(f'<div class="ab-scroll">{_set(self, node, True)}</div>')
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    app.connect("doctree-resolved", keep_together)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
