"""Signs of life: what each process of the station last said of itself, and when.

Each process publishes its facts about once a second on a socket of its own; whoever wants to know listens to all of
them. A heartbeat is a fact of the moment: it is not stored, not queued, and a missing one shows by its age.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq

from edge.adapters import sockets

PERIOD_S = 1.0
#: A process that said nothing for this long is not heard.
SILENT_AFTER_S = 5.0
_PREFIX = "heartbeat-"
#: The folder is looked through for new processes at most this often.
_SCAN_S = 0.5
#: A local listener keeps this many beats unread; more than that and it lost interest.
_MAX_UNREAD = 100
_MAX_BEAT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Beat:
    """What one process said of itself at `at_us` (CLOCK_MONOTONIC)."""

    process: str
    pid: int
    started_us: int
    at_us: int
    facts: Mapping[str, Any] = field(default_factory=dict)

    def age_s(self, now_us: int) -> float:
        """How long ago it was said."""
        return max(0, now_us - self.at_us) / 1_000_000


class Heartbeat:
    """One process's sign of life."""

    def __init__(self, runtime_dir: Path, process: str, *, context: sockets.Context | None = None) -> None:
        self.process = process
        self._started_us = _now_us()
        self._next_us = 0
        self._socket = sockets.open_socket(context, zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, _MAX_UNREAD)
        sockets.bind(self._socket, runtime_dir, _PREFIX + process)

    def due(self) -> bool:
        """Whether the next beat is due; a loop may ask in every turn."""
        return _now_us() >= self._next_us

    def beat(self, **facts: Any) -> None:
        """Say the facts of this moment; never blocks."""
        now_us = _now_us()
        self._next_us = now_us + int(PERIOD_S * 1_000_000)
        said = {
            "process": self.process,
            "pid": os.getpid(),
            "started_us": self._started_us,
            "at_us": now_us,
            "facts": {"memory_bytes": memory_bytes(), **facts},
        }
        self._socket.send(json.dumps(said, default=str).encode(), zmq.NOBLOCK)

    def close(self) -> None:
        """Fall silent."""
        self._socket.close()


class Listener:
    """What each process last said. Finds the processes by their sockets, those that come later too.

    `elsewhere`: processes that are listened to in another station's runtime folder, since this one has none of its own.
    """

    def __init__(
        self,
        runtime_dir: Path,
        *,
        elsewhere: Mapping[str, Path] | None = None,
        context: sockets.Context | None = None,
    ) -> None:
        self._runtime_dir = runtime_dir
        self._elsewhere = elsewhere or {}
        self._known: set[str] = set()
        self._beats: dict[str, Beat] = {}
        self._restarts: Counter[str] = Counter()
        self._next_scan_s = 0.0
        self.socket = sockets.open_socket(context, zmq.SUB)
        self.socket.setsockopt(zmq.SUBSCRIBE, b"")
        self.socket.setsockopt(zmq.RCVHWM, _MAX_UNREAD)
        self.socket.setsockopt(zmq.MAXMSGSIZE, _MAX_BEAT_BYTES)

    def beats(self) -> Mapping[str, Beat]:
        """The last beat of each process that was ever heard; never blocks. Look at `age_s` before believing it."""
        self._scan()
        while True:
            try:
                said = json.loads(self.socket.recv(zmq.NOBLOCK))
                beat = Beat(**said)
                before = self._beats.get(str(beat.process))
                if before is not None and before.started_us != beat.started_us:
                    self._restarts[str(beat.process)] += 1
                self._beats[str(beat.process)] = beat
            except zmq.Again:
                return dict(self._beats)
            except (ValueError, TypeError):
                continue  # another version of edge speaks; it shows as a process that is not heard

    def restarts(self) -> Mapping[str, int]:
        """How often each process was heard to have begun anew, since this listener began."""
        return dict(self._restarts)

    def close(self) -> None:
        """Stop listening."""
        self.socket.close()

    def _scan(self) -> None:
        now_s = time.monotonic()
        if now_s < self._next_scan_s:
            return
        self._next_scan_s = now_s + _SCAN_S
        own = (path.stem for path in sorted(self._runtime_dir.glob(f"{_PREFIX}*.sock")))
        found = dict.fromkeys(own, self._runtime_dir)
        found |= {f"{_PREFIX}{name}": folder for name, folder in self._elsewhere.items()}
        for stem, folder in found.items():
            if stem not in self._known and (folder / f"{stem}.sock").exists():
                self._known.add(stem)
                self.socket.connect(sockets.address(folder, stem))


def memory_bytes() -> int | None:
    """The main memory that this process holds (resident set); None where the kernel does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def listen(
    runtime_dir: Path, *, elsewhere: Mapping[str, Path] | None = None, context: sockets.Context | None = None
) -> Listener:
    """Listen to every process of the station whose runtime folder this is, and to those that it has elsewhere."""
    return Listener(runtime_dir, elsewhere=elsewhere, context=context)


def _now_us() -> int:
    return time.monotonic_ns() // 1000
