"""`edge calibrate`: read labelled plates of a site, and count what a confidence is worth there.

DIR holds images and `labels.jsonl`: one object a line with `file`, `model`, `serial` (null: there is none, or none that
can be read), any other field of the product, and optionally `model_alternatives`, `serial_alternatives` (texts that
count as right too). A read is one look at one image that the gate accepts; it is right where every required field is,
blanks aside, as MES and ERP compare it. Thresholds are chosen on one half of the reads and measured on the other, so
that what is printed was not fitted to.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from edge.adapters import images
from edge.calibrations import read_calibration
from edge.commands import calibrate_report, image_files
from edge.commands.labels import LABELS, Label, read_labels
from edge.core.calibration import Calibration, Measured, in_frame
from edge.core.fields import Product
from edge.core.match import same
from edge.core.policy import Policy
from edge.core.reading import FieldReading, Reading
from edge.core.reliability import Scored, rescaled, risk_table, thresholds
from edge.errors import UseError
from edge.readers.reader import Reader
from edge.settings import load

RATES = (1e-2, 1e-3, 1e-4)
#: With fewer wrong reads than this the scores are left as they were fitted on drawn plates.
_FEW_WRONG = 10


@dataclass(frozen=True, slots=True)
class Read:
    """One labelled look: the required fields as read, those that are wrong, and its reader."""

    label: Label
    fields: Mapping[str, FieldReading]
    wrong: bool
    reader: str
    reader_hash: str

    @property
    def complete(self) -> bool:
        """Whether every required field was read: nothing else can be accepted."""
        return bool(self.fields) and all(field.text for field in self.fields.values())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `edge calibrate`."""
    parser.add_argument("folder", type=Path, metavar="DIR", help=f"labelled images, with {LABELS}")
    parser.add_argument("--product", metavar="P", help="product: its name or its file (else the built-in nameplate)")
    image_files.add_reader_arguments(parser, kinds=("ocr", "vlm", "remote"))
    parser.add_argument(
        "--rate", type=_rate, action="append", metavar="SHARE", help="false-accept rate to find a threshold for"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the calibration for [accept]")


def run(args: argparse.Namespace) -> int:
    """Read, count, print; write the calibration where a file is named."""
    if not args.folder.is_dir():
        raise UseError(f"{images.shown(str(args.folder))} is no folder; name the folder of the labelled images")
    labels = read_labels(args.folder / LABELS)
    if args.output is not None and not args.output.absolute().parent.is_dir():
        raise UseError(f"-o names {args.output}, whose folder does not exist; make it first")
    product = image_files.product_of(args)
    required = [name for name, rule in product.fields.items() if rule.required]
    unlabelled = [name for name in required if not any(name in label.texts for label in labels)]
    if unlabelled:
        raise UseError(f"no line of {args.folder / LABELS} has {unlabelled[0]!r}, which the product requires; label it")
    image_files.printable_stdout()
    reader = image_files.reader_of(args)
    reads: list[Read] = []
    refused: list[str] = []
    take = partial(_take, open_reader=reader, product=product, reads=reads, refused=refused)
    by_path = {str(args.folder / label.file): label for label in labels}
    code = image_files.each(list(by_path), lambda name: take(name, by_path[name]), image_files.tell_person)
    print(f"{len(labels)} labelled images: {len(refused)} refused by the gate, {len(reads)} read")
    if not reads:
        print("nothing was read, so there is nothing to count", file=sys.stderr)
        return 1
    margin = load(args.config).policy.min_margin if args.config is not None else Policy().min_margin
    rates = tuple(sorted(set(args.rate or RATES), reverse=True))
    found = calibrate(reads, rates, (min(product.fields[name].min_confidence for name in required), margin))
    if args.output is not None:
        image_files.write(args.output, json.dumps(found.facts, indent=1) + "\n")
        print(f'written to {args.output}; take it with [accept] calibration = "{args.output}"')
    return code


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 < rate < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share between 0 and 1, such as 1e-4")
    return rate


def _take(
    name: str,
    label: Label,
    *,
    open_reader: Callable[[], Reader],
    product: Product,
    reads: list[Read],
    refused: list[str],
) -> None:
    """Judge one image, and read it where it is fit."""
    judged = image_files.judge(name, open_reader, product)
    if judged.defects:
        refused.append(name)
        return
    reads.append(_compared(open_reader().read(judged.image, product, judged.located), label, product))


def _compared(reading: Reading, label: Label, product: Product) -> Read:
    fields = {
        name: in_frame(reading, name) for name, rule in product.fields.items() if rule.required and name in label.texts
    }
    # Nothing read where nothing is printed is right, and still no read that could pass.
    wrong = any(
        not any(same(field.text, text) for text in label.texts[name] or ("",)) for name, field in fields.items()
    )
    return Read(label, fields, wrong, reading.reader, reading.reader_hash)


def calibrate(reads: Sequence[Read], rates: Sequence[float], least: tuple[float, float]) -> Calibration:
    """Count and print; give the calibration that comes out.

    The reads are all by one reader; `least` is the confidence and the margin that every character of a pass needs.
    """
    start = _start(reads[0].reader, reads[0].reader_hash)
    ordered = sorted(reads, key=lambda read: hashlib.sha256(read.label.file.encode()).digest())
    chosen_on, measured_on = ordered[::2], ordered[1::2] or ordered
    scored = [Scored(_score(start, read), read.wrong) for read in chosen_on if read.complete]
    slope, shift = rescaled(scored) if sum(read.wrong for read in scored) >= _FEW_WRONG else (1.0, 0.0)
    fitted = replace(
        start, bias=start.bias * slope + shift, weights={name: one * slope for name, one in start.weights.items()}
    )
    chosen, held = ([Scored(_score(fitted, read), read.wrong) for read in half] for half in (chosen_on, measured_on))
    # One look passes above the threshold only where it is sure enough for any pass.
    sure = [
        [
            Scored(one.score if _confident(read, *least) else float("-inf"), read.wrong)
            for read, one in zip(*half, strict=True)
        ]
        for half in ((chosen_on, chosen), (measured_on, held))
    ]
    answered = [read for read in chosen if read.score > float("-inf")]
    twice = _two_looks(reads, *least)
    found = replace(
        fitted,
        risk=risk_table(answered) or start.risk,
        thresholds=thresholds(rates, *sure),
        # The site's own plates were read with its product file: its thresholds know the form already.
        formed=(),
        looks={1: _one_look(measured_on, *least)} | ({2: twice} if twice.of else {}),
        least_confidence=least[0],
        least_margin=least[1],
    )
    calibrate_report.show(found, held, rates)
    return found


def _start(reader: str, reader_hash: str) -> Calibration:
    """What scores start from: the weights that come with edge for its own reader, else the least certain character."""
    bundled = read_calibration()
    if bundled.reader == reader:
        return replace(bundled, reader_hash=reader_hash)
    return Calibration(reader, reader_hash, 0.0, {"confidence": 1.0}, ((0.0, 0.5),))


def _score(calibration: Calibration, read: Read) -> float:
    """A look is as sure as its least sure field."""
    return min(map(calibration.score, read.fields.values())) if read.complete else float("-inf")


def _confident(read: Read, least_confidence: float, least_margin: float) -> bool:
    return read.complete and all(
        field.confidence >= least_confidence and field.margin >= least_margin for field in read.fields.values()
    )


def _one_look(reads: Sequence[Read], least_confidence: float, least_margin: float) -> Measured:
    accepted = [read for read in reads if _confident(read, least_confidence, least_margin)]
    return Measured(len(accepted), sum(read.wrong for read in accepted), len(reads))


def _two_looks(reads: Sequence[Read], least_confidence: float, least_margin: float) -> Measured:
    """How neighbours among the images of one plate came out that agree; no part in any fit, so all of them count."""
    by_plate: dict[Any, list[Read]] = {}
    for read in reads:
        by_plate.setdefault(tuple(sorted(read.label.texts.items())), []).append(read)
    pairs = [pair for plate in by_plate.values() for pair in pairwise(plate)]
    agree = [
        pair for pair in pairs if all(_confident(r, least_confidence, least_margin) for r in pair) and _alike(*pair)
    ]
    return Measured(len(agree), sum(one.wrong for one, _ in agree), len(pairs))


def _alike(one: Read, other: Read) -> bool:
    return all(same(field.text, other.fields[name].text) for name, field in one.fields.items())
