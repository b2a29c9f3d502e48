"""A reader process and the HTTP API before it, both real, in threads; the reader behind them is the test's own."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from edge.adapters.guest_link import GuestLink
from edge.adapters.reader_link import ReaderLink
from edge.core.fields import Product
from edge.readers.reader import Reader
from edge.services.reader import ReaderService
from edge.web import chat, reading
from edge.web.guests import PATIENCE_S

WAIT_S = 20.0


class House:
    """The base address of the API, and a station beside it that asks the same reader."""

    def __init__(self, port: int, runtime_dir: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.runtime_dir = runtime_dir

    def station(self) -> ReaderLink:
        """A station's link; the test closes it."""
        return ReaderLink(self.runtime_dir)


@contextmanager
def guest_house(
    folder: Path, reader: Reader, product: Product, *, reading_too: bool = True, limit_s: float | None = None
) -> Iterator[House]:
    """Both running (or the API alone, with another limit of time); gone afterwards."""
    over = threading.Event()
    (folder / "run").mkdir(mode=0o700)
    working = threading.Thread(target=lambda: None)
    if reading_too:
        service = ReaderService(folder / "run", reader, product)
        working = threading.Thread(target=service.run, args=(over,))
    working.start()
    held: dict[str, GuestLink] = {}

    @asynccontextmanager
    async def lifespan(_app: Any) -> Any:
        held["link"] = GuestLink(folder / "run")
        yield
        await held["link"].close()

    patience_s = PATIENCE_S if limit_s is None else limit_s
    routes = [
        *chat.routes(lambda: held["link"], patience_s=patience_s),
        *reading.routes(lambda: held["link"], product, patience_s=patience_s),
    ]
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes, lifespan=lifespan), log_config=None))
    serving = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    serving.start()
    until_s = time.monotonic() + WAIT_S
    while not server.started and time.monotonic() < until_s:
        time.sleep(0.01)
    try:
        yield House(listening.getsockname()[1], folder / "run")
    finally:
        server.should_exit = True
        serving.join(WAIT_S)
        listening.close()
        over.set()
        working.join(WAIT_S)
