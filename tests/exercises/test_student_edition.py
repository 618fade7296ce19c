"""The sources are well formed, and the student edition gives nothing away and runs elsewhere."""

import io
import os
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
import student_edition as edition
from nbclient import NotebookClient

from attnbook.checks import EXERCISES

TOPICS = edition.topics()
SOURCES = [exercise for topic in TOPICS for exercise in edition.exercises(edition.read(topic))]
ASSIGNMENTS = [exercise for exercise in SOURCES if exercise.kind == "assignment"]
PARTS = ("task", "starter", "check", "tests", "plot", "answer")


def name(exercise):
    return exercise.name


def region(source, delimiters):
    """The lines between two delimiters, without the indent."""
    begin, end = (f"{mark}\n" for mark in delimiters)
    inside = (source + "\n").split(begin)[1].split(end)[0]
    return [line.strip() for line in inside.splitlines() if line.strip()]


# ---- the sources ------------------------------------------------------------------------------


def test_every_exercise_has_its_grader_and_its_place():
    assert sorted(map(name, SOURCES)) == sorted(EXERCISES)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_chapter_has_three_to_six_exercises_of_both_kinds(topic):
    found = edition.exercises(edition.read(topic))
    assert 3 <= len(found) <= 6
    assert {exercise.kind for exercise in found} == {"practice", "assignment"}
    for number, exercise in enumerate(found, 1):
        assert exercise.title.startswith(f"{number}. ")
    assert any("plot" in exercise.cells for exercise in found), "no investigation"


@pytest.mark.parametrize("exercise", SOURCES, ids=name)
def test_an_exercise_is_written_down_as_agreed(exercise):
    cells = exercise.cells
    assert set(cells) - {"tests", "plot"} == {"task", "starter", "check", "answer"}
    assert list(cells) == [part for part in PARTS if part in cells]
    assert ("tests" in cells) == (exercise.kind == "assignment") == (exercise.points > 0)
    assert 1 <= exercise.minutes <= 60
    assert cells["task"].source.count("<summary>Hint 1</summary>") == 1
    for part, cell in cells.items():
        about = edition.about(cell)
        assert about["kind"] == exercise.kind
        assert set(about) == {"exercise", "kind", "part"} | ({"minutes"} & {*about})
        if cell.cell_type == "code":
            suffix = "" if part == "starter" else f"-{part}"
            assert cell.metadata.nbgrader == {
                "schema_version": 3,
                "grade_id": exercise.name + suffix,
                "solution": part == "starter",
                "locked": part != "starter",
                "grade": part == "tests",
                "task": False,
            } | ({"points": exercise.points} if part == "tests" else {})
    assert f'check("{exercise.name}", {exercise.name})' in cells["check"].source
    assert region(cells["starter"].source, edition.SOLUTION)


@pytest.mark.parametrize("topic", TOPICS)
def test_grade_ids_are_unique(topic):
    ids = [
        c.metadata.nbgrader.grade_id for c in edition.read(topic).cells if "nbgrader" in c.metadata
    ]
    assert len(ids) == len(set(ids))


# ---- the hidden tests -------------------------------------------------------------------------


def graded(exercise, function):
    """Run the hidden tests on a function, as the grader does."""
    exec(exercise.cells["tests"].source, {"np": __import__("numpy"), exercise.name: function})


@pytest.mark.parametrize("exercise", ASSIGNMENTS, ids=name)
def test_hidden_tests_accept_every_right_answer_and_no_wrong_one(exercise):
    for path in Path(__file__).parent.glob("test_bank_*.py"):
        bank = runpy.run_path(str(path))
        for right in bank["RIGHT"].get(exercise.name, []):
            graded(exercise, right)
        for wrong, _ in bank["WRONG"].get(exercise.name, []):
            with pytest.raises(Exception):  # noqa: B017 - whatever stops the cell: no points
                graded(exercise, wrong)


@pytest.mark.parametrize("exercise", ASSIGNMENTS, ids=name)
def test_hidden_tests_do_not_trust_the_names_of_the_notebook(exercise):
    namespace = {"np": __import__("numpy"), exercise.name: lambda *_: None}
    namespace["check"] = lambda *_, **__: None  # a student's own, which passes everything
    with pytest.raises(AssertionError):
        exec(exercise.cells["tests"].source, namespace)


