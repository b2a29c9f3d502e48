"""The page in a real browser: every view, what comes live, decisions about held parts, and who can use it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from edge.adapters import reviews, users
from edge.adapters.bundle_reading import Bundle
from edge.core.outcome import Defect, Reason
from edge.services.panel import Doors
from tests.web.browser import AXE, HTML, PHONE, SCREEN, show, sign_in
from tests.web.crowd import pour
from tests.web.site import PartOf, Site, site, until
from tests.web.test_line_stop import stop_the_line

VIEWS = ("line", "held", "history", "ask")
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A station with some parts, for tests that change nothing."""
    with site(tmp_path_factory.mktemp("page")) as made:
        made.add(PartOf("20418873KF"))
        made.add(PartOf("20418874KF", reason=Reason.RECORD_MISSING, detail="ERP knows no such serial"), frames=2)
        made.add(PartOf("20418875KF", reason=Reason.UNREADABLE, defects=(Defect.GLARE,), weak={3: 0.41}), frames=2)
        made.add(PartOf("20418876KF", reason=Reason.MISMATCH, expected="20418977KF"))
        yield made


def test_the_line_view_says_what_to_do_with_the_part(looked_at: Site, opened: Any) -> None:
    """Disposition as word and shape, the reason, the frame with its boxes, read against expected, and every state."""
    page = opened(looked_at)
    verdict = page.locator(".verdict")

    expect(verdict).to_contain_text("Fail")
    expect(verdict).to_contain_text("Another part than expected")
    expect(verdict.locator("svg.shape.fail")).to_have_count(1)
    expect(page.locator(".now .marks polygon.text.bad")).to_have_count(1)
    expect(page.locator(".now .field.differs .char.want.other")).to_have_text(["9", "7"])
    expect(page.locator(".states li.good")).to_have_count(5)
    expect(page.locator(".recent li")).to_have_count(4)
    assert page.evaluate("document.querySelector('.now img').naturalWidth") == 800


def test_an_outcome_comes_to_the_screen_by_itself(station: Site, opened: Any) -> None:
    """The part that was inspected now stands on the screen without a hand: word, counts and reader's confidence."""
    page = opened(station)
    expect(page.locator(".now")).to_contain_text("No part has been inspected yet")
    station.add(PartOf(reason=Reason.UNREADABLE, defects=(Defect.BLUR,), weak={0: 0.38}))
    verdict = page.locator(".verdict.hold")

    expect(verdict).to_contain_text("Not readable · blurred")
    expect(page.locator(".char.weak small")).to_have_text(["38"])
    expect(page.locator(".bars")).to_contain_text("Not readable")


def test_the_page_says_when_it_is_old_and_comes_back(station: Site, opened: Any) -> None:
    """While the panel is away the page says so; when it is back, the page shows what came meanwhile, by itself."""
    station.add(PartOf("BEFORE-1"))
    page = opened(station)
    expect(page.locator(".now")).to_contain_text("BEFORE-1")
    station.restart(pause_s=3.0)
    station.add(PartOf("AFTER-2"))

    expect(page.locator(".now")).to_contain_text("AFTER-2")
    expect(page.locator("#lost")).to_be_hidden()


def test_states_are_shown_as_they_are(station: Site, opened: Any) -> None:
    """A broker that is away and a reader that has a problem are said in words and signs of their own."""
    station.facts = {"messenger": {"connected": False}, "reader": {"problem": "the GPU is hot"}}
    page = opened(station)

    expect(page.locator(".states li.fair")).to_contain_text(["the GPU is hot", "not connected"])
    expect(page.locator(".problems")).to_contain_text("messenger: not connected to the broker")


def test_an_operator_lets_a_stopped_line_run(station: Site, opened: Any) -> None:
    """While the line is to stand still the page says so, and offers its end; who ends it signs in first."""
    stop_the_line(station)
    page = opened(station)
    sign_in(page)
    expect(page.locator(".problems")).to_contain_text("the line is to stand still")
    page.get_by_role("button", name="let the line run").click()
    expect(page.get_by_role("button", name="let the line run")).to_be_hidden()

    assert station.get("/health").json["alarms"]["line_stop"] is None
    expect(page.locator(".problems")).not_to_contain_text("stand still")


