"""Error-versus-discard curves: how many wrong reads are left when the worst-scored frames are thrown away first.

A gate is worth what its order of frames is worth: the share of frames with a misread text among those kept, against
the share discarded, and the area under that curve (less is better; a gate that knows nothing keeps the share it began
with).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.core.gate import DEFAULT_LIMITS
from edge.core.quality import MeasureName
from edge.vision import scores
from training.gate.fit import FITTED, KEPT, SCORES, learnt

Floats = npt.NDArray[np.float64]
Row = Mapping[str, Any]

#: The curves that stand behind the scores.
LEARNT: Mapping[MeasureName, Mapping[str, Any]] = {
    name: one for name, one in json.loads(SCORES.read_text(encoding="utf-8")).items() if name in FITTED
}

DISCARDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
#: A brightness in the middle of the window of 80 to 220 that guides for document photographs give.
USUAL_BRIGHTNESS = 150.0
#: Below this variance of the Laplacian guides call a photograph blurred.
USUAL_LAPLACIAN = 100.0
RESAMPLES = 400


def margin(row: Row, knots: Mapping[MeasureName, scores.Knots] = scores.SCORES) -> float:
    """By how much the worst measure of a frame is above its limit; what the gate rejects is below 0."""
    if not row["num_lines"]:
        return -100.0
    known = [
        float(np.interp(raw, [at for at, _ in knots[name]], [to for _, to in knots[name]])) - least
        for name, least in DEFAULT_LIMITS.min_scores.items()
        if (raw := row["measures"][name]) is not None
    ]
    return float(min(known, default=-100))


def safety(row: Row, curves: Mapping[MeasureName, Mapping[str, Any]] = LEARNT) -> float:
    """How likely no measure's own curve says misread, all of them taken as independent; -1 without text."""
    if not row["num_lines"]:
        return -1.0
    read = 1.0
    for name, curve in curves.items():
        if (raw := row["measures"][name]) is not None:
            x = float(FITTED[name].x_of(np.asarray(raw)))
            read *= 1 / (1 + math.exp(min(700.0, curve["a"] + curve["b"] * x)))
    return read - (row["measures"]["cut_off"] or 0.0)  # what is cut off is not read


def brightness(row: Row) -> float:
    """How near a frame's mean level is to the usual one."""
    return -abs(float(row["brightness"]) - USUAL_BRIGHTNESS)


def laplacian(row: Row) -> float:
    """The variance of the Laplacian over the whole frame."""
    return float(row["laplacian"])


#: What orders the frames, best first.
GATES: Mapping[str, Callable[[Row], float]] = {
    "edge": margin,
    "edge, all curves": safety,
    "laplacian": laplacian,
    "brightness": brightness,
}


def wrong(row: Row) -> bool:
    """Whether any labelled text of a frame was misread."""
    return not all(value["right"] for value in row["values"])


def errors(order: Floats, bad: Floats) -> Floats:
    """The share of bad frames among the best 1, 2, … all of them; equal scores count as their mean."""
    places = np.argsort(-order, kind="stable")
    _, groups = np.unique(-order[places], return_inverse=True)
    means = np.bincount(groups, bad[places]) / np.bincount(groups)
    return np.asarray(np.cumsum(means[groups]) / np.arange(1, len(bad) + 1), np.float64)


def area(order: Floats, bad: Floats) -> float:
    """The area under the curve, over all shares of discarded frames."""
    return float(errors(order, bad).mean())


def table(rows: Sequence[Row], gates: Mapping[str, Callable[[Row], float]] = GATES) -> Iterator[str]:
    """Curves, areas, and how far the peers' areas are from edge's, with a 95 % interval over resampled frames."""
    bad = np.array([wrong(row) for row in rows], np.float64)
    orders = {name: np.array([gate(row) for row in rows]) for name, gate in gates.items()}
    yield f"{'discarded':<16}" + "".join(f"{share:>8.0%}" for share in DISCARDS) + f"{'area':>9}   area less edge's"
    dice = np.random.default_rng(5)
    samples = [dice.integers(0, len(bad), len(bad)) for _ in range(RESAMPLES)]
    for name, order in orders.items():
        curve = errors(order, bad)
        kept = [max(1, round(len(bad) * (1 - share))) for share in DISCARDS]
        more = [area(order[one], bad[one]) - area(orders["edge"][one], bad[one]) for one in samples]
        low, high = np.percentile(more, (2.5, 97.5))
        cells = "".join(f"{curve[number - 1]:>8.1%}" for number in kept)
        told = (
            ""
            if name == "edge"
            else f"   {area(order, bad) - area(orders['edge'], bad):+.4f} ({low:+.4f} to {high:+.4f})"
        )
        yield f"{name:<16}{cells}{area(order, bad):>9.4f}{told}"
    yield from _at_limits(orders, bad)


def crossed(rows: Sequence[Row]) -> Iterator[str]:
    """The table, each half of the plates ordered by curves that were fitted on the other half alone."""
    halves = [[row for row in rows if int(row["key"].rsplit("-", 1)[1]) % 2 == half] for half in (0, 1)]
    kept = {name: knots for name, (knots, _) in KEPT.items()}
    told = [learnt(halves[1 - half]) for half in (0, 1)]
    knots: list[dict[MeasureName, scores.Knots]] = [
        {**kept, **{name: tuple(sorted(one["knots"])) for name, one in half.items()}} for half in told
    ]
    gates: dict[str, Callable[[Row], float]] = {
        "edge": lambda row: margin(row, knots[row["half"]]),
        "edge, all curves": lambda row: safety(row, told[row["half"]]),
        "laplacian": laplacian,
        "brightness": brightness,
    }
    yield from table([{**row, "half": half} for half in (0, 1) for row in halves[half]], gates)


def _at_limits(orders: Mapping[str, Floats], bad: Floats) -> Iterator[str]:
    """What the gates do at their limits: edge's defaults, and those that guides give for the peers."""
    limits = {
        "edge": (0.0, "default limits"),
        "laplacian": (USUAL_LAPLACIAN, f"variance of {USUAL_LAPLACIAN:g}"),
        "brightness": (-70.0, "mean level 80 to 220"),
    }
    for name, (least, what) in limits.items():
        kept = orders[name] >= least
        share = f"{bad[kept].mean():.1%}" if kept.any() else "-"
        good = int(((bad == 0) & ~kept).sum())
        yield (
            f"{name}, {what}: {1 - kept.mean():.1%} discarded, {share} of the kept {int(kept.sum())} wrong; "
            f"{good} of {int((bad == 0).sum())} well-read frames discarded"
        )
