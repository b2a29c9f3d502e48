"""Draws made-up pages with pixels and reads them: the linker judged behind the reader, on layouts it never saw.

    python -m training.linking.drawn faces                       (needs apt-get, dpkg and `pip install fonttools`)
    python -m training.linking.drawn judge [--plates 1000] [--seed 31415] [--show N]

A page (`pages.py`, layouts, languages, forms and kinds of the judge) is set in one of 118 faces of Debian's packages,
printed on a material, lit and exposed as the simulator does it, 1920 x 1200 px, and read by the ocr reader: the damage
is the reader's own. Texts must be exactly the printed ones, without blanks and marks; nothing where nothing is.
"Held" says of how many plates both texts stand letter for letter in what was read, wherever: the rest is the reader's.
"""

from __future__ import annotations

import argparse
import functools
import math
import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from edge.core import gate
from edge.core.reading import FieldReading, Quad, Reading
from edge.products import load_product
from edge.readers.linking.keys.keywords import FIELDS
from edge.readers.linking.linker import link
from edge.readers.ocr import Ocr
from edge.vision import quality
from simulator.fonts import Mask
from simulator.material import NOMINAL, Picture, Wear, surface
from simulator.optics import Sensor, expose, placement
from simulator.spoiling import nominal
from training.labels import quad
from training.linking import wording
from training.linking.apart import corners
from training.linking.judge import MISSED, Verdict, compared, missed, product_of, solid, table
from training.linking.layouts import Box
from training.linking.pages import Labelled, Printed, printed
from training.linking.train import NAMEPLATE
from training.small import fonts

FOLDER = Path("build/faces")
_SENSOR = Sensor()
#: A plate is drawn about this wide, so that the camera neither enlarges nor shrinks it much.
_PLATE_PX = 1500
_MOST_SCALE = 3.0
_MARGIN = 30.0
#: The most of the frame's width and height that a plate takes.
_SHARE = 0.84


@dataclass(frozen=True, slots=True)
class Judged:
    """One plate read: generic, with product file, whether its texts were read at all, whether the gate took it.

    `missed` is what the product file's fields say where they are not right, empty where they are.
    """

    generic: Verdict
    formed: Verdict
    missed: str
    held: bool
    fit: bool
    has_serial: bool
    told: str


def characters() -> str:
    """Every character that pages print."""
    keys = [key for by_meaning in wording.KEYS.values() for known in by_meaning.values() for key in known]
    cyrillic = "".join(chr(code) for code in range(0x410, 0x450))
    return "".join(sorted({*fonts.characters(), *"".join(keys), *cyrillic, *wording.MARKS}))


class Pen:
    """Sets words of one page in one face, and in another one where a character is missing."""

    def __init__(self, faces: Sequence[fonts.Face], dice: Random) -> None:
        usual = [face for face in faces if not face.han]
        self._faces = [
            dice.choice(usual),
            *sorted(usual, key=lambda face: -len(face.has))[:3],
            *(f for f in faces if f.han),
        ]

    def word(self, text: str, width_px: float, em_px: float) -> Mask:
        """The ink of a word, as wide as its place and a line high."""
        face = next((face for face in self._faces if face.can(text)), self._faces[-1])
        font = ImageFont.truetype(str(face.path), max(6, round(em_px)))
        left, _, right, _ = font.getbbox(text, anchor="ls")
        ink = Image.new("L", (max(1, round(right - left)) + 2, round(1.4 * em_px) + 1))
        ImageDraw.Draw(ink).text((1 - left, round(1.05 * em_px)), text, fill=255, font=font, anchor="ls")
        size = max(1, round(width_px)), ink.height
        return np.asarray(cv2.resize(np.asarray(ink), size, interpolation=cv2.INTER_AREA), np.uint8)


def _words(box: Box) -> Iterator[tuple[str, float, float]]:
    """A box's words, each with its left and right side."""
    held: list[Any] = []
    for letter in [*box.letters, None]:
        if letter is not None and letter.text.strip():
            held.append(letter)
        elif held:
            yield "".join(one.text for one in held), held[0].left, held[-1].right
            held = []


def plate_of(page: Printed, faces: Sequence[fonts.Face], num_pens: int = 1) -> tuple[Mask, list[Quad | None]]:
    """The ink of a page, 255 where it is full, and where each box's lies; None: there is none.

    With more pens than one its boxes are set in different faces.
    """
    dice = Random(f"face {page.seed}")  # noqa: S311 - repeatable, not secret
    pens = [Pen(faces, dice) for _ in range(num_pens)]
    reached = [corner for box in page.boxes for corner in corners(box)]
    left, top = (min(corner[axis] for corner in reached) - _MARGIN for axis in (0, 1))
    right, bottom = (max(corner[axis] for corner in reached) + _MARGIN for axis in (0, 1))
    scale = min(_MOST_SCALE, _PLATE_PX / max(right - left, bottom - top))
    ink = np.zeros((round((bottom - top) * scale), round((right - left) * scale)), np.uint8)
    put = [_put(ink, box, pens[0] if num_pens == 1 else dice.choice(pens), scale, (left, top)) for box in page.boxes]
    return ink, put


