"""Questions answered by a reader that reads fields, and by one that takes free questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from edge.core.fields import FieldRule, Product
from edge.core.reading import FieldReading, Quad, Reading, TextLine
from edge.errors import UseError
from edge.readers.answering import answer
from edge.readers.asking import Whole, in_one_piece
from edge.readers.reader import Image, Located

FRAME: Image = np.zeros((100, 200, 3), np.uint8)
PRODUCT = Product("pump", {name: FieldRule(name) for name in ("serial", "model")})
BOX: Quad = ((0, 0), (9, 0), (9, 9), (0, 9))
LINES = ("MODEL HYX 32-125", "S/N 24-542771", "Voltage: 230 V", "03/2024", "07/2019")


class FieldReader:
    """Has read one plate, and reads it again whatever it is shown."""

    name, hash = "ocr", "0" * 64

    def locate(self, image: Image) -> Located:
        """It finds no line."""
        del image
        return Located((), (200, 100))

    def read(
        self, image: Image, product: Product, located: Located | None = None, draft: Mapping[str, str] | None = None
    ) -> Reading:
        """The plate's fields, as far as they are asked for."""
        del image, located, draft
        texts = {"serial": "24-542771", "model": "HYX 32-125"}
        fields = {name: FieldReading(name, texts[name], texts[name]) for name in product.fields}
        return Reading(fields, tuple(TextLine(text, BOX, ()) for text in LINES), reader="ocr")


class TalkingReader(FieldReader):
    """Says what it was asked, and to what form it was held."""

    name = "vlm"

    def ask(
        self, image: Image, question: str, *, pattern: str | None = None, cap: int = 64, on_token: Any = None
    ) -> Whole:
        """What it was asked."""
        del image
        told = in_one_piece(f"{question} {pattern} {cap}", "length")
        on_token(0, told.tokens[0])
        return told


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("What is the serial number?", "24-542771"),
        ("Serial number, digits only", "24542771"),
        ("Wie lautet die Seriennummer?", "24-542771"),
        ("What are the serial number and the model?", "serial: 24-542771, model: HYX 32-125"),
        ("Is the serial number 24-542771?", "yes"),
        ("Is the serial number 24-542772?", "no"),
        ("What is the voltage?", "230 V"),
    ],
)
def test_a_question_that_names_what_is_printed_is_answered_from_the_reading(question: str, said: str) -> None:
    """A reader that reads fields answers what its fields and lines say."""
    heard: list[str] = []

    told = answer(FieldReader(), FRAME, question, PRODUCT, on_text=heard.append)

    assert (told.text, told.finish, heard) == (said, "stop", [said])


@pytest.mark.parametrize("question", ["Tell me a joke", "What is the colour of the motor?", "How heavy is it?"])
def test_what_was_not_read_is_refused(question: str) -> None:
    """A reader that reads fields never guesses: it says which questions it answers (L3)."""
    with pytest.raises(UseError, match="ocr answers questions that name what is printed"):
        answer(FieldReader(), FRAME, question, PRODUCT)


def test_a_reader_that_takes_free_questions_is_asked() -> None:
    """The question goes to the model, held to a form only where it asks for one; a cut answer stays told as cut."""
    free = answer(TalkingReader(), FRAME, "Tell me a joke", PRODUCT, cap=7)
    held = answer(TalkingReader(), FRAME, "Which number? Digits only.", PRODUCT)

    assert (free.text, free.finish, free.reader) == ("Tell me a joke None 7", "length", "vlm")
    assert "None" not in held.text
