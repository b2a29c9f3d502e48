"""Promises of the remote reader: against a server that fails as told, and against a real `transformers serve`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import SecretStr

from edge.core.fields import FieldRule, Product
from edge.core.reading import Character, Quad, TextLine
from edge.errors import ReaderError
from edge.products import WholeText
from edge.readers.chat.answer_cache import MemoryCache
from edge.readers.chat.breaker import Breaker
from edge.readers.chat.chat import Chat
from edge.readers.ocr import Ocr
from edge.readers.reader import Image, Located, Reader
from edge.readers.remote import Remote
from tests.readers.chat.faulty_chat import MODEL, Clock, FaultyChat, Model, Naps, completion, http, says

PATTERN = "[0-9]{4}[A-Z]"
SERIAL = FieldRule("serial", PATTERN, WholeText(PATTERN), question="Which serial?", confusable=("0O",))
MODEL_FIELD = FieldRule("model", question="Which model?")
PRODUCT = Product("gearmotor", {"model": MODEL_FIELD, "serial": SERIAL})
QUAD: Quad = ((10.0, 10.0), (210.0, 10.0), (210.0, 40.0), (10.0, 40.0))
LOWER: Quad = ((10.0, 60.0), (210.0, 60.0), (210.0, 90.0), (10.0, 90.0))
FRAME = np.full((120, 240, 3), 200, np.uint8)
SURE = completion("4711B", tokens=[("4711", 0.99), ("B", 0.97, {"8": 0.02}), ("</s>", 0.99)])
#: What a good model answers to the two fields of the frame.
ANSWERS = {"serial": SURE, "model": completion("AX-4711", tokens=[("AX-4711", 0.98), ("</s>", 0.99)])}


class Lines:
    """A locator that finds what it is told."""

    def __init__(self, *texts: str) -> None:
        self.found = [
            TextLine(text, quad, tuple(Character(c, 0.9) for c in text))
            for text, quad in zip(texts, (QUAD, LOWER), strict=False)
        ]

    def locate(self, image: Image) -> Located:
        """The boxes."""
        return Located(tuple(line.box for line in self.found), (image.shape[1], image.shape[0]))

    def lines(self, image: Image, boxes: Sequence[Quad]) -> tuple[TextLine, ...]:
        """The lines."""
        return tuple(self.found[: len(boxes)])


LINES = Lines("TYPE AX-4711", "S/N 4711 B")


@pytest.fixture(scope="module")
def eye() -> Callable[[bytes], str]:
    """What the fake models see with: the digits in the second row of a sheet, where the canary's number stands."""
    ocr = Ocr(threads=1)

    def digits(png: bytes) -> str:
        sheet = np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), np.uint8)
        row: Quad = ((0.0, 28.0), (166.0, 28.0), (166.0, 56.0), (0.0, 56.0))
        return "".join(c for line in ocr.lines(sheet, [row]) for c in line.text if c.isdigit())

    return digits


@pytest.fixture
def model(eye: Callable[[bytes], str]) -> Model:
    """A good model on a server as vLLM is, which answers the two fields."""
    made = Model(eye, "structured_outputs", raw=True)
    made.answers = {"Which serial?": ANSWERS["serial"], "Which model?": ANSWERS["model"]}
    return made


@pytest.fixture
def read_by() -> Iterator[Callable[..., Remote]]:
    """Remote readers that are gone after the test; they never wait between two tries."""
    readers: list[Remote] = []

    def opened(server: FaultyChat, locator: Lines = LINES, **options: Any) -> Remote:
        if "api_key" not in options:
            breaker = options.pop("breaker", None)
            options["chat"] = Chat(server.url, MODEL, sleep=Naps(), breaker=breaker)
        readers.append(Remote(server.url, MODEL, locator, **options))
        return readers[-1]

    yield opened
    for reader in readers:
        reader.close()


