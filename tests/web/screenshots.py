"""The manual's pictures of the page: `python -m tests.web.screenshots` writes docs/page-*.png.

The parts are the simulator's scenes, judged by the real core and the embedded reader.
"""

from __future__ import annotations

import dataclasses
import io
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from edge.adapters.database import wall_time
from edge.adapters.evidence import EvidenceFolder
from edge.readers.ocr import Ocr
from simulator import scenes
from simulator.staging import stage
from tests.simulator.rehearsal import Rehearsal
from tests.web.site import Site, site

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


def picture(browser: Browser, url: str, name: str, size: tuple[int, int], *, scheme: str, lang: str) -> None:
    """Write one picture."""
    page = browser.new_page(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        locale=lang,
    )
    page.goto(url)
    page.wait_for_selector("html[data-ready=true]")
    page.wait_for_function("[...document.images].every((one) => one.complete)")
    page.wait_for_timeout(1500)
    shot = Image.open(io.BytesIO(page.screenshot()))
    shot.quantize(256, dither=Image.Dither.NONE).save(OUT / f"page-{name}.png", optimize=True)
    page.close()


def main() -> None:
    """Play, look, write."""
    reader = Ocr(threads=2)
    with tempfile.TemporaryDirectory() as made, site(Path(made)) as station, sync_playwright() as playwright:
        begin = datetime.now(UTC) - timedelta(seconds=6 * len(PARTS))
        ids = {}
        for number, name in enumerate(PARTS):
            at = wall_time(begin + timedelta(seconds=6 * number))
            ids[name] = play(station, name, reader, Path(made) / "products", at)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name, view, size, scheme, language in PICTURES:
            url = f"{station.url}/#/{view.format(story=ids['unreadable_glare'])}"
            picture(browser, url, name, size, scheme=scheme, lang=language)
        browser.close()


if __name__ == "__main__":
    main()
