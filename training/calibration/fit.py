"""Fit the ocr reader's calibration to kept reads and measure it on others: `python -m training.calibration.fit`.

Takes `build/calibration/looks.jsonl` and `values.jsonl`; writes `edge/readers/calibration.json`, and
`training/calibration/reliability.json` with the curves. A third of the frames is fitted on; the others are held out:
nothing is fitted on them, no threshold is chosen by them, and every figure that is printed or written is theirs.

Values teach how sure a reading is, since they are many; looks then teach what a near second link takes away from it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.calibrations import BUNDLED
from edge.core.calibration import FEATURES, Calibration, Measured, Threshold, clopper_pearson, in_frame
from edge.core.match import same
from edge.core.reading import Character, FieldReading, Reading, TextLine
from edge.core.reliability import Scored, bands, measured, rescaled, risk_table, thresholds
from training.calibration.reads import FOLDER
from training.kept import kept

RATES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
LEAST = 0.9, 0.2
#: Features that were tried together; what is not worth its place on held-out reads is left out (see the decision).
USED = ("together", "even", "around")
CURVES = Path("training/calibration/reliability.json")
EDGES = (0.0, 1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.3, 1.01)
SHARES = (0.25, 0.5, 0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.96, 1.0)
#: A threshold that fewer held-out looks reached is not shipped: none wrong of so many only says less than 3.7 %.
FEWEST = 100
_PULL = 1.0

Numbers = npt.NDArray[np.float64]
Line = Mapping[str, Any]


def reading(line: Line, name: str, link: float = 0.0) -> FieldReading:
    """The field as it was read, as far as a calibration looks at it.

    A value read by itself was cut out where it stands, so that nothing is known of its link: it is given `link`, and
    how sure its frame is on the whole comes from the other values.
    """
    one = line["fields"][name]
    facts = (one.get(fact, ()) for fact in ("confidences", "margins", "middles"))
    characters = tuple(
        Character("?", sure, (("!", max(0.0, sure - margin)),), None if middle is None else ((middle, 0.0),) * 4)
        for sure, margin, middle in zip(*facts, strict=True)
    )
    field = FieldReading(name, text=one["text"], characters=characters, measures=one.get("measures", {"link": link}))
    if line.get("kind") != "values":
        return field
    box = ((0.0, 0.0),) * 4
    others = [Character("?", sure) for other in line["fields"].values() for sure in other.get("confidences", ())]
    return in_frame(Reading({name: field}, (TextLine("", box, tuple(others)),)), name)


def fields_of(lines: Iterable[Line], link: float = 0.0) -> Iterator[tuple[FieldReading, bool]]:
    """Every field that was read, and whether it is wrong.

    A value with a blank is left out: read by itself it was kept without, and its characters seem to stand apart.
    """
    for line in lines:
        for name, one in line.get("fields", {}).items():
            if one["text"] and not (line["kind"] == "values" and " " in one["printed"]):
                yield reading(line, name, link), not one["right"]


def held_out(line: Line) -> bool:
    """Whether a frame is one of those that nothing is fitted on: twenty in thirty, of every turn alike."""
    return bool(line["index"] // 10 % 3)


def features(readings: Sequence[FieldReading], names: Sequence[str]) -> Numbers:
    """Reads x features."""
    return np.array([[FEATURES[name][0](one) for name in names] for one in readings]).reshape(len(readings), len(names))


def logistic(inputs: Numbers, right: npt.NDArray[np.bool_], rising: Sequence[bool]) -> Numbers:
    """Weights, bias last, that make their sum the log-odds of being right; none that must not be negative is.

    Newton's method with a small pull to 0; a weight that comes out negative is left out, and the rest fitted again.
    """
    free = np.ones(inputs.shape[1] + 1, bool)
    wide = np.hstack([inputs, np.ones((len(inputs), 1))])
    while True:
        weights = np.zeros(wide.shape[1])
        part = wide[:, free]
        found = np.zeros(free.sum())
        for _ in range(60):
            share = 1 / (1 + np.exp(-np.clip(part @ found, -30, 30)))
            slope = part.T @ (right - share) - _PULL * found
            curve = (part * (share * (1 - share))[:, None]).T @ part + _PULL * np.eye(len(found))
            step = np.linalg.solve(curve, slope)
            found = found + np.clip(step, -2, 2)
            if np.abs(step).max() < 1e-9:
                break
        weights[free] = found
        negative = [n for n, up in enumerate(rising) if up and weights[n] < 0]
        if not negative:
            return weights
        free[min(negative, key=lambda n: weights[n])] = False


def fit(reads: Sequence[tuple[FieldReading, bool]], names: Sequence[str] = USED) -> tuple[dict[str, float], float]:
    """Weights by feature, and the bias."""
    weights = logistic(
        features([one for one, _ in reads], names),
        np.array([not wrong for _, wrong in reads]),
        [FEATURES[name][1] for name in names],
    )
    named = {name: round(float(weight), 6) for name, weight in zip(names, weights[:-1], strict=True) if weight}
    return named, round(float(weights[-1]), 6)


def with_links(calibration: Calibration, looks: Sequence[tuple[FieldReading, bool]]) -> Calibration:
    """The calibration with the weight of links, its scores drawn to what the looks came out as."""
    inputs = np.array([[calibration.score(one), FEATURES["link"][0](one)] for one, _ in looks])
    slope, link, shift = logistic(inputs, np.array([not wrong for _, wrong in looks]), [True, True])
    weights = {name: round(float(slope * weight), 6) for name, weight in calibration.weights.items()}
    bias = round(float(slope * calibration.bias + shift), 6)
    return replace(calibration, bias=bias, weights={**weights, "link": round(float(link), 6)})


def looks_scored(calibration: Calibration, lines: Iterable[Line]) -> list[Scored]:
    """Every look as sure as its least sure field; -inf where a field is missing or under the floor."""
    return [_look(calibration, line) for line in lines if "fields" in line]


def _look(calibration: Calibration, line: Line) -> Scored:
    readings = [reading(line, name) for name in line["fields"]]
    wrong = any(not one["right"] for one in line["fields"].values())
    counts = all(one.text for one in readings) and all(map(_confident, readings))
    return Scored(min(map(calibration.score, readings)) if counts else float("-inf"), wrong)


def scored(calibration: Calibration, fields: Iterable[tuple[FieldReading, bool]]) -> list[Scored]:
    """Every field by itself; -inf where it is under the floor."""
    return [Scored(calibration.score(one) if _confident(one) else float("-inf"), wrong) for one, wrong in fields]


def _confident(one: FieldReading) -> bool:
    return one.confidence >= LEAST[0] and one.margin >= LEAST[1]


def two_looks(calibration: Calibration, lines: Iterable[Line]) -> Measured:
    """How pairs of looks at one plate came out that agree, every character of both at or above the floor."""
    pairs = [line for line in lines if "second" in line and "fields" in line["second"]]
    agree = [
        line
        for line in pairs
        if all(_look(calibration, one).score > float("-inf") for one in (line, line["second"]))
        and all(same(one["text"], line["second"]["fields"][name]["text"]) for name, one in line["fields"].items())
    ]
    return Measured(len(agree), sum(any(not f["right"] for f in p["fields"].values()) for p in agree), len(pairs))


def loss(scores: Numbers, wrong: npt.NDArray[np.bool_]) -> float:
    """Mean log-loss, in nats, of scores as log-odds of being right."""
    return float(np.logaddexp(0, np.where(wrong, scores, -scores)).mean())


def compare(fitted_on: Sequence[tuple[FieldReading, bool]], held: Sequence[tuple[FieldReading, bool]]) -> None:
    """Print what each set of features is worth on held-out reads: the log-loss, the least is the best."""
    wrong = np.array([wrong for _, wrong in held])
    print(f"held-out values: {len(held)}, {wrong.sum()} wrong; log-loss by features")
    for names in (
        ("confidence",), ("margin",), ("together",), ("confidence", "second"), ("confidence", "length"),
        ("together", "length"), ("together", "length", "even"), ("together", "around"), USED,
        ("together", "length", "even", "around"), tuple(name for name in FEATURES if name != "link"),
    ):  # fmt: skip
        weights, bias = fit(fitted_on, names)
        scores = features([one for one, _ in held], names) @ np.array([weights.get(name, 0.0) for name in names]) + bias
        print(f"  {loss(scores, wrong):.5f}  {weights} {bias:+.2f}")


def main() -> int:
    """Fit, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--looks", type=Path, default=FOLDER / "looks.jsonl")
    parser.add_argument("--values", type=Path, default=FOLDER / "values.jsonl")
    parser.add_argument(
        "--more",
        type=Path,
        nargs="*",
        default=[],
        metavar="FILE",
        help="values of other seeds, to choose thresholds by",
    )
    parser.add_argument("-o", "--output", type=Path, default=BUNDLED, metavar="FILE")
    parser.add_argument("--curves", type=Path, default=CURVES)
    args = parser.parse_args()
    looks, values = list(kept(args.looks)), list(kept(args.values))
    more = [line for path in args.more for line in kept(path)]
    ours = {line["reader"] for line in looks if "reader" in line}
    if len(ours) != 1:
        print(f"the looks are by {len(ours)} readers (hashes), and must be by one; read anew", file=sys.stderr)
        return 1
    if {line["reader"] for line in values if "reader" in line} != ours:
        print("some values are by another version of the reader: they still count for the weights")
    on, held = ([line for line in looks if held_out(line) is out] for out in (False, True))
    values_on, values_held = ([line for line in values if held_out(line) is out] for out in (False, True))
    link = median(one.measures["link"] for one, _ in fields_of(on))
    fitted_on = [*fields_of(on), *fields_of(values_on, link)]
    compare(list(fields_of(values_on, link)), list(fields_of(values_held, link)))
    weights, bias = fit(list(fields_of(values_on, link)))
    found = Calibration("ocr", ours.pop(), bias, weights, ((0.0, 0.5),), (), {}, *LEAST)
    found = with_links(found, list(fields_of(on)))
    found = replace(found, risk=risk_table([Scored(found.score(one), wrong) for one, wrong in fitted_on]))
    sure_held = looks_scored(found, held)
    found = replace(
        found,
        # A look is no surer than its fields, and values are many: thresholds are chosen by both.
        thresholds=thresholds(
            RATES, [*looks_scored(found, on), *scored(found, fields_of([*values_on, *more], link))], sure_held
        ),
        looks={1: measured(sure_held, -1e300), 2: two_looks(found, looks)},
    )
    found = replace(
        found,
        thresholds=tuple(one for one in found.thresholds if one.measured.accepted >= FEWEST),
        formed=formed(found, (on, [*values_on, *more]), (held, values_held), link),
    )
    args.output.write_text(json.dumps(found.facts, indent=1) + "\n", encoding="utf-8")
    curves = report(found, held, list(fields_of(values_held, link)))
    args.curves.write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")
    return 0


