"""An assignment and a class of students who hand in what students hand in.

`source` is a small assignment in the format of `exercises/`. `submissions` makes one notebook for
each student from its student edition; `DESERVED` says what each should get.
"""

import copy
import json

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

IMPORTS = "import numpy as np"

SOFTMAX = '''def softmax(scores):
    """Return exp(s_i) / Σ_j exp(s_j) over the last axis, for any size of scores."""
    ### BEGIN SOLUTION
    shifted = scores - scores.max(axis=-1, keepdims=True)
    raised = np.exp(shifted)
    return raised / raised.sum(axis=-1, keepdims=True)
    ### END SOLUTION'''

SOFTMAX_TESTS = """import numpy as np

weights = softmax(np.array([0.0, np.log(3.0)]))
assert np.allclose(weights, [0.25, 0.75]), "two scores, a gap of log 3: 0.25 and 0.75"
### BEGIN HIDDEN TESTS
weights = softmax(np.array([1000.0, 1000.0, 0.0]))
assert np.allclose(weights, [0.5, 0.5, 0.0]), "large scores must not overflow"
### END HIDDEN TESTS"""

LOOKUP = '''def soft_lookup(query, keys, values):
    """Return the mean of the values, weighted by softmax(keys @ query)."""
    ### BEGIN SOLUTION
    return softmax(keys @ query) @ values
    ### END SOLUTION'''

LOOKUP_TESTS = """import numpy as np

keys, values = np.eye(2), np.array([[1.0], [3.0]])
found = soft_lookup(np.zeros(2), keys, values)
assert np.allclose(found, [2.0]), "a query of zeros gives the mean of the values"
### BEGIN HIDDEN TESTS
found = soft_lookup(np.array([0.0, np.log(3.0)]), keys, values)
assert np.allclose(found, [2.5]), "weights 0.25 and 0.75 give 2.5"
### END HIDDEN TESTS"""


def cell(kind, exercise, part, source, points=None, minutes=None):
    """Return a cell as scripts/student_edition.py wants it."""
    about = {"exercise": exercise, "kind": "assignment", "part": part}
    if minutes:
        about["minutes"] = minutes
    metadata = {"attnbook": about}
    if kind == "code":
        starter = part == "starter"
        marks = {"schema_version": 3, "solution": starter, "locked": not starter, "task": False}
        marks |= {"grade": points is not None}
        marks |= {"grade_id": exercise if starter else f"{exercise}-{part}"}
        marks |= {} if points is None else {"points": points}
        metadata["nbgrader"] = marks
        return new_code_cell(source, metadata=metadata, id=f"{exercise}-{part}")
    return new_markdown_cell(source, metadata=metadata, id=f"{exercise}-{part}")


def source():
    """Return the assignment with its solutions and hidden tests."""
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# Exercises: warmup", id="title"),
            new_code_cell(IMPORTS, id="imports"),
            cell("markdown", "softmax", "task", "### Softmax\n\nWrite it.", minutes=10),
            cell("code", "softmax", "starter", SOFTMAX),
            cell("code", "softmax", "tests", SOFTMAX_TESTS, points=4),
            cell("markdown", "softmax", "answer", "Subtract the largest score: THE ANSWER."),
            cell("markdown", "lookup", "task", "### Soft lookup\n\nUse it.", minutes=10),
            cell("code", "lookup", "starter", LOOKUP),
            cell("code", "lookup", "tests", LOOKUP_TESTS, points=6),
            cell("markdown", "lookup", "answer", "One line: THE ANSWER."),
        ]
    )
    notebook.metadata.kernelspec = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    return notebook


RIGHT = {
    "softmax": (
        "def softmax(scores):\n"
        "    e = np.exp(scores - np.max(scores, axis=-1, keepdims=True))\n"
        "    return e / e.sum(axis=-1, keepdims=True)"
    ),
    "lookup": (
        "def soft_lookup(query, keys, values):\n"
        "    weights = softmax(np.array([key @ query for key in keys]))\n"
        "    return sum(w * value for w, value in zip(weights, values))"
    ),
}
OVERFLOWS = "def softmax(s):\n    return np.exp(s) / np.exp(s).sum(axis=-1, keepdims=True)"

