"""Promises of the embedded reader on frames that the simulator's command line draws, and on drawn lines."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.adapters import images
from edge.core.fields import FieldRule, Product
from edge.core.reading import Quad, TextLine
from edge.errors import ReaderError
from edge.readers import ocr as ocr_module
from edge.readers.lines.weights import _Stream
from edge.readers.ocr import Ocr
from edge.readers.reader import Image
from edge.vision import codes

PRODUCT = Product("nameplate", {"model": FieldRule("model"), "serial": FieldRule("serial")})

Draw = Callable[..., list[tuple[Image, Mapping[str, Any]]]]


@pytest.fixture(scope="module")
def ocr() -> Ocr:
    """One reader for all tests: loading it takes a second."""
    return Ocr(threads=2)


@pytest.fixture(scope="module")
def draw(tmp_path_factory: pytest.TempPathFactory) -> Draw:
    """Draw plates with the simulator's command, and decode them with their labels."""

    def drawn(count: int, seed: int, *options: str) -> list[tuple[Image, Mapping[str, Any]]]:
        folder = tmp_path_factory.mktemp("plates")
        asked = [str(folder), "--count", str(count), "--seed", str(seed), "--languages", "en,de", *options]
        subprocess.run([sys.executable, "-m", "simulator", "draw", *asked], check=True, stdout=subprocess.DEVNULL)
        labels = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
        return [(images.load(folder / one["file"]), one) for one in map(json.loads, labels)]

    return drawn


def written(*lines: str, size: tuple[int, int] = (500, 900)) -> Image:
    """A frame with lines of dark text on a light ground."""
    frame = np.full((*size, 3), 205, np.uint8)
    for row, text in enumerate(lines):
        cv2.putText(frame, text, (80, 100 + 70 * row), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (35, 35, 35), 3, cv2.LINE_AA)
    return frame


def bare(text: str) -> str:
    """What is compared: letters and digits, in one case."""
    return "".join(character for character in text if character.isalnum()).casefold()


def all_text(lines: tuple[TextLine, ...]) -> str:
    """All text of a frame, bare."""
    return " ".join(bare(line.text) for line in lines)


def inside(quad: Quad, outer: Quad, slack_px: float) -> bool:
    """Whether every corner lies in the other box, or so near to it."""
    contour = np.asarray(outer, np.float32)
    return all(cv2.pointPolygonTest(contour, point, measureDist=True) >= -slack_px for point in quad)


def test_small_print_beside_large_is_read(ocr: Ocr) -> None:
    """A short line that is a third as high as the rest of the plate is found, and searched as finely as it needs."""
    frame = written(size=(700, 1200))
    for text, at, scale in (("NW99 USM REV A", (60, 150), 4.0), ("CUSU AG 4711", (60, 330), 4.0)):
        cv2.putText(frame, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (35, 35, 35), 8, cv2.LINE_AA)
    cv2.putText(frame, "80.4558", (80, 520), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (35, 35, 35), 2, cv2.LINE_AA)

    lines = ocr.lines(frame, ocr.locate(frame).boxes)

    assert "804558" in all_text(lines)


def test_a_line_is_read_to_its_end_where_a_scratch_joins_its_letters(ocr: Ocr) -> None:
    """Letters that no longer look like letters are not cut off: half a serial number would be read surely (L4)."""
    frame = written("SERIAL U-231-564118835 X", "MODEL", size=(400, 1200))
    cv2.line(frame, (440, 70), (760, 96), (35, 35, 35), 3, cv2.LINE_AA)

    lines = ocr.lines(frame, ocr.locate(frame).boxes)

    assert "8835x" in all_text(lines)


def test_fields_of_drawn_plates_are_read(ocr: Ocr, draw: Draw) -> None:
    """Serials and models of plain drawn plates are in the text that is read, every one."""
    for image, label in draw(6, 3):
        reading = ocr.read(image, PRODUCT)

        assert bare(label["serial"]) in all_text(reading.lines)
        assert bare(label["model"]) in all_text(reading.lines)
        assert set(reading.fields) == {"model", "serial"}


@pytest.mark.parametrize("pose", ["side", "upside_down", "tilt"])
def test_a_plate_is_read_however_it_lies(ocr: Ocr, draw: Draw, pose: str) -> None:
    """A plate on its side, upside down, or tilted by 25 degrees is read as one that stands upright."""
    found = [
        bare(label["serial"]) in all_text(ocr.read(image, PRODUCT).lines)
        for image, label in draw(4, 5, "--degrade", pose)
    ]

    assert all(found)


def test_the_first_corner_is_where_the_text_begins(ocr: Ocr) -> None:
    """Boxes are given in reading order also where the text stands on its head."""
    upright = written("GEARMOTOR 3", "S/N 48151623", "MODEL AX-4711")
    turned = np.asarray(cv2.rotate(upright, cv2.ROTATE_180), np.uint8)

    boxes = {bare(line.text): line.box for line in ocr.lines(turned, ocr.locate(turned).boxes)}

    first, _, third, _ = boxes["sn48151623"]
    assert first[0] > third[0]
    assert first[1] > third[1]


