"""Quality measures: each way of spoiling a frame moves its own score down, and leaves the others in peace."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.core.gate import DEFAULT_LIMITS, judge
from edge.core.outcome import Defect
from edge.core.quality import MeasureName, Quality
from edge.core.retake import LEAST_GAIN
from edge.vision import quality, scores
from tests.vision.drawn_frames import SPOIL, Scene, scene, smeared

WHOLE = scene()
MEASURES: tuple[MeasureName, ...] = get_args(MeasureName)
STRENGTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
#: What goes together in the world: a plate that is far away is small in both ways; less light leaves less contrast;
#: on a clipped ground glare cannot be assessed; a plate on its side takes less of a wide frame.
TOGETHER: dict[MeasureName, set[MeasureName]] = {
    "text_height": {"subject_area"},
    "subject_area": {"text_height"},
    "underexposure": {"contrast"},
    "overexposure": {"glare"},
    "tilt": {"subject_area"},
}


def measured(one: Scene) -> Quality:
    """The frame's quality."""
    return quality.measure(one.frame, one.boxes)


def score_of(one: Scene, name: MeasureName) -> int:
    """The frame's score of one measure, which must be assessable."""
    score = measured(one).measures[name].score
    assert score is not None
    return score


@pytest.mark.parametrize("name", MEASURES)
def test_spoiling_a_frame_one_way_lowers_that_score_step_by_step(name: MeasureName) -> None:
    """The stronger the degradation, the lower its measure's score, down to below the default limit."""
    found = [score_of(SPOIL[name](WHOLE, strength), name) for strength in STRENGTHS]

    assert all(later <= earlier + 1 for earlier, later in pairwise(found)), found
    assert found[0] >= 75
    assert found[-1] < 50


@pytest.mark.parametrize("name", MEASURES)
def test_spoiling_a_frame_one_way_leaves_the_other_scores_above_their_limits(name: MeasureName) -> None:
    """A degradation is not mistaken for another: the cause decides which retake is tried."""
    for strength in STRENGTHS:
        found = measured(SPOIL[name](WHOLE, strength)).measures
        others = {other: found[other].score for other in MEASURES if other != name}

        low = {other for other, score in others.items() if score is None or score < 50}
        assert low <= TOGETHER.get(name, set()), (strength, others)


@pytest.mark.parametrize(
    "name", ["sharpness", "motion", "glare", "overexposure", "underexposure", "contrast", "text_height", "cut_off"]
)
def test_the_gate_names_the_defect_that_was_made(name: MeasureName) -> None:
    """A spoilt frame is unfit for the reason that spoilt it."""
    names = {
        "sharpness": Defect.BLUR,
        "motion": Defect.BLUR,
        "glare": Defect.GLARE,
        "overexposure": Defect.BRIGHT,
        "underexposure": Defect.DARK,
        "contrast": Defect.LOW_CONTRAST,
        "text_height": Defect.TOO_SMALL,
        "cut_off": Defect.CUT_OFF,
    }

    assert judge(measured(WHOLE), DEFAULT_LIMITS).fit
    assert names[name] in judge(measured(SPOIL[name](WHOLE, 1.0)), DEFAULT_LIMITS).defects


@pytest.mark.parametrize("degrees", [0.0, 45.0, 90.0, 135.0])
def test_motion_has_a_direction(degrees: float) -> None:
    """The direction of the smear is found to within one step of the directions that are tried."""
    found = measured(smeared(WHOLE, 0.7, degrees)).motion_degrees

    assert found is not None
    assert min(abs(found - degrees) % 180, -abs(found - degrees) % 180) <= 180 / quality.DIRECTIONS


def test_a_still_frame_has_no_direction_of_motion() -> None:
    """Where nothing moved, no direction is made up."""
    assert measured(WHOLE).motion_degrees is None