def formed(
    found: Calibration, chosen: Sequence[Sequence[Line]], held: Sequence[Sequence[Line]], link: float
) -> tuple[Threshold, ...]:
    """Thresholds for texts of the printed form, chosen on some looks and values and measured on the others.

    Of those far fewer are wrong than the scores say, which were fitted on all: a slope and a shift make up for it.
    """

    def reads(kinds: Sequence[Sequence[Line]]) -> list[Scored]:
        looks, values = ([of_the_form(line) for line in lines] for lines in kinds)
        return [*looks_scored(found, looks), *scored(found, fields_of(values, link))]

    # What is under the floor of any pass is no read that a threshold could be chosen by.
    on, others = [one for one in reads(chosen) if isfinite(one.score)], reads(held)
    slope, shift = rescaled(on)
    said = [replace(one, score=slope * one.score + shift) for one in on]
    taken = [Scored(slope * one.score + shift, one.wrong) for one in others]
    kept_ones = [one for one in thresholds(RATES, said, taken) if one.measured.accepted >= FEWEST]
    return tuple(replace(one, score=(one.score - shift) / slope) for one in kept_ones)


def report(found: Calibration, held: Sequence[Line], values: Sequence[tuple[FieldReading, bool]]) -> dict[str, Any]:
    """Print the tables of held-out reads; give them for the file."""
    sets = {
        "looks": looks_scored(found, held),
        "looks, nothing spoilt": looks_scored(found, [line for line in held if "spoilt" not in line["turn"]]),
        "looks, of the printed form": looks_scored(found, map(of_the_form, held)),
        "values": scored(found, values),
    }
    curves: dict[str, Any] = {"thresholds": {}, "reliability": {}}
    for name, reads in sets.items():
        print(f"\n{name}: {len(reads)} held out; rate asked for, accepted, wrong, share wrong (95 %)")
        rows: list[tuple[float | None, Measured]] = [(t.rate, measured(reads, t.score)) for t in found.thresholds]
        rows.append((None, measured(reads, -1e300)))
        for rate, one in rows:
            low, high = one.interval
            share = one.accepted / max(one.of, 1)
            print(f"  {rate or 'floor'!s:>7}  {one.accepted:6d} {share:6.1%} {one.wrong:4d}  ({low:.3%} to {high:.3%})")
        curves["thresholds"][name] = [[rate, one.accepted, one.wrong, one.of] for rate, one in rows]
    fields = [*fields_of(held), *values]
    curves["reliability"] = {
        "before: least confidence as it is": _bands([(1 - one.confidence, wrong) for one, wrong in fields]),
        "after": _bands([(found.wrong(one), wrong) for one, wrong in fields]),
    }
    curves["wrong by share accepted"] = {
        "least confidence": _curve([(one.confidence, wrong) for one, wrong in fields]),
        "score": _curve([(found.score(one), wrong) for one, wrong in fields]),
    }
    for form in found.formed:
        came = form.measured
        low, high = came.interval
        print(
            f"form known, looks and values: {form.rate:g} (score {form.score:.3f}): {came.accepted} of "
            f"{came.of} accepted, {came.wrong} wrong ({low:.4%} to {high:.4%})"
        )
    two = found.looks[2]
    print(f"\ntwo agreeing looks: {two.accepted} of {two.of} pairs, {two.wrong} wrong, 95 % {two.interval}")
    return curves


