"""A quiz as Moodle XML, with its hints and feedback.

Each kind of question becomes one that every Moodle has: `multichoice` with one or several right
answers, `numerical`, and `matching` for an order (each step to its place). Formulas are written as
TeX between `\\(` and `\\)`, which Moodle's MathJax filter sets. Format:
https://docs.moodle.org/en/Moodle_XML_format
"""

import xml.etree.ElementTree as ET
from html import escape

from markdown_it import MarkdownIt
from mdit_py_plugins.attrs import attrs_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin

from sphinxext.quiz_source import Answer, Question, Quiz


def _math(display: bool):
    """Write a formula as the text that Moodle's filter looks for, without elements around it."""
    before, after = ("<p>\\[", "\\]</p>\n") if display else ("\\(", "\\)")
    return lambda self, tokens, i, *_: f"{before}{escape(tokens[i].content.strip())}{after}"


_markdown = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin)
_markdown.use(attrs_plugin, spans=True)  # a coloured word
_markdown.add_render_rule("math_inline", _math(display=False))
_markdown.add_render_rule("math_block", _math(display=True))


def to_html(text: str) -> str:
    """Turn Markdown with TeX into the HTML that Moodle takes."""
    return _markdown.render(text).strip()


def feedback(answer: Answer) -> str:
    """Return the Markdown of what is said to an answer."""
    if not answer.misconception:
        return answer.why
    return f"The mistaken idea: *{answer.misconception}*\n\n{answer.why}"


def asked(question: Question) -> str:
    """Return the Markdown of the question, with the unit of a number: the platforms show none."""
    return f"{question.text}\n\nYour answer: … {question.unit}" if question.unit else question.text


def moodle_xml(quiz: Quiz, chapter: str) -> tuple[str, list[str]]:
    """Return the file's text, and a line for each thing that Moodle cannot carry as it is."""
    root = ET.Element("quiz")
    category = ET.SubElement(root, "question", type="category")
    _text(category, "category", f"$course$/top/Attention/{quiz.title}")
    losses = []
    for question in quiz.questions:
        kind = {"number": "numerical", "order": "matching"}.get(question.kind, "multichoice")
        node = ET.SubElement(root, "question", type=kind)
        _text(node, "name", f"{quiz.title}: {question.id}")
        _html(node, "questiontext", asked(question))
        for tag, value in (("defaultgrade", "1"), ("penalty", "0.3333333"), ("hidden", "0")):
            ET.SubElement(node, tag).text = value
        ET.SubElement(node, "idnumber").text = f"{chapter}-{question.id}"
        losses += [f"{question.id}: {loss}" for loss in FILL[question.kind](node, question)]
        _html(node, "hint", question.hint)
    losses.append(
        "hints: Moodle shows them only in quizzes set to 'Interactive with multiple tries'"
    )
    ET.indent(root)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n',
        losses,
    )


def _text(parent: ET.Element, tag: str, text: str, **attributes) -> ET.Element:
    node = ET.SubElement(parent, tag, attributes)
    ET.SubElement(node, "text").text = text
    return node


def _html(parent: ET.Element, tag: str, markdown: str, **attributes) -> ET.Element:
    return _text(parent, tag, to_html(markdown), format="html", **attributes)


def _choices(node: ET.Element, question: Question) -> list[str]:
    right = sum(answer.right for answer in question.answers)
    wrong = len(question.answers) - right
    single = question.kind == "one"
    ET.SubElement(node, "single").text = str(single).lower()
    ET.SubElement(node, "shuffleanswers").text = "true"
    ET.SubElement(node, "answernumbering").text = "abc"
    for answer in question.answers:
        # Whoever ticks everything gets nothing.
        part = 100 / right if answer.right else 0 if single else -100 / wrong
        given = _html(node, "answer", answer.text, fraction=f"{part:.5f}".rstrip("0").rstrip("."))
        _html(given, "feedback", feedback(answer))
    return []


def _number(node: ET.Element, question: Question) -> list[str]:
    for answer in question.answers:
        fraction = "100" if answer.right else "0"
        given = _text(node, "answer", repr(answer.value), fraction=fraction, format="plain_text")
        ET.SubElement(given, "tolerance").text = repr(question.tolerance)
        _html(given, "feedback", feedback(answer))
    given = _text(node, "answer", "*", fraction="0", format="plain_text")
    ET.SubElement(given, "tolerance").text = "0"
    _html(given, "feedback", question.otherwise)
    if question.unit:
        unit = ET.SubElement(ET.SubElement(node, "units"), "unit")
        ET.SubElement(unit, "multiplier").text = "1"
        ET.SubElement(unit, "unit_name").text = question.unit
    # The unit may be written and need not be: Moodle's "optional".
    for tag, value in (("unitgradingtype", "0"), ("unitpenalty", "0"), ("showunits", "0")):
        ET.SubElement(node, tag).text = value
    return []


def _order(node: ET.Element, question: Question) -> list[str]:
    ET.SubElement(node, "shuffleanswers").text = "true"
    for i in question.shuffled():
        step = _html(node, "subquestion", question.steps[i])
        _text(step, "answer", str(i + 1))
    right, *mistakes = question.answers
    _html(node, "correctfeedback", feedback(right))
    said = "\n\n".join(f"Who puts {m.text}: {feedback(m)}" for m in mistakes)
    _html(node, "incorrectfeedback", said)
    return [
        "an order becomes a matching question: each step to its number",
        "to a wrong order Moodle shows the explanations of all mistakes, not of the one made",
    ]


FILL = {"one": _choices, "several": _choices, "number": _number, "order": _order}
