"""What a retake is worth: the diagnosed action against the same settings again, and what several looks are together.

    python -m bench.retakes [--parts 12] [--looks 24] [--seed 900]

Parts are drawn and lit by the simulator's optics: a highlight, a moving part, too little light, a plate cut off by the
frame. Each is taken until its frame is fit and both texts are read right, or the attempts are spent: once with the
station's own next take (`edge.core.retake`), once blindly, with the settings of the first frame again. Printed are
counts of pairs (the same part, both ways), with the probability of such a difference by chance (McNemar, exact).
Where the action is to move the part, somebody does (diagnosed), or nobody knows to (blind). Scratched plates count the
attempts until the station gives up. Then: exact texts after 1 to 4 looks combined (`edge.core.evidence`), against
single looks, on plates that one look often misreads.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb
from typing import Any

import numpy as np

from edge.core.assess import assess
from edge.core.evidence import combine
from edge.core.fields import Product
from edge.core.gate import DEFAULT_LIMITS, judge
from edge.core.match import same
from edge.core.outcome import Attempt, Defect
from edge.core.policy import Policy
from edge.core.reading import Reading
from edge.core.retake import Take, changed, helped, next_take
from edge.products import load_product
from edge.readers.ocr import Ocr
from edge.vision import quality
from simulator.material import MATERIALS, Picture, Wear, surface
from simulator.optics import Conditions, Pose, Sensor, Settings, expose
from simulator.plate import Design, design, draw

SENSOR = Sensor(1280, 800)
ATTEMPTS = 4
#: So much is taken for one attempt: the budget of time is not what is tried here.
ATTEMPT_US = 1000
POLICY = Policy(max_attempts=ATTEMPTS, retake_budget_us=1_000_000_000, looks=1)


@dataclass(frozen=True, slots=True)
class Part:
    """A plate, how it lies, and what light, lens and motion do to it."""

    plan: Design
    look: Picture
    pose: Pose
    conditions: Conditions

    def frame(self, settings: Settings, counter: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """One exposure."""
        frame = expose(self.look, self.pose, self.conditions, settings, SENSOR, seed="retakes", counter=counter)
        return np.asarray(frame, np.uint8)


Spoil = Callable[[random.Random], tuple[dict[str, Any], dict[str, float], Wear]]

#: By the optics alone: changes of the conditions, of the pose, and wear.
SPOILS: Mapping[str, Spoil] = {
    "glare": lambda dice: (
        {
            "glare": dice.uniform(3, 8),
            "glare_x": dice.uniform(0.3, 0.6),
            "glare_y": dice.uniform(0.15, 0.35),
            "glare_size": dice.uniform(0.2, 0.4),
        },
        {},
        Wear(),
    ),
    "blur": lambda dice: (
        {"speed_px_per_ms": dice.uniform(2.5, 6), "motion_degrees": dice.choice((0.0, 90.0, 45.0))},
        {},
        Wear(),
    ),
    "dark": lambda dice: ({"brightness": dice.uniform(0.03, 0.09)}, {}, Wear()),
    "cut_off": lambda dice: ({}, {"x": dice.choice((0.08, 0.92))}, Wear()),
    "scratched": lambda dice: ({}, {}, Wear(scratches=dice.uniform(1.5, 2.5), rubbed=dice.uniform(0.6, 0.8))),
}


@dataclass(frozen=True, slots=True)
class Course:
    """How one part went: whether a frame was fit and read right in the end, and every attempt."""

    read: bool
    attempts: tuple[Attempt, ...]
    fit_at_first: bool


def part_of(seed: str, way: str) -> Part:
    """A drawn part, spoilt in one way."""
    dice = random.Random(f"retakes {seed}")
    material = dice.choice([one for one in MATERIALS if one != "steel_peened"])
    plan = design(seed, language="en", layout="table")
    conditions, pose, wear = SPOILS[way](dice)
    lies = replace(Pose(width=0.8, degrees=dice.uniform(-2, 2)), **pose)
    return Part(plan, surface(draw(plan).ink, material, wear, seed=seed), lies, Conditions(**conditions))


def course(part: Part, reader: Ocr, product: Product, *, diagnosed: bool) -> Course:
    """Take the part until it is read right, nothing is left to try, or the attempts are spent."""
    take = Take("first", (), POLICY.exposure_us, POLICY.light)
    attempts: list[Attempt] = []
    fit_at_first = False
    while True:
        attempt = Attempt(len(attempts) + 1, take.action, take.cause, exposure_us=take.exposure_us, light=take.light)
        frame = part.frame(Settings(take.exposure_us, light=take.light), 10 * len(attempts) + 1)
        attempt, read = _looked(attempt, frame, part.plan, reader, product)
        if attempts:
            last = attempts[-1]
            attempt = replace(attempt, helped=helped(last, attempt), changed=changed(last, attempt))
        attempts.append(attempt)
        fit_at_first = fit_at_first or (len(attempts) == 1 and attempt.texts != {})
        if read or len(attempts) == ATTEMPTS:
            return Course(read, tuple(attempts), fit_at_first)
        if not diagnosed:
            take = replace(take, action="again")
            continue
        following = next_take(attempts, attempt.defects, POLICY, ATTEMPT_US * len(attempts))
        if following is None:
            return Course(False, tuple(attempts), fit_at_first)
        if following.ask:  # somebody moves the part, and the station begins anew
            part = replace(part, pose=replace(part.pose, x=0.5))
        take = following


def _looked(
    attempt: Attempt, frame: np.ndarray[Any, np.dtype[np.uint8]], plan: Design, reader: Ocr, product: Product
) -> tuple[Attempt, bool]:
    """The attempt with what the gate and the reader say, and whether both texts are right."""
    located = reader.locate(frame)
    measured = quality.measure(frame, located.boxes)
    attempt = replace(attempt, quality=measured, defects=judge(measured, DEFAULT_LIMITS).defects)
    if attempt.defects:
        return attempt, False
    reading = reader.read(frame, product, located)
    found = assess([reading], product, POLICY)
    texts = {name: field.text for name, field in reading.fields.items()}
    read = _right(reading, plan)
    # Read wrong, and sure of it: what a station does not see cannot cause a retake; it counts as not read.
    defects = () if read else found.defects or (Defect.LOW_CONFIDENCE,)
    return replace(attempt, texts=texts, defects=defects, confidence=found.confidence), read


def _right(reading: Reading, plan: Design) -> bool:
    return all(same(reading.fields[name].text, getattr(plan, name)) for name in ("model", "serial"))


def retakes(reader: Ocr, product: Product, seed: int, count: int) -> None:
    """Pairs of courses for each way, of parts whose first frame is not read."""
    print(
        f"{'spoilt by':<10} parts  both  diagnosed only  blind only  neither  by chance  attempts  actions that helped"
    )
    for way in SPOILS:
        if way == "scratched":
            continue
        pairs: Counter[tuple[bool, bool]] = Counter()
        did: Counter[str] = Counter()
        used = 0
        for number in range(count):
            part = part_of(f"{way} {seed} {number}", way)
            one = course(part, reader, product, diagnosed=True)
            if one.read and len(one.attempts) == 1:
                continue  # the first frame was read: no retake was asked for
            blind = course(part, reader, product, diagnosed=False)
            pairs[one.read, blind.read] += 1
            used += len(one.attempts)
            did.update(f"{a.action}:{'yes' if a.helped else 'no'}" for a in one.attempts[1:])
        total = pairs.total()
        cells = f"{pairs[True, True]:>4}  {pairs[True, False]:>14}  {pairs[False, True]:>10}  {pairs[False, False]:>7}"
        chance = mcnemar(pairs[True, False], pairs[False, True])
        print(f"{way:<10} {total:>5}  {cells}  {chance:>9.2g}  {used / max(1, total):>8.1f}  {dict(did)}", flush=True)


def scratched(reader: Ocr, product: Product, seed: int, count: int) -> None:
    """How many attempts a plate takes that no light makes readable."""
    own: list[int] = []
    blind: list[int] = []
    for number in range(count):
        part = part_of(f"scratched {seed} {number}", "scratched")
        one = course(part, reader, product, diagnosed=True)
        if not one.read:
            own.append(len(one.attempts))
            blind.append(len(course(part, reader, product, diagnosed=False).attempts))
    if own:
        early = sum(one < ATTEMPTS for one in own)
        means = f"{np.mean(own):.1f} attempts against {np.mean(blind):.1f} blindly, of at most {ATTEMPTS}"
        print(
            f"scratched: {len(own)} of {count} plates are never read; {early} are given up early: {means}", flush=True
        )


def looks(reader: Ocr, product: Product, seed: int, count: int) -> None:
    """Exact texts after 1 to 4 looks, combined and single, and the pairs against the first look alone."""
    combined: Counter[int] = Counter()
    single: Counter[int] = Counter()
    gained: Counter[int] = Counter()
    lost: Counter[int] = Counter()
    for number in range(count):
        dice = random.Random(f"looks {seed} {number}")
        plan = design(f"looks {seed} {number}", language="en", layout="table")
        worn = Wear(rubbed=dice.uniform(0.0, 0.35))
        look = surface(
            draw(plan).ink, dice.choice(list(MATERIALS)), worn, contrast=dice.uniform(0.2, 0.5), seed=str(number)
        )
        readings = [reader.read(_varied(look, dice, turn), product) for turn in range(4)]
        for name in ("model", "serial"):
            fields = [reading.fields[name] for reading in readings]
            alone = [same(field.text, getattr(plan, name)) for field in fields]
            for n in range(1, 5):
                text = combine(fields[:n]).reading.text
                right = same(text, getattr(plan, name))
                combined[n] += right
                single[n] += alone[n - 1]
                gained[n] += right and not alone[0]
                lost[n] += alone[0] and not right
    texts = 2 * count
    print("looks  combined exact  that look alone  gained on the first  lost  by chance")
    for n in range(1, 5):
        chance = mcnemar(gained[n], lost[n])
        cells = f"{combined[n] / texts:>14.1%}  {single[n] / texts:>15.1%}  {gained[n]:>19}  {lost[n]:>4}"
        print(f"{n:>5}  {cells}  {chance:>9.2g}   of {texts} texts")


def _varied(look: Picture, dice: random.Random, turn: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """One of several frames of a part: another light, focus, motion and noise each time."""
    conditions = Conditions(
        brightness=dice.uniform(0.4, 1.0),
        defocus_px=dice.uniform(1, 5),
        speed_px_per_ms=dice.uniform(0, 1.5),
        motion_degrees=dice.uniform(0, 180),
        noise=4.0,
    )
    light = ("normal", "diffuse", "off_axis", "normal")[turn]
    pose = Pose(width=dice.uniform(0.6, 0.8), degrees=dice.uniform(-2, 2))
    frame = expose(look, pose, conditions, Settings(light=light), SENSOR, seed="looks", counter=turn + 1)
    return np.asarray(frame, np.uint8)


def mcnemar(one: int, other: int) -> float:
    """The probability that discordant pairs part so unevenly by chance, two-sided, exact."""
    total, least = one + other, min(one, other)
    tail: int = sum(comb(total, k) for k in range(least + 1))
    return min(1.0, 2.0 * tail / float(2**total))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, default=12, help="parts for each way of spoiling")
    parser.add_argument("--looks", type=int, default=24, help="parts for the curve over looks")
    parser.add_argument("--seed", type=int, default=900)
    args = parser.parse_args(arguments)
    reader = Ocr()
    product = load_product("nameplate", None)
    retakes(reader, product, args.seed, args.parts)
    scratched(reader, product, args.seed, args.parts)
    looks(reader, product, args.seed, args.looks)
    return 0


if __name__ == "__main__":
    sys.exit(main())