@pytest.mark.parametrize(
    "other",
    [
        scene(ink=(230, 230, 230), ground=(20, 20, 20)),
        scene(ink=(30, 30, 30), ground=(201, 168, 76)),
        scene(ink=(20, 20, 20), ground=(245, 245, 245)),
        scene(ink=(255, 255, 255), ground=(160, 30, 30)),
        scene(ink=(110, 110, 110), ground=(170, 170, 170), noise=6),
        scene(scale=0.35),
        scene(scale=2.0),
    ],
    ids=[
        "white on black",
        "brass",
        "white label",
        "clipped ink on red",
        "faint and noisy",
        "small frame",
        "large frame",
    ],
)
def test_a_good_plate_of_any_colour_and_resolution_is_fit(other: Scene) -> None:
    """Inverted print, coloured metal, faint print and low resolution are no blur, no glare and no darkness."""
    found = measured(other)

    assert judge(found, DEFAULT_LIMITS).fit, found.measures
    for name in ("sharpness", "motion", "glare"):
        score = found.measures[name].score
        assert score is not None
        assert score >= 75, (name, found.measures[name])


def test_glare_beside_the_characters_is_no_defect() -> None:
    """A highlight on the plate that covers no line is let be; the same one on a digit is not."""
    beside, upon = WHOLE.frame.copy(), WHOLE.frame.copy()
    cv2.circle(beside, (1400, 600), 90, (255, 255, 255), -1)
    (_, upper), _, (right, lower), _ = WHOLE.boxes[2]
    cv2.circle(upon, (round(right - 40), round((upper + lower) / 2)), 34, (255, 255, 255), -1)

    assert score_of(Scene(beside, WHOLE.boxes), "glare") == 100
    assert score_of(Scene(upon, WHOLE.boxes), "glare") < 50


def test_glare_between_two_lines_is_no_defect() -> None:
    """A highlight that fills the gap between two lines, and only their boxes' rims, hides no character."""
    (_, _), _, (right, lower), (left, _) = WHOLE.boxes[2]
    upper = WHOLE.boxes[3][0][1]
    frame = WHOLE.frame.copy()
    middle, half = round((lower + upper) / 2), round((upper - lower) / 2) + 6
    cv2.ellipse(frame, (round((left + right) / 2), middle), (300, half), 0, 0, 360, (255, 255, 255), -1)

    assert score_of(Scene(frame, WHOLE.boxes), "glare") == 100


@pytest.mark.parametrize(("gap", "fit"), [(0.1, False), (0.5, True)])
def test_glare_next_to_a_lines_end_counts_only_where_it_may_have_swallowed_a_character(gap: float, fit: bool) -> None:
    """A highlight that touches the last character is glare; with half a height of ground in between it is beside."""
    _, (right, upper), (_, lower), _ = WHOLE.boxes[2]
    frame = WHOLE.frame.copy()
    height = lower - upper
    begins = round(right + gap * height)
    cv2.rectangle(frame, (begins, round(upper)), (begins + round(2 * height), round(lower)), (255, 255, 255), -1)

    assert (score_of(Scene(frame, WHOLE.boxes), "glare") >= 50) is fit


@pytest.mark.parametrize("place", [0.3, 0.5, 0.7, 0.9])
def test_glare_on_one_character_is_a_defect_wherever_it_stands(place: float) -> None:
    """A highlight as wide as one digit of one line makes the whole frame unfit, and is called glare."""
    (left, upper), _, (right, lower), _ = WHOLE.boxes[2]
    frame = WHOLE.frame.copy()
    middle = (round(left + place * (right - left)), round((upper + lower) / 2))
    cv2.ellipse(frame, middle, (round(0.3 * (lower - upper)), round(0.45 * (lower - upper))), 0, 0, 360, (255,) * 3, -1)

    assert judge(measured(Scene(frame, WHOLE.boxes)), DEFAULT_LIMITS).defects == (Defect.GLARE,)


def test_a_line_that_ends_in_a_highlight_is_glare() -> None:
    """Where the locator's box stops at a highlight, what it swallowed is looked for just beyond the box."""
    (left, upper), _, (right, lower), _ = WHOLE.boxes[2]
    frame = WHOLE.frame.copy()
    cut = right - 120
    cv2.rectangle(frame, (round(cut), round(upper) - 5), (round(right) + 20, round(lower) + 5), (255, 255, 255), -1)
    boxes = list(WHOLE.boxes)
    boxes[2] = ((left, upper), (cut, upper), (cut, lower), (left, lower))

    assert score_of(Scene(frame, tuple(boxes)), "glare") < 50


