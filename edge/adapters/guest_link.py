"""The panel's way to the reader process: questions of guests, several open at a time, answered as they come.

Promises: every question ends in an answer or in a `GuestError` that says whose fault it is, at the latest when its time
is over; a guest that leaves calls its question off; no more than `MAX_GUESTS` are open (L12). For one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import time
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import zmq
import zmq.asyncio
from pydantic import TypeAdapter, ValidationError

from edge.adapters import sockets
from edge.adapters.reader_link import SOCKET, Fault, Judged
from edge.core.inside import Inside
from edge.core.quality import Quality
from edge.core.reading import FreeAnswer
from edge.errors import WorldError

#: Questions of guests that are open at a time; a further one is refused as busy.
MAX_GUESTS = 16

T = TypeVar("T")

_JUDGED = TypeAdapter(Judged)
_FREE_ANSWER = TypeAdapter(FreeAnswer)
_INSIDE = TypeAdapter(Inside)
_QUALITY = TypeAdapter(Quality)


class GuestError(WorldError):
    """Raised when a guest's question has no answer; `fault` says whose fault it is."""

    def __init__(self, fault: Fault, why: str) -> None:
        self.fault = fault
        super().__init__(why)


class GuestLink:
    """The guests' end. Make it inside the event loop that uses it, and `close` it there."""

    def __init__(self, runtime_dir: Path, *, product: str = "") -> None:
        self._product = product
        self._ids = (f"g{os.getpid():x}-{time.monotonic_ns():x}-{number}" for number in itertools.count(1))
        self._open: dict[str, tuple[asyncio.Queue[tuple[Mapping[str, Any], bytes]], list[bytes]]] = {}
        self._context: Any = zmq.asyncio.Context()
        self._socket: Any = sockets.open_socket(self._context, zmq.DEALER)  # type: ignore[arg-type] # awaited sockets
        sockets.connect(self._socket, runtime_dir, SOCKET)
        self._listening = asyncio.get_running_loop().create_task(self._listen(), name="guests")

    async def read(self, image: bytes, *, timeout_s: float) -> Judged:
        """Judge and read an encoded image.

        Raises:
            GuestError: there is no answer.
        """
        return await self._answer(_JUDGED, {"task": "read"}, image, timeout_s)

    async def judge(self, image: bytes, *, timeout_s: float) -> Quality:
        """Measure the quality of an encoded image.

        Raises:
            GuestError: there is no answer.
        """
        return await self._answer(_QUALITY, {"task": "judge"}, image, timeout_s)

    async def ask(
        self,
        image: bytes,
        question: str,
        *,
        pattern: str | None = None,
        cap: int = 64,
        profile: str = "",
        timeout_s: float,
    ) -> AsyncGenerator[str | FreeAnswer]:
        """Answer a free question, or one by a `profile` (as JSON): pieces as they are decided, then the answer.

        Raises:
            GuestError: there is no answer.
        """
        asked = {"task": "ask", "question": question, "pattern": pattern, "cap": cap, "profile": profile}
        async with contextlib.aclosing(self._ask(asked, image, timeout_s)) as told:
            async for header, body in told:
                if header["kind"] == "answer":
                    yield _parsed(_FREE_ANSWER, body)
                else:
                    yield str(header.get("text", ""))

    async def inside(
        self, image: bytes, question: str = "", *, field: str = "", cap: int = 64, layer: int | None, timeout_s: float
    ) -> Inside:
        """What the model does for a question, or for a field of the station's product.

        Raises:
            GuestError: there is no answer.
        """
        asked = {"task": "inside", "question": question, "field": field, "cap": cap, "layer": layer}
        return await self._answer(_INSIDE, asked, image, timeout_s)

    async def _answer(self, kind: TypeAdapter[T], asked: Mapping[str, Any], image: bytes, timeout_s: float) -> T:
        """The answer to a question, whole."""
        found: T | None = None
        async for header, body in self._ask(asked, image, timeout_s):
            found = _parsed(kind, body) if header["kind"] == "answer" else found
        assert found is not None  # a question ends in an answer or an error
        return found

    async def _ask(
        self, asked: Mapping[str, Any], image: bytes, timeout_s: float
    ) -> AsyncGenerator[tuple[Mapping[str, Any], bytes]]:
        """Everything that comes to one question, its answer last."""
        if len(self._open) >= MAX_GUESTS:
            raise GuestError("busy", f"{MAX_GUESTS} questions are open already (max_guests): ask again in a second")
        question_id = next(self._ids)
        header = {
            "question_id": question_id,
            "attempt": 0,
            "frame_id": question_id,
            "draft": {},
            "expires_us": time.monotonic_ns() // 1000 + int(timeout_s * 1e6),
            "product": self._product,
            "guest": True,
            **asked,
        }
        came: asyncio.Queue[tuple[Mapping[str, Any], bytes]] = asyncio.Queue()
        self._open[question_id] = came, [json.dumps(header).encode(), image]
        answered = False
        try:
            async with asyncio.timeout(timeout_s):
                await self._send(self._open[question_id][1])
                while not answered:
                    told, body = await came.get()
                    answered = told["kind"] != "piece"
                    if told["kind"] == "failure":
                        raise GuestError(told.get("fault", "reader"), str(told.get("why")))
                    yield told, body
        except TimeoutError:
            raise GuestError("late", f"there was no answer within {timeout_s:.0f} s: ask again later") from None
        finally:
            del self._open[question_id]
            if not answered:
                await self._send([json.dumps({"kind": "call_off", "question_id": question_id}).encode()])

    async def close(self) -> None:
        """End; open questions are called off by their askers' own end."""
        self._listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listening
        self._socket.close()
        self._context.term()

    async def _listen(self) -> None:
        while True:
            first, *rest = await self._socket.recv_multipart()
            try:
                header = json.loads(first)
            except ValueError:
                continue
            if header.get("kind") == "hello":
                for _, parts in list(self._open.values()):
                    await self._send(parts)
                continue
            waiting = self._open.get(str(header.get("question_id")))
            if waiting is not None:
                waiting[0].put_nowait((header, rest[0] if rest else b""))

    async def _send(self, parts: list[bytes]) -> None:
        with contextlib.suppress(zmq.Again):  # nobody is there: the next hello sends what is open
            await self._socket.send_multipart(parts, zmq.NOBLOCK)


def _parsed(adapter: TypeAdapter[T], body: bytes) -> T:
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        raise GuestError(
            "reader", f"the reader's answer cannot be understood ({error.error_count()} mistakes): restart the reader"
        ) from None
