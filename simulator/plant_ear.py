"""An independent subscriber to all outcomes of a plant, by another MQTT library than edge's; it remembers every one.

It comes again after the broker was away, to the session that it left, and acknowledges what it has remembered.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import mqtt5

CONNECT_AGAIN_S = 0.2
_RECEIVE_MAXIMUM = 1000


@dataclass(frozen=True, slots=True)
class HeardOutcome:
    """One outcome as heard. `end_to_end_ms`: from the trigger until it was here; None where the core gave no total."""

    station: str
    seq: int
    reason: str
    decided_ms: float | None
    end_to_end_ms: float | None


class PlantEar:
    """Hears `edge/v1/SITE/+/+/outcome` until `stop`."""

    def __init__(self, port: int, site: str) -> None:
        self.heard: dict[str, HeardOutcome] = {}
        self.repeats = 0
        self.changed = 0
        self._content: dict[str, int] = {}
        self._port, self._site = port, site
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Subscribe; returns when it hears.

        Raises:
            OSError: the broker does not let it.
        """
        self._thread.start()
        if not self._ready.wait(20):
            raise OSError(f"the broker on port {self._port} gave no subscription within 20 s")

    def stop(self) -> None:
        """Hear no more."""
        self._stopping.set()
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    def reasons(self) -> Counter[str]:
        """How many outcomes of each reason were heard."""
        return Counter(one.reason for one in list(self.heard.values()))

    def _run(self) -> None:
        while not self._stopping.is_set():
            with suppress(OSError):
                self._serve()
            self._stopping.wait(CONNECT_AGAIN_S)

    def _serve(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port), timeout=10) as connection:
            self._socket = connection
            connection.settimeout(None)
            hello = mqtt5.ConnectPacket(
                client_id=f"ear-{self._site}", clean_start=False, session_expiry_interval=3600,
                receive_max=_RECEIVE_MAXIMUM, keep_alive=0,
            )  # fmt: skip
            connection.sendall(hello.write())
            buffer = bytearray()
            while data := connection.recv(1 << 18):
                buffer += data
                answers = self._take(buffer)
                if answers:
                    connection.sendall(answers)

    def _take(self, buffer: bytearray) -> bytes:
        """Look at the whole packets of a buffer, and take them out of it; what is to be answered."""
        answers = bytearray()
        begin = 0
        view = memoryview(bytes(buffer))
        while begin < len(view):
            try:
                packet, size = mqtt5.read(view[begin:])
            except IndexError:
                break
            begin += size
            answers += self._answer(packet)
        del buffer[:begin]
        return bytes(answers)

    def _answer(self, packet: Any) -> bytes:
        match packet:
            case mqtt5.ConnAckPacket():
                topic = mqtt5.TopicFilter(f"edge/v1/{self._site}/+/+/outcome", max_qos=mqtt5.QoS.AT_LEAST_ONCE)
                return bytes(mqtt5.SubscribePacket(1, [topic]).write())
            case mqtt5.SubAckPacket():
                self._ready.set()
            case mqtt5.PublishPacket():
                self._remember(bytes(packet.payload or b""))
                if packet.packet_id is not None:
                    return bytes(mqtt5.PubAckPacket(packet.packet_id).write())
        return b""

    def _remember(self, payload: bytes) -> None:
        now_s = time.time()
        said = json.loads(payload)
        inspection_id, content = said["inspection_id"], hash(payload)
        if inspection_id in self.heard:
            self.repeats += 1
            self.changed += self._content[inspection_id] != content
            return
        total_ms = said["ms"].get("total")
        way_ms = (now_s - datetime.fromisoformat(said["at"]).timestamp()) * 1000
        end_to_end_ms = None if total_ms is None else total_ms + max(0.0, way_ms)
        self._content[inspection_id] = content
        self.heard[inspection_id] = HeardOutcome(said["station"], said["seq"], said["reason"], total_ms, end_to_end_ms)
