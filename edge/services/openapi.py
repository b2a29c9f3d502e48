"""The HTTP API as an OpenAPI document, made from the panel's own limits and the types of its messages.

Promise: the panel serves it at `/openapi.json`, `config/openapi.yaml` is the same, and every row of
`edge.web.access.LEAST_ROLE` is an operation of it. `python -m edge.services.openapi` writes the file anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from edge.adapters import messages
from edge.adapters.command_messages import MAX_FIELDS, MAX_TEXT_LENGTH
from edge.adapters.users import MOST_PASSWORD, Role
from edge.core.inside import Inside
from edge.core.outcome import Disposition, Reason
from edge.services.asyncapi import Schema, untitled, yaml
from edge.web import chat, guests, history, inside, product_desk, reviews, setup
from edge.web.access import LEAST_ROLE
from edge.web.guests import MAX_IMAGE_BYTES
from edge.web.session import CSRF_HEADER, MAX_NAME

FILE = Path("config/openapi.yaml")

_IMAGE = "An image file (JPEG, PNG, WebP, …) in base64, with or without the head of a data URL."


def _text(longest: int, about: str = "", least: int = 0) -> Schema:
    return {"type": "string", "maxLength": longest} | ({"minLength": least} if least else {}) | _about(about)


def _about(about: str) -> Schema:
    return {"description": about} if about else {}


def _object(required: Sequence[str] = (), **properties: Schema) -> Schema:
    made: Schema = {"type": "object", "properties": properties}
    return made | ({"required": list(required)} if required else {})


def _number(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_INTEGER: Schema = {"type": "integer"}
_STRING: Schema = {"type": "string"}
_MAYBE: Schema = {"type": ["string", "null"]}
_CAP: Schema = {"type": ["integer", "null"], "minimum": 1, "maximum": chat.MOST_CAP}
_FLAG: Schema = {"type": ["boolean", "null"]}
_CODED: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_IMAGE_BYTES * 4 // 3 + 100,
    "contentEncoding": "base64",
} | _about(_IMAGE)
_QUESTION = _text(guests.MOST_QUESTION_CHARACTERS, least=1)
_PAGE_LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": history.MAX_PAGE}
_BEFORE: Schema = {"type": "integer", "minimum": 1, "maximum": 2**62}
_PRODUCT_TEXT = _text(product_desk.MAX_BYTES, "TOML, as in the manual.")
_TIME: Schema = {"type": "string", "format": "date-time"}


def _or_empty(schema: Schema) -> Schema:
    """A value of a query string; an empty one is like none, since forms send every field."""
    return {"anyOf": [schema, {"type": "string", "const": ""}]}


#: What a search of outcomes may name.
_SEARCH: Mapping[str, Schema] = {
    **{name: _text(history.MAX_TEXT, "The beginning of a text.") for name in ("serial", "model", "text")},
    "disposition": _or_empty({"type": "string", "enum": list(Disposition)}),
    "reason": _or_empty({"type": "string", "enum": list(Reason)}),
    "since": _or_empty(_TIME),
    "until": _or_empty(_TIME),
}
_OPENAI_MESSAGE = _object(
    ["role", "content"], role=_STRING, content={"description": "A text, or parts of type text and image_url."}
)

SCHEMAS: Mapping[str, Schema] = {
    "Error": _object(
        ["error"],
        error=_object(["message", "type"], message=_text(5000, "One sentence: what, which, what to do."), type=_STRING),
    ),
    "Session": _object(
        ["state", "name", "csrf", "role", "ways", "may"],
        state={"type": "string", "enum": ["off", "signed_out", "signed_in"]},
        name=_MAYBE,
        csrf=_MAYBE | _about(f"The word that each change by this session carries in the header {CSRF_HEADER}."),
        role={"type": "string", "enum": [role.word for role in Role]},
        ways={"type": "array", "items": {"type": "string", "enum": ["password", "token"]}},
        may={"type": "array", "items": _STRING},
    ),
    "SignIn": _object(
        ["name"], name=_text(MAX_NAME, least=1), token=_text(MOST_PASSWORD), password=_text(MOST_PASSWORD)
    )
    | {"oneOf": [{"required": ["token"]}, {"required": ["password"]}]},
    "Kept": _object(
        ["seq", "inspection_id", "closed_as", "confirmed_at", "outcome"],
        seq=_INTEGER,
        inspection_id=_STRING,
        closed_as=_MAYBE | _about("How the broker took it; null: it waits."),
        confirmed_at=_MAYBE | _about("When MES said that it has stored it."),
        outcome=_ref("Outcome"),
    ),
    "Outcomes": _object(
        ["outcomes", "next_before"],
        outcomes={"type": "array", "items": _ref("Kept")},
        next_before={"type": ["integer", "null"], "description": "Go on with it as `before`; null: there is no more."},
    ),
    "Story": {
        "allOf": [
            _ref("Kept"),
            _object(
                ["evidence", "reviews"],
                evidence={
                    "type": "array",
                    "items": _object(
                        ["url", "attempt", "sha256", "removed_at"],
                        url=_STRING,
                        attempt=_INTEGER,
                        sha256=_STRING,
                        removed_at=_MAYBE,
                    ),
                },
                reviews={"type": "array", "items": _ref("Correction")},
            ),
        ]
    },
    "Review": _object(
        ["action"],
        action={"type": "string", "enum": list(reviews.ACTIONS)},
        by=_text(MAX_NAME, "Who says so, where a program shows the token; of a session it is its person."),
        fields={
            "type": "object",
            "maxProperties": reviews.MAX_FIELDS,
            "propertyNames": {"maxLength": reviews.MAX_FIELD_TEXT},
            "additionalProperties": _text(reviews.MAX_FIELD_TEXT),
            "description": "What the fields are in truth: with the action correct, and with no other.",
        },
        note=_text(reviews.MAX_NOTE),
    ),
    "Reviewed": _object(
        ["correction_id", "at", "by", "undo_s"],
        correction_id=_STRING,
        at=_TIME,
        by=_STRING,
        undo_s={"type": ["number", "null"]},
    ),
    "Trigger": _object(
        trigger_id=_text(messages.MAX_ID_LENGTH, "Never used twice at this station; without it one is made."),
        expected={
            "type": ["object", "null"],
            "minProperties": 1,
            "maxProperties": MAX_FIELDS,
            "propertyNames": {"minLength": 1, "maxLength": messages.MAX_ID_LENGTH},
            "additionalProperties": _text(MAX_TEXT_LENGTH, least=1),
            "description": "Field name to the text that the part should bear.",
        },
    )
    | {"additionalProperties": False},
    "Triggered": _object(
        ["trigger_id", "inspection_id", "repeat"],
        trigger_id=_STRING,
        inspection_id=_STRING,
        repeat={"type": "boolean"},
    ),
    "Question": _object(["image", "question"], image=_CODED, question=_QUESTION, max_tokens=_CAP, stream=_FLAG),
    "FreeAnswer": _object(
        ["answer", "finish", "tokens", "reader", "ms"],
        answer=_STRING,
        finish={"type": "string"},
        tokens=_INTEGER,
        reader=_object(["name", "hash"], name=_STRING, hash=_STRING),
        ms=_object(["first_token", "total"], first_token={"type": ["number", "null"]}, total={"type": "number"}),
    ),
    "Completion": _object(
        ["messages"],
        messages={"type": "array", "items": _OPENAI_MESSAGE, "minItems": 1},
        model={"type": ["string", "null"], "enum": [chat.MODEL, None]},
        n={"type": ["integer", "null"], "enum": [1, None]},
        max_tokens=_CAP,
        max_completion_tokens=_CAP,
        stream=_FLAG,
    ),
    "Reading": _object(
        ["file", "fields", "quality", "codes", "lines", "reader", "reader_hash", "product", "ms"],
        file=_STRING,
        fields={"type": "object"},
        quality={"type": "object"},
        codes={"type": "array"},
        lines={"type": "array"},
        reader=_STRING,
        reader_hash=_STRING,
        product=_STRING,
        ms={"type": "object"},
    ),
    "Look": _object(
        image=_CODED,
        inspection_id=_text(100, "A kept frame is looked into: its outcome, and `frame`, from 0 on."),
        frame=_number(0, 999),
        question=_QUESTION,
        field=_text(100, "A field of the product is read, in the place of a question."),
        max_tokens=_number(1, inside.MOST_CAP),
        layer=_number(0, 999),
    ),
    "ProductText": _object(
        ["name", "path", "text", "sha256", "is_there", "taken_up"],
        name=_STRING,
        path=_MAYBE,
        text=_STRING,
        sha256=_STRING,
        is_there={"type": "boolean"},
        taken_up={"type": "boolean", "description": "Whether the station works by it: it is read at the start."},
    ),
    "Health": _object(
        ["state", "problems", "processes"],
        state={"type": "string", "enum": ["ok", "degraded", "down"]},
        problems={"type": "array", "items": _STRING},
        processes={"type": "object"},
    ),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the table of addresses. `answers` are by status, each a content type and what is in it."""

    summary: str
    answers: Mapping[str, Mapping[str, Schema]]
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Mapping[str, Schema] = field(default_factory=dict)