def test_an_operator_corrects_a_held_part(station: Site, opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sign in, correct the serial, and MES gets what was typed with the person's name; the part leaves the queue."""
    monkeypatch.setattr(reviews, "UNDO_S", 0.5)
    station.add(PartOf("2O418873KF", reason=Reason.RECORD_MISSING))
    page = opened(station, "held")
    sign_in(page)
    page.get_by_role("button", name="Correct").click()
    page.get_by_label("Serial").fill("20418873KF")
    page.get_by_label("Note").fill("an O for a 0")
    page.get_by_role("button", name="Give the correction").click()
    expect(page.locator(".part")).to_contain_text("No held part")
    (sent,) = until(lambda: [one for one in station.store.outbox.pending(9) if one.kind == "correction"])
    said = json.loads(sent.payload)

    assert (said["action"], said["by"], said["note"]) == ("correct", "Ada", "an O for a 0")
    assert said["fields"] == {"serial": "20418873KF", "model": "HX-4711"}


def test_a_part_is_saved_as_one_file(station: Site, opened: Any, tmp_path: Path) -> None:
    """In an outcome's story one button saves it as a bundle, for whoever has signed in."""
    inspection_id = station.add()
    page = opened(station, f"outcome/{inspection_id}")
    sign_in(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as bundle").click()
    path = tmp_path / saved.value.suggested_filename
    saved.value.save_as(path)
    with Bundle(path) as bundle:
        held = [part.facts.inspection_id for part in bundle.parts()]

    assert held == [inspection_id]
    expect(page.get_by_text("Saved: st-7-1.edge.zip")).to_be_visible()


def test_a_decision_is_made_and_taken_back_by_keys(station: Site, opened: Any) -> None:
    """3 rejects, U takes it back: the part stands in the queue again, and nothing was told."""
    station.add(PartOf("KEYS-1", reason=Reason.RECORD_MISSING))
    page = opened(station, "held")
    sign_in(page)
    page.keyboard.press("3")
    expect(page.locator(".undo")).to_contain_text("Rejected")
    page.keyboard.press("u")
    expect(page.locator(".undo")).to_contain_text("Nothing was sent")

    expect(page.locator(".queue")).to_contain_text("KEYS-1")
    assert [one.kind for one in station.store.outbox.pending(9)] == ["outcome"]


def test_a_part_is_triggered_by_key(station: Site, opened: Any) -> None:
    """The key T on the line view is one trigger, said to be taken; who has not signed in is not offered it (L1)."""
    page = opened(station)
    offered_before = page.locator("button[aria-keyshortcuts=t]").is_visible()
    page.keyboard.press("t")
    sign_in(page)
    page.locator("button[aria-keyshortcuts=t]").wait_for()
    page.keyboard.press("t")
    page.get_by_text("The trigger is taken.").wait_for()

    assert offered_before is False
    assert station.store.counts()["triggers"] == 1


def test_without_a_token_the_page_says_why_it_changes_nothing(tmp_path: Path, opened: Any) -> None:
    """A held part can be looked at; a decision is answered with what has to be set."""
    with site(tmp_path, token=None) as station:
        station.add(PartOf(reason=Reason.RECORD_MISSING))
        page = opened(station, "held")
        page.get_by_role("button", name="Confirm").click()

        expect(page.locator("#said")).to_contain_text("token_file")


def test_the_history_is_searched_and_opened(looked_at: Site, opened: Any) -> None:
    """A search by the beginning of a serial finds the part; its story tells frames, readers, record and message."""
    page = opened(looked_at, "history")
    expect(page.locator(".outcomes tbody tr")).to_have_count(4)
    page.get_by_label("Serial begins with").fill("20418874")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".outcomes tbody tr")).to_have_count(1)
    export = page.get_by_role("link", name="Export JSON Lines").get_attribute("href")
    page.get_by_role("link", name="Open 20418874KF").click()
    story = page.locator("main")

    expect(story).to_contain_text("No record of this part")
    expect(story).to_contain_text("csv:erp.csv")
    expect(story).to_contain_text("waits to be sent")
    expect(story.locator(".looks .answer")).to_have_count(4)
    assert "serial=20418874" in export


def test_text_on_a_plate_stays_text(station: Site, opened: Any) -> None:
    """A plate whose text is HTML is shown as it is printed, in every view; nothing of it runs."""
    part = PartOf(HTML, HTML, Reason.RECORD_MISSING, expected=HTML + "x", detail=HTML)
    inspection_id = station.add(part)
    page = opened(station)
    shown = []
    for view in ("line", "held", "history", f"outcome/{inspection_id}"):
        show(page, station, view)
        shown.append(HTML in page.locator("main").inner_text().replace("\n", ""))
        assert page.locator("main img[src=x], main b:text-is('1')").count() == 0

    assert page.title() != "owned"
    assert shown[1:] == [True, True, True]