def _put(ink: Mask, box: Box, pen: Pen, scale: float, origin: tuple[float, float]) -> Quad | None:
    """Set a box's words on a strip of its own, turn that into its place, and give where its ink lies then."""
    em_px = box.height * scale
    strip = np.zeros((round(1.4 * em_px) + 1, round((box.right - box.left) * scale) + 4), np.uint8)
    for text, left, right in _words(box):
        word = pen.word(text, (right - left) * scale, em_px)
        at = round((left - box.left) * scale)
        part = strip[:, at : at + word.shape[1]]
        np.maximum(part, word[:, : part.shape[1]], out=part)
    middle = (box.left + box.right) / 2 - origin[0], (box.top + box.bottom) / 2 - origin[1]
    turn = math.radians(box.turn_deg)
    cosine, sine = math.cos(turn), math.sin(turn)
    x, y = strip.shape[1] / 2, 0.7 * em_px
    place = np.array(
        [
            [cosine, -sine, middle[0] * scale - cosine * x + sine * y],
            [sine, cosine, middle[1] * scale - sine * x - cosine * y],
        ]
    )
    np.maximum(ink, cv2.warpAffine(strip, place, (ink.shape[1], ink.shape[0]), flags=cv2.INTER_LINEAR), out=ink)
    x, y, width, height = cv2.boundingRect(strip)
    around = np.array([[[x, y], [x + width, y], [x + width, y + height], [x, y + height]]], np.float64)
    return quad(cv2.transform(around, place)[0].tolist()) if width else None


def frame_of(page: Printed, faces: Sequence[fonts.Face], num_pens: int = 1) -> tuple[Picture, list[Quad | None]]:
    """A frame of the page's plate, height x width x 3, uint8, BGR, and where each box's ink lies; as in `plate_of`."""
    dice = Random(f"frame {page.seed}")  # noqa: S311 - repeatable, not secret
    ink, put = plate_of(page, faces, num_pens)
    wear = Wear(dice.choice((0.0, 0.0, 0.1, 0.2)), dice.choice((0.0, 0.0, 0.1)), dice.choice((0.0, 0.0, 0.1)))
    look = surface(ink, dice.choice(NOMINAL), wear, contrast=dice.uniform(0.7, 1.0), seed=page.seed)
    shot = nominal(dice)
    turn = dice.choice((0.0,) * 7 + (90.0, -90.0, 180.0, dice.gauss(0, 8))) + shot.pose.degrees
    height, width = ink.shape
    wide = abs(width * math.cos(math.radians(turn))) + abs(height * math.sin(math.radians(turn)))
    high = abs(width * math.sin(math.radians(turn))) + abs(height * math.cos(math.radians(turn)))
    most = min(_SHARE * _SENSOR.width_px / wide, _SHARE * _SENSOR.height_px / high)
    pose = replace(shot.pose, width=most * width / _SENSOR.width_px, degrees=turn)
    frame = expose(look, pose, shot.conditions, shot.settings, _SENSOR, seed=page.seed, counter=1)
    placed = placement((width, height), pose, _SENSOR)
    return frame, [one and quad(cv2.perspectiveTransform(np.array([one]), placed)[0].tolist()) for one in put]


_opened: dict[str, Any] = {}


def _open() -> None:
    cv2.setNumThreads(1)
    _opened.update(reader=Ocr(threads=1), faces=fonts.faces(FOLDER), limits=load_product("nameplate").limits)


def _judged(seed: int, number: int) -> Judged:
    page, labelled = printed(f"{seed}-unseen-{number}", unseen=True)
    frame, _ = frame_of(page, _opened["faces"])
    reader = _opened["reader"]
    located = reader.locate(frame)
    fit = gate.judge(quality.measure(frame, located.boxes), _opened["limits"]).fit
    reading = reader.read(frame, NAMEPLATE, located)
    product = product_of(labelled)
    formed = link(reading.lines, product, (1, 1))
    verdict = compared(labelled, formed)
    return Judged(
        compared(labelled, reading.fields), verdict, "" if verdict.all_right else missed(labelled, product, formed),
        _held(labelled, reading), fit, labelled.has("serial"), _told(labelled, reading, formed),
    )  # fmt: skip


def _held(page: Labelled, reading: Reading) -> bool:
    """Whether a print of each field stands in what was read, its pieces wherever they are."""
    said = " ".join(solid(line.text) for line in reading.lines)
    for name in FIELDS:
        texts = page.texts(name)
        if texts and not any(all(solid(part) in said for part in text.split()) for text in texts):
            return False
    return True


def _told(page: Labelled, reading: Reading, formed: Mapping[str, FieldReading]) -> str:
    rows = [f"---- {page.layout}, {page.language}, {page.seed}"]
    rows += [
        f"  {name}: printed {page.texts(name)}, generic {reading.fields[name].text!r}, with file {formed[name].text!r}"
        for name in FIELDS
    ]
    for line in sorted(reading.lines, key=lambda line: line.box[0][1]):
        rows.append(f"     {line.box[0][0]:6.0f} {line.box[0][1]:6.0f}  {line.text}")
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch the faces, or judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("faces", "judge"))
    parser.add_argument("--plates", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=31415)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--show", type=int, default=0, help="plates that went wrong to print")
    asked = parser.parse_args(arguments)
    if asked.what == "faces":
        print(f"{len(fonts.fetch(FOLDER, characters()))} faces in {FOLDER}")
        return 0
    with multiprocessing.get_context("spawn").Pool(asked.processes, _open) as pool:
        plates = list(pool.imap(functools.partial(_judged, asked.seed), range(asked.plates), chunksize=4))
    for title, some in (("all", plates), ("taken by the gate", [one for one in plates if one.fit])):
        without = sum(not one.has_serial for one in some)
        held = sum(one.held for one in some)
        print(f"{title}: {len(some)} plates, both texts held by what was read: {held} ({held / max(len(some), 1):.1%})")
        for way in ("generic", "formed"):
            for row in table(way, [getattr(one, way) for one in some], without):
                print(row)
        said = Counter(one.missed for one in some if one.missed)
        print("    not right: " + "; ".join(f"{said[what]} {what}" for what in MISSED))
    wrong = [one for one in plates if not (one.generic.all_right and one.formed.all_right)]
    for one in wrong[: asked.show]:
        print(one.told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
