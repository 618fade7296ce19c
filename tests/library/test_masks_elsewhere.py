"""What the chapter on masking says of other libraries is what those libraries do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

HERE = Path(__file__).resolve().parent
CHAPTER = HERE.parent.parent / "chapters/transformer/masking.ipynb"
PYTHON = Path(sys.prefix, "elsewhere", "bin", "python")
RESULT = {"0": "0", "mean": "mean of all values"}


@pytest.fixture(scope="module")
def found():
    """What the libraries were seen to do, in an environment of their own."""
    if not PYTHON.is_file():
        assert not os.environ.get("CI"), "`make elsewhere` has not run"
        pytest.skip("`make elsewhere` installs JAX, Keras and Transformers")
    run = subprocess.run(
        [PYTHON, HERE / "masks_elsewhere.py"],
        env={**os.environ, "PYTHONPATH": str(HERE.parent.parent), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def table():
    """The lines of the chapter's second table, as lists of cells."""
    cells = nbformat.read(CHAPTER, as_version=4).cells
    (text,) = (cell.source for cell in cells if "| JAX" in cell.source)
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return {line.split()[1]: [part.strip() for part in line.split("|")[1:-1]] for line in lines[1:]}


@pytest.mark.parametrize("name", ["JAX", "Keras", "Transformers"])
def test_the_chapter_names_the_versions(found, table, name):
    assert table[name][0].startswith(f"{name} {found['versions'][name.lower()]} ")


@pytest.mark.parametrize(
    ("name", "plain", "other"),
    [
        ("JAX", "jax", None),
        ("Keras", "keras", "keras, scores"),
        ("Transformers", "transformers, eager", "transformers, sdpa"),
    ],
)
def test_true_and_an_empty_row(found, table, name, plain, other):
    """One meaning only fits, and the row of a query that may attend to nothing is as written."""
    _, means, empty = table[name]
    assert means.endswith("attend")
    for key in filter(None, (plain, other)):
        assert found[key]["true"] == ["keep"], key
    (first,) = found[plain]["empty"]
    assert empty.split(";")[0].startswith(RESULT[first])
    if other:
        (second,) = found[other]["empty"]
        assert empty.split("; ")[1].startswith(f"{RESULT[second]} with")


@pytest.mark.parametrize("name", ["jax", "keras"])
def test_their_causal_masks_align_to_the_upper_left(found, name):
    assert found[name]["corner"] == ["upper left"]
