"""The snapshot of ERP's records: whole or not there, and never older than is said."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.adapters import erp_snapshot
from edge.adapters.erp import ErpAwayError, Record
from edge.adapters.erp_snapshot import Snapshot
from edge.errors import ErpError, StoreError
from tests.adapters.played_erp import AWAY, PARTS, PlayedErp, Time, failure
from tests.brokers import wait_for

# What it holds.


def test_a_record_comes_back_with_its_source_and_age(snapshot: Snapshot, clocks: Time) -> None:
    """A synced record is the record, says that the snapshot has it, and how old it is by now."""
    said = snapshot.sync(PlayedErp(age_s=5), limit_s=60)
    clocks.now_us += 20_000_000

    assert said == "played: 2 records, 5 s old"
    assert snapshot.describe() == "snapshot of 2 records, 25 s old"
    assert snapshot.lookup("12345678AB") == Record(PARTS[0].fields, "snapshot:played", 25.0, "")
    assert snapshot.lookup("87654321BA").used == "INSPECTED: yes"


def test_what_it_does_not_hold_is_not_missing(snapshot: Snapshot) -> None:
    """A serial that it does not hold may be in ERP by now: it is unavailable, not missing (L3)."""
    snapshot.sync(PlayedErp(), limit_s=60)

    assert "does not hold this serial" in failure(snapshot, "x")


def test_a_serial_that_stands_twice_is_not_held(snapshot: Snapshot) -> None:
    """Two records of a serial are none, in the snapshot too (L4)."""
    said = snapshot.sync(PlayedErp([*PARTS, None, Record({"serial": "12345678AB", "model": "AX-1"})]), limit_s=60)

    assert said.startswith("played: 1 records, 3 left out")
    assert "holds two records" in failure(snapshot)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(texts=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(max_size=9)))
def test_any_text_comes_back_as_it_was(texts: dict[str, str], snapshot: Snapshot) -> None:
    """Serials and texts of any characters are kept and found as they are, and never SQL."""
    texts = {serial: text.encode("utf-8", "ignore").decode() for serial, text in texts.items()}
    records = [Record({"serial": serial, "model": text}) for serial, text in texts.items()]
    if not records:
        return
    snapshot.sync(PlayedErp(records), limit_s=60)

    assert {serial: snapshot.lookup(serial).fields["model"] for serial in texts} == texts


# How old it may be.


def test_too_old_answers_nothing_and_names_the_limit(snapshot: Snapshot, clocks: Time) -> None:
    """Past erp.max_age_s, ERP's own age counted, no record counts any more, and the sentence names the limit (L4)."""
    snapshot.sync(PlayedErp(age_s=600), limit_s=60)
    clocks.now_us += 3_000_000_000
    fresh = snapshot.lookup("12345678AB").age_s
    clocks.now_us += 1_000_000

    assert fresh == 3600
    assert "3601 s old, more than erp.max_age_s, 3600" in failure(snapshot)
    assert "too old: erp.max_age_s" in snapshot.describe()
    assert "set erp.sync_every_s" in snapshot.doubts()[0]


def test_a_wall_clock_that_is_set_changes_no_age(snapshot: Snapshot, clocks: Time) -> None:
    """Back an hour, forward a day: while the PC runs, the age is by the clock that nobody sets."""
    snapshot.sync(PlayedErp(), limit_s=60)
    clocks.now_us += 60_000_000
    ages = []
    for clocks.wall in ("2025-12-31T23:00:00.000Z", "2026-01-02T00:00:00.000Z"):
        ages.append(snapshot.lookup("12345678AB").age_s)

    assert ages == [60, 60]


def test_after_a_restart_of_the_pc_the_wall_clock_counts(snapshot: Snapshot, clocks: Time) -> None:
    """The age goes on over a restart, with ERP's own age in it."""
    snapshot.sync(PlayedErp(age_s=100), limit_s=60)
    clocks.boot, clocks.now_us, clocks.wall = "two", 5, "2026-01-01T00:05:00.000Z"
    restarted = Snapshot(snapshot.path, "erp 1", max_age_s=3600, clock=clocks.clock)

    assert restarted.lookup("12345678AB").age_s == 400


def test_records_that_have_not_changed_are_young_again(snapshot: Snapshot, clocks: Time) -> None:
    """ERP that says "unchanged" makes the same records count from now, without sending them."""
    erp = PlayedErp(tag="v1")
    snapshot.sync(erp, limit_s=60)
    clocks.now_us += 1_000_000_000
    erp.records = []
    said = snapshot.sync(erp, limit_s=60)

    assert said == "played: 2 records, unchanged"
    assert snapshot.lookup("12345678AB").age_s == 0


# Whole or not at all.


def endless() -> Iterator[Record]:
    """Records, then a fault: ERP goes away in the middle."""
    yield from (Record({"serial": f"S{number}", "model": "new"}) for number in range(12_000))
    raise AWAY


