"""What a learning platform gets is what the quiz files say, question by question."""

import html
import io
import re
import xml.etree.ElementTree as ET
import zipfile

import export_quizzes
import pytest

from sphinxext.quiz_moodle import moodle_xml, to_html
from sphinxext.quiz_qti import canvas_zip
from sphinxext.quiz_source import Answer, Question, Quiz, load

FILES = export_quizzes.quiz_files()
QUIZZES = {path.name.split(".")[0]: load(path) for path in FILES}
each_quiz = pytest.mark.parametrize("name", QUIZZES)
QTI = "{http://www.imsglobal.org/xsd/ims_qtiasiv1p2}"


def words(text):
    """The letters and digits of a text: without marks of Markdown, HTML or TeX."""
    text = re.sub(
        r'<img class="equation_image"[^>]*data-equation-content="([^"]*)"[^>]*>',
        lambda match: html.unescape(match[1]),
        text,
    )
    text = html.unescape(re.sub(r"<[^<>]+>", "", text))
    return re.sub(r"[^\w]", "", text.replace("“", "").replace("_", ""))


def said(answer):
    """What a platform must say to an answer."""
    idea = f"The mistaken idea: {answer.misconception}" if answer.misconception else ""
    return words(idea + answer.why)


# ------------------------------------------------------------------ Moodle


def moodle_questions(name):
    root = ET.fromstring(moodle_xml(QUIZZES[name], name)[0])
    category, *questions = root.findall("question")
    assert category.get("type") == "category"
    assert QUIZZES[name].title in category.findtext("category/text")
    assert len(questions) == len(QUIZZES[name].questions)
    return zip(QUIZZES[name].questions, questions, strict=True)


@each_quiz
def test_moodle_has_each_question_and_hint(name):
    for question, node in moodle_questions(name):
        assert words(node.findtext("questiontext/text")).startswith(words(question.text))
        assert words(node.findtext("questiontext/text")).endswith(words(question.unit))
        assert node.find("questiontext").get("format") == "html"
        assert node.findtext("idnumber") == f"{name}-{question.id}"
        assert [words(hint.findtext("text")) for hint in node.findall("hint")] == [
            words(question.hint)
        ]


@each_quiz
def test_moodle_has_each_choice_with_its_feedback(name):
    for question, node in moodle_questions(name):
        if question.kind not in ("one", "several"):
            continue
        assert node.get("type") == "multichoice"
        assert node.findtext("single") == str(question.kind == "one").lower()
        given = node.findall("answer")
        assert len(given) == len(question.answers)
        for answer, choice in zip(question.answers, given, strict=True):
            assert words(choice.findtext("text")) == words(answer.text)
            assert words(choice.findtext("feedback/text")) == said(answer)
            assert (float(choice.get("fraction")) > 0) == answer.right
        parts = [float(choice.get("fraction")) for choice in given]
        assert sum(part for part in parts if part > 0) == pytest.approx(100, abs=1e-4)
        assert sum(parts) == pytest.approx(0 if question.kind == "several" else 100, abs=1e-3)


@each_quiz
def test_moodle_has_each_number_with_its_tolerance_and_mistakes(name):
    for question, node in moodle_questions(name):
        if question.kind != "number":
            continue
        assert node.get("type") == "numerical"
        *given, other = node.findall("answer")
        for answer, number in zip(question.answers, given, strict=True):
            assert float(number.findtext("text")) == answer.value
            assert float(number.findtext("tolerance")) == question.tolerance
            assert number.get("fraction") == ("100" if answer.right else "0")
            assert words(number.findtext("feedback/text")) == said(answer)
        assert other.findtext("text") == "*"
        assert other.get("fraction") == "0"
        assert words(other.findtext("feedback/text")) == words(question.otherwise)
        assert (node.findtext("units/unit/unit_name") or "") == question.unit


@each_quiz
def test_moodle_has_each_order_as_a_matching_question(name):
    for question, node in moodle_questions(name):
        if question.kind != "order":
            continue
        assert node.get("type") == "matching"
        steps = {s.findtext("answer/text"): s.findtext("text") for s in node.findall("subquestion")}
        assert [words(steps[str(i + 1)]) for i in range(len(steps))] == [
            words(step) for step in question.steps
        ]
        assert words(node.findtext("correctfeedback/text")) == said(question.answers[0])
        for mistake in question.answers[1:]:
            assert said(mistake) in words(node.findtext("incorrectfeedback/text"))
        assert "an order becomes a matching question" in " ".join(
            moodle_xml(QUIZZES[name], name)[1]
        )


def test_moodle_sees_formulas_as_its_filter_wants_them():
    assert to_html("a $x < y_1$ b") == r"<p>a \(x &lt; y_1\) b</p>"
    assert to_html("$$\na \\\\ b\n$$") == "<p>\\[a \\\\ b\\]</p>"
    assert to_html("[query]{.ab-query} `x`") == (
        '<p><span class="ab-query">query</span> <code>x</code></p>'
    )


# ------------------------------------------------------------------ Canvas


def canvas_items(quiz):
    archive, losses = canvas_zip(quiz)
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        assert files.testzip() is None
        (name,) = [n for n in files.namelist() if re.search(r"assessment_[^/]*/text2qti_.*xml$", n)]
        assert name in files.read("imsmanifest.xml").decode()
        root = ET.fromstring(files.read(name))
    assert root.find(f"{QTI}assessment").get("title") == quiz.title
    return root.findall(f".//{QTI}item"), losses


