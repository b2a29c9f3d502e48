"""Live events for the page: `health` each second, and each `outcome` as soon as it is committed.

Promises: what a page hears is the stored payload, in the order of `seq`, each once; after a break it goes on behind the
last one it has. A page that is slower than the line costs no memory: what it misses is read from the store again, and
where that is more than `MAX_BEHIND`, it is told `lagging` and goes on with the newest (L12).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from edge.errors import StoreError
from edge.web.access import visitor_of
from edge.web.refusals import error
from edge.web.stored import Stored

log = structlog.get_logger()

#: Pages that may listen at a time. A line has a screen or two; each page costs a connection.
MAX_PAGES = 24
#: Outcomes that a page may be behind, and still hear every one: an hour of a fast line.
MAX_BEHIND = 1000
#: Outcomes kept in memory for all pages together; a page that is farther behind reads the store.
RECENT = 200
#: Outcomes that are read from the store at a time.
AT_ONCE = 100
#: How often the store is asked whether it has changed (some 20 µs each): a quarter of the 200 ms that are promised.
LOOK_S = 0.05
HEALTH_S = 1.0
#: How long a browser waits before it connects again, ms.
RECONNECT_MS = 1000


class Live:
    """Watches the store in a thread of its own, and tells every page that listens."""

    def __init__(
        self, stored: Stored, health: Callable[[], Mapping[str, Any]], each_second: Callable[[], None]
    ) -> None:
        self._stored, self._health_of, self._each_second = stored, health, each_second
        self._recent: deque[tuple[int, bytes]] = deque(maxlen=RECENT)
        self._newest = 0
        self._version: int | None = None
        self._health: tuple[int, bytes] = (0, b"")
        self._pages: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="live")

    def start(self) -> None:
        """Begin to watch; from the event loop that serves the pages."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """End every page's stream; from the event loop."""
        self._stop.set()
        self._wake()

    def close(self) -> None:
        """Wait for the thread."""
        if self._thread.ident is not None:
            self._stop.set()
            self._thread.join()

    def routes(self) -> list[Route]:
        """`GET /v1/live`."""
        return [Route("/v1/live", self._live)]

    async def _live(self, request: Request) -> Response:
        if len(self._pages) >= MAX_PAGES:
            return error(
                503,
                "max_pages",
                f"{MAX_PAGES} pages listen already, which is the limit: close one",
                {"retry-after": "10"},
            )
        after = request.headers.get("last-event-id") or request.query_params.get("after")
        if after is not None and not (after.isascii() and after.isdigit() and len(after) < 19):
            return error(400, "invalid_request", f"after is {after[:40]!r}, and must be the seq of an outcome")
        headers = {"x-accel-buffering": "no"}
        page = asyncio.Event()
        self._pages.add(page)
        events = self._events(page, None if after is None else int(after), visitor_of(request).is_there)
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)

    async def _events(
        self, page: asyncio.Event, after: int | None, is_there: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        try:
            yield b"retry: %d\n\n" % RECONNECT_MS
            seq, told = after, 0
            while not self._stop.is_set() and is_there():  # whose session is over hears nothing more
                page.clear()
                if self._health[0] != told:
                    told, health = self._health
                    yield _event("health", health)
                # Before the first look at the store, right after a start, nobody knows what is new.
                if self._version is not None:
                    seq = self._newest if seq is None else seq
                    # A page may know of an outcome some ms before the watcher does; beyond the store is another store.
                    beyond = seq > self._newest and await asyncio.to_thread(self._is_beyond, seq)
                    if beyond or self._newest - seq > MAX_BEHIND:
                        lagging = json.dumps({"after": seq, "newest": self._newest}).encode()
                        seq = self._newest
                        yield _event("lagging", lagging, seq)
                    while rows := await self._behind(seq):
                        for number, payload in rows:
                            yield _event("outcome", payload, number)
                        seq = rows[-1][0]
                await page.wait()
        finally:
            self._pages.discard(page)

    async def _behind(self, seq: int) -> list[tuple[int, bytes]]:
        """Some outcomes behind a `seq`, oldest first; none where there is none, the store fails, or the panel ends."""
        recent = list(self._recent)
        if seq >= self._newest or self._stop.is_set():
            return []
        if recent and recent[0][0] <= seq + 1:
            return [one for one in recent if one[0] > seq]
        return await asyncio.to_thread(self._read, seq)

    def _is_beyond(self, seq: int) -> bool:
        with contextlib.suppress(StoreError), self._stored.history() as history:
            return seq > history.newest_seq()
        return False

    def _read(self, seq: int) -> list[tuple[int, bytes]]:
        with contextlib.suppress(StoreError), self._stored.history() as history:
            return history.after(seq, AT_ONCE)
        return []

    def _watch(self) -> None:
        next_health_s = 0.0
        while not self._stop.wait(LOOK_S):
            changed = False
            try:
                changed = self._look()
            except StoreError as failure:
                if self._version is not None:
                    log.warning("live events wait for the store", why=str(failure))
                self._version = None
                self._stop.wait(HEALTH_S)
            if time.monotonic() >= next_health_s:
                next_health_s = time.monotonic() + HEALTH_S
                self._every_second()
                changed = True
            if changed:
                self._wake_soon()

    def _look(self) -> bool:
        """Take in what is new; say whether anything is."""
        with self._stored.history("live") as history:
            version = history.version()
            if version == self._version:
                return False
            first, self._version = self._version is None, version
            if first and not self._newest:
                self._newest = history.newest_seq()
            before = self._newest
            while not self._stop.is_set():
                rows = history.after(self._newest, AT_ONCE)
                self._recent.extend(rows)
                if not rows:
                    break
                self._newest = rows[-1][0]
                self._wake_soon()
            return self._newest != before

    def _every_second(self) -> None:
        try:
            self._each_second()
        except StoreError as failure:
            log.warning("reviews wait for the store", why=str(failure))
        if self._pages:
            # One second's health for all pages.
            told = json.dumps(self._health_of(), ensure_ascii=False, separators=(",", ":")).encode()
            self._health = (self._health[0] + 1, told)

    def _wake_soon(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for page in self._pages:
            page.set()


def _event(name: str, data: bytes, seq: int | None = None) -> bytes:
    number = b"" if seq is None else b"id: %d\n" % seq
    return b"event: %s\n%sdata: %s\n\n" % (name.encode(), number, data)
