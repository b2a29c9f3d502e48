"""Questions in plain words: the field, form, value and order that they mean, in any language of the table."""

from __future__ import annotations

import tomllib
from importlib import resources

import pytest
import regex
from hypothesis import assume, given
from hypothesis import strategies as st

from edge.core.fields import FieldRule, Product
from edge.core.reading import TextLine
from edge.readers.questions import Order, Query, lines_for, understand

QUESTIONS = tomllib.loads(resources.files("edge.readers").joinpath("questions.toml").read_text(encoding="utf-8"))
KEYWORDS = tomllib.loads(
    resources.files("edge.readers.linking.keys").joinpath("keywords.toml").read_text(encoding="utf-8")
)
ASKED = st.sampled_from(
    ["What is the serial number?", "Welches Modell?", "Numéro de série ?", "型号是什么?", "¿Modelo?"]
)
SERIALS = st.from_regex("[0-9]{4,10}[A-Z]{1,3}", fullmatch=True)
MODELS = st.from_regex("[A-Z]{2,3}[ -][0-9]{2,4}(?:[/-][A-Z])?", fullmatch=True)
BOX = ((0.0, 0.0), (9.0, 0.0), (9.0, 2.0), (0.0, 2.0))


def lines(*texts: str) -> list[TextLine]:
    """Lines in reading order."""
    return [TextLine(text, BOX) for text in texts]


@pytest.mark.parametrize(
    ("question", "kind", "fields", "value"),
    [
        ("What is the serial number?", "free", ("serial",), None),
        ("S/N?", "free", ("serial",), None),
        ("Welche Seriennummer hat das Gerät? Nur Ziffern.", "digits", ("serial",), None),
        ("WHAT IS THE SERIAL NUMBER? DIGITS ONLY!", "digits", ("serial",), None),
        ("What is the serial number? Digits and letters only.", "free", ("serial",), None),
        ("序列号是什么。只要数字", "digits", ("serial",), None),
        ("Is the serial number 12345678AB?", "yes_no", ("serial",), "12345678AB"),
        ("Is the model UPS 25-40 180? Only yes or no.", "yes_no", ("model",), "UPS 25-40 180"),
        ("Steht »Grundfos« auf dem Schild? Ja oder nein.", "yes_no", (), "Grundfos"),
        ("Is there a plate? yes or no", "yes_no", (), None),
        ("Is this a motor or a pump?", "free", (), None),
        ("When was it made?", "date", (), None),
        ("What is the weight?", "quantity", ("rating",), None),
        ("Model and serial number?", "free", ("model", "serial"), None),
        ("What is this?", "free", (), None),
        ("", "free", (), None),
    ],
)
def test_a_question_means(question: str, kind: str, fields: tuple[str, ...], value: str | None) -> None:
    """Field, form and claimed value are taken from the words."""
    found = understand(question)

    assert (found.kind, found.fields, found.value, found.text) == (kind, fields, value, question)


@given(st.text(max_size=400))
def test_every_text_gives_a_query(question: str) -> None:
    """Whatever is asked, there is a query, its question unchanged and its pattern a sound one."""
    found = understand(question)

    assert found.text == question
    assert found.pattern is None or regex.compile(found.pattern)
    assert found.value is None or found.kind == "yes_no"


@given(
    ASKED,
    st.sampled_from([(entry["kind"], phrase) for entry in QUESTIONS["form"][:2] for phrase in entry["phrases"]]),
    st.sampled_from([str, str.upper, str.capitalize]),
    st.sampled_from(["", ".", "!", " !"]),
)
def test_a_form_asked_for_holds_the_answer(question: str, form: tuple[str, str], case: type[str], end: str) -> None:
    """Digits only, or yes or no, in any language, case and punctuation: the answer is held to just that."""
    kind, phrase = form
    found = understand(f"{question} {case(phrase)}{end}")
    allowed = {"digits": "20418873", "yes_no": "yes"}[kind]

    assert found.kind == kind
    assert found.pattern is not None
    assert regex.fullmatch(found.pattern, allowed)
    assert not regex.fullmatch(found.pattern, "AB 12")


