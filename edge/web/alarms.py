"""The line's stop over HTTP: `DELETE /v1/line_stop` lets the line run again, by a person who may change something."""

from __future__ import annotations

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge.web.access import visitor_of
from edge.web.stored import Stored

log = structlog.get_logger()


class AlarmRoutes:
    """Ends alarms; `/health` tells them."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored

    def routes(self) -> list[Route]:
        """The one address."""
        return [Route("/v1/line_stop", self._end, methods=["DELETE"])]

    async def _end(self, request: Request) -> Response:
        by = str(visitor_of(request).name)
        await run_in_threadpool(self._reset, by)
        return Response(status_code=204)

    def _reset(self, by: str) -> None:
        with self._stored.store() as store:
            before = store.alarms.reset()
        stop = before.line_stop
        log.warning("alarms reset", by=by, cause=stop and stop.cause.value, seq=stop and stop.seq)