# Code for the two starters. None leaves a starter as it was handed out.
CODE = {
    "anna-right": RIGHT,
    "bill-half": RIGHT | {"lookup": "def soft_lookup(q, k, v):\n    return softmax(k @ q)"},
    "cora-blank": {},
    "dave-syntax": RIGHT | {"softmax": "def softmax(scores)\n    return scores"},
    "elsa-loop": RIGHT
    | {"lookup": "def soft_lookup(query, keys, values):\n    while True:\n        pass"},
    "finn-memory": RIGHT | {"lookup": "hog = []\nwhile True:\n    hog.append(np.ones(4_000_000))"},
    "gina-exit": RIGHT | {"lookup": RIGHT["lookup"] + "\nimport os\nos._exit(0)"},
    "hugo-deleted": RIGHT,
    "ines-tampered": RIGHT | {"softmax": OVERFLOWS},
    "jack-allclose": {
        "softmax": "np.allclose = lambda *a, **k: True\ndef softmax(s):\n    return s",
        "lookup": RIGHT["lookup"],
    },
    "kate-reads": {
        "softmax": "import glob, os\n"
        "found = [p for p in ('{secret}', '{root}/exercises', os.path.expanduser('~/.ssh'))\n"
        "         if os.path.exists(p)]\n"
        "found += glob.glob('{inbox}/*') + glob.glob('/tmp/grading-*')\n"
        "print('FOUND', found)\n" + RIGHT["softmax"],
        "lookup": "import urllib.request\ntext = open('{secret}').read()\n" + RIGHT["lookup"],
    },
    "liam-writes": {
        "softmax": RIGHT["softmax"] + "\nopen('mine.txt', 'w').write('allowed')",
        "lookup": "import pathlib\npathlib.Path('{target}').write_text('touched')\n"
        + RIGHT["lookup"],
    },
    "mona-warns": RIGHT
    | {
        "lookup": RIGHT["lookup"].replace(
            "    weights",
            "    import sys, warnings\n    warnings.warn('careful')\n"
            "    print('to stderr', file=sys.stderr)\n    weights",
            1,
        )
    },
    "nina-network": RIGHT
    | {
        "lookup": "import socket\n"
        "socket.create_connection(('127.0.0.1', {port}), timeout=5).sendall(b'here')\n"
        + RIGHT["lookup"],
    },
    "olaf-swallows": {
        "softmax": "from IPython.core.interactiveshell import InteractiveShell as Shell\n"
        "run = Shell.run_cell_async\n"
        "async def quiet(self, *a, **k):\n"
        "    result = await run(self, *a, **k)\n"
        "    result.error_in_exec = None\n"
        "    return result\n"
        "Shell.run_cell_async = quiet",
    },
    "otto-succeeds": {
        "softmax": "from IPython.core.interactiveshell import ExecutionResult\n"
        "ExecutionResult.success = property(lambda self: True)",
    },
    "vera-rewrites": {
        "softmax": "import ast\n"
        "class Quiet(ast.NodeTransformer):\n"
        "    def visit_Assert(self, node):\n"
        "        return ast.Pass() if 'must not' in ast.unparse(node) else node\n"
        "get_ipython().ast_transformers.append(Quiet())\n" + OVERFLOWS,
        "lookup": RIGHT["lookup"],
    },
    "xena-waits": RIGHT
    | {
        "lookup": "def soft_lookup(query, keys, values):\n"
        "    np.allclose = lambda *a, **k: True\n    return values",
    },
    "paul-stubborn": RIGHT
    | {
        "lookup": RIGHT["lookup"]
        + "\nimport itertools\nfor _ in itertools.count():\n    try:\n        while True:\n"
        "            pass\n    except BaseException:\n        pass",
    },
    "tara-forks": RIGHT
    | {
        "lookup": RIGHT["lookup"] + "\nimport subprocess, time\n"
        "started = [subprocess.Popen(['sleep', '60']) for _ in range(80)]\ntime.sleep(60)"
    },
    "umar-shares": RIGHT
    | {
        "lookup": RIGHT["lookup"] + "\nimport mmap, time\nhog = mmap.mmap(-1, 2_000_000_000)\n"
        "for at in range(0, 2_000_000_000, 4096):\n    hog[at] = 1\n"
        "    if at % 40_960_000 == 0:\n        time.sleep(0.1)"
    },
    "wim-forges": {
        "softmax": "import sys\ndef softmax(scores):\n    sys.displayhook(4.0)\n    return scores",
        "lookup": RIGHT["lookup"],
    },
    "rosa-prints": RIGHT | {"lookup": RIGHT["lookup"] + "\nwhile True:\n    print('x' * 1000)"},
}

