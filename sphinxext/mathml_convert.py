"""From TeX to MathML, or a FormulaError.

`latex2mathml` does the conversion. What it does not know is rewritten before (`prepare`); what it
gets wrong, or writes for MathML 3 and browsers no longer read (they implement MathML Core), is
mended in the tree after (`mathml_tree`); what then cannot be shown is refused (`check`).
"""

import html
import re
import unicodedata
import xml.etree.ElementTree as ET

from latex2mathml.converter import Converter

from sphinxext import mathml_tree

# Environments: those on the left mean, on a page, what those on the right mean.
RENAMED = dict.fromkeys(("align", "aligned", "split"), "align*")
RENAMED |= dict.fromkeys(("gather", "gather*", "gathered", "equation", "equation*"), "matrix")
KNOWN = {"align*", "array", "cases", "matrix", "smallmatrix"}
KNOWN |= {"pmatrix", "bmatrix", "Bmatrix", "vmatrix", "Vmatrix"}

# What MathML Core knows and the converter uses; anything else a browser would silently flatten.
TAGS = {"math", "mrow", "mi", "mo", "mn", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub"}
TAGS |= {"msup", "msubsup", "munder", "mover", "munderover", "mtable", "mtr", "mtd", "mstyle"}
TAGS |= {"mpadded", "mphantom"}
PARTS = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "munder": 2, "mover": 2}
PARTS |= {"msubsup": 3, "munderover": 3}

# Delimiters whose side the converter forgets: marked with private characters on the way through.
SIDES = {r"\lVert": "\ue001", r"\rVert": "\ue002", r"\lvert": "\ue003", r"\rvert": "\ue004"}
NOT_SIZED = "".join(
    rf"(?<!\\{c})" for c in ("left", "right", "middle", "bigl", "bigr", "Bigl", "Bigr")
)


class FormulaError(ValueError):
    """A formula that cannot be set."""


def prepare(tex: str, display: bool) -> str:
    """Rewrite what the converter does not know as what it does."""

    def environment(match):
        name = RENAMED.get(match[2], match[2])
        if name not in KNOWN:
            raise FormulaError(f"unknown environment {match[2]!r}")
        return rf"\{match[1]}{{{name}}}"

    def operator(match):  # only letters pass through an operator's name: mark its spaces
        name = re.sub(r"\\[, ]|(?<=\w) +(?=\w)", "THINSPACE", match[2].strip())
        if not re.fullmatch("[a-zA-Z]+", name):
            raise FormulaError(f"only letters and spaces in \\operatorname, not {match[2]!r}")
        return rf"\operatorname{match[1]}{{{name}}}"

    outside = re.sub(
        r"\{[^{}]*\}", "", re.sub(r"\{[^{}]*\}", "", tex)
    )  # two levels of braces removed
    if display and "\\\\" in outside and r"\begin" not in tex:
        tex = rf"\begin{{align*}}{tex}\end{{align*}}"
    tex = re.sub(r"\\(begin|end)\s*\{([a-zA-Z]+\*?)\}", environment, tex)
    tex = re.sub(r"\\operatorname(\*?)\s*\{([^{}]*)\}", operator, tex)
    tex = re.sub(r"\\(query|key|value|weight)(?=\s*\{)", r"\\class{ab-\1}", tex)
    for command, mark in SIDES.items():
        tex = re.sub(rf"{NOT_SIZED}\{command}(?![a-zA-Z])", mark, tex)
    return tex


def check(math: ET.Element) -> None:
    """Raise a FormulaError where the tree holds something that no reader should see."""
    for element in math.iter():
        text = element.text or ""
        stray = re.search(
            r"\\[a-zA-Z]*|⧸" if element.tag == "mtext" else r"\\[a-zA-Z]*|[&#$\ue001-\ue004]", text
        )
        if stray:
            raise FormulaError(f"cannot set {stray[0]!r}")
        if element.tag not in TAGS or element.get("columnlines") or element.get("rowlines"):
            raise FormulaError(f"browsers cannot show what <{element.tag}> stands for")
        if len(element) != PARTS.get(element.tag, len(element)):
            raise FormulaError(f"a part is missing: <{element.tag}> has {len(element)}")


def to_mathml(tex: str, display: bool = False) -> str:
    """Return the formula as a `<math>` element; raise FormulaError if that is not possible."""
    tex = tex.strip()
    try:
        math = Converter(display="block" if display else "inline").convert_to_element(
            prepare(tex, display)
        )
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
