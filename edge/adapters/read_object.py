"""The JSON object of one image that was read: what `edge read --json` prints a line, and `POST /v1/read` answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.core import gate_advice
from edge.core.fields import Product
from edge.core.outcome import Defect
from edge.core.quality import Quality
from edge.core.reading import Character, Code, FieldReading, Quad, Reading, joint_hash, joint_name
from edge.vision import scores


def read_object(
    name: str, quality: Quality, reading: Reading, product: Product, ms: Mapping[str, float]
) -> dict[str, Any]:
    """The object; where two readers read the frame, `readings` says what each of them read."""
    looks = reading.looks
    readings = [
        {
            "reader": look.reader,
            "hash": look.reader_hash,
            "fields": {name: _field(one) for name, one in look.fields.items()},
        }
        for look in looks
    ]
    return {
        "file": name,
        "fields": {name: _field(field) for name, field in reading.fields.items()},
        "quality": quality_object(quality, product),
        "codes": [_code(code) for code in reading.codes],
        "lines": [{"text": line.text, "box": box_object(line.box)} for line in reading.lines],
        "reader": joint_name([look.reader for look in looks]),
        "reader_hash": joint_hash([look.reader_hash for look in looks]),
        **({"readings": readings} if len(looks) > 1 else {}),
        "product": product.name,
        "ms": rounded(ms),
    }


def quality_object(measured: Quality, product: Product) -> dict[str, Any]:
    """A frame's quality: every measure raw and 0 to 100, defects by the product's limits, and what to change."""
    told = advice(measured, product)
    return {
        "fit": not told,
        "defects": [defect.value for defect in told],
        "advice": {defect.value: text for defect, text in told.items()},
        "measures": {name: {"raw": one.raw, "score": one.score} for name, one in measured.measures.items()},
        "num_lines": measured.num_lines,
        "region": box_object(measured.region),
        "motion_degrees": measured.motion_degrees,
    }


def advice(measured: Quality, product: Product) -> dict[Defect, str]:
    """What is wrong with a frame by the product's limits, worst first, and what to change against each."""
    return gate_advice.advice(measured, product.limits, scores.raws_at(product.limits))


def box_object(box: Quad | None) -> list[list[float]] | None:
    """Corners of a box in frame pixels, to a tenth."""
    return None if box is None else [[round(float(x), 1), round(float(y), 1)] for x, y in box]


def rounded(ms: Mapping[str, float]) -> dict[str, float]:
    """Times to a hundredth of a millisecond."""
    return {stage: round(value, 2) for stage, value in ms.items()}


def _field(field: FieldReading) -> dict[str, Any]:
    return {
        "text": field.text,
        "raw": field.raw,
        "rule": field.rule,
        "confidence": round(field.confidence, 4),
        "margin": round(field.margin, 4),
        "box": box_object(field.box),
        "characters": [_character(character) for character in field.characters],
        "alternatives": [{"text": text, "rule": rule} for text, rule in field.alternatives],
        "why": field.why,
        "finish_reason": field.finish_reason,
    }


def _character(character: Character) -> dict[str, Any]:
    return {
        "text": character.text,
        "confidence": round(character.confidence, 4),
        "alternatives": [{"text": text, "confidence": round(score, 4)} for text, score in character.alternatives],
        "box": box_object(character.box),
    }


def _code(code: Code) -> dict[str, Any]:
    return {"format": code.format, "text": code.text, "box": box_object(code.box), "fields": dict(code.fields)}
