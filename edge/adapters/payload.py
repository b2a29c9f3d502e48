"""The JSON of one outcome and one retake request, as MES sees them, of the types in `messages`.

Promise: the same facts give the same bytes (keys in a fixed order); there is no NaN or infinity, and no text that is
not UTF-8. Whatever an outcome holds can be written: a strange number or character never costs an
inspection its outcome.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from edge.adapters import messages
from edge.core.actions import AnnounceRetake
from edge.core.outcome import SCHEMA, Attempt, FieldOutcome, Outcome
from edge.core.quality import Quality
from edge.core.reading import Character, Code, Quad
from edge.core.release import ReleaseName


def outcome_payload(
    outcome: Outcome, *, seq: int, station: str, at: str, config_hash: str, release: ReleaseName | None = None
) -> bytes:
    """The message of one outcome. `at` is wall time for people (RFC 3339, UTC)."""
    stated = outcome.false_accept
    message: messages.Outcome = {
        "schema": SCHEMA,
        "inspection_id": outcome.inspection_id,
        "station": station,
        "seq": seq,
        "trigger_id": outcome.trigger_id,
        "disposition": outcome.disposition,
        "reason": outcome.reason,
        "detail": outcome.detail,
        "defects": list(outcome.defects),
        "fields": {name: _field(field) for name, field in outcome.fields.items()},
        "codes": [_code(code) for code in outcome.codes],
        "attempts": [_attempt(attempt) for attempt in outcome.attempts],
        "evidence": [{"path": kept.path, "sha256": kept.sha256, "attempt": kept.attempt} for kept in outcome.evidence],
        "erp": {"source": outcome.erp_source, "age": outcome.erp_age_s},
        "false_accept_rate": None if stated is None else stated.rate,
        "false_accept_interval": None if stated is None else stated.interval,
        "false_accept_reads": None if stated is None else stated.reads,
        "reader": {"name": outcome.reader, "hash": outcome.reader_hash},
        "config": _config(config_hash, release),
        "at": at,
        "ms": outcome.ms,
    }
    return encode(message)


def retake_payload(retake: AnnounceRetake, *, station: str, at: str) -> bytes:
    """The message of one retake. `at` is wall time for people (RFC 3339, UTC)."""
    message: messages.Retake = {
        "inspection_id": retake.inspection_id,
        "station": station,
        "attempt": retake.attempt,
        "cause": list(retake.cause),
        "action": retake.action,
        "at": at,
    }
    return encode(message)


def encode(message: Mapping[str, Any]) -> bytes:
    """JSON bytes of a message; what JSON has no word for (NaN, half a surrogate pair) becomes null or "?"."""
    return json.dumps(_plain(message), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def clean(text: str) -> str:
    """The text with what UTF-8 cannot hold (half a surrogate pair) replaced."""
    return text.encode("utf-8", "replace").decode()


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int():
            return value
        case float():
            return round(value, 6) if math.isfinite(value) else None
        case str():
            return clean(value)
        case Mapping():
            return {_plain(str(key)): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            # A numpy number that slipped through has `item`; anything else is at least shown.
            return _plain(value.item() if hasattr(value, "item") else str(value))


def release_name(release: ReleaseName) -> messages.Release:
    """A release as messages name it."""
    return {"number": release.number, "sha256": release.sha256}


def _config(config_hash: str, release: ReleaseName | None) -> messages.Config:
    # Without a release it is as it was before there were any: a recorded outcome is played again byte for byte.
    return {"hash": config_hash} if release is None else {"hash": config_hash, "release": release_name(release)}


def _field(field: FieldOutcome) -> messages.Field:
    reading = field.reading
    return {
        "raw": reading.raw,
        "text": reading.text,
        "rule": reading.rule,
        "confidence": reading.confidence,
        "characters": [_character(character) for character in reading.characters],
        "box": _box(reading.box),
        "expected": field.expected,
        "verdict": field.verdict,
        "looks": field.looks,
        "why": reading.why,
        "finish_reason": reading.finish_reason,
        "alternatives": [{"text": text, "rule": rule} for text, rule in reading.alternatives],
    }


def _character(character: Character) -> messages.Character:
    return {
        "text": character.text,
        "confidence": character.confidence,
        "alternatives": [{"text": text, "confidence": score} for text, score in character.alternatives],
        "box": _box(character.box),
    }


def _code(code: Code) -> messages.Code:
    return {"format": code.format, "text": code.text, "box": _box(code.box)}


def _attempt(attempt: Attempt) -> messages.Attempt:
    return {
        "number": attempt.number,
        "action": attempt.action,
        "cause": list(attempt.cause),
        "frame_id": attempt.frame_id,
        "exposure_us": attempt.exposure_us,
        "light": attempt.light,
        "defects": list(attempt.defects),
        "quality": None if attempt.quality is None else _quality(attempt.quality),
        "texts": attempt.texts,
        "readings": [
            {
                "reader": {"name": one.reader, "hash": one.reader_hash},
                "texts": one.texts,
                "confidence": one.confidence,
            }
            for one in attempt.readings
        ],
        "failure": attempt.failure,
        "helped": attempt.helped,
        "changed": {name: {"before": before, "after": after} for name, (before, after) in attempt.changed.items()},
        "ms": attempt.ms,
    }


def _quality(quality: Quality) -> messages.Quality:
    return {
        "measures": {name: {"raw": measure.raw, "score": measure.score} for name, measure in quality.measures.items()},
        "num_lines": quality.num_lines,
        "region": _box(quality.region),
        "motion_degrees": quality.motion_degrees,
    }


def _box(box: Quad | None) -> list[list[float]] | None:
    return None if box is None else [[float(x), float(y)] for x, y in box]
