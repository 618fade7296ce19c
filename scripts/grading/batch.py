"""Grade a class: each submission in a process of its own, some at a time, in a fixed order.

A submission that brings down its process is flagged, like one that takes too long; the others
go on.
"""

import contextlib
import json
import multiprocessing
import os
import re
import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from grading.submissions import Submission

# Processes are forked from one that has imported nbgrader, which takes seconds, and nothing else.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["grading.one"])

SLACK = 60  # seconds for what the grader does beside running the notebook


@dataclass(frozen=True)
class Limits:
    """What a submission may use."""

    timeout: int = 60  # seconds for a cell
    total_seconds: int = 600  # seconds for all cells
    memory_mb: int = 2048
    sandboxed: bool = True


@dataclass(frozen=True)
class Result:
    """What came of one submission."""

    student: str
    cells: list[dict] | None  # None: not graded
    flags: list[str]
    seconds: float
    handed_in: str
    feedback: str | None


def grade(submission: Submission, course: Path, chapter: str, limits: Limits) -> Result:
    """Grade one submission and return what came of it; never raise."""
    if submission.notebook is None:
        return Result(submission.student, None, [submission.problem], 0.0, "", None)
    with tempfile.TemporaryDirectory(prefix="grading-") as folder:
        work = Path(folder)
        task = {"course": str(course), "assignment": chapter} | asdict(limits)
        task["notebook"] = str(submission.notebook.absolute())
        (work / "task.json").write_text(json.dumps(task))
        failed = run(work, limits.total_seconds + SLACK)
        place, feedback = work / "result.json", work / "feedback.html"
        if failed or not place.exists():
            flags = [f"could not be graded: {failed or 'the grader ended early'}"]
            return Result(submission.student, None, flags, 0.0, submission.handed_in, None)
        result = json.loads(place.read_text())
        shown = feedback.read_text() if feedback.exists() else None
        return Result(submission.student, **result, handed_in=submission.handed_in, feedback=shown)


def run(work: Path, seconds: int) -> str:
    """Run `grading.one` on a prepared folder; return what went wrong, or nothing."""
    process = SERVER.Process(target=one_submission, args=(work,))
    process.start()
    process.join(seconds)
    late = process.exitcode is None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what is left of it
    process.join()
    if late:
        return "it took longer than a submission may"
    log = (work / "log.txt").read_text(errors="replace")
    errors = re.findall(r"^[\w.]*(?:Error|Exception): .*", log, re.MULTILINE)
    # nbgrader's own last words only point to the words before.
    errors = [error for error in errors if "NbGraderException" not in error]
    if process.exitcode:
        return errors[-1][:300] if errors else f"the grader ended with {process.exitcode}"
    return ""


def one_submission(work: Path) -> None:
    """Grade one submission in this process, which is its own group, and say all into a log."""
    os.setsid()
    log = os.open(work / "log.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    from grading import one

    one.main(work)


def grade_all(
    found: list[Submission], course: Path, chapter: str, limits: Limits, at_once: int
) -> list[Result]:
    """Grade all submissions, `at_once` at a time, and say so as each one is done."""
    results = []
    pool = ThreadPoolExecutor(at_once)
    try:
        for result in pool.map(lambda one: grade(one, course, chapter, limits), found):
            results.append(result)
            print(f"  {result.student}: {summary(result)}", flush=True)
    finally:
        pool.shutdown(cancel_futures=True)  # whoever interrupts waits for those begun, not for all
    return results


def summary(result: Result) -> str:
    """Return one line about a result."""
    if result.cells is None:
        return f"not graded: {'; '.join(result.flags)}"
    points = sum(cell["score"] or 0 for cell in result.cells)
    most = sum(cell["max_score"] for cell in result.cells)
    flags = f"; look at it: {'; '.join(result.flags)}" if result.flags else ""
    return f"{points:g} of {most:g} points{flags}"
