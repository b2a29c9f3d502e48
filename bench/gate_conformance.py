"""Whether the gate's scores go the right way: the more a frame is spoilt, the lower, within a stated tolerance.

Each plate is spoilt in one way, step by step. Two scores are watched: the one of the measures that are meant for it,
and the least score of all judged measures, which decides. A score may not rise above the lowest that it has had by more
than the tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edge.core.gate import DEFAULT_LIMITS
from edge.core.quality import MeasureName, Quality
from edge.core.reading import Quad
from edge.vision import quality
from simulator import drawing
from simulator.material import MATERIALS
from simulator.optics import Sensor
from training.gate.spoil import SPOILS, Image, Text
from training.labels import quad

STRENGTHS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0)
SENSOR = Sensor(1280, 800)
Locate = Callable[[Image], Sequence[Quad]]


@dataclass(frozen=True, slots=True)
class Direction:
    """A way to spoil frames, the measures whose worst must fall (none: all judged ones), and how far it may rise."""

    way: str
    measures: tuple[MeasureName, ...]
    tolerance: int


#: Points of 100. The noise between two frames of one scene is up to 3 (`edge.core.retake.LEAST_GAIN`). Motion shows in
#: both measures of blur; a smear as long as a letter is wide makes edges of its own. JPEG's blocks are edges as well,
#: and a frame with fewer pixels is as sharp as its text is, at the text's own scale: there the score may waver.
DIRECTIONS = (
    Direction("blur", ("sharpness",), 3),
    Direction("blur", (), 3),
    Direction("motion", ("sharpness", "motion"), 20),
    Direction("motion", (), 20),
    Direction("glare_on", ("glare",), 3),
    Direction("glare_on", (), 3),
    Direction("dark", ("underexposure",), 3),
    Direction("dark", (), 5),
    Direction("jpeg", ("sharpness",), 10),
    Direction("jpeg", (), 12),
    Direction("shrink", ("text_height",), 3),
    Direction("shrink", (), 12),
)


@dataclass(frozen=True, slots=True)
class Conformance:
    """The worst rise of a score over all plates, on which material, and the scores there."""

    direction: Direction
    rise: int
    material: str
    scores: tuple[int, ...]

    @property
    def holds(self) -> bool:
        """Whether the tolerance is kept."""
        return self.rise <= self.direction.tolerance


@dataclass(frozen=True, slots=True)
class Plate:
    """A drawn frame, the material of its plate, and the boxes of its texts."""

    material: str
    frame: Image
    boxes: Sequence[Quad]


def plates(materials: Sequence[str] = tuple(MATERIALS), seed: int = 700) -> Iterator[Plate]:
    """A frame with nothing wrong, of each material."""
    for number, material in enumerate(materials):
        drawn = drawing.one(drawing.Order(seed=seed, sensor=SENSOR, materials=(material,), with_code=0.0), number)
        boxes = [quad(field["box"]) for field in drawn.label["fields"].values()]
        yield Plate(material, np.asarray(drawn.frame, np.uint8), boxes)


def conformance(of: Sequence[Plate], locate: Locate | None = None) -> list[Conformance]:
    """The worst of each direction; text is located anew on every spoilt frame if `locate` is given."""
    found: dict[Direction, Conformance] = {}
    for plate in of:
        for way in dict.fromkeys(one.way for one in DIRECTIONS):
            steps = [_measured(plate, way, strength, locate) for strength in STRENGTHS]
            for direction in DIRECTIONS:
                if direction.way != way:
                    continue
                scores = tuple(one for one in (_score(step, direction.measures) for step in steps) if one is not None)
                one = Conformance(direction, _rise(scores), plate.material, scores)
                if direction not in found or one.rise > found[direction].rise:
                    found[direction] = one
    return list(found.values())


def table(found: Sequence[Conformance]) -> Iterator[str]:
    """Lines for people: way, measure, tolerance, worst seen."""
    yield f"{'more':<10} {'may not raise':<17} {'tolerance':>9} {'worst':>6}  where, and the scores there"
    for one in found:
        way, measure = one.direction.way, "+".join(one.direction.measures) or "the least"
        mark = "" if one.holds else "  FAILS"
        yield f"{way:<10} {measure:<17} {one.direction.tolerance:>9} {one.rise:>6}  {one.material} {one.scores}{mark}"


def _measured(plate: Plate, way: str, strength: float, locate: Locate | None) -> Quality:
    target = max(range(len(plate.boxes)), key=lambda number: plate.boxes[number][1][0] - plate.boxes[number][0][0])
    frame = SPOILS[way](plate.frame, Text(plate.boxes, target), strength)
    if locate is not None:
        return quality.measure(frame, locate(frame))
    scale = frame.shape[1] / plate.frame.shape[1]
    return quality.measure(frame, [quad(np.asarray(box) * scale) for box in plate.boxes])


def _score(measured: Quality, names: tuple[MeasureName, ...]) -> int | None:
    """The least score of these measures, or of all; 0 where no text was found: such a frame is never fit."""
    if not measured.num_lines:
        return 0
    scores = [measured.measures[name].score for name in names or DEFAULT_LIMITS.min_scores]
    return min((score for score in scores if score is not None), default=None)


def _rise(scores: Sequence[int]) -> int:
    """How far the scores rise above the lowest that came before."""
    lowest = np.minimum.accumulate(scores) if scores else np.zeros(1, int)
    return int(max(np.asarray(scores or [0]) - lowest))
