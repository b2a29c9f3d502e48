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

#: What a person can change about each defect of a frame. A station's own answer to them is `edge.core.retake`.
ADVICE: Mapping[Defect, str] = {
    Defect.BLUR: "shorten the exposure, hold the part still, and focus on the plate",
    Defect.GLARE: "light from another side or through a diffuser, or shorten the exposure",
    Defect.DARK: "lengthen the exposure, raise the gain, or add light",
    Defect.BRIGHT: "shorten the exposure or dim the light",
    Defect.LOW_CONTRAST: "light from the side so that the marking casts shadow, or clean the plate",
    Defect.TOO_SMALL: "move the camera closer, use a longer lens, or crop to the plate",
    Defect.CUT_OFF: "move the part or the camera until the whole plate is in the frame",
    Defect.NO_PLATE: "check that a part is there, and that the camera looks at its plate",
    Defect.TILTED: "turn the part or the camera until the lines run level",
    Defect.DISAGREEMENT: "take another frame with other light",
    Defect.LOW_CONFIDENCE: "take another frame with other light, or clean the plate",
}

#: The least scores where neither station nor product says otherwise. Every score is scaled so that at 50 the ocr reader
#: misreads one text in five (`edge.vision.scores` has the figures). Tilt is not judged: the reader turns text upright.
DEFAULT_LIMITS = Limits(
    {
        "sharpness": 50,
        "motion": 50,
        "glare": 50,
        "overexposure": 50,
        "underexposure": 50,
        "contrast": 50,
        "text_height": 50,
        "subject_area": 50,
        "cut_off": 50,
    }
)


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
