"""What the search for codes costs and finds, beside a search of every pixel by the same decoder.

    python bench/codes.py [--frames 40] [--codes 200] [--seed 5] [--folder FOLDER]

cost          `codes.find` on drawn frames without a code (1920 x 1200 and 1280 x 800 px): CPU time of the process, ms
codes         drawn frames with one code each (QR, Data Matrix, Code 128, Code 39, EAN-13; 60 to 400 px; turned by up to
              45 degrees, blurred, pale, inverted): how many each search finds, and what they cost
photographs   FOLDER's images: the codes that each search finds
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import cv2
import numpy as np
import zxingcpp

from edge.adapters import images
from edge.vision import codes
from edge.vision.code_patches import Image
from simulator import drawing

KINDS = (*codes.LINEAR_FORMATS[:3], zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.DataMatrix)
SIZES_PX = (60, 90, 130, 200, 300, 400)
TURNS = (0, 4, 10, 20, 30, 45)
SPOILT = ("plain", "blurred", "pale", "inverted")
Search = Callable[[Image], set[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Case:
    """A frame with one code, and how it was drawn."""

    frame: Image
    kind: str
    text: str
    size_px: int
    turned: int
    spoilt: str


def quick(image: Image) -> set[tuple[str, str]]:
    """The search of this package."""
    return {(code.format, code.text) for code in codes.find(image)}


def thorough(image: Image) -> set[tuple[str, str]]:
    """Every pixel, every direction, by the decoder's own means."""
    grey = np.ascontiguousarray(image[:, :, 1])
    return {
        (seen.format.name, seen.text)
        for seen in zxingcpp.read_barcodes(grey, formats=codes.MATRIX_FORMATS + codes.LINEAR_FORMATS)
        if seen.text
    }


def without_codes(count: int, seed: int) -> Iterator[Image]:
    """Drawn plates without a code."""
    return (drawn.frame for drawn in drawing.frames(drawing.Order(seed=seed, with_code=0.0), count))


def with_codes(count: int, seed: int) -> Iterator[Case]:
    """Drawn plates with one code pasted somewhere; the n-th depends on the seed and n only."""
    grounds = list(without_codes(8, seed + 1))
    for index in range(count):
        dice = random.Random(f"codes {seed}-{index}")
        kind = KINDS[index % len(KINDS)]
        text = "".join(dice.choice("0123456789") for _ in range(8)) + "KF"
        if kind.name == "EAN13":
            digits = text[:8] + "4012"
            text = digits + str(-sum(int(d) * (3 if n % 2 else 1) for n, d in enumerate(digits)) % 10)
        size, turned, spoilt = dice.choice(SIZES_PX), dice.choice(TURNS), dice.choice(SPOILT)
        frame = dice.choice(grounds).copy()
        mark = _mark(kind, text, size, spoilt)
        yield Case(_pasted(frame, mark, turned, dice), kind.name, text, size, turned, spoilt)


def _mark(kind: zxingcpp.BarcodeFormat, text: str, size_px: int, spoilt: str) -> Image:
    """A code with its quiet zone; `size_px` is the longer side without it."""
    big = np.array(zxingcpp.write_barcode_to_image(zxingcpp.create_barcode(text, kind), scale=8, add_quiet_zones=True))
    dark = np.argwhere(big < 128)
    scale = size_px / float((dark.max(0) - dark.min(0)).max() + 1)
    if big.shape[0] < 0.3 * big.shape[1]:
        big = np.repeat(big, 2, axis=0)
    mark = cv2.resize(big, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(float)
    if spoilt == "inverted":
        mark = 255 - mark
    low, high = (110, 170) if spoilt == "pale" else (30, 210)
    mark = low + mark / 255 * (high - low)
    if spoilt == "blurred":
        modules = size_px / (big.shape[1] / 8)
        mark = cv2.GaussianBlur(mark, (0, 0), max(0.5, 0.35 * modules)).astype(float)
    return mark.astype(np.uint8)


def _pasted(frame: Image, mark: Image, turned: int, dice: random.Random) -> Image:
    rows, columns = mark.shape
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), turned, 1)
    side = int(np.hypot(rows, columns)) + 2
    turn[:, 2] = turn[:, 2] + np.array([side - columns, side - rows]) / 2.0
    upright = cv2.warpAffine(mark, turn, (side, side), flags=cv2.INTER_LINEAR)
    inside = cv2.warpAffine(np.full_like(mark, 255), turn, (side, side)) > 250
    left, top = dice.randrange(frame.shape[1] - side), dice.randrange(frame.shape[0] - side)
    place = frame[top : top + side, left : left + side]
    grain = np.random.default_rng(dice.randrange(1 << 30)).normal(0, 2, upright.shape)
    pixels = np.clip(upright + grain, 0, 255).astype(np.uint8)
    place[inside] = np.repeat(pixels[:, :, None], 3, axis=2)[inside]
    return frame


