"""Fit the ocr reader's calibration to kept reads and measure it on others: `python -m training.calibration.fit`.

Takes `build/calibration/looks.jsonl` and `values.jsonl`; writes `edge/readers/calibration.json`, and
`training/calibration/reliability.json` with the curves. Ten frames in twenty are fitted on; the other ten are held out:
nothing is fitted on them, no threshold is chosen by them, and every figure that is printed or written is theirs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.calibrations import BUNDLED
from edge.core.calibration import FEATURES, Calibration, Measured, clopper_pearson
from edge.core.match import same
from edge.core.reading import Character, FieldReading
from edge.core.reliability import Scored, bands, measured, risk_table, thresholds
from training.calibration.reads import FOLDER, kept

RATES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
LEAST = 0.9, 0.2
#: Features that were tried together; what is not worth its place on held-out reads is left out (see the decision).
USED = ("together", "length", "even", "link")
CURVES = Path("training/calibration/reliability.json")
EDGES = (0.0, 1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.3, 1.01)
#: A value by itself was cut out where it stands: its link is as good as certain.
_CERTAIN = {"link": 8.0}
_PULL = 1.0

Numbers = npt.NDArray[np.float64]
Line = Mapping[str, Any]


def reading(kept_field: Mapping[str, Any], measures: Mapping[str, float]) -> FieldReading:
    """The field as it was read, as far as a calibration looks at it."""
    facts = (kept_field.get(name, ()) for name in ("confidences", "margins", "middles"))
    characters = tuple(
        Character("?", one, (("!", max(0.0, one - margin)),), ((middle, 0.0),) * 4)
        for one, margin, middle in zip(*facts, strict=True)
    )
    return FieldReading("", text=kept_field["text"], characters=characters, measures=measures)


def fields_of(line: Line, which: str = "fields") -> Iterator[tuple[FieldReading, bool]]:
    """Every field that was read in a frame's line, and whether it is wrong.

    A value with a blank is left out: read by itself it was kept without, and its characters seem to stand apart.
    """
    for one in line.get(which, {}).values():
        if one["text"] and not (line["kind"] == "values" and " " in one["printed"]):
            yield reading(one, one.get("measures") or _CERTAIN), not one["right"]


def held_out(line: Line) -> bool:
    """Whether a frame is one of those that nothing is fitted on: ten in twenty, of every turn alike."""
    return bool(line["index"] // 10 % 2)


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


def looks_scored(calibration: Calibration, lines: Iterable[Line], *, floor: bool) -> list[Scored]:
    """Every look as sure as its least sure field; -inf where a field is missing or, with `floor`, under the floor."""
    return [_look(calibration, line["fields"], floor=floor) for line in lines if "fields" in line]


def _look(calibration: Calibration, fields: Mapping[str, Any], *, floor: bool) -> Scored:
    readings = [reading(one, one.get("measures") or _CERTAIN) for one in fields.values()]
    wrong = any(not one["right"] for one in fields.values())
    counts = all(one.text for one in readings) and (not floor or all(map(_confident, readings)))
    return Scored(min(map(calibration.score, readings)) if counts else float("-inf"), wrong)


def _confident(one: FieldReading) -> bool:
    return one.confidence >= LEAST[0] and one.margin >= LEAST[1]


def two_looks(calibration: Calibration, lines: Iterable[Line]) -> Measured:
    """How pairs of looks at one plate came out that agree, every character of both at or above the floor."""
    pairs = [line for line in lines if "second" in line and "fields" in line["second"]]
    agree = [
        line
        for line in pairs
        if _look(calibration, line["fields"], floor=True).score > float("-inf")
        and _look(calibration, line["second"]["fields"], floor=True).score > float("-inf")
        and all(same(one["text"], line["second"]["fields"][name]["text"]) for name, one in line["fields"].items())
    ]
    return Measured(len(agree), sum(any(not f["right"] for f in p["fields"].values()) for p in agree), len(pairs))


def loss(scores: Numbers, wrong: npt.NDArray[np.bool_]) -> float:
    """Mean log-loss, in nats, of scores as log-odds of being right."""
    return float(np.logaddexp(0, np.where(wrong, scores, -scores)).mean())


def compare(fitted_on: Sequence[tuple[FieldReading, bool]], held: Sequence[tuple[FieldReading, bool]]) -> None:
    """Print what each set of features is worth on held-out reads: the log-loss, the least is the best."""
    wrong = np.array([wrong for _, wrong in held])
    print(f"held-out fields: {len(held)}, {wrong.sum()} wrong; log-loss by features")
    for names in (
        ("confidence",), ("margin",), ("together",), ("confidence", "second"), ("confidence", "length"),
        ("together", "length"), ("together", "length", "even"), ("together", "link"), USED, tuple(FEATURES),
    ):  # fmt: skip
        weights, bias = fit(fitted_on, names)
        scores = features([one for one, _ in held], names) @ np.array([weights.get(name, 0.0) for name in names]) + bias
        print(f"  {loss(scores, wrong):.5f}  {weights} {bias:+.2f}")


def main() -> int:
    """Fit, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--looks", type=Path, default=FOLDER / "looks.jsonl")
    parser.add_argument("--values", type=Path, default=FOLDER / "values.jsonl")
    parser.add_argument("-o", "--output", type=Path, default=BUNDLED, metavar="FILE")
    parser.add_argument("--curves", type=Path, default=CURVES)
    args = parser.parse_args()
    looks, values = list(kept(args.looks)), list(kept(args.values))
    ours = {line["reader"] for line in (*looks, *values) if "reader" in line}
    if len(ours) != 1:
        print(f"the reads are by {len(ours)} readers (hashes), and must be by one; read anew", file=sys.stderr)
        return 1
    on = [line for line in (*looks, *values) if not held_out(line)]
    held_looks, held_values = ([line for line in lines if held_out(line)] for lines in (looks, values))
    fitted_on = [one for line in on for one in fields_of(line)]
    held_fields = [one for line in held_looks for one in fields_of(line)]
    compare(fitted_on, held_fields)
    weights, bias = fit(fitted_on)
    found = Calibration("ocr", ours.pop(), bias, weights, ((0.0, 0.5),), (), {}, *LEAST)
    chosen = looks_scored(found, (line for line in looks if not held_out(line)), floor=False)
    found = replace(found, risk=risk_table([one for one in chosen if one.score > float("-inf")]))
    sure_on = looks_scored(found, (line for line in looks if not held_out(line)), floor=True)
    sure_held = looks_scored(found, held_looks, floor=True)
    found = replace(
        found,
        thresholds=thresholds(RATES, sure_on, sure_held),
        looks={1: measured(sure_held, -1e300), 2: two_looks(found, looks)},
    )
    args.output.write_text(json.dumps(found.facts, indent=1) + "\n", encoding="utf-8")
    curves = report(found, held_looks, held_values)
    args.curves.write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")
    return 0


