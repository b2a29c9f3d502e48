"""Judge one frame by its quality: fit to be read, or which defects stand in the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge.core.fields import Limits
from edge.core.outcome import Defect
from edge.core.quality import MeasureName, Quality

#: Which defect a measure below its limit means.
DEFECT_OF: Mapping[MeasureName, Defect] = {
    "sharpness": Defect.BLUR,
    "motion": Defect.BLUR,
    "glare": Defect.GLARE,
    "overexposure": Defect.BRIGHT,
    "underexposure": Defect.DARK,
    "contrast": Defect.LOW_CONTRAST,
    "text_height": Defect.TOO_SMALL,
    "subject_area": Defect.TOO_SMALL,
    "cut_off": Defect.CUT_OFF,
    "tilt": Defect.TILTED,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's judgement: `defects` is empty exactly where the frame is fit. Worst first."""

    defects: tuple[Defect, ...] = ()

    @property
    def fit(self) -> bool:
        """Whether the frame may be read."""
        return not self.defects


def judge(quality: Quality, limits: Limits) -> Verdict:
    """Say whether a frame may be read; a measure that could not be assessed is not held against it."""
    if quality.num_lines == 0:
        dark_or_bright = _below(quality, limits, ("underexposure", "overexposure"))
        return Verdict((*dark_or_bright, Defect.NO_PLATE))
    return Verdict(_below(quality, limits, tuple(DEFECT_OF)))


def _below(quality: Quality, limits: Limits, names: tuple[MeasureName, ...]) -> tuple[Defect, ...]:
    """Defects of the named measures whose score is under its limit, worst first, each once."""
    found: dict[Defect, int] = {}
    for name in names:
        least = limits.min_scores.get(name)
        measure = quality.measures.get(name)
        if least is None or measure is None or measure.score is None or measure.score >= least:
            continue
        defect = DEFECT_OF[name]
        found[defect] = min(found.get(defect, 101), measure.score - least)
    return tuple(sorted(found, key=lambda defect: found[defect]))
