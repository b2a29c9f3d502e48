"""The manual's pictures of the page: `python -m tests.web.screenshots [NAME ...]` writes docs/page-*.png.

The parts are the simulator's scenes, judged by the real core and the embedded reader.
"""

from __future__ import annotations

import dataclasses
import io
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from edge.adapters import images
from edge.adapters.database import wall_time
from edge.adapters.evidence import EvidenceFolder
from edge.readers.ocr import Ocr
from edge.readers.opening import SMALL
from edge.readers.pair import OcrOnce, Pair
from edge.readers.vlm import Vlm
from simulator import scenes
from simulator.staging import stage
from tests.simulator.rehearsal import Rehearsal
from tests.web.site import TOKEN, Site, site
from tests.web.test_inside_page import SIGN_IN
from tests.web.test_setup import bench

#: The last one is the part of the line view.
PARTS = (
    "matched_label",
    "matched_columns_spanish",
    "unreadable_glare",
    "matched_code_agrees",
    "record_missing",
    "matched_chinese",
    "unreadable_low_confidence",
    "matched_tilted_25",
    "matched_data_matrix",
    "mismatch_serial",
)
#: Name of the picture, the view, the window, the colours and the language.
PICTURES = (
    ("line", "line", (1280, 800), "light", "en-US"),
    ("held", "held", (1280, 800), "light", "en-US"),
    ("history", "history", (1280, 800), "dark", "de-DE"),
    ("story", "outcome/{story}", (1280, 1000), "light", "en-US"),
    ("ask", "ask", (1280, 800), "light", "en-US"),
    ("phone", "line", (360, 740), "dark", "zh-CN"),
)
OUT = Path("docs")


def play(station: Site, name: str, reader: Ocr, folder: Path, at: str) -> str:
    """Play a scene, and keep outcome and frames as the inspector would; give the inspection's id."""
    rehearsal = Rehearsal(stage(scenes.load_all()[name], "1"), reader, folder)
    outcome = rehearsal.play()
    store = station.store
    store.add_trigger(name, expected=None, source="scene", at=at, at_us=0)
    row = store.next_trigger()
    assert row is not None
    kept = tuple(
        EvidenceFolder(station.data_dir).write(frame, inspection_id=row.inspection_id, attempt=attempt, at=at)
        for attempt, frame in rehearsal.frames.items()
    )
    outcome = dataclasses.replace(
        outcome, inspection_id=row.inspection_id, trigger_id=name, evidence=kept, ms={"total": 412.0}
    )
    store.commit(outcome, topic="edge/v1/outcome", config_hash="c0ffee", at=at)
    return row.inspection_id


#: The same for the views of engineers, whose station has both readers and a camera of its own.
ENGINEERS = (
    ("inside", "inside/{held}/0", (1280, 1000), "light", "en-US"),
    ("inside-phone", "inside/{held}/0", (360, 740), "dark", "de-DE"),
    ("setup", "setup", (1280, 1000), "light", "en-US"),
    ("setup-phone", "setup", (360, 740), "dark", "zh-CN"),
)


def engineers(browser: Browser, folder: Path) -> None:
    """Write the pictures of the engineers' views: a held part looked into, and a check, meters and a file in work."""
    ocr = OcrOnce(threads=2)
    (folder / "scenes").mkdir()
    rehearsal = Rehearsal(stage(scenes.load_all()["matched_label"], "1"), ocr, folder / "scenes")
    rehearsal.play()
    seen = images.decode(next(iter(rehearsal.frames.values())))
    both = Pair(ocr, Vlm(SMALL, device="cpu", ocr=ocr))
    (folder / "station").mkdir()
    with bench(folder / "station", both, seen) as place:
        for name in PARTS:
            play(place.site, name, ocr, folder / "products", wall_time(datetime.now(UTC) - timedelta(minutes=1)))
        held = place.site.get("/v1/held").json["outcomes"][0]["inspection_id"]
        for name, view, size, scheme, language in ENGINEERS:
            url = f"{place.site.url}/#/{view.format(held=held)}"
            picture(
                browser, url, name, size, scheme=scheme, lang=language, work=_engineer if view == "setup" else _token
            )


def _token(page: Page) -> None:
    """The fourth token of the answer."""
    page.wait_for_selector(".inside .answer code", timeout=60_000)
    page.locator(".strip button").nth(3).click()


def _engineer(page: Page) -> None:
    """Look once, and let the check run to its end."""
    page.locator(".setup-aid button").nth(1).click()
    page.locator(".meters li").first.wait_for(timeout=60_000)
    page.locator(".setup-check button").click()
    page.locator(".setup-check li").nth(9).wait_for(timeout=120_000)


def picture(
    browser: Browser,
    url: str,
    name: str,
    size: tuple[int, int],
    *,
    scheme: str,
    lang: str,
    work: Callable[[Page], None] | None = None,
) -> None:
    """Write one picture."""
    page = browser.new_page(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        locale=lang,
    )
    page.goto(url)
    page.wait_for_selector("html[data-ready=true]")
    if work is not None:
        page.evaluate(SIGN_IN, TOKEN)
        page.reload()
        page.wait_for_selector("main:not([aria-busy]) h1")
        work(page)
    page.wait_for_function("[...document.images].every((one) => one.complete)")
    page.wait_for_timeout(1500)
    shot = Image.open(io.BytesIO(page.screenshot()))
    shot.quantize(256, dither=Image.Dither.NONE).save(OUT / f"page-{name}.png", optimize=True)
    page.close()


def main() -> None:
    """Play, look, write."""
    named = {*sys.argv[1:]}
    reader = Ocr(threads=2)
    with tempfile.TemporaryDirectory() as made, site(Path(made)) as station, sync_playwright() as playwright:
        begin = datetime.now(UTC) - timedelta(seconds=6 * len(PARTS))
        ids = {}
        for number, name in enumerate(PARTS):
            at = wall_time(begin + timedelta(seconds=6 * number))
            ids[name] = play(station, name, reader, Path(made) / "products", at)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name, view, size, scheme, language in PICTURES:
            if named and name not in named:
                continue
            url = f"{station.url}/#/{view.format(story=ids['unreadable_glare'])}"
            picture(browser, url, name, size, scheme=scheme, lang=language)
        if not named or named & {one[0] for one in ENGINEERS}:
            engineers(browser, Path(made))
        browser.close()


if __name__ == "__main__":
    main()
