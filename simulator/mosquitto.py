"""A real mosquitto in a folder of its own, which can be stopped, killed and made to forget.

It keeps sessions and messages on its disk, unless it is told to `forget`; ended by `kill` it has lost what it had not
yet written, as after a power cut. That is little where it `saves_at_once`, else of half an hour, as it is by default.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from simulator.ports import free_port

PROGRAM = "/usr/sbin/mosquitto"
START_TIMEOUT_S = 20.0
_STATE = "mosquitto.db"


class MosquittoError(OSError):
    """Raised when mosquitto is not there or does not come up; says what to do."""


class Mosquitto:
    """One broker on a port of its own; `with` starts it. `lines` come last in its settings."""

    def __init__(self, folder: Path, *lines: str, saves_at_once: bool = True) -> None:
        self._folder = folder
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        settings = (
            "per_listener_settings true",  # `lines` may name another listener, which lets in whom this one does not
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "user root",  # else it may not read what a run by root wrote; no one else may become root by it
            "persistence true",
            f"persistence_location {folder}/",
            *(("autosave_on_changes true", "autosave_interval 1") if saves_at_once else ()),
            *lines,
        )
        self._config.write_text("\n".join(settings) + "\n", encoding="utf-8")

    def start(self) -> None:
        """Start, and return when it listens.

        Raises:
            MosquittoError: it is not installed, or does not listen in time.
        """
        if shutil.which(PROGRAM) is None:
            raise MosquittoError(f"there is no {PROGRAM}: sudo apt-get install mosquitto")
        self._process = subprocess.Popen(
            [PROGRAM, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until_s = time.monotonic() + START_TIMEOUT_S
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > until_s:
                raise MosquittoError(f"mosquitto does not listen on port {self.port}: try {PROGRAM} -c {self._config}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End cleanly, keeping sessions and retained messages on the disk."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def kill(self) -> None:
        """End at once, as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def pid(self) -> int:
        """Its process id, while it runs."""
        assert self._process is not None, "it was started"
        return self._process.pid

    def forget(self) -> None:
        """Lose all sessions and messages, while it is stopped: a broker without persistence."""
        (self._folder / _STATE).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False
