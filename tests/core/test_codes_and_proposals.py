"""Codes against the printed text, and proposals that only independent evidence turns into a text."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.core.actions import Commit
from edge.core.assess import assess
from edge.core.events import RecordFound
from edge.core.fields import FieldRule, propose
from edge.core.match import code_verdicts
from edge.core.outcome import Reason
from edge.core.reading import Code, Reading
from tests.core.parts import MODEL, PLATE, SERIAL, T, both, field, policy, product, reading, run, triggered, two_looks

OTHER = "11111111AA"
MISREAD = "2O481357KX"


def named(**fields: str) -> Code:
    """A matrix code that names its fields."""
    return Code("QRCode", ";".join(f"{name}:{text}" for name, text in fields.items()), None, fields)


def bare(text: str, kind: str = "Code128") -> Code:
    """A code that holds a text and no name."""
    return Code(kind, text)


def proposing(text: str, *codes: Code, confidence: float = 0.99) -> Reading:
    """A look that read a serial of the wrong form, with what the rule proposes for it."""
    rule = product().fields["serial"]
    plate = reading({**PLATE, "serial": text}, confidence, codes)
    mended = replace(field("serial", text, confidence), alternatives=propose(text, rule).texts)
    return replace(plate, fields={**plate.fields, "serial": mended})


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (named(serial=SERIAL), {"serial": True}),
        (named(serial=OTHER), {"serial": False}),
        (named(model=MODEL), {"model": True}),
        (named(model="AX-4712"), {"model": False}),
        (named(serial=SERIAL, model="AX-4712"), {"serial": True, "model": False}),
        (named(gtin="04012345678901"), {}),
        (bare(SERIAL), {"serial": True}),
        (bare("S" + SERIAL), {"serial": True}),
        (bare("2048 1357 KX"), {"serial": True}),
        (bare("1P" + MODEL), {"model": True}),
        (bare(MODEL), {"model": True}),
        (bare(OTHER), {"serial": False}),
        (bare("S" + OTHER), {"serial": False}),
        (bare("4711"), {}),
        (named(serial=SERIAL.lower()), {}),
        (named(serial="20481357-KX"), {}),
        (named(model="AX4711"), {}),
    ],
)
def test_a_code_speaks_only_of_what_it_names(code: Code, said: dict[str, bool]) -> None:
    """A named value or one of the field's form agrees or contradicts; another field's, case and dashes do not (L4)."""
    assert code_verdicts([code], PLATE, product()) == said


def test_two_codes_that_disagree_are_a_conflict() -> None:
    """Where one code names the serial that was read and another one names a different serial, none is believed (L4)."""
    found = assess([reading(codes=[named(serial=SERIAL), named(serial=OTHER)])] * 2, product(), policy())

    assert found.reason is Reason.CODE_CONFLICT


def test_a_bare_code_that_is_another_fields_text_is_no_conflict() -> None:
    """A model's bar code that happens to have the serial's form does not contradict the serial."""
    texts = {"serial": SERIAL, "model": OTHER}

    assert code_verdicts([bare(OTHER)], texts, product()) == {"model": True}


def test_a_bare_code_with_a_wrong_check_digit_is_another_number() -> None:
    """A code of the serial's pattern whose check digit is wrong is not taken for a serial."""
    rule = replace(product().fields["serial"], pattern="[0-9]+", matches=str.isdecimal, check="luhn")
    what = product(serial=rule)
    texts = {"serial": "79927398713"}

    assert code_verdicts([bare("79927398714")], texts, what) == {}
    assert code_verdicts([bare("79927398713")], texts, what) == {"serial": True}


def test_a_code_is_a_look_of_another_family() -> None:
    """One look and its code are two; the code alone never reads a serial that the text does not show (L4)."""
    checked = product(model=FieldRule("model", required=False))
    found = assess([reading({"serial": SERIAL}, codes=[bare(SERIAL)])], checked, policy())
    unread = assess([reading({"serial": ""}, codes=[bare(SERIAL)])], checked, policy())

    assert (found.verdicts["serial"], found.looks) == ("read", 2)
    assert unread.verdicts["serial"] == "nothing_there"


def test_a_wrong_check_digit_never_passes() -> None:
    """A serial of the right pattern with a wrong check digit is a violation, however often it was read (L4)."""
    rule = replace(product().fields["serial"], pattern="[0-9]+", matches=str.isdecimal, check="luhn", confusable=())
    found = assess([reading({**PLATE, "serial": "79927398714"})] * 3, product(serial=rule), policy())

    assert found.reason is Reason.FORMAT_VIOLATION


