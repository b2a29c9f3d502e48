"""The history over real HTTP: pages, search, one outcome's story, its evidence, and export."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from edge.adapters import history
from edge.core.outcome import Defect, Reason
from tests.web.site import PartOf, Site, site


def seqs(station: Site, query: str) -> list[int]:
    """The `seq` of every outcome that a search finds, page by page."""
    found: list[int] = []
    before = ""
    while True:
        told = station.get(f"/v1/outcomes?{query}{before}").json
        found += [one["seq"] for one in told["outcomes"]]
        if told["next_before"] is None:
            return found
        before = f"&before={told['next_before']}"


def fill(station: Site) -> None:
    """Seven parts, an hour apart."""
    reasons = [
        PartOf("AB100", "M1"),
        PartOf("AB200", "M2", Reason.MISMATCH, expected="AB201"),
        PartOf("cd300", "M1", Reason.UNREADABLE, defects=(Defect.GLARE,)),
        PartOf("AB400", "M2"),
        PartOf("=1+1", "M1", Reason.RECORD_MISSING),
        PartOf("AB%_0", "M3"),
        PartOf("", "M1", Reason.UNREADABLE, defects=(Defect.NO_PLATE,)),
    ]
    for hour, part in enumerate(reasons):
        station.add(part, at=f"2026-11-25T{hour:02}:00:00.000Z")


@pytest.fixture
def filled(station: Site) -> Site:
    """A station with seven parts."""
    fill(station)
    return station


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A station with seven parts that nobody changes."""
    with site(tmp_path_factory.mktemp("searched")) as made:
        fill(made)
        yield made


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [7, 6, 5, 4, 3, 2, 1]),
        ("limit=2", [7, 6, 5, 4, 3, 2, 1]),
        ("serial=AB", [6, 4, 2, 1]),
        ("serial=ab1", [1]),
        ("serial=CD", [3]),
        ("serial=AB%25", [6]),
        ("serial=B1", []),
        ("model=M1&limit=1", [7, 5, 3, 1]),
        ("text=m2", [4, 2]),
        ("text=AB4", [4]),
        ("serial=AB&model=M2", [4, 2]),
        ("reason=unreadable&limit=1", [7, 3]),
        ("disposition=pass", [6, 4, 1]),
        ("disposition=pass&model=M2", [4]),
        ("since=2026-11-25T03:00:00Z", [7, 6, 5, 4]),
        ("since=2026-11-25T04:00:00%2B01:00&until=2026-11-25T05:00:00Z", [5, 4]),
        ("until=2020-01-01T00:00:00Z", []),
        ("since=2030-01-01T00:00:00Z", []),
        ("since=2026-11-20", [7, 6, 5, 4, 3, 2, 1]),
        ("since=2026-11-20&until=2026-11-21", []),
        ("reason=unreadable&disposition=pass", []),
    ],
)
@pytest.mark.parametrize("limits", [(20_000, 25_000, 2_000), (2, 2, 2), (2, 100, 1)])
def test_a_search_finds_all_that_fits_newest_first(
    searched: Site, query: str, found: list[int], limits: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page every outcome that fits comes once, newest first, however few rows are looked at for one page."""
    for name, limit in zip(("MAX_WALKED", "MAX_SORTED", "MAX_TRIED"), limits, strict=True):
        monkeypatch.setattr(history, name, limit)

    assert seqs(searched, query) == found


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=1e3", "limit"),
        ("before=-1", "before"),
        ("disposition=OK", "pass, fail, hold"),
        ("reason='; DROP TABLE outcomes", "matched"),
        ("since=yesterday", "since"),
        ("since=2026-11-25T03:00:00", "since"),
        ("serial=" + "x" * 201, "200"),
    ],
)
def test_a_wrong_search_is_told_what_it_can_be(searched: Site, query: str, named: str) -> None:
    """What cannot be searched for is answered 400, with the key and what it may hold."""
    answer = searched.get(f"/v1/outcomes?{quote(query, safe='=&')}")

    assert answer.status == 400
    assert named in answer.sentence


def test_one_outcome_tells_its_whole_story(station: Site) -> None:
    """The stored payload, who has heard of it, and each evidence frame with its address."""
    inspection_id = station.add(PartOf(attempts=2), frames=2)
    station.store.outbox.acknowledge(*station.store.outbox.waiting(9))
    station.store.confirmations.add(inspection_id)
    told = station.get(f"/v1/outcomes/{inspection_id}").json
    row = station.store.outcome(inspection_id)

    assert row is not None
    assert told["outcome"] == json.loads(row.payload)
    assert (told["closed_as"], told["confirmed_at"]) == ("acknowledged", row.confirmed_at)
    assert [one["attempt"] for one in told["evidence"]] == [1, 2]
    assert told["evidence"][1]["url"] == f"/v1/outcomes/{inspection_id}/evidence/1"


def test_evidence_is_the_frame_that_the_reader_saw(station: Site) -> None:
    """The bytes come as they were hashed; bytes that are others are refused (L8)."""
    inspection_id = station.add()
    told = station.get(f"/v1/outcomes/{inspection_id}").json
    kept = told["outcome"]["evidence"][0]
    frame = station.get(told["evidence"][0]["url"])
    (station.data_dir / kept["path"]).write_bytes(b"\x89PNG another frame")
    changed = station.get(told["evidence"][0]["url"])

    assert (frame.status, frame.headers["content-type"]) == (200, "image/png")
    assert frame.body.startswith(b"\x89PNG")
    assert (changed.status, "SHA-256" in changed.sentence) == (409, True)


def test_a_frame_that_was_removed_is_told_to_be_gone(station: Site) -> None:
    """A pruned frame is 410 with a sentence, whether the sweep noted it or the file was lost."""
    inspection_id = station.add(frames=2)
    told = station.get(f"/v1/outcomes/{inspection_id}").json
    paths = [one["path"] for one in told["outcome"]["evidence"]]
    station.store.kept.mark_removed(paths[0])
    (station.data_dir / paths[1]).unlink()
    answers = [station.get(one["url"]) for one in told["evidence"]]

    assert [one.status for one in answers] == [410, 410]
    assert all("hash stays in the outcome" in one.sentence for one in answers)


def test_a_path_outside_the_data_folder_is_never_read(station: Site, tmp_path: Path) -> None:
    """Even where the store itself names a file outside its folder, that file is not answered."""
    inspection_id = station.add()
    (tmp_path / "secret").write_text("swordfish")
    with sqlite3.connect(station.data_dir / "edge.db") as db:
        db.execute("UPDATE evidence SET path = '../secret'")
    db.close()
    answer = station.get(f"/v1/outcomes/{inspection_id}/evidence/0")

    assert answer.status == 404
    assert b"swordfish" not in answer.body


@pytest.mark.parametrize(
    "path",
    [
        "/v1/outcomes/nothing",
        "/v1/outcomes/..%2f..%2fedge.db",
        "/v1/outcomes/nothing/evidence/0",
        "/v1/outcomes/nothing/evidence/..%2f..%2fedge.db",
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/texts/en.json/..%2f..",
        "/static/",
        "/static//etc/passwd",
    ],
)
def test_no_path_of_a_request_reaches_the_file_system(searched: Site, path: str) -> None:
    """An address is looked up in tables alone: what is not there is 404."""
    assert searched.get(path).status == 404


def test_an_export_holds_all_that_fits(filled: Site) -> None:
    """JSON Lines are the stored payloads, byte for byte; CSV has a row each, and nothing that a spreadsheet runs."""
    lines = filled.get("/v1/outcomes/export?format=jsonl&model=M1").body.splitlines()
    text = filled.get("/v1/outcomes/export?format=csv").body.decode()
    rows = list(csv.DictReader(io.StringIO(text)))

    assert [json.loads(line)["seq"] for line in lines] == [7, 5, 3, 1]
    assert lines[0] == filled.store.outcomes()[0].payload
    assert [row["seq"] for row in rows] == ["7", "6", "5", "4", "3", "2", "1"]
    assert (rows[2]["serial"], rows[4]["defects"], rows[5]["serial.expected"]) == ("'=1+1", "glare", "AB201")


def test_an_export_of_another_form_is_refused(station: Site) -> None:
    """Another form is answered 400 with those that there are."""
    answer = station.get("/v1/outcomes/export?format=xlsx")

    assert (answer.status, "csv or jsonl" in answer.sentence) == (400, True)


def test_a_store_of_before_can_be_searched(station: Site) -> None:
    """The texts of outcomes from before the search are filled in when the tables are brought up to date."""
    station.add(PartOf("OLD-1"))
    path = station.data_dir / "edge.db"
    with sqlite3.connect(path) as db:
        texts = db.execute("SELECT * FROM outcome_texts").fetchall()
        held = db.execute("SELECT * FROM held_parts").fetchall()

    assert {(name, text) for _, _, name, text in texts} == {("serial", "OLD-1"), ("model", "HX-4711")}
    assert held == []


def test_what_is_forgotten_is_not_found(filled: Site) -> None:
    """Outcomes that were told and are old leave nothing behind that could be searched."""
    filled.store.outbox.acknowledge(*filled.store.outbox.waiting(99))
    with sqlite3.connect(filled.data_dir / "edge.db") as db:
        db.execute("UPDATE evidence SET removed_at = '2026-11-26'")
    db.close()
    filled.store.kept.forget("2026-11-25T03:00:00.000Z")

    assert seqs(filled, "text=") == [7, 6, 5, 4]
    assert seqs(filled, "serial=AB") == [6, 4]
    assert filled.get("/v1/held").json["waiting"] == 2
