"""Fixtures for the tests of the built site: `site`, `site_url`, `browser`, `page`."""

import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import build_site
import pytest
from browser import ADVICE, ARGUMENTS, find_chromium
from filelock import FileLock
from playwright.sync_api import sync_playwright


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site; built here only when it is missing."""
    # `make test` has built it already. The lock keeps parallel workers from building at once.
    build_site.BUILT.parent.mkdir(exist_ok=True)
    with FileLock(build_site.BUILT.with_suffix(".lock")):
        if not build_site.BUILT.exists() and build_site.build() != 0:
            pytest.fail("the site could not be built: run 'make book'", pytrace=False)
    return build_site.INDEX.parent


class QuietHandler(SimpleHTTPRequestHandler):
    """Serve files without a line in the log for each."""

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="session")
def site_url(site):
    """The address of a local server of the site, without a slash at the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=site))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a browser. Without one: a skip on a reader's machine, a failure in CI."""
    path = find_chromium()
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail(ADVICE, pytrace=False)
        pytest.skip(ADVICE)
    return path


@pytest.fixture(scope="session")
def browser(chromium):
    """A running browser, one for each worker."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A fresh page in a context of its own."""
    with browser.new_context() as context:
        yield context.new_page()
