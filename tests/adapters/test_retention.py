"""What is given up of the past: by age and by size, never what was not told, and no counter changes by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.adapters import database
from edge.adapters.evidence import EvidenceFolder
from edge.adapters.retention import Limits, sweep
from edge.adapters.store import Store
from edge.core.outcome import Evidence, FieldOutcome, Outcome, Reason
from edge.core.reading import FieldReading

OLD, YOUNG = "2026-03-01T10:00:00.000Z", "2026-03-09T10:00:00.000Z"
NOW = datetime(2026, 3, 10, 10, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An open store."""
    opened = Store.open(tmp_path, "st")
    yield opened
    opened.close()


def inspect(store: Store, number: int, *, told: bool = True, at: str = OLD, kept: tuple[Evidence, ...] = ()) -> str:
    """One inspection that passes a part, told or not."""
    inspection_id, _ = store.add_trigger(f"t{number}", expected=None, source="test", at=at, at_us=0)
    serial = FieldOutcome(FieldReading("serial", f"S{number}", f"S{number}"))
    outcome = Outcome(inspection_id, f"t{number}", Reason.MATCHED, fields={"serial": serial}, evidence=kept)
    store.commit(outcome, topic="outcome", config_hash="c", at=at)
    if told:
        store.outbox.acknowledge(store.outbox.waiting(1000)[-1])
    return inspection_id


def seqs(store: Store) -> list[int]:
    """The outcomes that are still there."""
    return [row.seq for row in store.outcomes(limit=10_000)]


def test_old_told_outcomes_go_and_the_balance_stays(tmp_path: Path, store: Store) -> None:
    """By age: what was told goes, what was not stays; triggers, outcomes and `seq` count on as before (L1, L11)."""
    for number in range(1, 4):
        inspect(store, number, told=number != 2)
    inspect(store, 4, at=YOUNG)

    swept = sweep(tmp_path, store, Limits(outcome_days=5), NOW)

    assert swept.outcomes == 2
    assert seqs(store) == [4, 2]
    assert (store.counts()["triggers"], store.counts()["outcomes"]) == (4, 4)
    assert store.outbox.num_waiting() == 1
    inspect(store, 5)
    assert seqs(store)[0] == 5


def test_an_outcome_stays_as_long_as_its_evidence(tmp_path: Path, store: Store) -> None:
    """An outcome past its age stays while its evidence is kept, so that a frame never lies there unexplained."""
    folder = EvidenceFolder(tmp_path)
    kept = folder.write(b"frame", inspection_id="i", attempt=1, at=OLD)
    inspect(store, 1, kept=(kept,))

    first = sweep(tmp_path, store, Limits(outcome_days=5, evidence_days=30), NOW)
    second = sweep(tmp_path, store, Limits(outcome_days=5, evidence_days=5), NOW)

    assert (first.outcomes, first.evidence.by_age) == (0, 0)
    assert (second.outcomes, second.evidence.by_age) == (1, 1)
    assert not (tmp_path / kept.path).exists()


def test_beyond_its_size_the_store_gives_up_the_oldest_told_outcomes_alone(tmp_path: Path, store: Store) -> None:
    """By size: told outcomes go oldest first, with their evidence; what was not told stays, also beyond the limit."""
    folder = EvidenceFolder(tmp_path)
    files = [folder.write(b"%d" % number, inspection_id=f"i{number}", attempt=1, at=OLD) for number in range(5)]
    for number, kept in enumerate(files):
        inspect(store, number, kept=(kept,), told=number != 0)

    swept = sweep(tmp_path, store, Limits(store_bytes=1), NOW)

    assert swept.outcomes == 4
    assert seqs(store) == [1]
    assert [(tmp_path / kept.path).exists() for kept in files] == [True, False, False, False, False]


def test_dead_letters_stay_until_a_person_sets_their_age(tmp_path: Path, store: Store) -> None:
    """A message set aside is kept without end; with an age it is dropped after it, counted, its outcome kept (L11)."""
    inspection_id = inspect(store, 1, told=False)
    store.outbox.set_aside(store.outbox.waiting(1)[0])

    without = sweep(tmp_path, store, Limits(), NOW)
    # A message's age is by the clock at which it was written: today.
    later = datetime.now(UTC).replace(year=datetime.now(UTC).year + 1)
    within = sweep(tmp_path, store, Limits(dead_letter_days=30), later)

    assert (without.dead_letters, within.dead_letters) == (0, 1)
    assert store.outbox.num_dead() == 0
    assert store.counts()["dead_letters_expired"] == 1
    row = store.outcome(inspection_id)
    assert row is not None
    assert row.closed_as == "dropped"


def test_a_serial_is_a_duplicate_for_as_long_as_is_set(tmp_path: Path, store: Store) -> None:
    """A passed serial outlives its outcome without end; with an age it is forgotten after it, and only then."""
    old, young = inspect(store, 1), inspect(store, 2, at=YOUNG)
    sweep(tmp_path, store, Limits(outcome_days=1), NOW)

    kept_for_ever = store.earlier_pass("S1", "another")
    swept = sweep(tmp_path, store, Limits(serial_days=5), NOW)

    assert kept_for_ever == old
    assert swept.serials == 1
    assert store.earlier_pass("S1", "another") is None
    assert store.earlier_pass("S2", "another") == young


def test_a_file_that_shrank_gives_its_room_back(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Free pages beyond the spare ones go back to the disk, some at a time."""
    monkeypatch.setattr(database, "SPARE_BYTES", 100_000)
    monkeypatch.setattr(database, "GIVE_BACK_PAGES", 20)
    for number in range(300):
        store.add_message("t", b"x" * 4000, {}, kind="retake", inspection_id=None)
        store.outbox.acknowledge(number + 1)
    many = [store.add_message("t", b"x" * 4000, {}, kind="retake", inspection_id=None) for _ in range(300)]
    store.outbox.acknowledge(*many)
    with store._database.reading() as db:
        (before,) = db.execute("PRAGMA page_count").fetchone()

    swept = sweep(tmp_path, store, Limits(), NOW)

    with store._database.reading() as db:
        (after,) = db.execute("PRAGMA page_count").fetchone()
    assert swept.given_back_bytes == (before - after) * 4096 > 1_000_000


def test_what_is_not_told_does_not_slow_the_search_for_what_may_go(tmp_path: Path, store: Store) -> None:
    """Outcomes to forget are found by an index of what was told, however many wait before them."""
    with store._database.reading() as db:
        plan = db.execute(
            "EXPLAIN QUERY PLAN SELECT inspection_id FROM closed_outcomes JOIN outcomes USING (number) "
            "WHERE closed_outcomes.station = 'st' AND made_at < '9' ORDER BY made_at LIMIT 1"
        ).fetchall()

    assert any("told_outcomes" in row[3] for row in plan)
    assert not any(row[3].startswith("SCAN") for row in plan)
