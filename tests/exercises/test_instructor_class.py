"""A class of made-up students is graded with one command: each gets the grade that it deserves.

The class is in `made_up_class`. What it does to the host is looked at afterwards: nothing.
"""

import csv
import json
import socket
from types import SimpleNamespace

import made_up_class
import nbformat
import pytest
from instructor import ROOT, run


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    """Return a course folder with the assignment in it, made by the command."""
    place = tmp_path_factory.mktemp("school")
    exercises, course = place / "exercises", place / "course"
    exercises.mkdir()
    nbformat.write(made_up_class.source(), exercises / "warmup.ipynb")
    slot = course / "assignments" / "warmup.toml"
    slot.parent.mkdir(parents=True)
    slot.write_text('due = "2027-03-01T18:00+00:00"')
    made = run("assignment.py", "warmup", "--exercises", exercises, "--course", course)
    assert made.returncode == 0, made.stderr
    return SimpleNamespace(
        place=place, exercises=exercises, course=course, said=made.stdout, slot=slot
    )


@pytest.fixture(scope="module")
def graded(school):
    """Grade the class, with bait for those who reach for more than their own folder."""
    inbox, secret, target = school.place / "in", school.place / "secret", school.place / "touched"
    inbox.mkdir()
    secret.write_text("the solutions")
    release = nbformat.read(school.course / "release/warmup/warmup.ipynb", as_version=4)
    with socket.create_server(("127.0.0.1", 0)) as server:
        made_up_class.submissions(
            release,
            inbox,
            secret=secret,
            target=target,
            inbox=inbox,
            root=ROOT,
            port=server.getsockname()[1],
        )
        before = {path: path.stat().st_mtime_ns for path in sorted(school.place.rglob("*"))}
        out = school.place / "out"
        options = ["--exercises", school.exercises, "--course", school.course, "--out", out]
        limits = ["--timeout", 20, "--memory", 700, "--total", 120, "--jobs", 2]
        done = run("grade.py", "warmup", inbox, *options, *limits)
        server.settimeout(0.1)
        try:
            server.accept()
            visited = True
        except TimeoutError:
            visited = False
    assert done.returncode == 0, done.stderr
    with (out / "grades.csv").open() as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    return SimpleNamespace(
        rows=rows, out=out, said=done.stdout, visited=visited, before=before, target=target
    )


def test_the_folder_is_ready_to_hand_out(school):
    release = school.course / "release" / "warmup"
    student = (release / "warmup.ipynb").read_text()
    for secret in ("THE ANSWER", "BEGIN SOLUTION", "HIDDEN TESTS", "must not overflow", "raised"):
        assert secret not in student
    assert "YOUR CODE HERE" in student and "a gap of log 3" in student
    words = (release / "README.md").read_text()
    assert "2027-03-01T18:00:00+00:00" in words and "| Soft lookup | 6 |" in words
    rubric = (school.course / "rubric" / "warmup.md").read_text()
    assert "| Softmax | `softmax-tests` | 4 | tests |" in rubric and "THE ANSWER" in rubric
    assert (school.course / "rubric" / "warmup.csv").read_text().splitlines()[1:] == [
        "softmax-tests,Softmax,4,10,tests",
        "lookup-tests,Soft lookup,6,10,tests",
    ]
    assert "BEGIN HIDDEN TESTS" in (school.course / "source/warmup/warmup.ipynb").read_text()
    assert (school.course / "gradebook.db").exists()
    assert "The solution gets every point that tests give, the blank notebook none." in school.said


@pytest.mark.parametrize("student", made_up_class.DESERVED)
def test_each_gets_what_they_deserve(graded, student):
    row, (softmax, lookup, word) = graded.rows[student], made_up_class.DESERVED[student]
    assert float(row["max_score"]) == 10
    assert (float(row["softmax-tests"]), float(row["lookup-tests"])) == (softmax, lookup), row
    assert float(row["score"]) == softmax + lookup
    if word is None:
        assert (row["status"], row["flags"]) == ("graded", "")
    else:
        assert row["status"] == "look at it" and word in row["flags"]


def test_what_cannot_be_graded_is_flagged(graded):
    broken, other = graded.rows["quin-broken"], graded.rows["sven-other"]
    assert broken["status"] == other["status"] == "not graded"
    assert broken["score"] == other["score"] == ""
    assert "is not a notebook" in broken["flags"]
    assert "found homework.ipynb: rename the right one" in other["flags"]


