"""`edge bench`: how fast one inspection is on this machine, stage by stage, on a drawn 1920 x 1200 frame or on files.

Decode, locate, measure, judge, read with linking, check the form. The first rounds warm the reader and are not
counted. Against other readers, and on photographs: `make bench` in the repository.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.adapters import images
from edge.commands import image_files
from edge.core import gate
from edge.core.fields import Product, violation
from edge.errors import UseError
from edge.products import load_product
from edge.readers.reader import Image, Reader
from edge.vision import quality

FRAME_PX = (1920, 1200)
NUM_WARM_ROUNDS = 3
STAGES = ("decode", "locate", "measure", "judge", "read", "check")

Times = Mapping[str, Sequence[float]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is measured, and how often."""
    parser.add_argument(
        "images", nargs="*", metavar="IMAGE", help="image files (none: a drawn frame of 1920 x 1200 px)"
    )
    parser.add_argument("--product", default="nameplate", help="product: name or path (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="rounds that count (default: %(default)s)")
    image_files.add_reader_arguments(parser)
    parser.add_argument("--threads", type=int, metavar="N", help="threads of the reader (else as many as there are)")
    parser.add_argument("--curve", action="store_true", help="the cost of each further line of text, too")
    parser.add_argument("--json", action="store_true", help="one JSON object: milliseconds, p50 and p99 by stage")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    threads = (os.cpu_count() or 1) if args.threads is None else args.threads
    if not 1 <= args.rounds <= 10_000 or not 1 <= threads <= 256:
        raise UseError("--rounds must lie between 1 and 10000, and --threads between 1 and 256")
    open_reader = image_files.reader_of(args, threads=threads)
    product = load_product(args.product, Path("config/products"))
    frames = [(name, _bytes(name)) for name in args.images] or [("drawn frame", _encoded(drawn(6)))]
    reader = open_reader()
    figures = {name: _figures(measure(encoded, reader, product, args.rounds)) for name, encoded in frames}
    if args.curve:
        for lines in (2, 4, 8, 16):
            times = measure(_encoded(drawn(lines)), reader, product, args.rounds)
            figures[f"drawn frame, {lines} lines"] = _figures(times)
    facts = {"reader": reader.name, "reader_hash": reader.hash, "threads": threads, "rounds": args.rounds}
    if args.json:
        print(json.dumps({**facts, "ms": figures}, ensure_ascii=False))
    else:
        _show(figures, facts)
    return 0


def drawn(num_lines: int) -> Image:
    """A frame with a bright plate and that many lines of text, the first two a model and a serial."""
    width, height = FRAME_PX
    frame = np.full((height, width, 3), 96, np.uint8)
    cv2.rectangle(frame, (240, 60), (width - 240, height - 60), (210, 210, 210), -1)
    texts = ["MODEL AX-4711", "S/N 12345678AB", *(f"U {230 + row} V  {row}.5 A" for row in range(num_lines))]
    for row, text in enumerate(texts[:num_lines]):
        at = (320, 130 + row * (height - 180) // max(num_lines, 8))
        cv2.putText(frame, text, at, cv2.FONT_HERSHEY_SIMPLEX, 1.5, (30, 30, 30), 3, cv2.LINE_AA)
    return frame


def measure(encoded: bytes, reader: Reader, product: Product, rounds: int) -> Times:
    """Milliseconds of every round by stage, and `total`."""
    times: dict[str, list[float]] = {stage: [] for stage in (*STAGES, "total")}
    for number in range(NUM_WARM_ROUNDS + rounds):
        marks = [time.perf_counter()]
        image = images.decode(encoded)
        marks.append(time.perf_counter())
        located = reader.locate(image)
        marks.append(time.perf_counter())
        measured = quality.measure(image, located.boxes)
        marks.append(time.perf_counter())
        gate.judge(measured, product.limits)
        marks.append(time.perf_counter())
        reading = reader.read(image, product, located)
        marks.append(time.perf_counter())
        for name, rule in product.fields.items():
            violation(reading.fields[name].text, rule)
        marks.append(time.perf_counter())
        if number >= NUM_WARM_ROUNDS:
            for stage, begin, end in zip(STAGES, marks, marks[1:], strict=False):
                times[stage].append((end - begin) * 1000)
            times["total"].append((marks[-1] - marks[0]) * 1000)
    return times


def _figures(times: Times) -> dict[str, dict[str, float]]:
    return {stage: {"p50": _share(one, 0.50), "p99": _share(one, 0.99)} for stage, one in times.items()}


def _share(values: Sequence[float], share: float) -> float:
    """The least value that at least this share of the values does not exceed."""
    return round(sorted(values)[max(0, math.ceil(share * len(values)) - 1)], 2)


def _bytes(name: str) -> bytes:
    images.load(name)  # says by name what is wrong with a file that cannot be used
    return Path(name).read_bytes()


def _encoded(frame: Image) -> bytes:
    return bytes(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 95])[1])


def _show(figures: Mapping[str, Mapping[str, Mapping[str, float]]], facts: Mapping[str, object]) -> None:
    print(f"reader {facts['reader']}, {facts['threads']} threads, {facts['rounds']} rounds; milliseconds")
    row: Callable[..., str] = "{:<34} {:>9} {:>9}".format
    for name, stages in figures.items():
        print(row(images.shown(name), "p50", "p99"))
        for stage, one in stages.items():
            print(row(f"  {stage}", f"{one['p50']:.1f}", f"{one['p99']:.1f}"))
