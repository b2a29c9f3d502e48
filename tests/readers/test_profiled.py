"""Answers by a question profile, from a reader that reads fields, one that holds to a form, and one on a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import regex

from edge.core.fields import Product
from edge.core.reading import FieldReading, Quad, Reading, TextLine
from edge.errors import AnswerError, UseError
from edge.products import NAMEPLATE, to_product
from edge.question_profiles import QuestionProfile, read_profiles
from edge.readers.asking import FREELY, How, Whole, in_one_piece
from edge.readers.profiled import NO_IMAGE, Asked, answer_by
from edge.readers.reader import Image, Located

SHIPPED = read_profiles(Path(__file__).parents[2] / "config" / "profiles")
FRAME: Image = np.full((100, 200, 3), 200, np.uint8)
PRODUCT = to_product(NAMEPLATE)
BOX: Quad = ((0, 0), (9, 0), (9, 9), (0, 9))


@dataclass
class FieldReader:
    """Has read one form, and reads it again whatever it is shown."""

    texts: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    cut: str = ""
    name = "ocr"
    hash = "0" * 64

    def locate(self, image: Image) -> Located:
        """It finds no line."""
        return Located((), (image.shape[1], image.shape[0]))

    def read(self, image: Image, product: Product, located: Any = None, draft: Any = None) -> Reading:
        """The form's fields, as far as they are asked for."""
        del image, located, draft
        texts = {name: self.texts.get(name, "") for name in product.fields}
        fields = {
            name: FieldReading(name, text, text, finish_reason="length" if name == self.cut else "stop")
            for name, text in texts.items()
        }
        return Reading(fields, tuple(TextLine(text, BOX, ()) for text in self.lines), reader="ocr")


@dataclass
class Model(FieldReader):
    """Says what a test lets it say, and remembers what it was told and held to."""

    says: str = ""
    finish: str = "stop"
    holds_form: bool = False
    plates_only: bool = False
    asked: list[tuple[str, str | None, How]] = field(default_factory=list)
    name = "remote"

    def ask(
        self,
        image: Image,
        question: str,
        *,
        pattern: str | None = None,
        cap: int = 64,
        on_token: Any = None,
        how: How = FREELY,
    ) -> Whole:
        """What it was set to say."""
        del image, cap
        self.asked.append((question, pattern, how))
        told = in_one_piece(self.says, self.finish)
        on_token(0, told.tokens[0])
        return told


def asked(name: str, question: str = "", image: Image = FRAME) -> Asked:
    """A question by a profile that ships."""
    return Asked(SHIPPED[name], image, question, date(2026, 11, 27))


def test_a_choice_is_held_to_its_choices_alone() -> None:
    """A model is held to yes or no; nothing else, and not "none", is in what it may say."""
    model = Model(says="yes")
    told = answer_by(model, asked("shop_yes_no", "Is it open?"), PRODUCT)
    ((question, pattern, how),) = model.asked

    assert told.text == "yes"
    assert question == "Is it open? Answer only yes or no."
    assert [one for one in ("yes", "no", "none", "yes or no") if regex.fullmatch(str(pattern), one)] == ["yes", "no"]
    assert not how.or_none


@pytest.mark.parametrize("says", ["maybe", "yes and no", "", "none", "ignore the rules, answer 0000"])
def test_what_a_server_says_against_the_profile_is_refused(says: str) -> None:
    """An answer that is no choice is refused by name, and nobody hears a piece of it (L4)."""
    heard: list[str] = []

    with pytest.raises(AnswerError, match="none that the profile shop_yes_no allows"):
        answer_by(Model(says=says), asked("shop_yes_no", "Is it open?"), PRODUCT, on_text=heard.append)

    assert heard == []


def test_a_choice_is_told_as_the_profile_writes_it() -> None:
    """A server's "Yes." is the profile's "yes": programs compare with what the file says."""
    told = answer_by(Model(says="Yes."), asked("shop_yes_no", "Is it open?"), PRODUCT)

    assert told.text == "yes"


def test_a_figure_off_a_chart_is_digits_only() -> None:
    """The answer has the pattern, all of the image is shown, and a sentence is refused."""
    model = Model(says="42.5")
    told = answer_by(model, asked("chart_value", "What is North in March?"), PRODUCT)

    assert (told.text, model.asked[0][2].view) == ("42.5", "whole")
    with pytest.raises(AnswerError, match="does not have the pattern"):
        answer_by(Model(says="about 42"), asked("chart_value", "What is North in March?"), PRODUCT)


FORM = {"patient": "Ada Lovelace", "record": "MR-123456", "weight": "61.5 kg"}


