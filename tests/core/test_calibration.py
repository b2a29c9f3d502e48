"""What a calibration promises: surer is never worse, intervals cover, nonsense is one sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.calibrations import read_calibration
from edge.core.calibration import FEATURES, Calibration, FalseAccept, Measured, Threshold, clopper_pearson, in_frame
from edge.core.reading import Character, FieldReading, Quad, Reading, TextLine

SHARES = st.floats(0, 1)
BOX: Quad = ((0, 0), (1, 0), (1, 1), (0, 1))
CALIBRATION = Calibration(
    "ocr",
    "aa",
    -1.0,
    dict.fromkeys(FEATURES, 0.5),
    ((-2.0, 0.8), (0.0, 0.3), (5.0, 0.001)),
    (Threshold(0.01, 3.0, Measured(900, 4, 1000)), Threshold(0.001, 5.0, Measured(400, 0, 1000))),
    {1: Measured(950, 9, 1000), 2: Measured(300, 1, 320)},
)


def read(confidences: list[float], rivals: list[float] | None = None, link: float = 1.0) -> FieldReading:
    """A field whose characters are so sure, each with a rival."""
    others = rivals or [0.0] * len(confidences)
    characters = tuple(
        Character("7", one, (("1", other),), ((n * 10.0, 0.0),) * 4)
        for n, (one, other) in enumerate(zip(confidences, others, strict=True))
    )
    return FieldReading("serial", "7", "7" * len(characters), characters=characters, measures={"link": link})


@given(st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=12), st.data())
def test_a_less_certain_character_never_makes_a_field_surer(
    pairs: list[tuple[float, float]], data: st.DataObject
) -> None:
    """Whatever is taken from one character's confidence, the field is no less likely wrong."""
    confidences, rivals = [one for one, _ in pairs], [other for _, other in pairs]
    which = data.draw(st.integers(0, len(pairs) - 1))
    lower = [*confidences]
    lower[which] = data.draw(st.floats(0, confidences[which]))

    before, after = read(confidences, rivals), read(lower, rivals)

    assert CALIBRATION.score(after) <= CALIBRATION.score(before)
    assert CALIBRATION.wrong(after) >= CALIBRATION.wrong(before)


@given(SHARES, st.floats(-20, 20), st.floats(0, 20))
def test_a_nearer_second_link_never_makes_a_field_surer(confidence: float, link: float, nearer: float) -> None:
    """Another text that could be the field as well counts against it."""
    assert CALIBRATION.wrong(read([confidence], link=link - nearer)) >= CALIBRATION.wrong(read([confidence], link=link))


@given(st.lists(SHARES, min_size=1, max_size=20), st.data())
def test_a_doubt_anywhere_on_the_frame_never_makes_a_field_surer(confidences: list[float], data: st.DataObject) -> None:
    """A less certain character of another line counts against every field of the frame, if it counts at all."""
    which = data.draw(st.integers(0, len(confidences) - 1))
    lower = [*confidences]
    lower[which] = data.draw(st.floats(0, confidences[which]))

    before, after = (
        in_frame(
            Reading({"serial": read([0.9] * 4)}, (TextLine("", BOX, tuple(Character("7", c) for c in cs)),)), "serial"
        )
        for cs in (confidences, lower)
    )

    assert CALIBRATION.score(after) <= CALIBRATION.score(before)


def test_characters_that_stand_apart_count_against_a_field() -> None:
    """A gap of two widths, which a lost character leaves, makes the field likelier wrong."""
    even = read([0.6] * 6)
    apart = FieldReading(
        "serial",
        text=even.text,
        characters=tuple(
            Character(c.text, c.confidence, c.alternatives, ((n * 10.0 + (15.0 if n > 2 else 0.0), 0.0),) * 4)
            for n, c in enumerate(even.characters)
        ),
        measures=even.measures,
    )

    assert CALIBRATION.wrong(apart) > CALIBRATION.wrong(even)


def test_nothing_read_is_never_sure() -> None:
    """A field that was not read is as good as wrong."""
    assert CALIBRATION.wrong(FieldReading("serial")) == 1.0
    assert CALIBRATION.score(FieldReading("serial")) == float("-inf")