def test_reads(serve: Callable[..., FaultyChat], read_by: Callable[..., Remote], model: Model) -> None:
    """Each field is a question about the sheet with the hints; text, confidence, runners-up and place come back."""
    server = serve(model)
    reader: Reader = read_by(server)
    tried = len(server.asked)

    reading = reader.read(FRAME, PRODUCT)

    serial, named = reading.fields["serial"], reading.fields["model"]
    assert (named.text, serial.text, serial.rule, serial.finish_reason) == ("AX-4711", "4711B", None, "stop")
    assert [round(c.confidence, 6) for c in serial.characters] == [0.99, 0.99, 0.99, 0.99, 0.97]
    assert serial.characters[4].alternatives[0][0] == "8"
    assert (named.box, serial.box) == (QUAD, LOWER)
    assert (reading.reader, reading.reader_hash) == ("remote", reader.hash)
    asked = sorted(server.asked[tried:], key=lambda one: one.text)
    assert [one.text for one in asked] == [
        "OCR:\nTYPE AX-4711\nS/N 4711 B\nWhich model?",
        "OCR:\nTYPE AX-4711\nS/N 4711 B\nWhich serial?",
    ]
    assert [one.pattern for one in asked] == [None, f"(?:{PATTERN})|none"]


@pytest.mark.parametrize("form", ["structured_outputs", "regex", "guided_regex"])
@pytest.mark.parametrize("strict", [False, True], ids=["ignores others", "refuses others"])
def test_finds_the_form(
    serve: Callable[..., FaultyChat],
    read_by: Callable[..., Remote],
    eye: Callable[[bytes], str],
    form: str,
    strict: bool,
) -> None:
    """The canary finds the form in which a server takes a pattern, whether it ignores or refuses the others."""
    model = Model(eye, form)
    model.strict = strict

    reader = read_by(serve(model))

    assert reader.facts()["constraint"] == form


def test_ignores_the_constraint(
    serve: Callable[..., FaultyChat], read_by: Callable[..., Remote], eye: Callable[[bytes], str]
) -> None:
    """A server that does not hold to a pattern is refused at the start, unless none is asked of it."""
    server = serve(Model(eye))

    with pytest.raises(ReaderError, match=r"ignores the constraint.*structured_outputs, regex, guided_regex"):
        read_by(server)
    assert read_by(server, constraint="none").facts()["constraint"] == "none"
    with pytest.raises(ReaderError, match="sent as regex"):
        read_by(server, constraint="regex")


def test_blind(serve: Callable[..., FaultyChat], read_by: Callable[..., Remote]) -> None:
    """A model that does not see the picture, as a language model would not, is refused at the start."""
    server = serve(Model(lambda _png: "", "structured_outputs"))
    server.usual = Model(lambda _png: "I see a plate", "structured_outputs")

    with pytest.raises(ReaderError, match=r"answers 'I see a plate' to a picture that says \d{6}"):
        read_by(server)


def test_seen_against_the_pattern(
    serve: Callable[..., FaultyChat], read_by: Callable[..., Remote], model: Model
) -> None:
    """A printed character that the constraint forbids is the text, and both are told (L7)."""
    tokens = [("4", 0.99), ("7", 0.99), ("0", 0.1, {"O": 0.88}), ("1", 0.99), ("B", 0.99)]
    model.answers["Which serial?"] = completion("4701B", tokens=tokens)  # type: ignore[arg-type]

    serial = read_by(serve(model)).read(FRAME, PRODUCT).fields["serial"]

    assert (serial.raw, serial.text) == ("47O1B", "47O1B")
    assert 'saw "47O1B" where the pattern let it write "4701B"' in serial.why
    assert "does not match the pattern" in serial.why
    assert serial.alternatives == (("4701B", "O->0 at 3"),)


def test_probabilities_after_the_constraint(
    serve: Callable[..., FaultyChat], read_by: Callable[..., Remote], model: Model
) -> None:
    """Where the canary shows that probabilities are those after the constraint, none is believed (L4, L7)."""
    model.raw = False

    reading = read_by(serve(model)).read(FRAME, PRODUCT)

    serial, named = reading.fields["serial"], reading.fields["model"]
    assert (serial.confidence, serial.margin) == (0.5, 0.0)
    assert "no confidence is known" in serial.why
    assert round(named.confidence, 6) == 0.98  # a question without a pattern has the model's own


def test_against_the_pattern(serve: Callable[..., FaultyChat], read_by: Callable[..., Remote], model: Model) -> None:
    """An answer against the pattern is what it says; the canary comes again before the next question (L7)."""
    model.answers["Which serial?"] = completion("ABC", tokens=[("ABC", 0.99)])
    server = serve(model)
    reader = read_by(server)

    serial = reader.read(FRAME, PRODUCT).fields["serial"]
    model.forms = set()

    assert (serial.text, serial.finish_reason) == ("ABC", "stop")
    assert "does not match the pattern" in serial.why
    with pytest.raises(ReaderError, match="ignores the constraint"):
        reader.read(FRAME, PRODUCT)


