"""Write what came of a class: one CSV, and for each student feedback and Gradescope's results."""

import base64
import csv
import hashlib
import html
import json
import re
from datetime import UTC, datetime
from pathlib import Path

from grading.batch import Result

STATUS = {"done": "graded", "look": "look at it", "none": "not graded"}


def status(result: Result) -> str:
    """Return whether a person has to look at a submission."""
    if result.cells is None:
        return STATUS["none"]
    by_hand = any(cell["score"] is None for cell in result.cells)
    return STATUS["look" if result.flags or by_hand else "done"]


def hours_late(handed_in: str, due: str | None) -> float | str:
    """Return how late a submission is, or nothing where one of the two times is not known."""
    if not handed_in or not due:
        return ""
    try:
        came = datetime.fromisoformat(handed_in.removesuffix(" UTC"))
    except ValueError:
        return ""
    came = came if came.tzinfo else came.replace(tzinfo=UTC)  # as nbgrader writes it
    return round(max(0.0, (came - datetime.fromisoformat(due)).total_seconds() / 3600), 2)


def row(result: Result, names: list[str], due: str | None) -> dict:
    """Return one student's line of the table."""
    line = {"student": result.student, "status": status(result), "score": "", "max_score": ""}
    flags = list(result.flags)
    if result.cells is not None:
        cells = {cell["id"]: cell for cell in result.cells}
        line["score"] = sum(cell["score"] or 0 for cell in result.cells)
        line["max_score"] = sum(cell["max_score"] for cell in result.cells)
        line |= {name: cells[name]["score"] for name in names}
        flags += [f"{n} waits for a person" for n in names if cells[n]["score"] is None]
    line |= {"hours_late": hours_late(result.handed_in, due), "flags": "; ".join(flags)}
    # A spreadsheet would run a name such as "=1+1".
    return {key: cell_text(value) for key, value in line.items()}


def cell_text(value) -> str:
    """Return a value as it stands in the table."""
    text = "" if value is None else f"{value:g}" if isinstance(value, float | int) else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def gradescope(result: Result) -> dict:
    """Return Gradescope's results.json of one student."""
    if result.cells is None:
        words = f"Not graded: {'; '.join(result.flags)}."
        return {"score": 0, "output": words, "tests": [], "visibility": "after_published"}
    tests = []
    for cell in result.cells:
        waits = cell["score"] is None
        points = cell["score"] or 0
        test = {"name": cell["id"], "score": points, "max_score": cell["max_score"]}
        test["output"] = "A person will grade this." if waits else cell["output"] or "Passed."
        if not waits:
            test["status"] = "passed" if points == cell["max_score"] else "failed"
        tests.append(test)
    return {
        "score": sum(test["score"] for test in tests),
        "execution_time": result.seconds,
        "output": "; ".join(result.flags),
        "visibility": "after_published",
        "tests": tests,
    }


def write(results: list[Result], names: list[str], folder: Path, due: str | None) -> Path:
    """Write everything into a folder; return the path of the table."""
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "grades.csv"
    columns = ["student", "status", "score", "max_score", *names, "hours_late", "flags"]
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row(result, names, due) for result in results)
    for result in results:
        place = folder / result.student
        place.mkdir(exist_ok=True)
        (place / "results.json").write_text(json.dumps(gradescope(result), indent=2) + "\n")
        page = place / "feedback.html"
        page.unlink(missing_ok=True)  # of an earlier run
        if result.feedback is None:
            words = f"Not graded: {'; '.join(result.flags)}."
            page.write_text(plain_page(words), encoding="utf-8")
        else:
            page.write_text(without_scripts(result.feedback), encoding="utf-8")
    return table


def without_scripts(page: str) -> str:
    """Let a browser run the scripts of the page's head, which set formulas, and no others.

    nbgrader cleans outputs, but not the Markdown of a student, which may hold scripts too.
    """
    head = page[: page.index("</head>")]
    inline = re.findall(r"<script[^>]*>(.+?)</script>", head, re.DOTALL)
    sums = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in inline]
    allowed = " ".join(["https://cdnjs.cloudflare.com", *(f"'sha256-{one}'" for one in sums)])
    policy = f'<meta http-equiv="Content-Security-Policy" content="script-src {allowed}">'
    return page.replace("<head>", f"<head>\n{policy}", 1)


def plain_page(words: str) -> str:
    """Return a page for a submission that could not be graded."""
    title = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Feedback</title>'
    return f"{title}<h1>Feedback</h1><p>{html.escape(words)}</p></html>\n"
