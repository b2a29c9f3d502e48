"""The manual's picture of the plant page: `python -m tests.plant.screenshot` writes docs/page-plant.png."""

from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright
from pydantic import SecretStr

from edge.adapters.plant_store import open_plant
from simulator.postgres import OWNER, OWNER_PASSWORD
from tests.plant.test_page import filled, served
from tests.postgres import Postgres

OUT = Path("docs/page-plant.png")


def main() -> None:
    """Fill a database, look, write."""
    with closing(Postgres()) as server:
        writer = open_plant(server.url(OWNER), SecretStr(OWNER_PASSWORD), 5)
        filled(writer, 40)
        writer.close()
        with served(server) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 1000}, locale="en-US")
            page.goto(url)
            page.wait_for_selector(".plant-table tbody tr")
            shot = Image.open(io.BytesIO(page.screenshot()))
            shot.quantize(128, dither=Image.Dither.NONE).save(OUT, optimize=True)
            browser.close()


if __name__ == "__main__":
    main()
