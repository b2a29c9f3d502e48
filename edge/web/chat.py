"""`POST /v1/chat` (an image and a question) and the same in OpenAI's form, `POST /v1/chat/completions`.

Promises: both give the same answer; streamed, the pieces put together are the answer; an answer that its cap cut says
so (`finish`: "length"); what the station's reader cannot answer is refused with the reason, never guessed.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from edge.adapters.guest_link import GuestError
from edge.core.reading import FreeAnswer
from edge.web.guests import (
    MAX_BODY_BYTES,
    PATIENCE_S,
    STREAM_HEADERS,
    Events,
    Link,
    QuestionError,
    body_of,
    event,
    image_of,
    limited,
    object_of,
    question_of,
    refused_by,
    while_connected,
    wrong,
)

DEFAULT_CAP, MOST_CAP = 64, 1024
#: The name that OpenAI's clients give the station's reader by; any other is refused.
MODEL = "edge"
_DONE = event("[DONE]")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about an image, with how its answer is wanted."""

    image: bytes
    question: str
    cap: int
    stream: bool


def routes(link: Link, *, patience_s: float = PATIENCE_S) -> list[Route]:
    """The routes of this module; an answer that takes longer than `patience_s` is given up."""
    guests = Guests(link, patience_s)
    return [
        Route("/v1/chat", limited(partial(_chat, guests)), methods=["POST"]),
        Route("/v1/chat/completions", limited(partial(_completions, guests)), methods=["POST"]),
        Route("/v1/models", _models, methods=["GET"]),
    ]


@dataclass(frozen=True, slots=True)
class Guests:
    """The way to the reader, and how long an answer is waited for."""

    link: Link
    patience_s: float

    def ask(self, asked: Asked) -> AsyncIterator[str | FreeAnswer]:
        """The pieces of an answer, then the answer."""
        return self.link().ask(asked.image, asked.question, cap=asked.cap, timeout_s=self.patience_s)


async def _chat(guests: Guests, request: Request) -> Response:
    said = object_of(await body_of(request, MAX_BODY_BYTES))
    asked = Asked(
        image_of(said.get("image")),
        question_of(said.get("question")),
        _cap(said.get("max_tokens")),
        _flag(said, "stream"),
    )
    if asked.stream:
        return _streamed(_chat_events(guests, asked))
    answer = await while_connected(request, _whole(guests, asked))
    return JSONResponse(_answer(answer))


async def _completions(guests: Guests, request: Request) -> Response:
    asked = asked_of(object_of(await body_of(request, MAX_BODY_BYTES)))
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": MODEL}
    if asked.stream:
        return _streamed(_completion_events(guests, asked, head))
    answer = await while_connected(request, _whole(guests, asked))
    message = {"role": "assistant", "content": answer.text}
    choice = {"index": 0, "message": message, "finish_reason": answer.finish, "logprobs": None}
    usage = {"prompt_tokens": 0, "completion_tokens": answer.tokens, "total_tokens": answer.tokens}
    return JSONResponse({**head, "object": "chat.completion", "choices": [choice], "usage": usage})


def asked_of(said: Mapping[str, Any]) -> Asked:
    """What a request in OpenAI's form asks.

    Raises:
        QuestionError: it asks for another model, for several answers, or not about one image.
    """
    if said.get("model") not in (None, MODEL):
        sentence = f"there is no model {str(said['model'])[:40]!r} here: this station's reader is {MODEL!r}"
        raise QuestionError(404, "model_not_found", sentence)
    if said.get("n") not in (None, 1):
        raise QuestionError(
            400, "invalid_request_error", f"n must be 1, and is {said['n']!r}: the answer is always one"
        )
    cap = said.get("max_completion_tokens", said.get("max_tokens"))
    image, question = _message(said.get("messages"))
    return Asked(image, question, _cap(cap), _flag(said, "stream"))


async def _models(_request: Request) -> Response:
    model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "edge"}
    return JSONResponse({"object": "list", "data": [model]})


async def _whole(guests: Guests, asked: Asked) -> FreeAnswer:
    found: FreeAnswer | None = None
    async for one in guests.ask(asked):
        found = one if isinstance(one, FreeAnswer) else found
    assert found is not None  # a question ends in an answer or an error
    return found


async def _pieces(guests: Guests, asked: Asked) -> AsyncIterator[str | FreeAnswer]:
    """The pieces of an answer, none missing, then the answer: what a lost piece left out comes with the last one."""
    told = ""
    async for one in guests.ask(asked):
        if isinstance(one, FreeAnswer):
            if one.text != told and one.text.startswith(told):
                yield one.text[len(told) :]
            yield one
        else:
            told += one
            yield one


def _streamed(events: Events) -> Response:
    return StreamingResponse(events, media_type="text/event-stream", headers=dict(STREAM_HEADERS))


async def _chat_events(guests: Guests, asked: Asked) -> Events:
    try:
        async for one in _pieces(guests, asked):
            yield event(json.dumps({"token": one} if isinstance(one, str) else _answer(one)))
    except GuestError as error:
        yield event(json.dumps(refused_by(error).told()))
    yield _DONE


async def _completion_events(guests: Guests, asked: Asked, head: Mapping[str, Any]) -> Events:
    def chunk(delta: Mapping[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return event(json.dumps({**head, "object": "chat.completion.chunk", "choices": [choice]}))

    yield chunk({"role": "assistant", "content": ""})
    try:
        async for one in _pieces(guests, asked):
            yield chunk({"content": one}) if isinstance(one, str) else chunk({}, one.finish)
    except GuestError as error:
        yield event(json.dumps(refused_by(error).told()))
    yield _DONE


def _answer(answer: FreeAnswer) -> dict[str, Any]:
    first_ms = None if answer.first_token_ms is None else round(answer.first_token_ms, 2)
    return {
        "answer": answer.text,
        "finish": answer.finish,
        "tokens": answer.tokens,
        "reader": {"name": answer.reader, "hash": answer.reader_hash},
        "ms": {"first_token": first_ms, "total": round(answer.total_ms, 2)},
    }


def _message(messages: object) -> tuple[bytes, str]:
    """The one image and the question of a conversation: the last message of the user that holds one.

    Raises:
        QuestionError: there is no image, or more than one, or no question.
    """
    parts: list[Any] = []
    for message in reversed(messages if isinstance(messages, list) else []):
        if isinstance(message, dict) and message.get("role") == "user":
            content = message.get("content")
            parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
            break
    images = [part["image_url"] for part in parts if isinstance(part, dict) and isinstance(part.get("image_url"), dict)]
    texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
    if len(images) != 1:
        sentence = f"the last message of the user holds {len(images)} images: send one, as an image_url with a data URL"
        raise wrong(sentence)
    return image_of(images[0].get("url")), question_of("\n".join(text for text in texts if isinstance(text, str)))


def _cap(value: object) -> int:
    if value is None:
        return DEFAULT_CAP
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_CAP:
        sentence = f"the most tokens of an answer must lie between 1 and {MOST_CAP}, and are {str(value)[:40]}"
        raise wrong(sentence)
    return value


def _flag(said: Mapping[str, Any], name: str) -> bool:
    value = said.get(name)
    if value not in (None, True, False):
        raise wrong(f"`{name}` must be true or false, and is {str(value)[:40]!r}")
    return bool(value)
