"""The plant page in a real browser over a real PostgreSQL: what it shows, who may look, and that all can use it."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from edge.adapters import plant_figures
from edge.adapters.plant_messages import HealthSeen, OutcomeSeen, Place, StateSeen, Unreadable
from edge.adapters.plant_store import PlantStore, open_plant
from edge.core.outcome import DISPOSITION_OF, Reason
from edge.errors import PlantError
from edge.sections_plant import Page as PageSettings
from edge.services.plant_page import PlantPage
from simulator.postgres import OWNER, OWNER_PASSWORD
from tests.brokers import free_port
from tests.plant.collector import emptied
from tests.postgres import Postgres
from tests.web.browser import AXE, HTML, PHONE, SCREEN
from tests.web.conftest import browser  # noqa: F401 - a fixture

TOKEN = "plant-hunter2-and-more"
NOW = datetime.now(UTC)


def health(**alarms: Any) -> str:
    """What a station says of itself, as far as the page looks."""
    said = {"drift": [], "nearness": {}, "line_stop": None} | alarms
    return json.dumps({"latency_ms": {"p50": 90.0, "p99": 240.4, "outcomes": 200}, "alarms": said})


def outcome(place: Place, seq: int, reason: Reason = Reason.MATCHED, **changes: Any) -> OutcomeSeen:
    """An outcome of a station, ten seconds after the one before."""
    made = OutcomeSeen(
        place=place, inspection_id=f"{'/'.join(place)}-{seq}", seq=seq, disposition=DISPOSITION_OF[reason].value,
        reason=reason.value, at=NOW - timedelta(seconds=3000 - 10 * seq), total_ms=90.0, reader="ocr",
        reader_hash="c0ffee" * 10, false_accept_rate=0.0002 if reason is Reason.MATCHED else None, config_hash="c",
        historical=False, sha256=b"", payload="{}",
    )  # fmt: skip
    return replace(made, **changes)


def filled(store: PlantStore, stations: int = 12) -> None:
    """Stations that are well, one that drifts, one that is offline, one with a gap, one with a hostile name."""
    places = [("s", f"line{number // 4}", f"st{number:03d}") for number in range(stations)]
    seen: list[Any] = []
    for number, place in enumerate(places):
        seen.append(StateSeen(place, "offline" if number == 2 else "online", "x", "0.1.0", NOW))
        drift = {"drift": [{"sign": "glare", "base_rate": 0.01, "since_seq": 7}]} if number == 3 else {}
        seen.append(HealthSeen(place, 40, datetime.now(UTC), health(**drift)))
        for seq in range(1, 41):
            reason = Reason.UNREADABLE if seq % 20 == number % 20 else Reason.MATCHED
            hash_ = "beef" * 16 if number >= stations - 2 else "c0ffee" * 10
            if not (number == 5 and 10 <= seq < 13):
                seen.append(outcome(place, seq, reason, reader_hash=hash_))
    seen.append(StateSeen(("s", "line0", HTML), "online", "x", "0.1.0", NOW))
    seen.append(Unreadable(("s", "line0", HTML), "outcome", f"it has no {HTML}", b"\x00"))
    store.prepare()
    store.write(seen)


@pytest.fixture(scope="module")
def plant(server: Postgres) -> Iterator[PlantStore]:
    """A database with some stations, for tests that change nothing."""
    emptied(server)
    writer = open_plant(server.url(OWNER), SecretStr(OWNER_PASSWORD), 5)
    filled(writer)
    writer.close()
    with closing(open_plant(server.url(OWNER), SecretStr(OWNER_PASSWORD), 5, only_reads=True)) as store:
        yield store


@contextmanager
def served(server: Postgres, **page: Any) -> Iterator[str]:
    """A running page."""
    store = open_plant(server.url(OWNER), SecretStr(OWNER_PASSWORD), 2, only_reads=True)
    made = PlantPage(store, PageSettings(port=free_port(), **page))
    stop = threading.Event()
    thread = threading.Thread(target=made.run, args=(stop,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.port}"
    finally:
        stop.set()
        thread.join()


def get(url: str, **headers: str) -> tuple[int, str]:
    """What an address answers: its code and its text."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Any]:  # noqa: F811 - pytest's own way
    """Opens the page; whatever the browser complains about fails the test at its end."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_page(url: str, **options: Any) -> Page:
        context = browser.new_context(**({"viewport": SCREEN, "locale": "en-US"} | options))
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        page.wait_for_selector("html[data-ready=true]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.mark.parametrize("name", sorted(plant_figures.QUERIES))
def test_every_query_of_the_page_runs(plant: PlantStore, name: str) -> None:
    """PostgreSQL takes each query as it stands, and each finds something."""
    with plant.transaction() as db:
        rows = plant_figures._rows(db, name, NOW - timedelta(hours=2), 10)

    assert rows


def test_the_figures_say_what_is_stored(plant: PlantStore) -> None:
    """Counts, shares, the mean of the stated false accept rates, gaps and drift, each by station."""
    told = plant_figures.figures(plant, 1)
    by_name = {one["station"]: one for one in told["stations"]}

    assert told["states"]["offline"] == 1
    assert sum(one["outcomes"] for one in told["reasons"]) == 12 * 40 - 3
    assert by_name["st005"]["missing"] == 3
    assert by_name["st003"]["drift"] == ["glare"]
    assert by_name["st001"]["hold"] == pytest.approx(2 / 40)
    assert by_name["st001"]["false_accept_rate"] == pytest.approx(0.0002)
    assert by_name["st001"]["p99_ms"] == 240.4
    assert [(one["stations"], one["outcomes"]) for one in told["readers"]] == [(10, 397), (2, 80)]
    assert by_name[HTML]["hold"] is None


def test_a_page_cannot_change_the_database(plant: PlantStore) -> None:
    """Its sessions only read, whatever the user may do."""
    with pytest.raises(PlantError), plant.transaction() as db:
        db.exec_driver_sql("DELETE FROM plant_outcomes")


def test_the_page_shows_who_needs_somebody_first(plant: PlantStore, server: Postgres, opened: Any) -> None:
    """Missing outcomes, drift and stations that are away stand on top; a name is text, whatever it holds."""
    with served(server) as url:
        page = opened(url)
        rows = page.locator("section:has(h2:text-is('Stations')) tbody tr")
        expect(rows).to_have_count(13)
        first = [rows.nth(number).inner_text() for number in range(3)]
        page.get_by_role("button", name="offline").click()
        expect(rows).to_have_count(1)
        page.get_by_role("button", name="all").click()
        page.get_by_label("Line or station").fill("line1")
        expect(rows).to_have_count(4)
        expect(page.locator(".over-time rect.pass:not([height='0'])").first).to_be_visible()
        expect(page.locator("section:has(h2:text-is('Alarms'))")).to_contain_text("unreadable")
        title = page.title()

    assert sorted(one.split("\t")[0] for one in first) == ["line0 / st002", "line0 / st003", "line1 / st005"]
    assert title == "edge: plant"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [SCREEN, PHONE], ids=["screen", "phone"])
def test_everybody_can_use_the_page(
    plant: PlantStore, server: Postgres, opened: Any, scheme: str, size: dict[str, int]
) -> None:
    """axe-core finds nothing, on a screen and a phone, light and dark; nothing is wider than the window."""
    with served(server) as url:
        page = opened(url, color_scheme=scheme, viewport=size)
        page.wait_for_selector(".plant-table tbody tr")
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found = page.evaluate("axe.run().then(told => told.violations.map(one => [one.id, one.nodes[0].html]))")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    assert found == []
    assert wide <= 0


def test_with_a_token_nobody_looks_without_it(plant: PlantStore, server: Postgres, opened: Any, tmp_path: Path) -> None:
    """The page asks for the token, refuses a wrong one, and shows the plant to whoever knows it."""
    file = tmp_path / "token"
    file.write_text(TOKEN, encoding="utf-8")
    with served(server, token_file=file) as url:
        page = opened(url)
        page.get_by_label("Name").fill("Ada")
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert").last).to_contain_text("not the panel's")
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator(".plant-table tbody tr").first).to_be_visible()
        refused, _ = get(f"{url}/v1/plant")
        _, told = get(f"{url}/v1/plant", authorization=f"Bearer {TOKEN}")

    assert refused == 401
    assert len(json.loads(told)["stations"]) == 13


def test_a_page_without_its_database_says_so(plant: PlantStore, server: Postgres) -> None:
    """It answers 503 with one sentence that holds no password, and figures again when the database is back."""
    with served(server) as url:
        before, _ = get(f"{url}/health")
        server.stop()
        code, said = get(f"{url}/v1/plant?hours=8")
        again, _ = get(f"{url}/v1/plant?hours=168")
        server.start()
        after, _ = get(f"{url}/v1/plant?hours=24")

    assert (before, code, again, after) == (200, 503, 503, 200)
    assert "nobody listens there" in said or "is stopping" in said
    assert OWNER_PASSWORD not in said


@pytest.mark.parametrize("asked", ["0", "2", "-1", "x", "1e3", ""])
def test_a_window_that_is_none_is_refused(plant: PlantStore, server: Postgres, asked: str) -> None:
    """What is asked for is one of four windows; anything else is told so."""
    with served(server) as url:
        code, said = get(f"{url}/v1/plant?hours={asked}")

    assert code == 400
    assert "ask for one of 1, 8, 24, 168" in said
