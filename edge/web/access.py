"""Who may ask for what: a table of every address of the panel and the least role that it needs.

Promise: an address that stands in no row is not served, since the panel does not start with it; the role is looked at
before a byte of a request's body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from edge.adapters.users import Role
from edge.web.session import Sessions, Visitor

#: Method and address, and the least role that may. The page's own files are anybody's: they say nothing of the station.
LEAST_ROLE: Mapping[str, Role] = {
    "GET /v1/session": Role.NOBODY,
    "POST /v1/session": Role.NOBODY,
    "DELETE /v1/session": Role.NOBODY,
    "GET /health": Role.VIEWER,
    "GET /metrics": Role.VIEWER,
    "GET /openapi.json": Role.VIEWER,
    "GET /v1/line": Role.VIEWER,
    "GET /v1/live": Role.VIEWER,
    "GET /v1/outcomes": Role.VIEWER,
    "GET /v1/outcomes/export": Role.VIEWER,
    "GET /v1/outcomes/{inspection_id}": Role.VIEWER,
    "GET /v1/outcomes/{inspection_id}/evidence/{number:int}": Role.VIEWER,
    "GET /v1/held": Role.VIEWER,
    "POST /v1/outcomes/{inspection_id}/review": Role.OPERATOR,
    "DELETE /v1/outcomes/{inspection_id}/review": Role.OPERATOR,
    # It holds the station's settings.
    "POST /v1/outcomes/{inspection_id}/bundle": Role.ENGINEER,
    "DELETE /v1/line_stop": Role.OPERATOR,
    "POST /v1/trigger": Role.OPERATOR,
    # A question changes nothing and gives way to the line: who may see may ask.
    "GET /v1/profiles": Role.VIEWER,
    "POST /v1/chat": Role.VIEWER,
    "POST /v1/chat/completions": Role.VIEWER,
    "POST /v1/read": Role.VIEWER,
    "GET /v1/models": Role.VIEWER,
    "GET /v1/inside": Role.ENGINEER,
    "POST /v1/inside": Role.ENGINEER,
    "POST /v1/setup/check": Role.ENGINEER,
    "GET /v1/setup/gate": Role.ENGINEER,
    "POST /v1/setup/look": Role.ENGINEER,
    "GET /v1/setup/product": Role.ENGINEER,
    "PUT /v1/setup/product": Role.ENGINEER,
    "POST /v1/setup/product/check": Role.ENGINEER,
    "POST /v1/setup/product/test": Role.ENGINEER,
}
_VISITOR = "edge.visitor"


def guarded(routes: Sequence[BaseRoute], sessions: Sessions, table: Mapping[str, Role] = LEAST_ROLE) -> list[BaseRoute]:
    """The routes, each with its row of the table before it.

    Raises:
        KeyError: a route has no row.
    """
    served: set[str] = set()
    for route in routes:
        if not isinstance(route, Route):
            raise KeyError(f"{route} is no address with a row in edge.web.access.LEAST_ROLE: add one")
        least = {method: _least(method, route.path, table) for method in route.methods or ()}
        served |= {f"{method} {route.path}" for method in least if method != "HEAD"}
        route.app = _Guard(route.app, least, sessions)
    sessions.may = lambda role: [row for row, least in table.items() if row in served and role >= least]
    return list(routes)


def visitor_of(request: Request) -> Visitor:
    """Whoever sent a request that was let in."""
    found: Visitor = request.scope[_VISITOR]
    return found


def _least(method: str, path: str, table: Mapping[str, Role]) -> Role:
    row = f"{'GET' if method == 'HEAD' else method} {path}"
    if row not in table:
        raise KeyError(
            f"{row!r} stands in no row of the table (edge.web.access.LEAST_ROLE): add it with its least role"
        )
    return table[row]


class _Guard:
    """One address behind its row of the table."""

    def __init__(self, app: ASGIApp, least: Mapping[str, Role], sessions: Sessions) -> None:
        self._app, self._least, self._sessions = app, least, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in whoever may."""
        least = self._least.get(scope["method"], Role.NOBODY)  # a method that the route lacks is its own 405
        if least is not Role.NOBODY:
            scope[_VISITOR] = self._sessions.admit(Request(scope), least)
        await self._app(scope, receive, send)
