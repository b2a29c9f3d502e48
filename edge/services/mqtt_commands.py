"""Commands by MQTT: what each asks for, and the answer to it. Nothing that arrives here is fatal.

Promise: a trigger is on the disk before its answer is given; every command that cannot be followed is answered with a
reason of the closed list `Refusal` and counted under it; a repeat of a command has the effect of one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from edge.adapters import command_messages
from edge.adapters.command_messages import MAX_FIELDS, MAX_TEXT_LENGTH, Refusal
from edge.adapters.messages import MAX_ID_LENGTH
from edge.adapters.mqtt_facts import Command
from edge.adapters.payload import clean
from edge.adapters.store import LimitError, Store
from edge.errors import DiskFullError

#: The longest command, in bytes of its JSON.
MAX_COMMAND_BYTES = 64 * 1024


class _RefusedError(Exception):
    def __init__(self, reason: Refusal, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the asker is told; `new_trigger` where the inspector has something to do."""

    message: command_messages.Answer
    new_trigger: bool = False

    @property
    def accepted(self) -> bool:
        """Whether the command was followed."""
        return self.message["accepted"]


class Commands:
    """Follows the commands of one station."""

    def __init__(self, store: Store, station: str, at: Callable[[], str]) -> None:
        self._store = store
        self._station = station
        self._at = at
        self._follow: Mapping[str, Callable[[Command, dict[str, Any]], Answer]] = {
            "trigger": self._trigger,
            "expect": self._expect,
            "confirm": self._confirm,
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
        size = len(command.payload)
        if size > MAX_COMMAND_BYTES:
            raise _RefusedError(
                Refusal.TOO_LONG, f"the command has {size} bytes and the limit is {MAX_COMMAND_BYTES}: send less"
            )
        try:
            parsed = json.loads(command.payload, parse_constant=_no_constant)
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
        return parsed

    def _trigger(self, command: Command, parsed: dict[str, Any]) -> Answer:
        trigger_id = _text(parsed, "trigger_id", MAX_ID_LENGTH)
        expected = _expected(parsed["expected"]) if parsed.get("expected") is not None else None
        source = _text(parsed, "source", MAX_ID_LENGTH) if parsed.get("source") is not None else "mqtt"
        inspection_id, new = self._store.add_trigger(
            trigger_id, expected=expected, source=source, at=self._at(), at_us=command.arrived_us
        )
        return Answer(
            {"accepted": True, "trigger_id": trigger_id, "inspection_id": inspection_id, "repeat": not new},
            new_trigger=new,
        )

    def _expect(self, command: Command, parsed: dict[str, Any]) -> Answer:
        named = parsed.pop("command_id", None)
        parsed.pop("station", None)
        if named is not None:
            command_id = _text({"command_id": named}, "command_id", MAX_ID_LENGTH)
        else:
            # Two equal parts may follow each other: without a name, only what the broker marks as a repeat is one.
            asker = (command.response_topic or "").encode() + b"\0" + (command.correlation or b"") + b"\0"
            command_id = "sha256:" + hashlib.sha256(asker + command.payload).hexdigest()
        new = self._store.add_expectation(_expected(parsed), command_id, repeatable=named is not None or command.repeat)
        return Answer({"accepted": True, "command_id": command_id, "repeat": not new})

    def _confirm(self, _command: Command, parsed: dict[str, Any]) -> Answer:
        inspection_id = _text(parsed, "inspection_id", MAX_ID_LENGTH)
        if not self._store.confirm(inspection_id):
            raise _RefusedError(
                Refusal.UNKNOWN_INSPECTION,
                f"station {self._station} has no outcome of inspection {inspection_id[:50]!r}: "
                "confirm the inspection_id of an outcome",
            )
        return Answer({"accepted": True, "inspection_id": inspection_id})


def _unknown(command: Command, _parsed: dict[str, Any]) -> Answer:
    name = command.topic.rpartition("/")[2][:50]
    raise _RefusedError(Refusal.UNKNOWN_COMMAND, f"there is no command {name!r}: use trigger, expect or confirm")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


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
