"""Lights a plate and exposes a sensor: what the camera gives for one exposure, gain and light.

The model is linear, as an industrial sensor is: grey = (what the surface reflects x the lamp + mirrored highlight) x
exposure x gain, clipped at 255. So a highlight's clipped patch shrinks with a shorter exposure or goes away with
another light, blur from a moving part shrinks with a shorter exposure, and a dark frame is cured by a longer one. Every
effect follows from the numbers of `Conditions`; noise alone also depends on the frame's counter, as in a live camera.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

import cv2
import numpy as np
import numpy.typing as npt

from simulator.material import Picture, cloud

LIGHTS = ("normal", "off_axis", "diffuse")

#: The exposure at which a white label comes out at about 220 grey levels under the normal light, brightness 1.
REFERENCE_EXPOSURE_US = 5000

#: Share of a highlight that is left under each light.
_HIGHLIGHT: Mapping[str, float] = MappingProxyType({"normal": 1.0, "off_axis": 0.02, "diffuse": 0.02})

_FRAME_WIDTH_PX = 1920


@dataclass(frozen=True, slots=True)
class Pose:
    """How the plate lies in the frame. Lengths are shares of the frame, angles degrees (positive: counter-clockwise).

    `width` is the plate's width against the frame's; `x`, `y` its centre (0.5, 0.5 is the middle); `lean_x`, `lean_y`
    turn it out of the frame's plane about the vertical and the horizontal axis.
    """

    width: float = 0.75
    x: float = 0.5
    y: float = 0.5
    degrees: float = 0.0
    lean_x: float = 0.0
    lean_y: float = 0.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """What light, lens and motion do to a frame.

    `brightness`: lamp against the usual one. `glare`: strength of a mirrored lamp, 0 none, 3 clips at the reference
    exposure, 12 still clips at a quarter of it; `glare_x`, `glare_y`, `glare_size` are its place on the plate and its
    radius, as shares of the plate's width. `fixed_glare`: the part of it that no other light takes away, 0 to 1.
    `speed_px_per_ms`: motion along `motion_degrees`, in pixels of a 1920 frame. `defocus_px`: radius at 1920.
    `haze`: veil of stray light, 0 to 1, by light; it takes contrast away.
    """

    brightness: float = 1.0
    glare: float = 0.0
    glare_x: float = 0.5
    glare_y: float = 0.5
    glare_size: float = 0.35
    fixed_glare: float = 0.0
    speed_px_per_ms: float = 0.0
    motion_degrees: float = 0.0
    defocus_px: float = 0.0
    haze: Mapping[str, float] = field(default_factory=dict)
    noise: float = 1.6


@dataclass(frozen=True, slots=True)
class Settings:
    """What the camera was asked for."""

    exposure_us: int = REFERENCE_EXPOSURE_US
    gain_db: float = 0.0
    light: str = "normal"

    @property
    def amount(self) -> float:
        """Exposure and gain together, against the reference."""
        return self.exposure_us / REFERENCE_EXPOSURE_US * 10 ** (self.gain_db / 20)


@dataclass(frozen=True, slots=True)
class Sensor:
    """The size of the frame in pixels."""

    width_px: int = 1920
    height_px: int = 1200


#: What is meant where nothing else is said.
HEAD_ON, AS_USUAL, FULL_SIZE = Pose(), Conditions(), Sensor()


def placement(plate_size: tuple[int, int], pose: Pose, sensor: Sensor) -> npt.NDArray[np.float64]:
    """The 3 x 3 matrix from plate pixels to frame pixels; `plate_size` is (width, height)."""
    plate_w, plate_h = plate_size
    scale = pose.width * sensor.width_px / plate_w
    centre = np.array([[1, 0, -plate_w / 2], [0, 1, -plate_h / 2], [0, 0, 1]], np.float64)
    turn, lean_x, lean_y = (math.radians(v) for v in (-pose.degrees, pose.lean_x, pose.lean_y))
    # A pinhole two plate widths away: turned about the axes, then projected.
    rotate = np.array([[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
    about_y = np.array([[math.cos(lean_x), 0, 0], [0, 1, 0], [math.sin(lean_x) / (2 * plate_w), 0, 1]])
    about_x = np.array([[1, 0, 0], [0, math.cos(lean_y), 0], [0, math.sin(lean_y) / (2 * plate_w), 1]])
    middle = np.array([[scale, 0, pose.x * sensor.width_px], [0, scale, pose.y * sensor.height_px], [0, 0, 1]])
    return np.asarray(middle @ about_x @ about_y @ rotate @ centre, np.float64)


def expose(
    plate: Picture | None,
    pose: Pose,
    conditions: Conditions,
    settings: Settings,
    sensor: Sensor | None = None,
    *,
    seed: str = "",
    counter: int = 0,
) -> Picture:
    """Give one frame, height x width x 3, uint8, BGR.

    Args:
        plate: the surface from `material.surface`; None for a part without a plate.
        pose: how the plate lies.
        conditions: light, lens and motion.
        settings: what the camera was asked for.
        sensor: size of the frame.
        seed: decides the machine behind the plate.
        counter: number of the frame; decides the noise.
    """
    sensor = sensor or FULL_SIZE
    frame = _machine(seed, sensor).copy()
    matrix = placement((1400, 700), pose, sensor)
    if plate is not None:
        matrix = placement((plate.shape[1], plate.shape[0]), pose, sensor)
        cv2.warpPerspective(
            plate, matrix, (sensor.width_px, sensor.height_px), dst=frame, flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_TRANSPARENT,
        )  # fmt: skip
    frame = _blurred(frame, conditions, settings, sensor)
    level = conditions.brightness * settings.amount
    lamp = _lamp(settings.light, sensor)
    frame = np.asarray(cv2.multiply(frame, lamp, scale=level / 200), np.uint8)
    haze = conditions.haze.get(settings.light, 0.0)
    if haze:
        cv2.convertScaleAbs(frame, frame, 1 - haze, haze * 150 * level)
    if conditions.glare:
        plate_width = 1400 if plate is None else plate.shape[1]
        frame = _mirrored(frame, conditions, settings, matrix, plate_width)
    return _noisy(frame, conditions.noise * (1 + 0.4 * max(0.0, settings.gain_db) / 6), counter)


def plate_share(plate_size: tuple[int, int], pose: Pose, sensor: Sensor) -> float:
    """The share of the frame's area that the plate's outline covers, clipped to the frame."""
    width, height = plate_size
    corners = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], np.float32)
    outline = cv2.perspectiveTransform(corners, placement(plate_size, pose, sensor))[0].astype(np.float32)
    frame = np.array(
        [[0, 0], [sensor.width_px, 0], [sensor.width_px, sensor.height_px], [0, sensor.height_px]], np.float32
    )
    area, _ = cv2.intersectConvexConvex(outline, frame)
    return float(area) / (sensor.width_px * sensor.height_px)


@lru_cache(maxsize=8)
def _machine(seed: str, sensor: Sensor) -> Picture:
    """The painted housing behind the plate: one colour, soft shading, two seams."""
    dice = random.Random(f"machine {seed}")
    width, height = sensor.width_px, sensor.height_px
    colour = dice.choice(((96, 88, 70), (72, 74, 76), (64, 96, 52), (120, 70, 34), (98, 100, 102)))
    shade = cv2.resize(cloud(dice.randrange(1 << 30), height // 8, width // 8, 40), (width, height)) * 14
    grain = cv2.resize(cloud(dice.randrange(1 << 30), height // 2, width // 2, 2), (width, height)) * 3
    grey = np.asarray(shade + grain, np.float32)
    frame = np.asarray(cv2.convertScaleAbs(cv2.merge([grey + level for level in colour])), np.uint8)
    rib = dice.randint(round(width * 0.02), round(width * 0.08))
    for x in (rib, width - rib):
        cv2.line(frame, (x, 0), (x, height), tuple(round(level * 0.6) for level in colour), max(2, width // 200))
    return frame


@lru_cache(maxsize=8)
def _lamp(light: str, sensor: Sensor) -> Picture:
    """How bright the lamp falls on each pixel, 200 = the reference; three channels, ready to multiply."""
    # Even for a ring light, brighter on one side for the lamp at the side, dimmer and flat for the dome.
    y, x = np.mgrid[0 : sensor.height_px : 8, 0 : sensor.width_px : 8].astype(np.float32)
    x, y = x / sensor.width_px - 0.5, y / sensor.height_px - 0.5
    if light == "off_axis":
        plane = 180 + 40 * x
    elif light == "diffuse":
        plane = np.full_like(x, 185)
    else:
        plane = 206 - 70 * (x * x + y * y)
    whole = cv2.resize(plane, (sensor.width_px, sensor.height_px), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.cvtColor(cv2.convertScaleAbs(whole), cv2.COLOR_GRAY2BGR), np.uint8)


def _blurred(frame: Picture, conditions: Conditions, settings: Settings, sensor: Sensor) -> Picture:
    """Defocus and motion; what is below half a pixel is left out."""
    scale = sensor.width_px / _FRAME_WIDTH_PX
    radius = conditions.defocus_px * scale
    if radius > 0.5:
        frame = np.asarray(cv2.GaussianBlur(frame, (0, 0), radius * 0.6), np.uint8)
    length = conditions.speed_px_per_ms * settings.exposure_us / 1000 * scale
    if length > 1:
        frame = np.asarray(cv2.filter2D(frame, -1, _smear(length, conditions.motion_degrees)), np.uint8)
    return frame


def _smear(length_px: float, degrees: float) -> npt.NDArray[np.float32]:
    """A line of the given length as a kernel that sums to one."""
    half = math.ceil(length_px / 2) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.uint8)
    dx = math.cos(math.radians(degrees)) * length_px / 2
    dy = -math.sin(math.radians(degrees)) * length_px / 2
    ends = [(round((half + sign * dx) * 16), round((half + sign * dy) * 16)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 255, 1, cv2.LINE_AA, 4)
    used = kernel[np.any(kernel, axis=1)][:, np.any(kernel, axis=0)]
    return np.asarray(used / np.float32(used.sum()), np.float32)


def _mirrored(
    frame: Picture,
    conditions: Conditions,
    settings: Settings,
    matrix: npt.NDArray[np.float64],
    plate_width_px: int,
) -> Picture:
    """Add the lamp's mirror image: a soft-edged patch, stretched along the plate."""
    left = conditions.fixed_glare + (1 - conditions.fixed_glare) * _HIGHLIGHT.get(settings.light, 1.0)
    strength = conditions.glare * conditions.brightness * settings.amount * left
    height, width = frame.shape[:2]
    places = np.array([[[conditions.glare_x * plate_width_px, conditions.glare_y * plate_width_px]]], np.float64)
    x0, y0 = cv2.perspectiveTransform(places, matrix)[0, 0]
    radius = conditions.glare_size * math.hypot(matrix[0, 0], matrix[1, 0]) * plate_width_px
    y, x = np.mgrid[0:height:8, 0:width:8].astype(np.float32)
    distance = ((x - x0) / radius) ** 2 + ((y - y0) / (radius * 0.6)) ** 2
    small = np.clip(np.exp(-distance * 2) * (255 * strength), 0, 255).astype(np.uint8)
    patch = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.add(frame, cv2.cvtColor(patch, cv2.COLOR_GRAY2BGR)), np.uint8)