@settings(deadline=None)
@given(st.integers(1, 60), st.data(), st.sampled_from([0.05, 0.32]))
def test_the_interval_misses_the_truth_no_more_often_than_it_says(
    reads: int, data: st.DataObject, outside: float
) -> None:
    """Summed over all that may be counted, the interval holds the true share in 1 - outside of all cases or more."""
    truth = data.draw(st.floats(0.001, 0.999))
    chances = [comb(reads, wrong) * truth**wrong * (1 - truth) ** (reads - wrong) for wrong in range(reads + 1)]

    held = [low <= truth <= high for low, high in (clopper_pearson(n, reads, outside) for n in range(reads + 1))]

    assert sum(chance for chance, inside in zip(chances, held, strict=True) if inside) >= 1 - outside - 1e-9


@pytest.mark.parametrize(
    ("wrong", "reads", "low", "high"),
    [
        (0, 10, 0.0, 0.3084971),
        (1, 10, 0.0025286, 0.4450161),
        (5, 100, 0.0164319, 0.1128349),
        (10, 10, 0.6915029, 1.0),
        (0, 30_000, 0.0, 0.000122955),
        (3, 30_000, 0.0000206226, 0.000292217),
    ],
)
def test_the_interval_is_the_published_one(wrong: int, reads: int, low: float, high: float) -> None:
    """Values of Clopper and Pearson's interval, from the beta distribution's quantiles."""
    found = clopper_pearson(wrong, reads)

    assert list(found) == pytest.approx([low, high], abs=2e-7)


def test_none_wrong_is_not_stated_as_never_wrong() -> None:
    """The stated rate is never 0, and never under the rate that was asked for."""
    assert FalseAccept.of(Measured(99, 0, 100)).rate == 0.005
    assert FalseAccept.of(Measured(999_999, 0, 1_000_000), 1e-4).rate == 1e-4


def test_the_threshold_of_a_rate_is_no_laxer_than_asked() -> None:
    """Between two rates the stricter one's threshold holds; under the least there is none."""
    one = CALIBRATION.threshold(0.005)

    assert one is not None
    assert one.rate == 0.001
    assert CALIBRATION.threshold(0.0001) is None


def test_the_threshold_of_a_known_form_is_the_lower_one() -> None:
    """Where a pattern holds a text to its form, either threshold is enough, and rates count that have no other."""
    counted = Measured(400, 0, 1000)
    formed = replace(CALIBRATION, formed=(Threshold(0.001, 2.0, counted), Threshold(0.0001, 6.0, counted)))

    lower, stricter = formed.threshold(0.001, formed=True), formed.threshold(0.0001, formed=True)

    assert lower is not None
    assert lower.score == 2.0
    assert stricter is not None
    assert stricter.score == 6.0
    assert formed.threshold(0.0001) is None
    assert CALIBRATION.threshold(0.001, formed=True) == CALIBRATION.threshold(0.001)


def test_a_calibration_survives_its_file() -> None:
    """What is written is what is read, and a file from before forms were known has none."""
    formed = replace(CALIBRATION, formed=(Threshold(0.001, 2.0, Measured(400, 0, 1000)),))
    facts = json.loads(json.dumps(formed.facts))

    assert Calibration.of(facts) == formed
    assert Calibration.of({name: fact for name, fact in facts.items() if name != "formed"}) == CALIBRATION


def test_the_bundled_calibration_is_one() -> None:
    """The file that comes with edge loads, and is of the ocr reader."""
    bundled = read_calibration()

    assert bundled.reader == "ocr"
    assert bundled.threshold(1e-2) is not None


NONSENSE = {
    "version": 2,
    "reader": "",
    "reader_hash": 7,
    "bias": "much",
    "weights": {"charm": 1.0},
    "risk": [[0.0, 0.1], [1.0, 0.2]],
    "thresholds": [{"rate": 0.01, "score": 3.0, "accepted": 10, "wrong": 11, "of": 12}],
    "looks": {"six": {"accepted": 1, "wrong": 0, "of": 1}},
    "least_confidence": 1.5,
    "least_margin": None,
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_in_a_calibration_is_one_sentence(name: str) -> None:
    """A fact of the wrong kind is refused by name, not taken and not a traceback."""
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        Calibration.of({**CALIBRATION.facts, name: NONSENSE[name]})


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
    )
)
def test_anything_at_all_is_refused_as_a_calibration(facts: object) -> None:
    """Whatever JSON holds, what is no calibration is a ValueError."""
    with pytest.raises(ValueError, match=r"."):
        Calibration.of(facts)


@pytest.mark.parametrize("name", [name for name, (_, rising) in FEATURES.items() if rising])
def test_a_weight_that_would_turn_doubt_into_certainty_is_refused(name: str) -> None:
    """No file can make a less certain reading the surer one."""
    with pytest.raises(ValueError, match=name):
        Calibration.of({**CALIBRATION.facts, "weights": {name: -0.1}})
