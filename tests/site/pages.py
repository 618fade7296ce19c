"""The pages of the built site, and a way to watch one while it loads."""

import contextlib
from pathlib import Path

import build_site

INDEX = build_site.INDEX
#: Sphinx writes these for itself; no reader is sent there.
NOT_FOR_READERS = {"genindex.html"}


def page_names() -> list[str]:
    """The pages that the table of contents names, and the search page: known before any build."""
    contents = (build_site.ROOT / "_toc.yml").read_text("utf-8")
    named = [line.split("file:")[1].strip() for line in contents.splitlines() if "file:" in line]
    return ["index.html", *(f"{name}.html" for name in named), "search.html"]


@contextlib.contextmanager
def watched(browser, *, theme="light", width=1280, javascript=True):
    """A page in a context of its own, with lists of what went wrong and what was asked for."""
    with browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=theme,
        java_script_enabled=javascript,
        reduced_motion="reduce",
    ) as context:
        if javascript:
            context.add_init_script(
                f"for (const name of ['mode', 'theme']) try {{ localStorage[name] = '{theme}' }}"
                " catch { /* storage may be closed to a file */ }"
            )
        page = context.new_page()
        page.problems, page.requested = [], []
        page.on(
            "console",
            lambda m: page.problems.append(m.text) if m.type in {"error", "warning"} else None,
        )
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("requestfailed", lambda request: page.problems.append(f"failed: {request.url}"))
        page.on("request", lambda request: page.requested.append(request.url))
        page.on(
            "response",
            lambda r: page.problems.append(f"{r.status}: {r.url}") if r.status >= 400 else None,
        )
        yield page


def awake(page) -> None:
    """Wait until each figure of the page has come to life, and left no still picture behind."""
    page.wait_for_function("document.querySelectorAll('.ab-figure > .ab-static').length === 0")


def file_address(site: Path, name: str) -> str:
    """The address of a page for a reader who double-clicked the file."""
    return (site / name).as_uri()
