"""A pool of readers for a plant on this PC: `edge pool up`, which starts a Ray cluster of its own, and ends it."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.error import URLError
from urllib.request import urlopen

from simulator.children import Child
from simulator.ports import free_port

#: Ray takes a minute to come up, and each replica loads its reader.
READY_TIMEOUT_S = 240.0
_TOML = """\
version = 1
[listen]
port = {port}
[reader]
kind = "ocr"
threads = 1
[replicas]
least = {replicas}
most = {replicas}
cpus = 0
"""


class RayPool:
    """So many replicas of the `ocr` reader, a thread each; `with` starts it and waits until all of them answer.

    Args:
        folder: for its settings, its log and Ray's sockets, whose names have a limit.
        replicas: how many.
    """

    def __init__(self, folder: Path, replicas: int) -> None:
        self._port, self._replicas = free_port(), replicas
        self.url = f"http://127.0.0.1:{self._port}"
        self.log = folder / "pool.log"
        config = folder / "pool.toml"
        config.write_text(_TOML.format(port=self._port, replicas=replicas), encoding="utf-8")
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        command = [sys.executable, "-m", "edge", "pool", "up", "--config", str(config)]
        self.child = Child(command, self.log, {**environment, "RAY_TMPDIR": str(folder)})

    def __enter__(self) -> Self:
        self.child.start()
        try:
            self._wait()
        except BaseException:
            self.child.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.child.stop()

    def _wait(self) -> None:
        """Ask until every replica has answered: the proxy asks one of them at a time.

        Raises:
            OSError: it ended, or they do not answer in time.
        """
        until_s = time.monotonic() + READY_TIMEOUT_S
        found: set[str] = set()
        while len(found) < self._replicas:
            if self.child.exit_code is not None or time.monotonic() > until_s:
                said = self.log.read_text(encoding="utf-8", errors="replace")[-500:].strip()
                raise OSError(f"{len(found)} of {self._replicas} readers of the pool answer: {said}")
            try:
                with urlopen(f"http://127.0.0.1:{self._port}/v1/pool", timeout=5) as answer:
                    found.add(str(json.load(answer)["replica"]))
            except (URLError, OSError, ValueError, KeyError):
                time.sleep(0.2)
