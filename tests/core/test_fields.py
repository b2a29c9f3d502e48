"""A text's form: normalising says what it changed, checks catch misreads, proposals are named and limited."""

from __future__ import annotations

import re
import string
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.core.fields import CHECKS, MAX_PROPOSALS, MAX_TRIED, FieldRule, fixes_form, normalise, propose, violation

ANY = FieldRule("serial")
PLAIN = string.ascii_uppercase + string.digits + "-/."


def rule(pattern: str, *, confusable: tuple[str, ...] = (), check: str | None = None) -> FieldRule:
    """Give a rule whose pattern holds for the whole text."""
    compiled = re.compile(pattern)
    return FieldRule(
        "serial",
        pattern=pattern,
        matches=lambda text: compiled.fullmatch(text) is not None,
        confusable=confusable,
        check=check,
    )


@pytest.mark.parametrize(
    ("raw", "text", "name"),
    [
        ("GMK1702", "GMK1702", None),
        (" GMK1702 ", "GMK1702", "blanks around"),
        ("ＡＢ１２", "AB12", "full-width forms"),  # noqa: RUF001
        ("AB\u201312\u2212C", "AB-12-C", "dash variants"),
        ("AB   12", "AB 12", "repeated blanks"),
        (" AB\u2014\uff11 ", "AB-1", "blanks around, full-width forms, dash variants"),
        ("TTK 70 S", "TTK 70 S", None),
    ],
)
def test_normalising_names_what_it_changed(raw: str, text: str, name: str | None) -> None:
    """What is written otherwise than printed has the name of the rule that changed it (L7)."""
    assert normalise(raw, ANY) == (text, name)


def test_blanks_inside_go_only_where_the_pattern_asks() -> None:
    """Groups are closed up only when the pattern matches so and not otherwise (L7)."""
    closed = rule("[0-9]{8}[A-Z]{2}")
    grouped = rule("[0-9]{4} [0-9]{4}")

    assert normalise("1234 5678 AB", closed) == ("12345678AB", "blanks inside")
    assert normalise("1234 5678", grouped) == ("1234 5678", None)
    assert normalise("1234 567 AB", closed) == ("1234 567 AB", None)


@settings(deadline=None)
@given(st.text())
def test_normalising_twice_changes_nothing_more(raw: str) -> None:
    """A plain text stays as it is, and a change always has a name (L7)."""
    text, name = normalise(raw, ANY)

    assert normalise(text, ANY) == (text, None)
    assert (text == raw) == (name is None)


@settings(deadline=None)
@given(st.text(alphabet=PLAIN, min_size=1))
def test_printed_characters_are_never_corrected(raw: str) -> None:
    """Letters, digits and plain marks come out as they were printed (L7)."""
    assert normalise(raw, ANY) == (raw, None)


def test_a_violation_is_told_with_its_cause() -> None:
    """The pattern and the check digit each say that they are broken, and a right text says nothing."""
    checked = rule("[0-9]{11}", check="luhn")

    assert violation("79927398713", checked) is None
    assert violation("79927398714", checked) == "has a wrong check digit (luhn)"
    assert violation("7992739871", checked) == "does not match the pattern [0-9]{11}"


def test_an_unknown_check_is_an_error() -> None:
    """A check that does not exist is never a check that holds."""
    with pytest.raises(ValueError, match="check 'crc' of field 'serial' is unknown; use one of luhn"):
        violation("123", rule("[0-9]+", check="crc"))


@pytest.mark.parametrize(
    ("check", "good"),
    [
        ("luhn", "4539 1488 0343 6467"),
        ("luhn", "US0378331005"),
        ("mod11", "0-306-40615-2"),
        ("mod11", "080442957X"),
        ("mod97", "3214282912345698765432161182"),
        ("gs1", "4006381333931"),
        ("gs1", "00012345600012"),
        ("gs1", "106141412345678908"),
    ],
)
def test_published_numbers_hold(check: str, good: str) -> None:
    """Numbers from the standards pass their check, and with any one digit changed they do not."""
    holds = CHECKS[check]

    assert holds(good)
    for index, character in enumerate(good):
        if character.isdigit():
            other = str((int(character) + 1) % 10)
            assert not holds(good[:index] + other + good[index + 1 :]), index


