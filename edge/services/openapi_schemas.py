"""What goes in and out of the HTTP API, as JSON Schemas made from the panel's own limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.adapters import messages
from edge.adapters.command_messages import MAX_FIELDS, MAX_TEXT_LENGTH
from edge.adapters.users import MOST_PASSWORD, Role
from edge.core.outcome import Disposition, Reason
from edge.services.asyncapi import Schema
from edge.web import chat, guests, history, inside, product_desk, reviews
from edge.web.guests import MAX_IMAGE_BYTES
from edge.web.session import CSRF_HEADER, MAX_NAME

_IMAGE = "An image file (JPEG, PNG, WebP, …) in base64, with or without the head of a data URL."


def text(longest: int, about: str = "", least: int = 0) -> Schema:
    """A text of so many characters at most."""
    return {"type": "string", "maxLength": longest} | ({"minLength": least} if least else {}) | _about(about)


def _about(about: str) -> Schema:
    return {"description": about} if about else {}


def object_with(required: Sequence[str] = (), **properties: Schema) -> Schema:
    """An object with these members."""
    made: Schema = {"type": "object", "properties": properties}
    return made | ({"required": list(required)} if required else {})


def whole(least: int, most: int) -> Schema:
    """A whole number between two bounds, both of them in it."""
    return {"type": "integer", "minimum": least, "maximum": most}


def ref(name: str) -> Schema:
    """One of `SCHEMAS`, or of the types of the messages, by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


INTEGER: Schema = {"type": "integer"}
STRING: Schema = {"type": "string"}
#: A text, or null.
MAYBE: Schema = {"type": ["string", "null"]}
_CAP: Schema = {"type": ["integer", "null"], "minimum": 1, "maximum": chat.MOST_CAP}
_FLAG: Schema = {"type": ["boolean", "null"]}
#: The image that comes with a question.
CODED: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_IMAGE_BYTES * 4 // 3 + 100,
    "contentEncoding": "base64",
} | _about(_IMAGE)
_QUESTION = text(guests.MOST_QUESTION_CHARACTERS, least=1)
PAGE_LIMIT = whole(1, history.MAX_PAGE)
BEFORE = whole(1, 2**62)
PRODUCT_TEXT = text(product_desk.MAX_BYTES, "TOML, as in the manual.")
_TIME: Schema = {"type": "string", "format": "date-time"}


def _or_empty(schema: Schema) -> Schema:
    """A value of a query string; an empty one is like none, since forms send every field."""
    return {"anyOf": [schema, {"type": "string", "const": ""}]}


#: What a search of outcomes may name.
SEARCH: Mapping[str, Schema] = {
    **{name: text(history.MAX_TEXT, "The beginning of a text.") for name in ("serial", "model", "text")},
    "disposition": _or_empty({"type": "string", "enum": list(Disposition)}),
    "reason": _or_empty({"type": "string", "enum": list(Reason)}),
    "since": _or_empty(_TIME),
    "until": _or_empty(_TIME),
}
_OPENAI_MESSAGE = object_with(
    ["role", "content"], role=STRING, content={"description": "A text, or parts of type text and image_url."}
)

