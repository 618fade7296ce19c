"""Every live figure on the page: its numbers are the library's, by keyboard and by pointer."""

import json
import math
import sys
from pathlib import Path

import build_site
import pytest
from pages import awake, file_address, page_names, watched

from attnbook import figures

sys.path.append(str(Path(__file__).parent / "example_figure"))
from share import Share

CLASSES = {
    cls.name: cls for cls in vars(figures).values() if isinstance(cls, type) and "name" in vars(cls)
}
CLASSES[Share.name] = Share
BARE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>figure</title>
<meta name="viewport" content="width=device-width"><style>{style} body {{ margin: 16px }}</style>
<main>{html}</main><script type="module">{module}
mount("{name}", render);</script></html>"""
PARSE = "n => JSON.parse(n.querySelector('.ab-live').dataset.numbers)"


def close(python, page) -> bool:
    """Equal to 1e-6, through lists and dictionaries; "inf" stands for infinity."""
    if isinstance(python, dict):
        return python.keys() == page.keys() and all(close(v, page[k]) for k, v in python.items())
    if isinstance(python, list):
        return len(python) == len(page) and all(map(close, python, page))
    if isinstance(python, float):
        page = math.inf if page == "inf" else page
        return isinstance(page, int | float) and (python == page or abs(python - page) < 1e-6)
    return python == page


def figure_from_page(place):
    """The Python figure in the state that the figure on the page has now."""
    name = place.get_attribute("data-figure")
    state = place.evaluate("n => n.abModel.state")
    cls = CLASSES[name]
    from_json = {n: getattr(cls, n).metadata.get("from_json") for n in state}
    return cls(**{n: from_json[n](v, None) if from_json[n] else v for n, v in state.items()})


def assert_numbers_equal(place):
    """What the page shows is what the library computes for the same state."""
    figure = figure_from_page(place)
    expected, shown = figure.numbers(), place.evaluate(PARSE)
    assert close(expected, shown), f"{figure!r}: attnbook {expected}, page {shown}"


@pytest.fixture(scope="module")
def bare(browser, tmp_path_factory):
    """Open one figure alone on a page."""
    with watched(browser) as page:

        def open_figure(figure):
            path = tmp_path_factory.mktemp("figure") / "figure.html"
            module, style = figure._esm, figures.style_text()
            path.write_text(
                BARE.format(style=style, html=figure.html(), module=module, name=figure.name),
                "utf-8",
            )
            page.goto(path.as_uri())
            return page.locator(".ab-figure")

        yield open_figure
        assert page.problems == []


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_numbers_of_example_states(bare, name):
    """In its telling states, limits included, each figure's numbers equal the library's."""
    examples = CLASSES[name].examples
    assert len(examples) >= 3
    for state in examples:
        assert_numbers_equal(bare(CLASSES[name](**state)))


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_repr_and_html_do_not_change(name):
    """The same figure shows the same text twice: no address, no random number."""
    state = CLASSES[name].examples[0]
    one, two = CLASSES[name](**state), CLASSES[name](**state)
    assert repr(one) == repr(two)
    assert " at 0x" not in repr(one)
    assert one.html() == one.html() == two.html()


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_phone_holds_the_figure(browser, tmp_path, name):
    """At 390 px nothing of the figure is out of reach, and nothing of it is too small to touch."""
    figure = CLASSES[name](**CLASSES[name].examples[0])
    path = tmp_path / "figure.html"
    style = figures.style_text()
    path.write_text(
        BARE.format(style=style, html=figure.html(), module=figure._esm, name=name), "utf-8"
    )
    with watched(browser, width=390) as page:
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        for opener in page.locator("summary").all():
            opener.click()
        for control in page.locator("button, select, input[type=range], summary").all():
            assert control.bounding_box()["height"] >= 44


def has_a_figure(name):
    """Whether the source of this page makes a figure."""
    source = next(build_site.ROOT.glob(name.replace(".html", ".[im]*")), None)  # .ipynb, .md
    text = source.read_text("utf-8") if source else ""
    return "attnbook.figures import" in text or "{live-figure}" in text


#: The pages that show a figure.
WITH_FIGURES = [name for name in page_names() if has_a_figure(name)]


@pytest.fixture(scope="module", params=WITH_FIGURES)
def living(browser, site, request):
    """A page with figures, from a file."""
    with watched(browser) as page:
        page.goto(file_address(site, request.param))
        awake(page)
        yield page
        assert page.problems == []


def test_the_example_for_authors_is_short():
    """The page for authors promises a figure in under 60 lines of code."""
    lines = [
        line
        for name in ("share.py", "share.js")
        for line in (Path(__file__).parent / "example_figure" / name)
        .read_text("utf-8")
        .splitlines()
    ]
    assert len([line for line in lines if line.strip()]) < 60


def each_figure(page):
    found = page.locator(".ab-figure")
    assert found.count() > 0
    return [found.nth(i) for i in range(found.count())]


def test_every_control_by_keyboard(living):
    """Each native control moves by keyboard, and the numbers follow and stay right."""
    for place in each_figure(living):
        for opener in place.locator("summary").all():
            opener.click()
        for control in place.locator("input, select").all():
            control.focus()
            before = place.evaluate("n => JSON.stringify(n.abModel.state)")
            kind = control.get_attribute("type") or "select"
            for key in {
                "range": ["ArrowRight", "End", "Home"],
                "checkbox": ["Space"],
                "select": ["ArrowDown"],
            }[kind]:
                control.press(key)
                assert_numbers_equal(place)
            if kind != "range":
                assert place.evaluate("n => JSON.stringify(n.abModel.state)") != before
        place.locator("button", has_text="Reset").click()
        assert place.evaluate("n => n.abModel.state") == json.loads(
            place.get_attribute("data-state")
        )


def test_every_handle_by_keyboard_and_pointer(living):
    """Each handle moves with the arrow keys and under the pointer, and the numbers stay right."""
    for place in each_figure(living):
        place.scroll_into_view_if_needed()
        for handle in place.locator("[data-handle]").all():
            before = place.evaluate("n => JSON.stringify(n.abModel.state)")
            handle.focus()
            for key in ("ArrowRight", "ArrowUp", "Shift+ArrowLeft", "ArrowDown"):
                handle.press(key)
            assert handle.evaluate("n => n === document.activeElement")
            assert handle.get_attribute("aria-label")
            assert handle.get_attribute("aria-valuetext")
            by_keys = place.evaluate("n => JSON.stringify(n.abModel.state)")
            assert by_keys != before, (
                f"{handle.get_attribute('data-handle')} does not move by keyboard"
            )
            assert_numbers_equal(place)
            handle.scroll_into_view_if_needed()
            box = handle.locator(".ab-hit").bounding_box()
            assert box["width"] >= 43, "a hit area is smaller than 44 px"
            # Where handles overlap, the upper one takes the pointer: bring this one up.
            handle.evaluate("n => n.parentNode.append(n)")
            living.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            living.mouse.down()
            living.mouse.move(box["x"] + 30, box["y"] + 5, steps=4)
            living.mouse.up()
            assert place.evaluate("n => JSON.stringify(n.abModel.state)") != by_keys, "no drag"
            assert_numbers_equal(place)
        place.locator("button", has_text="Reset").click()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", WITH_FIGURES)
def test_nothing_shifts_when_a_figure_wakes(browser, site, name, width):
    """The room kept before a figure wakes is the room that it takes."""
    with watched(browser, width=width) as page:
        page.goto(file_address(site, name))
        awake(page)
        for place in each_figure(page):
            kept = place.evaluate("n => parseFloat(getComputedStyle(n).minHeight)")
            height = place.locator(".ab-live").bounding_box()["height"]
            shown = (
                f"{place.get_attribute('data-figure')}: {height:.0f} px tall, {kept:.0f} px kept"
            )
            assert kept - 40 <= height <= kept, shown


def test_presets_and_links_in_the_text(living):
    """Each preset and each link of the text sets its figure, and the numbers are right."""
    for place in each_figure(living):
        for button in place.locator(".ab-presets button").all():
            button.click()
            assert_numbers_equal(place)
    for link in living.locator("a[data-set]").all():
        place = living.locator(link.get_attribute("href"))
        assert place.count() == 1, "a link in the text sets no figure"
        wanted = json.loads(link.get_attribute("data-set"))
        link.click()
        state = place.evaluate("n => n.abModel.state")
        assert {n: state[n] for n in wanted} == wanted
        assert_numbers_equal(place)


def test_readouts_are_text(living):
    """What a figure says is text, told to screen readers when it changes."""
    for place in each_figure(living):
        outputs = place.locator("output")
        assert outputs.count() > 0
        assert all(words.strip() for words in outputs.all_text_contents())
        assert place.locator("[aria-live=polite]").count() >= 1
        assert place.locator(".ab-title").text_content().strip()
