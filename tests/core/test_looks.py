"""Combining looks, comparing texts, and choosing the next frame."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from edge.core.evidence import combine
from edge.core.match import code_verdicts, differing, near_miss, same
from edge.core.outcome import Attempt, Defect
from edge.core.reading import Character, Code, FieldReading, joint_hash, joint_name
from edge.core.retake import STEPS, changed, helped, next_take
from tests.core.parts import MODEL, SERIAL, both, characters, field, policy, product, quality, reading

TEXTS = st.text("ABC018", min_size=1, max_size=6)
CONFIDENCES = st.floats(0.01, 1.0)


def looked(text: str, confidence: float, rival: str | None = None) -> FieldReading:
    """One look at a serial."""
    return replace(field("serial", text), characters=characters(text, confidence, rival))


def test_two_looks_that_agree_are_surer_than_either() -> None:
    """Agreement raises the confidence of the least certain character."""
    one, two = looked("AB12", 0.9, "8"), looked("AB12", 0.92, "8")

    found = combine([one, two])
    assert found.reading.confidence > max(one.confidence, two.confidence)
    assert (found.agreeing, found.looks) == (2, 2)


def test_a_look_that_read_nothing_is_no_look() -> None:
    """An empty look neither agrees nor disagrees (L3)."""
    found = combine([looked("AB12", 0.9), FieldReading("serial")])

    assert (found.agreeing, found.looks) == (1, 1)
    assert not found.disagreement


def test_looks_of_different_length_disagree() -> None:
    """A dropped character is a disagreement, whichever look is surer (L4)."""
    found = combine([looked("AB12", 0.99), looked("AB1", 0.95)])

    assert found.reading.text == "AB12"
    assert found.disagreement


def test_a_text_that_no_look_gave_is_named_and_agrees_with_none() -> None:
    """Characters voted together from different looks are marked with their rule, and no look stands for them (L7)."""
    one = replace(field("serial", "A8"), characters=(Character("A", 0.99), Character("8", 0.5, (("B", 0.49),))))
    two = replace(field("serial", "4B"), characters=(Character("4", 0.5, (("A", 0.49),)), Character("B", 0.99)))

    found = combine([one, two])
    assert (found.reading.text, found.reading.rule) == ("AB", "combined_over_looks")
    assert found.agreeing == 0


def test_two_families_that_agree_on_one_frame_are_two_looks() -> None:
    """The same frame read alike by two families is two looks, surer together than either alone."""
    one = looked("AB12", 0.9, "8")
    found = combine([one, looked("AB12", 0.92, "8")], ["ocr", "vlm"])

    assert (found.agreeing, found.looks, found.against) == (2, 2, ())
    assert found.reading.confidence > 0.92


def test_a_family_that_never_gave_the_text_is_against_it() -> None:
    """Two frames that one family misreads alike do not outvote the other family, however doubtful that one is (L4)."""
    looks = [looked("AB12", 0.99), looked("A812", 0.5), looked("AB12", 0.99), looked("A812", 0.5)]
    found = combine(looks, ["ocr", "vlm", "ocr", "vlm"])

    assert (found.reading.text, found.agreeing, found.against) == ("AB12", 2, ("vlm",))
    assert found.disagreement


def test_nothing_seen_by_the_other_family_is_another_answer() -> None:
    """Where one family reads a text and the other sees none, they disagree; of one family it is no look (L3, L4)."""
    looks = [looked("AB12", 0.99), FieldReading("serial")]

    assert combine(looks, ["ocr", "vlm"]).disagreement
    assert not combine(looks, ["ocr", "ocr"]).disagreement


def test_a_text_that_one_family_cut_is_no_value() -> None:
    """A text cut at the cap by one reader stays marked as cut, though another reader read it whole."""
    cut = replace(looked("AB12", 0.99), finish_reason="length")

    assert combine([looked("AB12", 0.995), cut], ["ocr", "vlm"]).reading.finish_reason == "length"
    assert combine([replace(cut, text="", raw="", characters=())], ["ocr"]).reading.finish_reason == "length"


def test_what_one_look_proposes_stays_said() -> None:
    """A proposal of the less sure look is not lost behind the surer one (L7)."""
    doubtful = replace(looked("AB12", 0.9), alternatives=(("A812", "B->8 at 2"),))

    assert combine([looked("AB12", 0.99), doubtful]).reading.alternatives == (("A812", "B->8 at 2"),)


def test_one_reader_is_never_two_looks_at_a_frame() -> None:
    """A reading whose other looks are by the same reader cannot be made: it would agree with itself (L4)."""
    with pytest.raises(ValueError, match="two looks"):
        replace(reading(), others=(reading(),))


def test_a_reading_gives_its_looks_one_a_reader() -> None:
    """The looks of a frame are its readings by each reader, none of them holding others."""
    frame = both(reading(), reading())

    assert [(look.reader, look.others) for look in frame.looks] == [("ocr", ()), ("vlm", ())]
    assert reading().looks == (reading(),)


def test_the_hash_of_several_readers_tells_each() -> None:
    """Readers together have one name and one hash, which changes with either and with their order; one has its own."""
    assert joint_name(["ocr", "vlm"]) == "ocr+vlm"
    assert joint_hash(["a"]) == "a"
    assert len({joint_hash(["a", "b"]), joint_hash(["b", "a"]), joint_hash(["a", "c"]), joint_hash(["ab"])}) == 4


@given(TEXTS, CONFIDENCES)
def test_one_look_stays_as_it_was(text: str, confidence: float) -> None:
    """A single look is not made surer or less sure than it was."""
    look = looked(text, confidence)

    assert combine([look]).reading == look


@given(st.lists(st.tuples(TEXTS, CONFIDENCES), min_size=1, max_size=4))
def test_combined_confidence_is_a_share(looks: list[tuple[str, float]]) -> None:
    """Whatever the looks say, each character's distribution stays one, and no look counts twice."""
    found = combine([looked(text, confidence) for text, confidence in looks])

    for character in found.reading.characters:
        assert 0.0 <= character.confidence <= 1.0
        if len(looks) > 1 and found.looks > 1:
            assert character.confidence + sum(score for _, score in character.alternatives) <= len(looks)
    assert 0 <= found.agreeing <= found.looks <= len(looks)


