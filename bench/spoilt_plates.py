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

from edge.adapters import images
from edge.readers.lines.rounds import on_a_plate
from edge.readers.linking.keys.keywords import FIELDS
from edge.readers.ocr import Ocr
from edge.vision.rectify import moved
from training.gate.spoil import SPOILS, Text
from training.linking.judge import solid

WAYS = ("blur", "motion", "dark", "jpeg", "shrink")
STRENGTHS = (0.25, 0.4, 0.55, 0.7)


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
    """How many characters are off, of the copy that is read best; 0 where one stands in what was read.

    A line holds letters and figures only, in capitals.
    """

    def least(word: str) -> int:
        return min((off(word, line) for line in lines), default=len(word))

    words = [[solid(word).upper() for word in text.split()] for text in texts]
    if any("".join(some) in line for some in words for line in lines):
        return 0
    return min(sum(least(word) for word in some) for some in words)


_opened: dict[str, Any] = {}


def _open() -> None:
    _opened["reader"] = Ocr(threads=1)


def read(folder: Path, label: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Way and characters off of each text of a photograph; the way of the photograph as it is has no name."""
    reader: Ocr = _opened["reader"]
    image = images.load(folder / label["file"])
    boxes = reader.locate(image).boxes
    found = []
    for way, strength in (("", 0.0), *((way, strength) for way in WAYS for strength in STRENGTHS)):
        spoilt = SPOILS[way](image, Text(boxes), strength) if way else image
        scale = spoilt.shape[1] / image.shape[1], spoilt.shape[0] / image.shape[0]
        _, glyphs = reader.glyphs(spoilt, [moved(box, *scale, 0.0, 0.0) for box in boxes])
        lines = [solid("".join(glyph.text for glyph in line)).upper() for line in on_a_plate(glyphs)]
        for name in FIELDS:
            if label[name]:
                texts = [label[name], *(label.get(f"{name}_alternatives") or [])]
                found.append((way, missed(texts, lines)))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Spoil, read, print."""
    parser = argparse.ArgumentParser(description="read spoilt photographs of plates")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args(arguments)
    labels = [json.loads(line) for line in (args.folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    with multiprocessing.get_context("spawn").Pool(args.processes, _open) as pool:
        found = [one for some in pool.imap(functools.partial(read, args.folder), labels) for one in some]
    held, count, wrong = Counter[str](), Counter[str](), Counter[str]()
    for way, missing in found:
        for key in (way or "as they are", *(("all spoilt",) if way else ())):
            count[key] += 1
            held[key] += not missing
            wrong[key] += missing
    for key in ("as they are", *WAYS, "all spoilt"):
        print(f"{key}: {held[key]} of {count[key]} texts held, {wrong[key]} characters off")
    return 0


if __name__ == "__main__":
    sys.exit(main())
