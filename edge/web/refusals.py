"""What a failure becomes: one JSON object with one sentence, and HTTP's number for whose fault it is."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edge.adapters.reviews import UnknownError
from edge.errors import ConfigError, EdgeError, StoreError, UseError


class NotAllowedError(EdgeError):
    """Raised where somebody may not change something; `status` is HTTP's."""

    def __init__(self, status: int, sentence: str, *, retry_after_s: float | None = None) -> None:
        self.status = status
        self.headers = {} if retry_after_s is None else {"retry-after": f"{retry_after_s:g}"}
        if status == 401:
            self.headers["www-authenticate"] = "Bearer"
        super().__init__(sentence)


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
    if isinstance(failure, NotAllowedError):
        return error(failure.status, "not_allowed", str(failure), failure.headers)
    status, kind = next((told for one, told in _STATUS.items() if isinstance(failure, one)), (500, "failed"))
    return error(status, kind, str(failure))


def of_http(_request: Request, failure: Exception) -> Response:
    """The answer to a request for what is not there."""
    assert isinstance(failure, HTTPException)
    return error(failure.status_code, "refused", f"{failure.detail}.", failure.headers)


def of_panel(_request: Request, _failure: Exception) -> Response:
    """The answer to a mistake of edge; the log says which."""
    return error(500, "failed", "The panel failed at this; its log says why.")
