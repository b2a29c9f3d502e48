"""Frames from a capture process to the inspector, and orders back to take one.

A take gets one answer, or a silence that the asker can see.

Laws of this link (measured in docs/decisions/0002-frame-transport.md):

1. A take has one id and at most one answer that counts; `FrameLink.receive` gives only the answer to the newest take.
   Older answers are dropped and counted, so a frame of an earlier attempt never stands for this one.
2. No queue holds frames or takes: the link keeps the newest take only, the publisher answers the newest take only and
   tells the others `superseded`.
3. A take is not lost with the process that it was sent to. Whenever a capture process appears, it says hello with a new
   session; a link that still waits sends its take again. A repeat of the same take id is not taken twice.
4. A look (a take of no inspection) is superseded by any take that waits, and supersedes none but an earlier look.
5. A take carries the moment after which nobody waits for it; a later capture process does not expose for it.

The frame is *encoded* bytes: the very bytes that the reader decodes and that are kept as evidence (law L8).
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import zmq

from edge.adapters import sockets

#: Longest wait of a link for its frame unless the settings say another.
TAKE_TIMEOUT_MS = 3000
#: An encoded frame larger than this is no frame: a 50-megapixel raw BGR bitmap has 150 MB.
MAX_FRAME_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Frame:
    """One encoded image with its metadata. `frozen`: the camera shows the very same picture as for an earlier take.

    `exposed_us` and `received_us` are host CLOCK_MONOTONIC; `exposed_us` is mapped from the camera's clock and never
    later than the true start of exposure, so that a frame from before its trigger cannot look fresh (law L5).
    """

    frame_id: str
    image: bytes
    sha256: str
    camera_us: int | None
    exposed_us: int
    received_us: int
    exposure_us: int
    gain_db: float
    light: str
    trigger_id: str | None
    attempt: int
    width_px: int
    height_px: int
    frozen: bool
    inspection_id: str = ""


@dataclass(frozen=True, slots=True)
class FrameFailure:
    """A take that gave no frame: `cause` for the machine, `detail` one sentence for people.

    Causes: `camera_lost`, `camera_timeout`, `camera_error`, `superseded`, `expired`.
    """

    inspection_id: str
    attempt: int
    trigger_id: str | None
    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class Take:
    """An order to expose one frame. None for exposure, gain or light means the camera's setting."""

    take_id: str
    inspection_id: str
    attempt: int
    exposure_us: int | None
    gain_db: float | None
    light: str | None
    trigger_id: str | None
    expires_us: int
    peer: bytes = b""

    @property
    def is_look(self) -> bool:
        """Whether a person looks through the camera, and no part waits for the frame."""
        return not self.inspection_id

    def failure(self, cause: str, detail: str) -> FrameFailure:
        """The answer that says why this take gave no frame."""
        return FrameFailure(self.inspection_id, self.attempt, self.trigger_id, cause, detail)


class FramePublisher:
    """The capture process's end: gives the takes that were ordered, sends their answers."""

    def __init__(self, runtime_dir: Path, camera: str, *, context: sockets.Context | None = None) -> None:
        self.session = f"{os.getpid():x}-{time.monotonic_ns():x}"
        self.num_bad_commands = 0
        self.num_unheard = 0
        self._answered: dict[bytes, str] = {}
        self.socket = sockets.open_socket(context, zmq.ROUTER)
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.socket.setsockopt(zmq.SNDHWM, 4)
        self.socket.setsockopt(zmq.MAXMSGSIZE, 64 * 1024)
        sockets.bind(self.socket, runtime_dir, _socket_name(camera))

    def receive(self) -> list[Take]:
        """All takes that wait, oldest first; never blocks. The last one is the one to do, if its time is not over."""
        takes: dict[str, Take] = {}
        while True:
            try:
                peer, *parts = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return list(takes.values())
            if parts == [b""]:
                self._send(peer, {"kind": "hello", "session": self.session})
                continue
            take = _parse_take(parts, peer)
            if take is None:
                self.num_bad_commands += 1
            elif self._answered.get(peer) != take.take_id:
                takes.pop(take.take_id, None)
                takes[take.take_id] = take

    def answer(self, take: Take, answer: Frame | FrameFailure) -> bool:
        """Send the answer; False when the one who asked is gone or does not listen (counted in `num_unheard`)."""
        self._answered[take.peer] = take.take_id
        while len(self._answered) > 16:  # one entry a link; each restart of an inspector makes a new one
            self._answered.pop(next(iter(self._answered)))
        if isinstance(answer, FrameFailure):
            return self._send(take.peer, {"kind": "failure", "take_id": take.take_id, "failure": asdict(answer)})
        header = {name: getattr(answer, name) for name in _HEADER_FIELDS}
        return self._send(take.peer, {"kind": "frame", "take_id": take.take_id, "frame": header}, answer.image)

    def close(self) -> None:
        """Close the socket; takes without an answer are sent again to the next capture process."""
        self.socket.close()

    def _send(self, peer: bytes, header: Mapping[str, Any], image: bytes | None = None) -> bool:
        parts = [peer, json.dumps(header).encode()] + ([image] if image is not None else [])
        try:
            self.socket.send_multipart(parts, zmq.NOBLOCK, copy=image is None)
        except zmq.ZMQError as error:
            if error.errno not in {zmq.EAGAIN, zmq.EHOSTUNREACH}:
                raise
            self.num_unheard += 1
            return False
        return True