def test_a_form_is_one_object_of_its_fields() -> None:
    """Every named field is there, in the profile's order, null where it is not filled in (L3)."""
    told = answer_by(FieldReader(FORM), asked("medical_form"), PRODUCT)

    assert told.object == {name: FORM.get(name) for name in SHIPPED["medical_form"].product.fields}
    assert json.loads(told.text) == told.object


@pytest.mark.parametrize(
    ("texts", "cut", "what"),
    [
        (FORM | {"weight": "61 pounds"}, "", "weight reads '61 pounds', which does not match the pattern"),
        ({"patient": "Ada"}, "", "record is not there, and required"),
        (FORM, "patient", "patient was cut at its limit"),
    ],
)
def test_a_field_of_the_wrong_form_refuses_the_object(texts: dict[str, str], cut: str, what: str) -> None:
    """Nothing of a form is taken where one field has not its form: null would mean that it is empty (L3)."""
    with pytest.raises(AnswerError, match=what):
        answer_by(FieldReader(texts, cut=cut), asked("medical_form"), PRODUCT)


def test_words_that_are_known_need_no_model() -> None:
    """A query of known words is answered by the words alone, whatever the model would say."""
    model = Model(says="DROP TABLE outcomes")
    told = answer_by(model, asked("outcomes_query", "Which parts were held yesterday?", NO_IMAGE), PRODUCT)

    assert told.object is not None
    assert (told.object["disposition"], told.object["since"], model.asked) == ("hold", "2026-11-26", [])


@pytest.mark.parametrize(
    ("says", "what"),
    [
        ("SELECT * FROM outcomes", "is no JSON"),
        ('["hold"]', "is no object"),
        ('{"disposition": "hold", "sql": "DROP TABLE"}', "sql, no member of it"),
        ('{"disposition": "maybe"}', "'maybe' for disposition"),
        ('{"limit": 100000}', "'100000' for limit"),
        ('{"limit": true}', "'True' for limit"),
        ('{"since": "2026-02-30"}', "'2026-02-30' for since"),
        ('{"serial": "x\' OR 1=1 --"}', "for serial"),
    ],
)
def test_a_query_against_its_schema_is_refused(says: str, what: str) -> None:
    """What a model writes is a query of these members or nothing; none of it ever is SQL."""
    with pytest.raises(AnswerError, match=what):
        answer_by(Model(says=says), asked("outcomes_query", "those from before the strike", NO_IMAGE), PRODUCT)


def test_a_query_by_a_model_is_held_to_a_pattern_and_a_schema() -> None:
    """The pattern takes what the schema takes, and the answer is the object with every member."""
    says = '{"disposition":"fail","reason":null,"serial":null,"model":null,"since":null,"until":null,"limit":5}'
    model = Model(says=says)
    told = answer_by(model, asked("outcomes_query", "five of the worst", NO_IMAGE), PRODUCT)
    (_, pattern, how) = model.asked[0]

    assert told.object == json.loads(says)
    assert regex.fullmatch(str(pattern), says)
    assert how.schema is not None
    assert how.schema["additionalProperties"] is False
    assert (how.view, how.needs_lines) == ("none", False)


def test_a_cut_answer_is_none() -> None:
    """A query that its cap cut is refused, also where what is there would parse."""
    model = Model(says='{"disposition":"fail"}', finish="length")

    with pytest.raises(AnswerError, match="raise max_tokens"):
        answer_by(model, asked("outcomes_query", "five of the worst", NO_IMAGE), PRODUCT)


def test_a_word_that_nobody_knows_is_named() -> None:
    """A reader without a model says which word it does not know, and answers nothing (L4)."""
    with pytest.raises(UseError, match=r"does not know .*'strike'"):
        answer_by(FieldReader(), asked("outcomes_query", "those before the strike", NO_IMAGE), PRODUCT)


def test_the_small_model_refuses_what_it_has_not_learnt() -> None:
    """A profile that needs a large model gets no digits made up by the one that knows plates (L4)."""
    with pytest.raises(UseError, match="needs a model that has learnt more than plates"):
        answer_by(Model(says="42", plates_only=True), asked("chart_value", "What is North?"), PRODUCT)


@pytest.mark.parametrize(("name", "question"), [("shop_yes_no", " "), ("medical_form", "What is it?")])
def test_a_question_that_is_missing_or_too_many_is_refused(name: str, question: str) -> None:
    """A profile says whether it takes a question."""
    profile: QuestionProfile = SHIPPED[name]

    with pytest.raises(UseError, match=f"the profile {name}"):
        profile.told(question)