# Points for softmax and lookup, and a word that a flag must have; None: no flag.
DESERVED = {
    "anna-right": (4, 6, None),
    "bill-half": (4, 0, None),
    "cora-blank": (0, 0, None),
    "dave-syntax": (0, 0, None),
    "elsa-loop": (4, 0, "stopped after"),
    "finn-memory": (4, 0, None),  # or killed from outside, then flagged
    "gina-exit": (4, 0, "ended its own kernel"),
    "hugo-deleted": (4, 6, "deleted the cell"),
    "ines-tampered": (0, 6, "changed the cell softmax-tests"),
    "jack-allclose": (0, 0, "numpy.allclose"),
    "kate-reads": (4, 0, None),
    "liam-writes": (4, 0, None),
    "mona-warns": (4, 6, None),
    "nina-network": (4, 0, None),
    "olaf-swallows": (0, 0, "rebinds InteractiveShell.run_cell_async"),
    "otto-succeeds": (0, 0, "changes how cells run"),
    "paul-stubborn": (4, 0, "did not stop"),
    "tara-forks": (4, 0, "processes"),
    "umar-shares": (4, 0, "of memory"),
    "vera-rewrites": (0, 6, "rebinds IPython's ast_transformers"),
    "wim-forges": (0, 0, "a result of its own"),
    "xena-waits": (4, 6, "rebinds numpy.allclose; it did so during a test"),
    "rosa-prints": (4, 0, "wrote more than"),
}


def submissions(release, folder, **places):
    """Write one notebook for each student; `places` fills in what the attacks aim at."""
    for student, code in CODE.items():
        notebook = copy.deepcopy(release)
        for one in notebook.cells:
            name = one.metadata.get("nbgrader", {}).get("grade_id")
            if name in code:
                text = code[name]
                for key, value in places.items():
                    text = text.replace("{" + key + "}", str(value))
                one.source = text
        special(student, notebook)
        place = folder / f"{student}.ipynb"
        if student == "mona-warns":  # as nbgrader collects it: a folder, with the time
            place = folder / student / "warmup" / "warmup.ipynb"
            place.parent.mkdir(parents=True)
            place.with_name("timestamp.txt").write_text("2027-03-01 19:30:00.000000 UTC")
        nbformat.write(notebook, place)
    (folder / "quin-broken.ipynb").write_text('{"cells": [')
    (folder / "sven-other").mkdir()
    (folder / "sven-other" / "homework.ipynb").write_text(json.dumps(release))


def special(student, notebook):
    """Do what some students do to the notebook itself."""

    def called(name):
        return next(
            at
            for at, one in enumerate(notebook.cells)
            if one.metadata.get("nbgrader", {}).get("grade_id") == name
        )

    if student == "hugo-deleted":
        del notebook.cells[called("lookup-tests")]
        del notebook.cells[called("softmax-tests")]
    elif student == "ines-tampered":
        tests = notebook.cells[called("softmax-tests")]
        tests.source = "assert True"
        tests.metadata.nbgrader.points = 100
        notebook.cells[called("lookup-tests")].metadata.nbgrader.solution = True
    elif student == "mona-warns":
        notebook.metadata.kernelspec.name = "some-other-kernel"
