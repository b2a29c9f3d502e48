"""One transaction of the collector: what was seen goes into the tables, and with it what it means for gaps and alarms.

Promise: an inspection that has an outcome keeps it; counts, gaps and alarms are true of what is stored beside them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, and_, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from edge.adapters import plant_tables as tables
from edge.adapters.plant_messages import (
    CorrectionSeen,
    HealthSeen,
    NumbersGiven,
    OutcomeSeen,
    Place,
    Seen,
    StateSeen,
    Unreadable,
)
from edge.core import gaps
from edge.core.gaps import Span

#: `changed_content`: another outcome under an id that has one. `counts_anew`: a station gave a number a second time, so
#: that its edge.db was lost or replaced, or two stations have one name. `unreadable`: no message of the contract.
AlarmKind = Literal["changed_content", "counts_anew", "unreadable"]

#: Outcomes are counted by so many minutes.
BUCKET_MINUTES = 10

_OUTCOME = (
    "inspection_id", "seq", "disposition", "reason", "at", "total_ms", "reader", "reader_hash", "false_accept_rate",
    "config_hash", "historical", "sha256", "payload",
)  # fmt: skip


@dataclass(slots=True)
class Known:
    """How far a station's outcomes are known. `epoch` counts how often it began to count."""

    epoch: int = 1
    numbers: gaps.Sequence = field(default_factory=gaps.Sequence)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch."""

    new: int = 0
    repeats: int = 0
    alarms: int = 0


def known(db: Connection) -> dict[Place, Known]:
    """How far each station's outcomes are known."""
    missing: dict[Place, list[Span]] = {}
    columns: Any = [*_place(tables.gaps), tables.gaps.c.first_seq, tables.gaps.c.last_seq]
    for site, line, station, first, last in db.execute(select(*columns).order_by(tables.gaps.c.first_seq)):
        missing.setdefault((site, line, station), []).append(Span(first, last))
    columns = [*_place(tables.stations), tables.stations.c.epoch, tables.stations.c.last_seq]
    rows = db.execute(select(*columns))
    return {
        (site, line, station): Known(epoch, gaps.Sequence(last, missing.get((site, line, station), ())))
        for site, line, station, epoch, last in rows
    }


def write(db: Connection, known: dict[Place, Known], seen: Sequence[Seen]) -> Written:
    """Store what was seen; `known` is brought up to date with it."""
    before = {place: _state_of(known[place]) for place in {one.place for one in seen} if place in known}
    alarms: list[dict[str, Any]] = []
    outcomes = _once([one for one in seen if isinstance(one, OutcomeSeen)], alarms)
    new = _new(db, outcomes, alarms)
    # Lowest first: what comes after a gap that this very batch fills makes none.
    rows = [_row(one, known, alarms) for one in sorted(new, key=lambda one: one.seq)]
    for other in seen:
        if isinstance(other, NumbersGiven):
            known.setdefault(other.place, Known()).numbers.expect(other.last)
        elif isinstance(other, Unreadable):
            alarms.append(_alarm("unreadable", other.place, other.kind, other.why, other.payload))
        else:
            known.setdefault(other.place, Known())
    if rows:
        db.execute(tables.outcomes.insert(), rows)
        _count(db, rows)
    _write_corrections(db, [one for one in seen if isinstance(one, CorrectionSeen)])
    _write_stations(db, known, before, seen)
    if alarms:
        db.execute(insert(tables.alarms).on_conflict_do_nothing(), alarms)
    return Written(len(rows), sum(isinstance(one, OutcomeSeen) for one in seen) - len(rows), len(alarms))


def _new(db: Connection, outcomes: Sequence[OutcomeSeen], alarms: list[dict[str, Any]]) -> list[OutcomeSeen]:
    """Those whose inspection has no outcome yet; another content for one that has is an alarm."""
    stored = _stored(db, [one.inspection_id for one in outcomes])
    alarms += [_changed(one) for one in outcomes if stored.get(one.inspection_id, one.sha256) != one.sha256]
    return [one for one in outcomes if one.inspection_id not in stored]


def _once(outcomes: Sequence[OutcomeSeen], alarms: list[dict[str, Any]]) -> list[OutcomeSeen]:
    """Each inspection once; another content for one is an alarm within a batch, too."""
    first: dict[str, OutcomeSeen] = {}
    alarms += [_changed(one) for one in outcomes if first.setdefault(one.inspection_id, one).sha256 != one.sha256]
    return list(first.values())


def _stored(db: Connection, ids: Sequence[str]) -> dict[str, bytes]:
    if not ids:
        return {}
    columns = tables.outcomes.c
    found = db.execute(select(columns.inspection_id, columns.sha256).where(columns.inspection_id.in_(ids)))
    return {inspection_id: bytes(sha256) for inspection_id, sha256 in found}


def _row(one: OutcomeSeen, known: dict[Place, Known], alarms: list[dict[str, Any]]) -> dict[str, Any]:
    station = known.setdefault(one.place, Known())
    if not station.numbers.note(one.seq):
        detail = f"seq {one.seq} came before, of another inspection: beginning {station.epoch + 1} of its counting"
        alarms.append(_alarm("counts_anew", one.place, one.inspection_id, detail, one.payload.encode()))
        station.epoch += 1
        station.numbers = gaps.Sequence()
        station.numbers.note(one.seq)
    row = {name: getattr(one, name) for name in _OUTCOME}
    return {**_named(one.place), "epoch": station.epoch, **row}


