"""The guide's numbers are the chapters' own, and its plans promise nothing that does not exist."""

import re

import nbformat
import pytest
import yaml
from student_edition import exercises, read, topics

from sphinxext import syllabus

ROOT = syllabus.ROOT
GUIDE = ROOT / "chapters" / "instructors" / "guide.md"


def test_every_chapter_says_what_it_takes():
    assert len(syllabus.pages()) >= 4
    for page in syllabus.pages():
        chapter = syllabus.facts(page)
        assert chapter.outcomes and chapter.prerequisites and 5 <= chapter.minutes <= 120
        if chapter.topic in topics():
            work = exercises(read(chapter.topic))
            assert chapter.points == sum(one.points for one in work) > 0
            assert chapter.exercise_minutes == sum(one.minutes for one in work) > 0
        linked = re.findall(r"\]\(/([^)#]+)\)", chapter.outcomes + chapter.prerequisites)
        assert all((ROOT / path).is_file() for path in linked), linked


def test_a_chapter_without_its_box_is_named(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Bare")])
    nbformat.write(notebook, tmp_path / "bare.ipynb")
    with pytest.raises(ValueError, match=r"bare\.ipynb: the box at the top does not give the"):
        syllabus.facts("bare", tmp_path)


def test_links_of_a_chapter_work_elsewhere():
    text = "[a](b.ipynb), [c](../scale/d.ipynb), [e](https://f.org/g), [h](#i)"
    assert syllabus.links_from_anywhere(text, "chapters/lookup/x") == (
        "[a](/chapters/lookup/b.ipynb), [c](/chapters/scale/d.ipynb), [e](https://f.org/g), [h](#i)"
    )


def test_plans_name_chapters_by_their_topic():
    """A misspelled topic would pass for a planned one: those are few, and written down here."""
    planned = {"hopfield", "turing-machine", "linear", "kv-cache", "paged", "ring"}
    known = {page.rsplit("/", 1)[1] for page in syllabus.pages()}
    plans = re.findall(r"```\{syllabus\}\n(.*?)```", GUIDE.read_text("utf-8"), re.S)
    assert len(plans) == 3
    for line in "\n".join(plans).splitlines():
        if line.strip():
            _, names, _ = line.split("|")
            assert {name.strip() for name in names.split(",")} <= known | planned, line


def test_the_guide_is_in_the_book():
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    files = [one["file"] for part in contents["parts"] for one in part["chapters"]]
    assert GUIDE.relative_to(ROOT).with_suffix("").as_posix() in files
