"""What a page weighs: requests, bytes, time to load, beside a stock page with one slider.

Each page is loaded in headless Chromium with its processor slowed four times. Bytes are counted
compressed (gzip, level 6) and raw; scripts inline in a page count as scripts. MathJax, which a
stock page asks of another host, is left out on both sides (our formulas need no script).
"""

import gzip
import re
import statistics
import sys
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "site"), str(ROOT / "scripts")]

import record  # noqa: E402
import stock_page  # noqa: E402
from browser import ADVICE, ARGUMENTS, find_chromium  # noqa: E402
from pages import page_names  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

SLOWED = 4
REPEATS = 5
INLINE = re.compile(rb"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>(.*?)</script>", re.S)
# Blocked: what the tasks longer than 50 ms take beyond those 50 ms, as browsers count it.
WATCH = """
window.seen = {blocked: 0, shift: 0};
new PerformanceObserver(l => l.getEntries().forEach(e => seen.blocked += e.duration - 50))
  .observe({type: 'longtask', buffered: true});
new PerformanceObserver(l => l.getEntries().forEach(e => seen.shift += e.value))
  .observe({type: 'layout-shift', buffered: true});
"""


class Quiet(SimpleHTTPRequestHandler):
    """Serve files without a line in the log for each."""

    def log_message(self, *arguments):
        """Say nothing."""


def serve(folder: Path) -> str:
    """Serve a folder; return its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def small(body: bytes) -> int:
    """Size after compression."""
    return len(gzip.compress(body, 6))


def load(browser, url: str, scripts: dict[str, Path], width: int) -> dict:
    """Load a page once; return what it sent, how long it took and what moved."""
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        context.add_init_script(WATCH)
        served, answers = [], []

        def outside(route):
            address = route.request.url
            local = next(
                (path for stem, path in scripts.items() if stem in address.rsplit("/", 1)[1]), None
            )
            if local is None:
                route.abort()
            else:
                served.append(("script", local.read_bytes()))
                route.fulfill(path=local, content_type="text/javascript")

        here = url.split("/", 3)[2]
        context.route(lambda address: here not in address and address.startswith("http"), outside)
        page = context.new_page()
        page.on("response", lambda r: answers.append(r) if here in r.url and r.ok else None)
        context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
        page.goto(url, wait_until="networkidle")
        page.wait_for_timeout(500)
        served += [(r.request.resource_type, r.body()) for r in answers]
        seen = page.evaluate("seen")
        loaded = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    inline = [
        body for kind, document in served if kind == "document" for body in INLINE.findall(document)
    ]
    code = [body for kind, body in served if kind == "script"]
    return {
        "requests": len(served),
        "script_kB": (sum(map(small, code)) + (small(b"\n".join(inline)) if inline else 0)) / 1e3,
        "script_raw_kB": sum(map(len, code + inline)) / 1e3,
        "total_kB": sum(small(body) for _, body in served) / 1e3,
        "load_ms": loaded,
        "blocked_ms": seen["blocked"],
        "layout_shift": seen["shift"],
    }


def measure(browser, name: str, url: str, scripts: dict[str, Path]) -> dict:
    """Median over several loads on a desktop; the worst layout shift there and on a phone."""
    runs = [load(browser, url, scripts, 1280) for _ in range(REPEATS)]
    phone = [load(browser, url, scripts, 390) for _ in range(2)]
    row = {key: round(statistics.median(run[key] for run in runs), 1) for key in runs[0]}
    row["requests"] = int(row["requests"])
    row["layout_shift"] = round(max(run["layout_shift"] for run in runs + phone), 4)
    return {"page": name, **row}


def table(rows: list[dict]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| page | requests | script, compressed | script, raw | all, compressed | loaded "
        "| blocked | layout shift |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for r in rows:
        cells = [r["page"], r["requests"]]
        cells += [f"{r[k]:.0f} kB" for k in ("script_kB", "script_raw_kB", "total_kB")]
        cells += [f"{r[k]:.0f} ms" for k in ("load_ms", "blocked_ms")]
        lines.append(f"| {' | '.join(map(str, cells))} | {r['layout_shift']:.3f} |")
    return "\n".join(lines)


def write_readme(text: str) -> None:
    """Put the table into the README, between its two marks."""
    path = ROOT / "README.md"
    marks = "<!-- page weight -->", "<!-- end of page weight -->"
    before, _, rest = path.read_text("utf-8").partition(marks[0])
    _, _, after = rest.partition(marks[1])
    path.write_text(f"{before}{marks[0]}\n{text}\n{marks[1]}{after}", "utf-8")


def main() -> None:
    """Measure all pages of the book and a stock page; save, print, and update the README."""
    chromium = find_chromium() or sys.exit(ADVICE)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        folder = Path(folder)
        scripts = stock_page.fetch_scripts(folder)
        book = folder / "book"
        book.mkdir()
        stock = serve(stock_page.build(book))
        ours = serve(ROOT / "_build" / "html")
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        rows = [measure(browser, "stock page with one slider", f"{stock}/slider.html", scripts)]
        rows += [measure(browser, name, f"{ours}/{name}", {}) for name in page_names()]
        browser.close()
    text = table(rows)
    print(text)
    path = record.save(
        "page_weight",
        rows,
        packages=["jupyter-book", "sphinx-book-theme", "ipywidgets"],
        browser=record.browser_version(chromium),
        processor_slowed=SLOWED,
        npm=[stock_page.MANAGER, stock_page.LOADER],
    )
    write_readme(text)
    print(f"saved in {path.relative_to(ROOT)}, and in README.md")


if __name__ == "__main__":
    main()
