"""What another site's page can make a browser send is not listened to.

Promises: a request names this panel as its host, by an IP address or a name that is its own: a name of somebody else's
that points here (DNS rebinding) is refused. What a page of another site asks for in the background is refused by the
browser's own word (Fetch metadata), a change also by its `Origin`. Programs send neither, and are known by their token.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from edge.web.refusals import RefusedError, of_edge
from edge.web.session import SAFE_METHODS

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")


class SameOrigin:
    """Refuses what is not meant for this panel, or comes from a page that is not its own. `names` are its own."""

    def __init__(self, app: ASGIApp, names: Iterable[str]) -> None:
        self._app = app
        self._names = frozenset(name.lower().rstrip(".") for name in names) | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            self._check(scope)
        except RefusedError as refusal:
            await of_edge(Request(scope), refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_own(host):
            sentence = f"this panel is not called {host[:80]!r}: use its IP address, or add the name to [panel] names"
            raise RefusedError(421, "wrong_host", sentence)
        changes = scope["method"] not in SAFE_METHODS
        site = headers.get("sec-fetch-site", "none")
        # A link from another page may open this one; what it opens, its frame or script does not get.
        opens = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest", "document") == "document"
        if site not in ("same-origin", "none") and (changes or not opens):
            raise _foreign("a page of another site")
        origin = headers.get("origin")
        if changes and origin is not None and not _is_of(origin, host, scope):
            raise _foreign(repr(origin[:80]))

    def _is_own(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found["name"]
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return name.lower().rstrip(".") in self._names
        return True


def _is_of(origin: str, host: str, scope: Mapping[str, object]) -> bool:
    """Whether a page's origin is this panel; behind a proxy on this PC that ends TLS the page's scheme is another."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    schemes = ("https",) if scope["scheme"] == "https" else ("http", "https")
    return parts.scheme in schemes and parts.netloc.lower() == host.lower()


def _foreign(what: str) -> RefusedError:
    return RefusedError(403, "foreign", f"this was asked for by {what}, which may not use this panel: use its own page")
