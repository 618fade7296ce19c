"""What instructors plan with, read from the chapters when the book is built, and never typed twice.

Two directives::

    ```{outcomes}
    ```

shows for each chapter of `_toc.yml` what its first box says (outcomes, prerequisites, minutes) and
what its exercises say (minutes and points). ::

    ```{syllabus}
    Week 1 | dictionary, soft-lookup | read before the seminar
    ```

makes a plan: a line for each meeting, the topics of its chapters, and what to do. It adds up the
minutes and points. A topic that the book does not have yet is shown as planned.
"""

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective
from student_edition import exercises, read, topics

ROOT = Path(__file__).resolve().parent.parent
FACTS = {
    "outcomes": r"^\*\*You will be able to\*\* (.+?)$",
    "prerequisites": r"^\*\*Builds on\*\* (.+?)$",
    "minutes": r"^\*\*Time\*\* about (\d+) minutes to read",
}


@dataclass(frozen=True)
class Chapter:
    """What a chapter says of itself, and what its exercises ask for."""

    topic: str
    page: str
    title: str
    outcomes: str
    prerequisites: str
    minutes: int
    exercise_minutes: int
    points: float


def pages(root: Path = ROOT) -> list[str]:
    """Return the pages that are chapters, in the order of the book."""
    contents = yaml.safe_load((root / "_toc.yml").read_text("utf-8"))
    found = [entry["file"] for part in contents["parts"] for entry in part["chapters"]]
    return [page for page in found if (root / f"{page}.ipynb").is_file()]


def facts(page: str, root: Path = ROOT) -> Chapter:
    """Read one chapter; a ValueError names what its first box does not say."""
    cells = nbformat.read(root / f"{page}.ipynb", as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    found = {name: re.search(pattern, text, re.MULTILINE) for name, pattern in FACTS.items()}
    for name, match in found.items():
        if match is None:
            raise ValueError(f"{page}.ipynb: the box at the top does not give the {name}")
    topic = posixpath.basename(page)
    work = exercises(read(topic)) if topic in topics() else []
    said = {name: links_from_anywhere(match[1], page) for name, match in found.items()}
    return Chapter(
        topic=topic,
        page=page,
        title=re.search(r"^# (.+)$", text, re.MULTILINE)[1],
        outcomes=said["outcomes"],
        prerequisites=said["prerequisites"],
        minutes=int(said["minutes"]),
        exercise_minutes=sum(one.minutes for one in work),
        points=sum(one.points for one in work),
    )


def links_from_anywhere(text: str, page: str) -> str:
    """Make links that are relative to a chapter's folder work on every page."""

    def absolute(link):
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link[1]))
        return f"](/{path})"

    return re.sub(r"\]\((?!\w+:|/|#)([^)]+)\)", absolute, text)


def link(chapter: Chapter) -> str:
    return f"[{chapter.title}](/{chapter.page}.ipynb)"


class Outcomes(SphinxDirective):
    """Show what each chapter is for and what it takes."""

    def run(self) -> list[nodes.Node]:
        chapters = chapters_of(self)
        lines = ["| chapter | to read | exercises | points |", "|---|--:|--:|--:|"]
        for one in chapters:
            work = f"{one.exercise_minutes} min | {one.points:g}" if one.points else "– | –"
            lines.append(f"| {link(one)} | {one.minutes} min | {work} |")
        lines.append("")
        for one in chapters:
            builds = f"Builds on {one.prerequisites}"
            lines += [link(one), f": You will be able to {one.outcomes}", f"  {builds}", ""]
        return parsed(self, lines)


class Syllabus(SphinxDirective):
    """Show a plan, with the minutes and points of its chapters added up."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        known = {chapter.topic: chapter for chapter in chapters_of(self)}
        lines = ["| when | chapters | to do | takes |", "|---|---|---|---|"]
        for line in self.content:
            if not line.strip():
                continue
            try:
                when, names, work = (part.strip() for part in line.split("|"))
            except ValueError:
                raise self.error(f"{line!r} is not: when | topics | what to do") from None
            chosen = [name.strip() for name in names.split(",") if name.strip()]
            here = [known[name] for name in chosen if name in known]
            shown = [link(known[name]) if name in known else planned(name) for name in chosen]
            minutes = sum(one.minutes + one.exercise_minutes for one in here)
            points = sum(one.points for one in here)
            # A sum over chapters that do not exist yet would be wrong.
            whole = len(here) == len(chosen)
            takes = f"{minutes} min" + (f", {points:g} points" if points else "")
            takes = takes if whole else "not yet known"
            lines.append(f"| {when} | {', '.join(shown)} | {work} | {takes} |")
        return parsed(self, lines)


def planned(topic: str) -> str:
    return f"{topic.replace('-', ' ').capitalize()} (planned)"


def chapters_of(directive: SphinxDirective) -> list[Chapter]:
    """Return all chapters, and have the page made again when one of them changes."""
    try:
        found = [facts(page) for page in pages()]
    except ValueError as error:
        raise directive.error(str(error)) from error
    for chapter in found:
        directive.env.note_dependency(f"{chapter.page}.ipynb")
    return found


def parsed(directive: SphinxDirective, lines: list[str]) -> list[nodes.Node]:
    """Return Markdown as nodes, as if it stood on the page."""
    place = nodes.Element()
    directive.state.nested_parse(StringList(lines, directive.env.docname), 0, place)
    return place.children


def setup(app) -> dict:
    """Register with Sphinx."""
    app.add_directive("outcomes", Outcomes)
    app.add_directive("syllabus", Syllabus)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
