"""What the tests of the page do with a real browser."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.web.site import TOKEN, Site

expect.set_options(timeout=20_000)

AXE = Path("tests/web/axe/axe.min.js")
SCREEN = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}
#: A text that would take the page over if it were put in as HTML.
HTML = '<img src=x onerror=document.title="owned"><b>1</b>'


def show(page: Page, station: Site, view: str) -> None:
    """Load a view from nothing, until it stands."""
    page.goto("about:blank")
    page.goto(f"{station.url}/#/{view}")
    page.wait_for_selector("html[data-ready=true]")
    page.wait_for_selector("main:not([aria-busy]) h1")


def sign_in(page: Page) -> None:
    """Sign in as Ada."""
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("dialog").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out Ada")).to_be_visible()
    # The view is drawn anew for her: a key that is pressed before would be the old one's.
    expect(page.locator("main[aria-busy]")).to_have_count(0)
