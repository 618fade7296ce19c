"""A quiz as QTI for Canvas, made by text2qti from its plain text.

text2qti knows questions with one answer, with several, and with a number. It knows no hints, no
feedback to one particular wrong number, and no order: `canvas_zip` says so for each question.
"""

import io
import re
import zipfile

from text2qti.config import Config
from text2qti.err import Text2qtiError
from text2qti.qti import QTI
from text2qti.quiz import Quiz as Text2qtiQuiz

from sphinxext.quiz_moodle import asked, feedback
from sphinxext.quiz_source import Question, Quiz

LETTERS = "abcdefg"
SPAN = re.compile(r"\[([^\]]*)\]\{[^}]*\}")  # a coloured word: text2qti's Markdown has none


def canvas_zip(quiz: Quiz) -> tuple[bytes, list[str]]:
    """Return the archive to import, and a line for each thing that it does not carry as it is."""
    blocks, losses = [f"Quiz title: {quiz.title}\nshuffle answers: true\n"], []
    for question in quiz.questions:
        text, lost = _question(question, len(blocks))
        losses += [f"{question.id}: {loss}" for loss in lost]
        if text:
            blocks.append(text)
    made = QTI(Text2qtiQuiz("\n".join(blocks), config=Config()))
    return _without_dates(made.zip_bytes()), losses


def _question(question: Question, number: int) -> tuple[str, list[str]]:
    """Return a question in text2qti's plain text, or nothing, and what is lost."""
    if question.kind == "order":
        return "", ["left out: text2qti has no question in which steps are put in order"]
    lost = ["the hint is shown with the feedback to a wrong answer: Canvas has no hints"]
    right = [answer for answer in question.answers if answer.right]
    wrong_text = f"Hint: {question.hint}"
    lines = [_item(f"{number}.", asked(question))]
    if question.kind == "number":
        lost.append(
            "the explanations of all wrong numbers are shown to any: Canvas has one for all"
        )
        said = [f"To {a.text}: {feedback(a)}" for a in question.answers if not a.right]
        wrong_text = "\n\n".join([wrong_text, question.otherwise, *said])
        lines += [_item("+", right[0].why), _item("-", wrong_text)]
        lines.append(f"=   {right[0].value!r} +- {question.tolerance!r}\n")
    else:
        lines.append(_item("-", wrong_text))
        for letter, answer in zip(LETTERS, question.answers, strict=False):
            if question.kind == "one":
                mark = f"{'*' if answer.right else ''}{letter})"
            else:
                mark = "[*]" if answer.right else "[ ]"
            lines += [_item(mark, answer.text), _item("...", feedback(answer))]
    text = "".join(lines)
    try:
        Text2qtiQuiz(f"Quiz title: try\n\n{text.replace(f'{number}.', '1.', 1)}", config=Config())
    except Text2qtiError as error:
        return "", [f"left out: text2qti says: {str(error).splitlines()[-1]}"]
    return text, lost


def _item(mark: str, markdown: str) -> str:
    """Write one item; its further lines stand under its first character."""
    indent = " " * 4 if len(mark) < 4 else " " * 5
    lines = SPAN.sub(r"\1", markdown).splitlines()
    return (
        mark.ljust(len(indent))
        + "\n".join([lines[0], *(indent + line if line.strip() else "" for line in lines[1:])])
        + "\n"
    )


def _without_dates(archive: bytes) -> bytes:
    """Write the archive anew without the time of its making: the same quiz gives the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name), old.read(name), zipfile.ZIP_DEFLATED)
    return out.getvalue()
