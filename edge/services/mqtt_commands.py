"""Commands by MQTT: what each asks for, and the answer to it. Nothing that arrives here is fatal.

Promise: a trigger is on the disk before its answer is given; every command that cannot be followed is answered with a
reason of the list `Refusal` and counted under it; a repeat of a command has the effect of one, and gets the answer of
the first, however late it comes.

A trigger or an expectation is for the part that is in place now. One that is retained, or too old when it is followed
(by its own `at`, or past its message expiry), is refused: it would be taken for another part's. A confirmation is true
whenever it comes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge.adapters import command_messages
from edge.adapters.command_messages import MAX_FIELDS, MAX_TEXT_LENGTH, Refusal
from edge.adapters.database import monotonic_us
from edge.adapters.messages import MAX_ID_LENGTH
from edge.adapters.mqtt_facts import Command
from edge.adapters.payload import clean
from edge.adapters.store import LimitError, Store
from edge.adapters.taken import MAX_AGAIN
from edge.errors import DiskFullError

#: The longest command, in bytes of its JSON.
MAX_COMMAND_BYTES = 64 * 1024
#: `at` of a command is believed old from then on: longer than a part stays in place on any line that we know of.
MAX_AGE_S = 60.0
#: The largest number that SQLite holds.
MAX_SEQ = 2**63 - 1
#: What the station's own topics begin with, below its root.
_SPOKEN_ON = frozenset({"state", "outcome", "retake", "health", "correction", "cmd", "release", "release_state"})
#: What may stand in a command; in `expect` beside fields of any name.
_KEYS = {
    "trigger": frozenset({"trigger_id", "expected", "source", "station", "at"}),
    "confirm": frozenset({"inspection_id", "station", "at"}),
    "resend": frozenset({"first", "last", "station", "at"}),
}


class _RefusedError(Exception):
    def __init__(self, reason: Refusal, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the asker is told; `new_trigger` where the inspector has something to do."""

    message: command_messages.Answer | command_messages.ResendAnswer
    new_trigger: bool = False

    @property
    def accepted(self) -> bool:
        """Whether the command was followed."""
        return self.message["accepted"]


class Commands:
    """Follows the commands of one station."""

    def __init__(self, store: Store, station: str, at: Callable[[], str], *, max_age_s: float = MAX_AGE_S) -> None:
        self._store = store
        self._station = station
        self._at = at
        self._max_age_s = max_age_s
        self._follow: Mapping[str, Callable[[Command, dict[str, Any]], Answer]] = {
            "trigger": self._trigger,
            "expect": self._expect,
            "confirm": self._confirm,
            "resend": self._resend,
        }

    def handle(self, command: Command) -> Answer:
        """Follow one command and say what to answer.

        Raises:
            StoreError: It could not be written. The command is neither followed nor refused: try it again.
        """
        try:
            return self._follow.get(command.topic.rpartition("/")[2], _unknown)(command, self._parse(command))
        except _RefusedError as refused:
            return self._refuse(refused.reason, refused.detail)
        except LimitError as full:
            return self._refuse(Refusal(full.limit), str(full))
        except DiskFullError as full:
            return self._refuse(Refusal.DISK_FULL, str(full))

    def _refuse(self, reason: Refusal, detail: str) -> Answer:
        # A counter that a full disk cannot hold is no reason to leave the asker without an answer.
        with suppress(DiskFullError):
            self._store.count(f"command_{reason.value}")
        return Answer({"accepted": False, "reason": reason, "detail": detail})

    def _parse(self, command: Command) -> dict[str, Any]:
        if command.retained:
            raise _RefusedError(
                Refusal.RETAINED,
                "the command is retained, so it would come again for another part: send it without the retain flag, "
                "and clear the topic with an empty retained message",
            )
        size = len(command.payload)
        if size > MAX_COMMAND_BYTES:
            raise _RefusedError(
                Refusal.TOO_LONG, f"the command has {size} bytes and the limit is {MAX_COMMAND_BYTES}: send less"
            )
        try:
            parsed = json.loads(command.payload, parse_constant=_no_constant, object_pairs_hook=_each_once)
        # RecursionError: thousands of opening brackets.
        except (ValueError, RecursionError) as error:
            raise _RefusedError(
                Refusal.MALFORMED, f"the command is not JSON ({str(error)[:100]}): send one JSON object in UTF-8"
            ) from None
        if not isinstance(parsed, dict):
            raise _RefusedError(Refusal.MALFORMED, "the command is JSON but not an object: send one JSON object")
        station = parsed.get("station", self._station)
        if station != self._station:
            raise _RefusedError(
                Refusal.UNKNOWN_STATION,
                f"the command is for station {str(station)[:50]!r} and this is {self._station!r}: use its own topic",
            )
        name = command.topic.rpartition("/")[2]
        known = _KEYS.get(name)
        strange = sorted(set(parsed) - known) if known is not None else []
        if known is not None and strange:
            raise _RefusedError(
                Refusal.UNKNOWN_KEY,
                f"cmd/{name} has no key {strange[0][:50]!r}: it has {', '.join(sorted(known))}",
            )
        return parsed

    def _refuse_stale(self, command: Command, at: Any) -> None:
        age_s = None if at is None else (_time(self._at()) - _time(at)).total_seconds()
        if age_s is not None and age_s > self._max_age_s:
            raise _RefusedError(
                Refusal.STALE,
                f"the command was made {age_s:.0f} s ago and [mqtt] max_command_age_s is {self._max_age_s:.0f}: "
                "send it when the part is in place, and see the clocks of both",
            )
        if command.expires_us is not None and monotonic_us() > command.expires_us:
            raise _RefusedError(
                Refusal.STALE,
                "the command waited here until its message expiry was over: see the log of `edge messenger`",
            )

    def _trigger(self, command: Command, parsed: dict[str, Any]) -> Answer:
        trigger_id = _text(parsed, "trigger_id", MAX_ID_LENGTH)
        expected = _expected(parsed["expected"]) if parsed.get("expected") is not None else None
        source = _text(parsed, "source", MAX_ID_LENGTH) if parsed.get("source") is not None else "mqtt"
        if self._store.inspection_of(trigger_id) is None:
            self._refuse_stale(command, parsed.get("at"))
        inspection_id, new = self._store.add_trigger(
            trigger_id, expected=expected, source=source, at=self._at(), at_us=command.arrived_us
        )
        return Answer(
            {"accepted": True, "trigger_id": trigger_id, "inspection_id": inspection_id, "repeat": not new},
            new_trigger=new,
        )

    def _expect(self, command: Command, parsed: dict[str, Any]) -> Answer:
        named, at = parsed.pop("command_id", None), parsed.pop("at", None)
        parsed.pop("station", None)
        if named is not None:
            command_id = _text({"command_id": named}, "command_id", MAX_ID_LENGTH)
        else:
            # Two equal parts may follow each other: without a name, only what the broker marks as a repeat is one, and
            # it repeats a message under the same packet id.
            asker = f"{command.response_topic or ''}\0{command.packet_id}\0".encode() + (command.correlation or b"")
            command_id = "sha256:" + hashlib.sha256(asker + b"\0" + command.payload).hexdigest()
        repeatable = named is not None or command.repeat
        expected = _expected(parsed)
        if not (repeatable and self._store.knows_expectation(command_id)):
            self._refuse_stale(command, at)
        new = self._store.add_expectation(expected, command_id, repeatable=repeatable)
        return Answer({"accepted": True, "command_id": command_id, "repeat": not new})

    def _confirm(self, _command: Command, parsed: dict[str, Any]) -> Answer:
        inspection_id = _text(parsed, "inspection_id", MAX_ID_LENGTH)
        if not self._store.confirmations.add(inspection_id):
            raise _RefusedError(
                Refusal.UNKNOWN_INSPECTION,
                f"station {self._station} has no outcome of inspection {inspection_id[:50]!r}: "
                "confirm the inspection_id of an outcome",
            )
        return Answer({"accepted": True, "inspection_id": inspection_id})

    def _resend(self, _command: Command, parsed: dict[str, Any]) -> Answer:
        first, last = _seq(parsed, "first"), _seq(parsed, "last")
        if last < first:
            raise _RefusedError(Refusal.MALFORMED, f"`last` is {last} and `first` is {first}: give the smaller first")
        if last - first >= MAX_AGAIN:
            raise _RefusedError(
                Refusal.MAX_AGAIN,
                f"{last - first + 1} outcomes are asked for and the limit is {MAX_AGAIN}: ask for them in parts",
            )
        again = self._store.outbox.taken.again(first, last)
        return Answer({"accepted": True, "first": first, "last": last, "again": again})


