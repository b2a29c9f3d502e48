"""Accuracy of the vlm reader against the image tokens that a plate is given, on plates that the simulator draws.

    python bench/tokens.py [--count 80] [--seed 21] [--model FOLDER]

A whole frame of 1920 x 1200 px would be 2967 tokens (28 x 28 px each). The sheet shows its lines alone
(`edge/vision/sheet.py`); here its lines are also pressed narrower, for fewer tokens still. Every plate is read with
OCR's text in the prompt and without it; exact means that model and serial are both right. Prints a table.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

# Run as a file, this folder is on the path and the one above is not.
sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.inspection import drawn_plates, plates
from edge.core.fields import FieldRule
from edge.core.match import same
from edge.products import load_product
from edge.readers.decoding.decode import Answer, decode
from edge.readers.decoding.grammar import Grammar
from edge.readers.decoding.prompt import NOTHING
from edge.readers.opening import SMALL
from edge.readers.pair import OcrOnce
from edge.readers.reader import Image
from edge.readers.vlm import Vlm
from edge.vision import sheet

#: How wide a line is set, of its natural width.
WIDTHS = (1.0, 0.85, 0.7, 0.55, 0.4)


@dataclass(frozen=True, slots=True)
class Cut:
    """A plate as its lines: their strips, what OCR read, the frame's thumbnail, and what is printed."""

    strips: tuple[Image, ...]
    texts: tuple[str, ...]
    thumbnail: Image
    printed: dict[str, str]


def cut_plates(ocr: OcrOnce, count: int, seed: int) -> list[Cut]:
    """Plates that the simulator draws, cut into lines."""
    cuts = []
    with tempfile.TemporaryDirectory() as folder:
        drawn_plates(Path(folder), count, seed)
        for plate in plates(Path(folder), count):
            lines = ocr.lines(plate.image, ocr.locate(plate.image).boxes)
            strips = tuple(sheet.strips(plate.image, [line.box for line in lines]))
            texts = tuple(line.text for line in lines)
            cuts.append(Cut(strips, texts, sheet.thumbnail(plate.image), dict(plate.printed)))
    return cuts


def pressed(strips: Sequence[Image], width: float) -> list[Image]:
    """Strips at a share of their width."""
    return [
        np.asarray(
            cv2.resize(one, (max(14, round(one.shape[1] * width)), sheet.ROW_PX), interpolation=cv2.INTER_AREA),
            np.uint8,
        )
        for one in strips
    ]


def answers_of(vlm: Vlm, rules: Sequence[FieldRule], made: Image, hint: Sequence[str]) -> list[Answer]:
    """What the model answers about each field of a sheet, with no draft."""
    asked = vlm.model.prompt(made, hint, [rule.question for rule in rules])
    grammars = [Grammar(None, vlm.model.vocabulary) for _ in rules]
    caps = [rule.max_new_tokens for rule in rules]
    return decode(vlm.model.passes([asked], room=2 * max(caps) + 2), grammars, [[] for _ in rules], caps)


def read(vlm: Vlm, rules: Sequence[FieldRule], made: Image, hint: Sequence[str]) -> dict[str, str]:
    """The fields that the model reads on a sheet."""
    answers = answers_of(vlm, rules, made, hint)
    return {
        rule.name: "" if answer.text == NOTHING else answer.text for rule, answer in zip(rules, answers, strict=True)
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Draw, cut, read at every width, print."""
    parser = argparse.ArgumentParser(description="Accuracy against image tokens.")
    parser.add_argument("--count", type=int, default=80)
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--model", type=Path, default=SMALL)
    args = parser.parse_args(argv)
    ocr = OcrOnce(threads=2)
    vlm = Vlm(args.model, device="auto", threads=2, ocr=ocr)
    rules = list(load_product("nameplate", None).fields.values())
    cuts = cut_plates(ocr, args.count, args.seed)
    print(f"{len(cuts)} plates; image tokens and milliseconds are medians")
    print(
        f"{'width':>6}{'tokens':>8}{'left out':>10}{'ms':>8}{'exact, OCR text in the prompt':>32}{'exact, without':>18}"
    )
    for width in WIDTHS:
        tokens, spent, left_out, right = [], [], 0, {True: 0, False: 0}
        for cut in cuts:
            made = sheet.pack(pressed(cut.strips, width), cut.thumbnail)
            tokens.append(made.tokens)
            left_out += made.left_out
            for hinted in (True, False):
                begun = time.perf_counter()
                found = read(vlm, rules, made.image, cut.texts if hinted else ())
                spent.append((time.perf_counter() - begun) * 1e3)
                right[hinted] += all(same(found[name], text) for name, text in cut.printed.items())
        shares = [f"{right[hinted]}/{len(cuts)} = {right[hinted] / len(cuts):.1%}" for hinted in (True, False)]
        print(
            f"{width:>6}{statistics.median(tokens):>8.0f}{left_out:>10}{statistics.median(spent):>8.0f}"
            f"{shares[0]:>32}{shares[1]:>18}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
