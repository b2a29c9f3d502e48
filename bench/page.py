"""How soon the page is there, and how soon an outcome is on the screen: `python bench/page.py [FOLDER]`.

FOLDER holds the store that `bench/history.py FOLDER` has filled; without one it has a thousand outcomes. Times by the
clock stand beside those of a page of this panel with nothing on it, in the same run: they depend on the machine.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.web.crowd import pour
from tests.web.site import Site, site

LOADS = 9
OUTCOMES = 60
#: What the page is loaded beside: a page without style and script.
BARE = "/health"

_WATCH = """() => {
    window.seen = [];
    const view = document.querySelector(".view");
    new MutationObserver(() => seen.push([Number(view.dataset.seq), Date.now()])).observe(view, { attributes: true });
}"""


def busy_ms(page: Page, url: str, until: str) -> float:
    """Load an address in a page of its own; how long its thread works until something is there."""
    page.goto("about:blank")
    chrome = page.context.new_cdp_session(page)
    chrome.send("Performance.enable", {"timeDomain": "threadTicks"})

    def worked_ms() -> float:
        told: list[dict[str, Any]] = chrome.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in told if one["name"] == "TaskDuration")) * 1000

    before = worked_ms()
    page.goto(url)
    page.wait_for_selector(until)
    return worked_ms() - before


def loaded(page: Page, station: Site) -> tuple[float, float, float, float, float, float]:
    """One load: ms until it can be used, of these since `load`, of its thread's work; a bare page's; kB that came."""
    bare_busy = busy_ms(page, station.url + BARE, "body")
    bare_ms = page.evaluate("performance.getEntriesByType('navigation')[0].domInteractive")
    busy = busy_ms(page, f"{station.url}/#/line", "html[data-ready=true]")
    ready_ms = page.evaluate("performance.getEntriesByName('ready')[0].startTime")
    load_ms = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    sizes = page.evaluate(
        "[...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')]"
        ".filter((one) => !/evidence/.test(one.name)).reduce((sum, one) => sum + one.transferSize, 0)"
    )
    return ready_ms, ready_ms - load_ms, busy, bare_ms, bare_busy, sizes / 1000


def lags_ms(page: Page, station: Site) -> list[float]:
    """From the commit of an outcome to its word on the screen."""
    page.evaluate(_WATCH)
    committed: dict[int, float] = {}
    for _ in range(OUTCOMES):
        inspection_id = station.add()
        now = time.time() * 1000
        row = station.store.outcome(inspection_id)
        assert row is not None
        committed[row.seq] = now
        page.wait_for_timeout(150)
    page.wait_for_timeout(1000)
    seen = dict(page.evaluate("seen"))
    return sorted(seen[seq] - at for seq, at in committed.items() if seq in seen)


def main() -> None:
    """Load, add, print."""
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(made)
        if len(sys.argv) == 1:
            pour(folder / "data", 1000)
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        with site(folder) as station:
            page = chromium.new_page(viewport={"width": 1280, "height": 800})
            loads = [loaded(page, station) for _ in range(LOADS)]
            ready, since, busy, bare, bare_busy, size = (statistics.median(one) for one in zip(*loads, strict=True))
            print(f"usable after {ready:.0f} ms, {since:.0f} ms after its load event; its thread works {busy:.0f} ms")
            print(f"a bare page  {bare:.0f} ms, its thread at work for {bare_busy:.0f} ms")
            print(f"transferred {size:.0f} kB without the frame")
            lags = lags_ms(page, station)
            middle, p95 = statistics.median(lags), lags[int(len(lags) * 0.95)]
            print(f"outcome on the screen after {middle:.0f} ms, p95 {p95:.0f} ms ({len(lags)} of {OUTCOMES} drawn)")
        chromium.close()


if __name__ == "__main__":
    main()
