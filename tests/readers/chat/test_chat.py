"""Promises of asking a server: whatever it does, one answer or one sentence, within one limit."""

from __future__ import annotations

import json
import logging
import ssl
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from edge.errors import ReaderError
from edge.readers.chat.chat import Chat, Manner, Question
from tests.brokers import free_port
from tests.readers.chat.faulty_chat import (
    GOOD,
    MODEL,
    Clock,
    FaultyChat,
    Naps,
    Step,
    completion,
    drips,
    http,
    says,
    sends,
)

QUESTION = Question(b"a picture", "What is the serial number?")
PATTERN = Question(b"a picture", "What is the serial number?", pattern="[0-9]{4}|none")
KEY = "sk-very-secret-4711"


def _said(chat: Chat, question: Question = QUESTION) -> str:
    """The one sentence in which asking fails."""
    with pytest.raises(ReaderError) as caught:
        chat.ask([question], Manner())
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert len(sentence) < 700
    return sentence


WHOLE = completion("AX-4711")
FAULTS: list[tuple[str, Step, str, int]] = [
    ("status 500", says(b"", "500 Internal Server Error"), "answers with status 500, 3 times in a row", 3),
    ("status 503 with a page", says(b"<html>", "503 Busy"), "answers with status 503: a page of HTML", 3),
    ("status 429", says(b"", "429 Too Many Requests"), "answers with status 429, 3 times in a row", 3),
    ("HTML", says(b"<!DOCTYPE html><p>Welcome"), "answered with a page of HTML", 1),
    ("half of the JSON", says(WHOLE[:40]), "not JSON, or only half of it", 1),
    ("no JSON", says(b"OK"), "not JSON", 1),
    ("nothing", says(b""), "not JSON", 1),
    ("endless brackets", says(b"[" * 100_000), "not JSON", 1),
    ("another JSON", says(b"[1, 2]"), "no chat completion", 1),
    ("choices of another kind", says(b'{"choices": 3}'), "no chat completion", 1),
    ("no choice", says(b'{"choices": []}'), "without a choice", 1),
    ("a choice of another kind", says(b'{"choices": [3]}'), "holds no message", 1),
    ("an error with status 200", says(b'{"error": {"message": "out of memory"}}'), "error: out of memory", 1),
    ("no text", says(completion(None)), "empty text", 1),
    ("blanks", says(completion(" \n ")), "empty text", 1),
    ("content filter", says(completion("AX-4711", "content_filter")), "content_filter", 1),
    ("tool calls", says(completion("AX-4711", "tool_calls")), "finish_reason 'tool_calls'", 1),
    ("no finish reason", says(completion("AX-4711", None)), "finish_reason 'None'", 1),
    ("another model", says(completion("AX-4711", model="poems-7b")), "as the model 'poems-7b'", 1),
    (
        "half a character",
        says(rb'{"choices": [{"message": {"content": "A\ud800"}, "finish_reason": "stop"}]}'),
        "no te",
        1,
    ),
    ("controls", says(completion("AX\x00\x1b[31m")), "characters that are no text", 1),
    ("a novel", says(completion("A" * 3000)), "answered with 3000 characters", 1),
    ("bytes without end", says(b" " * 4_100_000), "more than 4000000 bytes", 1),
    ("compressed unasked", says(WHOLE, "200 OK", "Content-Encoding: gzip"), "compressed body (gzip)", 1),
    ("half an answer", sends(http(WHOLE, length=len(WHOLE) + 50)), "broke the connection off", 3),
    ("half a header", sends(b"HTTP/1.1 200 OK\r\nContent-Le"), "broke the connection off", 3),
    ("closes early", sends(b""), "broke the connection off", 3),
    ("resets", sends(b"", then="reset"), "broke the connection off", 3),
    ("no HTTP", sends(b"220 mail.example.com ESMTP\r\n\r\n"), "broke the connection off", 3),
    ("status 400", says(b'{"error": {"message": "bad\\nregex"}}', "400 Bad Request"), "(status 400): bad regex", 1),
    ("status 401", says(b"", "401 Unauthorized"), "refuses the key", 1),
    ("status 404", says(b"", "404 Not Found"), f"knows no model '{MODEL}'", 1),
    ("redirect", says(b"", "307 Elsewhere", "Location: http://localhost:1/"), "sends elsewhere", 1),
]


@pytest.mark.parametrize(("step", "phrase", "times"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS])
def test_fault(
    serve: Callable[..., FaultyChat], connect: Callable[..., Chat], step: Step, phrase: str, times: int
) -> None:
    """What a server does wrong is one sentence that names it, never an answer; only what may help is repeated (L3)."""
    server = serve(step)

    sentence = _said(connect(server.url))

    assert phrase in sentence
    assert server.url in sentence
    assert len(server.asked) == times


SLOW: list[tuple[str, Step]] = [
    ("never answers", sends(b"", then="silence")),
    ("stops in its header", sends(b"HTTP/1.1 200 OK\r\nContent-", then="silence")),
    ("stops in its answer", sends(http(WHOLE)[:-9], then="silence")),
    ("drips its header", drips(b"HTTP/1.1 200 OK\r\nX-Blanks: ")),
    ("drips its answer", drips(http(b"", length=10_000_000))),
]


