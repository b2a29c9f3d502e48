"""The contract with MES as files, made from types: `config/asyncapi.yaml`, and a JSON Schema each in `config/schemas/`.

Promise: the files say what the types in `messages`, `health_messages` and `command_messages` say, and the builders of
the messages are checked against these. `python -m edge.services.asyncapi` writes the files anew; with `--release` it
also freezes the schemas of this version in `config/schemas/released/`; those of a later one may only add to them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from edge.adapters import command_messages, health_messages, messages
from edge.core.outcome import SCHEMA
from edge.releases import MAX_RELEASE_BYTES, SentRelease
from edge.services.mqtt_commands import MAX_COMMAND_BYTES

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of message: its type, who sends it ("send": the station), where, and how.

    `suffix` follows the topic's base; None: the topic is the asker's own. `properties` are the user properties.
    `summary` stands for a type that has no docstring. `answer` names what answers a command on the topic that it names;
    None: nothing does.
    """

    type: Any
    action: Literal["send", "receive"]
    suffix: str | None
    qos: int = 1
    retain: bool = False
    properties: Any = None
    summary: str = ""
    answer: str | None = "answer"
    max_bytes: int = MAX_COMMAND_BYTES


#: Everything that a station says and hears. The names are those of the files in `config/schemas/`.
MESSAGES: Mapping[str, Message] = {
    "outcome": Message(messages.Outcome, "send", "outcome", properties=messages.OutcomeProperties),
    "retake": Message(messages.Retake, "send", "retake", properties=messages.RetakeProperties),
    "correction": Message(messages.Correction, "send", "correction", properties=messages.CorrectionProperties),
    "state": Message(messages.State, "send", "state", retain=True),
    "health": Message(health_messages.Health, "send", "health", qos=0, retain=True),
    "release_state": Message(messages.ReleaseState, "send", "release_state", retain=True),
    "release": Message(SentRelease, "receive", "release", retain=True, max_bytes=MAX_RELEASE_BYTES, answer=None),
    "trigger": Message(command_messages.Trigger, "receive", "cmd/trigger"),
    "expect": Message(
        command_messages.Expect,
        "receive",
        "cmd/expect",
        summary="The part that comes next, for the next trigger without `expected`.",
    ),
    "confirm": Message(command_messages.Confirm, "receive", "cmd/confirm"),
    "resend": Message(command_messages.Resend, "receive", "cmd/resend", answer="resend_answer"),
    "answer": Message(
        command_messages.Answer,
        "send",
        None,
        summary="To the response topic of the command, with its correlation data.",
    ),
    "resend_answer": Message(
        command_messages.ResendAnswer,
        "send",
        None,
        summary="To the response topic of a `cmd/resend`, with its correlation data.",
    ),
}


def schemas() -> dict[str, Schema]:
    """A JSON Schema (2020-12) for each payload, by the name of its message, and for user properties."""
    return {
        name: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:{SCHEMA.replace('/', ':')}:{name}",
            **untitled(TypeAdapter(kind).json_schema()),
        }
        for name, kind in _kinds().items()
    }


def document() -> Schema:
    """The whole AsyncAPI document."""
    found, shared = TypeAdapter.json_schemas(
        [(name, "validation", TypeAdapter(kind)) for name, kind in _kinds().items()],
        ref_template="#/components/schemas/{model}",
    )
    said = {name: untitled(schema) for (name, _), schema in found.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "edge",
            "version": SCHEMA,
            "description": "One inspection station. Payloads are JSON in UTF-8. Ignore keys that you do not know.",
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(name, message) for name, message in MESSAGES.items()},
        "operations": {name: _operation(name, message) for name, message in MESSAGES.items() if message.suffix},
        "components": {
            "messages": {name: _message(name, said) for name in MESSAGES},
            "schemas": {name: untitled(schema) for name, schema in shared["$defs"].items()},
        },
    }


def files() -> dict[str, str]:
    """Every generated file by its path below `config/`."""
    lines = ["# Made by `python -m edge.services.asyncapi`; do not edit.", *yaml(document())]
    made = {"asyncapi.yaml": "\n".join(lines) + "\n"}
    for name, schema in schemas().items():
        made[f"schemas/{name}.json"] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return made


def yaml(value: Any, indent: str = "") -> Iterator[str]:
    """The lines of a document in YAML. Scalars and empty collections are written as JSON, which YAML takes."""
    items: Sequence[tuple[str, Any]]
    if isinstance(value, Mapping):
        items = [
            (f"{key if str(key).replace('_', '').isalnum() and not key[0].isdigit() else json.dumps(key)}:", each)
            for key, each in value.items()
        ]
    else:
        items = [("-", each) for each in value]
    for head, each in items:
        if isinstance(each, Mapping | list) and each:
            yield f"{indent}{head}"
            yield from yaml(each, indent + "  ")
        else:
            yield f"{indent}{head} {json.dumps(each, ensure_ascii=False)}"


def main() -> None:
    """Write the files anew, below the current folder; with `--release`, freeze the schemas of this version, too."""
    made = files()
    if sys.argv[1:] == ["--release"]:
        folder = f"schemas/released/{metadata.version('edge-inspection')}"
        made |= {path.replace("schemas", folder, 1): text for path, text in made.items() if path.endswith(".json")}
    for path, text in made.items():
        file = Path("config") / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _kinds() -> dict[str, Any]:
    payloads = {name: message.type for name, message in MESSAGES.items()}
    properties = {name: message.properties for name, message in MESSAGES.items() if message.properties is not None}
    return payloads | {f"{name}_properties": kind for name, kind in properties.items()}


def untitled(schema: Any) -> Any:
    """A schema without pydantic's titles, which only say the key's name again."""
    if isinstance(schema, list):
        return [untitled(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {key: untitled(each) for key, each in schema.items() if key != "title" or not isinstance(each, str)}


def _message(name: str, said: Mapping[str, Schema]) -> Schema:
    summary = MESSAGES[name].summary or MESSAGES[name].type.__doc__
    message: Schema = {"contentType": "application/json", "summary": summary, "payload": said[name]}
    if f"{name}_properties" in said:
        message["headers"] = said[f"{name}_properties"]
    return message


def _channel(name: str, message: Message) -> Schema:
    channel: Schema = {"address": None, "messages": {name: {"$ref": f"#/components/messages/{name}"}}}
    if message.suffix is not None:
        channel["address"] = f"edge/v1/{{site}}/{{line}}/{{station}}/{message.suffix}"
        channel["parameters"] = {"site": {}, "line": {}, "station": {}}
    return channel


def _operation(name: str, message: Message) -> Schema:
    operation: Schema = {
        "action": message.action,
        "channel": {"$ref": f"#/channels/{name}"},
        "bindings": {"mqtt": {"qos": message.qos, "retain": message.retain}},
    }
    if message.action == "receive":
        operation["description"] = f"At most {message.max_bytes} bytes."
    if message.action == "receive" and message.answer is not None:
        operation["reply"] = {
            "address": {"location": "$message.header#/responseTopic"},
            "channel": {"$ref": f"#/channels/{message.answer}"},
        }
    return operation


if __name__ == "__main__":
    main()
