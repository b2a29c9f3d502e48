"""Spoils a drawn frame in a named way, from hardly to hopeless, so that accuracy can be cut by condition."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from simulator.material import Wear
from simulator.optics import AS_USUAL, HEAD_ON, Conditions, Pose, Settings


@dataclass(frozen=True, slots=True)
class Shot:
    """All that decides how a plate looks on its frame."""

    pose: Pose = HEAD_ON
    conditions: Conditions = AS_USUAL
    settings: Settings = Settings()  # noqa: RUF009 - frozen, and shared on purpose
    wear: Wear = Wear()  # noqa: RUF009 - frozen, and shared on purpose
    contrast: float = 1.0


def _either(dice: random.Random) -> int:
    return dice.choice((-1, 1))


def _pose(shot: Shot, **changes: Any) -> Shot:
    return replace(shot, pose=replace(shot.pose, **changes))


def _conditions(shot: Shot, **changes: Any) -> Shot:
    return replace(shot, conditions=replace(shot.conditions, **changes))


def _glare(shot: Shot, dice: random.Random) -> Shot:
    place = {
        "glare_x": dice.uniform(0.2, 0.6),
        "glare_y": dice.uniform(0.12, 0.4),
        "glare_size": dice.uniform(0.1, 0.4),
    }
    return _conditions(replace(shot, settings=Settings()), glare=dice.uniform(1.5, 8), **place)


def _motion(shot: Shot, dice: random.Random) -> Shot:
    angle = dice.choice((0.0, 0.0, 90.0, dice.uniform(0, 180)))
    return _conditions(shot, speed_px_per_ms=dice.uniform(0.8, 6), motion_degrees=angle)


def _exposed(shot: Shot, share: float) -> Shot:
    return replace(shot, settings=replace(shot.settings, exposure_us=round(shot.settings.exposure_us * share)))


#: What may be wrong with a frame, by the name in labels and on the command line.
DEGRADATIONS: Mapping[str, Callable[[Shot, random.Random], Shot]] = MappingProxyType(
    {
        "glare": _glare,
        "motion": _motion,
        "defocus": lambda shot, dice: _conditions(shot, defocus_px=dice.uniform(2, 12)),
        "dark": lambda shot, dice: _exposed(shot, dice.uniform(0.03, 0.2)),
        "bright": lambda shot, dice: _exposed(shot, dice.uniform(1.5, 6)),
        "low_contrast": lambda shot, dice: replace(shot, contrast=dice.uniform(0.05, 0.25)),
        "tilt": lambda shot, dice: _pose(shot, degrees=_either(dice) * dice.uniform(5, 60), width=0.68),
        "lean": lambda shot, dice: _pose(
            shot, lean_x=_either(dice) * dice.uniform(15, 60), lean_y=dice.uniform(-20, 20)
        ),
        "side": lambda shot, dice: _pose(shot, degrees=_either(dice) * 90 + dice.uniform(-5, 5), width=0.58),
        "upside_down": lambda shot, dice: _pose(shot, degrees=180 + dice.uniform(-5, 5)),
        "small": lambda shot, dice: _pose(shot, width=dice.uniform(0.10, 0.35)),
        "cut_off": lambda shot, dice: _pose(shot, x=dice.choice((0.05, 0.95)) + dice.uniform(-0.1, 0.1)),
        "worn": lambda shot, dice: replace(shot, wear=Wear(rubbed=dice.uniform(0.3, 0.8))),
        "scratched": lambda shot, dice: replace(shot, wear=Wear(scratches=dice.uniform(0.2, 1.0))),
        "dirty": lambda shot, dice: replace(shot, wear=Wear(dirt=dice.uniform(0.2, 0.8))),
    }
)


def nominal(dice: random.Random) -> Shot:
    """A frame that nothing is wrong with: near the middle, nearly level, any light."""
    pose = Pose(
        width=dice.uniform(0.76, 0.86),
        x=dice.uniform(0.48, 0.52),
        y=dice.uniform(0.47, 0.53),
        degrees=dice.uniform(-3, 3),
        lean_x=dice.uniform(-6, 6),
        lean_y=dice.uniform(-6, 6),
    )
    light = dice.choice(("normal", "normal", "off_axis", "diffuse"))
    return Shot(pose, Conditions(dice.uniform(0.85, 1.05)), Settings(light=light))
