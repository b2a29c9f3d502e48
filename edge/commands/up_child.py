"""One process under `edge up`, treated as systemd treats a `Type=notify` service.

It is ready when it says READY=1, gets more time when it asks (EXTEND_TIMEOUT_USEC), is killed when it shows no progress
for its watchdog's time, is started anew after growing pauses, and has its last word in its exit code: 78 (wrong
configuration) and 2 (wrong use) are final, since starting anew changes nothing.

It gets a process group of its own, so that Ctrl-C on the terminal reaches `edge up` alone, and dies with `edge up`
whatever kills that (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: As in systemd/*.service.
WATCHDOG_S = 30.0
START_TIMEOUT_S = 90.0
#: Pauses before starting anew: doubled from the first to the longest; the first again after a good while.
PAUSE_FIRST_S, PAUSE_LONGEST_S = 0.2, 10.0
GOOD_WHILE_S = 30.0
FINAL_EXIT_CODES = frozenset({2, 78})
#: Longer lines are passed on in pieces.
MAX_LINE_BYTES = 64 * 1024

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a child may take."""

    watchdog_s: float = WATCHDOG_S
    start_timeout_s: float = START_TIMEOUT_S
    pause_first_s: float = PAUSE_FIRST_S
    pause_longest_s: float = PAUSE_LONGEST_S


class Child:
    """One process: start it, hear it, look after it, end it. The caller waits on `output` and `notify`."""

    def __init__(self, name: str, command: Sequence[str], runtime_dir: Path, limits: Limits) -> None:
        self.name = name
        self.ready = False
        self.status = ""
        self.num_starts = 0
        self.output: int | None = None
        self._command = list(command)
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        self._last_lines: list[str] = []
        self._pause_s = limits.pause_first_s
        self._start_at_s = 0.0
        self._started_s = 0.0
        self._due_s = 0.0
        self._notify_path = runtime_dir / f"notify-{name}.sock"
        self._notify_path.unlink(missing_ok=True)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self.notify.bind(str(self._notify_path))
        self._notify_path.chmod(0o600)

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return None if self._process is None else self._process.pid

    def start_if_due(self, environment: Mapping[str, str]) -> bool:
        """Start it where it does not run and its pause is over; True when it was started now."""
        if self._process is not None or time.monotonic() < self._start_at_s:
            return False
        self._hear()  # what the one before it still said is not about this one
        self.ready, self.status = False, ""
        reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(writing, True)
        supervisor = os.getpid()
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                process_group=0,
                preexec_fn=lambda: _die_with(supervisor),  # noqa: PLW1509 - this process has one thread
                env={
                    **environment,
                    "NOTIFY_SOCKET": str(self._notify_path),
                    "WATCHDOG_USEC": str(round(self._limits.watchdog_s * 1_000_000)),
                },
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self.output = reading
        self.num_starts += 1
        self._started_s = time.monotonic()
        self._due_s = self._started_s + self._limits.start_timeout_s
        return True

    def lines(self) -> list[str]:
        """What it wrote since last time, line by line; never blocks."""
        last, self._last_lines = self._last_lines, []
        if self.output is None:
            return last
        chunks = [self._buffer]
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.output, 65536):
                chunks.append(chunk)
        whole, newline, self._buffer = b"".join(chunks).rpartition(b"\n")
        if len(self._buffer) > MAX_LINE_BYTES:
            whole, newline, self._buffer = whole + newline + self._buffer, b"\n", b""
        return last + (_text(whole) if newline else [])

    def look(self) -> str:
        """Hear what it says of itself and look whether it still shows progress; gives a complaint, or nothing.

        A child that is late is killed here; `ended` tells its end as any other.
        """
        if self._hear() and self.ready:
            self._due_s = time.monotonic() + self._limits.watchdog_s
        if self._process is None or time.monotonic() < self._due_s or self._has_exited():
            return ""
        self.kill()
        what = "no progress" if self.ready else "not ready"
        limit_s = self._limits.watchdog_s if self.ready else time.monotonic() - self._started_s
        self._due_s = float("inf")  # said once; on a busy PC a killed process takes its time to end
        return f"{what} for {limit_s:.0f} s: killed" + (f" ({self.status})" if self.status else "")

    def ended(self) -> int | None:
        """Its exit code (negative: the signal) once, as soon as it has ended; sets the pause before the next start."""
        if self._process is None or not self._has_exited():
            return None
        self._end_group()
        code = self._process.wait()
        self._process = None
        self._last_lines = self.lines() + (_text(self._buffer) if self._buffer else [])
        self._buffer = b""
        if self.output is not None:
            os.close(self.output)
            self.output = None
        now_s = time.monotonic()
        if self.ready and now_s - self._started_s >= GOOD_WHILE_S:
            self._pause_s = self._limits.pause_first_s
        self.ready = False
        self._start_at_s = now_s + self._pause_s
        self._pause_s = min(self._pause_s * 2, self._limits.pause_longest_s)
        return code

    def terminate(self) -> None:
        """Ask it to end."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGTERM)  # not `terminate`, which may reap it; its id is ours until then

    def kill(self) -> None:
        """End it, and whatever it started, at once."""
        self._end_group()

    def close(self) -> None:
        """Remove its notification socket."""
        self.notify.close()
        self._notify_path.unlink(missing_ok=True)

    def _has_exited(self) -> bool:
        """Whether it has ended; it is not reaped here, so that its process group stays its own until all of it is."""
        assert self._process is not None
        ended = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return ended is not None

    def _end_group(self) -> None:
        """Kill what there is of its process group."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _hear(self) -> bool:
        """Take in its notifications; True when it showed progress."""
        progress = False
        while True:
            try:
                said = self.notify.recv(8192).decode(errors="replace")
            except BlockingIOError:
                return progress
            for line in said.splitlines():
                key, _, value = line.partition("=")
                if line == "READY=1":
                    self.ready = progress = True
                elif line == "WATCHDOG=1":
                    progress = True
                elif key == "STATUS":
                    self.status = value
                elif key == "EXTEND_TIMEOUT_USEC" and value.isdecimal() and not self.ready:
                    self._due_s = max(self._due_s, time.monotonic() + int(value) / 1_000_000)


def _text(data: bytes) -> list[str]:
    return [line.decode(errors="backslashreplace") for line in data.split(b"\n")]


def _die_with(supervisor: int) -> None:
    """In the new process, before its program: be killed when the supervisor ends, however it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:  # it ended between fork and prctl
        os._exit(1)
