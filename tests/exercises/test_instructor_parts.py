"""The parts of grading that need neither nbgrader nor a sandbox."""

import copy
import csv
import importlib.util
import json
import math
import sys

import made_up_class
import nbformat
import numpy as np
import pytest
from grading import batch, course, mend, report, sandbox, submissions
from IPython.core.interactiveshell import InteractiveShell

import attnbook
from attnbook import checks

RELEASE = made_up_class.source()
RELEASE.cells = [cell for cell in RELEASE.cells if cell.metadata.get("nbgrader")]


def names(notebook):
    return [mend.grade_id(cell) for cell in notebook.cells]


def mended(change):
    notebook = copy.deepcopy(RELEASE)
    change(notebook.cells)
    return notebook, mend.mend(notebook, RELEASE)


def test_a_proper_submission_is_left_alone():
    notebook, flags = mended(lambda cells: cells.insert(1, nbformat.v4.new_code_cell("x = 1")))
    assert flags == []
    assert [cell.source for cell in notebook.cells][1] == "x = 1"
    assert names(notebook) == ["softmax", None, "softmax-tests", "lookup", "lookup-tests"]


@pytest.mark.parametrize("gone", [(0,), (3,), (0, 1), (1, 2), (0, 1, 2), (1, 2, 3)])
def test_deleted_cells_come_back_in_their_places(gone):
    def delete(cells):
        for place in reversed(gone):
            del cells[place]

    notebook, flags = mended(delete)
    assert names(notebook) == names(RELEASE)
    assert flags == [f"deleted the cell {names(RELEASE)[place]}; it was put back" for place in gone]


def test_metadata_cannot_be_forged():
    def forge(cells):
        cells[1].metadata.nbgrader |= {"points": 99, "solution": True, "grade": False}
        cells[0].cell_type = "markdown"
        cells.append(nbformat.v4.new_code_cell("", metadata={"nbgrader": {"grade_id": "mine"}}))
        cells.append(nbformat.v4.new_code_cell("", metadata={"nbgrader": "no dictionary"}))

    notebook, flags = mended(forge)
    assert flags == []
    for cell, ours in zip(notebook.cells, RELEASE.cells, strict=False):
        assert (cell.metadata, cell.cell_type) == (ours.metadata, ours.cell_type)
    assert [cell.metadata for cell in notebook.cells[4:]] == [{}, {}]


def test_what_is_unusual_is_told():
    def mix(cells):
        cells[1].source = "pass"
        cells.insert(0, copy.deepcopy(cells[2]))
        cells[1].source = "from attnbook.checks.temperature import reference\ngc.get_objects()"
        cells.append(nbformat.v4.new_markdown_cell("We inspect. inspect.stack is of no use."))

    _, flags = mended(mix)
    assert flags == [
        "has the cell lookup 2 times; the last one counts",
        "has the cells in another order",
        "changed the cell softmax-tests, which is not to be edited; it was restored",
        "names attnbook.checks, gc.get_objects in code of its own",
    ]


def test_what_is_no_submission_is_refused(tmp_path):
    with pytest.raises(mend.NotASubmissionError, match="not made from the student notebook"):
        mend.mend(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]), RELEASE)
    place = tmp_path / "a.ipynb"
    for text in ("", "[]", "not json", '{"cells": 3}', '{"nbformat": 4, "cells": []}'):
        place.write_text(text)
        with pytest.raises(mend.NotASubmissionError, match=r"a\.ipynb is not a notebook: "):
            mend.read(place)
    (tmp_path / "link.ipynb").symlink_to(place)
    with pytest.raises(mend.NotASubmissionError, match="not a regular file"):
        mend.read(tmp_path / "link.ipynb")
    place.write_bytes(b" " * (mend.LARGEST + 1))
    with pytest.raises(mend.NotASubmissionError, match="larger than 20 MB"):
        mend.read(place)


