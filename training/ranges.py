"""Measure what goes into the networks' convolutions, and write `edge/readers/lines/ranges.json`.

    python training/ranges.py [--plates 60] [--strips 300] [--seed 11] [--only detector|recogniser]

What is kept: the recogniser's of 60 plates, and `--only detector --plates 150 --seed 4242`.

Plates are drawn by the simulator and searched and cut into strips by the reader itself; no photograph is used. A
convolution's range ends between what 99.98 % of its values keep to (99th percentile over the images) and the extreme
seen, at 30 % of the way. With that, 3 of 718 confidently read lines came out otherwise than in 32 bits, two of them
better.

Of the detector those convolutions are rounded that change its map least for what they save (`DETECTOR_PARTS`): 0.80 of
its time. All of it, 0.63, changes the map twice as much, and cost a letter at a line's end on two of 31 photographs.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13

from edge.adapters import images
from edge.readers.lines import detector, int8, recogniser
from edge.readers.lines.weights import DETECTOR, RECOGNISER, blob_of, weight_file
from edge.readers.ocr import Ocr
from edge.readers.reader import Image

_TOWARDS_EXTREME = 0.3
#: The detector's convolutions that are computed in 8 bits.
DETECTOR_PARTS = frozenset(f"Conv.{number}" for number in (3, 19, 20, 22, 30, 33, 38, 41, 49, 50, 82))


def seen_in(folder: Path) -> tuple[list[Image], list[Image]]:
    """What the detector is shown of every frame of a folder, and the strips that the recogniser is."""
    searched: list[Image] = []
    find = detector.Detector.find

    def watched(one: detector.Detector, image: Image) -> list[detector.Box]:
        searched.append(image)
        return find(one, image)

    ocr = Ocr()
    strips: list[Image] = []
    with patch.object(detector.Detector, "find", watched):
        for path in sorted(folder.glob("*.jpg")):
            image = images.load(path)
            strips.extend(ocr.strips(image, ocr.locate(image).boxes))
    return searched, strips


def ranges_of(name: str, prepare: Callable[[Any], Any], shown: Iterable[Image]) -> dict[str, tuple[float, float]]:
    """The range of what goes into each convolution that sees more than one pixel."""
    model = prepare(ov.Core().read_model(weight_file(name)))
    nodes = list(int8.convolutions(model))
    watched = ov.Model([opset13.result(node.input_value(0)) for node in nodes], model.get_parameters())
    request = ov.Core().compile_model(watched, "CPU").create_infer_request()
    seen: dict[str, list[npt.NDArray[np.float64]]] = {}
    for image in shown:
        request.infer([blob_of(image)])
        for node, tensor in zip(nodes, request.output_tensors, strict=True):
            values: npt.NDArray[Any] = tensor.data
            if values.shape[2] * values.shape[3] > 1:
                row = np.array([values.min(), *np.percentile(values, (0.02, 99.98)), values.max()])
                seen.setdefault(node.get_friendly_name(), []).append(row)
    return {convolution: _range(np.array(rows)) for convolution, rows in seen.items()}


def _range(rows: npt.NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(np.percentile(rows[:, 1], 1)), float(np.percentile(rows[:, 2], 99))
    low += (float(rows[:, 0].min()) - low) * _TOWARDS_EXTREME
    high += (float(rows[:, 3].max()) - high) * _TOWARDS_EXTREME
    return round(low, 4), round(high, 4)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, cut, measure, write."""
    parser = argparse.ArgumentParser(description="measure the ranges that the networks are rounded by")
    parser.add_argument("--plates", type=int, default=60)
    parser.add_argument("--strips", type=int, default=300)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--only", choices=("detector", "recogniser"), help="leave what is known of the other one")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        asked = ["--count", str(args.plates), "--seed", str(args.seed), "--materials", "all"]
        subprocess.run([sys.executable, "-m", "simulator", "draw", folder, *asked], check=True)
        searched, strips = seen_in(Path(folder))
    random.Random(args.seed).shuffle(strips)  # noqa: S311 - which strips are taken is no secret
    found: dict[str, dict[str, tuple[float, float]]] = json.loads(int8.RANGES.read_text(encoding="utf-8"))
    if args.only != "recogniser":
        of_detector = ranges_of(DETECTOR, detector.prepared, searched)
        found[DETECTOR] = {name: bounds for name, bounds in of_detector.items() if name in DETECTOR_PARTS}
    if args.only != "detector":
        found[RECOGNISER] = ranges_of(RECOGNISER, recogniser.prepared, strips[: args.strips])
    int8.RANGES.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    told = ", ".join(f"{len(known)} convolutions of {name}" for name, known in found.items())
    print(f"{told}, from {len(searched)} searches and {min(len(strips), args.strips)} strips: {int8.RANGES}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
