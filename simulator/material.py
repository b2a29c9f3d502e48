"""Turns ink into a plate of a material: labels, printed, engraved and embossed metal, dot-peened steel; wear and dirt.

A surface is what the plate reflects under even light; what a lamp and a camera add is `optics`. Same seed, same bytes.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import cv2
import numpy as np
import numpy.typing as npt

from simulator.fonts import Mask

Picture = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Material:
    """How a plate is made. Colours are blue, green, red.

    `grain` is the brush's depth in grey levels; `relief` how far the characters stand out (above 0: embossed or
    peened, below 0: engraved), seen as a bright and a dark flank; `shine` how much of a lamp it mirrors, 0 to 1.
    """

    ground: Colour
    ink: Colour
    grain: int = 0
    relief: float = 0.0
    shine: float = 0.3


#: By the name that scene files use.
MATERIALS: Mapping[str, Material] = MappingProxyType(
    {
        "label_white": Material((214, 216, 216), (34, 32, 32), shine=0.35),
        "label_silver": Material((188, 186, 182), (30, 28, 28), grain=2, shine=0.8),
        "label_yellow": Material((70, 196, 232), (28, 26, 26), shine=0.35),
        "label_black": Material((40, 36, 34), (222, 224, 224), shine=0.35),
        "aluminium_printed": Material((192, 190, 186), (36, 34, 32), grain=7, shine=0.8),
        "aluminium_engraved": Material((198, 196, 192), (60, 58, 56), grain=7, relief=-0.5, shine=0.8),
        "black_anodised": Material((44, 40, 38), (204, 204, 202), grain=2, relief=-0.3, shine=0.5),
        "steel_engraved": Material((172, 172, 170), (52, 52, 52), grain=9, relief=-0.7, shine=0.9),
        "brass_engraved": Material((92, 168, 196), (34, 44, 50), grain=6, relief=-0.6, shine=0.8),
        "steel_embossed": Material((158, 158, 156), (112, 112, 112), grain=6, relief=1.0, shine=0.9),
        "steel_peened": Material((168, 168, 166), (70, 70, 70), grain=8, relief=-0.6, shine=0.9),
    }
)

#: Those that a good reader has no trouble with; the others are worth their own column in a table of accuracy.
NOMINAL = tuple(name for name in MATERIALS if name not in {"steel_embossed", "steel_peened"})


@dataclass(frozen=True, slots=True)
class Wear:
    """What years on a machine did, each 0 (new) to 1 (ruined): worn print, scratches, dirt."""

    rubbed: float = 0.0
    scratches: float = 0.0
    dirt: float = 0.0


def cloud(seed: int, height: int, width: int, cell_px: int) -> npt.NDArray[np.float32]:
    """A smooth random field from -1 to 1 with blotches of about `cell_px`."""
    source = np.random.Generator(np.random.PCG64(seed))
    small = source.standard_normal((height // cell_px + 3, width // cell_px + 3), dtype=np.float32)
    field = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(field / 2, -1, 1), np.float32)


@lru_cache(maxsize=4)
def _brush(height: int, width: int, kind: int) -> npt.NDArray[np.float32]:
    """A brushed metal's lines along the width, from -1 to 1; a few kinds serve for all plates."""
    source = np.random.Generator(np.random.PCG64(kind))
    lines = source.standard_normal((height, width // 16), dtype=np.float32)
    streaks = cv2.blur(cv2.resize(lines, (width, height), interpolation=cv2.INTER_LINEAR), (61, 1))
    return np.asarray(np.clip(streaks * 1.6, -1, 1), np.float32)


def surface(ink: Mask, material: str, wear: Wear | None = None, *, contrast: float = 1.0, seed: str = "") -> Picture:
    """Give the plate's look under even light.

    Args:
        ink: what is printed, from `plate.draw`.
        material: one of `MATERIALS`.
        wear: what happened to it since.
        contrast: share of the ink's darkness that is left, 0 to 1; below 0.15 hardly anything is to be seen.
        seed: decides scratches, dirt and grain.
    """
    made = MATERIALS[material]
    wear = wear or Wear()
    dice = random.Random(f"surface {seed}")
    height, width = ink.shape
    covered = ink.astype(np.float32) * (1 / 255)
    if wear.rubbed:
        rub = cloud(dice.randrange(1 << 30), height, width, 60) + 0.5 * cloud(dice.randrange(1 << 30), height, width, 9)
        covered *= np.clip(1.6 - 2.2 * wear.rubbed - rub * 1.6 * wear.rubbed, 0.0, 1.0)
    grey = np.zeros((height, width), np.float32)
    if made.grain:
        grey += _brush(height, width, dice.randrange(4))[:height] * made.grain
    if made.relief:
        grey += _flanks(covered, made.relief) * contrast
    ground = np.array(made.ground, np.float32)
    step = (np.array(made.ink, np.float32) - ground) * contrast
    planes = [covered * step[channel] + (grey + ground[channel]) for channel in range(3)]
    look = np.asarray(cv2.convertScaleAbs(cv2.merge([np.maximum(plane, 0) for plane in planes])), np.uint8)
    if wear.scratches:
        _scratch(look, wear.scratches, dice)
    if wear.dirt:
        _soil(look, wear.dirt, dice)
    return look


def _flanks(covered: npt.NDArray[np.float32], relief: float) -> npt.NDArray[np.float32]:
    """Bright flank towards the lamp (upper left), dark one away from it."""
    soft = cv2.GaussianBlur(covered, (0, 0), 1.6)
    towards = cv2.warpAffine(soft, np.array([[1, 0, -2], [0, 1, -2]], np.float32), (soft.shape[1], soft.shape[0]))
    return np.asarray((soft - towards) * (relief * 110), np.float32)


def _scratch(look: Picture, amount: float, dice: random.Random) -> None:
    """Bright hairlines and a few deep ones across the plate."""
    height, width = look.shape[:2]
    for _ in range(round(60 * amount)):
        x, y = dice.randrange(width), dice.randrange(height)
        reach, rise = dice.randint(60, 500), dice.uniform(-0.6, 0.6)
        level = dice.choice((70, 215, 240))
        end = (x + reach, round(y + reach * rise))
        cv2.line(look, (x, y), end, (level, level, level), dice.choice((1, 1, 2)), cv2.LINE_AA)


def _soil(look: Picture, amount: float, dice: random.Random) -> None:
    """Oil and dust: brown blotches that darken, thick ones that hide."""
    height, width = look.shape[:2]
    blotches = cloud(dice.randrange(1 << 30), height, width, 90) + 0.4 * cloud(
        dice.randrange(1 << 30), height, width, 14
    )
    veil = np.clip((blotches - 0.9 + amount * 1.1) * 1.4, 0.0, 0.92 * min(1.0, 0.4 + amount))
    for channel, level in enumerate((38, 52, 60)):
        plane = look[:, :, channel]
        look[:, :, channel] = cv2.convertScaleAbs(plane + veil * (level - plane.astype(np.float32)))