@pytest.mark.parametrize("step", [case[1] for case in SLOW], ids=[case[0] for case in SLOW])
def test_slow(serve: Callable[..., FaultyChat], connect: Callable[..., Chat], step: Step) -> None:
    """The limit holds for the request as a whole, however often a byte comes (L3)."""
    server = serve(step)
    chat = connect(server.url, timeout_s=0.4)

    sentence = _said(chat)

    assert "did not answer within 0.4 s" in sentence
    assert chat.facts()["timed_out"] == 1


def test_connection_refused(connect: Callable[..., Chat]) -> None:
    """A server that is not there is one sentence, after all tries (L3)."""
    naps = Naps()
    chat = connect(f"http://127.0.0.1:{free_port()}", sleep=naps)

    sentence = _said(chat)

    assert "takes no connection" in sentence
    assert len(naps.naps) == 2


def test_unknown_name(connect: Callable[..., Chat]) -> None:
    """A name that nobody knows is one sentence (L3)."""
    assert "takes no connection" in _said(connect("http://no-such-host.invalid:8000"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, signed by itself, with its key in the same file."""
    folder = tmp_path_factory.mktemp("tls")
    key, made = folder / "key.pem", folder / "made.pem"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    command = (
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    )
    subprocess.run([*command, *subject, "-keyout", str(key), "-out", str(made)], check=True, capture_output=True)
    made.write_text(made.read_text() + key.read_text())
    return made


def test_tls(serve: Callable[..., FaultyChat], connect: Callable[..., Chat], certificate: Path) -> None:
    """A certificate that nobody vouches for is refused at once; with its authority named it is taken."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = serve(tls=context)

    sentence = _said(connect(server.url))
    answers = connect(server.url, ca=certificate).ask([QUESTION], Manner())

    assert "certificate that is not trusted" in sentence
    assert len(server.asked) == 1
    assert answers[0].text == "AX-4711"


def test_tls_to_a_plain_server(serve: Callable[..., FaultyChat], connect: Callable[..., Chat]) -> None:
    """An https address of a server that speaks http is one sentence (L3)."""
    server = serve()

    sentence = _said(connect(server.url.replace("http", "https")))

    assert "takes no connection" in sentence


def test_ca_that_is_none(tmp_path: Path) -> None:
    """A CA file that is missing or no certificate is named at the start."""
    (tmp_path / "no.pem").write_text("hello")

    for name in ("no.pem", "missing.pem"):
        with pytest.raises(ReaderError, match=name):
            Chat("https://localhost", MODEL, ca=tmp_path / name)


def test_recovers(serve: Callable[..., FaultyChat], connect: Callable[..., Chat]) -> None:
    """What another try helps is an answer, after a wait that grows and is not the same twice."""
    server = serve()
    for jitter, waits in ((0.0, [0.25, 0.5]), (1.0, [0.75, 1.5])):
        naps = Naps()
        server.steps = [says(b"", "500 Oh"), sends(b"")]
        chat = connect(server.url, sleep=naps, jitter=lambda jitter=jitter: jitter)

        (answer,) = chat.ask([QUESTION], Manner())

        assert answer.text == "AX-4711"
        assert naps.naps == waits
        assert chat.facts()["retries"] == 2


def test_retry_after(serve: Callable[..., FaultyChat], connect: Callable[..., Chat]) -> None:
    """A server that asks for a wait within the limit gets it."""
    server, naps = serve(), Naps()
    server.steps = [says(b"", "429 Too Many Requests", "Retry-After: 7")]

    (answer,) = connect(server.url, sleep=naps).ask([QUESTION], Manner())

    assert answer.text == "AX-4711"
    assert naps.naps == [7.0]


@pytest.mark.parametrize("wait", ["3600", "Fri, 31 Dec 9999 23:59:59 GMT", "999999999999999999999"])
def test_retry_after_the_limit(serve: Callable[..., FaultyChat], connect: Callable[..., Chat], wait: str) -> None:
    """A server that asks for a longer wait than the limit is not waited for."""
    server, naps = serve(says(b"", "429 Too Many Requests", f"Retry-After: {wait}")), Naps()

    sentence = _said(connect(server.url, sleep=naps))

    assert "asks to wait" in sentence
    assert "no time is left" in sentence
    assert naps.naps == []


def test_no_try_after_the_limit(serve: Callable[..., FaultyChat], connect: Callable[..., Chat]) -> None:
    """The waits between tries never lead past the limit."""
    clock = Clock()

    class Aging(Naps):
        async def __call__(self, seconds: float) -> None:
            await super().__call__(seconds)
            clock.now_s += seconds

    server, naps = serve(says(b"", "500 Oh")), Aging()
    chat = connect(server.url, timeout_s=1.0, sleep=naps, clock=clock, jitter=lambda: 0.5)

    sentence = _said(chat)

    assert "no time is left for another try" in sentence
    assert naps.naps == [0.5]


def test_connection_that_was_left(serve: Callable[..., FaultyChat], connect: Callable[..., Chat]) -> None:
    """A kept connection that the server ended meanwhile costs a try, not the answer."""
    server = serve(sends(http(WHOLE)))
    chat = connect(server.url)

    answers = [chat.ask([QUESTION], Manner())[0].text for _ in range(3)]

    assert answers == ["AX-4711"] * 3


def test_side_by_side(serve: Callable[..., FaultyChat], connect: Callable[..., Chat]) -> None:
    """The questions of one call go out together, and their answers come back in order."""
    server = serve()
    both = threading.Barrier(2)

    def meets(client: Any, asked: Any, end: Any) -> None:
        number = int(asked.text)
        both.wait(20)  # nobody passes before both are asked
        client.sendall(http(completion(f"answer {number}")))

    server.usual = meets

    answers = connect(server.url).ask([Question(b"", "0"), Question(b"", "1")], Manner())

    assert [answer.text for answer in answers] == ["answer 0", "answer 1"]


def test_one_failure_fails_all(serve: Callable[..., FaultyChat], connect: Callable[..., Chat]) -> None:
    """A plate of which one field was not answered was not read (L3)."""
    server = serve()
    server.steps = [GOOD, says(b"<html>")]

    with pytest.raises(ReaderError, match="HTML"):
        connect(server.url).ask([QUESTION, QUESTION], Manner())


def test_request(serve: Callable[..., FaultyChat], connect: Callable[..., Chat]) -> None:
    """A question is sent as OpenAI's form has it, with the pattern in the form that the server takes."""
    server = serve()
    chat = connect(server.url + "/v1/", api_key=SecretStr(KEY))

    for form in ("structured_outputs", "regex", "guided_regex", "none"):
        chat.ask([PATTERN], Manner(form))

    (first, second, third, fourth) = server.asked
    assert (first.method, first.path) == ("POST", "/v1/chat/completions")
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert (first.body["model"], first.body["temperature"], first.body["max_tokens"]) == (MODEL, 0, 32)
    assert first.body["messages"][0]["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")
    assert first.body["structured_outputs"] == {"regex": PATTERN.pattern}
    assert (second.body["regex"], third.body["guided_regex"]) == (PATTERN.pattern, PATTERN.pattern)
    assert fourth.pattern is None


def test_a_schema_goes_in_the_place_of_the_pattern(
    serve: Callable[..., FaultyChat], connect: Callable[..., Chat]
) -> None:
    """A question with a JSON schema is sent with it as `response_format`, and to a server that takes none without."""
    server = serve()
    asked = replace(PATTERN, schema={"type": "object"})
    chat = connect(server.url)

    chat.ask([asked], Manner("regex"))
    chat.ask([asked], Manner("none"))

    (first, second) = server.asked
    assert first.body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert "regex" not in first.body
    assert "response_format" not in second.body


def test_secret(
    serve: Callable[..., FaultyChat], connect: Callable[..., Chat], caplog: pytest.LogCaptureFixture
) -> None:
    """The key is in no sentence, log or repr, though the server repeats it."""
    caplog.set_level(logging.DEBUG)
    server = serve(says(json.dumps({"error": {"message": f"no such key: {KEY}"}}).encode(), "401 Unauthorized"))
    chat = connect(server.url, api_key=SecretStr(KEY))

    with capture_logs() as logs:
        sentence = _said(chat)

    assert "no such key: ***" in sentence
    assert KEY not in sentence + repr(chat) + repr(vars(chat)) + caplog.text + repr(logs) + repr(chat.facts())


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel"])
def test_key_that_no_header_holds(key: str) -> None:
    """A key that cannot be sent is refused at the start, without being shown."""
    with pytest.raises(ReaderError, match="key") as caught:
        Chat("http://localhost", MODEL, api_key=SecretStr(key))

    assert key not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "gpu-pool:8000",
        "ftp://gpu",
        "http://",
        "http://user:secret@gpu",
        "http://gpu?key=secret",
        "http://gpu:x",
        "http://[::",
    ],
)
def test_url_that_is_none(url: str) -> None:
    """An address that is none, or holds a secret, is refused at the start, without the secret."""
    with pytest.raises(ReaderError, match="url") as caught:
        Chat(url, MODEL)

    assert "secret" not in str(caught.value)


def test_closed(serve: Callable[..., FaultyChat], connect: Callable[..., Chat]) -> None:
    """A client that was closed says so, and closing it again does nothing (L3)."""
    chat = connect(serve().url)
    chat.close()
    chat.close()

    assert "was closed" in _said(chat)


def test_limit_that_is_used_up(serve: Callable[..., FaultyChat], connect: Callable[..., Chat]) -> None:
    """Without time left nothing is sent, and the server is not blamed for it."""
    server = serve()
    chat = connect(server.url)

    with pytest.raises(ReaderError, match="was used up before"):
        chat.ask([QUESTION], Manner(), limit_s=-1.0)
    assert server.asked == []
    assert chat.facts()["failed"] == 0
