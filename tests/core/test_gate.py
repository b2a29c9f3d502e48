"""The gate: which defects a frame's scores mean, in which order, and what to do about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.fields import Limits
from edge.core.gate import ADVICE, DEFAULT_LIMITS, DEFECT_OF, Verdict, judge
from edge.core.outcome import Defect
from edge.core.quality import Measure, MeasureName, Quality

MEASURES: tuple[MeasureName, ...] = get_args(MeasureName)
SCORES = st.one_of(st.none(), st.integers(0, 100))


def frame(scores: Mapping[MeasureName, int | None], *, num_lines: int = 5) -> Quality:
    """A frame with these scores, and 100 for the rest."""
    named: dict[MeasureName, int | None] = {**dict.fromkeys(MEASURES, 100), **scores}
    return Quality({name: Measure(None if score is None else 1.0, score) for name, score in named.items()}, num_lines)


def limits(**least: int) -> Limits:
    """Limits by measure."""
    return Limits({name: least[name] for name in MEASURES if name in least})


def test_a_frame_at_its_limits_is_fit() -> None:
    """A score equal to its limit is enough."""
    verdict = judge(frame(dict.fromkeys(MEASURES, 50)), Limits(dict.fromkeys(MEASURES, 50)))

    assert verdict.fit
    assert verdict.defects == ()


@pytest.mark.parametrize("name", MEASURES)
def test_one_point_below_its_limit_each_measure_means_its_defect(name: MeasureName) -> None:
    """Every measure can make a frame unfit, and says which defect it is."""
    verdict = judge(frame({name: 49}), Limits({name: 50}))

    assert not verdict.fit
    assert verdict.defects == (DEFECT_OF[name],)


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_without_a_limit_is_not_judged(name: MeasureName) -> None:
    """A station judges what it set limits for, and nothing else."""
    assert judge(frame({name: 0}), Limits()).fit


@pytest.mark.parametrize("name", MEASURES)
def test_what_could_not_be_assessed_is_not_held_against_the_frame(name: MeasureName) -> None:
    """Could-not-assess is a value of its own and no bad score (L3)."""
    assert judge(frame({name: None}), Limits(dict.fromkeys(MEASURES, 100))).fit


def test_the_worst_defect_comes_first_and_each_comes_once() -> None:
    """The retake fights the first one; two measures of one defect are one defect, as bad as the worse."""
    quality = frame({"glare": 40, "sharpness": 45, "motion": 10, "contrast": 20})

    verdict = judge(quality, limits(glare=50, sharpness=50, motion=50, contrast=50))

    assert verdict.defects == (Defect.BLUR, Defect.LOW_CONTRAST, Defect.GLARE)


def test_no_text_is_no_plate_whatever_the_limits() -> None:
    """A frame on which no text was found can never be fit (L4)."""
    assert judge(frame({}, num_lines=0), Limits()) == Verdict((Defect.NO_PLATE,))


@pytest.mark.parametrize(("name", "defect"), [("underexposure", Defect.DARK), ("overexposure", Defect.BRIGHT)])
def test_a_dark_or_bright_frame_without_text_says_so_first(name: MeasureName, defect: Defect) -> None:
    """Where light hides the plate, the light is the cause that a retake can act on."""
    assert judge(frame({name: 3}, num_lines=0), DEFAULT_LIMITS).defects == (defect, Defect.NO_PLATE)


def test_every_defect_has_advice_and_every_measure_a_defect() -> None:
    """Nothing that the gate can say is left without what to change."""
    assert set(ADVICE) == set(Defect)
    assert set(DEFECT_OF) == set(MEASURES)
    assert all(text and text == text.strip(" .") for text in ADVICE.values())


def test_the_default_limits_judge_all_measures_but_tilt() -> None:
    """The reader turns text upright itself, so only a station that wants its parts level judges tilt."""
    assert set(DEFAULT_LIMITS.min_scores) == set(MEASURES) - {"tilt"}


@given(
    st.dictionaries(st.sampled_from(MEASURES), SCORES), st.dictionaries(st.sampled_from(MEASURES), st.integers(0, 100))
)
def test_a_better_frame_never_has_more_defects(
    scores: dict[MeasureName, int | None], least: dict[MeasureName, int]
) -> None:
    """Raising any score never adds a defect, and a stricter limit never removes one."""
    before = set(judge(frame(scores), Limits(least)).defects)

    better: dict[MeasureName, int | None] = {name: None if s is None else min(100, s + 7) for name, s in scores.items()}
    assert set(judge(frame(better), Limits(least)).defects) <= before
    stricter = {name: min(100, limit + 7) for name, limit in least.items()}
    assert set(judge(frame(scores), Limits(stricter)).defects) >= before
