"""Which frame to take next, and whether another one is worth its time (law L9).

The action follows the defect. It stops when attempts or time are spent, when nothing is left to try against the
defect, or when the last action against it changed nothing: a scratched plate stays scratched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.core.gate import DEFECT_OF
from edge.core.outcome import Attempt, Defect
from edge.core.policy import Policy

#: An action that helps raises the score of what it was meant for by more than this; the noise of the measures between
#: two frames of the same scene stays within 3 points of 100 (tests/vision/test_quality.py).
LEAST_GAIN = 3
#: The same for a reading's least certain character, 0 to 1.
LEAST_GAIN_CONFIDENCE = 0.02


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to try: another light, the exposure times a factor, or (`ask`) somebody else's help."""

    action: str
    factor: float = 1.0
    light: str | None = None
    ask: bool = False


_AGAIN = Step("again")
_SHORTER = Step("exposure_shorter", factor=0.4)
_LONGER = Step("exposure_longer", factor=2.5)
_OFF_AXIS = Step("light_off_axis", light="off_axis")
_DIFFUSE = Step("light_diffuse", light="diffuse")
_REPOSITION = Step("reposition", ask=True)

#: What to try against each defect, in order. Sources: reader cycles of fixed industrial readers step through light
#: and exposure banks; here the bank is chosen by what is wrong.
STEPS: Mapping[Defect, tuple[Step, ...]] = {
    Defect.GLARE: (_OFF_AXIS, _SHORTER),
    Defect.BLUR: (_SHORTER, _SHORTER),
    Defect.DARK: (_LONGER, _LONGER),
    Defect.BRIGHT: (_SHORTER, _SHORTER),
    Defect.LOW_CONTRAST: (_DIFFUSE, _OFF_AXIS),
    Defect.NO_PLATE: (_AGAIN,),
    Defect.CUT_OFF: (_REPOSITION,),
    Defect.TOO_SMALL: (_REPOSITION,),
    Defect.TILTED: (_REPOSITION,),
    Defect.DISAGREEMENT: (_OFF_AXIS, _DIFFUSE),
    Defect.LOW_CONFIDENCE: (_DIFFUSE, _OFF_AXIS),
}

#: What an exposure may cost that its frame did not show before. Where it has, the same way is not gone further: a
#: third of the light of a frame that lost its contrast shows no text, and the defect that began it is not seen either.
_COST: Mapping[str, frozenset[Defect]] = {
    _SHORTER.action: frozenset({Defect.DARK, Defect.LOW_CONTRAST}),
    _LONGER.action: frozenset({Defect.BRIGHT, Defect.GLARE, Defect.BLUR}),
}

#: What is wrong with a reading rather than with its frame.
_OF_READING = {Defect.DISAGREEMENT, Defect.LOW_CONFIDENCE}

#: A second look of a fit, well-read frame: another light makes its errors less like the first one's.
CONFIRM = Step("second_look", light="diffuse")


@dataclass(frozen=True, slots=True)
class Take:
    """The next frame to take, and why. With `ask`, no frame: somebody has to move the part first."""

    action: str
    cause: tuple[Defect, ...]
    exposure_us: int
    light: str
    ask: bool = False


def next_take(
    attempts: Sequence[Attempt], cause: tuple[Defect, ...], policy: Policy, elapsed_us: int, *, confirm: bool = False
) -> Take | None:
    """Say what to take after the last of `attempts`, or None where another look is not worth it.

    Args:
        attempts: every attempt so far, the last one finished.
        cause: what was wrong with the last one, worst first; empty where the camera or its freshness failed.
        policy: the station's limits.
        elapsed_us: time since the trigger.
        confirm: the last attempt was read well, and a second look is wanted.
    """
    last = attempts[-1]
    if len(attempts) >= policy.max_attempts:
        return None
    if elapsed_us + elapsed_us // len(attempts) > policy.retake_budget_us:
        return None
    if confirm:
        return _take(CONFIRM, (), last, policy)
    if not cause:
        return _take(_AGAIN, (), last, policy)
    for defect in cause:
        step = _untried(defect, attempts)
        if step is None:
            continue
        take = _take(step, (defect,), last, policy)
        if take.ask or (take.exposure_us, take.light) != (last.exposure_us, last.light) or step is _AGAIN:
            return take
    return None


def _untried(defect: Defect, attempts: Sequence[Attempt]) -> Step | None:
    """The first step against a defect that was not tried, or that was tried and helped without being enough."""
    tried = [attempt for attempt in attempts if defect in attempt.cause]
    useless = {attempt.action for attempt in tried if attempt.helped is False} | _too_costly(attempts)
    steps = STEPS[defect][len(tried) :]
    return next((step for step in steps if step.action not in useless), None)


def _too_costly(attempts: Sequence[Attempt]) -> set[str]:
    """The last action, where it brought what it may cost."""
    if len(attempts) < 2:
        return set()
    brought = {*attempts[-1].defects} - {*attempts[-2].defects}
    return {attempts[-1].action} if brought & _COST.get(attempts[-1].action, frozenset()) else set()


def _take(step: Step, cause: tuple[Defect, ...], last: Attempt, policy: Policy) -> Take:
    least, most = policy.exposure_range_us
    before = last.exposure_us or policy.exposure_us
    return Take(
        action=step.action,
        cause=cause,
        exposure_us=min(most, max(least, round(before * step.factor))),
        light=step.light or last.light or policy.light,
        ask=step.ask,
    )


def helped(before: Attempt, after: Attempt) -> bool | None:
    """Whether the action of `after` did something against its cause; None where there was no cause to act on."""
    if not after.cause:
        return None
    if after.failure is not None:
        return False
    return any(defect not in after.defects or _gained(defect, before, after) for defect in after.cause)


def changed(before: Attempt, after: Attempt) -> dict[str, tuple[float, float]]:
    """What the action of `after` was meant for, before and after: the scores of its measures, or the confidence."""
    found: dict[str, tuple[float, float]] = {}
    if before.quality is not None and after.quality is not None:
        for name, measure in before.quality.measures.items():
            now = after.quality.measures.get(name)
            if DEFECT_OF[name] not in after.cause or now is None or measure.score is None or now.score is None:
                continue
            found[name] = measure.score, now.score
    if before.confidence is not None and after.confidence is not None and _OF_READING & {*after.cause}:
        found["confidence"] = before.confidence, after.confidence
    return found


def _gained(defect: Defect, before: Attempt, after: Attempt) -> bool:
    worst_before, worst_after = _worst_score(defect, before), _worst_score(defect, after)
    if worst_before is not None and worst_after is not None:
        return worst_after - worst_before > LEAST_GAIN
    if before.confidence is not None and after.confidence is not None:
        return after.confidence - before.confidence > LEAST_GAIN_CONFIDENCE
    return False


def _worst_score(defect: Defect, attempt: Attempt) -> int | None:
    if attempt.quality is None:
        return None
    scores = [
        measure.score
        for name, measure in attempt.quality.measures.items()
        if DEFECT_OF[name] is defect and measure.score is not None
    ]
    return min(scores, default=None)
