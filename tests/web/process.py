"""The real panel process, `edge panel`, as its settings make it; what it costs is read from the system."""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simulator.ports import free_port
from tests.web.site import until

SETTINGS = """\
version = 1
[station]
site = "Ulm"
line = "l2"
name = "st-7"
camera = "top"
[paths]
data = "data"
runtime = "run"
[cameras.top]
kind = "simulated"
address = "ipc:///tmp/no-camera.sock"
"""


@dataclass(frozen=True, slots=True)
class PanelProcess:
    """One running panel."""

    port: int
    pid: int
    folder: Path
    tls: ssl.SSLContext | None = None

    def connect(self, timeout_s: float = 60.0, *, buffer_bytes: int | None = None) -> socket.socket:
        """A connection, for tests that say what goes over it; encrypted where the panel is."""
        plain = socket.socket()
        plain.settimeout(timeout_s)
        if buffer_bytes is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        plain.connect(("127.0.0.1", self.port))
        return plain if self.tls is None else self.tls.wrap_socket(plain, server_hostname="localhost")

    def send(self, sent: bytes) -> bytes:
        """Send some bytes; everything that comes until the panel ends the connection."""
        with self.connect() as link:
            link.sendall(sent)
            return received(link)

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one request."""
        link: http.client.HTTPConnection = http.client.HTTPConnection("localhost", self.port, timeout=60)
        if self.tls is not None:
            link = http.client.HTTPSConnection("localhost", self.port, timeout=60, context=self.tls)
        try:
            link.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = link.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            link.close()

    @property
    def most_memory_mb(self) -> float:
        """The most memory that the process ever had."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found[1]) / 1024


def received(link: socket.socket) -> bytes:
    """Everything that comes until the other end closes, or breaks the connection off."""
    came = b""
    try:
        while part := link.recv(65_536):
            came += part
    except (ConnectionError, ssl.SSLError):
        pass
    return came


@contextmanager
def panel_process(
    folder: Path, more: str = "", *, tls: ssl.SSLContext | None = None, environment: dict[str, str] | None = None
) -> Iterator[PanelProcess]:
    """A panel with these settings below `[panel]`, ended at the end; its log is `panel.log` in the folder."""
    port = free_port()
    (folder / "edge.toml").write_text(f"{SETTINGS}[panel]\nport = {port}\n{more}", encoding="utf-8")
    with (folder / "panel.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "edge", "panel", "--config", str(folder / "edge.toml")],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | (environment or {}),
        )
        try:
            until(lambda: child.poll() is not None or b"panel ready" in (folder / "panel.log").read_bytes())
            assert child.poll() is None, (folder / "panel.log").read_text()
            yield PanelProcess(port, child.pid, folder, tls)
            assert child.poll() is None, (folder / "panel.log").read_text()
        finally:
            child.terminate()
            child.wait(20)