def test_a_proposal_that_the_code_says_is_taken_and_told() -> None:
    """The code settles which characters stand there; what was printed and the rule stay in the outcome (L7)."""
    found = assess([proposing(MISREAD, bare(SERIAL))], product(), policy()).evidence["serial"].reading

    assert (found.raw, found.text, found.rule) == (MISREAD, SERIAL, "O->0 at 2, as its code says")


def test_a_proposal_and_its_code_are_two_looks_at_most() -> None:
    """However often the wrong text was read, it stands for one look; the code is the other (L4)."""
    once = assess([proposing(MISREAD, bare(SERIAL))], product(), policy())
    often = assess([proposing(MISREAD, bare(SERIAL))] * 4, product(), policy(looks=3, single_look_confidence=0.5))

    assert once.verdicts["serial"] == "read"
    assert often.verdicts["serial"] == "one_look"


def test_a_code_that_says_no_proposal_settles_nothing() -> None:
    """A code of another serial is a conflict, not a correction (L7)."""
    found = assess([proposing(MISREAD, bare(OTHER))] * 2, product(), policy())

    assert found.reason is Reason.CODE_CONFLICT
    assert found.evidence["serial"].reading.text == MISREAD


def test_a_text_in_groups_is_proposed_without_blanks() -> None:
    """Both changes, the blanks and the character, are named in the proposal's rule (L7)."""
    found = propose("2O48 1357 KX", product().fields["serial"])

    assert found.texts == ((SERIAL, "blanks inside, O->0 at 2"),)
    assert found.complete


CONFUSED = st.text("0O1I8B2X", min_size=10, max_size=10)


@given(CONFUSED, st.integers(1, 4), st.floats(0.9, 1.0))
def test_no_look_turns_into_its_own_proposal(text: str, looks: int, confidence: float) -> None:
    """Without other evidence a text stays as read, and one of the wrong form never passes, however often read (L7)."""
    found = assess([proposing(text, confidence=confidence)] * looks, product(), policy(looks=1))

    assert found.evidence["serial"].reading.text == text
    assert found.verdicts["serial"] != "read" or re.fullmatch("[0-9]{8}[A-Z]{2}", text)


@given(CONFUSED, CONFUSED)
def test_a_text_changes_only_to_what_a_code_says(text: str, code: str) -> None:
    """Whatever is read and whatever the code holds: a text that differs from the raw one is the code's (L7)."""
    found = assess([proposing(text, bare(code))] * 2, product(), policy()).evidence["serial"].reading

    assert found.raw == text
    assert found.text in {text, code}
    assert (found.rule is None) == (found.text == text)


@given(CONFUSED, CONFUSED)
def test_a_code_never_passes_a_text_that_it_contradicts(text: str, code: str) -> None:
    """A field passes with a code of its form only where the two say the same (L4)."""
    found = assess([proposing(text, named(serial=code))] * 3, product(), policy())

    if found.verdicts["serial"] == "read":
        assert found.texts["serial"] == code


@given(CONFUSED, st.integers(1, 3))
def test_another_family_does_not_edit_either(text: str, looks: int) -> None:
    """Where another family reads the proposal, the part is held: nothing is mended (L4, L7)."""
    other = reading({**PLATE, "serial": SERIAL})
    found = assess([look for _ in range(looks) for look in both(proposing(text), other).looks], product(), policy())

    assert found.verdicts["serial"] != "read" or text == SERIAL


@given(st.text("01", min_size=8, max_size=8), st.text("0O1I", min_size=8, max_size=8))
@example("01010101", "01010101")
@example("01010101", "O1010101")
def test_the_record_verifies_and_never_edits(read: str, recorded: str) -> None:
    """Whatever ERP holds, the text stays as read, and it passes only where both are the same (L6, L7)."""
    printed = {"serial": f"{read}KX", "model": MODEL}
    record = RecordFound(T + 400_000, 2, {"serial": f"{recorded}KX", "model": MODEL}, "csv", 0.0)
    _, actions = run(triggered(T, None), *two_looks(printed)[1:], record, mode="identify")

    outcomes = [action.outcome for action in actions if isinstance(action, Commit)]
    assert (outcomes[0].reason is Reason.MATCHED) == (read == recorded) if outcomes else read != recorded
    assert all(outcome.fields["serial"].reading.text == printed["serial"] for outcome in outcomes)
