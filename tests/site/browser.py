"""Find a Chromium for the tests of the site."""

import os
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",  # Chromium refuses its sandbox to root, as in most containers
    "--disable-gpu",
    # No traffic of its own: the tests count every request.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ADVICE = (
    "The site tests need a browser: install one with 'sudo apt install chromium', "
    "or with '.venv/bin/python -m playwright install chromium', "
    "or name one in the variable CHROMIUM."
)


def find_chromium() -> str | None:
    """Return the path of a Chromium, or None.

    Looked for in this order: the variable CHROMIUM, the usual names on PATH, playwright's own.
    """
    chosen = os.environ.get("CHROMIUM")
    if chosen:
        return shutil.which(chosen)
    for name in NAMES:
        if path := shutil.which(name):
            return path
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None
