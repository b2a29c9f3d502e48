"""The store: durable, gapless, one outcome per inspection, whatever happens in which order."""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.adapters import database, schema
from edge.adapters.database import Clock
from edge.adapters.rows import InspectionIds
from edge.adapters.store import LimitError, Store
from edge.core.outcome import Evidence, FieldOutcome, Outcome, Reason
from edge.core.reading import FieldReading
from edge.errors import StoreError, UseError

AT = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An open store."""
    opened = Store.open(tmp_path, "st")
    yield opened
    opened.close()


def trigger(store: Store, trigger_id: str) -> str:
    """A new trigger's inspection."""
    return store.add_trigger(trigger_id, expected=None, source="test", at=AT, at_us=1)[0]


def commit(store: Store, outcome: Outcome) -> int:
    """Commit with the usual rest."""
    return store.commit(outcome, topic="outcome", config_hash="c", at=AT)


def test_outcome_and_outbox_row_are_one_transaction(store: Store, tmp_path: Path) -> None:
    """A commit that fails anywhere leaves neither outcome nor message, and uses up no `seq` (L2)."""
    inspection_id = trigger(store, "t1")
    twice = Evidence("evidence/a.jpg", "00", 1)
    broken = Outcome(inspection_id, "t1", Reason.MATCHED, evidence=(twice, twice))

    with pytest.raises(StoreError):
        commit(store, broken)

    assert store.outcome(inspection_id) is None
    assert store.outbox.pending(10) == []
    assert commit(store, Outcome(inspection_id, "t1", Reason.MATCHED)) == 1


def test_outcome_is_on_the_disk_before_anyone_hears_of_it(store: Store, tmp_path: Path) -> None:
    """When commit returns, another process finds outcome and message; the journal is synced on every commit (L2)."""
    inspection_id = trigger(store, "t1")

    commit(store, Outcome(inspection_id, "t1", Reason.MATCHED))

    other = Store.open(tmp_path, "st")
    assert [message.inspection_id for message in other.outbox.pending(10)] == [inspection_id]
    with store._database.reading() as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()


def test_a_second_outcome_is_refused_and_the_same_one_is_known(store: Store) -> None:
    """An inspection has one outcome: the very same again gives its `seq`, another one is an error (L1)."""
    inspection_id = trigger(store, "t1")
    seq = commit(store, Outcome(inspection_id, "t1", Reason.MATCHED))
    row = store.outcome(inspection_id)

    again = store.commit(
        Outcome(inspection_id, "t1", Reason.MATCHED), topic="outcome", config_hash="c", at="2026-01-01T00:00:09.000Z"
    )

    assert again == seq
    with pytest.raises(UseError, match="has its outcome already"):
        commit(store, Outcome(inspection_id, "t1", Reason.OVERRUN))
    assert store.outcome(inspection_id) == row


def test_an_outcome_without_a_trigger_is_refused(store: Store) -> None:
    """Outcomes come from triggers alone (L1)."""
    with pytest.raises(UseError, match="no trigger"):
        commit(store, Outcome("01a2", "t1", Reason.MATCHED))


def test_begun_trigger_is_found_after_a_crash(store: Store, tmp_path: Path) -> None:
    """A trigger that was begun and has no outcome is found by the next start; one that waits stays in line (L1)."""
    begun, waits = trigger(store, "t1"), trigger(store, "t2")
    assert store.next_trigger() is not None

    after = Store.open(tmp_path, "st")

    assert [row.inspection_id for row in after.interrupted()] == [begun]
    assert [row.inspection_id for row in after.waiting_triggers()] == [waits]
    after.close()


def test_expectation_is_used_once_in_order(store: Store) -> None:
    """Each announced part belongs to one trigger, in order; a trigger with its own expectation takes none."""
    assert store.add_expectation({"serial": "A"}, "c1")
    assert not store.add_expectation({"serial": "A"}, "c1")
    assert store.add_expectation({"serial": "A"}, "c2", repeatable=False)
    assert store.add_expectation({"serial": "A"}, "c2", repeatable=False)
    store.add_trigger("own", expected={"serial": "Z"}, source="x", at=AT, at_us=1)
    for number in range(4):
        trigger(store, f"t{number}")

    expected = [row.expected for row in store.waiting_triggers()]

    assert expected == [{"serial": "Z"}, {"serial": "A"}, {"serial": "A"}, {"serial": "A"}, None]


