"""What to change about an unfit frame, in words, and by how much where its measures say so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log10, sqrt

from edge.core.fields import Limits
from edge.core.gate import ADVICE, DEFECT_OF, judge
from edge.core.outcome import Defect
from edge.core.quality import MeasureName, Quality

#: Fractions that people set a distance or an exposure by.
_FRACTIONS = ((9, 10), (4, 5), (3, 4), (2, 3), (1, 2), (2, 5), (1, 3), (1, 4), (1, 5), (1, 10))


def advice(quality: Quality, limits: Limits, least: Mapping[MeasureName, float]) -> dict[Defect, str]:
    """A sentence for each defect of a frame, worst first: what was measured, what is needed, what to do.

    Args:
        quality: the frame as measured.
        limits: what it is judged by.
        least: the raw value at which each measure meets its limit (`edge.vision.scores.raws_at`).
    """
    return {defect: _sentence(defect, quality, limits, least) for defect in judge(quality, limits).defects}


def _sentence(defect: Defect, quality: Quality, limits: Limits, least: Mapping[MeasureName, float]) -> str:
    short: dict[MeasureName, tuple[int, float]] = {}
    for name, limit in limits.min_scores.items():
        measure = quality.measures.get(name)
        if DEFECT_OF[name] is not defect or measure is None or measure.score is None or measure.raw is None:
            continue
        if measure.score < limit and name in least and (quality.num_lines or name in _WITHOUT_TEXT):
            short[name] = measure.score - limit, measure.raw
    worst_first = sorted(short, key=lambda name: short[name][0])
    amounts = [_HOW_MUCH[name](short[name][1], least[name], quality) for name in worst_first]
    return ": ".join((*(["; ".join(amounts)] if amounts else []), ADVICE[defect]))


def _sharpness(raw: float, least: float, _quality: Quality) -> str:
    return f"strokes are blurred over {raw / 32:.0%} of the text's height, {least / 32:.0%} at most"


def _motion(raw: float, least: float, quality: Quality) -> str:
    along = "" if quality.motion_degrees is None else f" along {quality.motion_degrees:.0f} degrees"
    smear = f"strokes are smeared{along} over {raw / 32:.0%} of the text's height, {least / 32:.0%} at most"
    return f"{smear}, so expose for {_part(_times(least, raw))} of the time"


def _glare(raw: float, least: float, _quality: Quality) -> str:
    return f"a highlight hides {raw:.2g} text heights of a line, {least:.2g} at most"


def _overexposure(raw: float, least: float, _quality: Quality) -> str:
    return f"{raw:.0%} of the text's pixels are clipped, {least:.0%} at most, so try half the exposure"


def _underexposure(raw: float, least: float, _quality: Quality) -> str:
    level = f"the brighter of ink and ground is at level {raw:.0f} of 255 and needs {least:.0f}"
    if raw < 1:
        return f"{level}, so expose at least {least:.0f} times as long"
    times = _up(_times(least, raw))
    return f"{level}, so expose {times:g} times as long or raise the gain by {_up(20 * log10(times)):g} dB"


def _contrast(raw: float, least: float, _quality: Quality) -> str:
    return f"ink and ground are {raw:.1f} grey levels apart and need {least:.0f}"


def _text_height(raw: float, least: float, _quality: Quality) -> str:
    nearer = f"move the camera to {_part(raw / least)} of its distance"
    longer = f"use a lens {_up(_times(least, raw)):g} times as long"
    return f"text is {raw:.0f} px high and needs {least:.0f}, so {nearer} or {longer}"


def _subject_area(raw: float, least: float, _quality: Quality) -> str:
    share = f"the plate covers {raw:.0%} of the frame and needs {least:.0%}"
    return f"{share}, so move the camera to {_part(sqrt(raw / least))} of its distance or crop"


def _cut_off(raw: float, _least: float, quality: Quality) -> str:
    return f"{max(1, round(raw * quality.num_lines))} of {quality.num_lines} lines end at the frame's edge"


def _tilt(raw: float, least: float, _quality: Quality) -> str:
    return f"the lines run at {raw:.0f} degrees, {least:.0f} at most"


_HOW_MUCH: Mapping[MeasureName, Callable[[float, float, Quality], str]] = {
    "sharpness": _sharpness,
    "motion": _motion,
    "glare": _glare,
    "overexposure": _overexposure,
    "underexposure": _underexposure,
    "contrast": _contrast,
    "text_height": _text_height,
    "subject_area": _subject_area,
    "cut_off": _cut_off,
    "tilt": _tilt,
}
#: What is judged where no text was found.
_WITHOUT_TEXT: tuple[MeasureName, ...] = ("underexposure", "overexposure")


def _part(ratio: float) -> str:
    """The largest handy fraction that is not above a ratio: to go further is safe, to stop short is not."""
    over, under = next((one for one in _FRACTIONS if one[0] / one[1] <= ratio + 1e-9), _FRACTIONS[-1])
    return f"{over}/{under}"


def _times(more: float, less: float) -> float:
    """How many times more one is than the other, at most a hundred."""
    return min(100.0, more / less) if less > 0 else 100.0


def _up(value: float) -> float:
    """A factor rounded up to a tenth; from 10 on to a whole."""
    step = 1 if value >= 10 else 10
    return -int(-value * step // 1) / step
