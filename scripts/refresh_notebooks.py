"""Run notebooks from top to bottom in a fresh kernel, and store their outputs without noise.

With --check, run nothing: list every problem of the stored notebooks, with file and cell.
Without paths, take every notebook of chapters/ and exercises/.
"""

import argparse
import ast
import os
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
KEPT = {"tags", "nbgrader", "attnbook"}  # metadata of a cell: the last two are the exercises'
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"  # holds a random id
MAX_BYTES = 1_500_000
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:home|root|tmp|work|Users)/[^\s'\"<>)]*")


# ---------------------------------------------------------------------------- running, cleaning


def execute(notebook, folder):
    """Run every cell, in place. Raises CellExecutionError when one fails."""
    NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=600,
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        skip_cells_with_tag="skip-execution",
        extra_arguments=["--log-level=ERROR"],  # no advice from the kernel on this terminal
        resources={"metadata": {"path": str(folder)}},
    ).execute()


def clean(notebook):
    """Remove, in place, all that changes from run to run or from editor to editor."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k in KEPT})
        if cell.cell_type != "code":
            continue
        cell.execution_count = None
        kept = []
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = None
            if "data" in output:
                output.data.pop(WIDGET_VIEW, None)
                if not output.data:
                    continue
            progress_bar = output.get("name") == "stderr" and "progress" in tags(cell)
            if not progress_bar:
                kept.append(output)
        cell.outputs = kept


def as_text(notebook):
    """The notebook as it should stand on disk."""
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def refresh(path):
    """Run and clean one notebook; write it if all went well. Returns the problems."""
    notebook = nbformat.read(path, as_version=4)
    try:
        execute(notebook, path.parent)
    except Exception as error:  # a failing cell, a dead kernel, a timeout
        return [f"{path}: {error}"]
    clean(notebook)
    text = as_text(notebook)
    found = problems(text, path)
    if not found:
        path.write_text(text, encoding="utf-8", newline="\n")
    return found


# ------------------------------------------------------------------------------------- checking


def tags(cell):
    return cell.metadata.get("tags", [])


def texts(output):
    """The output's readable text; pictures are left out."""
    yield output.get("text", "")
    for mime, data in output.get("data", {}).items():
        if not mime.startswith("image/") or mime == "image/svg+xml":
            yield str(data)


def is_print(node):
    """Whether a statement prints to stdout."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and getattr(node.value.func, "id", None) == "print"
        and not any(keyword.arg == "file" for keyword in node.value.keywords)
    )


def order_problems(cell):
    """Compare what the code of a cell must show with what is stored under it."""
    try:
        body = ast.parse(cell.source).body
    except SyntaxError:  # an IPython magic: nothing can be said
        return
    results = [o for o in cell.outputs if o.output_type == "execute_result"]
    printed = any(o.get("name") == "stdout" for o in cell.outputs)
    if any(is_print(node) for node in body) and not printed:
        yield "prints, but no text is stored"
    last = body[-1] if body else None
    shows = isinstance(last, ast.Expr) and not cell.source.rstrip().endswith(";")
    # What a call returns cannot be seen from here: it may well be None.
    if shows and not isinstance(last.value, ast.Call) and not results:
        yield "ends in an expression, but its value is not stored"
    if (results and not shows) or len(results) > 1:
        yield "holds the value of an expression that it does not have"


def cell_problems(cell):
    """Yield what is wrong with one cell."""
    noise = sorted(set(cell.metadata) - KEPT)
    if noise:
        yield f"metadata other than tags: {', '.join(noise)}"
    if "id" not in cell:
        yield "has no id"
    found = {match[0] for match in MACHINE_PATH.finditer(cell.source)}
    if cell.cell_type == "code":
        if cell.execution_count is not None:
            yield "has an execution count"
        for output in cell.outputs:
            if output.get("execution_count") is not None:
                yield "has an output with an execution count"
            if output.output_type == "error":
                yield f"stopped with {output.ename}: {output.evalue}"
            if output.get("name") == "stderr":
                yield f"writes to stderr: {output.text.strip()[:200]!r}"
            if WIDGET_VIEW in output.get("data", {}):
                yield "has a widget view"
            for text in texts(output):
                found |= {match[0] for match in MACHINE_PATH.finditer(text)}
        if "skip-execution" not in tags(cell):
            yield from order_problems(cell)
    for path in sorted(found):
        yield f"names a path of one machine: {path}"


def problems(text, path="notebook"):
    """List every problem of a notebook's text, each with file and cell."""
    with suppress(ValueError):  # a notebook outside the book keeps its path
        path = Path(path).resolve().relative_to(ROOT)
    notebook = nbformat.reads(text, as_version=4)
    found = []
    if len(text.encode()) > MAX_BYTES:
        found.append(f"{path}: larger than {MAX_BYTES / 1e6} MB")
    if "widgets" in notebook.metadata:
        found.append(f"{path}: has widget state in its metadata")
    elif notebook.metadata != METADATA:
        found.append(f"{path}: its metadata are not {METADATA}")
    for number, cell in enumerate(notebook.cells):
        found += [f"{path}, cell {number}: {problem}" for problem in cell_problems(cell)]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    calls = any("(" in cell.source for cell in code)
    if calls and not any(cell.outputs for cell in code):
        found.append(f"{path}: no cell has an output")
    if not found and text != as_text(notebook):
        found.append(f"{path}: not laid out as nbformat writes it")
    return found


def check(path):
    return problems(path.read_bytes().decode("utf-8"), path)


def all_notebooks():
    """Every notebook of the book, in the order of its path."""
    found = [p for folder in ("chapters", "exercises") for p in (ROOT / folder).rglob("*.ipynb")]
    return sorted(p for p in found if ".ipynb_checkpoints" not in p.parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="run nothing, list the problems")
    parser.add_argument("paths", nargs="*", type=Path, help="notebooks (default: all)")
    arguments = parser.parse_args()
    paths = arguments.paths or all_notebooks()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the tests run them, see the Makefile
    count = 0
    with ProcessPoolExecutor(2) as pool:
        work = map(check, paths) if arguments.check else pool.map(refresh, paths)
        for path, found in zip(paths, work, strict=True):
            if not arguments.check:
                print(f"{path}: {'not changed' if found else 'refreshed'}", flush=True)
            for problem in found:
                print(problem, file=sys.stderr)
            count += len(found)
    if count and arguments.check:
        print("Most of this is put right by: make notebooks", file=sys.stderr)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
