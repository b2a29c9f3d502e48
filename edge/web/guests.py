"""What the HTTP API's questions have in common: the image that comes with them, their limits, and what went wrong.

Promises: a body is never longer in memory than its limit, and is refused by its announced length before a byte of it is
read; whoever sends slowly is given up after `REQUEST_LIMIT_S`; every refusal is one JSON object with a sentence, in the
form that OpenAI's clients understand; a client that goes away calls its question off.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from edge.adapters.guest_link import GuestError, GuestLink
from edge.adapters.reader_link import Fault
from edge.web.refusals import RefusedError

#: An image file that is taken.
MAX_IMAGE_BYTES = 20_000_000
#: A JSON body: an image in base64, a question, and room for what a client says besides.
MAX_BODY_BYTES = MAX_IMAGE_BYTES * 4 // 3 + 100_000
#: A request has its answer, or its refusal, within this time.
REQUEST_LIMIT_S = 30.0
#: The reader's share of it.
PATIENCE_S = REQUEST_LIMIT_S - 1.0
#: Whoever is refused as one too many may come again after this.
RETRY_AFTER_S = 1

MOST_QUESTION_CHARACTERS = 1000

_STATUS_OF: Mapping[Fault, int] = {
    "reader": 503,
    "image": 415,
    "question": 422,
    "busy": 429,
    "late": 504,
    "answer": 502,
}

#: Gives the reader's guest link, once the panel runs.
Link = Callable[[], GuestLink]
T = TypeVar("T")


class QuestionError(RefusedError):
    """Raised where a question is not followed; its JSON object is in the form that OpenAI's clients read."""

    def __init__(self, status: int, kind: str, sentence: str) -> None:
        super().__init__(status, kind, sentence, {"retry-after": str(RETRY_AFTER_S)} if status == 429 else None)

    def told(self) -> dict[str, Any]:
        """The JSON object that says so."""
        told = super().told()
        return {"error": {**told["error"], "code": self.status, "param": None}}


def wrong(sentence: str) -> QuestionError:
    """The refusal of a request that is not what it should be."""
    return QuestionError(400, "invalid_request_error", sentence)


Handler = Callable[[Request], Awaitable[Response]]


def limited(handler: Handler) -> Handler:
    """A handler with everything that it does limited in time; a client that has gone needs no answer."""

    async def handle(request: Request) -> Response:
        try:
            async with asyncio.timeout(REQUEST_LIMIT_S):
                return await handler(request)
        except TimeoutError:
            raise QuestionError(408, "timeout", f"the request took longer than {REQUEST_LIMIT_S:.0f} s") from None
        except ClientDisconnect:
            return Response(status_code=499)  # nobody hears it
        except GuestError as error:
            raise refused_by(error) from None

    return handle


def refused_by(error: GuestError) -> QuestionError:
    """The refusal for a question that the reader has no answer to."""
    return QuestionError(_STATUS_OF[error.fault], f"{error.fault}_error", str(error))


async def body_of(request: Request, limit_bytes: int) -> bytes:
    """The request's body.

    Raises:
        QuestionError: it is too long.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > limit_bytes:
        raise _too_long(int(announced), limit_bytes)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit_bytes:
            raise _too_long(size, limit_bytes)
        parts.append(part)
    return b"".join(parts)


def image_of(text: object) -> bytes:
    """The bytes of an image in base64, with or without the head of a data URL.

    Raises:
        QuestionError: it is no base64, or too long, or empty.
    """
    if not isinstance(text, str) or not text:
        raise wrong("there is no image: send the file's bytes in base64")
    head, comma, rest = text.partition(",")
    if head.startswith("data:") and comma and not head.endswith(";base64"):
        raise wrong("the image's data URL is not base64: send data:…;base64,…")
    if text.startswith(("http:", "https:", "file:")):
        sentence = f"edge fetches no image from an address ({text[:40]!r}): send the file's bytes in base64"
        raise wrong(sentence)
    coded = rest if head.startswith("data:") and comma else text
    if len(coded) > MAX_IMAGE_BYTES * 4 // 3 + 4:
        raise _too_long(len(coded) * 3 // 4, MAX_IMAGE_BYTES)
    try:
        image = base64.b64decode("".join(coded.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise wrong(f"the image is not base64 ({error}): send it anew") from None
    if not image:
        raise wrong("the image is empty: send the file's bytes in base64")
    return image


def question_of(text: object) -> str:
    """A question.

    Raises:
        QuestionError: it is no text, empty, or too long.
    """
    if not isinstance(text, str) or not text.strip() or len(text) > MOST_QUESTION_CHARACTERS:
        sentence = f"a question is a text of 1 to {MOST_QUESTION_CHARACTERS} characters: send one"
        raise wrong(sentence)
    return text.encode("utf-8", "replace").decode()


def object_of(body: bytes) -> dict[str, Any]:
    """A body as a JSON object.

    Raises:
        QuestionError: it is none.
    """
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        sentence = f"the body is not JSON ({str(error)[:80]}): send one JSON object"
        raise wrong(sentence) from None
    if not isinstance(said, dict):
        raise wrong("the body is JSON but no object: send one JSON object")
    return said


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """What the work gives; given up as soon as the client has gone.

    Raises:
        ClientDisconnect: it has.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return await working
    finally:
        for task in (working, gone):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _too_long(size: int, limit: int) -> QuestionError:
    return QuestionError(413, "too_large", f"{size} bytes are more than the limit of {limit}: send a smaller image")


def event(data: str) -> bytes:
    """One server-sent event."""
    return "".join(f"data: {line}\n" for line in data.split("\n")).encode() + b"\n"


#: What a streamed answer is made of.
Events = AsyncIterator[bytes]
#: No proxy may keep the pieces of an answer together.
STREAM_HEADERS: Mapping[str, str] = {"cache-control": "no-store", "x-accel-buffering": "no"}
