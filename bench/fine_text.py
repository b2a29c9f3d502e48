"""Fine text: how often a field stands in what is read, by the kind of marking and the height of its characters.

    python bench/fine_text.py [--plates 8] [--heights 8 10 12] [--kinds printed inkjet …] [--seed 5] [--without-peer]

Plates are drawn far away in a frame of 1920 x 1200 px, so that the characters of their fields are as high as asked.
Columns: fields (model and serial) that stand letter for letter in the text, of all; fields that do not, though every
character of their line has at least 0.9 (`sure`); milliseconds of processor time a frame; the same of the `rapidocr`
package's defaults on the same frames. A line that no box covers counts as not read and not sure.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from edge.core.reading import Point, TextLine
from edge.readers.ocr import Ocr
from edge.readers.reader import Image
from simulator.fonts import CAP_HEIGHT, Box, Typeface
from simulator.material import surface
from simulator.optics import Conditions, Pose, Sensor, Settings, expose, placement
from simulator.plate import WIDTH_PX, Design, design, draw
from simulator.wording import MAKES

_SURE = 0.9


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of marking: material, typeface (None: one of the usual) and the share of contrast that is left."""

    material: str
    typeface: Typeface | None = None
    contrast: float = 1.0


KINDS: Mapping[str, Kind] = {
    "printed": Kind("label_white"),
    "low contrast": Kind("label_silver", contrast=0.3),
    "inverted": Kind("label_black"),
    "engraved": Kind("steel_engraved"),
    "embossed": Kind("steel_embossed"),
    "peened": Kind("steel_peened", Typeface("dots")),
    "inkjet": Kind("label_white", Typeface("inkjet")),
    "inkjet, inverted": Kind("label_black", Typeface("inkjet")),
}


@dataclass(frozen=True, slots=True)
class Fine:
    """A frame, and where the middle of each printed field stands on it."""

    frame: Image
    fields: Mapping[str, Point]


#: A line as both readers give it: four corners, text, least confidence.
Line = tuple[Any, str, float]
Reader = Callable[[Image], list[Line]]


def drawn(kind: Kind, height_px: int, seed: int, count: int) -> Iterator[Fine]:
    """Frames of plates whose fields are in characters of this height."""
    sensor = Sensor()
    for index in range(count):
        name = f"fine {seed} {index}"
        dice = random.Random(name)
        make, layout = dice.choice(list(MAKES)), dice.choice(("table", "two_tables", "above", "inline"))
        plan = design(name, make=make, language="en", layout=layout, typeface=kind.typeface)
        flat = draw(plan)
        look = surface(flat.ink, kind.material, contrast=kind.contrast, seed=name)
        width = height_px / (plan.size_px * CAP_HEIGHT) * WIDTH_PX / sensor.width_px
        pose = Pose(width, dice.uniform(0.4, 0.6), dice.uniform(0.4, 0.6), dice.uniform(-4, 4))
        frame = expose(look, pose, Conditions(), Settings(), sensor, seed=str(index % 5), counter=index)
        matrix = placement((look.shape[1], look.shape[0]), pose, sensor)
        yield Fine(frame, dict(_fields(plan, flat.boxes, matrix)))


def _fields(plan: Design, boxes: Mapping[str, Box], matrix: Any) -> Iterator[tuple[str, Point]]:
    for meaning, text in (("model", plan.model), ("serial", plan.serial)):
        box = boxes[meaning]
        middle = np.array([[[(box.left + box.right) / 2, (box.top + box.bottom) / 2]]], np.float64)
        x, y = cv2.perspectiveTransform(middle, matrix)[0, 0]
        yield text, (float(x), float(y))


def edge_reader(threads: int) -> Reader:
    """This package's reader."""
    ocr = Ocr(threads=threads)

    def read(frame: Image) -> list[Line]:
        return [_line(line) for line in ocr.lines(frame, ocr.locate(frame).boxes)]

    return read


def _line(line: TextLine) -> Line:
    return line.box, line.text, min(one.confidence for one in line.characters)


def rapidocr_reader() -> Reader:
    """The `rapidocr` package as it comes; its confidence is a line's mean."""
    from rapidocr import RapidOCR  # noqa: PLC0415 - its import takes seconds

    engine: Any = RapidOCR(params={"Global.log_level": "error"})

    def read(frame: Image) -> list[Line]:
        found = engine(frame)
        return list(zip(found.boxes, found.txts, found.scores, strict=True)) if found.txts else []

    return read


@dataclass(slots=True)
class Tally:
    """What one reader did with the plates of one kind and height."""

    right: int = 0
    sure: int = 0
    ms: float = 0.0

    def count(self, read: Reader, fine: Fine) -> None:
        """Read one frame and judge its fields."""
        begun = time.process_time()
        lines = read(fine.frame)
        self.ms += (time.process_time() - begun) * 1e3
        text = " ".join(_bare(text) for _, text, _ in lines)
        for printed, middle in fine.fields.items():
            if _bare(printed) in text:
                self.right += 1
                continue
            at = [least for box, _, least in lines if _covers(box, middle)]
            self.sure += bool(at) and min(at) >= _SURE


def _covers(box: Any, middle: Point) -> bool:
    return bool(cv2.pointPolygonTest(np.asarray(box, np.float32), middle, measureDist=False) >= 0)


def _bare(text: str) -> str:
    return "".join(character for character in text if character.isalnum()).casefold()


def compare(readers: Mapping[str, Reader], kinds: Sequence[str], heights: Sequence[int], seed: int, count: int) -> None:
    """Read and print a row for each kind and height."""
    print(f"{'':<22}" + "".join(f"{name:>10}{'sure':>6}{'ms':>7}" for name in readers))
    for name in kinds:
        for height in heights:
            tallies = {reader: Tally() for reader in readers}
            fields = 0
            for fine in drawn(KINDS[name], height, seed, count):
                fields += len(fine.fields)
                for reader, read in readers.items():
                    tallies[reader].count(read, fine)
            row = "".join(f"{one.right:>6}/{fields:<3}{one.sure:>6}{one.ms / count:>7.0f}" for one in tallies.values())
            print(f"{name:<17}{height:>2} px {row}", flush=True)


def main() -> int:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(
        description="fields in the text of fine markings, by kind and height of characters"
    )
    parser.add_argument("--plates", type=int, default=8, help="frames for each kind and height")
    parser.add_argument(
        "--heights", type=int, nargs="+", default=[8, 10, 12], help="of a capital letter on the frame, px"
    )
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--without-peer", action="store_true", help="this package's reader alone")
    args = parser.parse_args()
    readers = {"edge": edge_reader(args.threads)}
    if not args.without_peer:
        readers["rapidocr"] = rapidocr_reader()
    compare(readers, args.kinds, args.heights, args.seed, args.plates)
    return 0


if __name__ == "__main__":
    sys.exit(main())