class FrameLink:
    """The inspector's end: orders a take, gives its answer. One take is open at a time; a new one replaces the old.

    Poll `socket` while a take is open, and call `receive` whenever it is readable: a take for a process that
    is not there yet is sent in there, when the process says hello.
    """

    def __init__(
        self,
        runtime_dir: Path,
        camera: str,
        *,
        timeout_ms: int = TAKE_TIMEOUT_MS,
        context: sockets.Context | None = None,
    ) -> None:
        self.num_dropped = 0
        self._timeout_us = timeout_ms * 1000
        self._ids = (f"{os.getpid():x}-{time.monotonic_ns():x}-{number}" for number in itertools.count(1))
        self._open: Take | None = None
        self._session = ""
        self.socket = sockets.open_socket(context, zmq.DEALER)
        self.socket.setsockopt(zmq.SNDHWM, 4)
        self.socket.setsockopt(zmq.RCVHWM, 2)
        self.socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
        sockets.connect(self.socket, runtime_dir, _socket_name(camera))

    @property
    def connected(self) -> bool:
        """Whether a capture process has said hello; it may have died since."""
        return bool(self._session)

    def take(
        self,
        inspection_id: str,
        attempt: int,
        exposure_us: int | None,
        light: str | None,
        trigger_id: str | None,
        *,
        gain_db: float | None = None,
    ) -> None:
        """Order one frame; never blocks. The answer comes by `receive`, or not at all: keep a timer."""
        expires_us = _now_us() + self._timeout_us
        self._open = Take(next(self._ids), inspection_id, attempt, exposure_us, gain_db, light, trigger_id, expires_us)
        self._send(self._open)

    def receive(self) -> Frame | FrameFailure | None:
        """The answer to the open take, or None when it has not come yet; never blocks."""
        while True:
            try:
                parts = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return None
            header = _parse_json(parts[0])
            if header.get("kind") == "hello":
                self._greet(str(header.get("session")))
                continue
            answer = _parse_answer(header, parts)
            if answer is None or self._open is None or header.get("take_id") != self._open.take_id:
                self.num_dropped += 1
                continue
            self._open = None
            return answer

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def _greet(self, session: str) -> None:
        """A capture process has come: if a take is open and somebody still waits for it, order it of this one."""
        self._session = session
        if self._open is not None and _now_us() < self._open.expires_us:
            self._send(self._open)

    def _send(self, take: Take) -> None:
        order = {name: getattr(take, name) for name in _TAKE_FIELDS}
        try:
            self.socket.send(json.dumps(order).encode(), zmq.NOBLOCK)
        except zmq.Again:
            return  # nobody is there: the next hello sends it


_HEADER_FIELDS = tuple(field.name for field in fields(Frame) if field.name != "image")
_TAKE_FIELDS = tuple(field.name for field in fields(Take) if field.name != "peer")


def _socket_name(camera: str) -> str:
    return f"capture-{camera}"


def _now_us() -> int:
    return time.monotonic_ns() // 1000


def _parse_json(data: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(data)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _parse_take(parts: list[bytes], peer: bytes) -> Take | None:
    order = _parse_json(parts[0]) if len(parts) == 1 else {}
    try:
        take = Take(**order, peer=peer)
    except TypeError:
        return None
    well_formed = (
        isinstance(take.take_id, str)
        and isinstance(take.inspection_id, str)
        and isinstance(take.attempt, int)
        and isinstance(take.expires_us, int)
        and isinstance(take.exposure_us, int | None)
        and isinstance(take.gain_db, int | float | None)
        and isinstance(take.light, str | None)
        and isinstance(take.trigger_id, str | None)
    )
    return take if well_formed else None


def _parse_answer(header: Mapping[str, Any], parts: list[bytes]) -> Frame | FrameFailure | None:
    """The answer in a message, or None when the message is none (another version of edge at the other end)."""
    try:
        if header.get("kind") == "frame" and len(parts) == 2:
            return Frame(image=parts[1], **header["frame"])
        if header.get("kind") == "failure":
            return FrameFailure(**header["failure"])
    except (TypeError, KeyError):
        return None
    return None
