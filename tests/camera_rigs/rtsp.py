"""A real RTSP server, and a proxy before it through which a test can reach."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Iterator

from edge.adapters.camera import CameraFrame
from tests.camera_rigs.rig import PATIENCE_S


class Proxy:
    """A TCP connection through which a test can reach: hold it, cut it, damage or drop its RTP packets."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._open = threading.Event()
        self._open.set()
        self._sockets: list[socket.socket] = []
        self.num_garbled = self.num_dropped = 0
        self.listen()

    def listen(self, port: int = 0) -> None:
        """Accept clients."""
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def hold(self) -> None:
        """What the server sends stays here."""
        self._open.clear()

    def release(self) -> None:
        """And goes on, the oldest first."""
        self._open.set()

    def cut(self) -> None:
        """Close everything; nobody listens."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for one in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._sockets = []
        self.release()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to_port))
                self._sockets += [client, server]
                for work in ((self._up, client, server), (self._down, server, client)):
                    threading.Thread(target=work[0], args=work[1:], daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for part in _parts(server):
                self._open.wait()
                if part[:1] == b"$" and len(part) > 400 and self.num_dropped > 0:
                    self.num_dropped -= 1
                    continue
                garble = part[:1] == b"$" and len(part) > 400 and self.num_garbled > 0
                self.num_garbled -= garble
                client.sendall(part[:60] + os.urandom(len(part) - 60) if garble else part)


def _parts(server: socket.socket) -> Iterator[bytes]:
    """RTSP answers and interleaved packets, each whole."""
    data = b""
    while more := server.recv(65536):
        data += more
        while len(data) >= 4:
            if data[:1] == b"$":
                size = 4 + int.from_bytes(data[2:4], "big")
            else:
                head = data.partition(b"\r\n\r\n")[0]
                lengths = [
                    line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-len")
                ]
                size = len(head) + 4 + (int(lengths[0]) if lengths else 0)
            if len(data) < size:
                break
            yield data[:size]
            data = data[size:]


class RtspServer:
    """GStreamer's server in a process of its own."""

    def __init__(self, *credentials: str) -> None:
        command = ["/usr/bin/python3", "tests/rtsp_server.py", *credentials]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "no RTSP server: apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-ugly"
        self.port = int(line)

    def tell(self, word: str) -> None:
        """One word to its film."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_S)
        self._process.stdout.close()


def shown_us(frame: CameraFrame) -> int:
    """When a frame of `tests/rtsp_server.py` was drawn: 48 squares of 16 px, black or white."""
    assert frame.pixels is not None
    bits = [
        frame.pixels[row * 16 + 4 : row * 16 + 12, column * 16 + 4 : column * 16 + 12].mean() > 128
        for row in range(3)
        for column in range(16)
    ]
    return sum(int(bit) << at for at, bit in enumerate(bits))