def test_blanks_do_not_tell_texts_apart_and_nothing_else_is_forgiven() -> None:
    """Plates and records set blanks as they like; case, dashes and letters count (L6)."""
    assert same("UPS 25-40 180", "UPS25-40180")
    assert not same("UPS 25-40", "UPS 2540")
    assert not same("ab", "AB")


def test_only_fields_that_both_have_can_differ() -> None:
    """A field that the record does not hold, or that was not read, is not compared."""
    names = differing({"serial": "A", "model": "M"}, {"serial": "B", "power": "1 kW", "model": ""})

    assert names == ("serial",)


@pytest.mark.parametrize(
    ("read", "expected", "near"),
    [("2O48", "2048", True), ("2048", "2048", False), ("2148", "2048", False), ("204", "2048", False)],
)
def test_a_near_miss_is_a_confusable_swap_only(read: str, expected: str, near: bool) -> None:
    """Another length or another character is no near miss."""
    assert near_miss(read, expected, ("0O",)) is near


def test_an_unnamed_code_of_another_form_says_nothing() -> None:
    """A bar code with an article number does not contradict the serial, one with the serial's form does."""
    texts = {"serial": SERIAL, "model": MODEL}

    assert code_verdicts([Code("EAN13", "4006381333931")], texts, product()) == {}
    assert code_verdicts([Code("Code128", "11111111AA")], texts, product()) == {"serial": False}
    assert code_verdicts([Code("Code128", SERIAL)], texts, product()) == {"serial": True}


