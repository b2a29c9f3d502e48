"""`POST /v1/read`: an image in, the same object out as `edge read --json` prints."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.adapters.read_object import read_object
from edge.core.fields import Product
from edge.web.guests import (
    MAX_BODY_BYTES,
    MAX_IMAGE_BYTES,
    PATIENCE_S,
    Link,
    QuestionError,
    body_of,
    image_of,
    limited,
    object_of,
    while_connected,
    wrong,
)

_MOST_NAME_CHARACTERS = 200


def routes(link: Link, product: Product, *, patience_s: float = PATIENCE_S) -> list[Route]:
    """The route of this module; the station's product is what is read."""
    return [Route("/v1/read", limited(partial(_read, link, product, patience_s)), methods=["POST"])]


async def _read(link: Link, product: Product, patience_s: float, request: Request) -> Response:
    name, image = await _upload(request)
    judged = await while_connected(request, link().read(image, timeout_s=patience_s))
    reading = judged.reading
    ms = {stage: spent for stage, spent in reading.ms.items() if stage != "total"} | {"quality": judged.gate_ms}
    told = read_object(name, judged.quality, reading, product, {**ms, "total": sum(ms.values())})
    return JSONResponse(told)


async def _upload(request: Request) -> tuple[str, bytes]:
    """The image's name and bytes: the body itself, or `{"image": base64, "file": name}`.

    Raises:
        QuestionError: it is neither.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith("image/") or kind == "application/octet-stream":
        image = await body_of(request, MAX_IMAGE_BYTES)
        if not image:
            raise wrong("the image is empty: send the file's bytes")
        return "", image
    if kind != "application/json":
        sentence = f"the body is {kind or 'of no type'!r}: send an image (image/…), or JSON with the image in base64"
        raise QuestionError(415, "invalid_request_error", sentence)
    said = object_of(await body_of(request, MAX_BODY_BYTES))
    name = said.get("file", "")
    if not isinstance(name, str) or len(name) > _MOST_NAME_CHARACTERS:
        sentence = f"`file` must be a name of at most {_MOST_NAME_CHARACTERS} characters"
        raise wrong(sentence)
    return name.encode("utf-8", "replace").decode(), image_of(said.get("image"))