def test_cut(serve: Callable[..., FaultyChat], read_by: Callable[..., Remote], model: Model) -> None:
    """An answer that was cut at its cap is marked, and not kept."""
    model.answers["Which serial?"] = completion("4711B", "length", tokens=[("4711B", 0.99)])
    server = serve(model)
    reader = read_by(server, cache=MemoryCache(100_000))

    first, second = (reader.read(FRAME, PRODUCT).fields["serial"] for _ in range(2))

    assert (first.finish_reason, second.finish_reason) == ("length", "length")
    assert first.confidence <= 0.99
    assert sum("serial" in one.text and "OCR" in one.text for one in server.asked) == 2


@pytest.mark.parametrize("said", ["none", "None", " None.\n"])
def test_not_there(serve: Callable[..., FaultyChat], read_by: Callable[..., Remote], model: Model, said: str) -> None:
    """A field that the model says is not there is empty, and is no failure (L3)."""
    model.answers["Which serial?"] = completion(said)

    serial = read_by(serve(model)).read(FRAME, PRODUCT).fields["serial"]

    assert (serial.raw, serial.text, serial.characters) == ("", "", ())
    assert serial.why == "the model says that it is not on the plate"


def test_not_there_and_not_shown(
    serve: Callable[..., FaultyChat], read_by: Callable[..., Remote], model: Model
) -> None:
    """A field cannot be called absent where lines found no room on the sheet (L3)."""
    model.answers["Which serial?"] = completion("none")
    many = Lines("a")
    wide: Quad = ((0.0, 0.0), (230.0, 0.0), (230.0, 10.0), (0.0, 10.0))
    many.found = [TextLine(f"line {number}", wide, ()) for number in range(80)]

    with pytest.raises(ReaderError, match="lines of the frame found no room"):
        read_by(serve(model), many).read(FRAME, PRODUCT)


def test_no_text(serve: Callable[..., FaultyChat], read_by: Callable[..., Remote], model: Model) -> None:
    """On a frame without text nothing is asked, and every field is empty."""
    server = serve(model)
    reader = read_by(server, Lines())
    asked = len(server.asked)

    reading = reader.read(FRAME, PRODUCT)

    assert [field.text for field in reading.fields.values()] == ["", ""]
    assert len(server.asked) == asked


def test_failure(serve: Callable[..., FaultyChat], read_by: Callable[..., Remote], model: Model) -> None:
    """One field that was not answered fails the reading; the next one is read (L3)."""
    server = serve(model)
    reader = read_by(server)
    server.steps = [says(b"<html>")]

    with pytest.raises(ReaderError, match="HTML"):
        reader.read(FRAME, PRODUCT)
    assert reader.read(FRAME, PRODUCT).fields["serial"].text == "4711B"


def test_canary_after_the_breaker(
    serve: Callable[..., FaultyChat], read_by: Callable[..., Remote], model: Model
) -> None:
    """A server that was left alone is tried by the canary before it is believed again; its model may be another."""
    clock = Clock()
    server = serve(model)
    reader = read_by(server, breaker=Breaker(failures=2, pause_s=15.0, jitter=0.0, clock=clock))
    before = reader.hash
    server.steps = [says(b"<html>"), says(b"<html>")]
    with pytest.raises(ReaderError, match="HTML"):
        reader.read(FRAME, PRODUCT)
    with pytest.raises(ReaderError, match="left alone"):
        reader.read(FRAME, PRODUCT)
    listed, asked = server.listed, len(server.asked)
    clock.now_s += 15.0
    server.listing = json.dumps({"data": [{"id": MODEL, "root": "another"}]}).encode()

    reading = reader.read(FRAME, PRODUCT)

    assert reading.fields["serial"].text == "4711B"
    assert (server.listed - listed, len(server.asked) - asked) == (1, 4)
    assert reading.reader_hash == reader.hash != before


