"""The exercises of the book as assignments: every chapter's, and cheats aimed at `attnbook.checks`.

Making an assignment grades its solution and its blank notebook, and fails if they do not get all
points and none.
"""

import csv
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from instructor import ROOT, run

CHAPTERS = sorted(path.stem for path in (ROOT / "exercises").glob("*.ipynb"))

SCALED = "def scaled_scores(queries, keys):\n    d = np.shape(queries)[1]\n"
RIGHT = {
    "scaled_scores": SCALED + "    return np.einsum('id,jd->ij', queries, keys) / d**0.5",
    "stable_softmax": (
        "def stable_softmax(scores, T, axis):\n"
        "    gap = scores - np.amax(scores, axis, keepdims=True)\n"
        "    if T == 0:\n"
        "        raised = np.where(gap == 0, 1.0, 0.0)\n"
        "    else:\n"
        "        raised = np.exp(gap / T) if np.isfinite(T) else np.ones(gap.shape)\n"
        "    return raised / np.sum(raised, axis, keepdims=True)"
    ),
}
NO_ROOT = SCALED + "    return queries @ keys.T"
CODE = {
    "right": RIGHT,
    "no-root": RIGHT | {"scaled_scores": NO_ROOT},
    "own-check": {
        "scaled_scores": "import attnbook.checks\n"
        "class Fine:\n    passed = True\n    require = lambda self: None\n"
        "def check(*a, **k):\n    return Fine()\n"
        "attnbook.checks.check = check\n" + NO_ROOT,
    },
    "own-require": {
        "scaled_scores": "from attnbook.checks import EXERCISES, Result\n"
        "Result.require = lambda self: None\n"
        "EXERCISES['stable_softmax'] = EXERCISES['scaled_scores']\n" + NO_ROOT,
    },
    "own-numpy": {
        "scaled_scores": "import numpy\n"
        "for name in ('allclose', 'isclose', 'array_equal', 'all'):\n"
        "    setattr(numpy, name, lambda *a, **k: True)\n"
        "abs = lambda x: 0\nfloat = lambda x: 3.0\n" + NO_ROOT,
    },
    "agreeable": {
        "scaled_scores": "class Yes(np.ndarray):\n"
        "    def __array_ufunc__(self, *a, **k):\n        return np.True_\n"
        "    def __array_function__(self, *a, **k):\n        return True\n"
        "    def __eq__(self, other):\n        return True\n"
        + NO_ROOT.replace("queries @ keys.T", "(queries @ keys.T).view(Yes)"),
    },
}
DESERVED = {
    "right": (2, 4, ""),
    "no-root": (0, 4, ""),
    "own-check": (0, 0, "rebinds attnbook.checks.check"),
    "own-require": (0, 0, "rebinds attnbook.checks.Result.require"),
    "own-numpy": (0, 0, "rebinds numpy.allclose"),
    "agreeable": (0, 0, ""),
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Make every chapter's course folder, two at a time; return them and what was said."""
    place = tmp_path_factory.mktemp("courses")
    made = {}
    with ThreadPoolExecutor(2) as pool:
        for chapter in CHAPTERS:
            made[chapter] = pool.submit(run, "assignment.py", chapter, "--course", place / chapter)
    return place, {chapter: future.result() for chapter, future in made.items()}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chapter_makes_an_assignment(course, chapter):
    place, made = course
    assert made[chapter].returncode == 0, made[chapter].stderr
    assert "The solution gets every point that tests give" in made[chapter].stdout
    release = place / chapter / "release" / chapter
    for path in (release / f"{chapter}.ipynb", release / "README.md"):
        text = path.read_text("utf-8")
        assert "BEGIN SOLUTION" not in text and "HIDDEN TESTS" not in text and "grade(" not in text
    shutil.unpack_archive(release / f"{chapter}.zip", place / "unpacked")
    unpacked = place / "unpacked" / f"exercises-{chapter}"
    assert {"attnbook", "README.md", "requirements.txt", f"{chapter}.ipynb"} == {
        path.name for path in unpacked.iterdir()
    }


@pytest.fixture(scope="module")
def rows(course, tmp_path_factory):
    place, _ = course
    inbox, out = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("out")
    course_folder = place / "temperature"
    release = course_folder / "release" / "temperature" / "temperature.ipynb"
    for student, code in CODE.items():
        notebook = nbformat.read(release, as_version=4)
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            cell.source = code.get(name, cell.source)
        nbformat.write(notebook, inbox / f"{student}.ipynb")
    done = run("grade.py", "temperature", inbox, "--course", course_folder, "--out", out)
    assert done.returncode == 0, done.stderr
    with Path(out, "grades.csv").open() as file:
        return {row["student"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize("student", DESERVED)
def test_cheats_get_what_their_function_is_worth(rows, student):
    row, (scaled, stable, word) = rows[student], DESERVED[student]
    got = float(row["scaled_scores-tests"]), float(row["stable_softmax-tests"])
    assert got == (scaled, stable), row["flags"]
    assert word in row["flags"]
    assert bool(row["flags"]) == bool(word)