@pytest.mark.parametrize(
    ("degrees", "gap"), [(0, " " * 10), (20, " " * 10), (-20, " " * 10), (90, " "), (180, " "), (200, " "), (270, " ")]
)
def test_lines_stand_in_the_order_of_the_plate(ocr: Ocr, degrees: int, gap: str) -> None:
    """However a plate lies, its lines come as it is read: from its own top, a key before the value beside it."""
    upright = written(f"GEARMOTOR{gap}AX-4711", f"S/N{gap}48151623", f"DRIVE{gap}51-2230", size=(320, 900))
    rows, columns = upright.shape[:2]
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), -degrees, 1.0)
    turn[:, 2] += (600 - columns / 2, 600 - rows / 2)
    turned = np.asarray(cv2.warpAffine(upright, turn, (1200, 1200), borderValue=(205, 205, 205)), np.uint8)

    lines = ocr.lines(turned, ocr.locate(turned).boxes)

    assert "".join(bare(line.text) for line in lines) == "gearmotorax4711sn48151623drive512230"


def test_a_frame_without_text_gives_empty_fields(ocr: Ocr) -> None:
    """Nothing there is an empty text with no confidence, and no error (L3)."""
    blank = np.full((1200, 1920, 3), 128, np.uint8)

    reading = ocr.read(blank, PRODUCT)

    assert reading.lines == ()
    assert {one.text for one in reading.fields.values()} == {""}
    assert reading.fields["serial"].confidence == 0.0


def test_no_serial_is_invented(ocr: Ocr, draw: Draw) -> None:
    """A plate that bears no serial gives none (L3)."""
    for image, _ in draw(4, 8, "--without-serial", "1"):
        assert ocr.read(image, PRODUCT).fields["serial"].text == ""


@pytest.mark.parametrize("part", ["_search._detector", "_recogniser"])
def test_a_failing_network_is_an_error(part: str) -> None:
    """A network that does not run is a ReaderError that names it, never an empty reading (L3)."""
    broken = Ocr(threads=1)
    network = attrgetter(part)(broken)._network

    class Refusing:
        def infer(self, *_args: object, **_options: object) -> None:
            raise RuntimeError("out of memory")

    network._streams = [_Stream(Refusing(), {})]

    with pytest.raises(ReaderError, match=r"PP-OCRv6_.*out of memory"):
        broken.read(written("S/N 48151623", "MODEL AX-4711", "U 400 V", "P 1.5 kW", "n 1450"), PRODUCT)


def test_a_failing_search_for_codes_is_an_error(ocr: Ocr, monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes that could not be sought are a ReaderError: they would have been evidence (L3, L4)."""

    def fails(_image: Image) -> tuple[()]:
        raise RuntimeError("no decoder")

    monkeypatch.setattr(codes, "find", fails)

    with pytest.raises(ReaderError, match="no decoder"):
        ocr.read(written("S/N 48151623"), PRODUCT)


def test_a_draft_changes_nothing(ocr: Ocr) -> None:
    """A reading with the expected values as draft equals the one without (L6)."""
    image = written("MODEL AX-4711", "S/N 48151623")

    without, with_draft = ocr.read(image, PRODUCT), ocr.read(image, PRODUCT, draft={"serial": "48151624"})

    assert with_draft.fields == without.fields
    assert with_draft.lines == without.lines


def test_the_same_frame_is_read_the_same(ocr: Ocr, draw: Draw) -> None:
    """Reading is deterministic, confidences included."""
    image, _ = draw(1, 21)[0]

    assert ocr.read(image, PRODUCT).lines == ocr.read(image, PRODUCT).lines


def test_every_character_has_its_place(ocr: Ocr, draw: Draw) -> None:
    """Characters spell the line, stand inside its box, and follow one another along it."""
    image, _ = draw(1, 22)[0]

    for line in ocr.read(image, PRODUCT).lines:
        assert "".join(character.text for character in line.characters) == line.text
        starts = []
        for character in line.characters:
            assert character.box is not None
            assert inside(character.box, line.box, slack_px=0.5)
            starts.append(sum(x for x, _ in character.box) / 4)
        assert starts == sorted(starts)


def test_a_text_longer_than_its_cap_says_so(ocr: Ocr) -> None:
    """A text cut at max_new_tokens has finish reason "length": it is never a value (L7)."""
    rule = FieldRule("serial", pattern="[0-9]+", matches=str.isdigit, max_new_tokens=6)

    reading = ocr.read(written("S/N: 4815162342", "MODEL AX-4711"), Product("short", {"serial": rule}))

    assert reading.fields["serial"].finish_reason == "length"


def test_a_character_outside_the_pattern_is_reported(ocr: Ocr) -> None:
    """A printed letter where the pattern wants a digit is read as the letter (L7)."""
    rule = FieldRule("serial", pattern="[0-9]{8}", matches=lambda text: text.isdigit() and len(text) == 8)

    reading = ocr.read(written("MODEL AX-4711", "S/N: 4815K623"), Product("digits", {"serial": rule}))

    assert reading.fields["serial"].raw == "4815K623"


def test_the_hash_names_weights_and_version(ocr: Ocr, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader's hash is a SHA-256 that changes with what decides the reading."""
    before = ocr.hash

    monkeypatch.setattr(ocr_module, "VERSION", "ocr 0")
    ocr_module._hash.cache_clear()
    after = ocr.hash
    monkeypatch.undo()
    ocr_module._hash.cache_clear()

    assert len(before) == 64
    assert before != after
    assert before == ocr.hash


def test_a_cache_folder_gives_the_same_reading(ocr: Ocr, tmp_path: Path) -> None:
    """A reader started from compiled weights reads what a fresh one reads."""
    image = written("MODEL AX-4711", "S/N 48151623")
    Ocr(threads=2, cache_dir=tmp_path)

    cached = Ocr(threads=2, cache_dir=tmp_path)

    assert any(tmp_path.iterdir())
    assert [line.text for line in cached.read(image, PRODUCT).lines] == [
        line.text for line in ocr.read(image, PRODUCT).lines
    ]
