"""`GET` and `POST /v1/inside`: what the station's model does for a question, or for a field; for engineers.

Promises: it is one more guest of the reader, so that every part of the line goes first; at most one such look at a time
runs for this panel, and its answer has a bounded size (64 tokens, 384 image tokens); a reader without a model here says
so; nothing of it is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import TypeAdapter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.core.inside import Inside
from edge.web.guests import (
    MAX_BODY_BYTES,
    PATIENCE_S,
    Link,
    QuestionError,
    body_of,
    image_of,
    limited,
    object_of,
    question_of,
    while_connected,
    wrong,
)
from edge.web.history import kept_frame
from edge.web.stored import Stored

MOST_CAP = 64
_MOST_NAME = 100
_INSIDE = TypeAdapter(Inside)
_NO_MODEL = (
    "The reader of this station is {}, which has no model here to look into: set [reader] kind to vlm or ocr+vlm."
)


def routes(
    link: Link,
    stored: Stored,
    fields: Sequence[str],
    reader: Callable[[], str | None],
    *,
    patience_s: float = PATIENCE_S,
) -> list[Route]:
    """The routes of this module.

    Args:
        link: the way to the reader.
        stored: where kept frames are.
        fields: what the station reads.
        reader: tells the reader's name, where it is known.
        patience_s: how long an answer is waited for.
    """
    busy = asyncio.Lock()

    async def can(_request: Request) -> Response:
        name = reader()
        why = "" if name is None or "vlm" in name else _NO_MODEL.format(name)
        return JSONResponse({"fields": [*fields], "reader": name, "available": not why, "why": why})

    async def look(request: Request) -> Response:
        said = object_of(await body_of(request, MAX_BODY_BYTES))
        field = _text(said, "field")
        question = "" if field else question_of(said.get("question"))
        cap, layer = _whole(said, "max_tokens", 1, MOST_CAP), _whole(said, "layer", 0, 999)
        image = await _image(stored, said)
        if busy.locked():
            raise QuestionError(
                429, "busy_error", "the model is being looked into for somebody else: ask again in a second"
            )
        async with busy:
            told = link().inside(image, question, field=field, cap=cap or MOST_CAP, layer=layer, timeout_s=patience_s)
            found = await while_connected(request, told)
        return Response(_INSIDE.dump_json(found), media_type="application/json")

    return [Route("/v1/inside", can), Route("/v1/inside", limited(look), methods=["POST"])]


async def _image(stored: Stored, said: dict[str, Any]) -> bytes:
    """The image that was sent, or the kept frame that was named.

    Raises:
        QuestionError: it is neither, or both.
        RefusedError: the frame is not kept any more.
    """
    inspection_id = _text(said, "inspection_id")
    if bool(inspection_id) == ("image" in said):
        sentence = "name an image, or a kept frame by inspection_id and frame, and not both: send one of them"
        raise wrong(sentence)
    if not inspection_id:
        return image_of(said["image"])
    number = _whole(said, "frame", 0, 999) or 0
    return (await run_in_threadpool(kept_frame, stored, inspection_id, number))[1]


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name) or ""
    if not isinstance(value, str) or len(value) > _MOST_NAME:
        sentence = f"`{name}` must be a text of at most {_MOST_NAME} characters: send such a one"
        raise wrong(sentence)
    return value


def _whole(said: dict[str, Any], name: str, least: int, most: int) -> int | None:
    value = said.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most):
        sentence = f"`{name}` must be a whole number from {least} to {most}, and is {str(value)[:40]!r}"
        raise wrong(sentence)
    return value
