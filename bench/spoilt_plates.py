"""How much of spoilt photographs of plates the recogniser still reads: what a change of it costs on real print.

    python -m bench.spoilt_plates FOLDER [--processes 2]

FOLDER is one as `bench/plates.py` takes it. Lines are located once, on the photograph as it is, and read where they
stand on it spoilt (blur, motion, dark, JPEG, fewer pixels; four strengths each). A text is held if it stands in what
was read, letters and figures only, or each of its words does; else counts how many characters are off at least.
Two versions are compared by running it with each.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2

from edge.adapters import images
from edge.readers.lines.rounds import on_a_plate
from edge.readers.ocr import Ocr
from training.gate.spoil import SPOILS, Text

WAYS = ("blur", "motion", "dark", "jpeg", "shrink")
STRENGTHS = (0.25, 0.4, 0.55, 0.7)
FIELDS = ("model", "serial")


def solid(text: str) -> str:
    """The letters and figures of a text, in capitals."""
    return "".join(one for one in text if one.isalnum()).upper()


def off(text: str, line: str) -> int:
    """How many characters of a text are off at least in the part of a line that is most like it."""
    before = [0] * (len(line) + 1)
    for row, wanted in enumerate(text, 1):
        now = [row]
        for at, one in enumerate(line, 1):
            now.append(min(before[at] + 1, now[-1] + 1, before[at - 1] + (wanted != one)))
        before = now
    return min(before)


def missed(texts: Iterable[str], lines: Sequence[str]) -> int:
    """How many characters are off, of the copy that is read best; 0 where one stands in what was read."""
    counts = []
    for text in texts:
        if any(solid(text) in line for line in lines):
            return 0
        counts.append(sum(min((off(solid(word), line) for line in lines), default=len(word)) for word in text.split()))
    return min(counts)


def read(folder: Path, label: Mapping[str, Any]) -> list[tuple[str, float, int]]:
    """Way, strength and characters off of each text of a photograph; strength 0 is the photograph as it is."""
    cv2.setNumThreads(1)
    reader = Ocr(threads=1)
    image = images.load(folder / label["file"])
    boxes = reader.locate(image).boxes
    found = []
    for way, strength in (("", 0.0), *((way, strength) for way in WAYS for strength in STRENGTHS)):
        spoilt = SPOILS[way](image, Text(boxes), strength) if way else image
        scale = spoilt.shape[1] / image.shape[1], spoilt.shape[0] / image.shape[0]
        placed = [tuple((x * scale[0], y * scale[1]) for x, y in box) for box in boxes]
        lines = ["".join(glyph.text for glyph in line) for line in on_a_plate(reader.glyphs(spoilt, placed)[1])]  # type: ignore[arg-type]
        for name in FIELDS:
            if label[name]:
                texts = [label[name], *(label.get(f"{name}_alternatives") or [])]
                found.append((way, strength, missed(texts, [solid(line) for line in lines])))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Spoil, read, print."""
    parser = argparse.ArgumentParser(description="read spoilt photographs of plates")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args(arguments)
    labels = [json.loads(line) for line in (args.folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    with multiprocessing.get_context("spawn").Pool(args.processes) as pool:
        found = [one for some in pool.imap(functools.partial(read, args.folder), labels) for one in some]
    held, count, wrong = Counter[str](), Counter[str](), Counter[str]()
    for way, _, missing in found:
        for key in (way or "as they are", *(("all spoilt",) if way else ())):
            count[key] += 1
            held[key] += not missing
            wrong[key] += missing
    for key in ("as they are", *WAYS, "all spoilt"):
        print(f"{key}: {held[key]} of {count[key]} texts held, {wrong[key]} characters off")
    return 0


if __name__ == "__main__":
    sys.exit(main())
