"""The panel's web application: which address is answered by what, and the headers that every answer carries.

Promises: nothing is loaded from another host, no script or style stands inside a page, no other site may frame it or
have its data kept in a cache. A failure is answered as `{"error": {"message", "type"}}`, with one sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from importlib import resources

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.adapters.users import Role
from edge.errors import EdgeError
from edge.web import refusals
from edge.web.access import LEAST_ROLE, guarded
from edge.web.limits import Limits
from edge.web.origin import SameOrigin
from edge.web.session import Sessions

HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cache-control": "no-store",
}

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


def application(
    routes: Sequence[BaseRoute],
    sessions: Sessions,
    names: Iterable[str] = (),
    *,
    files: Sequence[Route] | None = None,
    table: Mapping[str, Role] = LEAST_ROLE,
) -> ASGIApp:
    """The application of these routes, those of the sessions, and the page's files.

    Args:
        routes: what it answers.
        sessions: who is let in.
        names: what it is called.
        files: the page's files; those of the panel where none are given.
        table: the least role of each route.

    Raises:
        KeyError: a route has no least role.
    """
    app = Starlette(
        routes=[*(page_files() if files is None else files), *guarded([*routes, *sessions.routes()], sessions, table)],
        exception_handlers={
            EdgeError: refusals.of_edge,
            HTTPException: refusals.of_http,
            Exception: refusals.of_panel,
        },
    )
    app.router.redirect_slashes = False  # a redirect would repeat the request's own Host
    return _Headers(SameOrigin(Limits(app), names))


def page_files() -> list[Route]:
    """A route for each file of the page, read once: an address is looked up in a table, never in the file system."""
    return [*files_of("static"), *files_of("texts")]


def files_of(folder: str, *names: str) -> list[Route]:
    """A route for each file of a folder, or for those of these names; its index.html is the page itself."""
    routes = []
    for file in sorted(resources.files("edge.web").joinpath(folder).iterdir(), key=lambda one: one.name):
        kind = _TYPES.get("." + file.name.rpartition(".")[2])
        if kind is not None and file.is_file() and (not names or file.name in names):
            address = "/" if file.name == "index.html" else f"/{folder}/{file.name}"
            routes.append(Route(address, partial(_file, file.read_bytes(), kind)))
    return routes


async def _file(content: bytes, kind: str, _request: Request) -> Response:
    """One file of the page. A page that is loaded after an update gets the new files."""
    return Response(content, media_type=kind, headers={"cache-control": "no-cache"})


class _Headers:
    """Adds `HEADERS` to every answer that does not say otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)
