"""What to change about an unfit frame: in words, and by how much where the measures say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.gate import ADVICE, DEFAULT_LIMITS, DEFECT_OF, judge
from edge.core.gate_advice import advice
from edge.core.outcome import Defect
from edge.core.quality import Measure, MeasureName, Quality
from edge.vision import scores

MEASURES: tuple[MeasureName, ...] = get_args(MeasureName)
LEAST: Mapping[MeasureName, float] = {
    "sharpness": 3.2,
    "motion": 4.0,
    "glare": 0.25,
    "overexposure": 0.35,
    "underexposure": 20.0,
    "contrast": 9.0,
    "text_height": 15.0,
    "subject_area": 0.27,
    "cut_off": 0.05,
    "tilt": 30.0,
}


def frame(raw: Mapping[MeasureName, float], *, num_lines: int = 20) -> Quality:
    """A frame with these raw values, each scored 10; all other measures are at their best."""
    measures = {name: Measure(raw.get(name, 0.0), 10 if name in raw else 100) for name in MEASURES}
    return Quality(measures, num_lines, motion_degrees=45.0)


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("text_height", 11.3, "text is 11 px high and needs 15, so move the camera to 3/4 of its distance"),
        ("text_height", 5.0, "move the camera to 1/3 of its distance or use a lens 3 times as long"),
        ("subject_area", 0.12, "covers 12% of the frame and needs 27%, so move the camera to 2/3 of its distance"),
        ("underexposure", 10.0, "expose 2 times as long or raise the gain by 6.1 dB"),
        ("underexposure", 0.0, "expose at least 20 times as long"),
        ("motion", 8.0, "smeared along 45 degrees over 25% of the text's height, 12% at most, so expose for 1/2 of"),
        ("sharpness", 6.4, "blurred over 20% of the text's height, 10% at most"),
        ("glare", 0.71, "a highlight hides 0.71 text heights of a line, 0.25 at most"),
        ("overexposure", 0.5, "50% of the text's pixels are clipped, 35% at most, so try half the exposure"),
        ("contrast", 6.04, "ink and ground are 6.0 grey levels apart and need 9"),
        ("cut_off", 0.1, "2 of 20 lines end at the frame's edge"),
    ],
)
def test_advice_says_by_how_much(name: MeasureName, raw: float, said: str) -> None:
    """What was measured, what is needed, and the factor that takes one to the other; then what a person can do."""
    (told,) = advice(frame({name: raw}), DEFAULT_LIMITS, LEAST).values()

    assert said in told
    assert told.endswith(ADVICE[DEFECT_OF[name]])


def test_two_measures_of_one_defect_are_one_sentence() -> None:
    """A plate that is small in both ways is told once, with both figures."""
    found = advice(frame({"text_height": 10, "subject_area": 0.1}), DEFAULT_LIMITS, LEAST)

    assert list(found) == [Defect.TOO_SMALL]
    assert "text is 10 px high" in found[Defect.TOO_SMALL]
    assert "the plate covers 10%" in found[Defect.TOO_SMALL]


def test_where_no_plate_is_seen_only_the_light_has_figures() -> None:
    """Measures of a text that was not found are never quoted (L3)."""
    found = advice(frame({"underexposure": 10, "glare": 1.0}, num_lines=0), DEFAULT_LIMITS, LEAST)

    assert list(found) == [Defect.DARK, Defect.NO_PLATE]
    assert found[Defect.NO_PLATE] == ADVICE[Defect.NO_PLATE]


@given(st.dictionaries(st.sampled_from(MEASURES), st.floats(0, 1000)), st.integers(0, 30))
def test_every_defect_that_the_gate_names_has_its_advice(raw: dict[MeasureName, float], num_lines: int) -> None:
    """The gate never rejects a frame without saying what to change, whatever was measured."""
    quality = frame(raw, num_lines=num_lines)

    found = advice(quality, DEFAULT_LIMITS, LEAST)

    assert tuple(found) == judge(quality, DEFAULT_LIMITS).defects
    assert all(text.endswith(ADVICE[defect]) for defect, text in found.items())


@pytest.mark.parametrize("name", MEASURES)
def test_a_limit_and_its_raw_value_are_the_same_point_of_the_curve(name: MeasureName) -> None:
    """What the advice calls needed is what the gate judges by."""
    for least in (20, 50, 80):
        assert scores.score(name, scores.raw_at(name, least)) == least
