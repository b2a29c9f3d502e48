"""The gate's scores go the right way, on drawn plates of every material."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

import pytest

from bench.gate_conformance import DIRECTIONS, Conformance, Direction, conformance, plates
from edge.core.gate import DEFAULT_LIMITS
from edge.core.quality import MeasureName
from edge.vision import scores

FACTS = json.loads(resources.files("edge.vision").joinpath("scores.json").read_text(encoding="utf-8"))


@cache
def found() -> dict[Direction, Conformance]:
    """The worst of each direction over all plates."""
    return {one.direction: one for one in conformance(list(plates()))}


@pytest.mark.parametrize("direction", DIRECTIONS, ids=lambda one: f"{one.way}-{'+'.join(one.measures) or 'least'}")
def test_more_of_a_defect_never_raises_the_score(direction: Direction) -> None:
    """More blur, motion, glare, darkness, compression or down-scaling raises no score beyond its stated tolerance."""
    one = found()[direction]

    assert one.holds, one
    assert direction.tolerance <= 20


@pytest.mark.parametrize("way", ["blur", "motion", "glare_on", "dark", "shrink"])
def test_enough_of_a_defect_makes_every_plate_unfit(way: str) -> None:
    """Whatever the material, the strongest spoiling that is tried ends under the limit."""
    least = [plate for plate in found().values() if plate.direction.way == way and not plate.direction.measures]

    assert all(one.scores[-1] < min(DEFAULT_LIMITS.min_scores.values()) for one in least)


@pytest.mark.parametrize("name", [name for name, one in FACTS.items() if "kept" not in one])
def test_a_learnt_curve_says_how_many_texts_it_rests_on(name: MeasureName) -> None:
    """No learnt threshold without the reads behind it: texts, and misreads among them."""
    assert FACTS[name]["values"] >= 100
    assert FACTS[name]["misread"] >= 10
    assert 50 in [score for _, score in scores.SCORES[name]]


def test_every_other_curve_says_why_it_is_not_learnt() -> None:
    """A threshold that people set has its reason beside it."""
    assert all(len(one["kept"]) > 20 for one in FACTS.values() if "values" not in one)
