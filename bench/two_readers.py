"""Wrong passes on degraded drawn plates: each reader alone, and every two of them together.

    python bench/two_readers.py ocr vlm [--model FOLDER] [--plates 400] [--seed 77] [--undegraded 200] [--ungated]

Any readers may be named: kinds of `edge read --reader`, or MODULE:CALLABLE that gives one. Every reader sees the same
frames, one of each plate. What would pass is the core's word (`edge.core.assess`), ERP aside: alone, one look whose
every character is at or above the threshold; together, one frame that both read alike, at or above it. A pass is wrong
where a required field is not what is printed. A reader that fails holds the plate. ERP then finds most of what is
wrong here; what it cannot find is another part's serial.

Prints for each threshold: passes, wrong ones, the share of wrong ones with the upper end of its 95 % interval
(Clopper-Pearson), and for pairs how many plates were held because the two disagreed, and how many of those one reader
alone would have passed wrongly.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.accuracy import draw, upper
from edge.adapters import images
from edge.core import gate
from edge.core.assess import Assessment, assess
from edge.core.fields import Product
from edge.core.match import same
from edge.core.outcome import Defect
from edge.core.policy import Policy
from edge.core.reading import Reading
from edge.errors import ReaderError
from edge.products import load_product
from edge.readers import opening
from edge.readers.reader import Reader
from edge.settings import load
from edge.vision import quality

THRESHOLDS = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99)
MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Plate:
    """One frame: what is printed, what was done to it, and what each reader that did not fail read."""

    file: str
    printed: Mapping[str, str]
    degradations: tuple[str, ...]
    readings: Mapping[str, Reading]


@dataclass(frozen=True, slots=True)
class Count:
    """Plates that would pass, those of them that are wrong, and those on which two readers disagreed."""

    passes: tuple[Plate, ...]
    wrong: tuple[Plate, ...]
    disagreed: tuple[Plate, ...] = ()


def plates(folder: Path, readers: Mapping[str, Reader], product: Product, *, gated: bool) -> Iterator[Plate]:
    """Read every labelled frame of a folder with every reader; with `gated`, those that the gate accepts."""
    locator = next(iter(readers.values()))
    for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        label = json.loads(line)
        image = images.load(folder / label["file"])
        located = locator.locate(image)
        if gated and not gate.judge(quality.measure(image, located.boxes), product.limits).fit:
            continue
        readings = {}
        for name, reader in readers.items():
            try:
                # A reader may keep what is its own in `located`.
                found = reader.read(image, product, located if reader is locator else None)
                readings[name] = replace(found, reader=name, others=())
            except ReaderError as error:
                print(f"  {name} failed on {label['file']}: {error}", file=sys.stderr)
        printed = {name: str(label.get(name) or "") for name in product.fields}
        yield Plate(label["file"], printed, tuple(label["degradations"]), readings)


def weigh(plate: Plate, readers: Sequence[str], product: Product, threshold: float) -> Assessment | None:
    """What the core makes of one frame as these readers read it; None where one of them failed."""
    if any(name not in plate.readings for name in readers):
        return None
    fields = {name: replace(rule, min_confidence=threshold) for name, rule in product.fields.items()}
    policy = Policy(single_look_confidence=threshold if len(readers) == 1 else None)
    return assess([plate.readings[name] for name in readers], replace(product, fields=fields), policy)


def count(found: Sequence[Plate], readers: Sequence[str], product: Product, threshold: float) -> Count:
    """Count passes and wrong passes of some readers at a threshold."""
    weighed = [(plate, weigh(plate, readers, product, threshold)) for plate in found]
    passes = [(plate, one) for plate, one in weighed if one is not None and one.reason is None]
    required = [name for name, rule in product.fields.items() if rule.required]
    return Count(
        tuple(plate for plate, _ in passes),
        tuple(p for p, one in passes if any(not same(one.texts.get(n, ""), p.printed[n]) for n in required)),
        tuple(plate for plate, one in weighed if one is not None and Defect.DISAGREEMENT in one.defects),
    )


def report(title: str, found: Sequence[Plate], readers: Sequence[str], product: Product) -> None:
    """Print the table of a set of plates, and the wrong passes of pairs by name."""
    print(f"\n{title}: {len(found)} frames")
    print(f"  {'reader':<16} {'least':>6} {'passes':>7} {'wrong':>6} {'share (95 % upper end)':>24}")
    for threshold in THRESHOLDS:
        alone = {name: count(found, [name], product, threshold) for name in readers}
        for name, one in alone.items():
            print(_row(name, threshold, one))
        for pair in combinations(readers, 2):
            both = count(found, pair, product, threshold)
            caught = {p.file for name in pair for p in alone[name].wrong} - {p.file for p in both.wrong}
            held = f"  held as disagreement {len(both.disagreed)}; wrong passes of one alone not made {len(caught)}"
            print(_row("+".join(pair), threshold, both) + held)
    for pair in combinations(readers, 2):
        for plate in count(found, pair, product, THRESHOLDS[0]).wrong[:MOST_SHOWN]:
            said = {name: {f: r.text for f, r in plate.readings[name].fields.items()} for name in pair}
            print(f"  wrong by both {'+'.join(pair)}: {plate.file} {plate.degradations} {plate.printed} read {said}")


def _row(name: str, threshold: float, one: Count) -> str:
    passes, wrong = len(one.passes), len(one.wrong)
    share = f"{wrong / passes:.4f} ({upper(wrong, passes):.4f})" if passes else "-"
    return f"  {name:<16} {threshold:>6.2f} {passes:>7} {wrong:>6} {share:>24}"


def _open(name: str, args: argparse.Namespace) -> Reader:
    if ":" in name:
        module, _, attribute = name.partition(":")
        made: Callable[[], Reader] = getattr(importlib.import_module(module), attribute)
        return made()
    asked = load(args.config).reader if args.config is not None else None
    model = args.model if name in opening.WITH_MODEL else None
    if asked is None:
        return opening.open_reader(name, model=model, threads=args.threads)
    model = model or asked.model
    return opening.open_reader(name, model=model, device=asked.device, threads=args.threads, remote=asked.remote)


def main() -> None:
    """Draw, read with every reader, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readers", nargs="+", metavar="READER", help="a kind of reader, or MODULE:CALLABLE")
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="model of the vlm reader (else the one of edge)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings of the reader, for device and server")
    parser.add_argument("--plates", type=int, default=400, help="degraded frames (%(default)s)")
    parser.add_argument("--undegraded", type=int, default=200, help="frames that nothing is done to (%(default)s)")
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--product", default="nameplate")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ungated", action="store_true", help="also read what the gate refuses")
    args = parser.parse_args()
    product = load_product(args.product, Path("config/products"))
    names = list(dict.fromkeys(args.readers))
    readers = {name: _open(name, args) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for title, number, options in (
            ("degraded plates", args.plates, ("--degrade", "all", "--without-serial", "0.1")),
            ("plates as they are", args.undegraded, ("--without-serial", "0.1")),
        ):
            if number:
                here = Path(folder) / title.replace(" ", "_")
                draw(here, "--count", str(number), "--seed", str(args.seed), *options)
                report(title, list(plates(here, readers, product, gated=not args.ungated)), names, product)


if __name__ == "__main__":
    main()
