"""The stored notebooks carry their outputs, in order, and nothing that changes from run to run."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from refresh_notebooks import METADATA, all_notebooks, as_text, check, clean, problems


@pytest.mark.parametrize("path", all_notebooks(), ids=lambda path: path.stem)
def test_notebook_is_clean(path):
    assert check(path) == []


def good():
    """A notebook without a fault, for the tests below to spoil."""
    printed = new_output("stream", name="stdout", text="2\n")
    value = new_output("execute_result", data={"text/plain": "3"})
    cells = [
        new_code_cell("x = 1", id="one"),
        new_code_cell("print(x + 1)", id="two", outputs=[printed]),
        new_code_cell("x + 2", id="three", outputs=[value], metadata={"tags": ["hide-input"]}),
    ]
    return new_notebook(cells=cells, metadata=METADATA)


def test_a_good_notebook_has_no_problem():
    assert problems(as_text(good())) == []


def spoil(number, **changes):
    """Return a function that sets attributes of one cell."""
    return lambda notebook: notebook.cells[number].update(changes)


def shows(**data):
    return [new_output("display_data", data={k.replace("__", "/"): v for k, v in data.items()})]


DEFECTS = {
    "execution count": spoil(0, execution_count=7),
    "an output with an execution count": lambda nb: (
        nb.cells[2].outputs[0].update(execution_count=7)
    ),
    "metadata other than tags: collapsed": spoil(0, metadata={"collapsed": True}),
    "widget state": lambda nb: nb.metadata.update(widgets={"state": {}}),
    "its metadata are not": lambda nb: nb.metadata.language_info.update(version="3.12.1"),
    "widget view": lambda nb: (
        nb.cells[2]
        .outputs[0]
        .data.update({"application/vnd.jupyter.widget-view+json": {"model_id": "1f0e"}})
    ),
    "stopped with ValueError": spoil(
        0, outputs=[new_output("error", ename="ValueError", evalue="no", traceback=[])]
    ),
    "writes to stderr": spoil(0, outputs=[new_output("stream", name="stderr", text="Warning")]),
    "names a path of one machine: /home/ada": spoil(0, outputs=shows(text__plain="'/home/ada/x'")),
    "names a path of one machine: /tmp/x": spoil(0, source="open('/tmp/x')"),
    "cell 1: prints, but no text is stored": spoil(1, outputs=[]),
    "cell 2: ends in an expression": spoil(2, outputs=[]),
    "cell 0: holds the value of": lambda nb: nb.cells[0].update(outputs=nb.cells[2].outputs),
    "no cell has an output": lambda nb: [cell.update(outputs=[]) for cell in nb.cells],
    "larger than 1.5 MB": spoil(0, outputs=shows(image__png="A" * 1_600_000)),
}


@pytest.mark.parametrize("message", DEFECTS)
def test_each_defect_is_found(message):
    notebook = good()
    DEFECTS[message](notebook)
    assert message in "\n".join(problems(as_text(notebook)))


def test_another_layout_is_found():
    text = as_text(good())
    assert "not laid out" in problems(text + "\n")[0]
    assert "not laid out" in problems(text.replace("\n", "\r\n"))[0]


def test_a_base64_picture_is_not_searched_for_paths():
    notebook = good()
    notebook.cells[0].outputs = shows(image__png="+/tmp/AAAA")
    assert problems(as_text(notebook)) == []


def test_clean_removes_noise_and_keeps_the_rest():
    notebook = good()
    for message in ("execution count", "metadata other than tags: collapsed", "widget view"):
        DEFECTS[message](notebook)
    DEFECTS["widget state"](notebook)
    clean(notebook)
    assert as_text(notebook) == as_text(good())


def test_a_progress_bar_is_allowed_where_tagged_and_not_stored():
    notebook = good()
    bar = new_output("stream", name="stderr", text="100%|####| 5/5 [00:01<00:00]")
    notebook.cells[1].outputs.append(bar)
    assert any("stderr" in problem for problem in problems(as_text(notebook)))
    notebook.cells[1].metadata = nbformat.from_dict({"tags": ["progress"]})
    clean(notebook)
    assert problems(as_text(notebook)) == []
