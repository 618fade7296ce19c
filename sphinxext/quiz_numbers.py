"""Numbers of a quiz, as Python expressions over `attnbook`, evaluated when the book is built.

An expression is one value: names are those of `attnbook` and `attnbook.costs`, `np`, `math`, a few
of Python's own, and those that the question has set with `let`. What could read a file or define a
function is refused, so that a quiz file says what to compute and nothing else. In a text,
`{{ expression | format }}` stands for a number, for example
`{{ softmax(np.array([1.0, 0.0]))[0] | .2f }}`.
"""

import ast
import math
import re

import numpy as np

import attnbook
from attnbook import costs

#: What an expression may call by its bare name.
NAMES = {name: getattr(attnbook, name) for name in attnbook.__all__}
NAMES |= {name: getattr(costs, name) for name in costs.__all__}
NAMES |= {"np": np, "math": math, "len": len, "round": round, "abs": abs, "bool": bool, "int": int}

#: What may stand behind a dot: of `np` and `math`, and of arrays.
ATTRIBUTES = set(
    """
    T all any argmax argmin argsort array arange abs allclose array_equal clip column_stack cos
    cumsum default_rng diag dot e exp eye full inf isclose linalg log log2 matrix_rank max maximum
    mean median min nan_to_num norm normal ones outer pi random reshape round shape sin size sort
    sqrt std sum tile trace uniform var zeros
    """.split()  # noqa: SIM905 - a list of sixty strings is no easier to read
)

#: NumPy imports parts of itself on first use. No expression reaches this: it is not in NAMES.
BUILTINS = {"__import__": __import__}

ALLOWED = (ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Attribute, ast.Call, ast.keyword)
ALLOWED += (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.List, ast.Tuple)
ALLOWED += (ast.Subscript, ast.Slice, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)

INSERT = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
WITH_FORMAT = re.compile(r"(?P<expression>.*)\|\s*(?P<format>[^|\s]*[eEfFgG%dn,])\s*", re.DOTALL)


class NumberError(ValueError):
    """An expression that cannot be evaluated, or a value that cannot be shown."""


def evaluate(expression: str, names: dict | None = None):
    """Return the value of one expression; `names` are the question's own."""
    names = NAMES | (names or {})
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError as error:
        raise NumberError(f"{expression.strip()!r} is no Python expression: {error.msg}") from error
    for node in ast.walk(tree):
        if not isinstance(node, ALLOWED):
            raise NumberError(f"{expression.strip()!r}: {type(node).__name__} is not allowed here")
        if isinstance(node, ast.Name) and node.id not in names:
            raise NumberError(f"{expression.strip()!r}: there is no {node.id!r} here")
        if isinstance(node, ast.Attribute) and node.attr not in ATTRIBUTES:
            raise NumberError(f"{expression.strip()!r}: '.{node.attr}' is not allowed here")
    try:
        return eval(compile(tree, "<quiz>", "eval"), {"__builtins__": BUILTINS}, names)
    except Exception as error:  # whatever the library raises, the author must see where
        raise NumberError(f"{expression.strip()!r}: {type(error).__name__}: {error}") from error


def number(expression, names: dict | None = None) -> float:
    """Return the value as a finite float; a plain number is its own value."""
    value = evaluate(str(expression), names)
    try:
        value = float(value)
    except (TypeError, ValueError) as error:
        raise NumberError(f"{expression!r} is not one number") from error
    if not math.isfinite(value):
        raise NumberError(f"{expression!r} is {value}")
    return value


def split_format(text: str) -> tuple[str, str | None]:
    """Part `expression | format`; the format is None if there is none."""
    found = WITH_FORMAT.fullmatch(text)
    return (found["expression"].strip(), found["format"]) if found else (text.strip(), None)


def show(text, names: dict | None = None) -> str:
    """Write the value of `expression | format` as text. Only whole numbers need no format."""
    if isinstance(text, int | float):
        return f"{text:g}"
    expression, form = split_format(str(text))
    value = evaluate(expression, names)
    if form is None:
        if isinstance(value, int | np.integer | str) and not isinstance(value, bool):
            return str(value)
        raise NumberError(f"{expression.strip()!r} needs a format, for example '| .2f'")
    try:
        return format(int(value) if form[-1] == "d" else float(value), form)
    except (TypeError, ValueError) as error:
        raise NumberError(f"{expression.strip()!r} cannot be written as {form!r}") from error


def fill(text: str, names: dict | None = None) -> str:
    """Put the numbers into a text: each `{{ expression | format }}` becomes its value."""
    if "{{" in INSERT.sub("", text):
        raise NumberError("'{{' has no '}}' after it")
    return INSERT.sub(lambda match: show(match[1], names), text)
