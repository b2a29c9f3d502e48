"""Draw plates, read them, keep one JSON line a frame: `python -m training.calibration.reads looks|values`.

Two kinds of read, decided by the frame's number alone, drawn in memory at the size of a camera's frame:

looks   One look at one frame: searched for text, judged by the default gate, and read and linked as the inspection
        does it, with the built-in product `nameplate` (a model and a serial, no pattern). About 0.4 CPU s. A third of
        the plates are looked at a second time, with pose, light, blur and exposure drawn anew: what two looks that
        agree are worth.
values  One labelled value of a frame (serial, model, article, MAC address), cut out where it stands, as the detector
        frames it, and read by the recogniser with all that the reader does about a line. Nothing is searched or
        linked, so a value costs 0.03 CPU s: this is how often the *reading* is wrong, not the linking. The gate judges
        the frame by the boxes of its labelled values.
A frame that the gate refuses is kept as refused and not read: the inspection reads none. It goes on where the file
ends: run it again until it says that it is done.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2

from edge.core import gate
from edge.core.calibration import in_frame
from edge.core.fields import Product
from edge.core.match import same
from edge.core.reading import Character, Quad
from edge.products import load_product
from edge.readers.ocr import Ocr
from edge.readers.reader import Image
from edge.vision import quality
from edge.vision.rectify import between, size_of
from simulator import drawing, spoiling
from simulator.material import MATERIALS, NOMINAL
from training.calibration.crops import measures
from training.calibration.twice import two_of_one_plate
from training.kept import gone_on, kept
from training.labels import quad

FOLDER = Path("build/calibration")
#: Frames given to a process at a time: more, and the last ones are waited for less often; fewer, and less is lost.
_AHEAD = 8
#: What a process of the pool has opened: its reader and product.
_opened: dict[str, Any] = {}
#: What is drawn, in turn by the frame's number: usual material or any, and whether something is wrong with the frame.
#: More are spoilt than on a line, so that there are errors to learn from; the report tells both apart.
_TURNS = ("usual", "spoilt", "spoilt", "usual", "spoilt any", "spoilt", "any", "spoilt", "spoilt any", "usual")
#: One plate in so many is looked at twice.
_SECOND_LOOKS = 3
#: Plates that bear no serial: what is read there is invented.
_WITHOUT_SERIAL = 0.04
#: Values as a serial is one: short, without sense.
_VALUES = ("serial", "model", "article", "mac")


def order(index: int, seed: int) -> drawing.Order:
    """What the frame with this number is drawn from."""
    turn = _TURNS[index % len(_TURNS)]
    return drawing.Order(
        seed=seed,
        materials=tuple(MATERIALS) if "any" in turn else NOMINAL,
        degradations=tuple(spoiling.DEGRADATIONS) if "spoilt" in turn else (),
        without_serial=_WITHOUT_SERIAL,
    )


def look(drawn: drawing.Drawn, reader: Ocr, product: Product) -> Mapping[str, Any]:
    """One look at a frame."""
    located = reader.locate(drawn.frame)
    judged = _judged(drawn.frame, located.boxes, product)
    if not judged["fit"]:
        return judged
    reading = reader.read(drawn.frame, product, located)
    fields = {
        name: _read(drawn.frame, drawn.label[name] or "", field.text, field.characters, field.box)
        | {"raw": field.raw, "why": field.why, "measures": dict(in_frame(reading, name).measures)}
        for name, field in reading.fields.items()
    }
    return {**judged, "reader": reading.reader_hash, "fields": fields}


def values(drawn: drawing.Drawn, reader: Ocr, product: Product) -> Mapping[str, Any]:
    """Every value of a frame by itself."""
    rows = drawn.label["fields"]
    dice = random.Random(f"framing {drawn.label['serial']} {drawn.label['model']}")  # noqa: S311 - no secret
    boxes = {name: _framed(quad(row["box"]), dice) for name, row in rows.items()}
    judged = _judged(drawn.frame, tuple(boxes.values()), product)
    if not judged["fit"]:
        return judged
    fields = {}
    for name in _VALUES:
        if name in rows:
            line = next(iter(reader.lines(drawn.frame, (boxes[name],))), None)
            characters = () if line is None else tuple(c for c in line.characters if c.text.strip())
            text = "".join(character.text for character in characters)
            fields[name] = _read(drawn.frame, rows[name]["text"], text, characters, line.box if line else None)
    return {**judged, "reader": reader.hash, "fields": fields}


def _judged(image: Image, boxes: tuple[Quad, ...], product: Product) -> dict[str, Any]:
    measured = quality.measure(image, boxes)
    scores = {name: one.score for name, one in measured.measures.items()}
    return {"scores": scores, "fit": gate.judge(measured, product.limits).fit}


def _read(image: Image, printed: str, text: str, characters: tuple[Character, ...], box: Quad | None) -> dict[str, Any]:
    kept: dict[str, Any] = {"printed": printed, "text": text, "right": same(text, printed)}
    if not text or box is None:
        return kept
    return kept | {
        "confidences": [round(character.confidence, 6) for character in characters],
        "margins": [round(character.margin, 6) for character in characters],
        # A blank between two pieces of a value stands nowhere.
        "middles": [round(_along(character.box, box), 4) if character.box else None for character in characters],
        "crop": measures(image, box),
    }


def _along(box: Quad, line: Quad) -> float:
    """How far along a line's box a character stands, in heights of the line."""
    _, height = size_of(line)
    (left, top), (right, _), _, _ = line
    middle = sum(x for x, _ in box) / 4 - left, sum(y for _, y in box) / 4 - top
    across, along = right - left, line[1][1] - top
    length = (across**2 + along**2) ** 0.5 or 1.0
    return (middle[0] * across + middle[1] * along) / length / max(height, 1.0)


