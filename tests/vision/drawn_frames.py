"""Frames for the quality tests: one plate with six lines and their boxes, and one way to spoil it for each measure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from edge.core.quality import MeasureName
from edge.core.reading import Quad

Image = npt.NDArray[np.uint8]

TEXTS = ("HYDRAX PUMPS", "MODEL  HX-4711/B", "S/N  20418873KF", "400 V  50 Hz", "2.20 kW  1450 rpm", "MADE IN EUROPE")
PLATE = (slice(181, 1020), slice(261, 1660))
INK, GROUND, MACHINE = (40, 40, 40), (200, 200, 200), (90, 70, 60)


@dataclass(frozen=True, slots=True)
class Scene:
    """A frame and the boxes of its lines."""

    frame: Image
    boxes: tuple[Quad, ...]


def scene(
    *,
    ink: tuple[int, int, int] = INK,
    ground: tuple[int, int, int] = GROUND,
    scale: float = 1.0,
    noise: float = 2.0,
    seed: int = 0,
) -> Scene:
    """The plate as it should be, 1920 x 1200 px at scale 1, with a sensor's noise."""
    sheet = Pillow.new("RGB", (1920, 1200), MACHINE)
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((260, 180, 1660, 1020), fill=ground)
    draw.rectangle((280, 200, 1640, 1000), outline=ink, width=3)
    font = ImageFont.load_default(size=72)
    boxes: list[Quad] = []
    for row, text in enumerate(TEXTS):
        place = (340.0, 225.0 + 128 * row)
        draw.text(place, text, fill=ink, font=font)
        left, top, right, bottom = draw.textbbox(place, text, font=font)
        left, top, right, bottom = (left - 6) * scale, (top - 8) * scale, (right + 6) * scale, (bottom + 8) * scale
        boxes.append(((left, top), (right, top), (right, bottom), (left, bottom)))
    pixels = np.asarray(sheet)[:, :, ::-1]
    size = (round(1920 * scale), round(1200 * scale))
    pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    grain = np.random.default_rng(seed).normal(0, noise, pixels.shape)
    return Scene(np.clip(pixels + grain, 0, 255).astype(np.uint8), tuple(boxes))


def defocused(whole: Scene, strength: float) -> Scene:
    """Out of focus: the plate blurred alike in every direction."""
    return Scene(cv2.GaussianBlur(whole.frame, (0, 0), 0.1 + strength * 9).astype(np.uint8), whole.boxes)


def smeared(whole: Scene, strength: float, degrees: float = 0.0) -> Scene:
    """Moved while the shutter was open."""
    length = 1 + strength * 38
    size = 2 * math.ceil(length / 2) + 1
    kernel = np.zeros((size, size), np.float32)
    reach = np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]) * length / 2
    for at in np.linspace(-1, 1, 20 * size):
        x, y = np.round(size // 2 + at * reach).astype(int)
        kernel[y, x] += 1
    return Scene(cv2.filter2D(whole.frame, -1, kernel / kernel.sum()).astype(np.uint8), whole.boxes)


def glaring(whole: Scene, strength: float) -> Scene:
    """A highlight grows over the serial number from its right end."""
    (_, upper), _, (right, lower), _ = whole.boxes[2]
    height = lower - upper
    blank = np.zeros(whole.frame.shape[:2], np.float32)
    middle = (round(right - strength * 1.2 * height), round((upper + lower) / 2))
    spot = cv2.ellipse(blank, middle, (max(1, round(strength * 1.2 * height)), round(0.8 * height)), 0, 0, 360, 1.0, -1)
    veil = cv2.GaussianBlur(spot, (0, 0), 4)[:, :, None] * (strength > 0)
    return Scene((whole.frame * (1 - veil) + 255 * veil).astype(np.uint8), whole.boxes)


def exposed_longer(whole: Scene, strength: float) -> Scene:
    """Too much light."""
    return Scene(np.clip(whole.frame * (1 + 0.7 * strength), 0, 255).astype(np.uint8), whole.boxes)


def exposed_shorter(whole: Scene, strength: float) -> Scene:
    """Too little light."""
    return Scene((whole.frame * (1 - 0.94 * strength)).astype(np.uint8), whole.boxes)


def faded(whole: Scene, strength: float) -> Scene:
    """Ink that comes ever nearer to its ground."""
    frame, share = whole.frame.copy(), 0.96 * strength
    frame[PLATE] = frame[PLATE] * (1 - share) + share * 200.0
    return Scene(frame, whole.boxes)


def further_away(whole: Scene, strength: float) -> Scene:
    """A plate that is small in the frame: less area and lower text."""
    height, width = whole.frame.shape[:2]
    scale = 1 - 0.87 * strength
    size = (round(width * scale), round(height * scale))
    frame = np.full_like(whole.frame, MACHINE[::-1])
    small = cv2.resize(whole.frame, size, interpolation=cv2.INTER_AREA)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    frame[top : top + size[1], left : left + size[0]] = small
    return Scene(frame, tuple(_mapped(box, lambda x, y: (left + x * scale, top + y * scale)) for box in whole.boxes))


def shifted(whole: Scene, strength: float) -> Scene:
    """A part that stands too far left: lines end at the frame's edge."""
    shift = round(strength * 720)
    width = whole.frame.shape[1]
    frame = np.full_like(whole.frame, MACHINE[::-1])
    frame[:, : width - shift] = whole.frame[:, shift:]
    return Scene(frame, tuple(_mapped(box, lambda x, y: (max(0.0, x - shift), y)) for box in whole.boxes))


def turned(whole: Scene, strength: float) -> Scene:
    """A part that lies aslant, by up to 90 degrees."""
    height, width = whole.frame.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -90 * strength, 0.6)
    colour = tuple(float(level) for level in MACHINE[::-1])
    frame = cv2.warpAffine(whole.frame, turn, (width, height), borderMode=cv2.BORDER_CONSTANT, borderValue=colour)

    def moved(x: float, y: float) -> tuple[float, float]:
        a, b = turn @ np.array([x, y, 1.0])
        return float(a), float(b)

    return Scene(frame.astype(np.uint8), tuple(_mapped(box, moved) for box in whole.boxes))


def _mapped(box: Quad, move: Callable[[float, float], tuple[float, float]]) -> Quad:
    a, b, c, d = (move(x, y) for x, y in box)
    return (a, b, c, d)


#: How to spoil each measure, from strength 0 (not at all) to 1.
SPOIL: Mapping[MeasureName, Callable[[Scene, float], Scene]] = {
    "sharpness": defocused,
    "motion": smeared,
    "glare": glaring,
    "overexposure": exposed_longer,
    "underexposure": exposed_shorter,
    "contrast": faded,
    "text_height": further_away,
    "subject_area": further_away,
    "cut_off": shifted,
    "tilt": turned,
}
