"""News for the signals process: an inspection has begun, an outcome is on the disk, a plate appeared.

Whoever tells never waits and never fails: where nobody listens the news is dropped, since it is of this moment. What
says that a part passed was on the disk before (L2).
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq

from edge.adapters import sockets
from edge.core.outcome import Disposition, Outcome
from edge.core.result_lines import Decided

SOCKET = "signals"
#: News that wait for a process that is busy, and then no more: an old one is worth nothing.
MAX_NEWS = 100


@dataclass(frozen=True, slots=True)
class Begun:
    """The inspection of a part has begun."""

    at_us: int
    inspection_id: str


@dataclass(frozen=True, slots=True)
class Appeared:
    """A plate appeared in the camera's picture; `source` is the trigger's name."""

    at_us: int
    source: str


News = Begun | Decided | Appeared


class Teller:
    """The end of those who tell. Without a runtime folder it tells nobody: a station without signals."""

    def __init__(self, runtime_dir: Path | None, *, context: sockets.Context | None = None) -> None:
        self.num_unheard = 0
        self._socket: sockets.Socket | None = None
        if runtime_dir is not None:
            self._socket = sockets.open_socket(context, zmq.PUSH)
            self._socket.setsockopt(zmq.SNDHWM, MAX_NEWS)
            sockets.connect(self._socket, runtime_dir, SOCKET, greets=False)

    def begun(self, inspection_id: str) -> None:
        """This inspection has begun."""
        self._tell(kind="begun", inspection_id=inspection_id)

    def decided(self, outcome: Outcome, seq: int) -> None:
        """This outcome is on the disk."""
        disposition = outcome.disposition.value
        self._tell(kind="decided", inspection_id=outcome.inspection_id, disposition=disposition, seq=seq)

    def appeared(self, source: str, at_us: int) -> None:
        """A plate appeared."""
        self._tell(kind="appeared", source=source, at_us=at_us)

    def close(self) -> None:
        """Fall silent."""
        if self._socket is not None:
            self._socket.close()

    def _tell(self, **news: Any) -> None:
        if self._socket is None:
            return
        news.setdefault("at_us", time.monotonic_ns() // 1000)
        try:
            self._socket.send(json.dumps(news).encode(), zmq.NOBLOCK)
        except zmq.Again:
            self.num_unheard += 1


class Listening:
    """The signals process's end; poll `socket`."""

    def __init__(self, runtime_dir: Path, *, context: sockets.Context | None = None) -> None:
        self.socket = sockets.open_socket(context, zmq.PULL)
        self.socket.setsockopt(zmq.RCVHWM, MAX_NEWS)
        self.socket.setsockopt(zmq.MAXMSGSIZE, 64 * 1024)
        sockets.bind(self.socket, runtime_dir, SOCKET)

    def receive(self) -> News | None:
        """The oldest news; None when there is none."""
        while True:
            try:
                said = self.socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return None
            if (news := _parsed(said)) is not None:
                return news

    def close(self) -> None:
        """Stop listening."""
        self.socket.close()


def _parsed(said: bytes) -> News | None:
    """The news in a message; None where another version of edge speaks."""
    try:
        told = json.loads(said)
        match told["kind"]:
            case "begun":
                return Begun(int(told["at_us"]), str(told["inspection_id"]))
            case "decided":
                disposition = Disposition(told["disposition"])
                return Decided(int(told["at_us"]), str(told["inspection_id"]), disposition, int(told["seq"]))
            case "appeared":
                return Appeared(int(told["at_us"]), str(told["source"]))
    except (ValueError, KeyError, TypeError):
        return None
    return None