def test_draft(serve: Callable[..., FaultyChat], read_by: Callable[..., Remote], model: Model) -> None:
    """A reading with a draft is the reading without it: the same is asked, word for word (L6)."""
    server = serve(model)
    reader = read_by(server)
    tried = len(server.asked)
    drafts: list[Mapping[str, str] | None] = [None, {"serial": "4711B"}, {"serial": "9999Z", "model": "XX"}]

    readings = [reader.read(FRAME, PRODUCT, draft=draft).fields for draft in drafts]

    bodies = [json.dumps(one.body) for one in server.asked[tried:]]
    assert readings[0] == readings[1] == readings[2]
    assert len(bodies) == 6
    assert len(set(bodies)) == 2


def test_cache(serve: Callable[..., FaultyChat], read_by: Callable[..., Remote], model: Model) -> None:
    """The same sheet and question are asked once; another frame, question, pattern or cap is asked anew."""
    server = serve(model)
    cache = MemoryCache(1_000_000)
    reader = read_by(server, cache=cache)
    other = FRAME.copy()
    other[20, 20] = 0
    looser = FieldRule("serial", "[0-9]{4}[A-Z]?", WholeText("[0-9]{4}[A-Z]?"), question=SERIAL.question)
    longer = FieldRule("serial", PATTERN, WholeText(PATTERN), question=SERIAL.question, max_new_tokens=33)

    def asks(image: Image, rule: FieldRule) -> int:
        before = len(server.asked)
        reader.read(image, Product("one", {"serial": rule}))
        return len(server.asked) - before

    counts = [asks(FRAME, SERIAL) for _ in range(3)]
    others = [asks(other, SERIAL), asks(FRAME, looser), asks(FRAME, longer)]

    assert counts == [1, 0, 0]
    assert others == [1, 1, 1]
    assert (reader.facts()["cache_hits"], reader.facts()["cache_misses"]) == (2, 4)


def test_cached_while_down(serve: Callable[..., FaultyChat], read_by: Callable[..., Remote], model: Model) -> None:
    """What is kept is read though the server is down, and is the same to the last digit."""
    server = serve(model)
    reader = read_by(server, cache=MemoryCache(1_000_000))
    first = reader.read(FRAME, PRODUCT)
    server.usual = says(b"<html>")

    second = reader.read(FRAME, PRODUCT)

    assert second.fields == first.fields


def test_spoilt_cache(serve: Callable[..., FaultyChat], read_by: Callable[..., Remote], model: Model) -> None:
    """A kept entry that is no answer is asked anew."""

    class Spoilt(MemoryCache):
        def get(self, key: str) -> bytes | None:
            return b'["4711B", "stop", [["4711B", NaN, []]], true, null]'

    reader = read_by(serve(model), cache=Spoilt(1000))

    assert reader.read(FRAME, PRODUCT).fields["serial"].text == "4711B"


def test_codes(serve: Callable[..., FaultyChat], read_by: Callable[..., Remote], model: Model) -> None:
    """The codes on the frame are found beside the text."""
    frame = np.full((400, 400, 3), 255, np.uint8)
    code = cv2.QRCodeEncoder.create().encode("SN4711")
    frame[100:300, 100:300] = cv2.cvtColor(cv2.resize(code, (200, 200), interpolation=0), cv2.COLOR_GRAY2BGR)

    reading = read_by(serve(model)).read(frame, PRODUCT)

    assert [code.text for code in reading.codes] == ["SN4711"]


def test_start_without_a_server(read_by: Callable[..., Remote], serve: Callable[..., FaultyChat]) -> None:
    """A server that does not list, or knows no such model, is one sentence at the start."""
    server = serve(lambda client, asked, end: client.sendall(http(b'{"detail": "no such model"}', "404 Not Found")))

    with pytest.raises(ReaderError, match=r"knows no model 'plates-1'.*no such model"):
        read_by(server)
    with pytest.raises(ReaderError, match="unknown; use one of auto"):
        read_by(server, constraint="grammar")


def test_secret(serve: Callable[..., FaultyChat], read_by: Callable[..., Remote], model: Model) -> None:
    """The key goes to the server and into no repr or fact."""
    server = serve(model)
    reader = read_by(server, api_key=SecretStr("sk-very-secret"))

    assert {one.headers["authorization"] for one in server.asked} == {"Bearer sk-very-secret"}
    assert "very-secret" not in repr(reader) + repr(vars(reader)) + repr(reader.facts())
