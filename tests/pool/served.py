"""A replica over real HTTP without Ray, and a proxy that makes the network slow, lossy or dead."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

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


@dataclass(slots=True)
class Network:
    """A way to a server: what passes is delayed, and connections may be dropped in the middle."""

    to: int
    delay_s: float = 0.0
    #: Every so many connections are broken off when the answer should come; 0: none.
    breaks_each: int = 0
    dead: bool = False
    connections: int = field(default=0, init=False)

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        breaks = self.breaks_each and self.connections % self.breaks_each == 0
        if self.dead:
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.to)
        ways = asyncio.gather(self._pipe(reader, back, breaks=False), self._pipe(there, writer, breaks=bool(breaks)))
        try:
            await ways
        except OSError:
            pass
        finally:
            writer.close()
            back.close()

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, breaks: bool) -> None:
        while part := await source.read(65_536):
            await asyncio.sleep(self.delay_s)
            if breaks or self.dead:
                raise ConnectionResetError
            sink.write(part)
            await sink.drain()
        sink.close()


@contextmanager
def through(url: str, **how: Any) -> Iterator[tuple[str, Network]]:
    """An address that leads to another through a network."""
    network = Network(int(url.rpartition(":")[2]), **how)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(network.pass_on, "127.0.0.1", 0)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", network
    finally:
        loop.call_soon_threadsafe(server.close)

        async def stop() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
