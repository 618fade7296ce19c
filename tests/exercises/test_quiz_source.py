"""Quiz files: what is wrong with one is said by file, question and field; numbers are computed."""

import copy
import math

import export_quizzes
import numpy as np
import pytest
import yaml

from attnbook import softmax
from sphinxext.quiz_numbers import NumberError, evaluate, fill, number, show
from sphinxext.quiz_schema import ACTIVE, QuizError
from sphinxext.quiz_source import load

FILES = export_quizzes.quiz_files()
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.split(".")[0])


def choice(text, **more):
    return {"text": text, "why": f"Why {text}.", **more}


GOOD = {
    "title": "Trial",
    "questions": [
        {
            "id": "first",
            "kind": "one",
            "asks": "prediction",
            "question": "Which?",
            "hint": "Look.",
            "answers": [
                choice("yes", right=True),
                choice("no", misconception="it is no."),
                choice("perhaps", misconception="it is open."),
            ],
        },
        {
            "id": "many",
            "kind": "several",
            "asks": "diagnosis",
            "question": "Which ones?",
            "hint": "Count.",
            "answers": [
                choice("red", right=True),
                choice("blue", right=True),
                choice("none", misconception="there is none."),
            ],
        },
        {
            "id": "weight",
            "kind": "number",
            "asks": "calculation",
            "let": {"w": "softmax(np.array([1.0, 0.0]))"},
            "holds": ["w[0] > w[1]"],
            "question": "How much? Not {{ w[1] | .3f }}.",
            "hint": "Exponentials.",
            "answer": "w[0] | .3f",
            "tolerance": 0.01,
            "unit": "of the weight",
            "why": "So it is.",
            "otherwise": "Compute.",
            "mistakes": [{"answer": 1, "misconception": "the best wins all.", "why": "No."}],
        },
        {
            "id": "steps",
            "kind": "order",
            "asks": "understanding",
            "question": "Order.",
            "hint": "Begin at the start.",
            "steps": ["wake", "rise", "walk"],
            "why": "As always.",
            "mistakes": [
                {"puts": 2, "before": 1, "misconception": "one rises asleep.", "why": "No."},
                {"puts": 3, "before": 2, "misconception": "one walks lying.", "why": "No."},
            ],
        },
    ],
}
GOOD["questions"].append({**copy.deepcopy(GOOD["questions"][0]), "id": "last"})


def read(data, folder):
    path = folder / "trial.quiz.yml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")
    return load(path, "trial.quiz.yml")


def test_a_good_file_is_read(tmp_path):
    quiz = read(GOOD, tmp_path)
    one, several, weight, order, _ = quiz.questions
    assert quiz.title == "Trial"
    assert [a.right for a in one.answers] == [True, False, False]
    assert [a.right for a in several.answers] == [True, True, False]
    assert weight.text == "How much? Not 0.269."
    assert weight.answers[0].text == "0.731 of the weight"
    assert weight.answers[0].value == softmax(np.array([1.0, 0.0]))[0]
    assert weight.answers[1].value == 1
    assert [a.swap for a in order.answers] == [None, (1, 0), (2, 1)]
    assert sorted(order.shuffled()) == [0, 1, 2]
    assert order.shuffled() != [0, 1, 2]
    assert quiz == read(GOOD, tmp_path)


def change(*path, to=None, remove=False):
    """Return a function that changes one place of the good file."""

    def spoil(data):
        for key in path[:-1]:
            data = data[key]
        if remove:
            del data[path[-1]]
        else:
            data[path[-1]] = to

    return spoil


