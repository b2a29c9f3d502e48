"""Promises of the remote reader against a real `transformers serve`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from edge.core.fields import FieldRule, Product
from edge.core.reading import Quad, TextLine
from edge.errors import ReaderError
from edge.products import NAMEPLATE, WholeText, to_product
from edge.readers.drawn import drawn_frame
from edge.readers.ocr import Ocr
from edge.readers.opening import SMALL, open_vlm
from edge.readers.reader import Image, Located
from edge.readers.remote import Remote
from tests.readers.served import make_model, servable, served

SERIAL = FieldRule("serial", "[0-9]{4}[A-Z]", WholeText("[0-9]{4}[A-Z]"), question="Which serial?")
PRODUCT = Product("gearmotor", {"model": FieldRule("model", question="Which model?"), "serial": SERIAL})
FRAME = np.full((120, 240, 3), 200, np.uint8)
QUAD: Quad = ((10.0, 10.0), (210.0, 10.0), (210.0, 40.0), (10.0, 40.0))


class Lines:
    """A locator that finds one line."""

    def locate(self, image: Image) -> Located:
        """Its box."""
        return Located((QUAD,), (image.shape[1], image.shape[0]))

    def lines(self, image: Image, boxes: Sequence[Quad]) -> tuple[TextLine, ...]:
        """The line."""
        return (TextLine("TYPE AX-4710", QUAD),)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A real `transformers serve` with a model that says AX-4710; its address, and the model's name."""
    folder = tmp_path_factory.mktemp("model")
    make_model(folder, "AX-4710")
    with served(folder) as url:
        yield url, folder


def test_real_server(real: tuple[str, Path]) -> None:
    """A real server reads both fields; it states no confidence, which is said, and believed by half (L4)."""
    url, folder = real
    reader = Remote(url, str(folder), Lines(), constraint="none", canary=False)

    reading = reader.read(FRAME, PRODUCT)

    serial, named = reading.fields["serial"], reading.fields["model"]
    assert (named.text, named.finish_reason, named.box) == ("AX-4710", "stop", QUAD)
    assert (named.confidence, named.margin) == (0.5, 0.0)
    assert "no confidence is known" in named.why
    assert (serial.text, "does not match the pattern" in serial.why) == ("AX-4710", True)
    reader.close()


def test_real_server_cuts(real: tuple[str, Path]) -> None:
    """A real server's answer that meets its cap is marked as cut."""
    url, folder = real
    reader = Remote(url, str(folder), Lines(), constraint="none", canary=False)
    short = Product("short", {"model": FieldRule("model", question="Which model?", max_new_tokens=4)})

    named = reader.read(FRAME, short).fields["model"]

    assert (named.text, named.finish_reason) == ("AX-4", "length")
    reader.close()


def test_real_server_and_the_canary(real: tuple[str, Path]) -> None:
    """A real `transformers serve` takes no pattern, and its model is blind: the canary finds both."""
    url, folder = real

    with pytest.raises(ReaderError, match=r"ignores the constraint.*Unexpected fields in the request"):
        Remote(url, str(folder), Lines())
    with pytest.raises(ReaderError, match=r"answers 'AX-4710' to a picture that says \d{6}"):
        Remote(url, str(folder), Lines(), constraint="none")


def test_real_server_with_another_model(real: tuple[str, Path]) -> None:
    """A real server that has another model says so, and the reader does."""
    url, _ = real

    with pytest.raises(ReaderError, match=r"refuses the request \(status 400\): Server is pinned to"):
        Remote(url, "org/another", Lines(), constraint="none")


def test_real_server_with_the_model_that_ships(tmp_path: Path) -> None:
    """A real server with the model of edge passes the canary, and a drawn plate is read as the vlm reader reads it."""
    servable(SMALL, tmp_path / "small")
    product, drawn, ocr = to_product(NAMEPLATE), drawn_frame(), Ocr(threads=1)
    local = open_vlm(threads=1, ocr=ocr).read(drawn, product)

    with served(tmp_path / "small") as url:
        reader = Remote(url, str(tmp_path / "small"), ocr, constraint="none")
        read = reader.read(drawn, product)
        reader.close()

    assert read.fields["serial"].text == "12345678AB"
    assert {name: field.text for name, field in read.fields.items()} == {
        name: field.text for name, field in local.fields.items()
    }
    assert all("no confidence is known" in field.why for field in read.fields.values())