def kind_of(item):
    fields = {
        field.findtext(f"{QTI}fieldlabel"): field.findtext(f"{QTI}fieldentry")
        for field in item.iter(f"{QTI}qtimetadatafield")
    }
    return fields["question_type"]


def canvas_feedback(item):
    return {
        node.get("ident"): words(node.findtext(f".//{QTI}mattext"))
        for node in item.findall(f"{QTI}itemfeedback")
    }


@each_quiz
def test_canvas_has_each_question_that_it_can(name):
    quiz = QUIZZES[name]
    items, losses = canvas_items(quiz)
    carried = [question for question in quiz.questions if question.kind != "order"]
    assert len(items) == len(carried)
    for question in quiz.questions:
        about = [loss for loss in losses if loss.startswith(f"{question.id}: ")]
        wanted = {"order": "left out", "number": "all wrong numbers"}.get(question.kind, "the hint")
        assert wanted in " ".join(about)
    for question, item in zip(carried, items, strict=True):
        text = words(item.findtext(f"{QTI}presentation/{QTI}material/{QTI}mattext"))
        assert text == words(question.text) + (
            words(f"Your answer: {question.unit}") if question.unit else ""
        )
        wrong = canvas_feedback(item)["general_incorrect_fb"]
        assert wrong.startswith(words(f"Hint: {question.hint}"))
        CHECKS[question.kind](question, item)


def check_choices(question, item):
    kinds = {"one": "multiple_choice_question", "several": "multiple_answers_question"}
    assert kind_of(item) == kinds[question.kind]
    labels = item.findall(f".//{QTI}response_label")
    feedback = canvas_feedback(item)
    right = {node.text for node in item.findall(f".//{QTI}varequal")} & correct(item)
    for answer, label in zip(question.answers, labels, strict=True):
        assert words(label.findtext(f".//{QTI}mattext")) == words(answer.text)
        assert feedback[f"{label.get('ident')}_fb"] == said(answer)
        assert (label.get("ident") in right) == answer.right


def correct(item):
    """The idents that the item's scoring wants chosen."""
    (condition,) = [
        node for node in item.iter(f"{QTI}respcondition") if node.find(f"{QTI}setvar") is not None
    ]
    refused = {node.text for no in condition.iter(f"{QTI}not") for node in no}
    return {node.text for node in condition.iter(f"{QTI}varequal")} - refused


def check_number(question, item):
    assert kind_of(item) == "numerical_question"
    right = question.answers[0]
    least, most = (float(item.findtext(f".//{QTI}{tag}")) for tag in ("vargte", "varlte"))
    assert least == pytest.approx(right.value - question.tolerance, abs=1e-4)
    assert most == pytest.approx(right.value + question.tolerance, abs=1e-4)
    feedback = canvas_feedback(item)
    assert feedback["correct_fb"] == words(right.why)
    for mistake in question.answers[1:]:
        assert words(f"To {mistake.text}") + said(mistake) in feedback["general_incorrect_fb"]
    assert words(question.otherwise) in feedback["general_incorrect_fb"]


CHECKS = {"one": check_choices, "several": check_choices, "number": check_number}


def test_a_number_that_text2qti_refuses_is_reported():
    """text2qti takes no number so near 0; the rest of the quiz is exported."""
    tiny = Question(
        id="tiny",
        kind="number",
        asks="calculation",
        text="How much?",
        hint="Nothing.",
        answers=(Answer("5e-5", "Yes.", right=True, value=5e-5), Answer("1", "No.", value=1.0)),
        tolerance=1e-5,
        otherwise="Think.",
    )
    kept = QUIZZES["dictionary"].questions[0]
    items, losses = canvas_items(Quiz("Trial", (tiny, kept)))
    assert len(items) == 1
    assert losses[0].startswith("tiny: left out: text2qti says: ")
    assert losses[1].startswith(f"{kept.id}: the hint")


# ------------------------------------------------------------------ the command


def test_the_command_writes_both_formats_and_reports(tmp_path, capsys):
    assert export_quizzes.main(["--to", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    for name, quiz in QUIZZES.items():
        assert (tmp_path / "moodle" / f"{name}.xml").stat().st_size > 5000
        assert (tmp_path / "canvas" / f"{name}.zip").stat().st_size > 2000
        assert f"canvas/{name}.zip: {len(quiz.questions)} questions in the book" in printed.out
        for question in quiz.questions:
            if question.kind == "order":
                assert f"  {question.id}: left out: " in printed.out


def test_the_command_writes_the_same_bytes_twice(tmp_path):
    for folder in ("one", "two"):
        assert export_quizzes.main(["--to", str(tmp_path / folder)]) == 0
    for path in (tmp_path / "one").rglob("*.*"):
        assert (
            path.read_bytes()
            == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
        )


def test_the_command_names_a_broken_file(tmp_path, monkeypatch, capsys):
    broken = tmp_path / "broken.quiz.yml"
    broken.write_text("title: x\n", "utf-8")
    monkeypatch.setattr(export_quizzes, "quiz_files", lambda: [broken])
    assert export_quizzes.main(["--to", str(tmp_path / "out")]) == 1
    assert "broken.quiz.yml: 'questions' is missing" in capsys.readouterr().err