def of_the_form(line: Line) -> Line:
    """A look at a plate whose product has patterns: what has another form than is printed is as good as not read."""
    if "fields" not in line:
        return line
    fields = {
        name: one
        if _form(one["text"]) == _form(one["printed"])
        else {"printed": one["printed"], "text": "", "right": False}
        for name, one in line["fields"].items()
    }
    return {**line, "fields": fields}


def _form(text: str) -> str:
    return "".join("9" if c.isdigit() else "A" if c.isalpha() else c for c in text if not c.isspace())


def _curve(ranked: Sequence[tuple[float, bool]]) -> list[list[float]]:
    """Rows: share accepted, surest first, fields, wrong ones; printed too."""
    wrong = [wrong for _, wrong in sorted(ranked, key=lambda one: (-one[0], not one[1]))]
    rows: list[list[float]] = [
        [share, round(share * len(wrong)), sum(wrong[: round(share * len(wrong))])] for share in SHARES
    ]
    print("\naccepted: wrong  " + "  ".join(f"{share:.0%}: {number}" for share, _, number in rows))
    return rows


def _bands(said: Sequence[tuple[float, bool]]) -> list[list[float]]:
    """Rows: said from, to, reads, wrong, mean said; printed too."""
    rows = bands([Scored(0.0, wrong) for _, wrong in said], [share for share, _ in said], EDGES)
    print("\nsaid to be wrong      reads wrong  said   counted (95 %)")
    for one in rows:
        low, high = clopper_pearson(one.wrong, one.reads)
        print(
            f"{one.low:8.2%} to {min(one.high, 1):7.2%}  {one.reads:5d} {one.wrong:5d} {one.said:7.2%} "
            f"{one.wrong / one.reads:7.2%} ({low:.2%} to {high:.2%})"
        )
    return [[one.low, min(one.high, 1.0), one.reads, one.wrong, round(one.said, 6)] for one in rows]


if __name__ == "__main__":
    sys.exit(main())