def test_submissions_are_found_in_three_layouts(tmp_path):
    for path in ("ann.ipynb", "ben/hot.ipynb", "cleo/hot/hot.ipynb", "dan/x.ipynb", "eve/note.txt"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("{}")
    (tmp_path / "cleo/hot/timestamp.txt").write_text("2027-03-01 17:00:00 UTC\n")
    (tmp_path / "fay.zip").write_text("")
    (tmp_path / "gus").symlink_to(tmp_path / "ben")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    found = {one.student: one for one in submissions.find(tmp_path, "hot")}
    assert list(found) == ["ann", "ben", "cleo", "dan", "eve", "fay.zip", "gus"]
    assert found["ben"].notebook == tmp_path / "ben" / "hot.ipynb"
    assert found["cleo"].handed_in == "2027-03-01 17:00:00 UTC"
    assert (
        found["dan"].problem == "no hot.ipynb in the folder (found x.ipynb: rename the right one)"
    )
    assert found["eve"].problem == "no hot.ipynb in the folder (no notebook at all)"
    assert found["fay.zip"].problem == "fay.zip is not a notebook"
    assert found["gus"].problem == "gus is a link, not a submission"
    (tmp_path / "ann").mkdir()
    with pytest.raises(submissions.NoSubmissionsError, match="ann: both a file and a folder"):
        submissions.find(tmp_path, "hot")


def test_the_reports_of_one_student(tmp_path):
    cells = [
        {"id": "a", "score": 2.5, "max_score": 4.0, "output": "AssertionError: no"},
        {"id": "b", "score": None, "max_score": 3.0, "output": ""},
    ]
    page = "<html><head><script>mine()</script></head><body><script>theirs()</script></body></html>"
    one = batch.Result("=1+1", cells, [], 1.5, "2027-03-01 17:30:00 UTC", page)
    table = report.write([one], ["a", "b"], tmp_path, "2027-03-01T18:00+01:00")
    (row,) = csv.DictReader(table.read_text().splitlines())
    assert row == {
        "student": "'=1+1",  # a spreadsheet would compute it
        "status": "look at it",
        "score": "2.5",
        "max_score": "7",
        "a": "2.5",
        "b": "",
        "hours_late": "0.5",
        "flags": "b waits for a person",
    }
    results = json.loads((tmp_path / "=1+1" / "results.json").read_text())
    assert results["score"] == 2.5 and results["execution_time"] == 1.5
    assert results["tests"][0]["status"] == "failed" and "status" not in results["tests"][1]
    feedback = (tmp_path / "=1+1" / "feedback.html").read_text()
    assert feedback.startswith("<html><head>\n<meta http-equiv=")
    assert feedback.count("'sha256-") == 1  # for the script of the head alone


def test_a_due_date_needs_a_time_zone(tmp_path):
    assert course.due(tmp_path, "hot") is None
    slot = course.slot(tmp_path, "hot")
    slot.parent.mkdir()
    for text, words in (("2027-03-01T18:00", "has no time zone"), ("soon", "Invalid isoformat")):
        slot.write_text(f'due = "{text}"')
        with pytest.raises(course.CourseError, match=words):
            course.due(tmp_path, "hot")
    slot.write_text('due = ""')
    assert course.due(tmp_path, "hot") is None
    slot.write_text('due = "2027-03-01T18:00+01:00"')
    assert course.due(tmp_path, "hot") == "2027-03-01T18:00:00+01:00"


@pytest.fixture
def guard():
    """Return the guard as a module; it notes in `sys.modules` what it will put back."""
    spec = importlib.util.spec_from_file_location("guard", sandbox.INSIDE / "guard.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop(module.PLACE, None)


def test_the_guard_puts_back_what_was_rebound(guard):
    namespace = {"open": open}
    original = np.allclose, math.sqrt, attnbook.softmax, attnbook.softmax.__code__
    assert guard.run(["attnbook.checks", "no_such_module"], namespace) is None
    assert guard.run([], namespace) == []
    np.allclose, math.sqrt = bool, abs
    attnbook.softmax.__code__ = (lambda x: x).__code__
    checks.Result.require = checks.Result.extra = print
    checks.EXERCISES["weights"] = None
    namespace |= {"isinstance": lambda *a: True, "open": print, "x": 1}
    sys.modules["attnbook.checks"] = None
    assert guard.run([], namespace) == [
        "attnbook.checks",
        "attnbook.checks.EXERCISES",
        "attnbook.checks.Result.extra",
        "attnbook.checks.Result.require",
        "attnbook.softmax",
        "math.sqrt",
        "numpy.allclose",
        "the builtin isinstance",
        "the builtin open",
    ]
    assert original == (np.allclose, math.sqrt, attnbook.softmax, attnbook.softmax.__code__)
    assert namespace == {"open": open, "x": 1} and checks.EXERCISES["weights"] is not None
    assert not hasattr(checks.Result, "extra") and checks.Result.require is not print
    assert guard.run([], namespace) == []


def test_the_guard_puts_back_what_changes_cells_before_they_run(guard):
    shell = InteractiveShell()
    method = InteractiveShell.run_cell_async
    namespace = {"get_ipython": lambda: shell}
    guard.run([], namespace)
    assert guard.run([], namespace) == []
    shell.ast_transformers.append(print)
    shell.input_transformers_post = [print]
    shell.events.register("pre_run_cell", lambda info: None)
    shell.run_ast_nodes = print
    InteractiveShell.run_cell_async = print
    trace = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        assert guard.run([], namespace) == [
            "IPython's ast_transformers",
            "IPython's input_transformers_post",
            "IPython's pre_run_cell",
            "InteractiveShell.run_ast_nodes",
            "InteractiveShell.run_cell_async",
            "sys.settrace",
        ]
        assert sys.gettrace() is trace and InteractiveShell.run_cell_async is method
    finally:
        sys.settrace(trace)
        InteractiveShell.run_cell_async = method
    assert guard.run([], namespace) == []
    assert not shell.ast_transformers and not shell.input_transformers_post
