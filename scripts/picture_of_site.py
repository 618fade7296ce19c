"""Take the picture of the site that the README shows: the first page, in a browser's window."""

import sys

import build_site

sys.path.append(str(build_site.ROOT / "tests" / "site"))
from browser import ADVICE, ARGUMENTS, find_chromium
from playwright.sync_api import sync_playwright

if __name__ == "__main__":
    chromium = find_chromium() or sys.exit(ADVICE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(build_site.INDEX.as_uri())
        page.screenshot(path=build_site.ROOT / "docs" / "site.png")
        browser.close()