def test_two_frames_of_the_same_scene_score_alike() -> None:
    """A sensor's noise alone moves no score by more than a retake has to gain to have helped (L9)."""
    kinds: list[dict[str, Any]] = [{}, {"noise": 5.0}, {"ink": (150, 150, 150), "ground": (190, 190, 190)}]
    for kind in kinds:
        frames = [measured(scene(seed=seed, **kind)) for seed in range(4)]
        for name in MEASURES:
            found = [frame.measures[name].score or 0 for frame in frames]
            assert max(found) - min(found) <= LEAST_GAIN, (name, found)


@pytest.mark.parametrize(
    ("level", "defects"),
    [(4, {Defect.DARK, Defect.NO_PLATE}), (255, {Defect.BRIGHT, Defect.NO_PLATE}), (120, {Defect.NO_PLATE})],
)
def test_a_frame_without_text_says_dark_or_bright_and_could_not_assess_the_rest(
    level: int, defects: set[Defect]
) -> None:
    """Only the light can be judged where no text is; what cannot be assessed is None and no score (L3)."""
    found = quality.measure(np.full((1200, 1920, 3), level, np.uint8), ())

    assert set(judge(found, DEFAULT_LIMITS).defects) == defects
    assert found.num_lines == 0
    assert found.region is None
    for name in MEASURES:
        assessed = name in {"overexposure", "underexposure"}
        assert (found.measures[name].raw is not None) is assessed
        assert (found.measures[name].score is not None) is assessed


def test_a_screw_is_no_line_of_text() -> None:
    """A squat box that stands alone is left out, and changes nothing."""
    screw = ((40.0, 40.0), (110.0, 40.0), (110.0, 110.0), (40.0, 110.0))

    with_screw = quality.measure(WHOLE.frame, (*WHOLE.boxes, screw))

    assert with_screw == measured(WHOLE)
    assert quality.measure(WHOLE.frame, (screw,)).num_lines == 0


def test_the_region_is_the_plate() -> None:
    """The outline found from the text meets the plate's own edges to within a twentieth of its width."""
    region = measured(WHOLE).region

    assert region is not None
    wanted = np.array([[260, 180], [1660, 180], [1660, 1020], [260, 1020]])
    assert np.abs(np.array(region) - wanted).max() <= 70


def test_a_plate_of_many_lines_costs_no_more_than_the_limit() -> None:
    """Of hundreds of lines, an even choice is measured; their number is still told."""
    boxes = WHOLE.boxes * 40

    found = quality.measure(WHOLE.frame, boxes)

    assert found.num_lines == len(boxes)
    assert judge(found, DEFAULT_LIMITS).fit


@pytest.mark.parametrize("name", MEASURES)
def test_scores_are_monotone_and_use_the_whole_scale(name: MeasureName) -> None:
    """A score never rises where the raw value gets worse, and runs from 0 to 100."""
    knots = scores.SCORES[name]
    at = np.linspace(knots[0][0], knots[-1][0], 200)
    found = [scores.score(name, float(raw)) for raw in at]
    steps = np.diff(found)

    assert (steps <= 0).all() or (steps >= 0).all()
    assert {found[0], found[-1]} == {0, 100}


NUMBERS = st.floats(-3000, 5000, allow_nan=False)
QUADS = st.tuples(*[st.tuples(NUMBERS, NUMBERS)] * 4)


@settings(max_examples=60, deadline=None)
@given(boxes=st.lists(QUADS, max_size=5), size=st.tuples(st.integers(1, 300), st.integers(1, 300)))
def test_any_boxes_on_any_frame_give_scores(
    boxes: list[tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]],
    size: tuple[int, int],
) -> None:
    """Boxes without area, twisted, or outside the frame are survived: each score is None or within 0 to 100."""
    frame = np.random.default_rng(1).integers(0, 255, (*size, 3), np.uint8)

    found = quality.measure(frame, boxes)

    assert set(found.measures) == set(MEASURES)
    for one in found.measures.values():
        assert (one.raw is None) == (one.score is None)
        assert one.score is None or 0 <= one.score <= 100
