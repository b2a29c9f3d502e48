"""Starts and ends the demo's child processes so that none is left behind, whatever ends the demo.

Every child has a process group of its own and dies with its parent (Linux: PR_SET_PDEATHSIG), and so do the processes
that it starts itself, since `stop` looks for the whole family.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psutil

STOP_TIMEOUT_S = 12.0
"""How long the family may take to say goodbye before it is killed."""
_PR_SET_PDEATHSIG = 1


class Child:
    """One child process with all that it starts."""

    def __init__(self, command: Sequence[str], log: Path, env: dict[str, str] | None = None) -> None:
        self._command = command
        self._log = log
        self._env = env
        self._file: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its output goes to the log file."""
        libc = ctypes.CDLL(None, use_errno=True)
        parent = os.getpid()

        def die_with_parent() -> None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:  # the parent died before the call above
                os.kill(os.getpid(), signal.SIGTERM)

        self._file = self._log.open("ab")
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            env=self._env,
            process_group=0,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - it calls the C library only, and no lock of ours is held
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None while it runs."""
        return None if self._process is None else self._process.poll()

    def family(self) -> list[psutil.Process]:
        """The child and all that descend from it, alive now."""
        try:
            child = psutil.Process(self.pid)
            return [child, *child.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def stop(self) -> int | None:
        """End it politely, then by force; its exit code."""
        if self._process is None:
            return None
        family = self.family()
        for member in family:  # a member that a scene has stopped (SIGSTOP) must wake up to say goodbye
            with contextlib.suppress(psutil.NoSuchProcess):
                member.resume()
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT_S)
        self._end(family)
        return self._process.returncode

    def kill(self) -> None:
        """End the whole family at once, as a power cut does; it may be started again."""
        if self._process is not None:
            self._end(self.family())

    def _end(self, family: Sequence[psutil.Process]) -> None:
        """Kill whoever of the family is left, and wait until all are gone."""
        assert self._process is not None
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()  # raises, too, where its number belongs to another process by now
        self._process.wait()
        psutil.wait_procs(family, STOP_TIMEOUT_S)
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
