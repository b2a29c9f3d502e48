"""Setting a station up, over HTTP: `edge check`, the gate's percentiles, a look through the camera, the product file.

Promises: parts go first. A look is taken only while no part is open or has just come; commands run as children, one at
a time, behind everything else and with a limit of time; a product file with a mistake is never saved.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import cv2
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from edge.adapters import images
from edge.adapters.frames import Frame
from edge.adapters.history import Query
from edge.adapters.look import Looker
from edge.adapters.read_object import quality_object
from edge.core.fields import Product
from edge.core.quality import Measure, MeasureName, Quality
from edge.errors import CameraError, ConfigError, UseError
from edge.settings import Settings
from edge.vision import spread
from edge.vision.rectify import resized
from edge.web import child
from edge.web.guests import STREAM_HEADERS, Link, event, limited
from edge.web.history import number_of
from edge.web.product_desk import MAX_BYTES, ChangedError, ProductDesk
from edge.web.refusals import RefusedError
from edge.web.session import json_body, text_of
from edge.web.stored import Stored

#: `edge check` gives each neighbour 60 s, and a model that it loads 300.
CHECK_S = 310.0
#: Frames that a product file is tried on, and how long that may take.
TESTED, MOST_TESTED, TEST_S = 20, 200, 120.0
#: Frames whose measures are spread, and the most of them.
SPREAD, MOST_SPREAD = 200, 1000
#: No look is taken so soon after a part: the next one may be on its way.
QUIET_S = 2.0
#: A look is shown so wide at most, px.
SHOWN_PX = 1280
#: The reader's share of a look.
JUDGE_S = 5.0


@dataclass(frozen=True, slots=True)
class Workplace:
    """What is set up: the product file's desk, the camera (None: it cannot be looked through, and `why`), the product.

    `running` is the product that the station works by, as JSON; `station` its name in the store.
    """

    desk: ProductDesk
    looker: Looker | None
    why_no_look: str
    product: Product
    running: str
    station: str

    @classmethod
    def of(cls, settings: Settings) -> Workplace:
        """What is set up at the station of these settings."""
        name = settings.station.camera
        # Its frames are the parts', one each.
        by_files = settings.cameras[name].kind == "file"
        return cls(
            desk=ProductDesk(
                settings.path, settings.station.product, settings.paths.products, settings.paths.edited_products
            ),
            looker=None if by_files else Looker(settings.paths.runtime, name),
            why_no_look=f"camera {name} shows files, of which each look would take one from a part: use a live camera",
            product=settings.product,
            running=settings.product_file.model_dump_json(),
            station=settings.station.name,
        )


def routes(stored: Stored, link: Link, place: Workplace | None) -> list[Route]:
    """Every address of the set-up, where there is something to set up."""
    return [] if place is None else SetupRoutes(stored, link, place).routes()


class SetupRoutes:
    """What stands below `/v1/setup`."""

    def __init__(self, stored: Stored, link: Link, place: Workplace) -> None:
        self._stored, self._link, self._place = stored, link, place
        self._busy = asyncio.Lock()

    def routes(self) -> list[Route]:
        """Every address of the set-up."""
        return [
            Route("/v1/setup/check", self._check, methods=["POST"]),
            Route("/v1/setup/gate", self._gate),
            Route("/v1/setup/look", limited(self._look), methods=["POST"]),
            Route("/v1/setup/product", self._product),
            Route("/v1/setup/product", self._save, methods=["PUT"]),
            Route("/v1/setup/product/check", self._judge, methods=["POST"]),
            Route("/v1/setup/product/test", self._test, methods=["POST"]),
        ]

    async def _check(self, _request: Request) -> Response:
        return self._streamed(("check", "--json"), CHECK_S)

    def _streamed(self, arguments: Sequence[str], limit_s: float, text: str | None = None) -> Response:
        """A command's lines as events; `text` becomes the product file that it is given."""
        if self._busy.locked():
            raise RefusedError(429, "busy", "another check or test runs: wait for its end", {"retry-after": "5"})
        return StreamingResponse(
            self._events(arguments, limit_s, text), media_type="text/event-stream", headers=dict(STREAM_HEADERS)
        )

    async def _events(self, arguments: Sequence[str], limit_s: float, text: str | None) -> AsyncIterator[bytes]:
        async with self._busy:
            with contextlib.ExitStack() as stack:
                if text is not None:
                    arguments = (*arguments, "--product", str(stack.enter_context(self._place.desk.tried(text))))
                told = child.lines(self._place.desk.config, arguments, limit_s=limit_s)
                async with contextlib.aclosing(told):
                    async for one in told:
                        yield event(json.dumps(_told(one, limit_s), ensure_ascii=False))

    def _gate(self, request: Request) -> Response:
        last = number_of(request.query_params, "last", 1, MOST_SPREAD) or SPREAD
        frames: list[Quality] = []
        before: int | None = None
        with self._stored.history("setup") as history:
            while len(frames) < last:
                page = history.page(Query(), limit=min(200, last), before=before)
                for row in page.rows:
                    frames += _qualities(json.loads(row.payload))
                before = page.next_before
                if before is None:
                    break
        limits = self._place.product.limits.min_scores
        return JSONResponse({"frames": len(frames[:last]), "measures": spread.distribution(frames[:last], limits)})

    async def _look(self, _request: Request) -> Response:
        await run_in_threadpool(self._refuse_while_busy)
        looker = self._place.looker
        if looker is None:
            raise RefusedError(409, "no_look", self._place.why_no_look)
        try:
            frame = await run_in_threadpool(looker.look)
        except CameraError as error:
            raise RefusedError(503, "camera", str(error)) from None
        quality = await self._link().judge(frame.image, timeout_s=JUDGE_S)
        shown = await run_in_threadpool(_shown, frame)
        told = quality_object(quality, self._place.product)
        return JSONResponse(
            {
                **told,
                "limits": {name: self._place.product.limits.min_scores.get(name) for name in quality.measures},
                "exposure_us": frame.exposure_us,
                "gain_db": frame.gain_db,
                "light": frame.light,
                "width_px": frame.width_px,
                "height_px": frame.height_px,
                "image": shown,
            }
        )

    def _refuse_while_busy(self) -> None:
        """Parts go first.

        Raises:
            RefusedError: one is open, or one has just come.
        """
        if not self._stored.is_there:
            return
        with self._stored.store() as store:
            is_open = bool(store.interrupted() or store.waiting_triggers())
        with self._stored.history("setup") as history:
            newest = history.page(Query(), limit=1).rows
        now = datetime.now(UTC)
        came_s = (now - datetime.fromisoformat(newest[0].at)).total_seconds() if newest else QUIET_S
        if is_open or 0 <= came_s < QUIET_S:
            raise RefusedError(
                409, "line_runs", "a part is being inspected, and parts go first: look when the line waits"
            )

    def _product(self, _request: Request) -> Response:
        return JSONResponse(self._product_told())

    def _product_told(self) -> Mapping[str, Any]:
        now = self._place.desk.now()
        return {
            "name": now.name,
            "path": None if now.path is None else str(now.path),
            "text": now.text,
            "sha256": now.sha256,
            "is_there": now.is_there,
            "taken_up": self._place.desk.running_as(self._place.running),
        }

    async def _judge(self, request: Request) -> Response:
        text = _needed(await json_body(request), "text", MAX_BYTES)
        return JSONResponse({"problems": await run_in_threadpool(self._place.desk.problems, text)})

    async def _test(self, request: Request) -> Response:
        given = await json_body(request)
        text, last = _needed(given, "text", MAX_BYTES), given.get("last", TESTED)
        if not isinstance(last, int) or isinstance(last, bool) or not 1 <= last <= MOST_TESTED:
            raise UseError(f"last must be a whole number from 1 to {MOST_TESTED}: say on how many parts it is tried")
        if problems := await run_in_threadpool(self._place.desk.problems, text):
            raise RefusedError(422, "wrong_product", "; ".join(problems))
        data = str(self._stored.data_dir)
        arguments = ("replay", data, "--station", self._place.station, "--running", "--json", "--limit", str(last))
        return self._streamed(arguments, TEST_S, text)

    async def _save(self, request: Request) -> Response:
        given = await json_body(request)
        text, sha256 = _needed(given, "text", MAX_BYTES), _needed(given, "sha256", 64)
        try:
            await run_in_threadpool(self._place.desk.save, text, sha256)
        except ChangedError as error:
            raise RefusedError(409, "changed", str(error)) from None
        except ConfigError as error:
            raise RefusedError(422, "wrong_product", "; ".join(error.problems)) from None
        return JSONResponse(await run_in_threadpool(self._product_told))


