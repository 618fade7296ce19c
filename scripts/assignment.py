"""Make a course folder from the exercises of one chapter, ready to hand out.

    python scripts/assignment.py temperature

`make assignment CHAPTER=temperature` does the same. The folder course/ is in nbgrader's layout:

    release/temperature/temperature.ipynb    for the students: no solution, no hidden test
    release/temperature/README.md            what to do, points, due date
    release/temperature/temperature.zip      both, with what they need to run elsewhere
    source/temperature/temperature.ipynb     with solutions and hidden tests: keep it to yourself
    rubric/temperature.md, temperature.csv   points, and how to judge what a person grades
    assignments/temperature.toml             the due date: fill it in, and run the command again
    gradebook.db, nbgrader_config.py         nbgrader's own

Before it says that all is well it grades two notebooks: the solution, which must get every point
that tests give, and the untouched student notebook, which must get none.
"""

import argparse
import csv
import sys
from pathlib import Path

from grading import batch, course, sandbox
from grading.submissions import Submission

SLOT = """# When is it due? Write a date with a time zone, as in "2027-03-01T18:00+01:00", and run
# make assignment CHAPTER={chapter} again.
due = ""
"""

CONFIG = """# nbgrader finds the folder by this file: run `nbgrader` or JupyterLab from here.
c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "attention"
c.CourseDirectory.root = "."
# A warning on stderr would otherwise cost all points of its cell.
c.IgnorePattern.enabled = True
c.IgnorePattern.pattern = r"[\\s\\S]"
"""

README = """# Exercises: {chapter}

Due: {due}. Points: {points:g}.

Unpack `{chapter}.zip`, install with `pip install -r requirements.txt`, and start `jupyter lab` in
that folder. Open `{chapter}.ipynb`, complete the cells that say `YOUR CODE HERE`, run all cells
from the top in a fresh kernel, and hand in the notebook under the same name. Do not delete or copy
cells, and leave the cells with tests as they are: they are put back before grading.

| exercise | points |
|---|--:|
{rows}
"""


def rubric(chapter: str, items: list[dict], when: str | None) -> str:
    """Return the rubric as Markdown."""
    lines = [f"# Rubric: {chapter}", "", f"Due: {when or 'not set'}.", ""]
    lines += ["| exercise | cell | points | graded by |", "|---|---|--:|---|"]
    lines += [f"| {i['exercise']} | `{i['id']}` | {i['points']:g} | {i['by']} |" for i in items]
    total = sum(item["points"] for item in items)
    lines += [f"| all | | {total:g} | |", ""]
    told = set()
    for item in items:
        if item["answer"] and item["exercise"] not in told:
            told.add(item["exercise"])
            lines += [f"## {item['exercise']}", "", item["answer"], ""]
    return "\n".join(lines)


def write_words(folder: Path, chapter: str, items: list[dict], when: str | None) -> None:
    """Write the rubric, the points and what the students read first."""
    place = folder / "rubric"
    place.mkdir(exist_ok=True)
    (place / f"{chapter}.md").write_text(rubric(chapter, items, when), encoding="utf-8")
    with (place / f"{chapter}.csv").open("w", newline="", encoding="utf-8") as file:
        columns = ["id", "exercise", "points", "minutes", "by"]
        table = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(items)
    rows = "\n".join(f"| {item['exercise']} | {item['points']:g} |" for item in items)
    points = sum(item["points"] for item in items)
    text = README.format(
        chapter=chapter, due=when or "see the course page", points=points, rows=rows
    )
    (folder / "release" / chapter / "README.md").write_text(text, encoding="utf-8")


def try_out(folder: Path, chapter: str, source: Path, items: list[dict]) -> list[str]:
    """Grade the solution and the blank notebook; return what is wrong with the assignment."""
    try:
        sandbox.require()
        limits = batch.Limits()
    except sandbox.SandboxError:
        limits = batch.Limits(sandboxed=False)  # our own code
    blank = folder / "release" / chapter / f"{chapter}.ipynb"
    tested = {item["id"]: item["points"] for item in items if item["by"] == "tests"}
    wrong = []
    for name, notebook in (("the solution", source), ("the blank notebook", blank)):
        result = batch.grade(Submission(name, notebook), folder, chapter, limits)
        if result.cells is None:
            wrong.append(f"{name} {'; '.join(result.flags)}")
            continue
        for cell in result.cells:
            should = tested.get(cell["id"], cell["score"]) if name == "the solution" else 0
            if cell["id"] in tested and cell["score"] != should:
                said = cell["output"].splitlines()[-1:] or ["no word"]
                score = f"{cell['score']:g} points for {cell['id']}, not {should:g}"
                wrong.append(f"{name} gets {score} ({said[0]})")
    return wrong


def main(arguments: list[str] | None = None) -> int:
    """Make the folder; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapter")
    parser.add_argument("--course", type=Path, default=course.ROOT / "course")
    parser.add_argument("--exercises", type=Path, default=course.EXERCISES)
    asked = parser.parse_args(arguments)
    folder, chapter = asked.course.absolute(), asked.chapter
    try:
        source = course.source_of(chapter, asked.exercises)
        when = course.due(folder, chapter)
    except course.CourseError as error:
        print(error, file=sys.stderr)
        return 1
    from grading import edition  # seconds, for nbgrader

    items = edition.items(source)
    if not items:
        print(f"No exercise of {chapter} gives points: nothing to assign.", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nbgrader_config.py").write_text(CONFIG)
    slot = course.slot(folder, chapter)
    if not slot.exists():
        slot.parent.mkdir(exist_ok=True)
        slot.write_text(SLOT.format(chapter=chapter))
    edition.generate(folder, chapter, source)
    edition.set_due(folder, chapter, when)
    write_words(folder, chapter, items, when)
    edition.pack(folder / "release" / chapter, chapter)
    wrong = try_out(folder, chapter, source, items)
    for fault in wrong:
        print(fault, file=sys.stderr)
    if wrong:
        print("The assignment is not right: see above.", file=sys.stderr)
        return 1
    points = sum(item["points"] for item in items)
    print(f"The course folder is {folder}: {len(items)} graded cells, {points:g} points.")
    print("The solution gets every point that tests give, the blank notebook none.")
    print(f"Hand out {folder / 'release' / chapter / chapter}.zip, or the notebook beside it.")
    if when is None:
        print(f"No due date yet: write it into {slot} and run this again.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
