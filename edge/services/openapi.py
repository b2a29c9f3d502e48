"""The HTTP API as an OpenAPI document, made from the panel's own limits and the types of its messages.

Promise: the panel serves it at `/openapi.json`, `config/openapi.yaml` is the same, and every row of
`edge.web.access.LEAST_ROLE` is an operation of it. `python -m edge.services.openapi` writes the file anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from edge.adapters import messages
from edge.adapters.users import Role
from edge.core.inside import Inside
from edge.services.asyncapi import Schema, untitled, yaml
from edge.services.openapi_schemas import (
    BEFORE,
    CODED,
    INTEGER,
    MAYBE,
    PAGE_LIMIT,
    PRODUCT_TEXT,
    SCHEMAS,
    SEARCH,
    STRING,
    object_with,
    ref,
    text,
    whole,
)
from edge.web import setup
from edge.web.access import LEAST_ROLE
from edge.web.session import COOKIE

FILE = Path("config/openapi.yaml")


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the table of addresses. `answers` are by status, each a content type and what is in it."""

    summary: str
    answers: Mapping[str, Mapping[str, Schema]]
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Mapping[str, Schema] = field(default_factory=dict)


def _json(schema: Schema) -> dict[str, Schema]:
    return {"application/json": schema}


_COOKIE = "Behind the name stand the station's and eight digits of a hash, so that two stations of a host have two."
_FILE: Schema = {"type": "string", "format": "binary"}
_EVENTS: Mapping[str, Schema] = {"text/event-stream": STRING}
_GATE = {"200": _json(object_with(["frames", "measures"], frames=INTEGER)), "503": _json(ref("Error"))}
_PRODUCT = _json(ref("ProductText"))
_ANSWERED = {status: _json(ref("Error")) for status in ("502", "503", "504")}

