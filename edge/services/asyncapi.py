"""What the station says and hears by MQTT, as an AsyncAPI 3 document: `config/asyncapi.yaml` is made from here.

Promise: every message that is sent validates against its schema here (tested), and every reason, defect and refusal
of the code is listed. Make the file anew with `python -m edge.services.asyncapi > config/asyncapi.yaml`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, get_args

from edge.core.outcome import SCHEMA, Defect, Disposition, Reason
from edge.core.quality import MeasureName
from edge.services.mqtt_commands import MAX_COMMAND_BYTES, MAX_FIELDS, MAX_ID_LENGTH, MAX_TEXT_LENGTH, Refusal

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_AT: Schema = {"type": "string", "format": "date-time", "description": "Wall time, RFC 3339, UTC; for people."}
_ID: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_ID_LENGTH}
_EXPECTED: Schema = {
    "type": "object",
    "description": "Field name to the text that the part should bear.",
    "minProperties": 1,
    "maxProperties": MAX_FIELDS,
    "additionalProperties": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_LENGTH},
}


def document() -> Schema:
    """The whole AsyncAPI document."""
    messages = {
        "outcome": _message(outcome_schema(), "One an inspection, ordered by `seq`. Drop repeats by inspection_id."),
        "retake": _message(retake_schema(), "A frame was not fit: the cause, and what is done or asked for."),
        "state": _message(state_schema(), "Retained. `offline` is the will: its `at` is when the connection was made."),
        "health": _message(health_schema(), "Retained, QoS 0, every few seconds. Null: not known."),
        "trigger": _message(trigger_schema(), "A part is in place. Set a message expiry no longer than the deadline."),
        "expect": _message(expect_schema(), "The part that comes next, for the next trigger without `expected`."),
        "confirm": _message(confirm_schema(), "MES has stored this outcome."),
        "answer": _message(answer_schema(), "To the response topic of the command, with its correlation data."),
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "edge",
            "version": SCHEMA,
            "description": "One inspection station. Payloads are JSON in UTF-8. Ignore keys that you do not know.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "outcome": _channel("outcome", "outcome"),
            "retake": _channel("retake", "retake"),
            "state": _channel("state", "state"),
            "health": _channel("health", "health"),
            "trigger": _channel("cmd/trigger", "trigger"),
            "expect": _channel("cmd/expect", "expect"),
            "confirm": _channel("cmd/confirm", "confirm"),
            "answer": {"address": None, "messages": {"answer": {"$ref": "#/components/messages/answer"}}},
        },
        "operations": dict(
            [
                *(_operation(name, "send", qos=1, retain=False) for name in ("outcome", "retake")),
                _operation("state", "send", qos=1, retain=True),
                _operation("health", "send", qos=0, retain=True),
                *(_operation(name, "receive", qos=1, retain=False) for name in ("trigger", "expect", "confirm")),
            ]
        ),
        "components": {"messages": messages},
    }


def outcome_schema() -> Schema:
    """The message of the topic `outcome`."""
    box = _nullable({"type": "array", "minItems": 4, "maxItems": 4, "items": {"type": "array", "items": _NUMBER}})
    times: Schema = {"type": "object", "additionalProperties": _nullable(_NUMBER), "description": "Milliseconds."}
    defects: Schema = {"type": "array", "items": _one_of(Defect)}
    measure = _object(raw=_nullable(_NUMBER), score=_nullable({"type": "integer", "minimum": 0, "maximum": 100}))
    quality = _object(
        measures={
            "type": "object",
            "propertyNames": {"enum": list(get_args(MeasureName))},
            "additionalProperties": measure,
        },
        num_lines=_COUNT,
        region=box,
        motion_degrees=_nullable(_NUMBER),
    )
    character = _object(
        text=_TEXT,
        confidence=_SHARE,
        alternatives={"type": "array", "items": _object(text=_TEXT, confidence=_SHARE)},
        box=box,
    )
    field = _object(
        raw={"type": "string", "description": "As printed."},
        text={"type": "string", "description": "After `rule`; empty: nothing there."},
        rule=_nullable(_TEXT),
        confidence=_SHARE | {"description": "The least certain character's."},
        characters={"type": "array", "items": character},
        box=box,
        expected=_nullable(_TEXT),
        verdict=_TEXT,
        looks=_COUNT,
        why=_TEXT,
        finish_reason={"enum": ["stop", "length"]},
        alternatives={"type": "array", "items": _object(text=_TEXT, rule=_TEXT)},
    )
    looked = _object(
        reader=_object(name=_TEXT, hash=_TEXT),
        texts={"type": "object", "additionalProperties": _TEXT},
        confidence=_nullable(_SHARE),
    )
    attempt = _object(
        number={"type": "integer", "minimum": 1},
        action=_TEXT,
        cause=defects,
        frame_id=_nullable(_TEXT),
        exposure_us=_nullable({"type": "integer"}),
        light=_nullable(_TEXT),
        defects=defects,
        quality=_nullable(quality),
        texts={"type": "object", "additionalProperties": _TEXT, "description": "Of the first reader."},
        readings={"type": "array", "items": looked, "description": "Of each reader: looks of their own."},
        failure=_nullable(_TEXT),
        helped=_nullable({"type": "boolean"}),
        changed={
            "type": "object",
            "additionalProperties": _object(before=_NUMBER, after=_NUMBER),
            "description": "What the action was meant for: scores of measures 0 to 100, `confidence` 0 to 1.",
        },
        ms=times,
    )
    return _object(
        schema={"const": SCHEMA},
        inspection_id=_ID | {"description": "UUIDv7, the key to drop repeats by."},
        station=_TEXT,
        seq={"type": "integer", "minimum": 1, "description": "Counts up by one for each outcome of the station."},
        trigger_id=_TEXT,
        disposition=_one_of(Disposition),
        reason=_one_of(Reason),
        detail=_TEXT,
        defects=defects,
        fields={"type": "object", "additionalProperties": field},
        codes={"type": "array", "items": _object(format=_TEXT, text=_TEXT, box=box)},
        attempts={"type": "array", "items": attempt},
        evidence={
            "type": "array",
            "items": _object(
                path={"type": "string", "description": "Below the data folder of the station."},
                sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"},
                attempt={"type": "integer", "minimum": 1},
            ),
        },
        erp=_object(source=_nullable(_TEXT), age=_nullable(_NUMBER | {"description": "Seconds."})),
        false_accept_rate=_nullable(
            _SHARE | {"description": "How often a pass on evidence as this was wrong, on labelled plates."}
        ),
        false_accept_interval=_nullable(
            {"type": "array", "minItems": 2, "maxItems": 2, "items": _SHARE, "description": "95 %, Clopper-Pearson."}
        ),
        false_accept_reads=_nullable(_COUNT | {"description": "Labelled reads that the rate rests on."}),
        reader=_object(name=_nullable(_TEXT), hash=_nullable(_TEXT)),
        config=_object(hash=_TEXT),
        at=_AT,
        ms=times,
    )


def retake_schema() -> Schema:
    """The message of the topic `retake`."""
    return _object(
        inspection_id=_ID,
        station=_TEXT,
        attempt={"type": "integer", "minimum": 1},
        cause={"type": "array", "items": _one_of(Defect)},
        action=_TEXT,
        at=_AT,
    )


def state_schema() -> Schema:
    """The message of the topic `state`."""
    return _object(
        schema={"const": SCHEMA},
        station=_TEXT,
        state={"enum": ["online", "stopped", "offline"]},
        session_id=_ID | {"description": "The connection that this is said of: a late `offline` names an earlier one."},
        version=_TEXT,
        at=_AT,
    )


def health_schema() -> Schema:
    """The message of the topic `health`."""
    age = _nullable(_NUMBER | {"minimum": 0})
    counts: Schema = {"type": "object", "additionalProperties": _COUNT}
    queue = _object(waiting=_COUNT, oldest_age_s=age)
    return _object(
        schema={"const": SCHEMA},
        station=_TEXT,
        session_id=_ID,
        at=_AT,
        triggers=_COUNT,
        outcomes=_COUNT,
        reasons=_object(**{reason.value: _COUNT for reason in Reason}),
        queues=_object(
            triggers=queue,
            outbox=queue,
            dead_letters=_object(waiting=_COUNT),
            unconfirmed=_object(oldest_age_s=age),
        ),
        latency_ms=_object(p50=_nullable(_NUMBER), p99=_nullable(_NUMBER), outcomes=_COUNT),
        frame_age_s=age,
        reader=_object(
            name=_nullable(_TEXT),
            queue=_object(waiting=_nullable(_COUNT), oldest_age_s=age),
            answers=_nullable(counts),
            batches=_nullable(counts | {"description": "By how many questions were in one."}),
            cache=_object(
                state=_nullable(_TEXT), hits=_nullable(_COUNT), misses=_nullable(_COUNT), hit_rate=_nullable(_NUMBER)
            ),
            breaker=_nullable(_TEXT),
        ),
        processes={"type": "object", "additionalProperties": _NUMBER, "description": "Seconds since each was heard."},
        counts=counts,
        messenger=counts,
    )


def trigger_schema() -> Schema:
    """The command `cmd/trigger`."""
    known = _object(
        trigger_id=_ID | {"description": "Never used twice at this station: a repeat begins no second inspection."}
    )
    known["properties"] |= {"expected": _EXPECTED, "source": _ID, "station": _TEXT}
    return known


def expect_schema() -> Schema:
    """The command `cmd/expect`."""
    return _EXPECTED | {"properties": {"command_id": _ID | {"description": "By which a repeat is recognised."}}}


def confirm_schema() -> Schema:
    """The command `cmd/confirm`."""
    known = _object(inspection_id=_ID)
    known["properties"] |= {"station": _TEXT}
    return known


def answer_schema() -> Schema:
    """The answer to a command."""
    accepted: Schema = {"const": True}
    refused = _object(accepted={"const": False}, reason=_one_of(Refusal), detail=_TEXT)
    return {
        "oneOf": [
            _object(accepted=accepted, trigger_id=_ID, inspection_id=_ID, repeat={"type": "boolean"}),
            _object(accepted=accepted, command_id=_ID, repeat={"type": "boolean"}),
            _object(accepted=accepted, inspection_id=_ID) | {"not": {"required": ["trigger_id"]}},
            refused,
        ]
    }


def yaml(value: Any, indent: str = "") -> Iterator[str]:
    """The lines of a document in YAML. Scalars and empty collections are written as JSON, which YAML takes."""
    items: Sequence[tuple[str, Any]]
    if isinstance(value, Mapping):
        items = [
            (f"{key if str(key).replace('_', '').isalnum() else json.dumps(key)}:", each) for key, each in value.items()
        ]
    else:
        items = [("-", each) for each in value]
    for head, each in items:
        if isinstance(each, Mapping | list) and each:
            yield f"{indent}{head}"
            yield from yaml(each, indent + "  ")
        else:
            yield f"{indent}{head} {json.dumps(each, ensure_ascii=False)}"


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _one_of(values: type[StrEnum]) -> Schema:
    return {"enum": [value.value for value in values]}


def _message(payload: Schema, summary: str) -> Schema:
    return {"contentType": "application/json", "summary": summary, "payload": payload}


def _channel(suffix: str, message: str) -> Schema:
    return {
        "address": f"edge/v1/{{site}}/{{line}}/{{station}}/{suffix}",
        "parameters": {"site": {}, "line": {}, "station": {}},
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
    }


def _operation(name: str, action: str, *, qos: int, retain: bool) -> tuple[str, Schema]:
    operation: Schema = {
        "action": action,
        "channel": {"$ref": f"#/channels/{name}"},
        "bindings": {"mqtt": {"qos": qos, "retain": retain}},
    }
    if action == "receive":
        operation["description"] = f"At most {MAX_COMMAND_BYTES} bytes."
        operation["reply"] = {
            "address": {"location": "$message.header#/responseTopic"},
            "channel": {"$ref": "#/channels/answer"},
        }
    return name, operation


if __name__ == "__main__":
    sys.stdout.write("# Made by `python -m edge.services.asyncapi`; do not edit.\n")
    sys.stdout.writelines(f"{line}\n" for line in yaml(document()))
