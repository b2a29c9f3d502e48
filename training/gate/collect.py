"""Draw frames spoilt in one way each and in two, measure and read them, and keep a line of JSON for each.

    python -m training.gate.collect [--count 60] [--minutes 9] [--seed 100] [--to build/gate/reads.jsonl]

Ended by its minutes or by Ctrl-C it goes on where it was: a frame that has its line is not read again. Each of the
plate's values is measured once more on its own box alone: whether *it* was misread is what a curve is fitted to.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.core.quality import Quality
from edge.core.reading import Quad
from edge.readers.ocr import Ocr
from edge.vision import quality
from simulator import drawing
from simulator.material import MATERIALS
from simulator.optics import Sensor
from training.gate.spoil import SPOILS, Image, Text
from training.kept import gone_on, kept
from training.labels import quad

READS = Path("build/gate/reads.jsonl")
#: Optics and pixels spoilt one at a time, and then together: (by the simulator, on the pixels).
ONE_WAY = (
    ("", ""), ("glare", ""), ("motion", ""), ("defocus", ""), ("dark", ""), ("bright", ""), ("low_contrast", ""),
    ("small", ""), ("cut_off", ""), ("worn", ""), ("scratched", ""), ("tilt", ""),
    ("", "blur"), ("", "motion"), ("", "dark"), ("", "jpeg"), ("", "shrink"), ("", "glare_on"), ("", "glare_beside"),
    ("", "glare_between"),
)  # fmt: skip
TWO_WAYS = (
    ("low_contrast", "blur"), ("dark", "motion"), ("small", "jpeg"), ("defocus", "jpeg"), ("glare", "blur"),
    ("worn", "shrink"), ("scratched", "dark"), ("low_contrast", "jpeg"), ("defocus", "shrink"),
)  # fmt: skip
#: A located box that holds this share of a value's box belongs to it.
LEAST_OVERLAP = 0.1
#: Smaller than a station's frames, so that more of them can be read; the measures are taken at the text's own scale.
SENSOR = Sensor(1280, 800)


def frame_of(seed: int, way: tuple[str, str], index: int) -> tuple[Image, Mapping[str, Any], float]:
    """One frame, its label with the boxes as they were drawn, and the strength of what was done to its pixels."""
    by_optics, on_pixels = way
    order = drawing.Order(
        seed=seed, sensor=SENSOR, materials=tuple(MATERIALS), degradations=(by_optics,) if by_optics else ()
    )
    drawn = drawing.one(order, index)
    if not on_pixels:
        return np.asarray(drawn.frame, np.uint8), drawn.label, 0.0
    dice = random.Random(f"{seed} {way} {index}")  # noqa: S311 - not a secret
    strength = dice.uniform(0.02, 0.7 if by_optics else 1.0)
    boxes = [quad(field["box"]) for field in drawn.label["fields"].values()]
    text = Text(boxes, list(drawn.label["fields"]).index(dice.choice(("model", "serial"))))
    frame = SPOILS[on_pixels](np.asarray(drawn.frame, np.uint8), text, strength)
    return frame, _scaled(drawn.label, frame.shape[1] / drawn.frame.shape[1]), strength


def observed(reader: Ocr, frame: Image, label: Mapping[str, Any]) -> dict[str, Any]:
    """What a frame measures, what the gate's peers measure, and whether each labelled text was read.

    Where the label says where a value stands, only what was located there is read: a third of the time of all lines.
    """
    located = reader.locate(frame)
    measured = quality.measure(frame, located.boxes)
    named = [name for name in ("model", "serial") if label.get(name)]
    boxes = {name: quad(field["box"]) for name, field in (label.get("fields") or {}).items()}
    owned = {
        name: [one for one in located.boxes if overlap(boxes[name], one) > LEAST_OVERLAP]
        for name in named
        if name in boxes
    }
    everywhere = "" if owned else _said(reader, frame, located.boxes)
    values = []
    for name in named:
        text = _said(reader, frame, owned[name]) if owned else everywhere
        right = any(bare(one) in text for one in (label[name], *(label.get(f"{name}_alternatives") or ())))
        value: dict[str, Any] = {"field": name, "right": right}
        if owned:
            value["located"] = bool(owned[name])
            value["measures"] = raws(quality.measure(frame, owned[name] or [boxes[name]]))
        values.append(value)
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    return {
        "measures": raws(measured),
        "num_lines": measured.num_lines,
        "values": values,
        "laplacian": float(cv2.Laplacian(grey, cv2.CV_64F).var()),
        "brightness": float(grey.mean()),
    }


def _said(reader: Ocr, frame: Image, boxes: Sequence[Quad]) -> str:
    return bare("".join(line.text for line in reader.lines(frame, boxes)))


def raws(measured: Quality) -> dict[str, float | None]:
    """The raw values of a frame."""
    return {name: measure.raw for name, measure in measured.measures.items()}


def bare(text: str) -> str:
    """A text as it is compared: without blanks and `-_/.,:;`, case folded."""
    return re.sub(r"[\s\-_/.,:;]", "", text).casefold()


def overlap(one: Quad, other: Quad) -> float:
    """The share of the first box that lies in the second."""
    a, b = (np.asarray(box, np.float32) for box in (one, other))
    area = abs(float(cv2.contourArea(a)))
    return float(cv2.intersectConvexConvex(a, b)[0]) / area if area else 0.0


def _scaled(label: Mapping[str, Any], scale: float) -> dict[str, Any]:
    fields = {
        name: {**field, "box": [[x * scale, y * scale] for x, y in field["box"]]}
        for name, field in label["fields"].items()
    }
    return {**label, "fields": fields}


def wanted(count: int) -> Iterator[tuple[tuple[str, str], int]]:
    """All frames, a few of each way first, so that any beginning of the run covers all of them."""
    for index in range(count):
        for way in (*ONE_WAY, *(TWO_WAYS if index % 2 == 0 else ())):
            yield way, index


def main() -> int:
    """Collect until all is there or time is up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60, help="frames of each way")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--to", type=Path, default=READS)
    args = parser.parse_args()
    known = {row["key"] for row in kept(args.to)}
    ends = time.monotonic() + args.minutes * 60
    reader = Ocr(threads=1)
    done = 0
    with gone_on(args.to) as lines:
        for way, index in wanted(args.count):
            key = f"{args.seed}-{'+'.join(way)}-{index}"
            if key in known:
                continue
            if time.monotonic() > ends:
                break
            frame, label, strength = frame_of(args.seed, way, index)
            row = {"key": key, "way": way, "strength": strength, "material": label["material"]}
            lines.write(json.dumps({**row, **observed(reader, frame, label)}) + "\n")
            lines.flush()
            done += 1
    print(f"{done} frames read now, {len(known) + done} in {args.to}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
