"""The spaces and the fences of a row of MathML, as TeX would have them."""

import xml.etree.ElementTree as ET

SCRIPTS = {"msub", "msup", "msubsup", "munder", "mover", "munderover"}

# The private characters stand for \lVert, \lvert, \rVert, \rvert: see mathml_convert.py.
OPEN, CLOSE = set("([{⟨⌊⌈\ue001\ue003"), set(")]}⟩⌋⌉\ue002\ue004")
SIDED = {"\ue001": "‖", "\ue002": "‖", "\ue003": "|", "\ue004": "|"}


def mend_row(row: ET.Element, operators: set[ET.Element]) -> None:
    """Mend one row, in place; `operators` are the names like log and softmax."""
    _mend_fences(row)
    _mend_signs(row)
    _space_operators(row, operators)
    _join_upright(row)


def _core(element: ET.Element) -> ET.Element:
    """What carries the scripts: the x of x_i^2."""
    while element.tag in SCRIPTS and len(element):
        element = element[0]
    return element


def _kind(element: ET.Element) -> str:
    core = _core(element)
    first = core[0] if core.tag == "mrow" and len(core) else None
    if first is not None and first.get("form") == "prefix" and first.get("fence"):
        return "fenced"
    if core.tag == "mo" and core.get("movablelimits") is None:
        side = core.get("form") if core.get("fence") else None
        return {"prefix": "open", "postfix": "close"}.get(side, "operator")
    return "space" if core.tag == "mspace" else "ordinary"


def _mend_fences(row: ET.Element) -> None:
    """Say which side a fence is on; | and ‖ alternate. None of them grows unless \\left says so."""
    cores = [_core(child) for child in row]
    bars = [c for c in cores if c.tag == "mo" and c.text in ("|", "‖") and not c.get("form")]
    bars = bars[: len(bars) // 2 * 2]  # a single bar, as in p(x | y), is no fence
    for number, bar in enumerate(bars):
        bar.attrib |= {"form": "postfix" if number % 2 else "prefix", "fence": "true"}
    for mo in cores:
        if mo.tag == "mo" and mo.text in OPEN | CLOSE and not mo.get("form"):
            mo.attrib |= {"form": "prefix" if mo.text in OPEN else "postfix", "fence": "true"}
            mo.text = SIDED.get(mo.text, mo.text)


def _mend_signs(row: ET.Element) -> None:
    """The minus of "= -x" stands close to its x."""
    before = "open"
    for child in row:
        sign = child.tag == "mo" and child.text in ("-", "−", "+", "±")
        if sign and before in ("open", "operator"):
            child.set("form", "prefix")
        before = _kind(child)


def _space_operators(row: ET.Element, operators: set[ET.Element]) -> None:
    """A thin space on either side of an operator's name; none before a parenthesis."""
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
            row.remove(children[here + 1])  # the \! of softmax\!\left( has no work left


def _insert_thin(row: ET.Element, child: ET.Element, offset: int) -> None:
    row.insert(list(row).index(child) + offset, ET.Element("mspace", {"width": "0.1667em"}))


def _join_upright(row: ET.Element) -> None:
    r"""\mathrm{Var} comes letter by letter: make it one word."""
    previous = None
    for child in list(row):
        upright = child.tag == "mi" and child.get("mathvariant") == "normal"
        if upright and child.text.isalpha() and previous is not None:
            previous.text += child.text
            row.remove(child)
        else:
            previous = child if upright and child.text.isalpha() else None
