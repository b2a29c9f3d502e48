"""The plant page's address: one JSON object of figures, made anew at most every few seconds however many look."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.adapters.plant_figures import WINDOWS
from edge.adapters.users import Role
from edge.errors import PlantError, UseError
from edge.web.app import files_of
from edge.web.refusals import RefusedError

#: Method and address, and the least role that may; the page's files are anybody's, since they say nothing of the plant.
LEAST_ROLE: Mapping[str, Role] = {
    "GET /v1/session": Role.NOBODY,
    "POST /v1/session": Role.NOBODY,
    "DELETE /v1/session": Role.NOBODY,
    "GET /health": Role.VIEWER,
    "GET /v1/plant": Role.VIEWER,
}
#: Figures are shown for so long, in seconds: a page asks every five.
FRESH_S = 4.0


class PlantRoutes:
    """Answers what the page asks. `figures` reads them for so many hours."""

    def __init__(self, figures: Callable[[int], dict[str, Any]], clock: Callable[[], float] = time.monotonic) -> None:
        self._figures, self._clock = figures, clock
        self._lock = threading.Lock()
        self._told: dict[int, tuple[float, dict[str, Any]]] = {}

    def routes(self) -> list[Route]:
        """The addresses, without the page's files."""
        return [Route("/v1/plant", self._plant), Route("/health", self._health)]

    def _plant(self, request: Request) -> Response:
        asked = request.query_params.get("hours", "1")
        if not asked.isdecimal() or int(asked) not in WINDOWS:
            raise UseError(f"hours is {asked[:20]!r}: ask for one of {', '.join(map(str, WINDOWS))}")
        return JSONResponse(self._fresh(int(asked)))

    def _health(self, _request: Request) -> Response:
        try:
            told = self._fresh(1)
        except RefusedError as error:
            return JSONResponse({"state": "down", "problem": str(error)}, 503)
        missing = sum(one["missing"] for one in told["stations"])
        return JSONResponse({"state": "up", "stations": told["states"], "missing": missing, "at": told["at"]})

    def _fresh(self, hours: int) -> dict[str, Any]:
        with self._lock:
            at_s, told = self._told.get(hours, (float("-inf"), {}))
            if self._clock() - at_s > FRESH_S:
                try:
                    told = self._figures(hours)
                except PlantError as error:
                    raise RefusedError(503, "database_unavailable", str(error)) from None
                self._told[hours] = self._clock(), told
            return told


def page_files() -> list[Route]:
    """The page's own files, and those that it shares with a station's page."""
    return [*files_of("plant_static"), *files_of("static", "style.css", "dom.js", "api.js", "icon.svg")]
