"""Mends the MathML that `latex2mathml` writes: letters, spaces, fences, tables, colours."""

import unicodedata
import xml.etree.ElementTree as ET

SCRIPTS = {"msub", "msup", "msubsup", "munder", "mover", "munderover"}
ROWS = {"math", "mrow", "mtd", "mstyle", "msqrt", "mpadded", "mphantom"}
FUNCTIONS = set("arccos arcsin arctan cos cosh cot coth deg dim exp ker ln log sec sin sinh tan tanh".split())
LIMITS = set("lim max min sup inf".split())
UNDER = {"msub": "munder", "msup": "mover", "msubsup": "munderover"}

OPEN, CLOSE = set("([{⟨⌊⌈\ue001\ue003"), set(")]}⟩⌋⌉\ue002\ue004")
SIDED = {"\ue001": "‖", "\ue002": "‖", "\ue003": "|", "\ue004": "|"}
STYLES = {"bold": "BOLD", "italic": "ITALIC", "bold-italic": "BOLD ITALIC", "script": "SCRIPT"}
STYLES |= {"double-struck": "DOUBLE-STRUCK", "monospace": "MONOSPACE", "sans-serif": "SANS-SERIF"}
WIDTHS = {"thinmathspace": "0.1667em", "mediummathspace": "0.2222em", "thickmathspace": "0.2778em"}
WIDTHS |= {f"negative{name}": f"-{width}" for name, width in WIDTHS.items()}
ROLES = {"q": "ab-query", "k": "ab-key", "v": "ab-value"}


def mend(math: ET.Element) -> None:
    elements = list(math.iter())
    operators = {e for e in elements if _mend_operator(e)}
    for element in elements:
        _mend_letters(element)
        _mend_space_or_table(element)
        if element.tag in UNDER and element[0] in operators and element[0].tag == "mo":
            element.tag = UNDER[element.tag]  # lim, max, arg max: limits below, where there is room
    for element in elements:
        if element.tag in ROWS:
            _mend_fences(element)
            _space_operators(element, operators)
            _join_upright(element)
    for element in elements:
        _colour(element)


def _mend_operator(element: ET.Element) -> bool:
    """Operators with limits stay <mo>, others become <mi>; both without the browser's spaces."""
    text = element.text or ""
    named = element.tag == "mo" and text.replace("\u2009", "").isalpha() and text.isascii() | ("\u2009" in text)
    if not named:
        return element.tag == "mi" and text in FUNCTIONS
    if text in LIMITS or element.get("movablelimits"):
        element.attrib |= {"movablelimits": "true", "form": "prefix", "lspace": "0", "rspace": "0"}
    else:
        element.tag = "mi"
        if len(text) == 1:
            element.set("mathvariant", "normal")
    return True


def _mend_letters(element: ET.Element) -> None:
    """MathML Core ignores `mathvariant`: use the letters that Unicode has for it."""
    variant = element.get("mathvariant")
    if variant in STYLES:
        element.text = "".join(_styled(letter, STYLES[variant]) for letter in element.text or "")
        del element.attrib["mathvariant"]
    if element.tag == "mi" and element.text in OPEN | CLOSE | {":"}:
        element.tag = "mo"
    if element.tag == "mover" and element[1].tag == "mo" and element[1].text in "^~¯→˙¨ˇ˘`´":
        element.set("accent", "true")


def _styled(letter: str, style: str) -> str:
    name = unicodedata.name(letter, "")
    for old in ("LATIN ", "GREEK ", " LETTER"):
        name = name.replace(old, "")
    for candidate in (f"MATHEMATICAL {style} {name}", f"{style} {name}"):  # ℝ and ℒ are older
        try:
            return unicodedata.lookup(candidate)
        except KeyError:
            pass
    return "ℎ" if (style, letter) == ("ITALIC", "h") else letter


def _mend_space_or_table(element: ET.Element) -> None:
    if element.tag == "mspace":
        width = WIDTHS.get(element.get("width"), element.get("width", ""))
        if width.startswith("-"):  # a box has no negative width, but it may have such a margin
            element.attrib = {"style": f"margin-left:{width}"}
        else:
            element.set("width", width)
    if element.tag == "mtable":
        if element.attrib.pop("columnspacing", None):
            element.set("class", "ab-align")
        element.attrib.pop("rowspacing", None)
    if element.tag == "mtd" and element.get("columnalign"):
        element.set("class", f"ab-{element.attrib.pop('columnalign')}")


def _core(element: ET.Element) -> ET.Element:
    """What carries the scripts: the x of x_i^2."""
    while element.tag in SCRIPTS and len(element):
        element = element[0]
    return element


def _mend_fences(row: ET.Element) -> None:
    """Say which side a fence is on; | and ‖ alternate. None of them grows unless \\left says so."""
    bars = [c for c in map(_core, row) if c.tag == "mo" and c.text in ("|", "‖") and not c.get("form")]
    bars = bars[: len(bars) // 2 * 2]  # a single bar, as in p(x | y), is no fence
    for number, bar in enumerate(bars):
        bar.attrib |= {"form": "postfix" if number % 2 else "prefix", "fence": "true"}
    for mo in map(_core, row):
        if mo.tag == "mo" and mo.text in OPEN | CLOSE and not mo.get("stretchy"):
            mo.attrib |= {"form": "prefix" if mo.text in OPEN else "postfix", "fence": "true"}
            mo.set("stretchy", "true" if mo.get("minsize") else "false")
            mo.text = SIDED.get(mo.text, mo.text)


def _kind(element: ET.Element) -> str:
    core = _core(element)
    if core.tag == "mrow" and len(core) and core[0].get("form") == "prefix" and core[0].get("fence"):
        return "fenced"
    if core.tag == "mo" and core.get("movablelimits") is None:
        side = core.get("form") if core.get("fence") else None
        return {"prefix": "open", "postfix": "close"}.get(side, "operator")
    return "space" if core.tag == "mspace" else "ordinary"


def _space_operators(row: ET.Element, operators: set) -> None:
    """A thin space on either side of an operator's name, as TeX has it; none before a parenthesis."""
    children = list(row)
    for here, child in enumerate(children):
        if _core(child) not in operators:
            continue
        if here and _kind(children[here - 1]) in ("ordinary", "close", "fenced"):
            _insert_thin(row, child, 0)
        after = [_kind(c) for c in children[here + 1 : here + 3]]
        if after[:1] == ["ordinary"] and _core(children[here + 1]) not in operators:
            _insert_thin(row, child, 1)
        elif after in (["space", "open"], ["space", "fenced"]) and children[here + 1].get("style"):
            row.remove(children[here + 1])  # the \! in \operatorname{softmax}\!\left( has no work left


def _insert_thin(row: ET.Element, child: ET.Element, offset: int) -> None:
    row.insert(list(row).index(child) + offset, ET.Element("mspace", {"width": "0.1667em"}))


def _join_upright(row: ET.Element) -> None:
    r"""\mathrm{Var} comes letter by letter: make it one word."""
    previous = None
    for child in list(row):
        upright = child.tag == "mi" and child.get("mathvariant") == "normal"
        if upright and previous is not None:
            previous.text += child.text
            row.remove(child)
        else:
            previous = child if upright else None


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
            capital = [ROLES.get(s[:1].lower()) for s in scripts if s[:1].isupper() or base != "W"]
            role = next(filter(None, capital), None)
    if role:
        element.set("class", f"{element.get('class', '')} {role}".strip())
