"""When one look passes a part, and what the outcome then states of how often such passes were wrong."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from edge.core.assess import Assessment, assess
from edge.core.calibration import Calibration, FalseAccept, Measured, Threshold
from edge.core.fields import FieldRule
from edge.core.policy import Policy
from edge.core.reading import Code, Reading
from tests.core.parts import PLATE, SERIAL, both, policy, product, reading

HASH = "0" * 64
ONE, TWO, ABOVE = Measured(900, 9, 1000), Measured(500, 0, 600), Measured(400, 0, 1000)
#: Scores are the least certain character's log-odds: 0.99 is 4.6.
CALIBRATION = Calibration(
    "ocr",
    HASH,
    0.0,
    {"confidence": 1.0},
    ((0.0, 0.5), (9.0, 0.001)),
    (Threshold(0.01, 3.0, ABOVE), Threshold(0.001, 5.0, ABOVE)),
    {1: ONE, 2: TWO},
)


def found(*looks: Reading, **changes: object) -> Assessment:
    """What the looks amount to at a station with this calibration."""
    at: Policy = policy(**{"calibration": CALIBRATION, **changes})
    return assess(looks, product(), at)


def test_one_look_never_passes_unless_it_is_allowed_to() -> None:
    """A calibration by itself lets nothing pass: neither key is set by default (L4)."""
    assert found(reading(confidence=1.0)).confirm


def test_one_look_passes_above_the_threshold_of_the_rate() -> None:
    """At 0.99 the score is 4.6: enough where one in a hundred is asked for, not where one in a thousand is."""
    assert found(reading(), single_look_rate=0.01).reason is None
    assert found(reading(), single_look_rate=0.001).confirm
    assert found(reading(), single_look_rate=0.0001).confirm


def test_one_look_needs_every_threshold_that_is_set() -> None:
    """A confidence and a rate do not stand in for each other."""
    assert found(reading(), single_look_rate=0.01, single_look_confidence=0.995).confirm
    assert found(reading(), single_look_rate=0.001, single_look_confidence=0.9).confirm


def test_a_calibration_of_other_weights_lets_nothing_pass_and_states_nothing() -> None:
    """What was measured with one reader is not said of another, and passes nothing (L4)."""
    other = replace(reading(), reader_hash="1" * 64)

    assert found(other, single_look_rate=0.01).confirm
    assert found(other, other).false_accept is None


def test_one_look_states_what_its_threshold_came_out_as() -> None:
    """Rate, interval and labelled reads are those of the threshold; never less than the rate asked for."""
    stated = found(reading(), single_look_rate=0.01).false_accept

    assert stated == FalseAccept(0.01, ABOVE.interval, 400)


def model_of(pattern: str) -> FieldRule:
    """A model with a pattern."""
    return FieldRule("model", pattern, lambda text: re.fullmatch(pattern, text) is not None)


def test_one_look_passes_by_the_threshold_of_a_known_form() -> None:
    """A pattern that holds each text to its form lets a look pass that would need another one; its rate is stated."""
    counted = Measured(20_000, 0, 30_000)
    calibration = replace(CALIBRATION, formed=(Threshold(0.0001, 4.0, counted),))
    at = policy(calibration=calibration, single_look_rate=0.0001)

    held = assess([reading()], product(model=model_of("AX-[0-9]{4}")), at)
    loose = assess([reading()], product(model=model_of("AX-[0-9]{2,4}")), at)

    assert held.reason is None
    assert held.false_accept == FalseAccept(0.0001, counted.interval, 20_000)
    assert loose.confirm


def test_two_looks_state_what_two_came_out_as() -> None:
    """Two agreeing looks of the calibrated reader rest on the pairs that were counted."""
    assert found(reading(), reading()).false_accept == FalseAccept.of(TWO)


@pytest.mark.parametrize(
    "looks",
    [
        (reading(codes=[Code("QRCode", SERIAL), Code("QRCode", PLATE["model"])]),),
        both(reading(), reading()).looks,
    ],
    ids=["a code", "another reader"],
)
def test_another_family_that_agrees_is_not_counted_as_a_look_that_was_measured(looks: tuple[Reading, ...]) -> None:
    """A code or another reader only makes a pass surer: what one look came out as is stated."""
    assert found(*looks).false_accept == FalseAccept.of(ONE)


def test_a_sites_own_count_goes_before_the_calibration() -> None:
    """What the site states itself has no interval that edge could vouch for."""
    assert found(reading(), reading(), false_accept_rate={2: 0.002}).false_accept == FalseAccept(0.002)


def test_nothing_is_stated_where_the_station_asks_for_less_than_was_measured() -> None:
    """A floor below the calibration's lets other reads pass than were counted."""
    assert found(reading(), reading(), min_margin=0.1).false_accept is None


def test_nothing_is_stated_of_what_does_not_pass() -> None:
    """A look that wants confirming has no false-accept rate."""
    assert found(reading()).false_accept is None
