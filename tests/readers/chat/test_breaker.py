"""Promises of leaving a failing server alone, and of what a server lists of its model."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from edge.errors import ReaderError
from edge.readers.chat.breaker import Breaker
from edge.readers.chat.chat import Chat, Manner, Question, RefusedError
from tests.readers.chat.faulty_chat import GOOD, MODEL, Clock, FaultyChat, says

QUESTION = Question(b"a picture", "What is the serial number?")


def _said(chat: Chat) -> str:
    """The sentence in which asking fails."""
    with pytest.raises(ReaderError) as caught:
        chat.ask([QUESTION], Manner())
    return str(caught.value)


def test_listing(serve: Callable[..., FaultyChat], connect: Callable[..., Chat]) -> None:
    """Of what a server lists, only what lasts is told: vLLM makes times and permissions anew each time."""
    more = {"created": 1, "permission": [{"id": "modelperm-1"}], "max_model_len": 4096, "owned_by": "vllm"}
    server = serve(listing=json.dumps({"data": [{"id": "other"}, {"id": MODEL, **more}]}).encode())

    listing = connect(server.url).listing()

    assert listing == {"id": MODEL, "owned_by": "vllm", "max_model_len": 4096}
    assert connect(server.url, model="unknown").listing() == {}


def test_listing_that_is_none(serve: Callable[..., FaultyChat], connect: Callable[..., Chat]) -> None:
    """A list of models that is none is one sentence (L3)."""
    with pytest.raises(ReaderError, match="no list of models"):
        connect(serve(listing=b'{"data": 3}').url).listing()


def test_breaker_in_the_client(serve: Callable[..., FaultyChat], connect: Callable[..., Chat]) -> None:
    """A server that failed three times is not asked until the pause is over; its success lets all through again."""
    clock = Clock()
    server = serve(says(b"<html>"))
    chat = connect(server.url, breaker=Breaker(pause_s=15.0, jitter=0.0, clock=clock))
    for _ in range(3):
        _said(chat)

    refused = _said(chat)
    asked, state = len(server.asked), chat.facts()["breaker"]
    clock.now_s += 15.0
    half = chat.facts()["breaker"]
    server.usual = GOOD
    (answer,) = chat.ask([QUESTION], Manner())

    assert "left alone (open, it is tried again in 15 s)" in refused
    assert "HTML" in refused
    assert (asked, state, half) == (3, "open", "half_open")
    assert (answer.text, chat.facts()["breaker"], chat.facts()["breaker_opened"]) == ("AX-4711", "closed", 1)


def test_breaker_half_open() -> None:
    """Half open, one request goes out at a time; its failure opens the breaker for a whole pause again."""
    clock = Clock()
    breaker = Breaker(failures=1, pause_s=15.0, jitter=0.0, clock=clock)
    breaker.enter()
    breaker.failed("no answer")
    clock.now_s += 15.0
    breaker.enter()

    with pytest.raises(ReaderError, match="half_open, one request tries it now"):
        breaker.enter()
    breaker.failed("no answer")
    assert breaker.state == "open"
    clock.now_s += 14.0
    with pytest.raises(ReaderError, match="tried again in 1 s"):
        breaker.enter()


def test_refusals_do_not_open(serve: Callable[..., FaultyChat], connect: Callable[..., Chat]) -> None:
    """A server that refuses a request works: other requests still go out."""
    chat = connect(serve(says(b"", "422 Unprocessable Entity")).url)

    for _ in range(5):
        with pytest.raises(RefusedError):
            chat.ask([QUESTION], Manner())

    assert chat.facts()["breaker"] == "closed"
    assert chat.facts()["refused"] == 5
