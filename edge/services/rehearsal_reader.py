"""The reader of a rehearsal: one process, one queue, first come first read. Times stand in every answer.

A question is one frame, judged and read in one go; its answer carries how long it waited and how long it took, which is
what the queueing model of `simulator/plant_model.py` is held against. A question whose time is over when its turn comes
is answered as failed at once (L12); a failure is never an empty reading (L3).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import zmq
from pydantic import TypeAdapter

from edge.adapters import sockets, systemd
from edge.adapters.database import monotonic_us
from edge.adapters.reader_link import Judged
from edge.core.fields import Product
from edge.core.reading import Reading
from edge.errors import ReaderError
from edge.readers.label import LabelReader
from edge.readers.reader import Image
from edge.services.stop import Stop, asked_by

#: Sockets of a rehearsal's readers are called by this and their number.
SOCKET = "label-reader-{number}"
LATE = "the labels before it took the reader until the time for this one was over"
TURN_MS = 250

_JUDGED: TypeAdapter[Judged] = TypeAdapter(Judged)


@dataclass(frozen=True, slots=True)
class Read:
    """A label's answer: what was read, or why not; how long the question waited, and how long it took."""

    key: str
    judged: Judged | None
    why: str
    waited_us: int
    took_us: int


class LabelDesk:
    """The stations' end: asks one of several readers in turn. Poll `socket`, then `receive`."""

    def __init__(self, runtime_dir: Path, readers: int) -> None:
        self.socket = sockets.open_socket(None, zmq.DEALER)
        for number in range(readers):
            sockets.connect(self.socket, runtime_dir, SOCKET.format(number=number), greets=False)

    def ask(self, key: str, image: bytes, expires_us: int) -> bool:
        """Ask; whether a reader is there to hear it."""
        header = json.dumps({"key": key, "sent_us": monotonic_us(), "expires_us": expires_us}).encode()
        try:
            self.socket.send_multipart([header, image], zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return False
        return True

    def receive(self) -> Read | None:
        """An answer, or None; never blocks."""
        try:
            header, body = self.socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None
        said = json.loads(header)
        judged = _JUDGED.validate_json(body) if body else None
        return Read(said["key"], judged, said["why"], said["waited_us"], said["took_us"])

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


class RehearsalReader:
    """One reader's process; `run` is its loop."""

    def __init__(self, runtime_dir: Path, number: int, reader: LabelReader, product: Product) -> None:
        self._reader, self._product = reader, product
        self._socket = questions(runtime_dir, number)

    def run(self, stop: Stop) -> None:
        """Read until `stop`."""
        stopped = asked_by(stop)
        cv2.setNumThreads(1)
        systemd.notify_ready(f"reader {self._reader.name}")
        while not stopped():
            if self._socket.poll(TURN_MS):
                peer, header, image = self._socket.recv_multipart()
                self._socket.send_multipart([peer, *answer(header, image, self._reader, self._read)])
        self._socket.close()

    def _read(self, image: Image, _left_s: float) -> Reading:
        return self._reader.read(image, self._product)


def questions(runtime_dir: Path, number: int) -> zmq.Socket[bytes]:
    """The socket at which the stations ask the reader of this number."""
    socket = sockets.open_socket(None, zmq.ROUTER)
    socket.setsockopt(zmq.RCVHWM, 100_000)
    sockets.bind(socket, runtime_dir, SOCKET.format(number=number))
    return socket


def answer(
    header: bytes, encoded: bytes, gate: LabelReader, read: Callable[[Image, float], Reading]
) -> tuple[bytes, bytes]:
    """Header and body of a question's answer: judged by `gate`, read by `read` in the seconds left, with its times."""
    question = json.loads(header)
    begun_us = monotonic_us()
    left_s = (question["expires_us"] - begun_us) / 1e6
    body, why = b"", LATE
    if left_s > 0:
        try:
            image = np.asarray(cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR), np.uint8)
            judged_us = monotonic_us()
            quality = gate.judge(image)
            gate_ms = (monotonic_us() - judged_us) / 1000
            body, why = _JUDGED.dump_json(Judged(quality, read(image, left_s), gate_ms)), ""
        except ReaderError as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 - whatever a decoder raises is a failure that is told (L3)
            why = f"{type(error).__name__} in the reader"
    told: dict[str, Any] = {"key": question["key"], "why": why, "waited_us": begun_us - question["sent_us"]}
    told["took_us"] = monotonic_us() - begun_us
    return json.dumps(told).encode(), body
