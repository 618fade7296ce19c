"""Make a submission fit its assignment again, before nbgrader sees it.

Students delete cells, copy them, and change what they should not. nbgrader trips over some of that
and trusts some of it. Here each cell of the assignment gets back its place and its metadata; what
the student wrote stays; and whatever was unusual is told to the person who grades.
"""

import re
from copy import deepcopy

import nbformat
from nbformat import NotebookNode

LARGEST = 20_000_000  # bytes; a notebook of exercises has some ten thousand

# What no exercise needs, and what most tricks on a grader in the same process do.
REACHES = re.compile(
    r"attnbook\.checks|get_ipython|IPython\.core|ipykernel|sys\.modules|settrace|setprofile|ctypes"
    r"|_getframe|f_back|f_locals|__globals__|__subclasses__|gc\.get_\w+|inspect\.\w+"
)


class NotASubmissionError(ValueError):
    """This file cannot be graded at all; the message says why."""


def read(path) -> NotebookNode:
    """Return the notebook in a file that a stranger wrote."""
    if path.is_symlink() or not path.is_file():
        raise NotASubmissionError(f"{path.name} is not a regular file")
    if path.stat().st_size > LARGEST:
        raise NotASubmissionError(f"{path.name} is larger than {LARGEST // 1_000_000} MB")
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # nbformat raises many kinds of errors for broken files
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise NotASubmissionError(f"{path.name} is not a notebook: {reason}") from error
    return notebook


def grade_id(cell: NotebookNode) -> str | None:
    """Return the name that nbgrader knows a cell by."""
    marks = cell.metadata.get("nbgrader")
    return marks.get("grade_id") if isinstance(marks, dict) else None


def mend(notebook: NotebookNode, release: NotebookNode) -> list[str]:
    """Give `notebook` every cell of `release` back; return what was unusual, in words."""
    ours = {grade_id(cell): cell for cell in release.cells if grade_id(cell)}
    seen = [grade_id(cell) for cell in notebook.cells if grade_id(cell) in ours]
    if not seen:
        raise NotASubmissionError(
            "it has no cell of this assignment: it was not made from the student notebook"
        )
    flags = [
        f"has the cell {name} {seen.count(name)} times; the last one counts"
        for name in ours
        if seen.count(name) > 1
    ]
    order = [name for name in ours if name in seen]
    if list(dict.fromkeys(seen)) != order:
        flags.append("has the cells in another order")
    # Colab and others write metadata of their own: only the assignment's counts.
    notebook.metadata = deepcopy(release.metadata)
    for place, cell in enumerate(notebook.cells):
        name = grade_id(cell)
        if name not in ours:
            cell.metadata = NotebookNode()
            continue
        theirs = ours[name]
        locked = theirs.metadata.nbgrader.get("locked") and not theirs.metadata.nbgrader["solution"]
        if locked and cell.source.strip() != theirs.source.strip():
            flags.append(f"changed the cell {name}, which is not to be edited; it was restored")
        mended = deepcopy(theirs)
        mended.source = cell.source
        mended.id = cell.get("id", mended.get("id"))
        notebook.cells[place] = mended
    return flags + add_missing(notebook, release) + own_words(notebook, release)


def add_missing(notebook: NotebookNode, release: NotebookNode) -> list[str]:
    """Put each cell that was deleted behind the one that it followed."""
    flags, place = [], 0
    for cell in release.cells:
        name = grade_id(cell)
        if not name:
            continue
        places = [at for at, other in enumerate(notebook.cells) if grade_id(other) == name]
        if places:
            place = places[-1] + 1
        else:
            flags.append(f"deleted the cell {name}; it was put back")
            notebook.cells.insert(place, deepcopy(cell))
            place += 1
    return flags


def own_words(notebook: NotebookNode, release: NotebookNode) -> list[str]:
    """Return whether the student's own code reaches for what runs and grades it.

    The files of the graders hold right answers.
    """
    given = {cell.source.strip() for cell in release.cells}
    own = [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.source.strip() not in given
    ]
    text = "\n".join(own).replace("from attnbook.checks import check\n", "")
    found = ", ".join(sorted(set(REACHES.findall(text))))
    return [f"names {found} in code of its own"] if found else []
