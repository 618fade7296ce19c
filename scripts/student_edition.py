"""Make the student edition of the exercises: the source without its solutions and hidden tests.

    make student            writes _build/student/<topic>.ipynb and <topic>.zip

The same source gives the same bytes. `exercises/<topic>.ipynb` is the only source. It is an
ordinary notebook that runs from top to bottom with its solutions in, and an nbgrader source.

Each exercise is a run of cells. Every cell of it carries, in its metadata,

    "attnbook": {"exercise": "soft_lookup", "kind": "practice", "part": "task"}

    exercise   the name that `attnbook.checks.check` knows, the same in all cells of the exercise
    kind       "practice": its worked solution is on the site;
               "assignment": its solution is in the source and the instructor edition alone
    part       "task"      Markdown; opens with "### Title"; also has "minutes", a whole number;
                           hints are <details><summary>Hint 1</summary> ... </details> at its end
               "starter"   code that the reader completes
               "check"     code: the visible check
               "tests"     code; assignments only: what nbgrader grades
               "plot"      code that uses the reader's function once it is right
               "answer"    Markdown: the solution in words (for an assignment: also the rubric)

Cells without this key (a title, the imports) belong to no exercise and stay. The parts with
code are nbgrader cells as well, "nbgrader" metadata of schema_version 3:

    starter    grade_id NAME         solution: true,  locked: false, grade: false
    check      grade_id NAME-check   solution: false, locked: true,  grade: false
    tests      grade_id NAME-tests   solution: false, locked: true,  grade: true, points: N

The delimiters are nbgrader's own. In a starter, the lines from `### BEGIN SOLUTION` to
`### END SOLUTION` become nbgrader's stub, `# YOUR CODE HERE` and `raise NotImplementedError()`,
so that nbgrader's own `generate_assignment` gives the same cell. In tests, the lines from
`### BEGIN HIDDEN TESTS` to `### END HIDDEN TESTS` go. Cells of part "answer" go. Outputs go.

Beside each notebook goes an archive with all that it needs to run elsewhere: the notebook, the
library that checks it, and a requirements.txt. A grader must know the right answers: who reads
`attnbook/checks` finds functions that are right, written as plain loops. The notebook and its site
page hold none.
"""

import argparse
import io
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import nbformat
from refresh_notebooks import as_text

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "exercises"
OUT = ROOT / "_build" / "student"

SOLUTION = ("### BEGIN SOLUTION", "### END SOLUTION")
HIDDEN = ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")
STUB = ("# YOUR CODE HERE", "raise NotImplementedError()")


@dataclass(frozen=True)
class Exercise:
    """One exercise of a source: what it is, and its cells by part, in their order."""

    name: str
    kind: str
    minutes: int
    points: float
    cells: dict

    @property
    def title(self) -> str:
        return self.cells["task"].source.splitlines()[0].removeprefix("### ")


def topics() -> list[str]:
    """The chapters that have exercises."""
    return sorted(path.stem for path in SOURCES.glob("*.ipynb"))


def read(topic: str):
    """The source of a chapter's exercises, solutions in."""
    return nbformat.read(SOURCES / f"{topic}.ipynb", as_version=4)


def about(cell) -> dict:
    """What the cell says of itself: exercise, kind and part, or nothing."""
    return cell.metadata.get("attnbook", {})


def exercises(notebook) -> list[Exercise]:
    """The exercises of a notebook, source or student edition, in their order."""
    found: dict[str, dict] = {}
    for cell in notebook.cells:
        if about(cell):
            found.setdefault(about(cell)["exercise"], {})[about(cell)["part"]] = cell
    return [
        Exercise(
            name,
            about(cells["task"])["kind"],
            about(cells["task"])["minutes"],
            cells["tests"].metadata.nbgrader.points if "tests" in cells else 0,
            cells,
        )
        for name, cells in found.items()
    ]


def replace_region(source: str, delimiters: tuple[str, str], by: tuple[str, ...]) -> str:
    """Replace all between the delimiters, and them, by other lines with the same indent."""
    begin, end = delimiters
    kept, inside = [], False
    for line in source.splitlines():
        if line.strip() == begin and not inside:
            inside = True
            indent = line[: line.index(begin)]
            kept += [indent + new for new in by]
        elif line.strip() == end and inside:
            inside = False
        elif line.strip() in (begin, end):
            raise ValueError(f"{line.strip()!r} has no partner, or stands in another region")
        elif not inside:
            kept.append(line)
    if inside:
        raise ValueError(f"{begin!r} has no {end!r} after it")
    return "\n".join(kept)


def worked(source: str) -> str:
    """A solution as it is shown: the code without the delimiters."""
    return "\n".join(line for line in source.splitlines() if line.strip() not in SOLUTION)


def student(notebook):
    """The student edition of a source: a new notebook."""
    edition = nbformat.from_dict(notebook)
    edition.cells = [cell for cell in edition.cells if about(cell).get("part") != "answer"]
    for cell in edition.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.source = replace_region(cell.source, SOLUTION, STUB)
            cell.source = replace_region(cell.source, HIDDEN, ())
    return edition


def requirements() -> str:
    """What to install where the exercises run, from the ranges in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    return "\n".join([*project["dependencies"], *extras["plots"], *extras["notebook"]]) + "\n"


def library() -> list[Path]:
    """The files of attnbook that a notebook of exercises can use: all but the live figures."""
    files = (ROOT / "attnbook").rglob("*.py")
    return sorted(path for path in files if "figures" not in path.relative_to(ROOT).parts)


def archive(topic: str) -> bytes:
    """A zip file of the student edition with the library and what to install: always the same."""
    contents = {f"{topic}.ipynb": as_text(student(read(topic))), "requirements.txt": requirements()}
    contents["LICENSE"] = (ROOT / "LICENSE").read_text("utf-8")
    for path in library():
        contents[path.relative_to(ROOT).as_posix()] = path.read_text("utf-8")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in contents.items():
            info = zipfile.ZipInfo(f"exercises-{topic}/{name}")  # its date is fixed: 1980
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            info.create_system = 3  # the same on every system
            file.writestr(info, text.encode())
    return data.getvalue()


def write(topic: str, folder: Path) -> list[Path]:
    """Write a chapter's student notebook and its archive; return where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    notebook, packed = folder / f"{topic}.ipynb", folder / f"{topic}.zip"
    notebook.write_text(as_text(student(read(topic))), encoding="utf-8", newline="\n")
    packed.write_bytes(archive(topic))
    return [notebook, packed]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("topics", nargs="*", help="chapters, such as temperature (default: all)")
    parser.add_argument("--out", type=Path, default=OUT, help="where to write")
    arguments = parser.parse_args()
    for topic in arguments.topics or topics():
        for path in write(topic, arguments.out):
            print(path)


if __name__ == "__main__":
    main()
