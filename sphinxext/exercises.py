"""Exercises on the page: the directive `exercises`, made from the chapter's source of exercises.

A chapter says where its exercises stand::

    :::{exercises}
    What a notebook shows in this place, since it cannot show them; the page leaves it out.
    :::

The page shows each task, its hints, the code to complete and its check, and the solution of a
practice exercise. It offers the student edition as an archive with all that it needs. What is
written and what is left out is decided in `scripts/student_edition.py`.
"""

import re
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective
from student_edition import SOURCES, archive, exercises, read, student, topics, worked

from attnbook.checks import EXERCISES, check

FOLDER = "exercises"  # of the site: the archives have an address of their own
HINT = re.compile(r"<details><summary>(.*?)</summary>\n(.*?)\n</details>", re.S)


class ExercisesDirective(SphinxDirective):
    """Put the chapter's exercises here."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        topic = Path(self.env.docname).name
        if topic not in topics():
            raise self.error(f"there is no {SOURCES.name}/{topic}.ipynb")
        self.env.note_dependency(str(SOURCES / f"{topic}.ipynb"))
        source = read(topic)
        link = f"{'../' * self.env.docname.count('/')}{FOLDER}/{topic}.zip"
        found = exercises(source)
        start = self.parse(nodes.Element(), opening(topic, link, found), topic)
        pairs = zip(found, exercises(student(source)), strict=True)
        return [*start, *(self.section(topic, e, stub) for e, stub in pairs)]

    def section(self, topic: str, exercise, stub) -> nodes.section:
        """Make the section of one exercise; headings are out of reach of a directive's own text."""
        words, _ = self.state.inline_text(exercise.title, self.lineno)
        section = nodes.section("", nodes.title(exercise.title, "", *words))
        section["names"].append(nodes.fully_normalize_name(exercise.title))
        self.state.document.note_implicit_target(section, section)
        self.parse(section, one(exercise, stub), topic)
        return section

    def parse(self, place: nodes.Element, text: str, topic: str) -> list[nodes.Node]:
        """Put Markdown into a place, as if it stood in the chapter."""
        lines = StringList(text.splitlines(), f"{SOURCES.name}/{topic}.ipynb")
        self.state.nested_parse(lines, 0, place)
        return place.children


def opening(topic: str, link: str, found: list) -> str:
    """What to do, and an example of what a check says."""
    example = next(e.name for e in found if e.kind == "assignment")
    message = check(example, EXERCISES[example].mistakes[0].variant, show=False).message
    return f"""
Each exercise asks for one function, and checks it: on many inputs, against a reference of its own.
If something is wrong the check says what, and shows the smallest input on which it shows. Of a
`{example}` with a mistake it says:

```text
{message}
```

<a href="{link}" download>Download these exercises</a> as a notebook with all that it needs. Unpack
the archive; in its folder run `pip install -r requirements.txt` and `jupyter lab`. In a copy of
the book's repository, `make student` writes the notebook to `_build/student/{topic}.ipynb`.
Practice exercises have their solution here, those of assignments are in the instructor edition.
""".strip()


def one(exercise, stub) -> str:
    """One exercise under its title: task, hints, code to complete, the solution if it may be."""
    task = exercise.cells["task"].source.partition("\n")[2]
    kind = f"{exercise.kind.capitalize()}, about {exercise.minutes} minutes"
    points = f", {exercise.points:g} points" if exercise.points else ""
    code = f"{stub.cells['starter'].source}\n\n\n{stub.cells['check'].source}"
    parts = [
        f"*{kind}{points}.*",
        HINT.sub(lambda hint: dropdown(hint[1], hint[2]), task.strip()),
        fence("python", code),
    ]
    if exercise.kind == "practice":
        parts.append(dropdown("Solution", solution(exercise)))
    return "\n\n".join(parts)


def solution(exercise) -> str:
    """The worked code, what it shows when it runs, and why."""
    parts = [fence("python", worked(exercise.cells["starter"].source))]
    if "plot" in exercise.cells:
        for output in exercise.cells["plot"].outputs:
            if "text/html" in output.get("data", {}):
                parts.append(fence("{raw} html", output.data["text/html"]))
            elif "text" in output:
                parts.append(fence("text", output.text))
    return "\n\n".join([*parts, exercise.cells["answer"].source])


def fence(kind: str, text: str) -> str:
    return f"````{kind}\n{text.rstrip()}\n````"


def dropdown(title: str, text: str) -> str:
    return f":::{{admonition}} {title}\n:class: dropdown\n{text.strip()}\n:::"


def write_archives(app, exception) -> None:
    """Put the archives where the pages link to them."""
    if exception or app.builder.format != "html":
        return
    folder = Path(app.outdir) / FOLDER
    folder.mkdir(exist_ok=True)
    for topic in topics():
        (folder / f"{topic}.zip").write_bytes(archive(topic))


def setup(app) -> dict:
    """Register with Sphinx."""
    app.add_directive("exercises", ExercisesDirective)
    app.connect("build-finished", write_archives)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
