"""One inspection saved from the page: by whom, what is in it, and what it may cost."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from edge.adapters import bundle_writing
from edge.adapters.bundle_reading import Bundle
from edge.web import bundles
from tests.web.site import TOKEN, Site

BY_TOKEN = {"authorization": f"Bearer {TOKEN}"}


def address(inspection_id: str) -> str:
    """Where the bundle of an inspection is asked for."""
    return f"/v1/outcomes/{inspection_id}/bundle"


def test_a_held_part_is_saved_as_one_file(station: Site, tmp_path: Path) -> None:
    """The bundle has the outcome's own bytes and both of its frames (L8)."""
    inspection_id = station.add(frames=2)
    answer = station.ask("POST", address(inspection_id), **BY_TOKEN)
    path = tmp_path / "part.edge.zip"
    path.write_bytes(answer.body)
    with Bundle(path) as opened:
        (part,) = opened.parts()
    stored = station.store.outcome(inspection_id)

    assert (answer.status, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="st-7-1.edge.zip"'
    assert stored is not None
    assert part.payload == stored.payload
    assert [*part.frames] == [1, 2]


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 401), ({"authorization": "Bearer wrong"}, 401), ({"cookie": "edge_session=x.y"}, 401)]
)
def test_who_may_not_set_the_station_up_gets_none(station: Site, headers: dict[str, str], status: int) -> None:
    """A bundle holds the station's settings: whoever may only look gets none, and no cookie of another site helps."""
    answer = station.ask("POST", address(station.add()), **headers)

    assert answer.status == status
    assert answer.body[:2] != b"PK"


def test_a_session_needs_its_own_word(station: Site) -> None:
    """A page of another site that sends the cookie along gets no bundle (CSRF)."""
    opened = station.ask("POST", "/v1/session", {"name": "Ada", "token": TOKEN})
    cookie = opened.headers["set-cookie"].partition(";")[0]
    inspection_id = station.add()
    without = station.ask("POST", address(inspection_id), cookie=cookie)
    with_it = station.ask("POST", address(inspection_id), cookie=cookie, x_edge_csrf=opened.json["csrf"])

    assert (without.status, with_it.status) == (403, 200)


def test_an_unknown_inspection_is_said(station: Site) -> None:
    """What the store does not know cannot be saved, and no path comes from the address."""
    answer = station.ask("POST", address("..%2f..%2fedge.db"), **BY_TOKEN)

    assert answer.status == 404


def test_one_bundle_is_made_at_a_time(station: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one is asked to come again: bundles take room, and the panel's memory has a limit (L12)."""
    begun, go_on = threading.Event(), threading.Event()
    finish = bundle_writing.BundleWriter.finish

    def slow(self: Any, *arguments: Any) -> None:
        begun.set()
        go_on.wait(20)
        finish(self, *arguments)

    monkeypatch.setattr(bundle_writing.BundleWriter, "finish", slow)
    inspection_id = station.add()
    answers: list[int] = []
    first = threading.Thread(
        target=lambda: answers.append(station.ask("POST", address(inspection_id), **BY_TOKEN).status)
    )
    first.start()
    assert begun.wait(20)
    second = station.ask("POST", address(inspection_id), **BY_TOKEN)
    go_on.set()
    first.join()

    assert (second.status, second.headers["retry-after"], answers) == (429, "2", [200])


def test_a_short_disk_and_a_large_part_are_said(station: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both limits of [record] hold for the page, too, each with its name (L12)."""
    inspection_id = station.add()
    monkeypatch.setattr(bundles, "free_bytes", lambda _folder: 10)
    short = station.ask("POST", address(inspection_id), **BY_TOKEN)
    monkeypatch.undo()
    monkeypatch.setattr(bundle_writing, "_BYTES_A_FILE", 10**9)
    large = station.ask("POST", address(inspection_id), **BY_TOKEN)

    assert (short.status, large.status) == (503, 413)
    assert "[record] keep_free_mb" in short.sentence
    assert "[record] max_mb" in large.sentence
