"""The forms in which a replica is asked: the read form of stations, and OpenAI's, which any client speaks.

Promises: every request ends in an answer or in one JSON object with a sentence and a reason's name; a refusal says by
`Retry-After` when asking again may help; which replica, reader and weights answered stands in the answer's head.
"""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Awaitable, Callable, Mapping

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edge.core.reading import FreeAnswer, Reading
from edge.errors import EdgeError, ImageError, ReaderError
from edge.pool.batch_queue import RefusedError
from edge.pool.replica import AskFrame, ReadFrame, Replica, Told, Work
from edge.products import NAMEPLATE, to_product
from edge.readers import read_form
from edge.web.chat import MODEL, asked_of, completion, completion_head
from edge.web.guests import MAX_BODY_BYTES, MAX_IMAGE_BYTES, QuestionError, body_of, object_of, wrong

log = structlog.get_logger()

#: Longest deadline that is kept, as a station's longest wait (`reader.timeout_ms`).
MOST_DEADLINE_MS = 60_000

Handler = Callable[[Request], Awaitable[Response]]


class PoolApi:
    """Answers HTTP requests by one replica. `deadline_ms` is that of a question that names none."""

    def __init__(self, replica: Replica, *, deadline_ms: int, name: str = "") -> None:
        self._replica = replica
        self._deadline_ms = deadline_ms
        self._name = name or uuid.uuid4().hex[:8]
        self._routes: Mapping[tuple[str, str], Handler] = {
            ("POST", read_form.PATH): self._read,
            ("POST", "/v1/chat/completions"): self._completions,
            ("GET", "/v1/models"): self._models,
            ("GET", "/v1/pool"): self._facts,
        }

    async def answer(self, request: Request) -> Response:
        """The answer to any request."""
        try:
            # Below the prefix of a candidate, Ray Serve leaves the prefix in the path.
            path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
            handler = self._routes.get((request.method, path))
            if handler is None:
                known = ", ".join(f"{method} {path}" for method, path in self._routes)
                raise QuestionError(404, "unknown", f"there is no such address; the pool has {known}")
            response = await handler(request)
        except EdgeError as error:
            if error.__cause__ is not None:
                # Not the refusal's own traceback: what it came from.
                log.error("the reader raised an error that it should have named", exc_info=error.__cause__)  # noqa: TRY400
            response = _refusal(error)
        response.headers["edge-replica"] = self._name
        return response

    async def _read(self, request: Request) -> Response:
        body = await body_of(request, MAX_IMAGE_BYTES + read_form.MAX_HEAD_BYTES)
        try:
            wanted, image = read_form.asked(body)
        except ValueError as error:
            raise wrong(str(error)) from None
        product = to_product(wanted.product or NAMEPLATE)
        reading = await self._told(request, ReadFrame(image, product, wanted.draft, wanted.boxes))
        assert isinstance(reading, Reading)
        by = {"edge-reader": reading.reader, "edge-reader-hash": reading.reader_hash}
        return Response(read_form.answer(reading), media_type="application/json", headers=by)

    async def _completions(self, request: Request) -> Response:
        asked = asked_of(object_of(await body_of(request, MAX_BODY_BYTES)))
        if asked.stream:
            raise wrong("the pool answers in one piece: leave `stream` out")
        told = await self._told(request, AskFrame(asked.image, asked.question, to_product(NAMEPLATE), asked.cap))
        assert isinstance(told, FreeAnswer)
        return JSONResponse(completion(told, completion_head(MODEL)))

    async def _models(self, _request: Request) -> Response:
        # The hash is what lasts of a model: who asks sees that it was changed.
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "edge", "root": self._replica.reader.hash}
        return JSONResponse({"object": "list", "data": [model]})

    async def _facts(self, _request: Request) -> Response:
        return JSONResponse({"replica": self._name, **self._replica.facts()})

    async def _told(self, request: Request, work: Work) -> Told:
        station = request.headers.get(read_form.STATION, "")
        if not station:
            station = request.client.host if request.client is not None else "unknown"
        return await asyncio.wrap_future(self._replica.put(station[:200], work, self._within_us(request)))

    def _within_us(self, request: Request) -> int:
        said = request.headers.get(read_form.DEADLINE)
        if said is None:
            return self._deadline_ms * 1000
        try:
            within_ms = float(said)
        except ValueError:
            within_ms = math.nan
        if not 0 < within_ms <= MOST_DEADLINE_MS:
            raise wrong(
                f"{read_form.DEADLINE} must be a number of ms above 0, at most {MOST_DEADLINE_MS}, and is {said[:20]!r}"
            )
        return round(within_ms * 1000)


def _refusal(error: EdgeError) -> JSONResponse:
    """What a failure becomes, with HTTP's number for whose fault it is."""
    refused = _refused(error)
    return JSONResponse(refused.told(), refused.status, refused.headers)


def _refused(error: EdgeError) -> QuestionError:
    if isinstance(error, QuestionError):
        return error
    if isinstance(error, ImageError):
        return QuestionError(415, "image_error", str(error))
    if not isinstance(error, RefusedError):
        return QuestionError(500, "reader_failed" if isinstance(error, ReaderError) else "failed", str(error))
    refused = QuestionError(503, error.why, str(error))
    # The header counts in whole seconds; what a station can use is shorter.
    refused.headers["retry-after"] = str(math.ceil(error.retry_after_s))
    refused.headers["edge-retry-after-ms"] = str(math.ceil(error.retry_after_s * 1000))
    return refused
