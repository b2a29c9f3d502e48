"""A real web server that plays ERP: it answers as told, remembers what it was asked, can be slow or rude."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

PART = {"serial": "12345678AB", "model": "AX-1", "lot": 7}


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path alone, as it was sent."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The query, decoded."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}


@dataclass(frozen=True)
class Told:
    """What is answered; `raw` writes to the connection itself instead."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: Callable[[Callable[[bytes], Any]], None] | None = None


Play = Callable[[Asked], Told]


class WebErp:
    """The server; `play` decides each answer and may be changed at any time."""

    def __init__(self, play: Play, *, tls: tuple[Path, Path] | None = None) -> None:
        self.play = play
        self.asked: list[Asked] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else the body waits 40 ms for the client's delayed acknowledgement

            def do_GET(self) -> None:
                length = int(self.headers.get("content-length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, self.rfile.read(length))
                site.asked.append(asked)
                told = site.play(asked)
                if told.raw is not None:
                    self.close_connection = True
                    told.raw(self.wfile.write)
                    return
                body = told.body if isinstance(told.body, bytes) else json.dumps(told.body).encode()
                self.send_response(told.status)
                if told.status != 304:
                    self.send_header("Content-Length", str(len(body)))
                for name, value in {"Content-Type": "application/json", **told.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if told.status != 304:
                    self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - http.server's name

            def log_message(self, *words: object) -> None:
                """Keep quiet."""

            def handle(self) -> None:
                """Serve; a client that went away is no error here."""
                try:
                    super().handle()
                except OSError:
                    self.close_connection = True

        return Handler


def parts(*records: Mapping[str, Any]) -> Play:
    """A well-behaved ERP: `/parts/SERIAL` gives the record or 404, `/parts?serial=` a list, `/parts` all."""
    held = {str(record["serial"]): record for record in records}

    def play(asked: Asked) -> Told:
        from urllib.parse import unquote

        if asked.path == "/parts":
            wanted = asked.query.get("serial")
            return Told([record for serial, record in held.items() if wanted in {None, serial}])
        record = held.get(unquote(asked.path.removeprefix("/parts/"))) if asked.path.startswith("/parts/") else None
        return Told({"error": "not found"}, 404) if record is None else Told(record)

    return play


def drip(head: bytes, piece: bytes, pause_s: float) -> Told:
    """An answer that never ends, piece by piece, until the client leaves."""

    def raw(write: Callable[[bytes], Any]) -> None:
        write(head)
        for _ in range(10_000):
            write(piece)
            time.sleep(pause_s)

    return Told(raw=raw)