@pytest.mark.parametrize("check", CHECKS)
@settings(deadline=None)
@given(text=st.text(max_size=30))
def test_a_check_answers_any_text(check: str, text: str) -> None:
    """A check says yes or no to whatever was read; it never raises."""
    assert CHECKS[check](text) in (True, False)


@pytest.mark.parametrize(("check", "size"), [("luhn", 1), ("mod11", 1), ("mod97", 2), ("gs1", 1)])
@settings(deadline=None)
@given(body=st.text(alphabet=string.digits, min_size=3, max_size=16))
def test_every_number_has_a_check_digit(check: str, size: int, body: str) -> None:
    """For any digits there is exactly one right ending (mod 11: and X where that is 10)."""
    endings = [f"{number:0{size}d}" for number in range(10**size)] + (["X"] if check == "mod11" else [])

    right = [ending for ending in endings if CHECKS[check](body + ending)]

    assert len(right) == 1


def test_a_proposal_says_what_it_swaps_and_where() -> None:
    """A misread letter is proposed with its swap and place, counted from 1; the text itself stays (L7)."""
    found = propose("12O45678AB", rule("[0-9]{8}[A-Z]{2}", confusable=("0O", "8B")))

    assert found.texts == (("12045678AB", "O->0 at 3"),)
    assert found.complete


def test_a_check_digit_decides_between_proposals() -> None:
    """Among texts that match the pattern only those with the right check digit are proposed."""
    loose = propose("4OO6381333931", rule("[0-9]{13}", confusable=("0O6",)))
    checked = propose("4OO6381333931", rule("[0-9]{13}", confusable=("0O6",), check="gs1"))

    assert len(loose.texts) > len(checked.texts)
    assert ("4006381333931", "O->0 at 2, O->0 at 3") in checked.texts


CONFUSABLE = ("0OD", "1I", "8B", "5S")


@settings(deadline=None)
@given(st.text(alphabet="0OD1I8B5SX7", max_size=7))
def test_proposals_are_all_that_swaps_can_reach(text: str) -> None:
    """A proposal has the right form and differs by confusable characters alone; all are there, or it is said (L12)."""
    wanted = rule("[0-9]*[A-Z]", confusable=CONFUSABLE)
    group: Callable[[str], str] = lambda c: next((g for g in CONFUSABLE if c in g), c)  # noqa: E731
    reachable = {""}
    for character in text:
        reachable = {head + other for head in reachable for other in group(character)}
    right = {other for other in reachable if other != text and wanted.matches(other)}

    found = propose(text, wanted)

    proposed = [proposal for proposal, _ in found.texts]
    assert len(set(proposed)) == len(proposed) <= MAX_PROPOSALS
    assert set(proposed) <= right
    assert not found.complete or set(proposed) == right


def test_a_limit_reached_is_said() -> None:
    """Where proposals are cut by their number or by the texts tried, they say that they are not complete (L12)."""
    many = propose("O" * 6, rule("[0-9O]{6}", confusable=("0O",)))
    tried: list[str] = []

    def no(text: str) -> bool:
        tried.append(text)
        return False

    never = FieldRule("serial", pattern="x", matches=no, confusable=("0O",))
    long = propose("O" * 30, never)

    assert len(many.texts) == MAX_PROPOSALS
    assert not many.complete
    assert len(tried) == MAX_TRIED
    assert not long.complete


@pytest.mark.parametrize(
    ("pattern", "text", "held"),
    [
        ("[A-Z]{2}[0-9]{6}", "AX204813", True),
        ("SN-[0-9]{4}-[A-Z]", "SN-2048-K", True),
        ("[A-Z]{2}[0-9]{5,6}", "AX204813", False),
        ("[A-Z0-9]{8}", "AX204813", False),
        ("AX-?[0-9]{4}", "AX-2048", False),
        (".+", "AX-2048", False),
        ("[A-Z]{2}[0-9]{6}", "AX20481", False),
    ],
)
def test_a_pattern_holds_a_text_to_its_form(pattern: str, text: str, *, held: bool) -> None:
    """Only where no character may be of another kind, go or come, is the form evidence that all were read."""
    assert fixes_form(text, rule(pattern)) is held


def test_no_pattern_and_no_text_hold_nothing() -> None:
    """Without a pattern every form will do, and nothing read has none."""
    four = rule("[0-9]{4}")

    assert not fixes_form("2048", FieldRule("serial"))
    assert not fixes_form("", four)
