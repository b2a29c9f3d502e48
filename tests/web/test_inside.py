"""Looking into the model over HTTP: a real reader process with the model that ships."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from edge.core.fields import FieldRule, Product
from edge.products import WholeText
from edge.readers.opening import SMALL
from edge.readers.pair import OcrOnce, Pair
from edge.readers.vlm import Vlm
from tests.readers.test_vlm import PLATE, plate
from tests.web.guest_house import House, guest_house
from tests.web.site import TOKEN
from tests.web.test_asking import Talker

SERIAL = "[0-9]{8}[A-Z]{2}"
PRODUCT = Product(
    "pump",
    {"serial": FieldRule("serial", SERIAL, WholeText(SERIAL), question="What is the serial number? Digits only.")},
)
PNG = cv2.imencode(".png", plate(*PLATE))[1].tobytes()
IMAGE = base64.b64encode(PNG).decode()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The API, and behind it both readers with the model that ships."""
    ocr = OcrOnce(threads=2)
    with guest_house(tmp_path_factory.mktemp("i"), Pair(ocr, Vlm(SMALL, device="cpu", ocr=ocr)), PRODUCT) as opened:
        yield opened


def look(house: House, **said: Any) -> tuple[int, Any]:
    """Status and JSON of one look."""
    raw = json.dumps(said).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}
    request = urllib.request.Request(house.url + "/v1/inside", raw, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, json.loads(answer.read())


def test_a_question_shows_what_the_model_did(house: House) -> None:
    """The trace of each token and what it looked at come with the answer; the attention of each token sums to 1."""
    status, told = look(house, image=IMAGE, question="What is the serial number? Digits and letters only.")

    assert (status, told["text"], told["finish"]) == (200, "12345678AB", "stop")
    assert "".join(token["text"] for token in told["tokens"]) == "12345678AB"
    assert all(abs(sum(token["looked"]) - 1) < 1e-4 for token in told["tokens"])
    assert {"ocr", "sheet", "answer", "attention", "total"} == {*told["ms"]}


def test_a_field_is_looked_into_as_it_is_read(house: House) -> None:
    """A field's look has its pattern and OCR's draft: every guess that the model agreed to is marked."""
    status, told = look(house, image=IMAGE, field="serial", layer=5)

    assert (status, told["text"], told["pattern"], told["layer"]) == (200, "12345678AB", SERIAL, 5)
    assert [token["drafted"] for token in told["tokens"]] == [True] * 10 + [False]


def test_a_reader_without_a_model_says_so(tmp_path: Path) -> None:
    """The refusal names the reader and the setting that would help."""
    with guest_house(tmp_path, Talker(), PRODUCT) as opened:
        status, told = look(opened, image=IMAGE, question="what")

    assert status == 422
    assert "set [reader] kind to vlm" in told["error"]["message"]
