"""The snapshot of ERP's records: whole or not there, never older than is said, and silent where ERP has spoken."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from edge.adapters import erp_snapshot
from edge.adapters.database import Clock
from edge.adapters.erp import Erp, ErpAwayError, Everything, Record, open_erp
from edge.adapters.erp_snapshot import ErpOrSnapshot, Snapshot, open_snapshot
from edge.errors import ErpError, StoreError
from edge.sections_erp import CsvErp
from tests.brokers import wait_for

PARTS = [
    Record({"serial": "12345678AB", "model": "AX-1"}),
    Record({"serial": "87654321BA", "model": "AX-2"}, used="INSPECTED: yes"),
]


@dataclass
class Time:
    """Clocks that go as the test wants, and a PC that can restart."""

    now_us: int = 10_000_000_000
    wall: str = "2026-01-01T00:00:00.000Z"
    boot: str = "one"

    @property
    def clock(self) -> Clock:
        """The same as the snapshot takes it."""
        return Clock(lambda: self.now_us, lambda: self.wall, self.boot)


@dataclass
class PlayedErp:
    """ERP from memory: its records, how old they are, their tag; it can be away or speak of a wrong record."""

    records: Iterable[Record | None] = field(default_factory=lambda: list(PARTS))
    age_s: float = 0.0
    tag: str = ""
    trouble: ErpError | None = None
    asked: list[str] = field(default_factory=list)

    def lookup(self, serial: str) -> Record:
        """One record, or the trouble."""
        self.asked.append(serial)
        if self.trouble is not None:
            raise self.trouble
        return next((one for one in self.records if one and one.fields["serial"] == serial), Record())

    def close(self) -> None:
        """For the protocol."""

    def everything(self, tag: str = "") -> Everything | None:
        """All records, or None where they have that tag."""
        if self.trouble is not None:
            raise self.trouble
        return None if tag and tag == self.tag else Everything(self.records, "played", self.age_s, self.tag)


AWAY = ErpAwayError("ERP is away; see its server")


@pytest.fixture
def clocks() -> Time:
    """Clocks of the test's own."""
    return Time()


@pytest.fixture
def snapshot(tmp_path: Path, clocks: Time) -> Snapshot:
    """A snapshot that is not made yet."""
    return Snapshot(tmp_path / "snapshot.db", "erp 1", max_age_s=3600, clock=clocks.clock)


def failure(erp: Snapshot | Erp, serial: str = "12345678AB") -> str:
    """Why nothing was answered."""
    with pytest.raises(ErpAwayError) as raised:
        erp.lookup(serial)
    return str(raised.value)


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


# While ERP is away.


@pytest.fixture
def erp(snapshot: Snapshot) -> PlayedErp:
    """ERP that has been synced."""
    played = PlayedErp()
    snapshot.sync(played, limit_s=60)
    return played


def test_erp_goes_before_its_snapshot(erp: PlayedErp, snapshot: Snapshot) -> None:
    """While ERP answers, "no such record" included, the snapshot is not asked."""
    both = ErpOrSnapshot(erp, snapshot)
    erp.records = [Record({"serial": "12345678AB", "model": "NEW"}, "live")]

    assert both.lookup("12345678AB").fields["model"] == "NEW"
    assert both.lookup("87654321BA").fields == {}


def test_the_snapshot_answers_while_erp_is_away(erp: PlayedErp, snapshot: Snapshot) -> None:
    """An ERP that is away costs its wait once in a while, not at every part; the log tells the change once."""
    now = [0.0]
    both = ErpOrSnapshot(erp, snapshot, now_s=lambda: now[0])
    erp.trouble = AWAY
    with capture_logs() as told:
        found = [both.lookup("12345678AB").source for _ in range(3)]
        now[0] += erp_snapshot.ERP_LEFT_ALONE_S + 0.1
        found.append(both.lookup("12345678AB").source)
        asked = len(erp.asked)
        erp.trouble = None
        now[0] += erp_snapshot.ERP_LEFT_ALONE_S + 0.1
        back = both.lookup("12345678AB").source

    assert found == ["snapshot:played"] * 4
    assert asked == 2
    assert back == ""
    assert [one["event"] for one in told] == ["erp away, its snapshot answers", "erp answers again"]


def test_what_the_snapshot_lacks_is_asked_of_erp_all_the_same(erp: PlayedErp, snapshot: Snapshot) -> None:
    """A part that is newer than the snapshot passes as soon as ERP is back; until then it is unavailable (L3)."""
    both = ErpOrSnapshot(erp, snapshot)
    erp.trouble = AWAY
    why = failure(both, "new")
    erp.trouble, erp.records = None, [Record({"serial": "new"}, "live")]

    assert "ERP is away; see its server; the snapshot, 0 s old, does not hold this serial" in why
    assert both.lookup("new").source == "live"


def test_the_snapshot_does_not_overrule_erp(erp: PlayedErp, snapshot: Snapshot) -> None:
    """Two records, or one of a wrong type, are ERP's word about this serial: the snapshot stays silent (L4)."""
    both = ErpOrSnapshot(erp, snapshot)
    erp.trouble = ErpError("ERP has two records of serial 12345678AB")

    with pytest.raises(ErpError, match="two records"):
        both.lookup("12345678AB")


def test_without_a_snapshot_an_outage_is_an_outage(snapshot: Snapshot) -> None:
    """Where no snapshot was ever made the sentence says so, and how to make one."""
    why = failure(ErpOrSnapshot(PlayedErp(trouble=AWAY), snapshot))

    assert "ERP is away" in why
    assert "there is no snapshot" in why
    assert snapshot.doubts() == []
    assert "edge erp sync" in why


def test_a_csv_file_that_is_away_at_the_start_is_covered(tmp_path: Path) -> None:
    """After a restart with a broken export the records of the last sync answer, as old as their file was."""
    file, path = tmp_path / "parts.csv", tmp_path / "snapshot.db"
    file.write_text("serial,model,done\n12345678AB,AX-1,0\n87654321BA,AX-2,x\n", encoding="utf-8")
    os.utime(file, (time.time() - 600, time.time() - 600))
    config = CsvErp(kind="csv", path=file, used_column="done", timeout_ms=20_000)
    from edge.adapters.erp import open_live

    live = open_live(config)
    assert live is not None
    open_snapshot(config, path).sync(live, limit_s=60)
    file.write_text("<html>", encoding="utf-8")
    restarted = open_erp(config, path)
    assert restarted is not None

    found, other = restarted.lookup("12345678AB"), restarted.lookup("87654321BA")
    for erp in (live, restarted):
        erp.close()

    assert (found.fields, found.source, found.used) == (
        {"serial": "12345678AB", "model": "AX-1"},
        "snapshot:csv:parts.csv",
        "",
    )
    assert 600 <= found.age_s < 660
    assert other.used == "done: x"
