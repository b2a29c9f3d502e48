"""What a later schema may change of a released one: it may only add.

Two readers are kept whole. A consumer written for the released schema reads what is sent by a later station; and a
consumer that checks by the later schema reads messages of the released one, which wait in outboxes and are sent by
stations that were not renewed yet. So of what the station *sends*, nothing goes, nothing becomes optional, narrower or
wider, and what is new is optional. Of what it *receives*, nothing may be asked for that was not, nor refused that was
taken. Lists of words may grow, except those marked `x-closed` (a consumer may rely on them being whole).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

#: Bounds, and whether a larger number is the narrower bound.
_BOUNDS = {
    "minimum": True,
    "minLength": True,
    "minItems": True,
    "minProperties": True,
    "maximum": False,
    "maxLength": False,
    "maxItems": False,
    "maxProperties": False,
}
#: What is compared as it stands.
_EXACT = ("const", "pattern", "format")
#: What this rule understands; a schema with anything else is refused, since it would not be compared.
_KNOWN = {"type", "properties", "required", "additionalProperties", "propertyNames", "items", "anyOf", "enum"}
_SILENT = {"$schema", "$id", "$defs", "$ref", "description", "x-closed"}


def breaks(released: Schema, current: Schema, *, sent: bool) -> list[str]:
    """Everything in which the current schema breaks the released one, each with its place; empty: it only adds."""
    return list(_breaks(_inlined(released), _inlined(current), "$", sent=sent))


def _inlined(schema: Any, definitions: Schema | None = None) -> Any:
    """The schema with each reference replaced by what it leads to; what stands beside the reference is added."""
    definitions = schema.get("$defs", {}) if definitions is None else definitions
    if isinstance(schema, list):
        return [_inlined(each, definitions) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    led = _inlined(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions) if "$ref" in schema else {}
    return led | {key: _inlined(each, definitions) for key, each in schema.items() if key not in {"$ref", "$defs"}}


def _breaks(old: Schema, new: Schema, at: str, *, sent: bool) -> Iterator[str]:
    unknown = (set(old) | set(new)) - _KNOWN - _SILENT - set(_BOUNDS) - set(_EXACT)
    if unknown:
        yield f"{at}: the rule cannot compare {', '.join(sorted(unknown))}"
    if "anyOf" in old or "anyOf" in new:
        yield from _of_alternatives(old, new, at, sent=sent)
        return
    yield from _of_types(old, new, at, sent=sent)
    yield from _of_values(old, new, at, sent=sent)
    yield from _of_properties(old, new, at, sent=sent)
    for key in ("items", "additionalProperties", "propertyNames"):
        if key in old and key in new:
            yield from _breaks(old[key], new[key], f"{at}.{key}", sent=sent)
        elif key in new:
            yield f"{at}: {key} is asked for that was not: narrowed"
        elif key in old and sent:
            yield f"{at}: {key} is not promised any more: widened"


def _of_types(old: Schema, new: Schema, at: str, *, sent: bool) -> Iterator[str]:
    before, after = _types(old), _types(new)
    if before != after:
        # A whole number is a number.
        if _covers(after, before):
            if sent:
                yield f"{at}: type widened from {sorted(before)} to {sorted(after)}"
        else:
            yield f"{at}: type narrowed from {sorted(before)} to {sorted(after)}"


def _types(schema: Schema) -> set[str]:
    kind = schema.get("type", ["array", "boolean", "null", "number", "object", "string"])
    return set(kind) if isinstance(kind, list) else {kind}


def _covers(wide: set[str], narrow: set[str]) -> bool:
    return all(kind in wide or (kind == "integer" and "number" in wide) for kind in narrow)


def _of_values(old: Schema, new: Schema, at: str, *, sent: bool) -> Iterator[str]:
    for key in _EXACT:
        if old.get(key) != new.get(key) and (key in new or sent):
            yield f"{at}: {key} changed from {old.get(key)!r} to {new.get(key)!r}"
    for key, larger_is_narrower in _BOUNDS.items():
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if after is not None and (before is None or (after > before) == larger_is_narrower):
            yield f"{at}: {key} narrowed from {before} to {after}"
        elif sent:
            yield f"{at}: {key} widened from {before} to {after}"
    if "enum" in old or "enum" in new:
        yield from _of_words(old, new, at, sent=sent)


def _of_words(old: Schema, new: Schema, at: str, *, sent: bool) -> Iterator[str]:
    if "enum" not in old or "enum" not in new:
        yield f"{at}: a list of words became free text, or the other way round"
        return
    gone = [word for word in old["enum"] if word not in new["enum"]]
    more = [word for word in new["enum"] if word not in old["enum"]]
    if gone:
        yield f"{at}: no longer one of the words: {', '.join(gone)}"
    if more and sent and old.get("x-closed"):
        yield f"{at}: the list of words is closed and gained {', '.join(more)}"
    if sent and old.get("x-closed") and not new.get("x-closed"):
        yield f"{at}: the list of words is not closed any more"


def _of_properties(old: Schema, new: Schema, at: str, *, sent: bool) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in before:
        if name not in after:
            yield f"{at}.{name}: removed"
        else:
            yield from _breaks(before[name], after[name], f"{at}.{name}", sent=sent)
    needed_before, needed = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted(needed - needed_before):
        yield f"{at}.{name}: newly required"
    if sent:
        for name in sorted(needed_before - needed):
            yield f"{at}.{name}: no longer in every message"


def _of_alternatives(old: Schema, new: Schema, at: str, *, sent: bool) -> Iterator[str]:
    """Pair the alternatives of both in their order, null and the rest apart."""
    before, after = _alternatives(old), _alternatives(new)
    for kind in ("null", "other"):
        if len(before[kind]) > len(after[kind]):
            yield f"{at}: type narrowed, {kind} is not allowed any more"
        elif len(before[kind]) < len(after[kind]) and sent:
            yield f"{at}: type widened, {kind} is new"
    for number, (one, other) in enumerate(zip(before["other"], after["other"], strict=False)):
        yield from _breaks(one, other, f"{at}|{number}" if len(before["other"]) > 1 else at, sent=sent)


def _alternatives(schema: Schema) -> dict[str, list[Schema]]:
    each = schema.get("anyOf", [schema])
    return {
        "null": [one for one in each if one.get("type") == "null"],
        "other": [one for one in each if one.get("type") != "null"],
    }