OPERATIONS: Mapping[str, Operation] = {
    "GET /v1/session": Operation("Who is asking, and what they may.", {"200": _json(ref("Session"))}),
    "POST /v1/session": Operation(
        "Sign in by a user's password or the panel's token.",
        {"200": _json(ref("Session"))},
        body=_json(ref("SignIn")),
    ),
    "DELETE /v1/session": Operation("Sign out.", {"200": _json(ref("Session"))}),
    "GET /health": Operation(
        "How the station is; 503: it cannot inspect.",
        {"200": _json(ref("Health")), "503": _json(ref("Health"))},
    ),
    "GET /metrics": Operation("The same as OpenMetrics.", {"200": {"application/openmetrics-text": STRING}}),
    "GET /openapi.json": Operation("This document.", {"200": _json({"type": "object"})}),
    "GET /v1/line": Operation(
        "The station, the newest outcomes, and this shift's counts by reason.",
        {"200": _json(object_with(["station", "shift", "newest"], newest={"type": "array", "items": ref("Outcome")}))},
    ),
    "GET /v1/live": Operation(
        "Events: health each second, and each outcome as it is committed.",
        {"200": _EVENTS, "503": _json(ref("Error"))},
        query={"after": whole(0, 10**18 - 1)},
    ),
    "GET /v1/outcomes": Operation(
        "A page of outcomes, newest first; it may be short. 429: too many searches wait.",
        {"200": _json(ref("Outcomes")), "429": _json(ref("Error")), "503": _json(ref("Error"))},
        query={**SEARCH, "limit": PAGE_LIMIT, "before": BEFORE},
    ),
    "GET /v1/outcomes/export": Operation(
        "Every outcome that is searched for.",
        {"200": {"text/csv": STRING, "application/x-ndjson": STRING}, "503": _json(ref("Error"))},
        query={**SEARCH, "format": {"type": "string", "enum": ["csv", "jsonl"]}},
    ),
    "GET /v1/outcomes/{inspection_id}": Operation(
        "One outcome with all that came after.", {"200": _json(ref("Story")), "503": _json(ref("Error"))}
    ),
    "GET /v1/outcomes/{inspection_id}/evidence/{number:int}": Operation(
        "A frame that the reader saw, checked by its hash; 410: removed, 409: it is another file.",
        {
            "200": dict.fromkeys(("image/jpeg", "image/png", "image/bmp", "image/webp", "image/*"), _FILE),
            "503": _json(ref("Error")),
        },
    ),
    "GET /v1/held": Operation(
        "Held parts without a decision, newest first.",
        {"200": _json(ref("Outcomes")), "503": _json(ref("Error"))},
        query={"limit": PAGE_LIMIT, "before": BEFORE},
    ),
    "POST /v1/outcomes/{inspection_id}/review": Operation(
        "Decide about a part: a correction to MES follows; the outcome stays.",
        {"201": _json(ref("Reviewed")), "503": _json(ref("Error"))},
        body=_json(ref("Review")),
    ),
    "DELETE /v1/outcomes/{inspection_id}/review": Operation(
        "Take a decision back before it is sent.", {"204": {}, "503": _json(ref("Error"))}
    ),
    "POST /v1/outcomes/{inspection_id}/bundle": Operation(
        "The inspection as one file for `edge replay`; 413: larger than [record] max_mb, 429: one is being made.",
        {"200": {"application/zip": _FILE}, "503": _json(ref("Error"))},
    ),
    "DELETE /v1/line_stop": Operation(
        "Let the line run again; 503: there is no store.", {"204": {}, "503": _json(ref("Error"))}
    ),
    "POST /v1/trigger": Operation(
        "A part is in place: inspect it. 200: the id was used before, and nothing new begins.",
        {"201": _json(ref("Triggered")), "200": _json(ref("Triggered")), "503": _json(ref("Error"))},
        body=_json(ref("Trigger")),
    ),
    "POST /v1/chat": Operation(
        "Ask a question about an image.",
        {"200": _json(ref("FreeAnswer")) | dict(_EVENTS), **_ANSWERED},
        body=_json(ref("Question")),
    ),
    "POST /v1/chat/completions": Operation(
        "The same in OpenAI's form.",
        {"200": _json({"type": "object"}) | dict(_EVENTS), **_ANSWERED},
        body=_json(ref("Completion")),
    ),
    "POST /v1/read": Operation(
        "Read an image as the station would.",
        {"200": _json(ref("Reading")), **_ANSWERED},
        body=_json(object_with(["image"], image=CODED, file=text(200)))
        | dict.fromkeys(("image/*", "application/octet-stream"), _FILE),
    ),
    "GET /v1/inside": Operation(
        "Whether the model can be looked into.",
        {"200": _json(object_with(["available", "why"], reader=MAYBE, why=STRING))},
    ),
    "POST /v1/inside": Operation(
        "What the model did for an answer, and what it looked at.",
        {"200": _json(ref("Inside")), **_ANSWERED},
        body=_json(ref("Look")),
    ),
    "POST /v1/setup/check": Operation("The lines of `edge check`, as they come.", {"200": _EVENTS}),
    "GET /v1/setup/gate": Operation(
        "How recent frames spread over each measure.", _GATE, query={"last": whole(1, setup.MOST_SPREAD)}
    ),
    "POST /v1/setup/look": Operation(
        "One frame of now with its measures, between parts.", {"200": _json({"type": "object"}), **_ANSWERED}
    ),
    "GET /v1/setup/product": Operation("The product file.", {"200": _PRODUCT, "503": _json(ref("Error"))}),
    "PUT /v1/setup/product": Operation(
        "Save it whole; a text with a mistake is not.",
        {"200": _PRODUCT, "503": _json(ref("Error"))},
        body=_json(
            object_with(["text", "sha256"], text=PRODUCT_TEXT, sha256=text(64, "Of the text that was changed."))
        ),
    ),
    "POST /v1/setup/product/check": Operation(
        "Every mistake in a text.",
        {"200": _json(object_with(["problems"], problems={"type": "array", "items": STRING}))},
        body=_json(object_with(["text"], text=PRODUCT_TEXT)),
    ),
    "POST /v1/setup/product/test": Operation(
        "What a text would change on kept parts, as `edge replay` tells it.",
        {"200": _EVENTS},
        body=_json(object_with(["text"], text=PRODUCT_TEXT, last=whole(1, setup.MOST_TESTED))),
    ),
    "GET /v1/profiles": Operation(
        "The question profiles that there are, for whoever chooses one.",
        {"200": _json(object_with(["profiles"], profiles={"type": "array", "items": ref("Profile")}))},
    ),
    "GET /v1/models": Operation("The reader's name for OpenAI's clients.", {"200": _json({"type": "object"})}),
}
_PARAMETERS: Mapping[str, Schema] = {
    "inspection_id": text(messages.MAX_ID_LENGTH, "The outcome's id."),
    "number": whole(0, 2**31),
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
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": _COOKIE},
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
    answers = {**operation.answers, "4XX": _json(ref("Error"))}
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