#: How far a frame's piece of the noise sheet may be shifted, each way.
_SHIFTS = 64


@lru_cache(maxsize=3)
def _noise_sheets(height: int, width: int, deviation: float) -> tuple[Picture, Picture]:
    """What sensor noise adds and what it takes away, larger than a frame so that each frame cuts another piece."""
    source = np.random.Generator(np.random.PCG64(11))
    grey = source.standard_normal((height + _SHIFTS, width + _SHIFTS), dtype=np.float32) * deviation
    halves = [cv2.convertScaleAbs(np.maximum(part, 0)) for part in (grey, -grey)]
    up, down = (np.asarray(cv2.cvtColor(half, cv2.COLOR_GRAY2BGR), np.uint8) for half in halves)
    return up, down


def _noisy(frame: Picture, deviation: float, counter: int) -> Picture:
    """Add sensor noise; the frame's counter says which piece of the sheet."""
    if deviation <= 0:
        return frame
    height, width = frame.shape[:2]
    dice = random.Random(counter)
    top, left = dice.randrange(_SHIFTS), dice.randrange(_SHIFTS)
    piece = np.s_[top : top + height, left : left + width]
    up, down = (sheet[piece] for sheet in _noise_sheets(height, width, round(deviation, 1)))
    return np.asarray(cv2.subtract(cv2.add(frame, up), down), np.uint8)
