"""Grade one submission, in a process of its own (see `batch`).

WORK/task.json says what to do; WORK/result.json and WORK/feedback.html are what comes of it. This
process runs no code of the student: that happens in the sandbox (see `execute`).
"""

import json
import logging
import os
import resource
import shutil
import tempfile
import time
import warnings
from pathlib import Path

import nbformat
from matplotlib import font_manager, get_cachedir  # noqa: F401  makes the cache of fonts
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute
from traitlets.config import Config

from grading import mend
from grading.execute import GradedRun, imported
from grading.sandbox import BOOK

STUDENT = "student"  # inside a folder of its own, each submission is the only one
GRADER_MB = 3072


def settings(course: Path, task: dict, folder: str, tests: list[str]) -> Config:
    """Return nbgrader's settings for one submission."""
    config = Config()
    config.CourseDirectory.root = str(course)
    config.CourseDirectory.assignment_id = task["assignment"]
    config.CourseDirectory.student_id = STUDENT
    config.CourseDirectory.db_url = f"sqlite:///{course}/gradebook.db"
    run = {key: task[key] for key in ("memory_mb", "sandboxed", "total_seconds", "timeout")}
    config.GradedRun.update(run | {"folder": folder, "tests": tests})
    # Without both of these a warning on stderr costs all points of its cell.
    config.IgnorePattern.enabled = True
    config.IgnorePattern.pattern = r"[\s\S]"
    # A notebook may show HTML with scripts, and feedback is opened by others.
    config.HTMLExporter.sanitize_html = True
    return config


def grade(work: Path) -> dict:
    """Run nbgrader over the submission of a task; return points, outputs and flags."""
    task = json.loads((work / "task.json").read_text())
    name = task["assignment"]
    course = work / "course"
    for part in (f"source/{name}", f"release/{name}"):
        shutil.copytree(Path(task["course"], part), course / part)
    shutil.copyfile(Path(task["course"], "gradebook.db"), course / "gradebook.db")
    release = nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4)
    source = nbformat.read(course / "source" / name / f"{name}.ipynb", as_version=4)
    notebook = mend.read(Path(task["notebook"]))
    flags = mend.mend(notebook, release)
    submitted = course / "submitted" / STUDENT / name / f"{name}.ipynb"
    submitted.parent.mkdir(parents=True)
    nbformat.write(notebook, submitted)

    # A socket's address must be short, so its folder lies near the root of the file system.
    with tempfile.TemporaryDirectory(prefix="graded-", dir="/tmp") as folder:
        for fonts in Path(get_cachedir()).glob("fontlist*.json"):
            place = Path(folder, ".cache", "matplotlib", fonts.name)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(fonts, place)
        config = settings(course, task, folder, imported(source))
        directory = CourseDirectory(config=config)
        GradedRun.flags = flags
        autograde = Autograde(coursedir=directory, config=config)
        steps = autograde.autograde_preprocessors
        autograde.autograde_preprocessors = [
            GradedRun if step is Execute else step for step in steps
        ]
        autograde.start()
        GenerateFeedback(coursedir=directory, config=config).start()
    shutil.copy(course / "feedback" / STUDENT / name / f"{name}.html", work / "feedback.html")
    return {"flags": GradedRun.flags, "cells": cells(course, name, source)}


def cells(course: Path, name: str, source: nbformat.NotebookNode) -> list[dict]:
    """Return each graded cell with its points and what it said, in the order of the assignment."""
    graded = nbformat.read(course / "autograded" / STUDENT / name / f"{name}.ipynb", as_version=4)
    outputs = {mend.grade_id(cell): said(cell) for cell in graded.cells}
    found = []
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        submission = gradebook.find_submission_notebook(name, name, STUDENT)
        grades = {grade.name: grade for grade in submission.grades}
        for cell in source.cells:
            cell_id = mend.grade_id(cell)
            if cell_id in grades:
                row = grades[cell_id]
                found.append(
                    {
                        "id": cell_id,
                        "score": row.auto_score,
                        "max_score": row.max_score,
                        "output": outputs.get(cell_id, ""),
                    }
                )
    return found


def said(cell: nbformat.NotebookNode) -> str:
    """Return the words among the outputs of a cell."""
    words = []
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            words.append(f"{output.ename}: {output.evalue}")
        elif output.output_type == "stream":
            words.append(output.text)
        else:
            words.append(output.get("data", {}).get("text/plain", ""))
    return "\n".join(words).strip()[:2000]


def main(work: Path) -> None:
    """Do what `work` says and leave the result there."""
    logging.basicConfig(level=logging.ERROR)
    warnings.simplefilter("ignore")  # of nbgrader's dependencies
    os.environ["JUPYTER_PATH"] = str(BOOK / "share" / "jupyter")  # the templates of feedback pages
    resource.setrlimit(resource.RLIMIT_DATA, (GRADER_MB << 20, GRADER_MB << 20))
    start = time.monotonic()
    try:
        result = grade(work)
    except mend.NotASubmissionError as error:
        result = {"flags": [str(error)], "cells": None}
    result["seconds"] = round(time.monotonic() - start, 1)
    (work / "result.json").write_text(json.dumps(result))
