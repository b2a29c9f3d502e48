"""Draws a folder of frames with labels: training and accuracy material, decided by its seed alone.

`labels.jsonl` has one object a frame: file, make, product, language, layout, material, light, serial, model, `fields`
(meaning -> key, text, box as four corners in frame pixels), code, pose, degradations. A plate without a serial has "".
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from simulator.fonts import Box, Typeface
from simulator.material import MATERIALS, NOMINAL, Picture, Wear, surface
from simulator.optics import Conditions, Pose, Sensor, Settings, expose, placement
from simulator.plate import CODES, Design, design, draw
from simulator.wording import LANGUAGES, MAKES

#: What may be wrong with a frame, by the name in labels and on the command line.
DEGRADATIONS = (
    "glare", "motion", "defocus", "dark", "bright", "low_contrast", "tilt", "lean", "side", "upside_down", "small",
    "cut_off", "worn", "scratched", "dirty",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Order:
    """What to draw: which makes and materials to draw from, what goes wrong and how often."""

    seed: int = 0
    sensor: Sensor = Sensor()
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
    pose = Pose(
        dice.uniform(0.66, 0.80), dice.uniform(0.47, 0.53), dice.uniform(0.46, 0.54), dice.uniform(-3, 3),
        dice.uniform(-6, 6), dice.uniform(-6, 6),
    )  # fmt: skip
    conditions = Conditions(dice.uniform(0.85, 1.05))
    settings = Settings(light=dice.choice(("normal", "normal", "off_axis", "diffuse")))
    degradation = dice.choice(list(order.degradations)) if order.degradations else ""
    wear, contrast = Wear(), 1.0
    if degradation in {"worn", "scratched", "dirty"}:
        amount = dice.uniform(0.3, 0.8)
        wear = Wear(**{{"worn": "rubbed", "scratched": "scratches", "dirty": "dirt"}[degradation]: amount})
    elif degradation == "low_contrast":
        contrast = dice.uniform(0.05, 0.25)
    elif degradation:
        pose, conditions, settings = degraded(degradation, pose, conditions, settings, dice)
    look = surface(flat.ink, material, wear, contrast=contrast, seed=name)
    frame = expose(look, pose, conditions, settings, order.sensor, seed=str(index % 5), counter=index)
    matrix = placement((look.shape[1], look.shape[0]), pose, order.sensor)
    return Drawn(frame, _label(plan, flat.boxes, matrix, material, settings, degradation, pose))


def degraded(
    name: str,
    pose: Pose,
    conditions: Conditions,
    settings: Settings,
    dice: random.Random,
) -> tuple[Pose, Conditions, Settings]:
    """Spoil a frame in the named way, by a strength from hardly to hopeless."""
    match name:
        case "glare":
            conditions = replace(
                conditions, glare=dice.uniform(1.5, 8), glare_x=dice.uniform(0.2, 0.6), glare_y=dice.uniform(0.12, 0.4),
                glare_size=dice.uniform(0.12, 0.4),
            )  # fmt: skip
            settings = replace(settings, light="normal")
        case "motion":
            angle = dice.choice((0.0, 0.0, 90.0, dice.uniform(0, 180)))
            conditions = replace(conditions, speed_px_per_ms=dice.uniform(0.8, 6), motion_degrees=angle)
        case "defocus":
            conditions = replace(conditions, defocus_px=dice.uniform(2, 12))
        case "dark":
            settings = replace(settings, exposure_us=round(5000 * dice.uniform(0.03, 0.2)))
        case "bright":
            settings = replace(settings, exposure_us=round(5000 * dice.uniform(1.5, 6)))
        case "tilt":
            pose = replace(pose, degrees=dice.choice((-1, 1)) * dice.uniform(5, 60), width=pose.width * 0.85)
        case "lean":
            pose = replace(pose, lean_x=dice.choice((-1, 1)) * dice.uniform(15, 60), lean_y=dice.uniform(-20, 20))
        case "side":
            pose = replace(pose, degrees=dice.choice((-90, 90)) + dice.uniform(-5, 5), width=pose.width * 0.75)
        case "upside_down":
            pose = replace(pose, degrees=180 + dice.uniform(-5, 5))
        case "small":
            pose = replace(pose, width=dice.uniform(0.10, 0.35))
        case "cut_off":
            pose = replace(pose, x=dice.choice((0.05, 0.95)) + dice.uniform(-0.1, 0.1))
        case _:
            raise ValueError(f"No degradation {name!r}: give one of {', '.join(DEGRADATIONS)}.")
    return pose, conditions, settings


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


def _label(
    plan: Design,
    boxes: Mapping[str, Box],
    matrix: Any,
    material: str,
    settings: Settings,
    degradation: str,
    pose: Pose,
) -> dict[str, Any]:
    """Everything known of a frame, as JSON types."""
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
        "material": material,
        "typeface": Path(plan.typeface.name).stem,
        "light": settings.light,
        "exposure_us": settings.exposure_us,
        "degradations": [degradation] if degradation else [],
        "code": {"format": plan.code, "text": plan.code_text} if plan.code else None,
        "pose": {name: round(value, 4) for name, value in asdict(pose).items()},
        "fields": fields,
    }


def _corners(box: Box, matrix: Any) -> list[list[float]]:
    """A box of the flat plate as four corners in frame pixels, from the text's top left."""
    flat = np.array(
        [[[box.left, box.top], [box.right, box.top], [box.right, box.bottom], [box.left, box.bottom]]], np.float64
    )
    return [[round(float(x), 1), round(float(y), 1)] for x, y in cv2.perspectiveTransform(flat, matrix)[0]]


def known_materials() -> tuple[str, ...]:
    """Every material, the hard ones too."""
    return tuple(MATERIALS)
