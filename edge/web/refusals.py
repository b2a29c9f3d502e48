"""What a failure becomes: one JSON object with one sentence, and HTTP's number for whose fault it is."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route

from edge.adapters.reviews import UnknownError
from edge.errors import ConfigError, EdgeError, StoreError, UseError


class RefusedError(EdgeError):
    """Raised where a request is not followed; `status` is HTTP's, `kind` a word for programs."""

    def __init__(self, status: int, kind: str, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.kind = kind
        self.headers = dict(headers or {})
        super().__init__(sentence)

    def told(self) -> dict[str, Any]:
        """The JSON object that says so."""
        return {"error": {"message": str(self), "type": self.kind}}


class NotAllowedError(RefusedError):
    """Raised where somebody may not change something."""

    def __init__(self, status: int, sentence: str, *, retry_after_s: float | None = None) -> None:
        headers = {} if retry_after_s is None else {"retry-after": f"{retry_after_s:g}"}
        if status == 401:
            headers["www-authenticate"] = "Bearer"
        super().__init__(status, "not_allowed", sentence, headers)


_STATUS: Mapping[type[EdgeError], tuple[int, str]] = {
    UnknownError: (404, "unknown"),
    UseError: (400, "invalid_request"),
    StoreError: (503, "store_unavailable"),
    ConfigError: (503, "misconfigured"),
}


def error(status: int, kind: str, sentence: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer to what failed."""
    return JSONResponse({"error": {"message": sentence, "type": kind}}, status, headers=headers)


def of_edge(_request: Request, failure: Exception) -> Response:
    """The answer to an error that edge raised on purpose."""
    if isinstance(failure, RefusedError):
        return JSONResponse(failure.told(), failure.status, failure.headers)
    status, kind = next((told for one, told in _STATUS.items() if isinstance(failure, one)), (500, "failed"))
    return error(status, kind, str(failure))


def of_http(request: Request, failure: Exception) -> Response:
    """The answer to a request for what is not there."""
    assert isinstance(failure, HTTPException)
    headers = dict(failure.headers or {})
    if failure.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["allow"] = ", ".join(sorted(_methods(request)))
    return error(failure.status_code, "refused", f"{failure.detail}.", headers)


def _methods(request: Request) -> set[str]:
    """Every method of an address, where each has a route of its own."""
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return found


def of_panel(_request: Request, _failure: Exception) -> Response:
    """The answer to a mistake of edge; the log says which."""
    return error(500, "failed", "The panel failed at this; its log says why.")
