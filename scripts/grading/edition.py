"""The instructor's and the students' edition of a chapter's exercises, in nbgrader's layout."""

import os
import re
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import student_edition
from nbgrader.api import Gradebook
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import is_grade, is_solution
from traitlets.config import Config


def without_answers(source: Path, place: Path) -> None:
    """Write the source as nbgrader wants it: no outputs, and no answers in words."""
    notebook = nbformat.read(source, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if part(cell) != "answer"]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    place.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, place)


def generate(course: Path, chapter: str, source: Path) -> None:
    """Make source/, release/ and gradebook.db for one chapter."""
    # nbgrader calls `alembic` by its bare name: it stands beside the Python that runs this.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    without_answers(source, course / "source" / chapter / f"{chapter}.ipynb")
    config = Config()
    config.CourseDirectory.root = str(course)
    config.CourseDirectory.assignment_id = chapter
    config.CourseDirectory.db_url = f"sqlite:///{course}/gradebook.db"
    config.GenerateAssignment.force = True
    directory = CourseDirectory(config=config)
    GenerateAssignment(coursedir=directory, config=config).start()


def part(cell: nbformat.NotebookNode) -> str | None:
    """Return which part of an exercise a cell is; scripts/student_edition.py lists them."""
    return cell.metadata.get("attnbook", {}).get("part")


def items(source: Path) -> list[dict]:
    """Return what is graded: cell, exercise, points, minutes, and the answer in words."""
    cells = nbformat.read(source, as_version=4).cells
    exercises: dict[str, dict] = {}
    for cell in cells:
        about = cell.metadata.get("attnbook", {})
        exercise = exercises.setdefault(about.get("exercise", ""), {"answer": "", "minutes": None})
        if about.get("part") == "task":
            title = re.search(r"^#+ (.*)", cell.source, re.MULTILINE)
            exercise["title"] = title[1].strip() if title else about["exercise"]
            exercise["minutes"] = about.get("minutes")
        elif about.get("part") == "answer":
            exercise["answer"] = cell.source.strip()
    found = []
    for cell in cells:
        marks = cell.metadata.get("nbgrader", {})
        if is_grade(cell) or marks.get("task"):
            exercise = exercises[cell.metadata.get("attnbook", {}).get("exercise", "")]
            by_hand = is_solution(cell) or bool(marks.get("task"))
            found.append(
                {
                    "id": marks["grade_id"],
                    "exercise": exercise.get("title", marks["grade_id"]),
                    "minutes": exercise["minutes"],
                    "points": marks["points"],
                    "by": "a person" if by_hand else "tests",
                    "answer": exercise["answer"],
                }
            )
    return found


def pack(release: Path, chapter: str) -> None:
    """Zip what lies in a release with the library and the list of what to install."""
    with zipfile.ZipFile(release / f"{chapter}.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for name in (f"{chapter}.ipynb", "README.md"):
            packed.write(release / name, f"exercises-{chapter}/{name}")
        packed.writestr(f"exercises-{chapter}/requirements.txt", student_edition.requirements())
        for path in student_edition.library():
            packed.write(path, f"exercises-{chapter}/{path.relative_to(student_edition.ROOT)}")


def set_due(course: Path, chapter: str, when: str | None) -> None:
    """Write the due date into nbgrader's gradebook."""
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        utc = datetime.fromisoformat(when).astimezone(UTC) if when else None
        gradebook.update_or_create_assignment(chapter, duedate=utc and utc.replace(tzinfo=None))
