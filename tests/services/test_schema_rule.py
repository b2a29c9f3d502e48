"""A later schema only adds to every released one, and each kind of break is caught."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.services.asyncapi import MESSAGES, schemas
from tests.services.schema_rule import breaks

RELEASED = Path(__file__).parents[2] / "config" / "schemas" / "released"
FILES = sorted(RELEASED.glob("*/*.json"))
#: Messages that the station hears; all others it sends.
HEARD = {name for name, message in MESSAGES.items() if message.action == "receive"}

Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_schemas_only_add_to_the_released_ones(file: Path) -> None:
    """Who reads or writes messages of a released schema can go on to (additive only)."""
    released = json.loads(file.read_text(encoding="utf-8"))

    assert breaks(released, schemas()[file.stem], sent=file.stem not in HEARD) == []


def test_no_message_goes() -> None:
    """A message that was released is there to stay, and something was released: nothing is compared with nothing."""
    released = {file.stem for file in FILES}

    assert released - set(schemas()) == set()
    assert {"outcome", "retake", "state", "health", "trigger", "expect", "confirm", "answer"} <= released


def outcome() -> dict[str, Any]:
    """A schema of what is sent, with one of each thing that can be broken."""
    return {
        "$defs": {"Reason": {"type": "string", "enum": ["matched", "glare"]}},
        "type": "object",
        "required": ["seq", "reason", "at"],
        "properties": {
            "seq": {"type": "integer", "minimum": 1},
            "reason": {"$ref": "#/$defs/Reason"},
            "state": {"type": "string", "enum": ["online", "offline"], "x-closed": True},
            "at": {"type": "string", "format": "date-time", "maxLength": 40},
            "age": {"anyOf": [{"type": "number"}, {"type": "null"}]},
            "hash": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "schema": {"const": "edge/v1"},
            "looks": {"type": "array", "items": {"type": "string"}},
            "ms": {"type": "object", "additionalProperties": {"type": "number"}},
        },
    }


def of(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The schema of one property."""
    return lambda schema: schema["properties"][name]


BREAKS: dict[str, tuple[Change, str]] = {
    "a property removed": (lambda s: s["properties"].pop("hash"), "$.hash: removed"),
    "a property no longer always there": (lambda s: s["required"].remove("at"), "$.at: no longer in every message"),
    "a property newly required": (lambda s: s["required"].append("hash"), "$.hash: newly required"),
    "a type changed": (lambda s: of("seq")(s).update(type="string"), "$.seq: type narrowed"),
    "a type narrowed": (lambda s: of("ms")(s)["additionalProperties"].update(type="integer"), "type narrowed"),
    "a type widened": (lambda s: of("seq")(s).update(type="number"), "$.seq: type widened"),
    "null no longer allowed": (lambda s: of("age")(s)["anyOf"].pop(), "$.age: type narrowed"),
    "null newly allowed": (
        lambda s: s["properties"].update(seq={"anyOf": [of("seq")(s), {"type": "null"}]}),
        "$.seq: type widened",
    ),
    "a word removed": (lambda s: s["$defs"]["Reason"]["enum"].remove("glare"), "no longer one of the words: glare"),
    "a word renamed": (lambda s: s["$defs"]["Reason"].update(enum=["matched", "shine"]), "no longer one of the words"),
    "a word more in a closed list": (lambda s: of("state")(s)["enum"].append("asleep"), "closed and gained asleep"),
    "a closed list opened": (lambda s: of("state")(s).pop("x-closed"), "not closed any more"),
    "words become free text": (lambda s: s["$defs"]["Reason"].pop("enum"), "free text"),
    "a lower bound raised": (lambda s: of("seq")(s).update(minimum=2), "minimum narrowed"),
    "a lower bound gone": (lambda s: of("seq")(s).pop("minimum"), "minimum widened"),
    "an upper bound lowered": (lambda s: of("at")(s).update(maxLength=20), "maxLength narrowed"),
    "an upper bound new": (lambda s: of("hash")(s).update(maxLength=64), "maxLength narrowed"),
    "a pattern changed": (lambda s: of("hash")(s).update(pattern="^[0-9A-F]{64}$"), "pattern changed"),
    "a format gone": (lambda s: of("at")(s).pop("format"), "format changed"),
    "another constant": (lambda s: of("schema")(s).update(const="edge/v2"), "const changed"),
    "other items": (lambda s: of("looks")(s)["items"].update(type="object"), "$.looks.items: type narrowed"),
    "items of any kind": (lambda s: of("looks")(s).pop("items"), "items is not promised any more"),
    "no key beside those named": (
        lambda s: s.update(additionalProperties={"type": "string"}),
        "additionalProperties is asked for",
    ),
    "a word that the rule does not know": (
        lambda s: s.update(dependentRequired={}),
        "cannot compare dependentRequired",
    ),
}


@pytest.mark.parametrize("kind", BREAKS)
def test_each_kind_of_break_is_caught(kind: str) -> None:
    """A change of what is sent that any reader could stumble over is told, with its place."""
    later = copy.deepcopy(outcome())
    change, told = BREAKS[kind]
    change(later)

    found = breaks(outcome(), later, sent=True)

    assert len(found) == 1
    assert told in found[0]


ADDITIONS: dict[str, Change] = {
    "a property that may be absent": lambda s: s["properties"].update(note={"type": "string"}),
    "a word more in an open list": lambda s: s["$defs"]["Reason"]["enum"].append("blur"),
    "another description": lambda s: of("seq")(s).update(description="Counts up."),
    "a definition taken apart": lambda s: s["properties"].update(reason=s["$defs"].pop("Reason")),
}


@pytest.mark.parametrize("kind", ADDITIONS)
def test_additions_are_none(kind: str) -> None:
    """What adds, and what says the same in other words, is allowed."""
    later = copy.deepcopy(outcome())
    ADDITIONS[kind](later)

    assert breaks(outcome(), later, sent=True) == []


def command() -> dict[str, Any]:
    """A schema of what is heard."""
    return {
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "string", "maxLength": 200}, "source": {"type": "string"}},
    }


COMMAND_BREAKS: dict[str, tuple[Change, str]] = {
    "more is asked for": (lambda s: s["required"].append("source"), "$.source: newly required"),
    "something is not understood any more": (lambda s: s["properties"].pop("source"), "$.source: removed"),
    "less is taken": (lambda s: of("id")(s).update(maxLength=100), "maxLength narrowed"),
}


@pytest.mark.parametrize("kind", COMMAND_BREAKS)
def test_a_command_goes_on_to_be_taken(kind: str) -> None:
    """A command as released is taken by later stations, too: what would refuse one is told."""
    later = copy.deepcopy(command())
    change, told = COMMAND_BREAKS[kind]
    change(later)

    found = breaks(command(), later, sent=False)

    assert len(found) == 1
    assert told in found[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["required"].clear(),
        lambda s: of("id")(s).pop("maxLength"),
        lambda s: s["properties"].update(id={"anyOf": [of("id")(s), {"type": "null"}]}),
        lambda s: s["properties"].update(until={"type": "string"}),
    ],
    ids=["less is asked for", "longer ones are taken", "null is taken", "more is understood"],
)
def test_a_command_may_be_taken_more_freely(change: Change) -> None:
    """Of what is heard, more may be taken than before."""
    later = copy.deepcopy(command())
    change(later)

    assert breaks(command(), later, sent=False) == []
