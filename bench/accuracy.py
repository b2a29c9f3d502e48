"""Accuracy of the embedded reader on drawn plates that the gate accepts, and what a confidence is worth.

    python bench/accuracy.py [--plates 500] [--bare 100] [--seed 11] [--degraded 300]

Prints: serials and models read exactly; serials invented on plates that bear none; and, over all accepted looks
(degraded ones included, so that there are errors to find), the share of wrong serials at or above each threshold of the
least certain character, with the upper end of its 95 % interval (Clopper-Pearson). That share is what
`[accept] single_look_confidence` and `false_accept_rate` state.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.adapters import images
from edge.core import gate
from edge.core.calibration import clopper_pearson
from edge.core.fields import Product
from edge.core.match import same
from edge.products import load_product
from edge.readers.ocr import Ocr
from edge.vision import quality

THRESHOLDS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)


@dataclass(frozen=True, slots=True)
class Look:
    """One frame as read: what is printed, what was read, and the least certain character."""

    file: str
    accepted: bool
    printed: str
    serial: str
    model_right: bool
    confidence: float
    margin: float

    @property
    def right(self) -> bool:
        """Whether the serial is exactly what is printed; an empty one where none is."""
        return same(self.serial, self.printed)


def draw(folder: Path, *options: str) -> None:
    """Draw labelled plates."""
    subprocess.run([sys.executable, "-m", "simulator", "draw", str(folder), *options], check=True, stdout=sys.stderr)


def looks(folder: Path, reader: Ocr, product: Product) -> Iterator[Look]:
    """Read every plate of a folder."""
    for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        label = json.loads(line)
        image = images.load(folder / label["file"])
        located = reader.locate(image)
        verdict = gate.judge(quality.measure(image, located.boxes), product.limits)
        reading = reader.read(image, product, located)
        serial, model = reading.fields["serial"], reading.fields["model"]
        yield Look(
            label["file"],
            verdict.fit,
            label["serial"] or "",
            serial.text,
            same(model.text, label["model"] or ""),
            serial.confidence,
            serial.margin,
        )


def upper(wrong: int, total: int) -> float:
    """Upper end of the 95 % interval of a share (Clopper-Pearson)."""
    return clopper_pearson(wrong, total)[1]


def report(name: str, found: Sequence[Look]) -> list[Look]:
    """Print how a set was read; give those that the gate accepted."""
    accepted = [look for look in found if look.accepted]
    right = sum(look.right for look in accepted)
    models = sum(look.model_right for look in accepted)
    print(f"{name}: {len(found)} frames, {len(accepted)} accepted by the gate")
    if accepted:
        print(f"  serial exact {right}/{len(accepted)} = {right / len(accepted):.2%}")
        print(f"  model exact  {models}/{len(accepted)} = {models / len(accepted):.2%}")
    for look in [look for look in accepted if not look.right][:20]:
        print(f"  wrong: {look.file} printed {look.printed!r} read {look.serial!r} ({look.confidence:.3f})")
    return accepted


def main() -> None:
    """Draw, read, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plates", type=int, default=500)
    parser.add_argument("--bare", type=int, default=100)
    parser.add_argument("--degraded", type=int, default=300)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--product", default="nameplate")
    args = parser.parse_args()
    reader, product = Ocr(), load_product(args.product)
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        draw(here / "plates", "--count", str(args.plates), "--seed", str(args.seed))
        draw(here / "bare", "--count", str(args.bare), "--seed", str(args.seed + 1), "--without-serial", "1")
        draw(here / "degraded", "--count", str(args.degraded), "--seed", str(args.seed + 2), "--degrade", "all")
        accepted = report("drawn plates", list(looks(here / "plates", reader, product)))
        bare = list(looks(here / "bare", reader, product))
        invented = [look for look in bare if look.serial]
        print(f"plates without a serial: {len(bare)} frames, {len(invented)} serials invented")
        for look in invented[:20]:
            print(f"  invented: {look.file} {look.serial!r} ({look.confidence:.3f})")
        accepted += report("degraded plates", list(looks(here / "degraded", reader, product)))
    print("one look, least certain character at or above: accepted, wrong, share wrong (95 % upper end)")
    for threshold in THRESHOLDS:
        sure = [look for look in accepted if look.serial and look.confidence >= threshold]
        wrong = sum(not look.right for look in sure)
        share = wrong / len(sure) if sure else 0.0
        print(f"  {threshold:5.3f}: {len(sure):5d} {wrong:4d}  {share:.4f} ({upper(wrong, len(sure)):.4f})")


if __name__ == "__main__":
    main()
