"""What stations say, as the collector takes it: known by the topic, checked as far as it is stored in columns.

Promise: whatever comes on a topic of a station becomes one value. What cannot be understood is `Unreadable` with the
reason, and is kept as it came: a message is never dropped because it is strange.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

#: Site, line, station: the levels below `edge/v1` that name a station.
Place = tuple[str, str, str]

#: `edge/v1/SITE/LINE/STATION/KIND`.
_LEVELS = 6
_LONGEST_TEXT = 200
_MOST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class OutcomeSeen:
    """One outcome as it came, with what is asked for often beside its text. `sha256` is of the very bytes."""

    place: Place
    inspection_id: str
    seq: int
    disposition: str
    reason: str
    at: datetime
    total_ms: float | None
    reader: str | None
    reader_hash: str | None
    false_accept_rate: float | None
    config_hash: str | None
    historical: bool
    sha256: bytes
    payload: str


@dataclass(frozen=True, slots=True)
class CorrectionSeen:
    """What a person said about an outcome."""

    place: Place
    correction_id: str
    inspection_id: str
    action: str
    at: datetime
    payload: str


@dataclass(frozen=True, slots=True)
class StateSeen:
    """A station's state: online, stopped or offline."""

    place: Place
    state: str
    session_id: str
    version: str
    at: datetime


@dataclass(frozen=True, slots=True)
class HealthSeen:
    """How a station says that it fares. `outcomes` is the last `seq` that it gave."""

    place: Place
    outcomes: int
    at: datetime
    payload: str


@dataclass(frozen=True, slots=True)
class NumbersGiven:
    """A station has given the numbers up to `last`, and said so long enough ago: what was not seen is missing."""

    place: Place
    last: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that is not what its topic says."""

    place: Place
    kind: str
    why: str
    payload: bytes


Seen = OutcomeSeen | CorrectionSeen | StateSeen | HealthSeen | NumbersGiven | Unreadable


def place_of(topic: str) -> tuple[Place, str] | None:
    """The station that a topic belongs to, and what is said there; None for a topic of another form."""
    levels = topic.split("/")
    if len(levels) != _LEVELS or levels[:2] != ["edge", "v1"]:
        return None
    return (levels[2], levels[3], levels[4]), levels[5]


def topic_of(place: Place, suffix: str) -> str:
    """A topic of a station."""
    return "/".join(("edge", "v1", *place, suffix))


def read(place: Place, kind: str, payload: bytes, *, historical: bool = False) -> Seen | None:
    """What a message of this kind says; None where the collector stores nothing of it (a retake)."""
    readers: dict[str, Callable[[Place, dict[str, Any], str], Seen]] = {
        "outcome": _outcome,
        "correction": _correction,
        "state": _state,
        "health": _health,
    }
    if kind not in readers or not payload:  # an empty retained message only clears a topic
        return None
    try:
        text = payload.decode()
        said = json.loads(text, parse_constant=_refuse)
        _check(said, place)
        seen: Seen = readers[kind](place, said, text)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else str(error)[:_LONGEST_TEXT]
        return Unreadable(place, kind, why, payload)
    if isinstance(seen, OutcomeSeen) and historical:
        return replace(seen, historical=True)
    return seen


def _check(said: Any, place: Place) -> None:
    if not isinstance(said, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - told as any other fault of the message
    if said.get("station") != place[2]:
        raise ValueError(f"it names station {str(said.get('station'))[:50]!r}, and its topic {place[2]!r}")


def _outcome(place: Place, said: dict[str, Any], text: str) -> OutcomeSeen:
    reader, ms = said.get("reader") or {}, said.get("ms") or {}
    return OutcomeSeen(
        place=place,
        inspection_id=_text(said, "inspection_id"),
        seq=_number(said, "seq", 1),
        disposition=_text(said, "disposition"),
        reason=_text(said, "reason"),
        at=_time(said),
        total_ms=_float(ms.get("total")),
        reader=_optional(reader.get("name")),
        reader_hash=_optional(reader.get("hash")),
        false_accept_rate=_float(said.get("false_accept_rate")),
        config_hash=_optional((said.get("config") or {}).get("hash")),
        historical=False,
        sha256=hashlib.sha256(text.encode()).digest(),
        payload=text,
    )


def _correction(place: Place, said: dict[str, Any], text: str) -> CorrectionSeen:
    ids = _text(said, "correction_id"), _text(said, "inspection_id")
    return CorrectionSeen(place, *ids, _text(said, "action"), _time(said), text)


def _state(place: Place, said: dict[str, Any], _text_of_it: str) -> StateSeen:
    return StateSeen(place, _text(said, "state"), _text(said, "session_id"), _text(said, "version"), _time(said))


def _health(place: Place, said: dict[str, Any], text: str) -> HealthSeen:
    return HealthSeen(place, _number(said, "outcomes", 0), _time(said), text)


def _text(said: dict[str, Any], key: str) -> str:
    value = said[key]
    if not isinstance(value, str) or not value or len(value) > _LONGEST_TEXT or "\x00" in value:
        raise ValueError(f"its {key} is no text of 1 to {_LONGEST_TEXT} characters")
    value.encode()  # half a surrogate pair is no character
    return value


def _optional(value: Any) -> str | None:
    return None if value is None else _text({"reader or config": value}, "reader or config")


def _number(said: dict[str, Any], key: str, least: int) -> int:
    value = said[key]
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MOST:
        raise ValueError(f"its {key} is no whole number from {least} on")
    return value


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _time(said: dict[str, Any]) -> datetime:
    at = datetime.fromisoformat(_text(said, "at"))
    if at.tzinfo is None:
        raise ValueError("its at has no offset from UTC")
    return at


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