#: What stands in the document under a name.
SCHEMAS: Mapping[str, Schema] = {
    "Error": object_with(
        ["error"],
        error=object_with(
            ["message", "type"], message=text(5000, "One sentence: what, which, what to do."), type=STRING
        ),
    ),
    "Session": object_with(
        ["state", "name", "csrf", "role", "ways", "may"],
        state={"type": "string", "enum": ["off", "signed_out", "signed_in"]},
        name=MAYBE,
        csrf=MAYBE | _about(f"The word that each change by this session carries in the header {CSRF_HEADER}."),
        role={"type": "string", "enum": [role.word for role in Role]},
        ways={"type": "array", "items": {"type": "string", "enum": ["password", "token"]}},
        may={"type": "array", "items": STRING},
    ),
    "SignIn": object_with(
        ["name"], name=text(MAX_NAME, least=1), token=text(MOST_PASSWORD), password=text(MOST_PASSWORD)
    )
    | {"oneOf": [{"required": ["token"]}, {"required": ["password"]}]},
    "Kept": object_with(
        ["seq", "inspection_id", "closed_as", "confirmed_at", "outcome"],
        seq=INTEGER,
        inspection_id=STRING,
        closed_as=MAYBE | _about("How the broker took it; null: it waits."),
        confirmed_at=MAYBE | _about("When MES said that it has stored it."),
        outcome=ref("Outcome"),
    ),
    "Outcomes": object_with(
        ["outcomes", "next_before"],
        outcomes={"type": "array", "items": ref("Kept")},
        next_before={"type": ["integer", "null"], "description": "Go on with it as `before`; null: there is no more."},
    ),
    "Story": {
        "allOf": [
            ref("Kept"),
            object_with(
                ["evidence", "reviews"],
                evidence={
                    "type": "array",
                    "items": object_with(
                        ["url", "attempt", "sha256", "removed_at"],
                        url=STRING,
                        attempt=INTEGER,
                        sha256=STRING,
                        removed_at=MAYBE,
                    ),
                },
                reviews={"type": "array", "items": ref("Correction")},
            ),
        ]
    },
    "Review": object_with(
        ["action"],
        action={"type": "string", "enum": list(reviews.ACTIONS)},
        by=text(MAX_NAME, "Who says so, where a program shows the token; of a session it is its person."),
        fields={
            "type": "object",
            "maxProperties": reviews.MAX_FIELDS,
            "propertyNames": {"maxLength": reviews.MAX_FIELD_TEXT},
            "additionalProperties": text(reviews.MAX_FIELD_TEXT),
            "description": "What the fields are in truth: with the action correct, and with no other.",
        },
        note=text(reviews.MAX_NOTE),
    ),
    "Reviewed": object_with(
        ["correction_id", "at", "by", "undo_s"],
        correction_id=STRING,
        at=_TIME,
        by=STRING,
        undo_s={"type": ["number", "null"]},
    ),
    "Trigger": object_with(
        trigger_id=text(messages.MAX_ID_LENGTH, "Never used twice at this station; without it one is made."),
        expected={
            "type": ["object", "null"],
            "minProperties": 1,
            "maxProperties": MAX_FIELDS,
            "propertyNames": {"minLength": 1, "maxLength": messages.MAX_ID_LENGTH},
            "additionalProperties": text(MAX_TEXT_LENGTH, least=1),
            "description": "Field name to the text that the part should bear.",
        },
    )
    | {"additionalProperties": False},
    "Triggered": object_with(
        ["trigger_id", "inspection_id", "repeat"],
        trigger_id=STRING,
        inspection_id=STRING,
        repeat={"type": "boolean"},
    ),
    "Question": {
        "anyOf": [
            object_with(["image", "question"], image=CODED, question=_QUESTION, max_tokens=_CAP, stream=_FLAG),
            object_with(
                ["profile"],
                profile=text(chat.MOST_PROFILE, "A question profile's name.", 1),
                image=CODED,
                question=_QUESTION,
                max_tokens=_CAP,
                stream=_FLAG,
            ),
        ]
    },
    "FreeAnswer": object_with(
        ["answer", "finish", "tokens", "reader", "ms"],
        answer=STRING,
        profile=STRING,
        object={"type": ["object", "null"]},
        finish={"type": "string"},
        tokens=INTEGER,
        reader=object_with(["name", "hash"], name=STRING, hash=STRING),
        ms=object_with(["first_token", "total"], first_token={"type": ["number", "null"]}, total={"type": "number"}),
    ),
    "Profile": object_with(
        ["name", "about", "example", "answer", "asks", "sees", "needs_large_model"],
        name=STRING,
        about=STRING,
        example=STRING,
        answer={"type": "string", "enum": ["text", "choices", "fields", "query"]},
        asks={"type": "boolean"},
        sees={"type": "boolean"},
        needs_large_model={"type": "boolean"},
    ),
    "Completion": object_with(
        ["messages"],
        messages={"type": "array", "items": _OPENAI_MESSAGE, "minItems": 1},
        model={"type": ["string", "null"], "pattern": f"^{chat.MODEL}(/[a-z0-9][a-z0-9_-]*)?$"},
        metadata={"type": ["object", "null"], "properties": {"profile": STRING}},
        n={"type": ["integer", "null"], "enum": [1, None]},
        max_tokens=_CAP,
        max_completion_tokens=_CAP,
        stream=_FLAG,
    ),
    "Reading": object_with(
        ["file", "fields", "quality", "codes", "lines", "reader", "reader_hash", "product", "ms"],
        file=STRING,
        fields={"type": "object"},
        quality={"type": "object"},
        codes={"type": "array"},
        lines={"type": "array"},
        reader=STRING,
        reader_hash=STRING,
        product=STRING,
        ms={"type": "object"},
    ),
    "Look": object_with(
        image=CODED,
        inspection_id=text(100, "A kept frame is looked into: its outcome, and `frame`, from 0 on."),
        frame=whole(0, 999),
        question=_QUESTION,
        field=text(100, "A field of the product is read, in the place of a question."),
        max_tokens=whole(1, inside.MOST_CAP),
        layer=whole(0, 999),
    ),
    "ProductText": object_with(
        ["name", "path", "text", "sha256", "is_there", "taken_up"],
        name=STRING,
        path=MAYBE,
        text=STRING,
        sha256=STRING,
        is_there={"type": "boolean"},
        taken_up={"type": "boolean", "description": "Whether the station works by it: it is read at the start."},
    ),
    "Health": object_with(
        ["state", "problems", "processes"],
        state={"type": "string", "enum": ["ok", "degraded", "down"]},
        problems={"type": "array", "items": STRING},
        processes={"type": "object"},
    ),
}
