"""An OpenAI-compatible server on a real socket that fails as told, and remembers what it was asked.

It speaks HTTP by hand, so that it can do what no HTTP library lets a server do: half an answer, a byte at a time,
nothing at all. Each question is answered by the next step of `steps`, and when they are used up by `usual`.
"""

from __future__ import annotations

import base64
import json
import math
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

MODEL = "plates-1"

#: A token's text, its probability, and its runners-up with theirs.
Token = tuple[str, float] | tuple[str, float, dict[str, float]]


@dataclass(frozen=True)
class Asked:
    """One request: its first line, its headers in lower case, its JSON."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def pattern(self) -> str | None:
        """The pattern that came along, in whichever form."""
        structured = self.body.get("structured_outputs") or {}
        pattern = structured.get("regex") or self.body.get("regex") or self.body.get("guided_regex")
        return None if pattern is None else str(pattern)

    @property
    def text(self) -> str:
        """What stands beside the picture."""
        return "".join(part.get("text", "") for part in self.body["messages"][0]["content"])


class Naps:
    """A sleep that does not, and remembers."""

    def __init__(self) -> None:
        self.naps: list[float] = []

    async def __call__(self, seconds: float) -> None:
        """Go to sleep, so to say."""
        self.naps.append(seconds)


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """What it shows."""
        return self.now_s


Step = Callable[[socket.socket, Asked, threading.Event], None]


class FaultyChat:
    """The server. `end` is set when it closes: a step that waits for ever waits for that."""

    def __init__(self, usual: Step, *, listing: bytes | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.usual = usual
        self.steps: list[Step] = []
        self.asked: list[Asked] = []
        self.listed = 0
        self.listing = listing if listing is not None else json.dumps({"data": [{"id": MODEL}]}).encode()
        self.end = threading.Event()
        self._tls = tls
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.url = f"{'http' if tls is None else 'https'}://localhost:{self.port}"
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def close(self) -> None:
        """End everything."""
        self.end.set()
        for one in (self._server, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join()

    def _start(self, target: Callable[..., None], *values: Any) -> None:
        thread = threading.Thread(target=target, args=values, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self._open.append(client)
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError):
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
                self._open.append(client)
            with client, client.makefile("rb") as stream:
                if self._tls is None and stream.peek(1)[:1] == b"\x16":  # a TLS handshake; real servers say so
                    client.sendall(http(b"", "400 Bad Request"))
                    return
                while (asked := _request(stream)) is not None:
                    if asked.path == "/v1/models":
                        with self._lock:
                            self.listed += 1
                        client.sendall(http(self.listing))
                        continue
                    with self._lock:
                        self.asked.append(asked)
                        step = self.steps.pop(0) if self.steps else self.usual
                    step(client, asked, self.end)


def _request(stream: Any) -> Asked | None:
    first = stream.readline().decode("latin-1").split()
    if len(first) != 3:
        return None
    headers: dict[str, str] = {}
    while (line := stream.readline().decode("latin-1").strip()) != "":
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", "0")))
    return Asked(first[0], first[1], headers, json.loads(body) if body else {})


def http(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    """A whole response; `length` is what it claims to have."""
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


def completion(
    text: str | None,
    finish: str | None = "stop",
    tokens: Sequence[Token] | None = None,
    **more: Any,
) -> bytes:
    """A chat completion; `tokens` are texts with probabilities and, where there are any, the runners-up."""
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    if tokens is not None:
        choice["logprobs"] = {"content": [_entry(*token) for token in tokens]}
    return json.dumps({"object": "chat.completion", "model": MODEL, "choices": [choice], **more}).encode()


def _entry(text: str, probability: float, others: dict[str, float] | None = None) -> dict[str, Any]:
    named = {text: probability, **(others or {})}
    top = [{"token": t, "logprob": math.log(p), "bytes": list(t.encode())} for t, p in named.items()]
    return {**top[0], "top_logprobs": sorted(top, key=lambda one: -one["logprob"])}


def says(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> Step:
    """A step that sends a response and keeps the connection."""

    def step(client: socket.socket, asked: Asked, end: threading.Event) -> None:
        client.sendall(http(body, status, *headers, length=length))

    return step


def sends(raw: bytes, *, then: str = "close") -> Step:
    """A step that sends bytes as they are and then closes, resets, or goes silent."""

    def step(client: socket.socket, asked: Asked, end: threading.Event) -> None:
        client.sendall(raw)
        if then == "silence":
            end.wait()
        if then == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            os.close(client.detach())  # the stream that reads from it would hold it open
        else:
            client.shutdown(socket.SHUT_RDWR)

    return step


def drips(raw: bytes, every_s: float = 0.02) -> Step:
    """A step that sends some bytes and then blanks without end, one at a time."""

    def step(client: socket.socket, asked: Asked, end: threading.Event) -> None:
        client.sendall(raw)
        while not end.wait(every_s):
            client.sendall(b" ")

    return step


class Model:
    """What a good server does: it holds to a pattern in the forms that it knows, and its model sees.

    `eye` says which digits stand on a picture (PNG). `raw`: its probabilities are the model's own (True), those after
    the constraint (False), or not stated (None). `answers` holds completions by a part of their question.
    """

    def __init__(self, eye: Callable[[bytes], str], *forms: str, raw: bool | None = None) -> None:
        self.eye = eye
        self.forms = set(forms)
        self.raw = raw
        self.strict = False
        self.answers: dict[str, bytes] = {}

    def __call__(self, client: socket.socket, asked: Asked, end: threading.Event) -> None:
        """Answer one question."""
        client.sendall(self.answer(asked))

    def answer(self, asked: Asked) -> bytes:
        """The whole response."""
        sent = {"structured_outputs", "regex", "guided_regex"} & set(asked.body)
        if self.strict and sent - self.forms:
            return http(b'{"detail": "Unexpected fields in the request"}', "422 Unprocessable Entity")
        held = asked.pattern if sent & self.forms else None
        if held is not None and re.fullmatch("Q[0-9A-F]{8}", held):
            return http(completion(held, tokens=self._tokens(held, 0.02 if self.raw else 1.0)))
        for question, body in self.answers.items():
            if question in asked.text:
                return http(body)
        picture = asked.body["messages"][0]["content"][0]["image_url"]["url"]
        number = self.eye(base64.b64decode(picture.partition(",")[2]))
        return http(completion(number, tokens=self._tokens(number, 0.98)))

    def _tokens(self, text: str, probability: float) -> list[Token] | None:
        return None if self.raw is None else [*((c, probability) for c in text), ("<|endoftext|>", 1.0)]


GOOD = says(completion("AX-4711"))
