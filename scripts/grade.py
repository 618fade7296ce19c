"""Grade a folder of submissions to the exercises of one chapter.

    python scripts/grade.py temperature path/to/submissions

`make grade CHAPTER=temperature SUBMISSIONS=path/to/submissions` does the same. The folder holds
NAME.ipynb or NAME/temperature.ipynb for each student. What comes out lies in course/graded/: one
table, and for each student feedback.html and Gradescope's results.json.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from grading import batch, course, report, sandbox, submissions


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    limits = batch.Limits()
    parser.add_argument("chapter")
    parser.add_argument("submissions", type=Path)
    parser.add_argument("--course", type=Path, default=course.ROOT / "course")
    parser.add_argument("--exercises", type=Path, default=course.EXERCISES)
    parser.add_argument("--out", type=Path, help="default: COURSE/graded/CHAPTER")
    parser.add_argument("--timeout", type=int, default=limits.timeout, help="seconds for a cell")
    parser.add_argument("--total", type=int, default=limits.total_seconds, help="for all cells")
    parser.add_argument("--memory", type=int, default=limits.memory_mb, help="MB")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="submissions at a time")
    parser.add_argument("--no-sandbox", action="store_true", help="run submissions unprotected")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Grade, and return the exit status: 0 if the class was graded, whatever the grades are."""
    asked = parse(arguments)
    if asked.submissions == Path():
        print("Say which folder holds the submissions, as in SUBMISSIONS=in/.", file=sys.stderr)
        return 1
    # nbgrader changes the working folder.
    asked.course, asked.submissions = asked.course.absolute(), asked.submissions.absolute()
    try:
        source = course.handed_out(asked.chapter, asked.course, asked.exercises)
        due = course.due(asked.course, asked.chapter)
        found = submissions.find(asked.submissions, asked.chapter)
        if asked.no_sandbox:
            print(sandbox.WARNING, file=sys.stderr)
        else:
            sandbox.require()
    except (course.CourseError, submissions.NoSubmissionsError, sandbox.SandboxError) as error:
        print(error, file=sys.stderr)
        return 1
    from grading import edition

    limits = batch.Limits(asked.timeout, asked.total, asked.memory, not asked.no_sandbox)
    out = asked.out or asked.course / "graded" / asked.chapter
    with tempfile.TemporaryDirectory(prefix="course-") as folder:
        made = Path(folder)
        edition.generate(made, asked.chapter, source)
        print(f"Grading {len(found)} submissions.", flush=True)
        results = batch.grade_all(found, made, asked.chapter, limits, max(1, asked.jobs))
    names = [item["id"] for item in edition.items(source)]
    table = report.write(results, names, out, due)
    look = sum(report.status(result) != report.STATUS["done"] for result in results)
    print(f"The grades are in {table}; {look} of {len(results)} wait for a person.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
