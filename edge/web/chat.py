"""`POST /v1/chat` (an image and a question) and the same in OpenAI's form, `POST /v1/chat/completions`.

Either may name a question profile, of which `GET /v1/profiles` gives the list: its answer is then one that it allows.

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
from types import MappingProxyType
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from edge.adapters.guest_link import GuestError
from edge.core.reading import FreeAnswer
from edge.errors import UseError
from edge.question_profiles import QuestionProfile, listed
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
#: The longest name of a question profile.
MOST_PROFILE = 64
_DONE = event("[DONE]")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about an image, with how its answer is wanted."""

    image: bytes
    question: str
    cap: int
    stream: bool
    profile: QuestionProfile | None = None


Profiles = Mapping[str, QuestionProfile]
NO_PROFILES: Profiles = MappingProxyType({})


def routes(link: Link, profiles: Profiles = NO_PROFILES, *, patience_s: float = PATIENCE_S) -> list[Route]:
    """The routes of this module; an answer that takes longer than `patience_s` is given up."""
    guests = Guests(link, patience_s, profiles)
    return [
        Route("/v1/profiles", partial(_profiles, profiles), methods=["GET"]),
        Route("/v1/chat", limited(partial(_chat, guests)), methods=["POST"]),
        Route("/v1/chat/completions", limited(partial(_completions, guests)), methods=["POST"]),
        Route("/v1/models", partial(_models, profiles), methods=["GET"]),
    ]


@dataclass(frozen=True, slots=True)
class Guests:
    """The way to the reader, how long an answer is waited for, and the question profiles that there are."""

    link: Link
    patience_s: float
    profiles: Profiles

    def ask(self, asked: Asked) -> AsyncIterator[str | FreeAnswer]:
        """The pieces of an answer, then the answer."""
        profile = "" if asked.profile is None else asked.profile.model_dump_json()
        return self.link().ask(asked.image, asked.question, cap=asked.cap, profile=profile, timeout_s=self.patience_s)


def profile_of(name: object, profiles: Profiles) -> QuestionProfile | None:
    """The profile of that name; None where none is named.

    Raises:
        QuestionError: there is no such one.
    """
    if name in (None, ""):
        return None
    if not isinstance(name, str) or name not in profiles:
        known = ", ".join(profiles) or "none"
        raise QuestionError(
            404, "profile_not_found", f"there is no question profile {str(name)[:64]!r} here; there are: {known}"
        )
    return profiles[name]


async def _chat(guests: Guests, request: Request) -> Response:
    said = object_of(await body_of(request, MAX_BODY_BYTES))
    profile = profile_of(said.get("profile"), guests.profiles)
    asked = Asked(
        image_of(said.get("image")) if profile is None or profile.sees else b"",
        _question(said.get("question"), profile),
        _cap(said.get("max_tokens")),
        _flag(said, "stream"),
        profile,
    )
    if asked.stream:
        return _streamed(_chat_events(guests, asked))
    answer = await while_connected(request, _whole(guests, asked))
    return JSONResponse(_answer(answer))


async def _completions(guests: Guests, request: Request) -> Response:
    said = object_of(await body_of(request, MAX_BODY_BYTES))
    asked = asked_of(said, guests.profiles)
    head = completion_head(said.get("model") or MODEL)
    if asked.stream:
        return _streamed(_completion_events(guests, asked, head))
    answer = await while_connected(request, _whole(guests, asked))
    return JSONResponse(completion(answer, head))


def completion_head(model: str) -> dict[str, Any]:
    """What each piece of one answer in OpenAI's form begins with."""
    return {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}


def completion(answer: FreeAnswer, head: Mapping[str, Any]) -> dict[str, Any]:
    """A whole answer in OpenAI's form."""
    message = {"role": "assistant", "content": answer.text}
    choice = {"index": 0, "message": message, "finish_reason": answer.finish, "logprobs": None}
    usage = {"prompt_tokens": 0, "completion_tokens": answer.tokens, "total_tokens": answer.tokens}
    return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}


def asked_of(said: Mapping[str, Any], profiles: Profiles = NO_PROFILES) -> Asked:
    """What a request in OpenAI's form asks.

    Raises:
        QuestionError: it asks for another model or profile, for several answers, or not about one image.
    """
    profile = profile_of(_named(said), profiles)
    if said.get("n") not in (None, 1):
        raise QuestionError(
            400, "invalid_request_error", f"n must be 1, and is {said['n']!r}: the answer is always one"
        )
    cap = said.get("max_completion_tokens", said.get("max_tokens"))
    image, question = _message(said.get("messages"), profile)
    return Asked(image, question, _cap(cap), _flag(said, "stream"), profile)


async def _models(profiles: Profiles, _request: Request) -> Response:
    names = (MODEL, *(f"{MODEL}/{name}" for name in profiles))
    models = [{"id": name, "object": "model", "created": 0, "owned_by": "edge"} for name in names]
    return JSONResponse({"object": "list", "data": models})


async def _profiles(profiles: Profiles, _request: Request) -> Response:
    return JSONResponse({"profiles": [listed(one) for one in profiles.values()]})


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
    by_profile = {"profile": answer.profile, "object": answer.object} if answer.profile else {}
    return {
        "answer": answer.text,
        **by_profile,
        "finish": answer.finish,
        "tokens": answer.tokens,
        "reader": {"name": answer.reader, "hash": answer.reader_hash},
        "ms": {"first_token": first_ms, "total": round(answer.total_ms, 2)},
    }


def _named(said: Mapping[str, Any]) -> object:
    """The profile that a request of OpenAI's form names: by its model, "edge/NAME", or by its metadata.

    Raises:
        QuestionError: there is no such model, or the two disagree.
    """
    model, metadata = said.get("model") or MODEL, said.get("metadata")
    by_metadata = metadata.get("profile") if isinstance(metadata, dict) else None
    if not isinstance(model, str) or (model != MODEL and not model.startswith(f"{MODEL}/")):
        sentence = f"there is no model {str(model)[:40]!r} here: this station's reader is {MODEL!r}"
        raise QuestionError(404, "model_not_found", sentence)
    by_model = model.removeprefix(MODEL).removeprefix("/")
    if by_model and by_metadata and by_model != by_metadata:
        raise wrong(f"model names the profile {by_model[:64]!r}, and metadata another: name one of them")
    return by_model or by_metadata


def _question(text: object, profile: QuestionProfile | None) -> str:
    """A question; a profile that asks its own takes none.

    Raises:
        QuestionError: it is missing, or wrong, or one too many.
    """
    asked = "" if profile is not None and text in (None, "") else question_of(text)
    if profile is not None:
        try:
            profile.told(asked)
        except UseError as error:
            raise wrong(str(error)) from None
    return asked


def _message(messages: object, profile: QuestionProfile | None) -> tuple[bytes, str]:
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
    text = "\n".join(text for text in texts if isinstance(text, str))
    if profile is not None and not profile.sees and not images:
        return b"", _question(text, profile)
    if len(images) != 1:
        sentence = f"the last message of the user holds {len(images)} images: send one, as an image_url with a data URL"
        raise wrong(sentence)
    return image_of(images[0].get("url")), _question(text, profile)


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
