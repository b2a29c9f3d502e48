"""Whether the shipped model looks where it reads: attention of a serial's characters, against chance.

    python bench/inside.py [--plates 40] [--seed 7]

For each character of a serial that is read right on a drawn plate: the share of its attention to the picture's lines
that lies on the serial's own line, beside what chance would give (that line's share of all lines' image tokens); and in
how many the most attended image token of all lines shows the serial's line. For the mean of all layers, and each layer.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.adapters import images
from edge.core.inside import Inside
from edge.core.match import same
from edge.readers.opening import SMALL
from edge.readers.vlm import Vlm

QUESTION = "What is the serial number? Digits and letters only."


@dataclass(frozen=True, slots=True)
class Look:
    """One character: its share of attention on the serial's line, what chance would give, whether the peak is there."""

    share: float
    chance: float
    is_peak: bool


def looks(inside: Inside, serial: str) -> Iterator[Look]:
    """One look for each character of a serial that was read right and stands in one line that OCR read."""
    own = [number for number, part in enumerate(inside.parts) if part.kind == "line" and serial in part.text]
    if len(own) != 1 or not same(inside.text, serial):
        return
    size: Counter[int] = Counter()
    lines = [one for one in inside.patches if inside.parts[one.part].kind == "line"]
    for one in lines:
        size[one.part] += round(one.share * 1000)
    chance = size[own[0]] / size.total()
    for token in inside.tokens:
        if token.text:
            given: Counter[int] = Counter()
            for one in lines:
                given[one.part] += round(token.image[one.token] * one.share * 1e9)
            best = max(lines, key=lambda one: token.image[one.token] * one.share)
            yield Look(given[own[0]] / max(1, given.total()), chance, best.part == own[0])


def main() -> None:
    """Draw, look, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plates", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    vlm = Vlm(SMALL, device="cpu")
    found: dict[int | None, list[Look]] = {}
    with tempfile.TemporaryDirectory() as made:
        draw = ["draw", made, "--count", str(asked.plates), "--seed", str(asked.seed)]
        subprocess.run([sys.executable, "-m", "simulator", *draw], check=True, stdout=sys.stderr)
        labels = [json.loads(line) for line in (Path(made) / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
        for label in labels:
            image = images.load(str(Path(made) / label["file"]))
            for layer in (None, *range(vlm.model.layers)):
                told = vlm.inside(image, QUESTION, layer=layer)
                found.setdefault(layer, []).extend(looks(told, label["serial"] or "?"))
    for layer, seen in found.items():
        name = "mean of layers" if layer is None else f"layer {layer + 1}"
        share, chance = (sum(getattr(one, what) for one in seen) / len(seen) for what in ("share", "chance"))
        peaks = sum(one.is_peak for one in seen) / len(seen)
        print(
            f"{name:15} {len(seen)} characters: {share:.0%} of the attention to lines is on the serial's line, "
            f"by chance {chance:.0%} ({share / chance:.1f} times); peak in the line: {peaks:.0%}"
        )


if __name__ == "__main__":
    main()
