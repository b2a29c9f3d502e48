"""A network between two ends on this PC that is slow, loses connections, or is dead; no kernel need take part."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Network:
    """A way to a server: what passes is delayed, and connections may be dropped in the middle."""

    to: int
    delay_s: float = 0.0
    #: Every so many connections are broken off when the answer should come; 0: none.
    breaks_each: int = 0
    #: A connection is broken off after so many parts of the answer, between these two; None: never.
    breaks_after: tuple[int, int] | None = None
    dead: bool = False
    connections: int = field(default=0, init=False)
    broken: int = field(default=0, init=False)
    _dice: random.Random = field(default_factory=lambda: random.Random(7), init=False)

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        last = self._last_part()
        if self.dead:
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.to)
        ways = asyncio.gather(self._pipe(reader, back), self._pipe(there, writer, last))
        try:
            await ways
        except OSError:
            pass
        finally:
            writer.close()
            back.close()

    def _last_part(self) -> int | None:
        """How many parts of its answer a connection carries; None: all."""
        if self.breaks_each and self.connections % self.breaks_each == 0:
            return 0
        return None if self.breaks_after is None else self._dice.randint(*self.breaks_after)

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, last: int | None = None) -> None:
        num_parts = 0
        while part := await source.read(65_536):
            await asyncio.sleep(self.delay_s)
            if num_parts == last or self.dead:
                self.broken += 1
                raise ConnectionResetError
            num_parts += 1
            sink.write(part)
            await sink.drain()
        sink.close()


@contextmanager
def through(port: int, **how: Any) -> Iterator[tuple[int, Network]]:
    """A port of this PC that leads to another through a network."""
    network = Network(port, **how)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(network.pass_on, "127.0.0.1", 0)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    try:
        yield server.sockets[0].getsockname()[1], network
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
