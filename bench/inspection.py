"""Speed and exact match of a whole inspection against the `rapidocr` package: same frames, same run, paired.

    python bench/inspection.py [--frames 16] [--rounds 3] [--seed 11] [--threads 2] [--folder FOLDER] [--curves]

Frames are plates that the simulator draws, 1920 x 1200 px (or FOLDER: images and `labels.jsonl` with `file`, `serial`,
`model`). Each round takes every frame once by every contestant, in a changing order, each after a rest:
    edge             locate, measure, judge, read (lines, link, codes), check: the whole inspection
    rapidocr         the package's defaults (ONNX Runtime), then the same linker
    rapidocr openvino  the same on OpenVINO, then the same linker
Decoding the image is left out for all; rapidocr judges nothing and seeks no codes. Prints medians, spread, p50, p99,
ratios of the paired medians a frame, exact match of the fields, and whether the serial stands in what was read at all.
`--curves` adds the cost of each further text line and of each further field.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from edge.adapters import images
from edge.commands.bench import drawn
from edge.core import gate
from edge.core.fields import FieldRule, Product, violation
from edge.core.match import same
from edge.core.reading import Character, Quad, TextLine
from edge.products import load_product
from edge.readers.linking.linker import link
from edge.readers.ocr import Ocr
from edge.readers.reader import Image
from edge.vision import quality

#: Before each contestant: ONNX Runtime's threads wait by spinning, some 30 ms of processor after `rapidocr` has
#: answered, which whoever comes next would pay for. Threads of the others rest at once.
_REST_S = 0.1


@dataclass(frozen=True, slots=True)
class Answer:
    """What a contestant read: the fields by name, all text, and the milliseconds of its stages."""

    fields: Mapping[str, str]
    text: str
    ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plate:
    """One frame and what is printed on it."""

    image: Image
    printed: Mapping[str, str]


Contestant = Callable[[Image, Product], Answer]


def edge_inspection(threads: int) -> Contestant:
    """The whole inspection of this package."""
    ocr = Ocr(threads=threads, warm=True)

    def inspect(image: Image, product: Product) -> Answer:
        located = ocr.locate(image)
        begun = time.perf_counter()
        gate.judge(quality.measure(image, located.boxes), product.limits)
        judged = time.perf_counter()
        reading = ocr.read(image, product, located)
        read = time.perf_counter()
        for name, rule in product.fields.items():
            violation(reading.fields[name].text, rule)
        ms = {
            "locate": located.ms,
            "gate": (judged - begun) * 1e3,
            **{stage: reading.ms[stage] for stage in ("lines", "link", "codes")},
            "check": (time.perf_counter() - read) * 1e3,
        }
        texts = {name: one.text for name, one in reading.fields.items()}
        return Answer(texts, " ".join(line.text for line in reading.lines), ms)

    return inspect


def rapidocr_inspection(engine: str) -> Contestant:
    """The `rapidocr` package as it comes, on the engine named, and this package's linker."""
    from rapidocr import EngineType, RapidOCR  # noqa: PLC0415 - its import takes seconds

    parts = ("Det", "Cls", "Rec")
    chosen = {f"{part}.engine_type": EngineType.OPENVINO for part in parts} if engine == "openvino" else {}
    reader: Any = RapidOCR(params={"Global.log_level": "error", **chosen})

    def inspect(image: Image, product: Product) -> Answer:
        found = reader(image)
        lines = (
            [_line(box, text, score) for box, text, score in zip(found.boxes, found.txts, found.scores, strict=True)]
            if found.txts
            else []
        )
        height, width = image.shape[:2]
        fields = link(lines, product, (width, height))
        return Answer({name: one.text for name, one in fields.items()}, " ".join(line.text for line in lines))

    return inspect


def _line(box: Any, text: str, score: float) -> TextLine:
    first, second, third, fourth = ((float(x), float(y)) for x, y in box)
    quad: Quad = (first, second, third, fourth)
    return TextLine(text, quad, tuple(Character(character, score) for character in text))


def drawn_plates(folder: Path, count: int, seed: int) -> None:
    """Let the simulator draw plates with their labels."""
    asked = [sys.executable, "-m", "simulator", "draw", str(folder), "--count", str(count), "--seed", str(seed)]
    subprocess.run(asked, check=True, stdout=subprocess.DEVNULL)


def plates(folder: Path, count: int) -> list[Plate]:
    """Frames with their labels, decoded."""
    labels = [json.loads(line) for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()][:count]
    return [
        Plate(images.load(folder / one["file"]), {name: one[name] or "" for name in ("serial", "model")})
        for one in labels
    ]