def test_a_viewer_is_offered_no_decision(tmp_path: Path, opened: Any) -> None:
    """A closed panel shows the way in and nothing else; a viewer sees held parts, an operator decides, by password."""
    users.write(
        tmp_path / "users",
        {name: users.User(name, users.ROLES[name], users.hashed(PASSWORD)) for name in ("viewer", "operator")},
    )
    doors = Doors(anyone=users.Role.NOBODY, users=users.Users(tmp_path / "users"))
    with site(tmp_path, token=None, doors=doors) as station:
        station.add(PartOf("HELD-1", reason=Reason.RECORD_MISSING))
        page = opened(station, "shut")
        shut = page.locator("main").inner_text()
        offered = {}
        for name in ("viewer", "operator"):
            page.locator("#head").get_by_role("button", name="Sign in").click()
            page.get_by_label("Name").fill(name)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("dialog").get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("button", name=f"Sign out {name}")).to_contain_text(name)
            page.goto(f"{station.url}/#/held")
            expect(page.locator(".queue")).to_contain_text("HELD-1")
            offered[name] = page.locator(".decide button").count()
            page.get_by_role("button", name=f"Sign out {name}").click()
            expect(page.locator("main h1")).to_have_text("Sign in")

        assert "HELD-1" not in shut
        assert "signed in" in shut
        assert offered == {"viewer": 0, "operator": 4}


@pytest.mark.slow
def test_ten_thousand_outcomes_come_while_someone_scrolls(station: Site, opened: Any) -> None:
    """The rows that a person reads stay where they are, the page stays small, and nothing that came is missed."""
    pour(station.data_dir, 300)
    page = opened(station, "history")
    page.get_by_role("button", name="More").click()
    expect(page.locator(".outcomes tbody tr")).to_have_count(100)
    page.mouse.move(640, 500)
    pouring = threading.Thread(target=pour, args=(station.data_dir, 10_300), kwargs={"at_once": 20})
    pouring.start()
    rows = []
    while pouring.is_alive():
        page.mouse.wheel(0, 40)
        rows.append(page.locator(".outcomes tbody tr").first.inner_text())
    pouring.join()
    expect(page.get_by_role("button", name="Show 10,000 newer")).to_be_visible()
    nodes = page.evaluate("document.querySelectorAll('*').length")
    page.get_by_role("button", name="Show 10,000 newer").click()
    expect(page.locator(".outcomes")).to_contain_text("SN00010300")
    show(page, station, "line")

    assert len(set(rows)) == 1
    assert nodes < 2500
    assert page.locator(".view").get_attribute("data-seq") == "10300"


@pytest.mark.parametrize(
    ("language", "scheme"),
    [
        ("en-US", "light"),
        ("de-DE", "dark"),
        *(
            pytest.param(*one, marks=pytest.mark.slow)
            for one in [("zh-CN", "light"), ("zh-CN", "dark"), ("en-US", "dark"), ("de-DE", "light")]
        ),
    ],
)
def test_axe_finds_nothing(looked_at: Site, opened: Any, language: str, scheme: str) -> None:
    """No violation of axe-core in any view, in three languages, light on a screen and dark on a phone."""
    inspection_id = looked_at.store.outcomes()[1].inspection_id
    found: dict[str, list[str]] = {}
    page = opened(looked_at, locale=language, color_scheme=scheme, viewport=SCREEN if scheme == "light" else PHONE)
    for view in (*VIEWS, f"outcome/{inspection_id}"):
        show(page, looked_at, view)
        page.evaluate(AXE.read_text(encoding="utf-8"))
        told = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        found[view] = [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in told["violations"]]

    assert {view: what for view, what in found.items() if what} == {}


@pytest.mark.parametrize("size", [SCREEN, PHONE])
def test_a_gloved_finger_hits_what_it_aims_at(looked_at: Site, opened: Any, size: Any) -> None:
    """Each thing to press is 48 px high and wide or more, and no view is wider than its screen."""
    page = opened(looked_at, viewport=size)
    small: dict[str, list[str]] = {}
    for view in VIEWS:
        show(page, looked_at, view)
        small[view] = page.evaluate(
            """() => [...document.querySelectorAll("button, a, select, input:not([type=file]), summary")]
                .map((one) => [one, one.getBoundingClientRect()])
                .filter(([one, box]) => one.id !== "skip" && box.width && (box.width < 47.5 || box.height < 47.5))
                .map(([one, box]) => `${one.outerHTML.slice(0, 80)} ${box.width}x${box.height}`)"""
        )
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view

    assert {view: what for view, what in small.items() if what} == {}


def test_language_and_colours_are_chosen_and_kept(looked_at: Site, opened: Any) -> None:
    """A chosen language and colour scheme hold for every view, and after the page is loaded anew."""
    page = opened(looked_at)
    page.get_by_label("Language").select_option("de")
    page.get_by_role("button", name="Farben: auto").click()
    page.get_by_role("button", name="Farben: hell").click()
    page.reload()
    page.wait_for_selector("html[data-ready=true]")

    expect(page.locator(".verdict")).to_contain_text("Schlecht")
    assert page.evaluate("document.documentElement.lang") == "de"
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
