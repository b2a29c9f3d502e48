"""What the line view begins with: the station, the newest outcomes, and this shift's counts by reason."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.adapters.database import wall_time
from edge.adapters.history import Query
from edge.errors import StoreError
from edge.web.stored import Stored

#: Outcomes that the line view shows at its start.
SHOWN = 12


class LineRoutes:
    """`GET /v1/line`. `station` is what the configuration says of it; at `shifts`, local times, a shift begins."""

    def __init__(
        self,
        stored: Stored,
        station: Mapping[str, Any],
        shifts: Sequence[time],
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        self._stored, self._station, self._shifts, self._now = stored, station, shifts, now

    def routes(self) -> list[Route]:
        """The address of the line view's start."""
        return [Route("/v1/line", self._line)]

    def _line(self, _request: Request) -> Response:
        since = shift_start(self._now(), self._shifts)
        at = wall_time(since)
        newest: list[Any] = []
        reasons: dict[str, int] = {}
        # A station that has no store yet has a page: the health says what is missing.
        with contextlib.suppress(StoreError), self._stored.history() as history:
            newest = [json.loads(row.payload) for row in history.page(Query(), limit=SHOWN).rows]
            reasons = history.reasons_since(at)
        return JSONResponse({"station": self._station, "shift": {"since": at, "reasons": reasons}, "newest": newest})


def shift_start(now: datetime, shifts: Sequence[time]) -> datetime:
    """When the shift of this moment began."""
    days = (now.date(), now.date() - timedelta(days=1))
    starts = [datetime.combine(day, one, now.tzinfo) for day in days for one in shifts]
    return max(start for start in starts if start <= now)