# ---- the student edition ----------------------------------------------------------------------


@pytest.mark.parametrize("topic", TOPICS)
def test_no_solution_and_no_hidden_test_is_left(topic):
    source, text = edition.read(topic), edition.as_text(edition.student(edition.read(topic)))
    left = "\n".join(cell.source for cell in nbformat.reads(text, 4).cells).splitlines()
    left = {line.strip() for line in left}
    for exercise in edition.exercises(source):
        assert not left & set(region(exercise.cells["starter"].source, edition.SOLUTION))
        for line in exercise.cells["answer"].source.splitlines():
            assert not line.strip() or line.strip() not in left
        if "tests" in exercise.cells:
            assert not left & set(region(exercise.cells["tests"].source, edition.HIDDEN))
    for mark in (*edition.SOLUTION, *edition.HIDDEN, "seed=", '"answer"', "right, on all", "<svg"):
        assert mark not in text


@pytest.mark.parametrize("topic", TOPICS)
def test_what_is_no_solution_stays(topic):
    source, made = edition.read(topic), edition.student(edition.read(topic))
    kept = [cell.id for cell in source.cells if edition.about(cell).get("part") != "answer"]
    assert [cell.id for cell in made.cells] == kept
    for old, new in zip(edition.exercises(source), edition.exercises(made), strict=True):
        assert new.cells["task"] == old.cells["task"]
        starter = new.cells["starter"].source.splitlines()
        assert starter[0] == old.cells["starter"].source.splitlines()[0]
        assert starter[1:] == ["    # YOUR CODE HERE", "    raise NotImplementedError()"]


def test_the_same_bytes_come_out_each_time(tmp_path):
    for run, seed in (("one", "1"), ("two", "2")):
        subprocess.run(
            [sys.executable, edition.__file__, "--out", tmp_path / run],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted(f"{topic}.{kind}" for topic in TOPICS for kind in ("ipynb", "zip"))
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize("topic", TOPICS)
def test_it_runs_elsewhere_with_what_the_archive_holds(topic, tmp_path, monkeypatch):
    with zipfile.ZipFile(io.BytesIO(edition.archive(topic))) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / f"exercises-{topic}"
    assert "numpy" in (folder / "requirements.txt").read_text()
    notebook = nbformat.read(folder / f"{topic}.ipynb", 4)
    assert edition.as_text(notebook) == edition.as_text(edition.student(edition.read(topic)))
    notebook.cells.append(nbformat.v4.new_code_cell("import attnbook\nprint(attnbook.__file__)"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=60, kernel_name="python3", resources=resources).execute()
    printed = [o.text for cell in notebook.cells for o in cell.get("outputs", []) if "text" in o]
    assert printed.pop().startswith(str(folder))
    names = [exercise.name for exercise in edition.exercises(notebook)]
    assert printed == [f"{name}: not written yet.\n" for name in names]


# ---- the delimiters ---------------------------------------------------------------------------


def test_a_region_is_replaced_with_its_indent():
    source = (
        "def f():\n    ### BEGIN SOLUTION\n    a = 1\n\n    return a\n    ### END SOLUTION\nx = 2"
    )
    stub = "def f():\n    # YOUR CODE HERE\n    raise NotImplementedError()\nx = 2"
    assert edition.replace_region(source, edition.SOLUTION, edition.STUB) == stub
    assert edition.worked(source) == "def f():\n    a = 1\n\n    return a\nx = 2"
    assert edition.replace_region("x = 2", edition.SOLUTION, edition.STUB) == "x = 2"


@pytest.mark.parametrize(
    "source",
    [
        "### BEGIN SOLUTION\nx = 1",
        "x = 1\n### END SOLUTION",
        "### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION",
    ],
)
def test_a_delimiter_without_partner_is_an_error(source):
    with pytest.raises(ValueError, match="SOLUTION"):
        edition.replace_region(source, edition.SOLUTION, edition.STUB)
