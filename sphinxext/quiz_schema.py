"""Is a quiz file well formed? Each error names the file, the question and the field.

`assets/quiz.schema.json` says what a quiz may hold. What a schema cannot say follows here: ids that
differ, one right answer, a mistake for every pair of steps.
"""

import json
from pathlib import Path

from jsonschema import Draft202012Validator

SCHEMA = json.loads((Path(__file__).parent / "assets" / "quiz.schema.json").read_text("utf-8"))
KINDS = SCHEMA["$defs"]["question"]["properties"]["kind"]["enum"]
#: What a question may ask for, beside plain understanding: at least half of a quiz's questions do.
ACTIVE = {"prediction", "diagnosis", "calculation"}


class QuizError(ValueError):
    """Everything that is wrong with a quiz file, one line for each finding."""


def place(file: str, question, field) -> str:
    """Say where: file, question, field."""
    named = f", question {question!r}" if question else ""
    return f"{file}{named}, {field}" if field else f"{file}{named}"


def findings(data, file: str) -> list[str]:
    """Return one line for each thing that is wrong; an empty list if nothing is."""
    whole = {k: v for k, v in SCHEMA.items() if k != "$schema"}
    wrong = [
        f"{place(file, None, _field(error.absolute_path))}: {_message(error)}"
        for error in _errors(whole, data)
        if list(error.absolute_path)[:1] != ["questions"] or len(error.absolute_path) < 2
    ]
    questions = data.get("questions") if isinstance(data, dict) else None
    for i, question in enumerate(questions if isinstance(questions, list) else []):
        wrong += _question_findings(question, i, file)
    return wrong or _whole_findings(questions, file)


def _question_findings(question, i: int, file: str) -> list[str]:
    name = question.get("id", i + 1) if isinstance(question, dict) else i + 1
    kind = question.get("kind") if isinstance(question, dict) else None
    part = kind if isinstance(kind, str) and kind in KINDS else "question"
    schema = {"$ref": f"#/$defs/{part}", "$defs": SCHEMA["$defs"]}
    wrong = [
        f"{place(file, name, _field(error.absolute_path))}: {_message(error)}"
        for error in _errors(schema, question)
    ]
    if not wrong:
        wrong = [f"{place(file, name, field)}: {text}" for field, text in RULES[kind](question)]
    return wrong


def _whole_findings(questions, file: str) -> list[str]:
    ids = [question["id"] for question in questions]
    wrong = [
        f"{place(file, name, 'id')}: another question has the same id"
        for name in sorted({name for name in ids if ids.count(name) > 1})
    ]
    active = sum(question["asks"] in ACTIVE for question in questions)
    if 2 * active < len(ids):
        wrong.append(
            f"{place(file, None, 'questions')}: {active} of {len(ids)} ask for a prediction, a "
            "diagnosis or a calculation; at least half must"
        )
    return wrong


def _choices(question):
    right = sum("right" in answer for answer in question["answers"])
    if question["kind"] == "one" and right != 1:
        yield "answers", f"{right} answers are marked as right; exactly one must be"
    if question["kind"] == "several" and not 0 < right < len(question["answers"]):
        yield "answers", f"{right} of {len(question['answers'])} are right; some must be, not all"
    for i, answer in enumerate(question["answers"]):
        if "\n\n" in answer["text"].strip() or "$$" in answer["text"]:
            yield f"answers[{i + 1}].text", "must be one paragraph, without a displayed formula"
        if answer["text"] in [other["text"] for other in question["answers"][:i]]:
            yield f"answers[{i + 1}].text", "is the same as an answer above it"


def _number(question):
    return ()  # its numbers are compared when they are known: see quiz_source


def _order(question):
    n = len(question["steps"])
    pairs = set()
    for i, step in enumerate(question["steps"]):
        if step in question["steps"][:i]:
            yield f"steps[{i + 1}]", "is the same as a step above it"
    for i, mistake in enumerate(question["mistakes"]):
        if not mistake["before"] < mistake["puts"] <= n:
            yield (
                f"mistakes[{i + 1}]",
                f"must put a later step (up to {n}) before an earlier one",
            )
        pairs.add((mistake["before"], mistake["puts"]))
    # Every wrong order has two neighbors of the right one the wrong way round.
    for i in range(1, n):
        if (i, i + 1) not in pairs:
            yield "mistakes", f"none says what is wrong with putting step {i + 1} before step {i}"


RULES = {"one": _choices, "several": _choices, "number": _number, "order": _order}


def _errors(schema: dict, data) -> list:
    found = Draft202012Validator(schema).iter_errors(data)
    leaves = [leaf for error in found for leaf in _leaves(error)]
    leaves = [e for e in leaves if e.validator != "unevaluatedProperties" or _unknown(e)]
    unique = {(str(list(e.absolute_path)), e.message): e for e in leaves}
    return [unique[key] for key in sorted(unique)]


def _leaves(error):
    return [leaf for inner in error.context for leaf in _leaves(inner)] or [error]


def _field(path) -> str:
    """Write `answers[2].why`; counts start at 1, as in the text."""
    words = ""
    for part in path:
        words += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return words.removeprefix(".")


def _known(schema: dict) -> list[str]:
    """Return the names of the fields that a schema knows, its own and those that it refers to."""
    names = list(schema.get("properties", {}))
    for other in schema.get("allOf", []):
        names += _known(SCHEMA["$defs"][other["$ref"].removeprefix("#/$defs/")])
    return names


def _unknown(error) -> list[str]:
    """Return the fields that should not be there.

    jsonschema also names all those that belong to a part with another mistake in it.
    """
    return [name for name in error.instance if name not in _known(error.schema)]


def _message(error) -> str:
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return f"{', '.join(repr(name) for name in missing)} is missing"
    if error.validator in {"additionalProperties", "unevaluatedProperties"}:
        unknown, known = _unknown(error), _known(error.schema)
        return f"{', '.join(map(repr, unknown))} is no field here; there are {', '.join(known)}"
    if error.validator == "enum":
        return f"{error.instance!r} is none of {', '.join(error.validator_value)}"
    if error.validator == "type" and error.validator_value == "string":
        return f"{error.instance!r} is not text; put it in quotes"
    if error.validator == "pattern":
        return f"{error.instance!r} does not match {error.validator_value}"
    if error.validator in {"minItems", "maxItems"}:
        least_or_most = "at least" if error.validator == "minItems" else "at most"
        return f"has {len(error.instance)}; {least_or_most} {error.validator_value} are wanted"
    if error.schema is False:
        return "a right answer has no misconception"
    return error.message