@given(ASKED)
def test_a_free_question_is_held_to_nothing(question: str) -> None:
    """Without a form in its words a question is unconstrained."""
    assert understand(question).pattern is None


@given(
    st.sampled_from(["Is the serial number {}?", "Ist die Seriennummer {}?", "Is {} the S/N? yes or no"]),
    SERIALS | MODELS,
)
def test_a_claimed_value_is_carried_as_written(form: str, value: str) -> None:
    """The value in a yes-or-no question is the value of the query, to the letter (L7)."""
    assume(not understand(value[:3]).fields)  # "SN 4711" is a key word and a number
    found = understand(form.format(value))

    assert (found.kind, found.fields, found.value) == ("yes_no", ("serial",), value)


@pytest.mark.parametrize("kind", ["serial", "model"])
def test_the_sure_words_of_plates_name_their_field(kind: str) -> None:
    """What plates print beside a value, in whatever language, asks for that value."""
    words = [word for word in KEYWORDS[kind]["strong"] if len(word) > 4]
    missed = [word for word in words if understand(f"What is the {word}?").fields[:1] != (kind,)]

    assert not missed


def test_the_fields_of_a_product_are_known() -> None:
    """A product's own field, and its own key words, are named like the built-in ones."""
    product = Product("pump", {"impeller": FieldRule("impeller", keys=("Laufrad",))})

    assert understand("What is the impeler?", product).fields == ("impeller",)
    assert understand("What is the impeller?", product).fields == ("impeller",)
    assert understand("Welches Laufrad?", product).fields == ("impeller",)
    assert understand("Welches Laufrad?").fields == ()


@pytest.mark.parametrize("entry", QUESTIONS["order"], ids=lambda entry: f"{entry['by']} {entry['end']}")
def test_every_ordering_word_orders(entry: dict[str, str]) -> None:
    """Each word of the table, in a question, orders as its entry says, and looks at the entry's column."""
    for phrase in entry["phrases"]:
        found = understand(f"What is {phrase}?")

        assert found.order == Order(entry["by"], entry["end"]), phrase  # type: ignore[arg-type] # the table's words
        assert found.columns == ((entry["column"],) if entry["column"] else ())


def test_the_latest_date_is_looked_for_among_dates() -> None:
    """An order by date gives the lines that hold a date, latest first, however the date is written."""
    plate = lines("PUMP X", "Made 03/2019", "Tested 2021-04-30", "Next 12.01.2020", "400 V")

    assert [line.text for line in lines_for(understand("What is the latest date?"), plate)] == [
        "Tested 2021-04-30",
        "Next 12.01.2020",
        "Made 03/2019",
    ]


def test_the_highest_and_the_lowest_number() -> None:
    """An order by number gives the lines that hold one, the asked end first."""
    plate = lines("PUMP", "230 V", "0,75 kW", "1450 rpm")

    assert lines_for(understand("highest value?"), plate)[0].text == "1450 rpm"
    assert lines_for(understand("lowest value?"), plate)[0].text == "0,75 kW"


def test_first_and_last_are_places() -> None:
    """An order by place gives all lines from that end."""
    plate = lines("one", "two", "three")

    assert [one.text for one in lines_for(understand("the last line?"), plate)] == ["three", "two", "one"]
    assert [one.text for one in lines_for(understand("the first line?"), plate)] == ["one", "two", "three"]


def test_a_field_is_looked_for_by_its_key_word() -> None:
    """A field's lines are those with its key word and what follows; without any, all lines."""
    plate = lines("Model AX-4711", "Serial No.", "20418873KF", "400 V")

    assert [one.text for one in lines_for(understand("serial number?"), plate)] == ["Serial No.", "20418873KF"]
    assert lines_for(understand("What is this?"), plate) == tuple(plate)
    assert lines_for(Query("free", ("batch",), None, ""), plate) == tuple(plate)


@given(st.lists(st.text(max_size=30), max_size=6), st.text(max_size=60))
def test_the_lines_of_a_query_are_of_the_frame(texts: list[str], question: str) -> None:
    """No line is invented, and none is given twice."""
    plate = lines(*texts)
    found = lines_for(understand(question), plate)

    assert len(found) <= len(plate)
    assert all(line in plate for line in found)
