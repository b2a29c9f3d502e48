"""A validator that is subscribed to everything: each message that edge sends in a test is held against the contract.

It reads `config/asyncapi.yaml` and `config/schemas/` as a site would. Every broker of `tests.brokers` has one, and a
test that starts a broker fails where a message breaks the contract, whatever the test is about.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import mqtt5
import yaml

from simulator.contract import violations
from tests.wire import packets

ASYNCAPI = Path(__file__).parents[1] / "config" / "asyncapi.yaml"
WAIT_S = 60.0
_FENCE = "witness/fence"


class Judge:
    """Judges each message of edge that it is shown; answers are known by the commands shown before."""

    def __init__(self) -> None:
        self.checked = 0
        self.violations: list[str] = []
        #: The name of the answer to each command, by where it is answered and by what it is recognised.
        self._answers: dict[tuple[str, bytes | None], str] = {}

    def see(self, packet: mqtt5.PublishPacket) -> None:
        """Judge a message, if it is one of edge's."""
        base, _, suffix = packet.topic.partition("/cmd/")
        if base.startswith("edge/v1/") and suffix:
            if packet.response_topic:
                name = "resend_answer" if suffix == "resend" else "answer"
                self._answers[packet.response_topic, packet.correlation_data] = name
            return
        answers = packet.topic, packet.correlation_data
        name = self._answers.get(answers, packet.topic.rpartition("/")[2])
        if answers not in self._answers and (not packet.topic.startswith("edge/v1/") or name not in _bindings()):
            return
        self.checked += 1
        self.violations += violations(name, packet.payload, packet.user_properties)
        if packet.content_type != "application/json" or packet.payload_format_indicator != 1:
            self.violations.append(f"{name} is not marked as JSON in UTF-8")
        if name in _bindings():
            sent = {"qos": int(packet.qos), "retain": packet.retain}
            if sent != _bindings()[name]:
                self.violations.append(f"{name} was sent with {sent}, not {_bindings()[name]}")


@cache
def _bindings() -> dict[str, dict[str, Any]]:
    """QoS and retain flag of each message that the station sends, by the last level of its topic."""
    document = yaml.safe_load(ASYNCAPI.read_text(encoding="utf-8"))
    return {
        name: operation["bindings"]["mqtt"]
        for name, operation in document["operations"].items()
        if operation["action"] == "send"
    }


class Witness:
    """Subscribed to everything at one broker, through its restarts, by a listener that no test's rules stand before."""

    def __init__(self, port: int) -> None:
        self.judge = Judge()
        self._port = port
        self._fences: set[bytes] = set()
        self._socket: socket.socket | None = None
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Subscribe; returns when it hears everything."""
        self._thread.start()
        assert self._ready.wait(WAIT_S), "the witness was not heard by the broker"

    def wait_until_gone(self) -> None:
        """Wait until the end of the broker was noticed, where the witness was started."""
        while self._thread.is_alive() and self._ready.is_set():
            time.sleep(0.005)

    def wait_until_back(self) -> None:
        """Wait until a broker that was started again is heard, where the witness was started."""
        assert not self._thread.is_alive() or self._ready.wait(WAIT_S), "the witness was not heard by the broker"

    def stop(self, *, broker_runs: bool) -> None:
        """Hear what the broker took before now, where it still runs; then leave.

        Raises:
            AssertionError: a message broke the contract.
        """
        if broker_runs:
            self._hear_all()
        self._stopping.set()
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        assert not self.judge.violations, "\n".join(self.judge.violations)

    def _hear_all(self) -> None:
        """Publish a message and wait until it is heard: the broker keeps the order for one subscriber."""
        deadline_s = time.monotonic() + WAIT_S
        fence = str(time.monotonic_ns()).encode()
        while fence not in self._fences:
            assert time.monotonic() < deadline_s, "the witness did not hear the broker"
            if self._ready.is_set():
                self._send(mqtt5.PublishPacket(_FENCE, fence))
            time.sleep(0.02)

    def _run(self) -> None:
        while not self._stopping.is_set():
            with suppress(OSError):
                self._listen()
            self._ready.clear()
            self._stopping.wait(0.02)

    def _listen(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port), timeout=WAIT_S) as self._socket:
            self._socket.settimeout(None)
            # The session outlives the connection: a broker that keeps its memory repeats what was not heard.
            self._send(mqtt5.ConnectPacket(client_id="witness", clean_start=False, session_expiry_interval=3600))
            for packet in packets(self._socket):
                match packet:
                    case mqtt5.ConnAckPacket():
                        everything = mqtt5.TopicFilter("#", max_qos=mqtt5.QoS.AT_LEAST_ONCE, retain_as_published=True)
                        self._send(mqtt5.SubscribePacket(1, [everything]))
                    case mqtt5.SubAckPacket():
                        self._ready.set()
                    case mqtt5.PublishPacket():
                        if packet.topic == _FENCE:
                            self._fences.add(packet.payload)
                        else:
                            self.judge.see(packet)
                        if packet.packet_id is not None:
                            self._send(mqtt5.PubAckPacket(packet.packet_id))

    def _send(self, packet: Any) -> None:
        assert self._socket is not None
        with suppress(OSError):
            self._socket.sendall(packet.write())
