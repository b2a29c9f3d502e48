"""The vlm reader with the model that ships: it reads drawn frames, and keeps its promises when it cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from edge.core.fields import FieldRule, Product
from edge.core.reading import Character, FieldReading, Quad, Reading, TextLine
from edge.errors import ReaderError
from edge.products import WholeText
from edge.readers import vlm as module
from edge.readers.decoding.decode import Token, decode
from edge.readers.decoding.grammar import Grammar
from edge.readers.opening import SMALL
from edge.readers.reader import Image, Located
from edge.readers.vlm import Request, Vlm
from edge.vision import sheet

PLATE = ("Type AX-4711", "S/N 12345678AB", "230 V 50 Hz")


class Drawn:
    """An ocr reader that drew the plate itself: it knows every line, and says what it is told to have read."""

    name, hash = "drawn", "d" * 64

    def __init__(self) -> None:
        self.says: Sequence[str] = PLATE
        self.fields: Mapping[str, str] = {}

    def locate(self, image: Image) -> Located:
        """The places of the lines."""
        boxes = tuple(_box(row) for row in range(len(self.says)))
        return Located(boxes, (image.shape[1], image.shape[0]))

    def lines(self, image: Image, boxes: Sequence[Quad]) -> tuple[TextLine, ...]:
        """What it is told to have read."""
        return tuple(
            TextLine(text, box, tuple(Character(c, 0.9) for c in text))
            for text, box in zip(self.says, boxes, strict=False)
        )

    def read(
        self, image: Image, product: Product, located: Located | None = None, draft: Mapping[str, str] | None = None
    ) -> Reading:
        """The fields that it is told to have read."""
        lines = self.lines(image, (located or self.locate(image)).boxes)
        return Reading({name: FieldReading(name, text=self.fields.get(name, "")) for name in product.fields}, lines)


def _box(row: int) -> Quad:
    top = 60.0 + 90 * row
    return ((60, top), (860, top), (860, top + 66), (60, top + 66))


def plate(*lines: str) -> Image:
    """A frame of 600 x 960 px with lines of print."""
    frame = np.full((600, 960, 3), 205, np.uint8)
    for row, text in enumerate(lines):
        cv2.putText(frame, text, (75, 112 + 90 * row), cv2.FONT_HERSHEY_SIMPLEX, 1.7, (35, 35, 35), 3, cv2.LINE_AA)
    return frame


def product(pattern: str | None = None, **changed: Any) -> Product:
    """A model, and a serial with a pattern."""
    serial = FieldRule(
        "serial",
        pattern,
        WholeText(pattern) if pattern else lambda _text: True,
        question="What is the serial number? Digits and letters only.",
    )
    model = FieldRule("model", question="What is the model or type? Answer with its text only.")
    return Product("p", {"model": model, "serial": replace(serial, **changed)})


@pytest.fixture(scope="module")
def ocr() -> Drawn:
    """The lines' reader of all tests here; each sets what it says."""
    return Drawn()


@pytest.fixture(scope="module")
def shipped(ocr: Drawn) -> Vlm:
    """The model that ships, loaded once."""
    return Vlm(SMALL, device="cpu", ocr=ocr)


@pytest.fixture(autouse=True)
def _says_what_is_printed(ocr: Drawn) -> None:
    ocr.says, ocr.fields = PLATE, {}


def _facts(reading: Reading) -> list[tuple[str, str, list[tuple[str, int]]]]:
    return [
        (name, field.text, [(one.text, round(one.confidence * 1000)) for one in field.characters])
        for name, field in reading.fields.items()
    ]


@pytest.mark.parametrize("expected", ["12345678AB", "12345678A8", "99999999ZZ", "x", "none", "AX-4711"])
@pytest.mark.parametrize("read", ["12345678AB", "1234S678AB", ""])
def test_a_draft_changes_nothing_that_is_read(shipped: Vlm, ocr: Drawn, read: str, expected: str) -> None:
    """Whatever ERP expects and OCR guessed for the field, text and confidences stay as without a draft (L6)."""
    asked = product("[0-9]{8}[A-Z]{2}")
    alone = shipped.read(plate(*PLATE), asked)
    ocr.fields = {"serial": read, "model": "AX-4711"}

    drafted = shipped.read(plate(*PLATE), asked, draft={"serial": expected})

    for one, other in zip(_facts(drafted), _facts(alone), strict=True):
        assert one[:2] == other[:2]
        assert all(abs(a[1] - b[1]) <= 1 for a, b in zip(one[2], other[2], strict=True))


def test_the_shipped_model_reads_a_plate(shipped: Vlm) -> None:
    """The model in the package answers with what is printed, though OCR's text gives it as a hint only."""
    reading = shipped.read(plate(*PLATE), product())

    assert {name: field.text for name, field in reading.fields.items()} == {"model": "AX-4711", "serial": "12345678AB"}
    assert reading.reader == "vlm"
    assert reading.fields["serial"].box is not None
    assert len(reading.reader_hash) == 64


def test_what_ocr_misread_is_read_from_the_picture(shipped: Vlm, ocr: Drawn) -> None:
    """A wrong character in OCR's text, which is in the prompt and the draft, is not copied."""
    ocr.says = ("Type AX-4711", "S/N 1234567BAB", "230 V 50 Hz")
    ocr.fields = {"serial": "1234567BAB"}

    reading = shipped.read(plate(*PLATE), product())

    assert reading.fields["serial"].text == "12345678AB"


