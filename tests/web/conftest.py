"""One browser for all tests of a module."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.web.browser import SCREEN, show
from tests.web.site import Site, site


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Site]:
    """A station with a page, a token and an empty store."""
    with site(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, without a screen; for a module, since playwright keeps an event loop running meanwhile."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "Chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        # Root has no sandbox in a container; the pages are our own.
        made = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield made
        made.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Any]:
    """Opens the page of a station; whatever the browser complains about fails the test at its end."""
    contexts = []
    complaints: list[str] = []

    def open_page(station: Site, view: str = "line", **options: Any) -> Page:
        context = browser.new_context(**({"viewport": SCREEN, "locale": "en-US"} | options))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        show(page, station, view)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [one for one in complaints if "Failed to load resource" not in one and "ERR_" not in one] == []
