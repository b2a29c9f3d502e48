"""Live events over real HTTP: each outcome once, in order, soon, and again after a break."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from edge.web import live
from tests.web.site import PATIENCE_S, Site, until

Event = tuple[str, Any, str | None]


class Listener:
    """One page's stream; `next` waits for an event of a name."""

    def __init__(self, station: Site, query: str = "", **headers: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", station.panel.port), PATIENCE_S)
        sent = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self._socket.sendall(f"GET /v1/live{query} HTTP/1.0\r\nhost: localhost\r\n{sent}\r\n".encode())
        self._lines = self._socket.makefile("r", encoding="utf-8", newline="\n")
        self.status = int(self._lines.readline().split()[1])

    def next(self, *names: str) -> Event:
        """The next event of one of these names, with its data and its id."""
        end = time.monotonic() + PATIENCE_S
        for event in self._events():
            if event[0] in names:
                return event
            assert time.monotonic() < end, f"no {names} came"
        raise AssertionError(f"the stream ended before any {names}")

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._socket.close()

    def _events(self) -> Iterator[Event]:
        event: dict[str, str] = {}
        for line in self._lines:
            key, _, value = line.rstrip("\r\n").partition(": ")
            if key:
                event[key] = value
            elif "event" in event:
                yield event["event"], json.loads(event["data"]), event.get("id")
                event = {}


@contextmanager
def listening(station: Site, query: str = "", **headers: str) -> Iterator[Listener]:
    """A page that listens."""
    made = Listener(station, query, **headers)
    try:
        yield made
    finally:
        made.close()


def test_an_outcome_is_told_as_it_was_stored(station: Site) -> None:
    """A page hears the stored payload; the event's id is its `seq`."""
    with listening(station) as page:
        page.next("health")
        inspection_id = station.add()
        _, payload, number = page.next("outcome")

    row = station.store.outcome(inspection_id)
    assert row is not None
    assert (payload, number) == (json.loads(row.payload), "1")


def test_a_page_goes_on_behind_the_last_that_it_heard(station: Site) -> None:
    """`Last-Event-ID`, as a browser sends it after a break, or `after`: what came meanwhile comes first, in order."""
    for _ in range(5):
        station.add()
    with listening(station, last_event_id="2") as again, listening(station, "?after=3") as first:
        heard = [again.next("outcome")[2] for _ in range(3)], [first.next("outcome")[2] for _ in range(2)]

    assert heard == (["3", "4", "5"], ["4", "5"])


def test_a_page_that_is_too_far_behind_is_told_so(station: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind by more than the limit it is told `lagging` with the newest `seq`, and goes on from there (L12)."""
    monkeypatch.setattr(live, "MAX_BEHIND", 3)
    for _ in range(5):
        station.add()
    with listening(station, "?after=4") as other:
        other.next("outcome")  # the panel knows of all five
    with listening(station, "?after=1") as page:
        _, lagging, number = page.next("lagging")
        station.add()
        _, _, after = page.next("outcome")

    assert (lagging, number, after) == ({"after": 1, "newest": 5}, "5", "6")


def test_what_is_out_of_memory_is_read_from_the_store(station: Site) -> None:
    """A page behind what is kept in memory still hears every outcome once: the panel restarted, or was slower."""
    for _ in range(8):
        station.add()
    station.restart()
    with listening(station, "?after=0") as page:
        heard = [page.next("outcome")[2] for _ in range(8)]

    assert heard == [str(number) for number in range(1, 9)]


def test_a_page_that_comes_back_first_hears_nothing_twice(station: Site) -> None:
    """A browser that connects before the new panel has looked at the store is told of no part again."""
    for _ in range(3):
        station.add()
    station.restart()
    with listening(station, last_event_id="3") as page:
        page.next("health")
        station.add()
        name, _, number = page.next("outcome", "lagging")

    assert (name, number) == ("outcome", "4")


def test_a_page_of_another_store_is_told_so(station: Site) -> None:
    """A page that is beyond the newest outcome has seen another store: it is told `lagging`, and goes on from here."""
    station.add()
    until(lambda: station.panel._live._newest == 1)  # the watcher may see it some ms later than the page connects
    with listening(station, "?after=999") as page:
        _, lagging, _ = page.next("lagging")
        station.add()
        _, _, after = page.next("outcome")

    assert (lagging["after"], after) == (999, "2")


def test_one_page_too_many_is_refused(station: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of pages has a name, and a page that left makes room (L12)."""
    monkeypatch.setattr(live, "MAX_PAGES", 1)
    with listening(station) as first:
        first.next("health")
        refused = station.get("/v1/live")
    end = time.monotonic() + PATIENCE_S
    status = 0
    while status != 200 and time.monotonic() < end:
        with listening(station) as later:
            status = later.status

    assert (refused.status, refused.json["error"]["type"]) == (503, "max_pages")
    assert status == 200


def test_health_is_computed_once_for_all_pages(station: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten pages that hear the same second cost one look at the station."""
    pages = [Listener(station) for _ in range(10)]
    heard = [page.next("health")[1]["at"] for page in pages]
    for page in pages:
        page.close()

    assert len(set(heard)) <= 3


def test_the_panel_ends_while_pages_listen(station: Site) -> None:
    """A clean stop ends every stream at once, and needs no page's leave."""
    with listening(station) as page:
        page.next("health")
        begun = time.monotonic()
        station.restart()

    assert time.monotonic() - begun < PATIENCE_S


def test_a_wrong_place_to_begin_is_refused(station: Site) -> None:
    """`after` that is no `seq` is answered 400."""
    assert station.get("/v1/live?after=newest").status == 400
