"""How long a figure works on one input event, at the 95th percentile; the goal is under 8 ms.

Each slider of each live figure is swept from end to end and each handle is dragged. Counted is the
time from the event to the end of the figure's work, layout included, without the browser's paint.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "site"), str(ROOT / "scripts")]

import record  # noqa: E402
from browser import ADVICE, ARGUMENTS, find_chromium  # noqa: E402
from pages import awake, page_names  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

SWEEP = """async (place) => {
  const times = [];
  const timed = async (act) => {
    const begin = performance.now();
    act();
    await Promise.resolve();           // the figure draws in a microtask
    place.getBoundingClientRect();     // and the browser lays out what it drew
    times.push(performance.now() - begin);
    await new Promise(requestAnimationFrame);
  };
  for (const input of place.querySelectorAll('input[type=range]'))
    for (let i = 0; i < 60; i++) await timed(() => {
      input.value = Number(input.min) + (input.max - input.min) * i / 59;
      input.dispatchEvent(new Event('input'));
    });
  for (const handle of place.querySelectorAll('[data-handle]'))
    for (let i = 0; i < 40; i++) await timed(() => handle.dispatchEvent(
      new KeyboardEvent('keydown', {key: i < 20 ? 'ArrowRight' : 'ArrowLeft', bubbles: true})));
  return times;
}"""


def main() -> None:
    """Measure every figure of the built book; save and print."""
    chromium = find_chromium() or sys.exit(ADVICE)
    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page()
        for name in page_names():
            page.goto((ROOT / "_build" / "html" / name).as_uri())
            awake(page)
            for place in page.query_selector_all(".ab-figure"):
                times = sorted(place.evaluate(SWEEP))
                if not times:  # a heatmap, say: nothing in it moves the state
                    continue
                rows.append(
                    {
                        "page": name,
                        "figure": place.get_attribute("data-figure"),
                        "events": len(times),
                        "median_ms": round(times[len(times) // 2], 2),
                        "p95_ms": round(times[int(0.95 * len(times))], 2),
                    }
                )
                print(rows[-1], flush=True)
        browser.close()
    path = record.save("figure_events", rows, packages=[], browser=record.browser_version(chromium))
    print(f"saved in {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
