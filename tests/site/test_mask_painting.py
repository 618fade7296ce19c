"""The figure of masks is painted by keyboard, by mouse and by finger."""

import pytest
from test_figures import BARE, assert_numbers_equal

from attnbook import figures


@pytest.fixture(params=[False, True], ids=["mouse", "finger"])
def painter(browser, tmp_path, request):
    """A mask of 4 queries by 6 keys without paint, alone on a page."""
    figure = figures.MaskPainter(flips=[])
    path = tmp_path / "figure.html"
    style = figures.style_text()
    path.write_text(
        BARE.format(style=style, html=figure.html(), module=figure._esm, name=figure.name), "utf-8"
    )
    with browser.new_context(has_touch=request.param, reduced_motion="reduce") as context:
        page = context.new_page()
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(path.as_uri())
        page.touch = request.param
        yield page
        assert problems == []


def flips(page):
    place = page.locator(".ab-figure")
    assert_numbers_equal(place)
    return place.evaluate("n => n.abModel.state.flips")


def cell(page, at):
    return page.locator("[aria-label^='Mask'] [data-at='" + at + "']")


def test_arrow_keys_move_and_space_paints(painter):
    grid = painter.locator("[aria-label^='Mask']")
    grid.focus()
    for key in ("ArrowDown", "ArrowRight", "Space"):
        painter.keyboard.press(key)
    assert flips(painter) == [[1, 1]]
    # The grid keeps the focus and its place, and says what it has done.
    said = painter.locator(".ab-said")
    assert said.text_content() == "query 1 at position 3, key 1: may not attend"
    for key in ("ArrowUp", *["ArrowRight"] * 9, "Enter"):
        painter.keyboard.press(key)
    assert flips(painter) == [[1, 1], [0, 5]]
    assert said.text_content() == "query 0 at position 2, key 5: may attend, a leak"
    painter.keyboard.press("Space")
    assert flips(painter) == [[1, 1]]


def test_a_pointer_paints(painter):
    if painter.touch:
        cell(painter, "2,3").tap()
        assert flips(painter) == [[2, 3]]
        return
    cell(painter, "2,3").hover()
    painter.mouse.down()
    cell(painter, "2,2").hover()
    cell(painter, "2,1").hover()
    painter.mouse.up()
    cell(painter, "1,1").hover()  # no button held: no paint
    assert flips(painter) == [[2, 3], [2, 2], [2, 1]]