def test_the_table_is_in_order_and_says_who_is_late(graded):
    assert list(graded.rows) == sorted(graded.rows)
    assert graded.rows["mona-warns"]["hours_late"] == "1.5"
    assert graded.rows["anna-right"]["hours_late"] == ""  # nobody knows when


def test_each_student_gets_feedback_and_results(graded):
    for student, row in graded.rows.items():
        results = json.loads((graded.out / student / "results.json").read_text())
        assert results["score"] == float(row["score"] or 0)
        assert results["score"] == sum(test["score"] for test in results["tests"])
        page = (graded.out / student / "feedback.html").read_text()
        assert page.lstrip().lower().startswith("<!doctype html>")
        assert ("Not graded" in page) == (row["status"] == "not graded")
    failed = json.loads((graded.out / "bill-half" / "results.json").read_text())["tests"][1]
    assert (failed["status"], failed["max_score"]) == ("failed", 6)
    assert "a query of zeros gives the mean of the values" in failed["output"]


def test_nothing_touches_the_host(graded):
    assert not graded.target.exists() and not graded.visited
    for path, when in graded.before.items():
        assert path.stat().st_mtime_ns == when or path.is_dir(), f"{path} was written to"
    nosy = (graded.out / "kate-reads" / "feedback.html").read_text()
    assert "FOUND []" in nosy and "the solutions" not in nosy
    for student in ("kate-reads", "liam-writes", "nina-network"):
        tests = json.loads((graded.out / student / "results.json").read_text())["tests"]
        assert "soft_lookup" in tests[1]["output"]  # its cell failed, so it was never defined


def test_without_bubblewrap_one_must_ask_for_it(school, tmp_path):
    nbformat.write(nbformat.read(school.course / "release/warmup/warmup.ipynb", 4),
                   tmp_path / "ann.ipynb")  # fmt: skip
    options = ["--exercises", school.exercises, "--course", school.course, "--out", tmp_path / "o"]
    refused = run("grade.py", "warmup", tmp_path, *options, PATH=str(tmp_path))
    assert refused.returncode == 1 and len(refused.stderr.splitlines()) == 1
    assert "bubblewrap is not installed" in refused.stderr and "UNSAFE=1" in refused.stderr
    accepted = run("grade.py", "warmup", tmp_path, *options, "--no-sandbox", PATH=str(tmp_path))
    assert accepted.returncode == 0 and accepted.stderr.startswith("WARNING: no sandbox.")
    assert "ann: 0 of 10 points" in accepted.stdout


def test_an_assignment_whose_tests_test_nothing_is_refused(school, tmp_path):
    notebook = made_up_class.source()
    tests = next(one for one in notebook.cells if one.id == "softmax-tests")
    tests.source = "softmax"
    nbformat.write(notebook, tmp_path / "warmup.ipynb")
    made = run("assignment.py", "warmup", "--exercises", tmp_path, "--course", tmp_path / "course")
    assert made.returncode == 1
    assert "the blank notebook gets 4 points for softmax-tests, not 0" in made.stderr


def test_mistakes_are_named_in_one_sentence(school, tmp_path):
    course = ["--exercises", school.exercises, "--course", school.course]

    def complaint(*arguments):
        done = run(*arguments, *course)
        assert done.returncode == 1
        return done.stderr.strip()

    unknown = complaint("grade.py", "temperatur", tmp_path)
    assert unknown == "No exercises for a chapter 'temperatur'; there are: warmup."
    assert complaint("assignment.py", "temperatur") == unknown
    assert complaint("grade.py", "warmup", tmp_path) == (
        f"No submissions in {tmp_path}: put one notebook NAME.ipynb, or one folder "
        "NAME/warmup.ipynb, for each student there."
    )
    assert complaint("grade.py", "warmup", "").startswith("Say which folder holds the submiss")
    assert complaint("assignment.py", "") == "Say which chapter, as in CHAPTER=temperature."
    nowhere = tmp_path / "nowhere"
    assert complaint("grade.py", "warmup", nowhere) == f"SUBMISSIONS={nowhere} is not a folder."
    school.slot.write_text('due = "2027-03-01T18:00"')
    assert "has no time zone; add one" in complaint("assignment.py", "warmup")
    school.slot.write_text('due = "tomorrow"')
    assert "tomorrow" in complaint("assignment.py", "warmup")
