"""Checks every message of a station against `config/schemas/` with `jsonschema`, as a site's own validator would.

A key that the schemas do not name is a violation here, though a consumer is told to ignore it: what is sent is
described. No code of edge is used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

SCHEMAS = Path(__file__).parents[1] / "config" / "schemas"
MAX_SHOWN = 200
"""Characters of a validator's sentence that are kept; it may repeat a whole message."""

#: User properties of messages that have any.
Properties = Sequence[tuple[str, str]]


def violations(name: str, payload: bytes, properties: Properties | None = None) -> list[str]:
    """What is wrong with a message of this name ("outcome", "answer" …); empty: it keeps the contract."""
    try:
        message = json.loads(payload.decode("utf-8"), parse_constant=_refuse)
    except ValueError as error:
        return [f"{name} is not JSON in UTF-8: {error}"]
    found = _problem(name, message)
    if properties is not None and (SCHEMAS / f"{name}_properties.json").exists():
        found += _problem(f"{name}_properties", dict(properties))
    return found


def _problem(name: str, message: Any) -> list[str]:
    error = best_match(_validator(name).iter_errors(message))
    if error is None:
        return []
    return [f"{name} breaks its schema at {error.json_path}: {error.message[:MAX_SHOWN]}"]


@cache
def _validator(name: str) -> Any:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    return Draft202012Validator(closed(schema, schema.get("$defs", {})))


def closed(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """The schema with every key refused that it does not name, and references replaced by what they lead to.

    Without references `jsonschema` is several times faster.
    """
    if isinstance(schema, list):
        return [closed(each, definitions) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema:
        return closed(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    inner = {key: closed(each, definitions) for key, each in schema.items() if key != "$defs"}
    if schema.get("type") == "object" and "properties" in schema and "additionalProperties" not in schema:
        inner["additionalProperties"] = False
    return inner


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
