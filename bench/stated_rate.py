"""Count what a stated false-accept rate lets pass, and passes wrongly, on reads of a seed that no fit used.

    python -m bench.stated_rate READS.jsonl [...] [--rate 0.0001] [--calibration FILE]

READS come from `python -m training.calibration.reads values|looks --seed N -o READS.jsonl --processes P`, N another
seed than the fit's. Prints a row for each rate that the calibration has a threshold for: reads, accepted, wrong ones
among them with their 95 % interval (Clopper-Pearson), for all reads, for those of frames with nothing spoilt, and for
texts of the printed form, which a product's pattern knows (what has another form is as good as not read).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from edge.calibrations import BUNDLED, read_calibration
from edge.core.calibration import Calibration
from edge.core.reliability import Scored, measured
from training.calibration.fit import fields_of, looks_scored, of_the_form, scored
from training.kept import kept

Line = Mapping[str, Any]
#: The median over drawn plates that the fit was made with.
_LINK = 6.0


def read_anew(calibration: Calibration, lines: Sequence[Line], link: float) -> list[Scored]:
    """Give each read with its score: a look counts whole, a value for itself with the link that the fit gave it."""
    looks = [line for line in lines if line["kind"] == "looks"]
    values = [line for line in lines if line["kind"] == "values"]
    return [*looks_scored(calibration, looks), *scored(calibration, fields_of(values, link))]


def _not_spoilt(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if "spoilt" not in line["turn"]]


def rows(calibration: Calibration, lines: Sequence[Line], link: float, rates: Iterable[float]) -> Iterator[str]:
    """Give the table."""
    formed = [of_the_form(line) for line in lines]
    sets = {
        "all": (lines, calibration.thresholds),
        "nothing spoilt": (_not_spoilt(lines), calibration.thresholds),
        "form known": (formed, calibration.formed),
        "form known, nothing spoilt": (_not_spoilt(formed), calibration.formed),
    }
    for name, (some, thresholds) in sets.items():
        reads = read_anew(calibration, some, link)
        for one in thresholds:
            if one.rate not in rates and rates:
                continue
            found = measured(reads, one.score)
            low, high = found.interval
            share = found.accepted / max(found.of, 1)
            yield (
                f"{name}: rate {one.rate:g} (score {one.score:.3f}): {found.accepted} of {found.of} accepted "
                f"({share:.1%}), {found.wrong} wrong ({low:.4%} to {high:.4%})"
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reads", nargs="+", type=Path, metavar="READS")
    parser.add_argument("--calibration", type=Path, default=BUNDLED)
    parser.add_argument("--rate", type=float, action="append", default=[], help="else every rate that has a threshold")
    parser.add_argument("--link", type=float, help="the link of values, that were not linked; else the looks' median")
    args = parser.parse_args(arguments)
    calibration = read_calibration(args.calibration)
    lines = [line for path in args.reads for line in kept(path)]
    hashes = {line["reader"] for line in lines if "reader" in line}
    if hashes != {calibration.reader_hash}:
        print(
            f"the reads are by {len(hashes)} readers, and the calibration by {calibration.reader_hash[:12]}: read anew"
        )
        return 1
    looks = [one for one, _ in fields_of([line for line in lines if line["kind"] == "looks"])]
    link = args.link if args.link is not None else median([one.measures["link"] for one in looks] or [_LINK])
    for row in rows(calibration, lines, link, args.rate):
        print(row)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
