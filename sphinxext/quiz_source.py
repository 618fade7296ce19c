"""Read a quiz: one YAML file, checked, its numbers computed, its answers in one form.

The page and the exports for Moodle and Canvas all start from what `load` returns.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from sphinxext.quiz_numbers import NumberError, evaluate, fill, number, show, split_format
from sphinxext.quiz_schema import QuizError, findings, place


@dataclass(frozen=True)
class Answer:
    """One answer that a reader may give, right or wrong, and what there is to say about it."""

    text: str
    why: str
    right: bool = False
    misconception: str = ""
    value: float | None = None  # of a number
    swap: tuple[int, int] | None = None  # of an order: (put too early, its right predecessor)


@dataclass(frozen=True)
class Question:
    """One question. For a number and an order the first answer is the right one."""

    id: str
    kind: str  # one, several, number, order
    asks: str  # prediction, diagnosis, calculation, understanding
    text: str
    hint: str
    answers: tuple[Answer, ...]
    tolerance: float = 0.0
    unit: str = ""
    otherwise: str = ""  # to any other number
    steps: tuple[str, ...] = field(default=())  # in the right order

    def shuffled(self) -> list[int]:
        """Return the steps' numbers in the order in which they are shown: never the right one."""
        numbers = list(range(len(self.steps)))
        mixed = sorted(numbers, key=lambda i: hashlib.sha256(self.steps[i].encode()).digest())
        return mixed if mixed != numbers else mixed[1:] + mixed[:1]


@dataclass(frozen=True)
class Quiz:
    """The questions of one chapter."""

    title: str
    questions: tuple[Question, ...]


class _Loader(yaml.SafeLoader):
    """YAML that refuses the same field twice, which PyYAML would let pass."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"the field {twice[0]!r} stands twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def load(path: Path, name: str | None = None) -> Quiz:
    """Read a quiz file; raise QuizError with everything that is wrong with it.

    `name` is what the errors call the file.
    """
    name = name or path.as_posix()
    try:
        data = yaml.load(path.read_text("utf-8"), _Loader)
    except FileNotFoundError as error:
        raise QuizError(f"{name}: there is no such file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise QuizError(f"{name}{line}: {getattr(error, 'problem', error)}") from error
    wrong = findings(data, name)
    if wrong:
        raise QuizError("\n".join(wrong))
    questions = []
    for raw in data["questions"]:
        reader = _Reader(raw, name)
        if not reader.wrong:
            questions.append(reader.question())
        wrong += reader.wrong
    if wrong:
        raise QuizError("\n".join(wrong))
    return Quiz(data["title"].strip(), tuple(questions))


def _truth(claim: str, names: dict) -> bool:
    value = evaluate(claim, names)
    try:
        return bool(value)
    except ValueError as error:
        raise NumberError(
            f"{claim!r} is neither true nor false: add '.all()' or '.any()'"
        ) from error


class _Reader:
    """Makes one question of its YAML, and collects what is wrong with its numbers."""

    def __init__(self, raw: dict, file: str):
        self.raw, self.file, self.wrong, self.names = raw, file, [], {}
        for name, expression in raw.get("let", {}).items():
            self.names[name] = self.attempt(f"let.{name}", evaluate, str(expression))
        if self.wrong:
            return  # what needs these names would only repeat it
        for i, claim in enumerate(raw.get("holds", [])):
            if self.attempt(f"holds[{i + 1}]", _truth, claim) is False:
                self.complain(f"holds[{i + 1}]", f"{claim!r} is false")

    def complain(self, field: str, message: str) -> None:
        self.wrong.append(f"{place(self.file, self.raw['id'], field)}: {message}")

    def attempt(self, field: str, function, text):
        """Return what the function makes of the text; None, and a complaint, if it cannot."""
        try:
            return function(text, self.names)
        except NumberError as error:
            self.complain(field, str(error))

    def text(self, field: str, raw: dict | None = None, key: str | None = None) -> str:
        text = (raw or self.raw)[key or field]
        return (self.attempt(field, fill, text) or "").strip()

    def question(self) -> Question:
        raw, kind = self.raw, self.raw["kind"]
        more = {"one": self.choices, "several": self.choices}.get(kind) or getattr(self, kind)
        return Question(
            id=raw["id"],
            kind=kind,
            asks=raw["asks"],
            text=self.text("question"),
            hint=self.text("hint"),
            **more(),
        )

    def choices(self) -> dict:
        answers = tuple(
            Answer(
                text=self.text(f"answers[{i}].text", answer, "text"),
                why=self.text(f"answers[{i}].why", answer, "why"),
                right="right" in answer,
                misconception=self.misconception(f"answers[{i}]", answer),
            )
            for i, answer in enumerate(self.raw["answers"], 1)
        )
        return {"answers": answers}

    def misconception(self, field: str, raw: dict) -> str:
        if "misconception" not in raw:
            return ""
        return self.text(f"{field}.misconception", raw, "misconception")

    def number(self) -> dict:
        raw, unit = self.raw, self.raw.get("unit", "").strip()
        tolerance = self.attempt("tolerance", number, raw["tolerance"])
        answers = []
        for i, given in enumerate([raw, *raw["mistakes"]]):
            field = f"mistakes[{i}]." if i else ""
            expression, _ = split_format(str(given["answer"]))
            value = self.attempt(f"{field}answer", number, expression)
            shown = self.attempt(f"{field}answer", show, given["answer"]) if not self.wrong else ""
            answers.append(
                Answer(
                    text=f"{shown} {unit}".replace(" %", "%").strip(),
                    why=self.text(f"{field}why", given, "why"),
                    right=i == 0,
                    misconception=self.misconception(field.rstrip("."), given),
                    value=value,
                )
            )
        if not self.wrong:
            self.compare(answers, tolerance)
        return {
            "answers": tuple(answers),
            "tolerance": tolerance,
            "unit": unit,
            "otherwise": self.text("otherwise"),
        }

    def compare(self, answers: list[Answer], tolerance: float) -> None:
        if tolerance <= 0:
            self.complain("tolerance", f"is {tolerance}; it must be greater than 0")
        for i, answer in enumerate(answers):
            for j in range(i):
                if abs(answer.value - answers[j].value) <= tolerance:
                    other = f"mistakes[{j}].answer" if j else "answer"
                    message = f"{answer.value:g} is within the tolerance of '{other}'"
                    self.complain(f"mistakes[{i}].answer", message)
        shown = show(self.raw["answer"], self.names)
        if "%" in shown:
            self.complain(
                "answer", "is shown with a percent sign: multiply by 100, let unit be '%'"
            )
        elif abs(float(shown.replace(",", "")) - answers[0].value) > tolerance:
            self.complain("answer", f"is shown as {shown}, further than the tolerance from it")

    def order(self) -> dict:
        steps = tuple((self.attempt("steps", fill, s) or "").strip() for s in self.raw["steps"])
        answers = [Answer(text="", why=self.text("why"), right=True)]
        for i, mistake in enumerate(self.raw["mistakes"], 1):
            early, late = mistake["puts"], mistake["before"]
            answers.append(
                Answer(
                    text=f"“{steps[early - 1]}” before “{steps[late - 1]}”",
                    why=self.text(f"mistakes[{i}].why", mistake, "why"),
                    misconception=self.misconception(f"mistakes[{i}]", mistake),
                    swap=(early - 1, late - 1),
                )
            )
        return {"answers": tuple(answers), "steps": steps}