def timed(search: Search, frames: Sequence[Image]) -> tuple[list[set[tuple[str, str]]], list[float]]:
    """What is found on each frame, and the CPU time of the process for each, ms (the least of three)."""
    found, spent = [], []
    for frame in frames:
        taken = []
        for _ in range(3):
            begun = time.process_time()
            seen = search(frame)
            taken.append((time.process_time() - begun) * 1e3)
        found.append(seen)
        spent.append(min(taken))
    return found, spent


def tell_cost(count: int, seed: int, searches: dict[str, Search]) -> None:
    """Print the cost of frames without a code."""
    frames = list(without_codes(count, seed))
    small = [cv2.resize(frame, (1280, 800), interpolation=cv2.INTER_AREA).astype(np.uint8) for frame in frames]
    for size, some in (("1920x1200", frames), ("1280x800", small)):
        for name, search in searches.items():
            found, ms = timed(search, some)
            tail = quantiles(ms, n=20)[-1]
            shown = f"median {median(ms):6.2f} ms  p95 {tail:6.2f} ms  found {sum(map(len, found))}"
            print(f"no code {size:<10} {name:<9} {shown}")


def tell_codes(count: int, seed: int, searches: dict[str, Search]) -> None:
    """Print how many drawn codes each search finds, by kind and by what was done to them."""
    cases = list(with_codes(count, seed))
    hits: dict[str, list[bool]] = {}
    for name, search in searches.items():
        found, ms = timed(search, [case.frame for case in cases])
        hits[name] = [(case.kind, case.text) in seen for case, seen in zip(cases, found, strict=True)]
        wrong = sum(len(seen - {(case.kind, case.text)}) for case, seen in zip(cases, found, strict=True))
        print(f"codes   {name:<9} found {sum(hits[name])} of {count}, wrong {wrong}, median {median(ms):6.2f} ms")
    for by in ("kind", "size_px", "turned", "spoilt"):
        groups: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for number, case in enumerate(cases):
            groups[str(getattr(case, by))].update({"all": 1, **{name: int(hit[number]) for name, hit in hits.items()}})
        for group, counted in sorted(groups.items()):
            print(f"  {by:<8} {group:<11}", "  ".join(f"{name} {counted[name]}" for name in ("all", *hits)))


def tell_photographs(folder: Path, searches: dict[str, Search]) -> None:
    """Print how many codes each search finds on each image of a folder."""
    totals: Counter[str] = Counter()
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    spent: defaultdict[str, list[float]] = defaultdict(list)
    for path in paths:
        image = images.load(str(path))
        counts = {}
        for name, search in searches.items():
            found, ms = timed(search, [image])
            counts[name] = len(found[0])
            spent[name] += ms
        totals.update(counts)
        if any(counts.values()):
            print(f"  {path.name:<12}", "  ".join(f"{name} {count}" for name, count in counts.items()))
    for name in searches:
        print(f"photographs {name:<9} codes {totals[name]} on {len(paths)}, median {median(spent[name]):6.2f} ms")


def main(searches: dict[str, Search] | None = None) -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--codes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="photographs")
    asked = parser.parse_args()
    contestants = searches or {"edge": quick, "thorough": thorough}
    if asked.frames:
        tell_cost(asked.frames, asked.seed, contestants)
    if asked.codes:
        tell_codes(asked.codes, asked.seed, contestants)
    if asked.folder and asked.folder.is_dir():
        tell_photographs(asked.folder, contestants)
    elif asked.folder:
        print(f"{asked.folder} is no folder: the photographs are left out")


if __name__ == "__main__":
    main()
