"""Asking by HTTP: a real reader process behind a real server, asked by plain HTTP and by OpenAI's own client."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openai
import pytest

from edge.core.fields import FieldRule, Product
from edge.core.reading import FieldReading, Reading
from edge.readers.asking import Piece, Whole
from edge.readers.giving_way import give_way
from edge.readers.reader import Image, Located
from edge.web.guests import MAX_BODY_BYTES
from tests.web.guest_house import WAIT_S, House, guest_house
from tests.web.site import until

PRODUCT = Product("pump", {"serial": FieldRule("serial")})
PNG = cv2.imencode(".png", np.full((40, 60, 3), 200, np.uint8))[1].tobytes()


class Talker:
    """Reads one serial, and answers every question by repeating it, a word a token.

    `hold` is called before each word: a test can keep it at one place, or see what it was asked.
    """

    name, hash = "vlm", "1" * 64

    def __init__(self) -> None:
        self.words: list[str] = []
        self.hold: Callable[[str], None] = lambda _word: None

    def locate(self, image: Image) -> Located:
        """It finds no line."""
        return Located((), (image.shape[1], image.shape[0]))

    def read(
        self, image: Image, product: Product, located: Located | None = None, draft: Mapping[str, str] | None = None
    ) -> Reading:
        """The same serial whatever it is shown."""
        del image, located, draft
        fields = {name: FieldReading(name, "AB12", "AB12") for name in product.fields}
        return Reading(fields, reader=self.name, reader_hash=self.hash)

    def ask(
        self, image: Image, question: str, *, pattern: str | None = None, cap: int = 64, on_token: Any = None
    ) -> Whole:
        """The question's words, one after another."""
        del image, pattern
        said: list[Piece] = []
        for word in question.split()[:cap]:
            self.hold(word)
            give_way()
            self.words.append(word)
            said.append(Piece(word if not said else f" {word}"))
            on_token(0, said[-1])
        whole = len(said) == len(question.split())
        return Whole("".join(piece.text for piece in said), tuple(said), "stop" if whole else "length")


@pytest.fixture
def talker() -> Talker:
    """The reader behind the API."""
    return Talker()


@pytest.fixture
def house(tmp_path: Path, talker: Talker) -> Iterator[House]:
    """The API, and the reader process behind it."""
    with guest_house(tmp_path, talker, PRODUCT) as opened:
        yield opened


