"""Fit what each measure says about a misreading, and write the knots of `edge.vision.scores` that follow from it.

    python -m training.gate.fit [--reads build/gate/reads.jsonl] [--to edge/vision/scores.json]

The curve of a measure is fitted on values (model, serial) of frames that were spoilt in the ways that move it, and of
frames as they are: P(misread) = base + (1 - base) / (1 + exp(-(a + b x))), by iteratively reweighted least squares with
a small ridge; `base` is the share misread on frames as they are, x the raw value, or its logarithm where it is a level.
The decision, for every measure alike: a score of 50 where 1 value in 5 more than on good frames is misread (a misread
look costs about four rejected good ones: it is read, it asks for another look, and it may pass), 20 where 1 in 2 is,
80 where 1 in 100 is or at the worst tenth of good frames, whichever is further. A dark frame is under 50 already where
1 in 10 is: a longer exposure is the surest remedy of all, and a dark look that is misread is given other light. With
the knots stand the number of values and of misreads; isotonic shares (pool adjacent violators), which assume no form,
are printed to judge it by.

Not fitted, since a misreading does not depend on them smoothly: see `KEPT`.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.core.quality import MeasureName
from training.gate.collect import READS
from training.kept import kept

Floats = npt.NDArray[np.float64]

SCORES = Path("edge/vision/scores.json")
#: The excess of misreadings that a score of 50 stands at, unless a measure says otherwise, and those of 80 and 20.
LIMIT, SURE, HOPELESS = 0.20, 0.01, 0.50
#: The share of good frames that score 80 or better on each measure.
GOOD = 0.9
RIDGE = 1e-3


@dataclass(frozen=True, slots=True)
class Measured:
    """How a measure is fitted: the ways that move it, where its scale ends, and whether more is worse."""

    ways: tuple[tuple[str, str], ...]
    best: float
    worst: float
    log: bool = False
    limit: float = LIMIT

    def x_of(self, raw: Floats) -> Floats:
        """What the curve is fitted over."""
        return np.log(np.maximum(raw, 0.5)) if self.log else raw

    @property
    def rising(self) -> bool:
        """Whether a higher raw value is worse."""
        return self.worst > self.best


FITTED: Mapping[MeasureName, Measured] = {
    "sharpness": Measured((("defocus", ""), ("", "blur")), 0.0, 10.0),
    "motion": Measured((("motion", ""), ("", "motion")), 0.0, 12.0),
    "glare": Measured((("glare", ""), ("", "glare_on"), ("", "glare_beside"), ("", "glare_between")), 0.0, 1.5),
    "underexposure": Measured((("dark", ""), ("", "dark")), 128.0, 0.0, log=True, limit=0.10),
    "contrast": Measured((("low_contrast", ""),), 100.0, 0.0, log=True),
    "text_height": Measured((("small", ""), ("", "shrink")), 50.0, 0.0, log=True),
}
#: Knots that stay as people set them, and why.
KEPT: Mapping[MeasureName, tuple[tuple[tuple[float, int], ...], str]] = {
    "overexposure": (
        ((0.0, 100), (0.35, 50), (1.0, 0)),
        "read up to 0.8, but from 0.35 on the ground itself is clipped, and a highlight that hides a digit is not seen",
    ),
    "subject_area": (
        ((0.0, 0), (0.25, 50), (0.6, 100)),
        "a rule of composition: a plate fills 0.3 of its frame, and its outline may keep to a line a sixth less",
    ),
    "cut_off": (((0.0, 100), (0.05, 50), (1.0, 0)), "one line of twenty; which one, only the reading shows"),
    "tilt": (
        ((0.0, 100), (30.0, 50), (180.0, 0)),
        "the reader turns any text upright; for stations that want it level",
    ),
}


def values_of(rows: Sequence[Mapping[str, Any]], name: MeasureName, one: Measured) -> tuple[Floats, Floats]:
    """Raw values of a measure on the boxes of single texts, and whether each was misread (1) or not (0)."""
    found = [
        (value["measures"][name], not value["right"])
        for row in rows
        if tuple(row["way"]) in (("", ""), *one.ways)
        for value in row["values"]
        if value["measures"][name] is not None
    ]
    raw, wrong = np.asarray(found, np.float64).reshape(-1, 2).T
    return raw, wrong


def base_of(rows: Sequence[Mapping[str, Any]]) -> float:
    """The share of values that is misread on frames as they are."""
    wrong = [not value["right"] for row in rows if tuple(row["way"]) == ("", "") for value in row["values"]]
    return float(np.mean(wrong)) if wrong else 0.0


def logistic(raw: Floats, wrong: Floats, base: float) -> tuple[float, float]:
    """`a` and `b` of P = base + (1 - base) / (1 + exp(-(a + b x))), x standardised inside, given for raw values."""
    middle, spread = float(raw.mean()), float(raw.std()) or 1.0
    x = np.column_stack([np.ones_like(raw), (raw - middle) / spread])
    told = np.clip((wrong - base) / (1 - base), 0.0, 1.0)
    weights = np.zeros(2)
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (told - p) - RIDGE * len(raw) * np.array([0.0, weights[1]])
        curve = (x * (p * (1 - p))[:, None]).T @ x + RIDGE * len(raw) * np.diag([1e-6, 1.0])
        step = np.linalg.solve(curve, slope)
        weights = weights + step
        if float(np.abs(step).max()) < 1e-9:
            break
    b = float(weights[1]) / spread
    return float(weights[0]) - b * middle, b


def isotonic(raw: Floats, wrong: Floats, *, rising: bool) -> list[tuple[float, float, int]]:
    """Pooled steps from best to worst: mean raw value, share misread, and how many values, never falling."""
    order = np.argsort(raw if rising else -raw, kind="stable")
    pools: list[tuple[float, float, int]] = []
    for x, y in zip(raw[order], wrong[order], strict=True):
        pools.append((float(x), float(y), 1))
        while len(pools) > 1 and pools[-2][1] >= pools[-1][1]:
            (x1, y1, n1), (x2, y2, n2) = pools[-2:]
            pools[-2:] = [((x1 * n1 + x2 * n2) / (n1 + n2), (y1 * n1 + y2 * n2) / (n1 + n2), n1 + n2)]
    return pools


def knots_of(a: float, b: float, one: Measured, good: float) -> list[tuple[float, int]]:
    """The knots that the decision gives on a fitted curve, from best to worst, within the measure's scale.

    `good` is the raw value that the worst tenth of good frames begins at.
    """
    knots: list[tuple[float, int]] = [(one.best, 100)]
    for score, excess in ((80, SURE), (50, one.limit), (20, HOPELESS)):
        raw = (math.log(excess / (1 - excess)) - a) / b
        raw = math.exp(raw) if one.log else raw
        if excess == SURE:
            raw = max(raw, good) if one.rising else min(raw, good)
        before = knots[-1][0]
        if raw > before if one.rising else one.worst < raw < before:
            knots.append((round(raw, 3), score))
    last = knots[-1][0]
    worst = max(one.worst, last * 1.2) if one.rising else one.worst
    return [*knots, (round(worst, 3), 0)]


def learnt(rows: Sequence[Mapping[str, Any]]) -> dict[MeasureName, dict[str, Any]]:
    """For each measure that is fitted: its knots, the curve, and how many values and misreads are behind it."""
    base = base_of(rows)
    as_they_are = [row for row in rows if tuple(row["way"]) == ("", "")]
    found: dict[MeasureName, dict[str, Any]] = {}
    for name, one in FITTED.items():
        raw, wrong = values_of(rows, name, one)
        a, b = logistic(one.x_of(raw), wrong, base)
        good = float(np.quantile(values_of(as_they_are, name, one)[0], GOOD if one.rising else 1 - GOOD))
        counts = {"values": len(raw), "misread": int(wrong.sum())}
        found[name] = {"knots": knots_of(a, b, one, good), **counts, "a": round(a, 4), "b": round(b, 4)}
    return found


def main() -> int:
    """Fit, print, and write the knots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reads", type=Path, default=READS)
    parser.add_argument("--to", type=Path, default=SCORES)
    args = parser.parse_args()
    rows = list(kept(args.reads))
    print(f"{len(rows)} frames; {base_of(rows):.1%} of the values misread on frames as they are")
    facts = learnt(rows)
    for name, found in facts.items():
        one = FITTED[name]
        if (found["b"] > 0) is not one.rising:
            print(f"{name}: the fitted curve runs the wrong way; collect more frames", file=sys.stderr)
            return 1
        pools = isotonic(*values_of(rows, name, one), rising=one.rising)
        told = "; ".join(f"{x:.3g}: {y:.0%} of {n}" for x, y, n in pools if n > 3)
        counts = f"{found['values']} values, {found['misread']} misread"
        print(f"{name:<14} {counts}; knots {found['knots']}; isotonic {told}")
    by_people: dict[MeasureName, dict[str, Any]] = {
        name: {"knots": knots, "kept": why} for name, (knots, why) in KEPT.items()
    }
    args.to.write_text(_text({**facts, **by_people}), encoding="utf-8")
    return 0


def _text(facts: Mapping[MeasureName, Any]) -> str:
    """JSON with one measure a line."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in facts.items())
    return f"{{\n{lines}\n}}\n"


if __name__ == "__main__":
    sys.exit(main())