def report(found: Calibration, held_looks: Sequence[Line], held_values: Sequence[Line]) -> dict[str, Any]:
    """Print the tables of held-out reads; give them for the file."""
    plain = [line for line in held_looks if "spoilt" not in line["turn"]]
    sets = {
        "looks": looks_scored(found, held_looks, floor=True),
        "looks, nothing spoilt": looks_scored(found, plain, floor=True),
        "values": [
            Scored(found.score(one) if _confident(one) else float("-inf"), wrong)
            for line in held_values
            for one, wrong in fields_of(line)
        ],
    }
    curves: dict[str, Any] = {"thresholds": {}, "reliability": {}}
    for name, scored in sets.items():
        print(f"\n{name}: {len(scored)} held out; rate asked for, accepted, wrong, share wrong (95 %)")
        rows: list[tuple[float | None, Measured]] = [(t.rate, measured(scored, t.score)) for t in found.thresholds]
        rows.append((None, measured(scored, -1e300)))
        for rate, one in rows:
            low, high = one.interval
            share = one.accepted / max(one.of, 1)
            print(f"  {rate or 'floor'!s:>7}  {one.accepted:6d} {share:6.1%} {one.wrong:4d}  ({low:.3%} to {high:.3%})")
        curves["thresholds"][name] = [[rate, one.accepted, one.wrong, one.of] for rate, one in rows]
    curves["reliability"] = {
        "before: least confidence as it is": _bands(
            [(1 - one.confidence, wrong) for one, wrong in _fields(held_looks)]
        ),
        "after": _bands([(found.wrong(one), wrong) for one, wrong in _fields(held_looks)]),
    }
    two = found.looks[2]
    print(f"\ntwo agreeing looks: {two.accepted} of {two.of} pairs, {two.wrong} wrong, 95 % {two.interval}")
    return curves


def _fields(lines: Sequence[Line]) -> list[tuple[FieldReading, bool]]:
    return [one for line in lines for one in fields_of(line)]


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