Q = "questions"
FIRST, MANY, WEIGHT, STEPS = "'first'", "'many'", "'weight'", "'steps'"
#: What is said, for each way to spoil the file.
FAULTS = {
    "trial.quiz.yml: 'title' is missing": change("title", remove=True),
    "trial.quiz.yml, questions: has 4; at least 5": lambda d: d[Q].pop(),
    "trial.quiz.yml, questions: has 9; at most 8": lambda d: d[Q].extend(d[Q][:4]),
    "trial.quiz.yml, questions: 1 of 5 ask for a prediction": lambda d: [
        q.update(asks="understanding") for q in d[Q][1:]
    ],
    "question 1: 'id' is missing": change(Q, 0, "id", remove=True),
    "question 'A b', id: 'A b' does not match": change(Q, 0, "id", to="A b"),
    "question 'first', id: another question has the same id": change(Q, 4, "id", to="first"),
    f"question {FIRST}, kind: 'guess' is none of one, several": change(Q, 0, "kind", to="guess"),
    f"question {FIRST}, asks: 'recall' is none of prediction": change(Q, 0, "asks", to="recall"),
    f"question {FIRST}: 'hint' is missing": change(Q, 0, "hint", remove=True),
    f"question {FIRST}, hint: ' ' does not match": change(Q, 0, "hint", to=" "),
    f"question {FIRST}: 'reason' is no field here; there are answers, id, kind": change(
        Q, 0, "reason", to="?"
    ),
    f"question {FIRST}, answers[2]: 'wy' is no field here; there are text, right": change(
        Q, 0, "answers", 1, "wy", to="?"
    ),
    f"question {STEPS}, steps[3]: is the same as a step above it": change(
        Q, 3, "steps", 2, to="rise"
    ),
    f"question {WEIGHT}, holds[1]: 'w == w' is neither true nor false: add '.all()'": change(
        Q, 2, "holds", to=["w == w"]
    ),
    f"question {WEIGHT}, why: '{{{{' has no '}}}}' after it": change(
        Q, 2, "why", to="It is {{ w[0] | .2f."
    ),
    f"question {FIRST}, answers: has 2; at least 3": lambda d: d[Q][0]["answers"].pop(),
    f"question {FIRST}, answers[2]: 'misconception' is missing": change(
        Q, 0, "answers", 1, "misconception", remove=True
    ),
    f"question {FIRST}, answers[3]: 'why' is missing": change(
        Q, 0, "answers", 2, "why", remove=True
    ),
    f"question {FIRST}, answers[1]: a right answer has no": change(
        Q, 0, "answers", 0, "misconception", to="none"
    ),
    f"question {FIRST}, answers[2].text: 7 is not text; put it": change(
        Q, 0, "answers", 1, "text", to=7
    ),
    f"question {FIRST}, answers[2].text: is the same": change(Q, 0, "answers", 1, "text", to="yes"),
    f"question {FIRST}, answers[2].text: must be one paragraph": change(
        Q, 0, "answers", 1, "text", to="a\n\nb"
    ),
    f"question {FIRST}, answers: 2 answers are marked": lambda d: d[Q][0]["answers"].__setitem__(
        1, choice("no", right=True)
    ),
    f"question {MANY}, answers: 3 of 3 are right": lambda d: d[Q][1]["answers"].__setitem__(
        2, choice("none", right=True)
    ),
    f"question {WEIGHT}: 'tolerance', 'why' is missing": lambda d: [
        d[Q][2].pop("tolerance"),
        d[Q][2].pop("why"),
    ],
    f"question {WEIGHT}, mistakes: has 0": change(Q, 2, "mistakes", to=[]),
    f"question {WEIGHT}, mistakes[1]: 'misconception' is missing": change(
        Q, 2, "mistakes", 0, "misconception", remove=True
    ),
    f"question {WEIGHT}, answer: 'w[9]': IndexError": change(Q, 2, "answer", to="w[9] | .3f"),
    f"question {WEIGHT}, answer: 'w[0]' needs a format": change(Q, 2, "answer", to="w[0]"),
    f"question {WEIGHT}, answer: 'w' is not one number": change(Q, 2, "answer", to="w | .3f"),
    f"question {WEIGHT}, answer: is shown as 1, further": change(Q, 2, "answer", to="w[0] | .0f"),
    f"question {WEIGHT}, answer: is shown with a percent": change(Q, 2, "answer", to="w[0] | .0%"),
    f"question {WEIGHT}, tolerance: is 0": change(Q, 2, "tolerance", to=0),
    f"question {WEIGHT}, mistakes[1].answer: 0.735 is within the tolerance of 'answer'": change(
        Q, 2, "mistakes", 0, "answer", to=0.735
    ),
    f"question {WEIGHT}, let.w: 'softmaks(1)': there is no 'softmaks' here": change(
        Q, 2, "let", "w", to="softmaks(1)"
    ),
    f"question {WEIGHT}, holds[1]: 'w[0] < w[1]' is false": change(
        Q, 2, "holds", 0, to="w[0] < w[1]"
    ),
    f"question {WEIGHT}, question: 'v': there is no 'v' here": change(
        Q, 2, "question", to="Is it {{ v | .2f }}?"
    ),
    f"question {STEPS}, mistakes: none says what is wrong with putting step 3 before": lambda d: d[
        Q
    ][3]["mistakes"].pop(),
    f"question {STEPS}, mistakes[2]: must put a later step": change(
        Q, 3, "mistakes", 1, "puts", to=4
    ),
}


@pytest.mark.parametrize("message", FAULTS)
def test_each_fault_is_named(message, tmp_path):
    data = copy.deepcopy(GOOD)
    FAULTS[message](data)
    with pytest.raises(QuizError) as error:
        read(data, tmp_path)
    assert message in str(error.value)
    assert all(line.startswith("trial.quiz.yml") for line in str(error.value).splitlines())