def test_limits_have_names(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full queue refuses by its name and keeps what it has (L12)."""
    monkeypatch.setattr("edge.adapters.store.MAX_WAITING_TRIGGERS", 1)
    monkeypatch.setattr("edge.adapters.store.MAX_WAITING_EXPECTATIONS", 1)
    trigger(store, "t1")
    store.add_expectation({"serial": "A"}, "c1")

    with pytest.raises(LimitError) as triggers:
        trigger(store, "t2")
    with pytest.raises(LimitError) as expectations:
        store.add_expectation({"serial": "B"}, "c2")

    assert (triggers.value.limit, expectations.value.limit) == ("max_waiting_triggers", "max_waiting_expectations")
    assert trigger(store, "t1") == store.waiting_triggers()[0].inspection_id


def test_duplicate_serial_is_found_among_passes_only(store: Store) -> None:
    """An earlier pass of the same serial is found; holds and the inspection itself are not."""

    def inspect(number: int, reason: Reason) -> str:
        inspection_id = trigger(store, f"t{number}")
        serial = FieldOutcome(FieldReading("serial", "A\ud8001", "A\ud8001"))
        commit(store, Outcome(inspection_id, f"t{number}", reason, fields={"serial": serial}))
        return inspection_id

    held = inspect(1, Reason.ERP_UNAVAILABLE)
    assert store.earlier_pass("A\ud8001", held) is None
    passed = inspect(2, Reason.MATCHED)

    assert store.earlier_pass("A\ud8001", held) == passed
    assert store.earlier_pass("A\ud8001", passed) is None
    assert store.earlier_pass("B", held) is None


def test_oldest_unconfirmed_is_watched_once_mes_confirms(store: Store) -> None:
    """Without any confirmation there is no age to watch; after the first, the oldest unconfirmed outcome has one."""
    ids = [trigger(store, f"t{number}") for number in range(3)]
    for number, inspection_id in enumerate(ids):
        commit(store, Outcome(inspection_id, f"t{number}", Reason.MATCHED))
    assert store.confirmations.oldest_missing_age_s() is None

    assert store.confirmations.add(ids[0])
    assert store.confirmations.add(ids[0])
    assert not store.confirmations.add("unknown")

    assert store.confirmations.oldest_missing_age_s() is not None
    store.confirmations.add(ids[1])
    store.confirmations.add(ids[2])
    assert store.confirmations.oldest_missing_age_s() is None
    assert store.counts()["confirmed"] == 3


def test_only_dead_letters_can_be_dropped(store: Store) -> None:
    """A message that still waits cannot be dropped; a dropped one leaves its outcome in the store."""
    inspection_id = trigger(store, "t1")
    commit(store, Outcome(inspection_id, "t1", Reason.MATCHED))
    (row_id,) = store.outbox.waiting(10)

    with pytest.raises(UseError, match="still being sent"):
        store.outbox.drop(row_id)
    with pytest.raises(UseError, match="no message"):
        store.outbox.drop(77)
    store.outbox.set_aside(row_id)
    store.outbox.drop(row_id)

    row = store.outcome(inspection_id)
    assert row is not None
    assert row.closed_as == "dropped"
    assert store.outbox.dead_letters() == []


def test_whether_a_message_is_historical_is_decided_at_its_first_sending(tmp_path: Path) -> None:
    """A repeat carries the same `historical` as the first sending did, however late it is."""
    now_us = [0]
    store = Store.open(tmp_path, "st", clock=Clock(now_us=lambda: now_us[0], at=lambda: AT, boot="b1"))
    early = store.add_message("t", b"{}", {}, kind="retake", inspection_id=None)
    late = store.add_message("t", b"{}", {}, kind="retake", inspection_id=None)
    now_us[0] = 9_000_000
    first = store.outbox.begin_sending([early, late])
    now_us[0] = 11_000_000

    again = [*store.outbox.begin_sending([early]), *store.outbox.begin_sending([late])]

    assert [(message.row_id, message.is_past) for message in first] == [(early, False)]
    assert [(message.row_id, message.is_past) for message in again] == [(early, False), (late, True)]
    store.close()


def test_messages_of_the_past_are_begun_together_and_a_live_one_alone(tmp_path: Path) -> None:
    """Rows that tell of the past are given together; one that does not is given first and alone, or not yet (L11)."""
    now_us = [0]
    store = Store.open(tmp_path, "st", clock=Clock(now_us=lambda: now_us[0], at=lambda: AT, boot="b1"))
    past = [store.add_message("t", b"{}", {}, kind="retake", inspection_id=None) for _ in range(3)]
    now_us[0] = 11_000_000
    live = [store.add_message("t", b"{}", {}, kind="retake", inspection_id=None) for _ in range(2)]

    together = store.outbox.begin_sending([*past, *live])
    too_early = store.outbox.begin_sending(live, taken=past, alone=False)
    alone = store.outbox.begin_sending(live)

    assert [message.row_id for message in together] == past
    assert too_early == []
    assert [message.row_id for message in alone] == live[:1]
    assert store.outbox.waiting(9) == live
    assert store.counts()["acknowledged"] == 3
    store.close()


def test_ages_survive_a_restart_of_the_pc(tmp_path: Path) -> None:
    """After a restart of the PC monotonic times mean nothing: ages come from wall time, and rows say so."""
    before = Store.open(tmp_path, "st", clock=Clock(now_us=lambda: 10**12, at=lambda: AT, boot="b1"))
    before.add_trigger("t1", expected=None, source="x", at=AT, at_us=10**12)
    before.close()

    after = Store.open(tmp_path, "st", clock=Clock(now_us=lambda: 5, at=lambda: "2026-01-01T00:01:00.000Z", boot="b2"))

    (row,) = after.waiting_triggers()
    assert (row.age_s, row.this_boot) == (60.0, False)
    after.close()


def test_two_stations_in_one_file_have_their_own_numbers(store: Store, tmp_path: Path) -> None:
    """`seq` and the outbox belong to a station."""
    other = Store.open(tmp_path, "other")
    commit(store, Outcome(trigger(store, "t1"), "t1", Reason.MATCHED))

    assert commit(other, Outcome(trigger(other, "t1"), "t1", Reason.MATCHED)) == 1
    assert len(store.outbox.pending(10)) == len(other.outbox.pending(10)) == 1
    other.close()


def _work(folder: str, name: str) -> None:
    store = Store.open(Path(folder), "st")
    for number in range(20):
        trigger_id = f"{name}-{number}"
        commit(store, Outcome(trigger(store, trigger_id), trigger_id, Reason.MATCHED))
    store.close()


def test_several_processes_write_without_a_gap(tmp_path: Path) -> None:
    """Processes that open a new file at once and write at once leave no gap and no damage (L1)."""
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_work, args=(str(tmp_path), f"w{number}")) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    store = Store.open(tmp_path, "st")
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert sorted(row.seq for row in store.outcomes(limit=100)) == list(range(1, 61))
    store.close()


def test_threads_may_share_a_store(store: Store) -> None:
    """One open store may be used by several threads."""

    def work(name: str) -> None:
        for number in range(10):
            commit(store, Outcome(trigger(store, f"{name}{number}"), f"{name}{number}", Reason.MATCHED))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert store.counts()["outcomes"] == 30


def test_a_locked_store_says_so(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another process holds: one sentence with the file and what to do, and nothing is written."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 20)
    other = Store.open(tmp_path, "st")
    with store._database.transaction(), pytest.raises(StoreError, match=r"edge\.db could not be used: another process"):
        trigger(other, "t1")

    assert other.waiting_triggers() == []
    other.close()


def test_a_full_disk_says_so_and_loses_nothing(store: Store) -> None:
    """A full disk: one sentence; what was committed stays, and writing goes on when there is room (L2)."""
    first = trigger(store, "t1")
    with store._database.reading() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
    store._database._connection.execute(f"PRAGMA max_page_count = {pages}")
    big = Outcome(first, "t1", Reason.MATCHED, detail="x" * 200_000)

    with pytest.raises(StoreError, match="the disk is full: free space"):
        commit(store, big)

    assert store.outcome(first) is None
    store._database._connection.execute("PRAGMA max_page_count = 1000000")
    assert commit(store, big) == 1


@pytest.mark.parametrize(
    "content", [b"this is not a database, not at all" * 100, b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_a_damaged_file_says_so(content: bytes, tmp_path: Path) -> None:
    """A file that is no database is a named error, never overwritten."""
    (tmp_path / "edge.db").write_bytes(content)

    with pytest.raises(StoreError, match=r"edge\.db could not be used"):
        Store.open(tmp_path, "st")

    assert (tmp_path / "edge.db").read_bytes() == content


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    """A data folder below a file is a named error."""
    (tmp_path / "file").write_text("x", encoding="utf-8")

    with pytest.raises(StoreError, match="data folder"):
        Store.open(tmp_path / "file" / "data", "st")


def test_tables_of_a_later_version_are_refused(tmp_path: Path) -> None:
    """A database of a later edge is not half understood but refused."""
    Store.open(tmp_path, "st").close()
    db = sqlite3.connect(tmp_path / "edge.db")
    db.execute(f"PRAGMA user_version = {len(schema.STEPS) + 1}")
    db.close()

    with pytest.raises(StoreError, match="install the edge that wrote it"):
        Store.open(tmp_path, "st")


def test_an_earlier_version_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later step runs on a database of today, and keeps its rows."""
    before = Store.open(tmp_path, "st")
    inspection_id = trigger(before, "t1")
    before.close()
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, ("ALTER TABLE triggers ADD COLUMN work_order TEXT",)))

    after = Store.open(tmp_path, "st")

    assert [row.inspection_id for row in after.waiting_triggers()] == [inspection_id]
    with after._database.reading() as db:
        assert db.execute("SELECT work_order FROM triggers").fetchall() == [(None,)]
    after.close()


def test_inspection_ids_grow_and_are_uuid_version_7() -> None:
    """Ids are UUIDv7, unique, and grow also when the wall clock is set back."""
    wall_ms = iter([1000, 1000, 1000, 500, 2000] + [2000] * 5000)
    new_id = InspectionIds(lambda: next(wall_ms))

    ids = [new_id() for _ in range(5005)]

    assert ids == sorted(set(ids))
    assert all(each[14] == "7" and each[19] in "89ab" and len(each) == 36 for each in ids)


def test_payload_in_the_outbox_is_the_payload_in_the_store(store: Store) -> None:
    """What is sent is what was decided on: one copy, no second one that could differ (L2)."""
    inspection_id = trigger(store, "t1")
    commit(store, Outcome(inspection_id, "t1", Reason.MATCHED, detail="ü"))

    (message,) = store.outbox.pending(10)
    row = store.outcome(inspection_id)
    assert row is not None
    assert message.payload == row.payload
    assert json.loads(row.payload)["detail"] == "ü"
