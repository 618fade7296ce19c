"""Formulas become MathML when the book is built: no script, no wait, no jump on the page.

`latex2mathml` does the conversion. What it gets wrong, or writes for MathML 3 and browsers no
longer read (they implement MathML Core), is mended in the tree. What cannot be set is a warning
that names the formula, and so stops the build: nonsense is never printed.
"""

import html
import re
import unicodedata
import xml.etree.ElementTree as ET

from docutils import nodes
from latex2mathml.converter import Converter
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

from sphinxext import mathml_tree

logger = logging.getLogger(__name__)

# Environments: those on the left mean, on a page, what those on the right mean.
RENAMED = dict.fromkeys(("align", "aligned", "split"), "align*")
RENAMED |= dict.fromkeys(("gather", "gather*", "gathered", "equation", "equation*"), "matrix")
KNOWN = {"align*", "array", "cases", "matrix", "pmatrix", "bmatrix", "Bmatrix", "vmatrix", "Vmatrix"}
KNOWN |= {"smallmatrix"}

# What MathML Core knows and the converter uses; anything else a browser would silently flatten.
TAGS = set("math mrow mi mo mn mtext mspace mfrac msqrt mroot msub msup msubsup".split())
TAGS |= set("munder mover munderover mtable mtr mtd mstyle mpadded mphantom".split())

# Delimiters whose side the converter forgets: marked with private characters on the way through.
SIDES = {r"\lVert": "\ue001", r"\rVert": "\ue002", r"\lvert": "\ue003", r"\rvert": "\ue004"}
NOT_SIZED = "".join(rf"(?<!\\{c})" for c in ("left", "right", "middle", "bigl", "bigr", "Bigl", "Bigr"))


class FormulaError(ValueError):
    """A formula that cannot be set."""


def prepare(tex: str, display: bool) -> str:
    """Rewrite what the converter does not know as what it does."""

    def environment(match):
        name = RENAMED.get(match[2], match[2])
        if name not in KNOWN:
            raise FormulaError(f"unknown environment {match[2]!r}")
        return rf"\{match[1]}{{{name}}}"

    def operator(match):  # only letters pass through an operator's name: mark its thin spaces
        return match[0].replace(r"\,", "THINSPACE").replace(r"\ ", "THINSPACE")

    outside = re.sub(r"\{[^{}]*\}", "", re.sub(r"\{[^{}]*\}", "", tex))  # two levels of braces removed
    if display and "\\\\" in outside and r"\begin" not in tex:
        tex = rf"\begin{{align*}}{tex}\end{{align*}}"
    tex = re.sub(r"\\(begin|end)\s*\{([a-zA-Z]+\*?)\}", environment, tex)
    tex = re.sub(r"\\operatorname\*?\s*\{[^{}]*\}", operator, tex)
    tex = re.sub(r"\\(query|key|value|weight)(?=\s*\{)", r"\\class{ab-\1}", tex)
    for command, mark in SIDES.items():
        tex = re.sub(rf"{NOT_SIZED}\{command}(?![a-zA-Z])", mark, tex)
    return tex


def check(math: ET.Element) -> None:
    """Raise a FormulaError where the tree holds something that no reader should see."""
    for element in math.iter():
        text = element.text or ""
        stray = re.search(r"\\[a-zA-Z]*|⧸" if element.tag == "mtext" else r"\\[a-zA-Z]*|[&#$\ue001-\ue004]", text)
        if stray:
            raise FormulaError(f"cannot set {stray[0]!r}")
        if element.tag not in TAGS or element.get("columnlines") or element.get("rowlines"):
            raise FormulaError(f"browsers cannot show what <{element.tag}> stands for")


def to_mathml(tex: str, display: bool = False) -> str:
    """Return the formula as a `<math>` element; raise FormulaError if that is not possible."""
    tex = tex.strip()
    try:
        math = Converter(display="block" if display else "inline").convert_to_element(prepare(tex, display))
    except FormulaError:
        raise
    except Exception as error:  # the converter's own errors have no common class and often no text
        raise FormulaError(f"{type(error).__name__} {error}".strip()) from error
    for element in math.iter():
        if element.text:
            element.text = html.unescape(element.text).replace("THINSPACE", "\u2009")
    mathml_tree.mend(math)
    check(math)
    math.attrib.clear()
    if display:
        math.set("display", "block")
    math.set("alttext", unicodedata.normalize("NFC", re.sub(r"\s+", " ", tex)))
    return ET.tostring(math, encoding="unicode", short_empty_elements=False)


def _set(self, node, display):
    try:
        return to_mathml(node.astext(), display)
    except FormulaError as error:
        message = "formula %r cannot be set: %s"
        logger.warning(message, node.astext(), error, location=node, type="mathml")
        return f"<code>{self.encode(node.astext())}</code>"


def visit_math(self, node):
    self.body.append(f'<span class="math notranslate nohighlight">{_set(self, node, False)}</span>')
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
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
