"""Promises of the recogniser's decoding: what the lattice says is told, doubts included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ReaderError
from edge.readers.lines.glyphs import Glyph, Glyphs
from edge.readers.lines.head import frames_of, steps_of, weights_of_head
from edge.readers.lines.int8 import _levels
from edge.readers.lines.recogniser import Cut, Recogniser, decode
from edge.readers.lines.weights import Tensor
from edge.readers.reader import Image
from simulator.fonts import Typeface

ALPHABET = ("", "A", "B", "8", " ")


def lattice(*frames: Sequence[float]) -> Tensor:
    """Probabilities a frame, in the order of ALPHABET."""
    return np.asarray(frames, np.float32)


def decoded(probabilities: Tensor) -> tuple[Glyph, ...]:
    """Decode scores whose softmax are these probabilities."""
    return decode(frames_of(np.log(np.maximum(probabilities, 1e-30)), ALPHABET))


def test_a_run_is_one_character_and_a_blank_parts_two() -> None:
    """Frames in a row of one class are one character; with a blank between, two."""
    a, blank = (0.0, 1.0, 0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 0.0)

    texts = ["".join(glyph.text for glyph in decoded(lattice(*frames))) for frames in ((a, a), (a, blank, a))]

    assert texts == ["A", "AA"]


def test_confidence_and_alternatives_come_from_one_frame() -> None:
    """Confidence is the run's peak, and the runners-up are that same frame's, best first, blank left out."""
    (glyph,) = decoded(lattice((0.3, 0.0, 0.5, 0.2, 0.0), (0.0195, 0.01, 0.77, 0.2, 0.0005)))

    assert glyph.text == "B"
    assert glyph.confidence == pytest.approx(0.77)
    assert [text for text, _ in glyph.alternatives] == ["8", "A"]


@given(st.lists(st.integers(0, len(ALPHABET) - 1), min_size=1, max_size=40), st.floats(0.3, 1.0))
def test_glyphs_tile_the_strip(kinds: list[int], peak: float) -> None:
    """Glyphs never overlap, stay within the strip, and confidences with their runners-up never pass 1."""
    probabilities = np.full((len(kinds), len(ALPHABET)), (1 - peak) / (len(ALPHABET) - 1), np.float32)
    probabilities[np.arange(len(kinds)), kinds] = peak

    glyphs = decoded(probabilities)

    ends = [0.0]
    for glyph in glyphs:
        assert ends[-1] <= glyph.start < glyph.end <= 1.0
        ends.append(glyph.end)
        assert glyph.confidence + sum(score for _, score in glyph.alternatives) <= 1.0 + 1e-5


@given(st.floats(-50, 0), st.floats(0, 50))
def test_zero_stays_zero_in_eight_bits(low: float, high: float) -> None:
    """The range that a convolution is rounded by holds both ends and has 0 as one of its levels: padding stays 0."""
    bottom, top = _levels(low, high)
    step = (top - bottom) / 255

    assert bottom <= low + step
    assert top >= high
    assert abs(bottom / step - round(bottom / step)) < 1e-6


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that are not installed are an error that says which and what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)

    with pytest.raises(ReaderError, match=r"PP-OCRv6_rec_small\.onnx .* install rapidocr"):
        Recogniser(threads=1)


def test_an_output_that_cannot_be_used_is_an_error() -> None:
    """An error while an output is decoded surfaces in the caller as a ReaderError (L3)."""
    recogniser = Recogniser(threads=1)
    recogniser._head._steps = [replace(step, texts=()) for step in recogniser._head._steps]

    with pytest.raises(ReaderError, match="cannot be used"):
        recogniser.read([lambda: np.full((32, 64, 3), 255, np.uint8), _letter])


@pytest.mark.parametrize("text", ["SN 4711-0815 Type: KX 200", "型号 出厂编号 KX-200", "Nº de série ÄÖÜ é 12,5 µF"])
def test_usual_classes_are_read_as_all_classes_are(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scoring few classes first changes no character, whatever the script, and confidences by 0.002 at most."""
    recogniser = Recogniser(threads=1)
    ink = np.zeros((32, 8 * round(Typeface("uni").width_px(text, 24) / 8 + 2)), np.uint8)
    Typeface("uni").draw(ink, text, 8, 24, 24)
    strip = cv2.cvtColor(230 - (ink * 0.8).astype(np.uint8), cv2.COLOR_GRAY2BGR)

    (first,) = recogniser.read([lambda: np.asarray(strip, np.uint8)])
    monkeypatch.setattr(recogniser._head, "_steps", recogniser._head._steps[-1:])
    (of_all,) = recogniser.read([lambda: np.asarray(strip, np.uint8)])

    assert [one.text for one in first] == [one.text for one in of_all]
    assert len(first) > 8
    assert [one.confidence for one in first] == pytest.approx([one.confidence for one in of_all], abs=0.002)


def test_a_strip_in_doubt_is_read_again_meanwhile() -> None:
    """Strips for which another cut is given are read a second time, others once; both readings are told."""
    recogniser = Recogniser(threads=2)
    letters, blank = _letter(), np.full((32, 96, 3), 255, np.uint8)
    asked: list[tuple[int, str]] = []

    def again(number: int, glyphs: Glyphs) -> Cut | None:
        asked.append((number, "".join(one.text for one in glyphs)))
        return (lambda: letters) if number == 1 else None

    first, second = recogniser.read_again([lambda: letters, lambda: blank, lambda: letters], again)

    assert sorted(asked) == [(0, "AB"), (1, ""), (2, "AB")]
    assert first[1] == ()
    assert first[0] == first[2] == second[1]
    assert set(second) == {1}


def test_a_second_cut_that_fails_is_an_error() -> None:
    """A strip that cannot be cut again is no reading (L3)."""
    recogniser = Recogniser(threads=2)

    def fails() -> Image:
        raise cv2.error("outside")

    with pytest.raises(cv2.error, match="outside"):
        recogniser.read_again([_letter, _letter], lambda number, _glyphs: fails if number else None)


def test_steps_of_classes_hold_what_the_dictionary_has() -> None:
    """Each step has more classes than the one before, the blank among them; an unknown character is named."""
    alphabet, weights, bias = weights_of_head()

    first, second = steps_of(alphabet)

    assert first[0] == second[0] == 0
    assert set(first) < set(second)
    assert len(first) < len(alphabet) / 20
    assert len(second) < len(alphabet) / 5
    assert weights.shape[1] == len(bias) == len(alphabet)
    with pytest.raises(ValueError, match="which its dictionary has not"):
        steps_of(ALPHABET)


def _letter() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    strip = np.full((32, 64, 3), 230, np.uint8)
    cv2.putText(strip, "AB", (6, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (20, 20, 20), 2, cv2.LINE_AA)
    return strip