def compare(contestants: Mapping[str, Contestant], frames: Sequence[Plate], product: Product, rounds: int) -> None:
    """Run all on all, paired, and print."""
    times: dict[str, list[list[float]]] = {name: [[] for _ in frames] for name in contestants}
    stages: dict[str, list[float]] = {}
    answers: dict[str, list[Answer]] = {}
    for name, inspect in contestants.items():  # what a first frame of a size costs is start-up
        answers[name] = [inspect(plate.image, product) for plate in frames]
    order = list(contestants)
    shuffle = random.Random(0)
    for _ in range(rounds):
        for number, plate in enumerate(frames):
            shuffle.shuffle(order)
            for name in order:
                time.sleep(_REST_S)
                begun = time.perf_counter()
                answer = contestants[name](plate.image, product)
                times[name][number].append((time.perf_counter() - begun) * 1e3)
                for stage, ms in answer.ms.items():
                    stages.setdefault(stage, []).append(ms)
    print(f"{len(frames)} frames, {rounds} rounds, load {os.getloadavg()[0]:.1f}; milliseconds")
    print(f"{'':<20}{'p50':>8}{'p10':>8}{'p90':>8}{'p99':>8}{'ratio':>8}{'serial':>9}{'model':>8}{'in text':>9}")
    ours = [median(one) for one in times["edge"]]
    for name, by_frame in times.items():
        every = [ms for one in by_frame for ms in one]
        cuts = quantiles(every, n=100, method="inclusive")
        ratio = median(median(one) / our for one, our in zip(by_frame, ours, strict=True))
        exact = [
            sum(
                same(answer.fields[key], plate.printed[key])
                for answer, plate in zip(answers[name], frames, strict=True)
            )
            for key in ("serial", "model")
        ]
        inside = sum(_bare(p.printed["serial"]) in _bare(a.text) for a, p in zip(answers[name], frames, strict=True))
        print(
            f"{name:<20}{cuts[49]:>8.1f}{cuts[9]:>8.1f}{cuts[89]:>8.1f}{cuts[98]:>8.1f}{ratio:>8.2f}"
            f"{exact[0]:>6}/{len(frames)}{exact[1]:>5}/{len(frames)}{inside:>6}/{len(frames)}"
        )
    print("stages of edge, p50: " + ", ".join(f"{stage} {median(ms):.1f}" for stage, ms in stages.items()))


def _bare(text: str) -> str:
    return "".join(character for character in text if character.isalnum()).casefold()


def curves(inspect: Contestant, product: Product, rounds: int) -> None:
    """Print what each further text line, and each further field, costs."""
    print(
        "text lines: "
        + ", ".join(f"{n}: {_cost(inspect, drawn(n), product, rounds):.1f}" for n in (2, 4, 6, 8, 10, 12))
    )
    frame = drawn(8)
    costs = []
    for number in (1, 2, 4, 8, 16):
        rules = {f"field{n}": FieldRule(f"field{n}", keys=(f"Key {n}",)) for n in range(number)}
        costs.append(f"{number}: {_cost(inspect, frame, Product('curve', rules), rounds):.1f}")
    print("fields: " + ", ".join(costs))


def _cost(inspect: Contestant, image: Image, product: Product, rounds: int) -> float:
    """Median milliseconds of one frame."""
    inspect(image, product)
    spent = []
    for _ in range(3 * rounds):
        begun = time.perf_counter()
        inspect(image, product)
        spent.append((time.perf_counter() - begun) * 1e3)
    return median(spent)


def main() -> int:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description="speed and exact match of a whole inspection against rapidocr, paired")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--folder", type=Path, help="images and labels.jsonl (none: the simulator draws)")
    parser.add_argument("--curves", action="store_true", help="the cost of each further line and field, too")
    args = parser.parse_args()
    product = load_product("nameplate", Path("config/products"))
    with tempfile.TemporaryDirectory() as scratch:
        if args.folder is None:
            drawn_plates(Path(scratch), args.frames, args.seed)
        frames = plates(args.folder or Path(scratch), args.frames)
    ours = edge_inspection(args.threads)
    contestants = {
        "edge": ours,
        "rapidocr": rapidocr_inspection("default"),
        "rapidocr openvino": rapidocr_inspection("openvino"),
    }
    compare(contestants, frames, product, args.rounds)
    if args.curves:
        curves(ours, product, args.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