def attempt(number: int, **facts: object) -> Attempt:
    """A finished attempt at 5 ms under the normal light."""
    return replace(Attempt(number, "first", exposure_us=5000, light="normal"), **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize("defect", Defect)
def test_every_defect_has_something_to_try(defect: Defect) -> None:
    """No defect is without an action that fits it (L9)."""
    assert STEPS[defect]


@pytest.mark.parametrize(
    ("defect", "exposure_us", "light"),
    [
        (Defect.GLARE, 5000, "off_axis"),
        (Defect.BLUR, 2000, "normal"),
        (Defect.DARK, 12500, "normal"),
        (Defect.BRIGHT, 2000, "normal"),
        (Defect.LOW_CONTRAST, 5000, "diffuse"),
    ],
)
def test_the_action_fits_the_defect(defect: Defect, exposure_us: int, light: str) -> None:
    """Glare is met with light, blur and brightness with a shorter exposure, dark with a longer one (L9)."""
    take = next_take([attempt(1)], (defect,), policy(), 100_000)

    assert take is not None
    assert (take.exposure_us, take.light, take.cause) == (exposure_us, light, (defect,))


def test_a_scratched_plate_is_not_looked_at_for_ever() -> None:
    """When everything against a defect was tried in vain, there is no further look (L9)."""
    tried = [
        attempt(1),
        attempt(2, cause=(Defect.BLUR,), action="exposure_shorter", exposure_us=2000, helped=False),
    ]

    assert next_take(tried, (Defect.BLUR,), policy(max_attempts=9), 200_000) is None


@pytest.mark.parametrize(
    ("cause", "action", "brought", "orders"),
    [
        (Defect.BLUR, "exposure_shorter", Defect.LOW_CONTRAST, ("light_diffuse", 2000)),
        (Defect.BLUR, "exposure_shorter", Defect.DARK, ("exposure_longer", 5000)),
        (Defect.BLUR, "exposure_shorter", Defect.TOO_SMALL, ("exposure_shorter", 800)),
        (Defect.DARK, "exposure_longer", Defect.BLUR, ("exposure_shorter", 800)),
    ],
)
def test_an_exposure_that_brought_its_cost_is_not_taken_further(
    cause: Defect, action: str, brought: Defect, orders: tuple[str, int]
) -> None:
    """A shorter exposure that helped against blur but lost the contrast is not made shorter still (L9)."""
    one = attempt(1, defects=(cause,))
    two = attempt(2, cause=(cause,), action=action, exposure_us=2000, helped=True, defects=(cause, brought))

    take = next_take([one, two], (cause, brought), policy(max_attempts=9), 200_000)
    assert take is not None
    assert (take.action, take.exposure_us) == orders


def test_attempts_and_time_end_the_looks() -> None:
    """Neither more frames than allowed nor one that could not be taken in time is ordered (L9)."""
    assert next_take([attempt(1)], (Defect.GLARE,), policy(max_attempts=1), 1000) is None
    assert next_take([attempt(1)], (Defect.GLARE,), policy(retake_budget_us=150_000), 100_000) is None


def test_an_exposure_at_its_bound_is_not_ordered_again() -> None:
    """A retake that would change nothing is not worth its time."""
    at_least = attempt(1, exposure_us=50)

    assert next_take([at_least], (Defect.BLUR,), policy(), 1000) is None


@pytest.mark.parametrize(("before", "after", "said"), [(10, 60, True), (10, 12, False), (10, 5, False)])
def test_a_retake_helped_when_its_measure_rose(before: int, after: int, said: bool) -> None:
    """Better than the noise of the measure is help, anything else is not (L9)."""
    one = attempt(1, quality=quality(glare=before), defects=(Defect.GLARE,))
    two = attempt(2, quality=quality(glare=after), defects=(Defect.GLARE,), cause=(Defect.GLARE,))

    assert helped(one, two) is said


def test_a_retake_records_what_it_was_meant_for_before_and_after() -> None:
    """Only measures of the cause, which both frames have, and the confidence where a reading was the cause (L9)."""
    one = attempt(1, quality=quality(glare=10, sharpness=70), defects=(Defect.GLARE,), confidence=0.4)
    two = attempt(2, quality=quality(glare=60, sharpness=20), cause=(Defect.GLARE,), confidence=0.9)
    three = attempt(3, quality=quality(), cause=(Defect.LOW_CONFIDENCE,), confidence=0.97)

    assert changed(one, two) == {"glare": (10, 60)}
    assert changed(two, three) == {"confidence": (0.9, 0.97)}
    assert changed(one, replace(two, quality=None)) == {}
