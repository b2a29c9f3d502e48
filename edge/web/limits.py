"""What every request is held to, whatever it asks for: how many at a time, how long and in what form.

Promises: a request too many is answered at once, by the name of the limit (L12); a body that comes slowly is given up
after `BODY_S`; a body that would have to be unpacked is not taken, so that none can grow.
"""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.web.refusals import RefusedError, of_edge

#: Requests in work at a time, pages that listen included.
MAX_REQUESTS = 64
#: The longest head: a session's cookie has 43 characters. Apache and nginx take 8 KiB of each line.
MAX_HEAD_BYTES = 16_384
#: A request's body is here within this time: 20 MB at 6 Mbit/s.
BODY_S = 30.0


class Limits:
    """Lets in what keeps to the limits."""

    def __init__(self, app: ASGIApp, *, body_s: float = BODY_S) -> None:
        self._app, self._body_s = app, body_s
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        refusal = self._refusal(scope)
        if refusal is not None:
            await of_edge(Request(scope), refusal)(scope, receive, send)
            return
        self._running += 1
        try:
            await self._app(scope, _in_time(receive, self._body_s), send)
        finally:
            self._running -= 1

    def _refusal(self, scope: Scope) -> RefusedError | None:
        # The server stops at a head that is longer and not whole; one that comes at once is whole before it looks.
        head = len(scope["raw_path"]) + len(scope["query_string"])
        head += sum(len(name) + len(value) + 4 for name, value in scope["headers"])
        if head > MAX_HEAD_BYTES:
            sentence = f"the request's head has {head} bytes, and {MAX_HEAD_BYTES} are the limit: send less"
            return RefusedError(431, "too_large", sentence, {"connection": "close"})
        coding = Headers(scope=scope).get("content-encoding", "identity")
        if coding != "identity":
            sentence = f"the body is coded as {coding[:40]!r}, and nothing is unpacked here: send it as it is"
            return RefusedError(415, "coded", sentence)
        if self._running >= MAX_REQUESTS:
            sentence = f"{MAX_REQUESTS} requests are in work already (max_requests): ask again in a second"
            return RefusedError(503, "max_requests", sentence, {"retry-after": "1"})
        return None


def _in_time(receive: Receive, limit_s: float) -> Receive:
    """A `receive` that gives a whole body within a time, and then waits for the client's end as long as it takes."""
    end_s = asyncio.get_running_loop().time() + limit_s
    whole = False

    async def receive_in_time() -> Message:
        nonlocal whole
        if whole:
            return await receive()
        try:
            async with asyncio.timeout_at(end_s):
                message = await receive()
        except TimeoutError:
            sentence = f"the body was not here within {limit_s:g} s: send it faster, or send less"
            raise RefusedError(408, "timeout", sentence, {"connection": "close"}) from None
        whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    return receive_in_time