def _unknown(command: Command, _parsed: dict[str, Any]) -> Answer:
    name = command.topic.rpartition("/")[2][:50]
    raise _RefusedError(
        Refusal.UNKNOWN_COMMAND, f"there is no command {name!r}: use trigger, expect, confirm or resend"
    )


def answers_into_own_topics(command: Command) -> bool:
    """Whether its answer would go where the station speaks or is spoken to: subscribers would take it for that.

    Any other topic below the station's is free, `.../answers/mes` for one.
    """
    own = command.topic.partition("/cmd/")[0] + "/"
    if command.response_topic is None or not command.response_topic.startswith(own):
        return False
    return command.response_topic.removeprefix(own).partition("/")[0] in _SPOKEN_ON


def _time(text: Any) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        time = None
    if time is None or time.tzinfo is None:
        raise _RefusedError(
            Refusal.MALFORMED, "`at` must be a time as RFC 3339 writes it, with an offset: such as 2026-01-31T12:00:00Z"
        )
    return time


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    parsed = dict(pairs)
    if len(parsed) != len(pairs):
        raise ValueError("a key comes twice")  # JSON leaves open which of them counts
    return parsed


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _seq(parsed: Mapping[str, Any], name: str) -> int:
    value = parsed.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_SEQ:
        raise _RefusedError(
            Refusal.MALFORMED, f"`{name}` must be the `seq` of an outcome, 1 to {MAX_SEQ}: correct the command"
        )
    return value


def _text(parsed: Mapping[str, Any], name: str, limit: int) -> str:
    value = parsed.get(name)
    if not isinstance(value, str) or not value or len(value) > limit or clean(value) != value or "\0" in value:
        raise _RefusedError(
            Refusal.MALFORMED, f"`{name}` must be a text of 1 to {limit} characters in UTF-8: correct the command"
        )
    return value


def _expected(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not 0 < len(value) <= MAX_FIELDS:
        raise _RefusedError(
            Refusal.MALFORMED, f"what is expected must be an object of 1 to {MAX_FIELDS} fields: correct the command"
        )
    for name in value:
        _text({"field name": name}, "field name", MAX_ID_LENGTH)
        _text(value, name, MAX_TEXT_LENGTH)
    return value
