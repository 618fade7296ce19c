"""The bank of answers: each module `test_bank_*.py` lists right and wrong ones by exercise.

    RIGHT = {"soft_lookup": [function, ...]}
    WRONG = {"soft_lookup": [(function, "words of the message that fits it"), ...]}

They are written as readers write, apart from the mistakes in `attnbook.checks`.
"""

from types import FunctionType


def pytest_generate_tests(metafunc):
    module = metafunc.module
    if "right_answer" in metafunc.fixturenames:
        pairs = [(name, f) for name, answers in module.RIGHT.items() for f in answers]
        metafunc.parametrize(("exercise", "right_answer"), pairs, ids=_name)
    if "wrong_answer" in metafunc.fixturenames:
        triples = [(name, *pair) for name, answers in module.WRONG.items() for pair in answers]
        metafunc.parametrize(("exercise", "wrong_answer", "words"), triples, ids=_name)


def _name(value):
    return value.__name__ if isinstance(value, FunctionType) else None
