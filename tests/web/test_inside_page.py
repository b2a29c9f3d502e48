"""The views for engineers in a real browser: inside the model, and set-up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from edge.core.outcome import Reason
from edge.readers.opening import SMALL
from edge.readers.pair import OcrOnce, Pair
from edge.readers.vlm import Vlm
from tests.web.browser import AXE, PHONE, SCREEN, show
from tests.web.site import TOKEN, PartOf, Site
from tests.web.test_inside import PNG
from tests.web.test_setup import PRODUCT, Place, bench

SIGN_IN = """async (token) => (await import("/static/api.js")).signIn("Ada", "token", token)"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A station with both readers, some parts, and a camera."""
    ocr = OcrOnce(threads=2)
    with bench(tmp_path_factory.mktemp("p"), Pair(ocr, Vlm(SMALL, device="cpu", ocr=ocr))) as made:
        made.site.add(PartOf("20418873KF"), frames=2)
        made.site.add(PartOf("20418874KF", reason=Reason.RECORD_MISSING), frames=2)
        yield made


def engineer(opened: Any, place: Place, view: str, **options: Any) -> Page:
    """The view as an engineer who has signed in sees it."""
    page: Page = opened(place.site, **options)
    page.evaluate(SIGN_IN, TOKEN)
    show(page, place.site, view)
    return page


def held(site: Site) -> str:
    """The id of the held part."""
    return str(site.get("/v1/held").json["outcomes"][0]["inspection_id"])


def test_a_held_part_is_looked_into(place: Place, opened: Any) -> None:
    """From a held part one goes inside: heat on the frame for each token, which keys move, and a table that says it."""
    page = engineer(opened, place, "held")
    page.get_by_role("link", name="Look inside").click()
    expect(page.locator(".inside .answer code")).to_have_text("20418874KF", timeout=60_000)
    expect(page.locator(".marks.heat polygon.peak")).not_to_have_count(0)
    first = page.locator("#at-title").inner_text()
    page.locator("input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#at-title")).not_to_have_text(first)
    table = page.get_by_role("table", name="What it looked at")

    expect(table).to_contain_text("line “")
    expect(page.locator("input[type=range]")).to_have_attribute("aria-valuetext", re.compile("2: 0, 99"))


def test_an_engineers_view_is_for_engineers(place: Place, opened: Any) -> None:
    """Whoever is not signed in is not offered these views, and by their address hears who may."""
    page: Page = opened(place.site, "setup")

    expect(page.locator("main")).to_contain_text("This view is for engineers")
    expect(page.locator("nav a")).to_have_text(["Line", re.compile("Held parts"), "History", "Ask", "Set-up"])


def test_an_image_is_looked_into(place: Place, opened: Any, tmp_path: Path) -> None:
    """An image and a question give the answer's trace; another layer is another look; the matrix can be scrolled."""
    (tmp_path / "plate.png").write_bytes(PNG)
    page = engineer(opened, place, "inside")
    page.locator("#file").set_input_files(tmp_path / "plate.png")
    page.get_by_label("What is asked").select_option("")
    page.get_by_role("button", name="Look inside").click()
    expect(page.locator(".inside .answer code")).to_have_text("12345678AB", timeout=60_000)
    page.get_by_label("Layer").select_option("5")
    expect(page.get_by_label("Layer")).to_have_value("5")
    page.get_by_text("Attention of every token").click()

    expect(page.locator(".matrix tbody tr")).to_have_count(11)


def test_the_check_comes_line_by_line(place: Place, opened: Any) -> None:
    """Each line stands with its sign, what was found and what to do; then how it ended."""
    page = engineer(opened, place, "setup")
    page.get_by_role("button", name="Check now").click()

    expect(page.locator(".setup-check li").first).to_contain_text("configuration · well", timeout=60_000)
    expect(page.locator(".setup-check li")).to_have_count(10, timeout=90_000)


def test_meters_follow_the_camera(place: Place, opened: Any) -> None:
    """Looking shows frame after frame until it is stopped, or a part comes; then the page says that parts go first."""
    page = engineer(opened, place, "setup")
    taken = place.camera.taken
    page.get_by_role("button", name="Look all the time").click()
    page.locator(".meters li").nth(8).wait_for()
    page.wait_for_timeout(2500)
    page.get_by_role("button", name="Stop looking").click()
    stopped = place.camera.taken
    page.wait_for_timeout(1500)

    assert taken + 2 <= stopped
    assert place.camera.taken <= stopped + 1
    expect(page.locator(".setup-aid > p.quiet").nth(1)).to_contain_text("5,000 µs")


def test_a_product_file_is_edited_tried_and_saved(place: Place, opened: Any) -> None:
    """A mistake is said while one types and cannot be saved; a sound text is tried on kept parts, and saved."""
    page = engineer(opened, place, "setup")
    text = page.get_by_label("What is read on this product")
    text.fill(PRODUCT.replace("pattern", "patern"))
    expect(page.locator(".setup-product .problems")).to_contain_text("pump.toml:5")
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    text.fill(PRODUCT.replace("[A-Z0-9]{4,10}", "[0-9]{8}KF"))
    page.get_by_role("button", name="Try on the last 20 parts").click()
    expect(page.locator(".setup-product .looks li")).to_have_count(2, timeout=90_000)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#said")).to_contain_text("until edge is restarted")

    assert "[0-9]{8}KF" in place.product.read_text()


@pytest.mark.parametrize(
    ("language", "scheme"),
    [("en-US", "light"), ("de-DE", "dark"), pytest.param("zh-CN", "dark", marks=pytest.mark.slow)],
)
def test_axe_finds_nothing_in_the_engineers_views(place: Place, opened: Any, language: str, scheme: str) -> None:
    """No violation of axe-core, with everything opened, on a screen and a phone; nothing is wider than the screen."""
    size = SCREEN if scheme == "light" else PHONE
    page = engineer(opened, place, "line", locale=language, color_scheme=scheme, viewport=size)
    found: dict[str, list[str]] = {}
    small: dict[str, list[str]] = {}
    for view in (f"inside/{held(place.site)}/1", "setup"):
        show(page, place.site, view)
        if view.startswith("inside"):
            page.wait_for_selector(".inside .answer code", timeout=60_000)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        page.evaluate(AXE.read_text(encoding="utf-8"))
        told = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        found[view] = [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in told["violations"]]
        small[view] = page.evaluate(
            """() => [...document.querySelectorAll("button, .button, select, textarea, summary, [type=range]")]
                .map((one) => [one, one.getBoundingClientRect()])
                .filter(([one, box]) => box.width && (box.width < 47.5 || box.height < 47.5))
                .map(([one]) => one.outerHTML.slice(0, 80))"""
        )
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view

    assert {view: what for view, what in found.items() if what} == {}
    assert {view: what for view, what in small.items() if what} == {}
