"""Mends the MathML that `latex2mathml` writes: letters, accents, tables, colours.

Spaces and fences are in `mathml_spacing`.
"""

import unicodedata
import xml.etree.ElementTree as ET

from sphinxext.mathml_spacing import CLOSE, OPEN, mend_row

ROWS = {"math", "mrow", "mtd", "mstyle", "msqrt", "mpadded", "mphantom"}
FUNCTIONS = {"arccos", "arcsin", "arctan", "cos", "cosh", "cot", "coth", "deg", "dim", "exp"}
FUNCTIONS |= {"ker", "ln", "log", "sec", "sin", "sinh", "tan", "tanh"}
LIMITS = {"lim", "max", "min", "sup", "inf"}
UNDER = {"msub": "munder", "msup": "mover", "msubsup": "munderover"}
THINGS = set("∞∅⋯∂∇")  # no operators in the space they need, whatever Unicode says

STYLES = {"bold": "BOLD", "italic": "ITALIC", "bold-italic": "BOLD ITALIC", "script": "SCRIPT"}
STYLES |= {"double-struck": "DOUBLE-STRUCK", "monospace": "MONOSPACE", "sans-serif": "SANS-SERIF"}
ACCENTS = {"^": "ˆ", "~": "˜", "¯": "¯", "→": "→", "˙": "˙", "¨": "¨", "ˇ": "ˇ", "˘": "˘"}
LINES = {"mover": "¯", "munder": "_"}  # \overline and \underline
TALL = {"mfrac", "mtable", "munder", "mover", "munderover", "mroot"}
WIDTHS = {"thinmathspace": "0.1667em", "mediummathspace": "0.2222em", "thickmathspace": "0.2778em"}
WIDTHS |= {f"negative{name}": f"-{width}" for name, width in WIDTHS.items()}
ROLES = {"q": "ab-query", "k": "ab-key", "v": "ab-value"}


def mend(math: ET.Element) -> None:
    """Mend a whole formula, in place."""
    elements = list(math.iter())
    operators = {e for e in elements if _mend_operator(e)}
    for element in elements:
        _mend_letters(element)
        _mend_accent_or_root(element)
        _mend_space_or_table(element)
        base = element[0] if element.tag in UNDER and len(element) else element
        if base.tag == "mo" and element is not base and (base in operators or base.text in "∑∏⋃⋂"):
            element.tag = UNDER[element.tag]  # limits below, where there is room for them
    for element in elements:
        if element.tag in ROWS:
            mend_row(element, operators)
    for element in elements:
        _colour(element)
        _mend_primes(element)


def _mend_operator(element: ET.Element) -> bool:
    """Tell whether it is one. With limits it stays <mo>, without it becomes <mi>."""
    text = element.text or ""
    if element.tag != "mo" or not all(
        "a" <= c.lower() <= "z" or c == "\u2009" for c in text or "."
    ):
        return element.tag == "mi" and text in FUNCTIONS
    if text in LIMITS or element.get("movablelimits"):
        # No spaces of the browser's: those of TeX come in `mend_row`.
        element.attrib |= {"movablelimits": "true", "form": "prefix", "lspace": "0", "rspace": "0"}
    else:
        element.tag = "mi"
        if len(text) == 1:
            element.set("mathvariant", "normal")
    return True


def _mend_letters(element: ET.Element) -> None:
    """MathML Core ignores `mathvariant`: use the letters that Unicode has for it."""
    text = element.text or ""
    variant = element.get("mathvariant")
    if variant in STYLES:
        element.text = "".join(_styled(letter, STYLES[variant]) for letter in text)
        del element.attrib["mathvariant"]
    if element.tag == "mi" and text in OPEN | CLOSE | {":"}:
        element.tag = "mo"
        element.set("stretchy", "false")
    elif element.tag == "mi" and len(text) == 1 and unicodedata.category(text) == "Sm":
        element.tag = "mo"
    if element.tag == "mo" and text in THINGS:
        element.tag = "mi"
        element.attrib = {"mathvariant": "normal"}
    if element.tag == "mo" and text == "/":
        element.attrib |= {"lspace": "0", "rspace": "0"}


def _styled(letter: str, style: str) -> str:
    name = unicodedata.name(letter, "")
    for part in ("LATIN ", "GREEK ", " LETTER"):
        name = name.replace(part, "")
    for candidate in (f"MATHEMATICAL {style} {name}", f"{style} {name}"):  # ℝ and ℒ are older
        try:
            return unicodedata.lookup(candidate)
        except KeyError:
            pass
    return "ℎ" if (style, letter) == ("ITALIC", "h") else letter


def _mend_accent_or_root(element: ET.Element) -> None:
    mark = element[1] if element.tag in LINES and len(element) == 2 else None
    if mark is not None and mark.tag == "mo" and mark.text == "―":
        mark.text, mark.attrib = LINES[element.tag], {"stretchy": "true"}
    elif mark is not None and mark.tag == "mo" and mark.text in ACCENTS:
        element.set("accent", "true")
        mark.text, mark.attrib = ACCENTS[mark.text], {"stretchy": "false"}
    if element.tag == "msqrt" and not any(e.tag in TALL for e in element.iter()):
        element.set("class", "ab-low")  # see book.css


def _mend_space_or_table(element: ET.Element) -> None:
    if element.tag == "mspace":
        width = element.attrib.pop("width", "0")
        width = WIDTHS.get(width, width)
        # A box has no negative width, but it may have such a margin.
        element.attrib = {"style": f"margin-left:{width}"} if width[0] == "-" else {"width": width}
    if element.tag == "mtable":
        if element.attrib.pop("columnspacing", None):
            element.set("class", "ab-align")
        element.attrib.pop("rowspacing", None)
    if element.tag == "mtd" and element.get("columnalign"):
        element.set("class", f"ab-{element.attrib.pop('columnalign')}")


def _mend_primes(element: ET.Element) -> None:
    """A prime is a raised letter already: as a superscript it would be a speck."""
    if element.tag in ("msup", "msubsup") and set(element[-1].text or " ") <= set("′″‴⁗"):
        prime = ET.Element("mo", {"lspace": "0", "rspace": "0"})
        prime.text = element[-1].text
        base = element[0]
        if element.tag == "msubsup":
            base = ET.Element("msub")
            base.extend(element[:2])
        element.tag = "mrow"
        element[:] = [base, prime]


def _colour(element: ET.Element) -> None:
    """Bold q, k, v and their capitals, W with such an index, and α get their role's colour."""
    role = None
    if element.tag == "mi" and element.text:
        letter = unicodedata.normalize("NFKC", element.text)
        bold = "BOLD" in unicodedata.name(element.text[0], "")
        role = "ab-weight" if letter == "α" else ROLES.get(letter.lower()) if bold else None
    elif element.tag in ("msub", "msup", "msubsup"):
        base = "".join(element[0].itertext())
        if unicodedata.normalize("NFKC", base) == "W":
            scripts = [unicodedata.normalize("NFKC", "".join(s.itertext())) for s in element[1:]]
            # W_k may have k for a number; 𝐖_k hardly.
            roles = [ROLES.get(s[:1].lower()) for s in scripts if s[:1].isupper() or base != "W"]
            role = next(filter(None, roles), None)
    if role:
        element.set("class", f"{element.get('class', '')} {role}".strip())
