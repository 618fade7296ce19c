"""Find one notebook for each student in a folder of submissions.

Three ways to hand in are understood, also mixed::

    folder/ann.ipynb                              one file for each student
    folder/ann/temperature.ipynb                  one folder for each student
    folder/ann/temperature/temperature.ipynb      what nbgrader collects
"""

from dataclasses import dataclass
from pathlib import Path

IGNORED = {".ipynb_checkpoints", "__MACOSX"}


class NoSubmissionsError(Exception):
    """There is nothing to grade; the message says where it was looked for."""


@dataclass(frozen=True)
class Submission:
    """What one student handed in: a notebook, or the reason why there is none."""

    student: str
    notebook: Path | None
    problem: str = ""
    handed_in: str = ""  # nbgrader's timestamp.txt, if there is one


def find(folder: Path, chapter: str) -> list[Submission]:
    """Return the submissions in a folder, by the names of the students."""
    if not folder.is_dir():
        raise NoSubmissionsError(f"SUBMISSIONS={folder} is not a folder.")
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in IGNORED:
            continue
        if path.is_symlink():
            found.append(Submission(path.name, None, f"{path.name} is a link, not a submission"))
        elif path.is_dir():
            found.append(of_folder(path, chapter))
        elif path.suffix == ".ipynb":
            found.append(Submission(path.stem, path))
        else:  # better one line too many than a submission lost
            found.append(Submission(path.name, None, f"{path.name} is not a notebook"))
    names = [submission.student for submission in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise NoSubmissionsError(
            f"{', '.join(twice)}: both a file and a folder of that name; keep one of the two."
        )
    if not found:
        raise NoSubmissionsError(
            f"No submissions in {folder}: put one notebook NAME.ipynb, "
            f"or one folder NAME/{chapter}.ipynb, for each student there."
        )
    return found


def of_folder(path: Path, chapter: str) -> Submission:
    """Return what lies in one student's folder."""
    name = f"{chapter}.ipynb"
    for place in (path / name, path / chapter / name):
        if place.exists():
            stamp = place.with_name("timestamp.txt")
            plain = stamp.is_file() and not stamp.is_symlink() and stamp.stat().st_size < 100
            time = stamp.read_text(errors="replace").strip() if plain else ""
            return Submission(path.name, place, handed_in=time)
    others = sorted(
        other.name for other in path.rglob("*.ipynb") if IGNORED.isdisjoint(other.parts)
    )
    there = (
        f"found {', '.join(others[:3])}: rename the right one" if others else "no notebook at all"
    )
    return Submission(path.name, None, f"no {name} in the folder ({there})")