def _json(schema: Schema) -> dict[str, Schema]:
    return {"application/json": schema}


_FILE: Schema = {"type": "string", "format": "binary"}
_EVENTS: Mapping[str, Schema] = {"text/event-stream": _STRING}
_GATE = {"200": _json(_object(["frames", "measures"], frames=_INTEGER)), "503": _json(_ref("Error"))}
_PRODUCT = _json(_ref("ProductText"))
_ANSWERED = {"504": _json(_ref("Error")), "503": _json(_ref("Error"))}

OPERATIONS: Mapping[str, Operation] = {
    "GET /v1/session": Operation("Who is asking, and what they may.", {"200": _json(_ref("Session"))}),
    "POST /v1/session": Operation(
        "Sign in by a user's password or the panel's token.",
        {"200": _json(_ref("Session"))},
        body=_json(_ref("SignIn")),
    ),
    "DELETE /v1/session": Operation("Sign out.", {"200": _json(_ref("Session"))}),
    "GET /health": Operation(
        "How the station is; 503: it cannot inspect.",
        {"200": _json(_ref("Health")), "503": _json(_ref("Health"))},
    ),
    "GET /metrics": Operation("The same as OpenMetrics.", {"200": {"application/openmetrics-text": _STRING}}),
    "GET /openapi.json": Operation("This document.", {"200": _json({"type": "object"})}),
    "GET /v1/line": Operation(
        "The station, the newest outcomes, and this shift's counts by reason.",
        {"200": _json(_object(["station", "shift", "newest"], newest={"type": "array", "items": _ref("Outcome")}))},
    ),
    "GET /v1/live": Operation(
        "Events: health each second, and each outcome as it is committed.",
        {"200": _EVENTS, "503": _json(_ref("Error"))},
        query={"after": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}},
    ),
    "GET /v1/outcomes": Operation(
        "A page of outcomes, newest first; it may be short.",
        {"200": _json(_ref("Outcomes")), "503": _json(_ref("Error"))},
        query={**_SEARCH, "limit": _PAGE_LIMIT, "before": _BEFORE},
    ),
    "GET /v1/outcomes/export": Operation(
        "Every outcome that is searched for.",
        {"200": {"text/csv": _STRING, "application/x-ndjson": _STRING}, "503": _json(_ref("Error"))},
        query={**_SEARCH, "format": {"type": "string", "enum": ["csv", "jsonl"]}},
    ),
    "GET /v1/outcomes/{inspection_id}": Operation(
        "One outcome with all that came after.", {"200": _json(_ref("Story")), "503": _json(_ref("Error"))}
    ),
    "GET /v1/outcomes/{inspection_id}/evidence/{number:int}": Operation(
        "A frame that the reader saw, checked by its hash; 410: removed, 409: it is another file.",
        {
            "200": dict.fromkeys(("image/jpeg", "image/png", "image/bmp", "image/webp", "image/*"), _FILE),
            "503": _json(_ref("Error")),
        },
    ),
    "GET /v1/held": Operation(
        "Held parts without a decision, newest first.",
        {"200": _json(_ref("Outcomes")), "503": _json(_ref("Error"))},
        query={"limit": _PAGE_LIMIT, "before": _BEFORE},
    ),
    "POST /v1/outcomes/{inspection_id}/review": Operation(
        "Decide about a part: a correction to MES follows; the outcome stays.",
        {"201": _json(_ref("Reviewed")), "503": _json(_ref("Error"))},
        body=_json(_ref("Review")),
    ),
    "DELETE /v1/outcomes/{inspection_id}/review": Operation(
        "Take a decision back before it is sent.", {"204": {}, "503": _json(_ref("Error"))}
    ),
    "POST /v1/outcomes/{inspection_id}/bundle": Operation(
        "The inspection as one file for `edge replay`; 413: larger than [record] max_mb, 429: one is being made.",
        {"200": {"application/zip": _FILE}, "503": _json(_ref("Error"))},
    ),
    "DELETE /v1/line_stop": Operation(
        "Let the line run again; 503: there is no store.", {"204": {}, "503": _json(_ref("Error"))}
    ),
    "POST /v1/trigger": Operation(
        "A part is in place: inspect it. 200: the id was used before, and nothing new begins.",
        {"201": _json(_ref("Triggered")), "200": _json(_ref("Triggered")), "503": _json(_ref("Error"))},
        body=_json(_ref("Trigger")),
    ),
    "POST /v1/chat": Operation(
        "Ask a question about an image.",
        {"200": _json(_ref("FreeAnswer")) | dict(_EVENTS), **_ANSWERED},
        body=_json(_ref("Question")),
    ),
    "POST /v1/chat/completions": Operation(
        "The same in OpenAI's form.",
        {"200": _json({"type": "object"}) | dict(_EVENTS), **_ANSWERED},
        body=_json(_ref("Completion")),
    ),
    "POST /v1/read": Operation(
        "Read an image as the station would.",
        {"200": _json(_ref("Reading")), **_ANSWERED},
        body=_json(_object(["image"], image=_CODED, file=_text(200)))
        | dict.fromkeys(("image/*", "application/octet-stream"), _FILE),
    ),
    "GET /v1/inside": Operation(
        "Whether the model can be looked into.",
        {"200": _json(_object(["available", "why"], reader=_MAYBE, why=_STRING))},
    ),
    "POST /v1/inside": Operation(
        "What the model did for an answer, and what it looked at.",
        {"200": _json(_ref("Inside")), **_ANSWERED},
        body=_json(_ref("Look")),
    ),
    "POST /v1/setup/check": Operation("The lines of `edge check`, as they come.", {"200": _EVENTS}),
    "GET /v1/setup/gate": Operation(
        "How recent frames spread over each measure.", _GATE, query={"last": _number(1, setup.MOST_SPREAD)}
    ),
    "POST /v1/setup/look": Operation(
        "One frame of now with its measures, between parts.", {"200": _json({"type": "object"}), **_ANSWERED}
    ),
    "GET /v1/setup/product": Operation("The product file.", {"200": _PRODUCT, "503": _json(_ref("Error"))}),
    "PUT /v1/setup/product": Operation(
        "Save it whole; a text with a mistake is not.",
        {"200": _PRODUCT, "503": _json(_ref("Error"))},
        body=_json(_object(["text", "sha256"], text=_PRODUCT_TEXT, sha256=_text(64, "Of the text that was changed."))),
    ),
    "POST /v1/setup/product/check": Operation(
        "Every mistake in a text.",
        {"200": _json(_object(["problems"], problems={"type": "array", "items": _STRING}))},
        body=_json(_object(["text"], text=_PRODUCT_TEXT)),
    ),
    "POST /v1/setup/product/test": Operation(
        "What a text would change on kept parts, as `edge replay` tells it.",
        {"200": _EVENTS},
        body=_json(_object(["text"], text=_PRODUCT_TEXT, last=_number(1, setup.MOST_TESTED))),
    ),
    "GET /v1/models": Operation("The reader's name for OpenAI's clients.", {"200": _json({"type": "object"})}),
}
_PARAMETERS: Mapping[str, Schema] = {
    "inspection_id": _text(messages.MAX_ID_LENGTH, "The outcome's id."),
    "number": {"type": "integer", "minimum": 0, "maximum": 2**31},
}


