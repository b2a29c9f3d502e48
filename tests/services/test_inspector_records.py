"""The desk that asks ERP: an outage that its snapshot covers, and duplicates of the whole site."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from edge.adapters.erp import Erp, Record, open_erp, open_live
from edge.adapters.erp_snapshot import open_snapshot
from edge.adapters.erp_sql import SqlRecords
from edge.adapters.store import Store
from edge.core.actions import Commit, LookUp
from edge.core.events import RecordFound, RecordMissing, RecordUnavailable
from edge.core.inspection import Inspection
from edge.core.outcome import FieldOutcome, Outcome, Reason
from edge.core.reading import FieldReading
from edge.sections_erp import SqlErp
from edge.services.inspector_desks import RecordDesk, RecordEvent
from tests.core.parts import PLATE, SERIAL, judged, policy, product, taken, triggered, was_read
from tests.postgres import READER, READER_PASSWORD, Postgres

AT = "2026-01-01T00:00:00.000Z"
PATIENCE_MS = 30_000


@dataclass
class PlayedErp:
    """ERP with one part, which may have passed at another station."""

    used: str = ""
    records: dict[str, dict[str, str]] = field(default_factory=lambda: {SERIAL: PLATE})

    def lookup(self, serial: str) -> Record:
        """One record."""
        found = self.records.get(serial, {})
        return Record(found, "played", 0.0, self.used if found else "")

    def close(self) -> None:
        """For the protocol."""


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """Two stations of a PC that share a data folder."""
    both = Store.open(tmp_path, "st1"), Store.open(tmp_path, "st2")
    yield both
    for store in both:
        store.close()


def ask(store: Store, erp: Erp, serial: str = SERIAL, inspection_id: str = "now") -> RecordEvent:
    """What the desk of a station answers."""
    desk = RecordDesk(erp, store.earlier_pass)
    desk.ask(LookUp(2, serial), inspection_id)
    ready = select.poll()
    ready.register(desk.wake.fd, select.POLLIN)
    assert ready.poll(PATIENCE_MS), "no answer came"
    (event,) = desk.finished(inspection_id)
    desk.close()
    return event


def decided(event: RecordEvent) -> Outcome:
    """What an inspection makes of ERP's answer, after two looks at the plate that agree."""
    at_us = {1: 100_000, 2: 200_000}
    looks = [one for n, at in at_us.items() for one in (taken(at, n), judged(at, n), was_read(at, n))]
    inspection = Inspection(product(), policy())
    actions = [action for one in (triggered(0), *looks, event) for action in inspection.handle(one)]
    assert isinstance(actions[-1], Commit)
    return actions[-1].outcome


def passed(store: Store, trigger: str) -> str:
    """Let a station pass the part; the inspection's id."""
    inspection_id, _ = store.add_trigger(trigger, expected=None, source="x", at=AT, at_us=1)
    serial = FieldOutcome(FieldReading("serial", SERIAL, SERIAL))
    outcome = Outcome(inspection_id, trigger, Reason.MATCHED, fields={"serial": serial})
    store.commit(outcome, topic="o", config_hash="c", at=AT)
    return inspection_id


def test_stations_that_share_a_data_folder_share_what_has_passed(stores: tuple[Store, Store]) -> None:
    """A part that one station of the PC has passed is a duplicate at the other one, by the inspection's id."""
    one, other = stores
    before = decided(ask(other, PlayedErp()))
    inspection_id = passed(one, "t1")
    after = decided(ask(other, PlayedErp()))

    assert before.reason is Reason.MATCHED
    assert (after.reason, after.detail) == (Reason.DUPLICATE_SERIAL, f"passed before: inspection {inspection_id}")


def test_erp_tells_of_parts_that_passed_elsewhere(stores: tuple[Store, Store]) -> None:
    """What `used_column` says makes a part a duplicate that this PC has never seen."""
    outcome = decided(ask(stores[0], PlayedErp(used="INSPECTED_AT: 2026-03-04")))

    assert outcome.reason is Reason.DUPLICATE_SERIAL
    assert outcome.detail == "passed before: ERP, INSPECTED_AT: 2026-03-04"


def test_a_missing_record_is_none_that_has_passed(stores: tuple[Store, Store]) -> None:
    """Where ERP knows no such part there is nothing to be a duplicate of (L3)."""
    event = ask(stores[0], PlayedErp(used="x"), "other")

    assert isinstance(event, RecordMissing)


def test_a_line_runs_through_an_outage_of_a_real_database(stores: tuple[Store, Store], tmp_path: Path) -> None:
    """With PostgreSQL stopped a synced part passes, its outcome says source and age; another one is held (L3, L4)."""
    (tmp_path / "password").write_text(READER_PASSWORD, encoding="utf-8")
    with closing(Postgres()) as server:
        server.execute(
            "CREATE TABLE parts (serial text PRIMARY KEY, model text)",
            f"GRANT SELECT ON parts TO {READER}",
        )
        server.execute("INSERT INTO parts VALUES (%s, %s)", values=(SERIAL, PLATE["model"]))
        config = SqlErp(
            kind="sql", url=server.url(), table="parts", password_file=tmp_path / "password", timeout_ms=10_000
        )
        live = open_live(config)
        assert isinstance(live, SqlRecords)
        open_snapshot(config, tmp_path / "s.db").sync(live, limit_s=60)
        live.close()
        erp = open_erp(config, tmp_path / "s.db")
        assert erp is not None
        up = ask(stores[0], erp)
        server.stop()
        down, other = ask(stores[0], erp), ask(stores[0], erp, "OTHER")

    assert isinstance(up, RecordFound)
    assert up.source == "sql:postgresql:parts"
    outcome = decided(down)
    assert outcome.reason is Reason.MATCHED
    assert outcome.erp_source == "snapshot:sql:postgresql:parts"
    assert outcome.erp_age_s is not None
    assert 0 <= outcome.erp_age_s < 300
    assert isinstance(other, RecordUnavailable)
    assert "nobody listens there" in other.why
    assert "does not hold this serial" in other.why
    assert decided(replace(other, attempt=2)).reason is Reason.ERP_UNAVAILABLE


def test_the_age_of_what_erp_said_grows_until_it_speaks_again(stores: tuple[Store, Store]) -> None:
    """It is the record's age and the time since; nothing before the first answer."""
    desk = RecordDesk(PlayedErp(), stores[0].earlier_pass)
    before = desk.ages_s()

    def answered() -> float:
        desk.ask(LookUp(1, SERIAL), "now")
        ready = select.poll()
        ready.register(desk.wake.fd, select.POLLIN)
        assert ready.poll(PATIENCE_MS), "no answer came"
        list(desk.finished("now"))
        age_s = desk.ages_s()["answer_age_s"]
        assert age_s is not None
        return age_s

    first, later = answered(), desk.ages_s()["answer_age_s"]
    desk.close()

    assert before == {"answer_age_s": None, "snapshot_age_s": None}
    assert later is not None
    assert 0 <= first <= later < PATIENCE_MS / 1000
