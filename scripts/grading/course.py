"""Where a course folder keeps things, and what an instructor writes into it.

Nothing here needs nbgrader, which takes seconds to import: mistakes are named before.
"""

import tomllib
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXERCISES = ROOT / "exercises"


class CourseError(Exception):
    """No course folder can be made; the message says why."""


def source_of(chapter: str, exercises: Path = EXERCISES) -> Path:
    """Return the exercises of a chapter, with their solutions."""
    if not chapter:
        raise CourseError("Say which chapter, as in CHAPTER=temperature.")
    known = sorted(path.stem for path in exercises.glob("*.ipynb"))
    if chapter not in known:
        there = ", ".join(known) or "none yet"
        raise CourseError(f"No exercises for a chapter {chapter!r}; there are: {there}.")
    return exercises / f"{chapter}.ipynb"


def handed_out(chapter: str, course: Path, exercises: Path = EXERCISES) -> Path:
    """Return what a chapter is graded by: the version in the course folder, if there is one."""
    own = course / "source" / chapter / f"{chapter}.ipynb"
    return own if own.is_file() else source_of(chapter, exercises)


def slot(course: Path, chapter: str) -> Path:
    """Return the file in which an instructor writes the due date."""
    return course / "assignments" / f"{chapter}.toml"


def due(course: Path, chapter: str) -> str | None:
    """Return the due date with its time zone, in ISO format, or None if none is set."""
    place = slot(course, chapter)
    if not place.exists():
        return None
    try:
        text = str(tomllib.loads(place.read_text()).get("due", ""))
        when = datetime.fromisoformat(text) if text else None
    except ValueError as error:
        raise CourseError(f"{place}: {error}.") from error
    if when is not None and when.tzinfo is None:
        raise CourseError(
            f'{place}: due = "{text}" has no time zone; add one, as in "{text}+01:00".'
        )
    return when.isoformat() if when else None
