"""A replica over real HTTP without Ray."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Api(Protocol):
    """What answers requests, as `PoolApi` does."""

    async def answer(self, request: Request) -> Response:
        """The answer to any request."""


@contextmanager
def served(api: Api) -> Iterator[str]:
    """Serve the forms of a replica as Ray's proxy does; its address."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (await api.answer(Request(scope, receive)))(scope, receive, send)

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