@pytest.mark.parametrize(
    ("records", "limit_s", "what"),
    [
        (endless(), 60, "ERP is away"),
        ((Record({"serial": f"S{number}"}) for number in range(10**9)), 0.3, "erp.sync_timeout_s"),
        ([], 60, "no record that can be used"),
        ([None], 60, "no record that can be used, and 1 that cannot"),
    ],
)
def test_a_sync_that_fails_leaves_what_there_was(
    records: Iterable[Record | None], limit_s: float, what: str, snapshot: Snapshot
) -> None:
    """ERP that goes away, is too slow or has lost its records does not touch the old snapshot; nothing is left over."""
    snapshot.sync(PlayedErp(), limit_s=60)

    with pytest.raises(ErpError, match=what):
        snapshot.sync(PlayedErp(records), limit_s=limit_s)

    assert snapshot.lookup("12345678AB").fields["model"] == "AX-1"
    assert [path.name for path in snapshot.path.parent.iterdir()] == ["snapshot.db"]


_SYNC = """
import sys
from pathlib import Path
from edge.adapters.erp import Everything, Record
from edge.adapters.erp_snapshot import Snapshot

class Endless:
    def everything(self, tag=""):
        return Everything((Record({"serial": f"S{number}"}) for number in range(int(sys.argv[2]))), "played")

Snapshot(Path(sys.argv[1]), "erp 1", max_age_s=3600).sync(Endless(), limit_s=600)
"""


def test_a_sync_that_is_killed_leaves_what_there_was(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill -9 in the middle of writing: the old snapshot answers, and the next sync removes what was left (L2)."""
    snapshot.sync(PlayedErp(), limit_s=60)
    writer = subprocess.Popen([sys.executable, "-c", _SYNC, str(snapshot.path), "1000000000"])
    half = wait_for(lambda: [one for one in snapshot.path.parent.glob("*.new-*") if one.stat().st_size > 500_000])
    writer.kill()
    writer.wait()
    found = snapshot.lookup("12345678AB").fields["model"]
    monkeypatch.setattr(erp_snapshot, "LEFTOVER_S", -1)
    snapshot.sync(PlayedErp(), limit_s=60)

    assert found == "AX-1"
    assert not half[0].exists()


def test_a_full_disk_is_named_and_leaves_what_there_was(snapshot: Snapshot) -> None:
    """A disk that takes no more (here: a file that may not grow) is a named error; the old snapshot stays (L12)."""
    snapshot.sync(PlayedErp(), limit_s=60)
    full = ["prlimit", "--fsize=65536", sys.executable, "-c", _SYNC, str(snapshot.path), "1000000"]
    told = subprocess.run(full, capture_output=True, text=True, check=False)

    assert "could not be written" in told.stderr
    assert "the old one stays" in told.stderr
    assert snapshot.lookup("12345678AB").fields["model"] == "AX-1"
    assert [path.name for path in snapshot.path.parent.iterdir()] == ["snapshot.db"]


def test_a_folder_that_takes_no_file_is_named(tmp_path: Path) -> None:
    """A data folder that cannot be made is a named error."""
    (tmp_path / "file").write_text("", encoding="ascii")

    with pytest.raises(StoreError, match="could not be written"):
        Snapshot(tmp_path / "file" / "s.db", "erp 1", max_age_s=1).sync(PlayedErp(), limit_s=60)


@pytest.mark.parametrize(
    "spoilt",
    [b"", b"SQLite format 3\x00", b"\x00" * 8192, b"no database at all" * 500],
    ids=["empty", "half a head", "zeros", "text"],
)
def test_a_file_that_is_damaged_answers_nothing(spoilt: bytes, snapshot: Snapshot) -> None:
    """A damaged file is named, and the next sync replaces it."""
    snapshot.path.write_bytes(spoilt)
    told = [failure(snapshot), *snapshot.doubts()]
    snapshot.sync(PlayedErp(), limit_s=60)

    assert ["is damaged" in one for one in told] == [True, True]
    assert snapshot.doubts() == []
    assert snapshot.lookup("12345678AB").fields["model"] == "AX-1"


def test_a_file_that_was_cut_answers_nothing(snapshot: Snapshot) -> None:
    """Half a file finds nothing at all, or names itself damaged; it never says that a part is missing (L3)."""
    snapshot.sync(
        PlayedErp([Record({"serial": f"S{number}", "model": "x" * 50}) for number in range(5000)]), limit_s=60
    )
    whole = snapshot.path.read_bytes()
    snapshot.path.write_bytes(whole[: len(whole) // 2 // 4096 * 4096])
    answers = []
    for number in range(0, 5000, 100):
        try:
            answers.append(snapshot.lookup(f"S{number}").fields["serial"] == f"S{number}")
        except ErpAwayError as error:
            answers.append("damaged" in str(error))

    assert all(answers)


def test_a_snapshot_of_another_erp_answers_nothing(snapshot: Snapshot) -> None:
    """After table, address or columns were changed the old snapshot counts for nothing."""
    snapshot.sync(PlayedErp(), limit_s=60)
    with closing(sqlite3.connect(snapshot.path)) as db:
        held = db.execute("SELECT facts FROM facts").fetchone()[0]

    assert '"identity": "erp 1"' in held
    assert "of another [erp]" in failure(Snapshot(snapshot.path, "erp 2", max_age_s=3600))
