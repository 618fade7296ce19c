"""Every page: quiet, self-contained, accessible, readable on a phone and without JavaScript."""

from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from pages import awake, file_address, page_names, watched

NAMES = page_names()
# The search page has nothing to read without JavaScript, and no article.
articles = pytest.mark.parametrize("name", [name for name in NAMES if name != "search.html"])
every_page = pytest.mark.parametrize("name", NAMES)


@every_page
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_page_over_http(browser, site_url, name, theme):
    """No console error, no request to another host; axe finds nothing serious."""
    with watched(browser, theme=theme) as page:
        page.goto(f"{site_url}/{name}", wait_until="networkidle")
        awake(page)
        assert page.problems == []
        assert [
            url for url in page.requested if not url.startswith((site_url, "data:", "blob:"))
        ] == []
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        found = [
            f"{finding['id']}: {[(n['target'], n['failureSummary']) for n in finding['nodes']]}"
            for finding in Axe().run(page).response["violations"]
            if finding["impact"] in {"serious", "critical"}
        ]
        assert found == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_link_past_the_contents_can_be_read(browser, site_url, theme):
    """It is the first thing that the keyboard reaches, and out of sight until then."""
    with watched(browser, theme=theme) as page:
        page.goto(f"{site_url}/index.html", wait_until="networkidle")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to main content"
        page.wait_for_function("document.activeElement.getBoundingClientRect().top >= 0")
        rules = {"runOnly": ["color-contrast"]}
        found = Axe().run(page, context="#pst-skip-link", options=rules).response
        assert (len(found["passes"]), found["violations"], found["incomplete"]) == (1, [], [])


@every_page
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_page_from_a_file(browser, site, name, theme):
    """The same from a double-clicked file: nothing is blocked, nothing is asked of any host."""
    with watched(browser, theme=theme) as page:
        page.goto(file_address(site, name), wait_until="load")
        awake(page)
        assert page.problems == []
        assert [
            url for url in page.requested if not url.startswith(("file:", "data:", "blob:"))
        ] == []


@every_page
def test_page_on_a_phone(browser, site_url, name):
    """At 390 px nothing makes the page scroll sideways."""
    with watched(browser, width=390) as page:
        page.goto(f"{site_url}/{name}", wait_until="networkidle")
        awake(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


@articles
def test_page_without_javascript(browser, site_url, name):
    """Without JavaScript the text, the formulas and a picture of each figure are there."""
    with watched(browser, javascript=False) as page:
        page.goto(f"{site_url}/{name}")
        assert page.locator("article h1").first.is_visible()
        figures = page.locator(".ab-figure")
        for i in range(figures.count()):
            picture = figures.nth(i).locator(".ab-static svg")
            assert picture.is_visible()
            assert picture.bounding_box()["height"] > 100
            assert len(picture.get_attribute("aria-label")) > 40


def soup(site, name):
    return BeautifulSoup((site / name).read_text("utf-8"), "html.parser")


@every_page
def test_links_and_anchors(site, name):
    """Every link within the book leads to a page, and every anchor to a place on it."""
    dead = []
    for link in soup(site, name).select("a[href]"):
        address, fragment = urldefrag(link["href"])
        if urlsplit(address).scheme:
            continue
        path = unquote(urlsplit(urljoin(f"/{name}", address)).path).lstrip("/") if address else name
        if not (site / path).is_file() or (
            fragment and path.endswith(".html") and not soup(site, path).find(id=unquote(fragment))
        ):
            dead.append(link["href"])
    assert dead == []


@every_page
def test_pictures_have_text(site, name):
    """Each image says in words what is to be seen, and each figure's id stands once."""
    page = soup(site, name)
    missing = [
        str(i)[:120] for i in page.select("article img") if len(i.get("alt", "").strip()) < 10
    ]
    missing += [
        str(i)[:120]
        for i in page.select('article svg[role="img"]')
        if len(i.get("aria-label", "").strip()) < 20
    ]
    assert missing == []
    ids = [e["id"] for e in page.select("[id]")]
    assert sorted({i for i in ids if ids.count(i) > 1}) == []


@articles
def test_mathematics_is_set(site, name):
    """Formulas are MathML: no TeX is left in the text, and each formula carries its source."""
    page = soup(site, name)
    article = page.select_one("article")
    for code in article.select("pre, code, script, style, math"):
        code.extract()
    left = [
        word for word in ("\\frac", "\\mathbf", "\\sum", "\\alpha", "$$") if word in article.text
    ]
    assert left == []
    if name.startswith(("chapters/lookup", "notation")):
        formulas = soup(site, name).select("article math")
        assert len(formulas) > 5
        assert all(formula.get("alttext") for formula in formulas)


def test_every_chapter_is_a_page(site):
    """The table of contents names each chapter in the repository, and each is built."""
    assert {"chapters/lookup/dictionary.html", "chapters/lookup/temperature.html"} <= set(NAMES)
    assert [name for name in NAMES if not (site / name).is_file()] == []