def post(house: House, path: str, body: Any, kind: str = "application/json") -> tuple[int, str, Mapping[str, str]]:
    """Status, text and headers of one request."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(house.url + path, raw, {"content-type": kind})
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.read().decode(), {name.lower(): value for name, value in answer.headers.items()}


def about(question: str, **more: Any) -> dict[str, Any]:
    """A body of /v1/chat."""
    return {"image": base64.b64encode(PNG).decode(), "question": question, **more}


def test_a_question_is_answered(house: House) -> None:
    """An image and a question give the answer, with who gave it and how long that took."""
    status, text, _ = post(house, "/v1/chat", about("what is this"))

    told = json.loads(text)
    assert (status, told["answer"], told["finish"], told["tokens"]) == (200, "what is this", "stop", 3)
    assert told["reader"] == {"name": "vlm", "hash": "1" * 64}
    assert told["ms"]["first_token"] <= told["ms"]["total"]


def test_streamed_pieces_are_the_answer(house: House) -> None:
    """The tokens come one by one, in order, and together they are the answer that ends the stream."""
    status, text, headers = post(house, "/v1/chat", about("one two three", stream=True))

    events = [line.removeprefix("data: ") for line in text.splitlines() if line]
    told = [json.loads(event) for event in events[:-1]]
    assert (status, headers["content-type"].partition(";")[0], events[-1]) == (200, "text/event-stream", "[DONE]")
    assert [each["token"] for each in told[:-1]] == ["one", " two", " three"]
    assert told[-1]["answer"] == "one two three"


def test_an_answer_that_was_cut_says_so(house: House) -> None:
    """A cap ends an answer, and the answer says that it is not whole."""
    _, text, _ = post(house, "/v1/chat", about("one two three", max_tokens=2))

    assert (json.loads(text)["answer"], json.loads(text)["finish"]) == ("one two", "length")


def test_openais_own_client_asks_and_streams(house: House) -> None:
    """The `openai` package needs nothing but the address."""
    url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    content: Any = [{"type": "text", "text": "one two"}, {"type": "image_url", "image_url": {"url": url}}]
    messages: Any = [{"role": "user", "content": content}]

    with openai.OpenAI(base_url=house.url + "/v1", api_key="none", max_retries=0) as client:
        whole = client.chat.completions.create(model="edge", messages=messages)
        with client.chat.completions.create(model="edge", messages=messages, stream=True) as stream:
            chunks = list(stream)
        models = [model.id for model in client.models.list()]
        with pytest.raises(openai.NotFoundError, match="no model 'gpt"):
            client.chat.completions.create(model="gpt-4", messages=messages)

    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == ("one two", "stop")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one two"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert models == ["edge", "edge/chart_value", "edge/medical_form", "edge/outcomes_query", "edge/shop_yes_no"]


@pytest.mark.parametrize("as_json", [True, False])
def test_an_image_is_read(house: House, as_json: bool) -> None:
    """The object is that of `edge read --json`, whether the image comes as itself or in base64."""
    coded = {"image": base64.b64encode(PNG).decode(), "file": "p.png"}

    status, text, _ = post(house, "/v1/read", coded) if as_json else post(house, "/v1/read", PNG, "image/png")

    told = json.loads(text)
    assert (status, told["fields"]["serial"]["text"], told["reader"]) == (200, "AB12", "vlm")
    assert {"file", "fields", "quality", "codes", "ms"} <= told.keys()
    assert told["file"] == ("p.png" if as_json else "")


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "not JSON"),
        (b"[" * 100_000, 400, "not JSON"),
        (b"[]", 400, "no object"),
        ({"question": "x"}, 400, "no image"),
        ({"image": "", "question": "x"}, 400, "no image"),
        ({"image": "####", "question": "x"}, 400, "not base64"),
        ({"image": "http://example.com/a.png", "question": "x"}, 400, "fetches no image"),
        ({"image": "file:///etc/passwd", "question": "x"}, 400, "fetches no image"),
        ({"image": "data:image/png,abc", "question": "x"}, 400, "not base64"),
        ({"image": "bm8=", "question": "x"}, 415, "not an image"),
        (about(""), 400, "a text of 1 to 1000"),
        (about("x" * 1001), 400, "a text of 1 to 1000"),
        (about("x", max_tokens=0), 400, "between 1 and 1024"),
        (about("x", stream="yes"), 400, "`stream` must be"),
    ],
)
def test_a_wrong_question_is_refused_in_one_sentence(house: House, body: Any, status: int, says: str) -> None:
    """Whatever is wrong with it, the answer says what, and what to do."""
    told, text, _ = post(house, "/v1/chat", body)

    assert told == status
    assert says in json.loads(text)["error"]["message"]


def test_a_body_that_announces_too_much_is_refused_before_it_is_read(house: House) -> None:
    """The limit is checked before a byte of the body is taken."""
    asking = http.client.HTTPConnection(house.url.removeprefix("http://"), timeout=WAIT_S)
    asking.putrequest("POST", "/v1/chat")
    asking.putheader("content-length", str(MAX_BODY_BYTES + 1))
    asking.endheaders()

    with asking.getresponse() as answer:
        status = answer.status
    asking.close()

    assert status == 413


def test_a_guest_gives_way_to_a_station_and_goes_on_after_it(house: House, talker: Talker) -> None:
    """A station's part does not wait for a guest's answer, which comes all the same, no token twice."""
    station = house.station()
    at_word, go_on = threading.Event(), threading.Event()

    def hold(word: str) -> None:
        if word == "two" and not go_on.is_set():
            at_word.set()
            go_on.wait(WAIT_S)

    talker.hold = hold
    told: list[str] = []
    asking = threading.Thread(target=lambda: told.append(post(house, "/v1/chat", about("one two", stream=True))[1]))
    asking.start()
    at_word.wait(WAIT_S)
    station.ask("read", 1, "f1", PNG, timeout_us=20_000_000, draft={})
    time.sleep(0.3)  # the question is on its way through a socket; only then may the guest go on
    go_on.set()
    answered: Any = until(station.receive)
    asking.join(WAIT_S)
    station.close()

    assert answered.what.fields["serial"].text == "AB12"
    assert talker.words == ["one", "one", "two"]
    assert [json.loads(line[6:])["token"] for line in told[0].splitlines() if '"token"' in line] == ["one", " two"]


def test_a_client_that_goes_away_is_worked_for_no_longer(house: House, talker: Talker) -> None:
    """Its question is called off within a word."""
    at_word, go_on = threading.Event(), threading.Event()

    def hold(word: str) -> None:
        if word == "two":
            at_word.set()
            go_on.wait(WAIT_S)

    talker.hold = hold
    asking = http.client.HTTPConnection(house.url.removeprefix("http://"), timeout=WAIT_S)
    asking.request("POST", "/v1/chat", json.dumps(about("one two three")), {"content-type": "application/json"})
    at_word.wait(WAIT_S)
    asking.close()
    time.sleep(0.5)  # what is waited for is that nothing comes
    go_on.set()
    talker.hold = lambda _word: None
    status, text, _ = post(house, "/v1/chat", about("again"))

    assert (status, json.loads(text)["answer"]) == (200, "again")
    assert talker.words == ["one", "again"]


def test_one_guest_too_many_is_told_when_to_come_again(house: House, talker: Talker) -> None:
    """Beyond the limit the answer is 429 with Retry-After, at once (L12)."""
    go_on = threading.Event()

    def hold(_word: str) -> None:
        go_on.wait(WAIT_S)

    talker.hold = hold
    answers: list[tuple[int, str, Mapping[str, str]]] = []
    asking = [
        threading.Thread(target=lambda: answers.append(post(house, "/v1/chat", about("wait")))) for _ in range(20)
    ]
    for thread in asking:
        thread.start()
    refused = until(lambda: [one for one in answers if one[0] == 429])
    go_on.set()
    for thread in asking:
        thread.join(WAIT_S)

    assert "retry-after" in refused[0][2]
    assert "max_guests" in refused[0][1]
    # One that comes late on a busy PC finds the room that the others have left.
    assert 16 <= [one[0] for one in answers].count(200) < 20


def test_without_a_reader_the_answer_says_so(tmp_path: Path) -> None:
    """A reader process that is away is no empty answer; its question is refused in time (L3)."""
    with guest_house(tmp_path, Talker(), PRODUCT, reading_too=False, patience_s=0.5) as house:
        status, text, _ = post(house, "/v1/chat", about("anyone"))

    assert (status, "no answer within" in text) == (504, True)