def test_all_faults_are_named_at_once(tmp_path):
    data = copy.deepcopy(GOOD)
    del data["questions"][0]["hint"], data["questions"][3]["why"]
    with pytest.raises(QuizError) as error:
        read(data, tmp_path)
    assert "'first': 'hint' is missing" in str(error.value)
    assert "'steps': 'why' is missing" in str(error.value)
    assert len(str(error.value).splitlines()) == 2  # and nothing that is right


def test_broken_yaml_is_named_with_its_line(tmp_path):
    path = tmp_path / "trial.quiz.yml"
    path.write_text("title: a\nquestions: [\n", "utf-8")
    with pytest.raises(QuizError, match=r"trial\.quiz\.yml, line 3: "):
        load(path)
    path.write_text("title: a\ntitle: b\n", "utf-8")
    with pytest.raises(QuizError, match="line 1: the field 'title' stands twice"):
        load(path)
    path.write_text("", "utf-8")
    with pytest.raises(QuizError, match="None is not of type 'object'"):
        load(path)
    with pytest.raises(QuizError, match="there is no such file"):
        load(tmp_path / "other.quiz.yml")


# ------------------------------------------------------------------ numbers


def test_expressions_are_evaluated():
    assert evaluate("softmax(np.array([0.0, 0.0]))[0]") == 0.5
    assert evaluate("[x, 2][1] if x else None", {"x": 1}) == 2
    assert number("math.sqrt(16)") == 4
    assert number(0.25) == 0.25
    assert show("1 / 3 | .2f") == "0.33"
    assert show("3 * 4") == "12"
    assert show(0.5) == "0.5"
    assert show("98304.0 | ,d") == "98,304"
    assert fill("{{ 1 / 8 | .3f }} of {{ 2 ** 3 }}, {{ 1 / 4 | .0%}}") == "0.125 of 8, 25%"
    assert fill(r"$\frac{1}{\sqrt{d_k}}$") == r"$\frac{1}{\sqrt{d_k}}$"


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os')",
        "open('x')",
        "np.load('x')",
        "np.__class__",
        "(lambda: 1)()",
        "[x for x in (1, 2)]",
        "f'{1}'",
        "(x := 1)",
        "softmax.__globals__",
        "np.fromfile('x')",
        "np.arange(3).tofile('x')",
        "",
        "1 +",
    ],
)
def test_what_is_no_plain_computation_is_refused(expression):
    with pytest.raises(NumberError):
        evaluate(expression)


@pytest.mark.parametrize("value", ["math.inf", "math.inf - math.inf", "'a'", "[1, 2]"])
def test_an_answer_is_one_finite_number(value):
    with pytest.raises(NumberError):
        number(value.replace("math.inf", "np.inf"))


def test_a_number_that_cannot_be_written_is_refused():
    with pytest.raises(NumberError, match="needs a format"):
        fill("{{ 1 / 3 }}")
    with pytest.raises(NumberError, match="cannot be written as"):
        fill("{{ np.ones(2) | .2f }}")


# ------------------------------------------------------------------ the book's own quizzes


def test_each_chapter_of_part_one_has_a_quiz():
    topics = {"dictionary", "soft-lookup", "temperature", "queries-keys-values"}
    assert topics <= {path.name.split(".")[0] for path in FILES}


@each_file
def test_the_quiz_keeps_its_promises(path):
    """5 to 8 questions, half of them active; every wrong answer says which idea is behind it."""
    quiz = load(path)
    assert 5 <= len(quiz.questions) <= 8
    assert sum(q.asks in ACTIVE for q in quiz.questions) * 2 >= len(quiz.questions)
    for question in quiz.questions:
        assert len(question.hint) > 20
        for answer in question.answers:
            assert len(answer.why) > 20, (question.id, answer.text)
            assert answer.right or answer.misconception.endswith((".", "?")), answer
            assert answer.value is None or math.isfinite(answer.value)
        for text in (question.text, question.hint, *(a.why for a in question.answers)):
            assert "{{" not in text and "}}" not in text.replace("}}$", ""), text


@each_file
def test_the_right_answer_has_no_fixed_place(path):
    """Nobody gets far by always choosing the same place, or the longest answer."""
    ones = [q for q in load(path).questions if q.kind == "one"]
    places = [[a.right for a in q.answers].index(True) for q in ones]
    longest = [max(q.answers, key=lambda a: len(a.text)).right for q in ones]
    assert len(ones) < 3 or max(map(places.count, places)) < len(ones)
    assert len(ones) < 3 or not all(longest)


@each_file
def test_the_notebook_shows_its_quiz(path):
    chapter = path.with_name(path.name.replace(".quiz.yml", ".ipynb"))
    if not chapter.exists():
        chapter = chapter.with_suffix(".md")
    assert ":::{quiz}" in chapter.read_text("utf-8")