def _needed(given: dict[str, object], key: str, longest: int) -> str:
    """A text that must be there.

    Raises:
        UseError: it is missing, no text, or too long.
    """
    if key not in given:
        raise UseError(f"{key} is missing: send it as a text of at most {longest} characters")
    return text_of(given, key, longest)


def _told(one: child.Line | child.Ended, limit_s: float) -> Mapping[str, Any]:
    if isinstance(one, child.Ended):
        why = f"it was ended after {limit_s:.0f} s, its limit" if one.code is None else one.said
        return {"ended": one.code, "why": why}
    try:
        return {"line": json.loads(one.text)}
    except ValueError:
        return {"line": {"said": one.text}}


def _qualities(outcome: Mapping[str, Any]) -> list[Quality]:
    """The measures of an outcome's frames, newest first."""
    told = [one["quality"] for one in outcome["attempts"][::-1] if one.get("quality")]
    return [Quality(_measures(one["measures"]), int(one.get("lines", 0))) for one in told]


def _measures(told: Mapping[str, Mapping[str, Any]]) -> dict[MeasureName, Measure]:
    known = {str(name): Measure(one["raw"], one["score"]) for name, one in told.items()}
    return {name: known.get(name, Measure(None, None)) for name in spread.NAMES}


def _shown(frame: Frame) -> str:
    """The frame as a data URL, no wider than it is shown."""
    pixels = images.decode(frame.image, "the frame")
    if pixels.shape[1] > SHOWN_PX:
        pixels = resized(pixels, SHOWN_PX, round(pixels.shape[0] * SHOWN_PX / pixels.shape[1]))
    coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
    return "data:image/jpeg;base64," + base64.b64encode(coded).decode()
