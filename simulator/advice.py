"""What a camera should show, and what it should not: one plate, right and spoilt in one way each, and a sheet of all.

`python -m simulator advice FOLDER` writes `NAME.jpg` for each frame, and `camera-and-light.jpg`, the manual's sheet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from simulator.material import Picture, surface
from simulator.optics import Conditions, Pose, Settings, expose
from simulator.plate import design, draw
from simulator.spoiling import Shot

SHEET = "camera-and-light.jpg"
#: The sheet's pictures, px, and so many beside each other.
THUMB, BESIDE = (480, 300), 3
_CAPTION_PX = 34
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 85]
_SEED = "advice"


@dataclass(frozen=True, slots=True)
class Example:
    """One frame: how it was taken, what a person reads below it, and the defect that it shows; none: it is right."""

    shot: Shot
    caption: str
    defect: str | None = None


_GOOD = Pose(width=0.78)
EXAMPLES: Mapping[str, Example] = {
    "good": Example(Shot(_GOOD), "right: fills the frame, even light"),
    "too_small": Example(Shot(Pose(width=0.24)), "too small: come nearer, longer lens", "too_small"),
    "cut_off": Example(Shot(Pose(width=0.78, x=0.12)), "cut off: the whole plate in the frame", "cut_off"),
    "glare": Example(
        Shot(_GOOD, Conditions(glare=8.0, glare_x=0.4, glare_y=0.3, glare_size=0.3)),
        "glare: light from the side, diffuser",
        "glare",
    ),
    "motion": Example(Shot(_GOOD, Conditions(speed_px_per_ms=4.0)), "moved: shorter exposure, more light", "blur"),
    "defocus": Example(Shot(_GOOD, Conditions(defocus_px=9.0)), "out of focus: focus on the plate", "blur"),
    "dark": Example(Shot(_GOOD, settings=Settings(exposure_us=400)), "dark: longer exposure, more light", "dark"),
    "bright": Example(Shot(_GOOD, settings=Settings(exposure_us=30_000)), "bright: shorter exposure", "bright"),
    "low_contrast": Example(Shot(_GOOD, contrast=0.065), "faint: diffuse light, clean the plate", "low_contrast"),
}


def frame_of(name: str) -> Picture:
    """The frame of this example, always the same."""
    shot = EXAMPLES[name].shot
    plan = design(_SEED, make="gearmotor", language="en", serial="20418873KF")
    look = surface(draw(plan).ink, "label_silver", shot.wear, contrast=shot.contrast, seed=_SEED)
    return expose(look, shot.pose, shot.conditions, shot.settings, seed=_SEED)


def write(folder: Path) -> Path:
    """Write every frame and the sheet into a folder; gives the sheet's path."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = {name: frame_of(name) for name in EXAMPLES}
    for name, frame in frames.items():
        (folder / f"{name}.jpg").write_bytes(cv2.imencode(".jpg", frame, _JPEG)[1].tobytes())
    sheet = folder / SHEET
    sheet.write_bytes(cv2.imencode(".jpg", sheet_of(frames), _JPEG)[1].tobytes())
    return sheet


def sheet_of(frames: Mapping[str, Picture]) -> Picture:
    """All frames small, each above its caption."""
    tiles = [_tile(frame, EXAMPLES[name]) for name, frame in frames.items()]
    rows = [np.hstack(tiles[start : start + BESIDE]) for start in range(0, len(tiles), BESIDE)]
    return np.vstack(rows)


def _tile(frame: Picture, example: Example) -> Picture:
    small = cv2.resize(frame, THUMB, interpolation=cv2.INTER_AREA)
    colour = (60, 120, 30) if example.defect is None else (40, 40, 160)
    band = np.full((_CAPTION_PX, THUMB[0], 3), 255, np.uint8)
    cv2.putText(band, example.caption, (8, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, 1, cv2.LINE_AA)
    return np.vstack([small, band])
