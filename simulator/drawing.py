"""Draws a folder of frames with labels: training and accuracy material, decided by its seed alone.

`labels.jsonl` has one object a frame: file, make, product, language, layout, material, light, serial, model, `fields`
(meaning -> key, text, box as four corners in frame pixels), code, pose, degradations. A plate without a serial has "".
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from simulator import spoiling
from simulator.fonts import Box, Typeface
from simulator.material import NOMINAL, Picture, surface
from simulator.optics import FULL_SIZE, Sensor, expose, placement
from simulator.plate import CODES, Design, design, draw
from simulator.wording import LANGUAGES, MAKES


@dataclass(frozen=True, slots=True)
class Order:
    """What to draw: which makes and materials to draw from, what goes wrong and how often."""

    seed: int = 0
    sensor: Sensor = FULL_SIZE
    makes: Sequence[str] = tuple(MAKES)
    materials: Sequence[str] = NOMINAL
    languages: Sequence[str] = LANGUAGES
    fonts: Sequence[str] = ()
    degradations: Sequence[str] = ()
    without_serial: float = 0.0
    with_code: float = 0.3


@dataclass(frozen=True, slots=True)
class Drawn:
    """One frame and everything that is known about it."""

    frame: Picture
    label: Mapping[str, Any]


def frames(order: Order, count: int) -> Iterator[Drawn]:
    """Give `count` frames; the n-th depends on the seed and n only, so a longer run begins with a shorter one."""
    for index in range(count):
        yield one(order, index)


def one(order: Order, index: int) -> Drawn:
    """Draw the frame with this number."""
    name = f"{order.seed}-{index}"
    dice = random.Random(f"drawing {name}")
    typeface = Typeface(dice.choice(order.fonts), 500) if order.fonts and dice.random() < 0.5 else None
    material = dice.choice(list(order.materials))
    language = dice.choice(list(order.languages))
    if material == "steel_peened":
        typeface, language = Typeface("dots"), "en"
    elif typeface and language == "zh":
        typeface = None
    code = dice.choice(CODES) if dice.random() < order.with_code else None
    serial = "" if dice.random() < order.without_serial else None
    plan = design(
        name, make=dice.choice(list(order.makes)), language=language, typeface=typeface, serial=serial, code=code,
        code_text="NOTHING" if serial == "" else None,
    )  # fmt: skip
    flat = draw(plan)
    shot = spoiling.nominal(dice)
    degradation = dice.choice(list(order.degradations)) if order.degradations else ""
    if degradation:
        shot = spoiling.DEGRADATIONS[degradation](shot, dice)
    look = surface(flat.ink, material, shot.wear, contrast=shot.contrast, seed=name)
    frame = expose(look, shot.pose, shot.conditions, shot.settings, order.sensor, seed=str(index % 5), counter=index)
    matrix = placement((look.shape[1], look.shape[0]), shot.pose, order.sensor)
    label = {
        **printed(plan, flat.boxes, matrix),
        "material": material,
        "light": shot.settings.light,
        "exposure_us": shot.settings.exposure_us,
        "degradations": [degradation] if degradation else [],
        "pose": {one: round(value, 4) for one, value in asdict(shot.pose).items()},
    }
    return Drawn(frame, label)


def write(order: Order, count: int, folder: Path, form: str = "jpg") -> Path:
    """Write the frames and their labels into a folder; gives the path of labels.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = folder / "labels.jsonl"
    parameters = [cv2.IMWRITE_JPEG_QUALITY, 95] if form == "jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 1]
    with labels.open("w", encoding="utf-8") as lines:
        for index, drawn in enumerate(frames(order, count)):
            name = f"plate-{index:05d}.{form}"
            _, encoded = cv2.imencode(f".{form}", drawn.frame, parameters)
            (folder / name).write_bytes(encoded.tobytes())
            lines.write(json.dumps({"file": name, **drawn.label}, ensure_ascii=False) + "\n")
    return labels


def printed(plan: Design, boxes: Mapping[str, Box], matrix: Any) -> dict[str, Any]:
    """What stands on a plate and where on its frame, as JSON types."""
    fields = {
        meaning: {"key": key, "text": value, "box": _corners(boxes[meaning], matrix)}
        for meaning, key, value in plan.rows
    }
    if plan.model and "model" not in fields:
        fields["model"] = {"key": "", "text": plan.model, "box": _corners(boxes["model"], matrix)}
    return {
        "serial": plan.serial,
        "model": plan.model,
        "make": plan.make,
        "language": plan.language,
        "layout": plan.layout,
        "typeface": Path(plan.typeface.name).stem,
        "code": {"format": plan.code, "text": plan.code_text} if plan.code else None,
        "fields": fields,
    }


def _corners(box: Box, matrix: Any) -> list[list[float]]:
    """A box of the flat plate as four corners in frame pixels, from the text's top left."""
    flat = np.array(
        [[[box.left, box.top], [box.right, box.top], [box.right, box.bottom], [box.left, box.bottom]]], np.float64
    )
    return [[round(float(x), 1), round(float(y), 1)] for x, y in cv2.perspectiveTransform(flat, matrix)[0]]
