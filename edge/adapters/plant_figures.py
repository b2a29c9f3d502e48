"""What the plant page shows, read from the plant's database: stations, reasons over time, readers, gaps, alarms.

Promise: every figure comes from one transaction that only reads; what is not known is null, never 0. No query reads
the outcomes themselves: the tables of counts, of stations and of gaps have a few rows a station.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from edge.adapters.plant_batch import BUCKET_MINUTES
from edge.adapters.plant_store import PlantStore

#: Hours that the page may look back, and the minutes that one bar of it stands for then.
WINDOWS: Mapping[int, int] = {1: 10, 8: 30, 24: 60, 168: 360}
#: The newest alarms are shown.
MAX_ALARMS = 50
#: A station that says it is online and whose health is older than this is silent.
SILENT_AFTER_S = 60.0

#: By name, so that a test runs each; each takes `since`.
QUERIES: Mapping[str, str] = {
    "stations": """
        SELECT s.site, s.line, s.station, s.state, s.version, s.state_at, s.health, s.health_at, s.epoch,
               coalesce(g.missing, 0) AS missing, c.outcomes, c.pass, c.fail, c.hold, c.stated, c.rates, c.last_at,
               c.readers, now() AS now
        FROM plant_stations s
        LEFT JOIN (SELECT site, line, station, sum(last_seq - first_seq + 1) AS missing FROM plant_gaps
                   GROUP BY 1, 2, 3) g USING (site, line, station)
        LEFT JOIN (SELECT site, line, station, sum(outcomes) AS outcomes, sum(stated) AS stated, sum(rates) AS rates,
                          sum(outcomes) FILTER (WHERE disposition = 'pass') AS pass,
                          sum(outcomes) FILTER (WHERE disposition = 'fail') AS fail,
                          sum(outcomes) FILTER (WHERE disposition = 'hold') AS hold,
                          max(last_at) AS last_at,
                          array_agg(DISTINCT reader_hash) FILTER (WHERE reader_hash <> '') AS readers
                   FROM plant_counts WHERE at >= :since GROUP BY 1, 2, 3) c USING (site, line, station)
        ORDER BY s.site, s.line, s.station""",
    "reasons": """
        SELECT to_timestamp(floor(extract(epoch FROM at) / (60 * :minutes)) * 60 * :minutes) AS at, reason, disposition,
               sum(outcomes) AS outcomes
        FROM plant_counts WHERE at >= :since GROUP BY 1, 2, 3 ORDER BY 1, 2""",
    "readers": """
        SELECT reader, reader_hash, count(DISTINCT (site, line, station)) AS stations, sum(outcomes) AS outcomes,
               sum(outcomes) FILTER (WHERE disposition = 'hold') AS hold,
               sum(outcomes) FILTER (WHERE disposition = 'fail') AS fail, sum(stated) AS stated, sum(rates) AS rates
        FROM plant_counts WHERE at >= :since AND reader_hash <> '' GROUP BY 1, 2 ORDER BY outcomes DESC, 1, 2""",
    "alarms": """
        SELECT number, at, kind, site, line, station, about, detail FROM plant_alarms
        ORDER BY number DESC LIMIT :most""",
}


def figures(store: PlantStore, hours: int) -> dict[str, Any]:
    """All that the page shows of the last hours.

    Raises:
        PlantError: the database is away.
    """
    minutes = WINDOWS[hours]
    with store.transaction() as db:
        (now,) = db.execute(text("SELECT now()")).one()
        since = now - timedelta(hours=hours)
        since = since.replace(minute=since.minute // BUCKET_MINUTES * BUCKET_MINUTES, second=0, microsecond=0)
        told = {name: _rows(db, name, since, minutes) for name in QUERIES}
    stations = [_station(row, now) for row in told["stations"]]
    return {
        "at": now.isoformat(timespec="seconds"),
        "hours": hours,
        "minutes": minutes,
        "stations": stations,
        "states": {state: sum(one["state"] == state for one in stations) for state in _STATES},
        "reasons": [_plain(row) for row in told["reasons"]],
        "readers": [_plain(row) | _shares(row) for row in told["readers"]],
        "alarms": [_plain(row) for row in told["alarms"]],
    }


_STATES = ("online", "silent", "offline", "stopped", "unknown")


def _rows(db: Connection, name: str, since: datetime, minutes: int) -> list[Mapping[str, Any]]:
    asked = {"since": since, "minutes": minutes, "most": MAX_ALARMS}
    used = {key: value for key, value in asked.items() if f":{key}" in QUERIES[name]}
    return [dict(row) for row in db.execute(text(QUERIES[name]), used).mappings()]


def _station(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    health = _health(row["health"])
    alarms = health.get("alarms") or {}
    drift = [str(one.get("sign")) for one in alarms.get("drift") or []]
    nearness = alarms.get("nearness") or {}
    health_age_s = None if row["health_at"] is None else (now - row["health_at"]).total_seconds()
    state = row["state"] or "unknown"
    if state == "online" and health_age_s is not None and health_age_s > SILENT_AFTER_S:
        state = "silent"
    nearest = max(nearness, key=lambda sign: nearness[sign], default=None)
    return {
        **{name: row[name] for name in ("site", "line", "station", "version", "epoch")},
        "state": state,
        "state_at": _time(row["state_at"]),
        "last_at": _time(row["last_at"]),
        "missing": int(row["missing"]),
        "outcomes": int(row["outcomes"] or 0),
        **_shares(row),
        "readers": row["readers"] or [],
        "p99_ms": (health.get("latency_ms") or {}).get("p99"),
        "drift": drift,
        "near": None if nearest is None else {"sign": nearest, "nearness": nearness[nearest]},
        "line_stop": alarms.get("line_stop") is not None,
    }


def _shares(row: Mapping[str, Any]) -> dict[str, float | None]:
    """Shares of the outcomes, and the mean of the false accept rates that were stated; null where there are none."""
    outcomes, stated = row["outcomes"], row["stated"]
    return {
        "hold": None if not outcomes else float(row["hold"] or 0) / float(outcomes),
        "fail": None if not outcomes else float(row["fail"] or 0) / float(outcomes),
        "false_accept_rate": None if not stated else float(row["rates"]) / float(stated),
    }


def _health(said: str | None) -> Mapping[str, Any]:
    """What a station said of itself; it was checked to be an object as it was stored."""
    health: Mapping[str, Any] = {} if said is None else json.loads(said)
    return health


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in row.items() if name not in ("stated", "rates")}


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return _time(value)
    return value if value is None or isinstance(value, str | int | float) else int(value)


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")
