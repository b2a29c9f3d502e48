"""Two readers at one frame: both looks or none, and what they share is worked out once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.core.reading import Quad, Reading, TextLine, joint_hash
from edge.errors import ReaderError, UseError
from edge.products import NAMEPLATE, to_product
from edge.readers import opening
from edge.readers.drawn import drawn_frame
from edge.readers.ocr import Ocr
from edge.readers.pair import OcrOnce, Pair
from edge.readers.reader import Image
from tests.readers.played_vlm import PlayedVlm, played_vlm

PRODUCT = to_product(NAMEPLATE)
FIRST = PlayedVlm({"serial": "A1", "model": "M"}, name="ocr", hash="0" * 64)


def test_both_readings_are_looks_of_the_frame() -> None:
    """The reading is the first reader's and holds the second's; name and hash are of both."""
    second = played_vlm({"serial": "B1"})
    pair = Pair(FIRST, second)
    found = pair.read(drawn_frame(), PRODUCT)

    assert (pair.name, pair.hash) == ("ocr+vlm", joint_hash([FIRST.hash, second.hash]))
    assert [(look.reader, look.fields["serial"].text) for look in found.looks] == [("ocr", "A1"), ("vlm", "B1")]
    assert found.ms["total"] >= found.ms["vlm"] >= 0


@pytest.mark.parametrize("which", ["ocr", "vlm"])
def test_one_that_fails_fails_both_and_is_named(which: str) -> None:
    """The reading of one reader alone is never given where two are wanted (L3, L4)."""
    failing = PlayedVlm({}, error=ReaderError("out of memory"), name=which)
    pair = Pair(failing, played_vlm({})) if which == "ocr" else Pair(FIRST, failing)

    with pytest.raises(ReaderError, match=f"reader {which}: out of memory"):
        pair.read(drawn_frame(), PRODUCT)


def test_two_readers_of_one_family_are_refused() -> None:
    """A reader and itself are one look (L4)."""
    with pytest.raises(UseError, match="two families"):
        Pair(FIRST, FIRST)


def test_lines_are_read_once_for_both_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same frame and boxes are recognised once, another frame anew, and the text is the one reader's."""
    asked: list[int] = []
    read_lines = Ocr.lines

    def counted(self: Ocr, image: Image, boxes: Sequence[Quad]) -> tuple[TextLine, ...]:
        asked.append(len(boxes))
        return read_lines(self, image, boxes)

    monkeypatch.setattr(Ocr, "lines", counted)
    ocr, frame, other = OcrOnce(), drawn_frame(), drawn_frame()
    located = ocr.locate(frame)
    reading = ocr.read(frame, PRODUCT, located)
    again = ocr.lines(frame, located.boxes)
    anew = ocr.lines(other, located.boxes)

    assert reading.lines == again == anew
    assert asked == [len(located.boxes)] * 2


def test_a_frame_is_read_once_for_both_readers() -> None:
    """Whoever asks for the same frame and product gets the same reading; another frame or product is another matter."""
    ocr, frame = OcrOnce(), drawn_frame()
    located = ocr.locate(frame)
    reading = ocr.read(frame, PRODUCT, located)
    other = replace(PRODUCT, fields={"serial": PRODUCT.fields["serial"]})

    assert ocr.read(frame, PRODUCT, located, {"serial": "X"}) is reading
    assert set(ocr.read(frame, other, located).fields) == {"serial"}
    assert ocr.read(drawn_frame(), PRODUCT, located) is not reading


def test_the_second_reader_gets_what_the_first_has_located() -> None:
    """Text is sought once on a frame, by the first reader."""
    second = played_vlm({})
    pair = Pair(FIRST, second)
    frame = drawn_frame()
    located = pair.locate(frame)
    pair.read(frame, PRODUCT, located)

    assert second.located == [located]


@pytest.mark.parametrize(("kind", "what"), [("glasses", "choose one of ocr, vlm"), ("remote", "--config")])
def test_a_reader_that_cannot_be_meant_is_wrong_use(kind: str, what: str) -> None:
    """An unknown kind, or one without what it needs, is one sentence that says what to do."""
    with pytest.raises(UseError, match=what):
        opening.open_reader(kind)


def test_a_model_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its folder the vlm reader does not open, and the folder is in the sentence."""
    monkeypatch.setattr(opening, "lacking", lambda _kind: "")

    with pytest.raises(ReaderError, match="/nowhere"):
        opening.open_vlm(Path("/nowhere"))


def test_a_real_model_is_a_look_beside_ocr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ocr+vlm` with a model's folder reads each frame by both, and the lines of it once."""
    pytest.importorskip("transformers")
    from tests.readers.models.small_models import glm, save

    asked: list[int] = []
    read_lines = Ocr.lines

    def counted(self: Ocr, image: Image, boxes: Sequence[Quad]) -> tuple[TextLine, ...]:
        asked.append(len(boxes))
        return read_lines(self, image, boxes)

    reader = opening.open_reader("ocr+vlm", model=save(glm(), tmp_path / "model"))
    monkeypatch.setattr(Ocr, "lines", counted)
    found = reader.read(drawn_frame(), PRODUCT)

    assert [look.reader for look in found.looks] == ["ocr", "vlm"]
    assert found.fields["serial"].text == "12345678AB"
    assert found.others[0].fields["serial"].text != "12345678AB"
    assert len(asked) == 1


class Together(PlayedVlm):
    """A second reader that reads frames together."""

    batches = True

    def request(self, *frame: Any) -> tuple[Any, ...]:
        """The frame as it is."""
        return frame

    def read_many(self, requests: Sequence[tuple[Any, ...]]) -> list[Reading]:
        """Each as alone."""
        return [self.read(*one) for one in requests]


def test_frames_read_together_are_two_looks_each() -> None:
    """A pair reads together what its second reader does, and gives for each frame what it gives alone (L4)."""
    pair = Pair(FIRST, Together({"serial": "B1"}))
    frames = [drawn_frame(), drawn_frame()]
    alone = [pair.read(frame, PRODUCT) for frame in frames]
    together = pair.read_many([pair.request(frame, PRODUCT) for frame in frames])

    assert (pair.batches, Pair(FIRST, played_vlm({})).batches) == (True, False)
    assert [replace(one, ms={}) for one in together] == [replace(one, ms={}) for one in alone]
    assert all(one.ms["total"] >= one.ms["vlm"] >= 0 for one in together)


def test_a_second_reader_that_fails_on_a_batch_is_named() -> None:
    """No frame of a batch gets one reader's reading alone (L3, L4)."""
    second = Together({})
    pair = Pair(FIRST, second)
    prepared = [pair.request(drawn_frame(), PRODUCT)]
    second.error = ReaderError("out of memory")

    with pytest.raises(ReaderError, match="reader vlm: out of memory"):
        pair.read_many(prepared)