def _framed(box: Quad, dice: random.Random) -> Quad:
    """A value's box as the detector frames it: on 70 lines it was 0.4 to 1.1 heights longer and 0.4 to 0.8 higher."""
    length, height = size_of(box)
    room = height / max(length, 1.0)
    longer, aside = dice.uniform(0.4, 1.1) * room, dice.uniform(-0.12, 0.05) * room
    wide = between(box, aside - longer / 2, 1 + aside + longer / 2)
    higher, above = dice.uniform(0.4, 0.8), dice.uniform(-0.10, 0.02)
    # The same along the other axis: the box from its side.
    side: Quad = (wide[3], wide[0], wide[1], wide[2])
    first, second, third, fourth = between(side, -above - higher / 2, 1 - above + higher / 2)
    return second, third, fourth, first


def num_reads(line: Mapping[str, Any]) -> int:
    """How many reads a frame's line stands for: one for a look, each value for itself, none where it was refused."""
    return (1 if line.get("kind") == "looks" else len(line["fields"])) if "fields" in line else 0


def _look_at(index: int, seed: int, reader: Ocr, product: Product) -> dict[str, Any]:
    drawn, other = two_of_one_plate(order(index, seed), index)
    first = look(drawn, reader, product)
    twice = index // len(_TURNS) % _SECOND_LOOKS == 0 and "fields" in first
    second = look(other, reader, product) if twice else {}
    return {**_known(drawn), **first, **({"second": second} if twice else {})}


def _values_of(index: int, seed: int, reader: Ocr, product: Product) -> dict[str, Any]:
    drawn = drawing.one(order(index, seed), index)
    return {**_known(drawn), **values(drawn, reader, product)}


def _known(drawn: drawing.Drawn) -> dict[str, Any]:
    return {name: drawn.label[name] for name in ("degradations", "material", "language", "make")}


KINDS: Mapping[str, Callable[[int, int, Ocr, Product], dict[str, Any]]] = {
    "looks": _look_at,
    "values": _values_of,
}


def main() -> int:
    """Read until the file has enough reads or the time is over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="else build/calibration/KIND.jsonl")
    parser.add_argument("--reads", type=int, default=30_000, help="reads that the file shall have")
    parser.add_argument("--minutes", type=float, default=9.0, help="stop after so long; run it again to go on")
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1, help="frames read side by side; the file is the same")
    args = parser.parse_args()
    path = args.output or FOLDER / f"{args.kind}.jsonl"
    end = time.monotonic() + args.minutes * 60
    with multiprocessing.get_context("spawn").Pool(args.processes, _open, (args.threads,)) as pool:

        def read(frames: Sequence[int]) -> Iterable[dict[str, Any]]:
            return pool.imap(functools.partial(_frame, args.kind, args.seed), frames)

        frames, reads = go_on(path, read, args.reads, lambda: time.monotonic() >= end, args.processes * _AHEAD)
    print(f"{reads} of {args.reads} reads in {path}, {frames} frames drawn; {time.process_time():.0f} CPU s this time")
    return 0 if reads >= args.reads else 1


def _open(threads: int) -> None:
    """Open this process's reader."""
    cv2.setNumThreads(threads)
    _opened["reader"], _opened["product"] = Ocr(threads=threads), load_product("nameplate")


def _frame(kind: str, seed: int, index: int) -> dict[str, Any]:
    known = {"kind": kind, "index": index, "turn": _TURNS[index % len(_TURNS)]}
    return {**known, **KINDS[kind](index, seed, _opened["reader"], _opened["product"])}


def go_on(
    path: Path,
    read: Callable[[Sequence[int]], Iterable[Mapping[str, Any]]],
    most: int,
    over: Callable[[], bool],
    at_once: int = 1,
) -> tuple[int, int]:
    """Read frames, some at once, from where the file ends, until it has enough reads; give its frames and reads."""
    with gone_on(path) as lines:
        found = [num_reads(line) for line in kept(path)]
        frames, reads = len(found), sum(found)
        while reads < most and not over():
            for line in read(range(frames, frames + at_once)):
                lines.write(json.dumps(line, separators=(",", ":")) + "\n")
                lines.flush()
                frames, reads = frames + 1, reads + num_reads(line)
                if reads >= most:
                    break
    return frames, reads


if __name__ == "__main__":
    sys.exit(main())