def document() -> Schema:
    """The whole document."""
    types = {"Outcome": messages.Outcome, "Correction": messages.Correction, "Inside": Inside}
    found, shared = TypeAdapter.json_schemas(
        [(name, "validation", TypeAdapter(kind)) for name, kind in types.items()],
        ref_template="#/components/schemas/{model}",
    )
    said = {name: untitled(schema) for (name, _), schema in found.items()}
    parts = {name: untitled(schema) for name, schema in shared["$defs"].items()}
    paths: Schema = {}
    for row, operation in OPERATIONS.items():
        method, _, path = row.partition(" ")
        paths.setdefault(path.replace(":int", ""), {})[method.lower()] = _operation(row, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "edge",
            "version": "v1",
            "description": "One inspection station's panel. Ignore keys that you do not know.",
        },
        "paths": paths,
        "components": {
            "schemas": {**parts, **{name: schema for name, schema in said.items() if "$ref" not in schema}, **SCHEMAS},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "What [panel] token_file holds."},
                "session": {"type": "apiKey", "in": "cookie", "name": "edge_session"},
            },
        },
    }


def file() -> str:
    """The text of `config/openapi.yaml`."""
    return "\n".join(["# Made by `python -m edge.services.openapi`; do not edit.", *yaml(document())]) + "\n"


def _operation(row: str, operation: Operation) -> Schema:
    least = LEAST_ROLE[row]
    names = [part.strip("{}").partition(":")[0] for part in row.split("/") if part.startswith("{")]
    parameters = [{"name": name, "in": "path", "required": True, "schema": _PARAMETERS[name]} for name in names]
    parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in operation.query.items()]
    made: Schema = {
        "summary": operation.summary,
        "description": f"Least role: {least.word}.",
        "security": [] if least is Role.NOBODY else [{"token": []}, {"session": []}],
        "parameters": parameters,
    }
    if operation.body:
        made["requestBody"] = {"required": True, "content": _content(operation.body)}
    answers = {**operation.answers, "4XX": _json(_ref("Error"))}
    made["responses"] = {
        status: {"description": "One sentence says why." if status == "4XX" else operation.summary}
        | ({"content": _content(content)} if content else {})
        for status, content in sorted(answers.items())
    }
    return made


def _content(content: Mapping[str, Schema]) -> Schema:
    return {kind: {"schema": schema} for kind, schema in content.items()}


if __name__ == "__main__":
    FILE.write_text(file(), encoding="utf-8")