def test_a_character_against_the_pattern_is_reported(shipped: Vlm, ocr: Drawn) -> None:
    """A letter printed where the pattern has a digit is the field's text; the pattern's is only proposed (L7)."""
    ocr.says = ("Type AX-4711", "S/N 12345X78AB", "230 V 50 Hz")

    field = shipped.read(plate(*ocr.says), product("[0-9]{8}[A-Z]{2}")).fields["serial"]

    assert field.text == field.raw == "12345X78AB"
    [(proposed, rule)] = field.alternatives
    assert rule == "held to the pattern"
    assert WholeText("[0-9]{8}[A-Z]{2}")(proposed)
    assert "".join(one.text for one in field.characters) == field.text


def test_a_text_of_another_length_is_not_proposed(shipped: Vlm, ocr: Drawn) -> None:
    """Where a digit was never printed, the one that the pattern would have is not put forward as a misreading (L7)."""
    ocr.says = ("Type AX-4711", "S/N 1234567AB", "230 V 50 Hz")

    field = shipped.read(plate(*ocr.says), product("[0-9]{8}[A-Z]{2}")).fields["serial"]

    assert field.text == "1234567AB"
    assert field.alternatives == ()


def test_a_field_that_is_not_there_is_empty(shipped: Vlm, ocr: Drawn) -> None:
    """A plate without a serial gives an empty text and says so, with no character invented (L3)."""
    ocr.says = ("Type AX-4711", "230 V 50 Hz", "MADE IN ITALY")

    field = shipped.read(plate(*ocr.says), product()).fields["serial"]

    assert field.text == ""
    assert field.characters == ()
    assert "none" in field.why


def test_a_field_may_be_absent_only_where_all_lines_were_seen(
    shipped: Vlm, ocr: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where lines found no room on the sheet, "none" is no answer but a failed reading (L3)."""
    ocr.says = ("Type AX-4711", "230 V 50 Hz", "MADE IN ITALY")
    whole = sheet.of_frame
    monkeypatch.setattr(sheet, "of_frame", lambda *frame: replace(whole(*frame), left_out=2))

    with pytest.raises(ReaderError, match="2 lines of the frame found no room on the sheet"):
        shipped.read(plate(*ocr.says), product())


def test_an_answer_cut_by_its_cap_is_no_value(shipped: Vlm) -> None:
    """A text longer than its cap is told as cut: the core holds it as truncated."""
    field = shipped.read(plate(*PLATE), product(max_new_tokens=4)).fields["serial"]

    assert field.finish_reason == "length"


def test_plates_read_together_are_read_as_alone(shipped: Vlm, ocr: Drawn) -> None:
    """A batch of stations' plates, of other heights and hints, gives each what it gets alone."""
    requests = []
    for number, serial in enumerate(("12345678AB", "87654321XY", "55500011KL")):
        ocr.says = ("Type AX-4711", f"S/N {serial}", *["230 V 50 Hz"] * number)
        frame = plate(*ocr.says)
        requests.append(Request(frame, product(), ocr.read(frame, product()), {}))

    together = shipped.read_many(requests)

    for reading, request in zip(together, requests, strict=True):
        assert [one[:2] for one in _facts(reading)] == [one[:2] for one in _facts(shipped.read_many([request])[0])]
    assert [reading.fields["serial"].text for reading in together] == ["12345678AB", "87654321XY", "55500011KL"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "the GPU has no memory left"),
        (RuntimeError("device-side assert triggered\nmore"), "RuntimeError: device-side assert triggered"),
    ],
)
def test_a_failing_model_fails_that_part_and_reads_the_next(
    shipped: Vlm, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    """Out of memory, or any error in the middle of a reading, is a failed reading; the next part is read (L3)."""

    def fail(*_given: Any, **_named: Any) -> Any:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(shipped.model.engine, "begin", fail)
        with pytest.raises(ReaderError, match=told) as raised:
            shipped.read(plate(*PLATE), product())

    assert "\n" not in str(raised.value)
    assert shipped.read(plate(*PLATE), product()).fields["serial"].text == "12345678AB"


def test_a_model_that_does_not_obey_is_refused_at_the_start(ocr: Drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the constraint has no effect, the canary finds it before the first part."""

    def unheld(passes: Any, grammars: Any, *rest: Any) -> Any:
        free = [Grammar(None, grammar.vocabulary) for grammar in grammars]
        return decode(passes, free, *rest)

    monkeypatch.setattr(module, "decode", unheld)

    with pytest.raises(ReaderError, match="its answers cannot be trusted"):
        Vlm(SMALL, device="cpu", ocr=ocr)


def test_a_free_question_is_streamed_as_it_is_decided(shipped: Vlm) -> None:
    """Every token of an answer is heard once, in order, before the answer is given."""
    heard: list[Token] = []

    answer = shipped.ask(
        plate(*PLATE), "What is the serial number? Digits and letters only.", on_token=lambda _n, one: heard.append(one)
    )

    assert answer.text == "".join(token.text for token in heard) == "12345678AB"