def _count(db: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Add new outcomes to what the page asks for; in the same transaction, so that it is true."""
    counted: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        at = row["at"]
        key = {
            **{name: row[name] for name in (*_PLACE, "reason", "disposition")},
            "at": at.replace(minute=at.minute // BUCKET_MINUTES * BUCKET_MINUTES, second=0, microsecond=0),
            "reader_hash": row["reader_hash"] or "",
            "reader": row["reader"] or "",
        }
        one = counted.setdefault(tuple(key.values()), {**key, "outcomes": 0, "stated": 0, "rates": 0.0, "last_at": at})
        one["outcomes"] += 1
        one["stated"] += row["false_accept_rate"] is not None
        one["rates"] += row["false_accept_rate"] or 0.0
        one["last_at"] = max(one["last_at"], at)
    added, old = insert(tables.counts), tables.counts.c
    news = {name: old[name] + added.excluded[name] for name in ("outcomes", "stated", "rates")}
    news["last_at"] = func.greatest(old.last_at, added.excluded.last_at)
    keys = ("at", *_PLACE, "reason", "reader_hash")
    ordered = sorted(counted.values(), key=lambda one: tuple(str(one[name]) for name in keys))
    db.execute(added.on_conflict_do_update(index_elements=keys, set_=news), ordered)


def _write_corrections(db: Connection, corrections: Sequence[CorrectionSeen]) -> None:
    names = ("correction_id", "inspection_id", "action", "at", "payload")
    rows = [{**_named(one.place), **{name: getattr(one, name) for name in names}} for one in corrections]
    if rows:
        db.execute(insert(tables.corrections).on_conflict_do_nothing(), rows)


def _write_stations(db: Connection, known: dict[Place, Known], before: dict[Place, Any], seen: Sequence[Seen]) -> None:
    """Write what changed of the stations: how far they are known, their gaps, what they said last."""
    said: dict[Place, dict[str, Any]] = {}
    for one in seen:
        if isinstance(one, StateSeen):
            news = {"state": one.state, "session_id": one.session_id, "version": one.version, "state_at": one.at}
        elif isinstance(one, HealthSeen):
            news = {"health": one.payload, "health_at": one.at}
        else:
            continue
        said[one.place] = said.get(one.place, {}) | news
    moved = [
        place for place in {one.place for one in seen}
        if place in known and before.get(place) != _state_of(known[place])
    ]  # fmt: skip
    for places, values in _alike({place: said.get(place, {}) for place in {*said, *moved}}):
        rows = [
            {**_named(place), "epoch": known[place].epoch, "last_seq": known[place].numbers.last, **said.get(place, {})}
            for place in places
        ]
        added = insert(tables.stations)
        news = {name: added.excluded[name] for name in ("epoch", "last_seq", *values)}
        db.execute(added.on_conflict_do_update(index_elements=_PLACE, set_=news), rows)
    for place in moved:
        if known[place].numbers.missing != before.get(place, (0, 0, ()))[2]:
            _write_gaps(db, place, known[place].numbers.missing)


def _state_of(one: Known) -> tuple[int, int, tuple[Span, ...]]:
    return one.epoch, one.numbers.last, one.numbers.missing


def _alike(said: dict[Place, dict[str, Any]]) -> list[tuple[list[Place], tuple[str, ...]]]:
    """The stations by what they have said, so that each kind is one statement."""
    kinds: dict[tuple[str, ...], list[Place]] = {}
    for place in sorted(said):  # in one order always: two writers would wait for each other's rows
        kinds.setdefault(tuple(said[place]), []).append(place)
    return [(places, names) for names, places in kinds.items()]


def _write_gaps(db: Connection, place: Place, missing: Sequence[Span]) -> None:
    columns = tables.gaps.c
    firsts = [span.first for span in missing]
    here = and_(*(columns[name] == value for name, value in _named(place).items()))
    db.execute(delete(tables.gaps).where(here, columns.first_seq.not_in(firsts)))
    if missing:
        rows = [{**_named(place), "first_seq": span.first, "last_seq": span.last} for span in missing]
        added = insert(tables.gaps)
        news = {"last_seq": added.excluded.last_seq}
        db.execute(added.on_conflict_do_update(index_elements=(*_PLACE, "first_seq"), set_=news), rows)


def _changed(one: OutcomeSeen) -> dict[str, Any]:
    detail = f"seq {one.seq} came with another content than the outcome that is stored, which stays"
    return _alarm("changed_content", one.place, one.inspection_id, detail, one.payload.encode())


def _alarm(kind: AlarmKind, place: Place, about: str, detail: str, payload: bytes) -> dict[str, Any]:
    sha256 = hashlib.sha256(payload).digest()
    told = {"kind": kind, "about": about, "detail": detail.replace("\x00", "?"), "sha256": sha256, "payload": payload}
    return {**_named(place), **told}


_PLACE = ("site", "line", "station")


def _place(table: Any) -> tuple[Any, ...]:
    return tuple(table.c[name] for name in _PLACE)


def _named(place: Place) -> dict[str, str]:
    return dict(zip(_PLACE, place, strict=True))
