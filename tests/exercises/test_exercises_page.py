"""On the site: every exercise, its hints, the archive; solutions of practice exercises alone."""

import re

import build_site
import pytest
import student_edition as edition
from bs4 import BeautifulSoup

from sphinxext.exercises import one, solution

TOPICS = edition.topics()
EVERY = [(topic, e) for topic in TOPICS for e in edition.exercises(edition.read(topic))]
every_exercise = pytest.mark.parametrize(
    ("topic", "exercise"), EVERY, ids=[exercise.name for _, exercise in EVERY]
)


@pytest.fixture(scope="module")
def site():
    if not build_site.BUILT.exists():
        pytest.skip("the site is not built: make book")
    return build_site.INDEX.parent


@pytest.fixture(scope="module")
def pages(site):
    """The pages of the chapters that have exercises."""
    found = {path.stem: path for path in site.rglob("chapters/*/*.html") if path.stem in TOPICS}
    assert sorted(found) == TOPICS
    return {t: BeautifulSoup(path.read_text("utf-8"), "html.parser") for t, path in found.items()}


def letters(text):
    """Without white space, which a page may set otherwise."""
    return re.sub(r"\s", "", text)


def code(exercise):
    """The lines of the worked function below its first."""
    return letters(edition.worked(exercise.cells["starter"].source).split("\n", 1)[1])


@every_exercise
def test_the_page_shows_the_exercise(pages, topic, exercise):
    page = pages[topic]
    heading = next(h for h in page.select("section h3") if exercise.name in str(h.parent))
    text = letters(heading.parent.get_text())
    assert letters(exercise.title.replace("`", "")) in text
    hints = exercise.cells["task"].source.count("<summary>")
    titles = [s.get_text(strip=True) for s in heading.parent.select("details > summary")]
    solution = ["Solution"] if exercise.kind == "practice" else []
    assert titles == [f"Hint {i}" for i in range(1, hints + 1)] + solution
    assert f'check("{exercise.name}",{exercise.name})' in text
    assert (code(exercise) in text) == (exercise.kind == "practice")
    if exercise.kind == "practice" and "plot" in exercise.cells:
        assert heading.parent.select("details svg[aria-label]") or "pre" in str(heading.parent)


def test_no_solution_of_an_assignment_is_anywhere_on_the_site(site):
    files = [p for p in site.rglob("*") if p.suffix in {".html", ".js", ".ipynb", ".txt"}]
    texts = []
    for path in files:
        text = path.read_text("utf-8")
        if path.suffix == ".html":
            text = BeautifulSoup(text, "html.parser").get_text()
        texts.append(letters(text.replace("\\n", "\n").replace('\\"', '"')))
    everything = "\n".join(texts)
    for _, exercise in EVERY:
        if exercise.kind == "practice":
            continue
        assert code(exercise) not in everything, exercise.name
        points = exercise.cells["answer"].source.split("**Points.**")[1]
        assert letters(points) not in everything, exercise.name
    for mark in ("HIDDENTESTS", "BEGINSOLUTION", ",show=False).require()"):
        assert mark not in everything


@pytest.mark.parametrize("topic", TOPICS)
def test_the_archive_is_beside_the_page(site, pages, topic):
    link = pages[topic].select_one("#exercises a[download]")
    assert link["href"] == f"../../exercises/{topic}.zip"
    assert (site / "exercises" / f"{topic}.zip").read_bytes() == edition.archive(topic)


@every_exercise
def test_what_the_page_is_made_of(topic, exercise):
    stub = next(
        e
        for e in edition.exercises(edition.student(edition.read(topic)))
        if e.name == exercise.name
    )
    text = one(exercise, stub)
    assert "<details>" not in text and text.count(":class: dropdown") >= 1
    assert ("raise NotImplementedError()" in text) and ("### " not in text)
    assert (solution(exercise) in text) == (exercise.kind == "practice")
