"""Plays PLC and MES towards one station: triggers, expectations, confirmations out; outcomes, retakes, state in.

Speaks MQTT 5 as any site would, with code of its own. The network thread only writes down what it hears; whoever waits
does so with a limit.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from simulator.audit import Audit, Heard

ANSWER_TIMEOUT_S = 3.0
"""A command without an answer after this long is sent again, under the same id, as a PLC does."""
SESSION_EXPIRY_S = 600
MAX_ANSWERS = 1000
"""Answers kept for commands that nobody waits for; the oldest is forgotten first."""


class LineError(Exception):
    """Raised when the broker or the station does not do what a line needs; says what, and where to look."""


class Line:
    """One station's PLC and MES at one broker."""

    def __init__(self, host: str, port: int, topic_root: str, *, name: str = "mes") -> None:
        self._root = topic_root
        self._answers: dict[bytes, dict[str, Any]] = {}
        self._changed = threading.Condition()
        self._answer_topic = f"{topic_root}/answers/{name}"
        self._address = (host, port)
        self.audit = Audit()
        self.state: dict[str, Any] = {}
        self.states: list[str] = []
        self.health: dict[str, Any] = {}
        self.retakes: dict[str, list[dict[str, Any]]] = {}
        self.triggers: dict[str, float] = {}
        self._client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, f"{name}-{uuid.uuid4().hex[:8]}", protocol=paho.MQTTv5
        )
        self._client.reconnect_delay_set(1, 2)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        self._client.connect(*self._address, clean_start=paho.MQTT_CLEAN_START_FIRST_ONLY, properties=properties)
        self._client.loop_start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def expect(self, fields: Mapping[str, str], command_id: str) -> dict[str, Any]:
        """Say which part comes next; the station's answer."""
        return self._command("expect", {**fields, "command_id": command_id})

    def trigger(self, trigger_id: str, expected: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Say that a part is in place; the station's answer, once the trigger is on its disk."""
        self.note_trigger(trigger_id)
        command: dict[str, Any] = {"trigger_id": trigger_id, "source": "plc"}
        if expected is not None:
            command["expected"] = dict(expected)
        return self._command("trigger", command)

    def trigger_at_once(self, trigger_id: str) -> None:
        """Say that a part is in place and wait for nothing."""
        self.note_trigger(trigger_id)
        self._send("trigger", {"trigger_id": trigger_id, "source": "plc"}, None)

    def confirm(self, inspection_id: str) -> None:
        """Say that MES has stored an outcome; no answer is asked for."""
        self._send("confirm", {"inspection_id": inspection_id}, None)

    def note_trigger(self, trigger_id: str) -> None:
        """Remember when a trigger was first sent."""
        self.triggers.setdefault(trigger_id, time.monotonic())

    def wait_for_outcome(self, trigger_id: str, timeout_s: float) -> Heard | None:
        """The outcome of a trigger; None where it does not come in time."""
        self.wait_until(lambda: self.audit.of_trigger(trigger_id) is not None, timeout_s)
        return self.audit.of_trigger(trigger_id)

    def wait_until(self, fact: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something that was heard makes a fact true; whether it did."""
        with self._changed:
            return self._changed.wait_for(fact, timeout_s)

    def _command(self, name: str, command: Mapping[str, Any], tries: int = 10) -> dict[str, Any]:
        correlation = uuid.uuid4().bytes
        for _ in range(tries):
            self._send(name, command, correlation)
            if self.wait_until(lambda: correlation in self._answers, ANSWER_TIMEOUT_S):
                return self._answers.pop(correlation)
        waited_s = tries * ANSWER_TIMEOUT_S
        raise LineError(f"the station did not answer cmd/{name} within {waited_s:.0f} s: see its log")

    def _send(self, name: str, command: Mapping[str, Any], correlation: bytes | None) -> None:
        properties = Properties(PacketTypes.PUBLISH)
        if correlation is not None:
            properties.ResponseTopic = self._answer_topic
            properties.CorrelationData = correlation
        self._client.publish(f"{self._root}/cmd/{name}", json.dumps(command), 1, properties=properties)

    def _on_connect(self, _client: Any, _userdata: Any, _flags: Any, _code: Any, _properties: Any) -> None:
        topics = [f"{self._root}/{suffix}" for suffix in ("state", "outcome", "retake", "health")]
        self._client.subscribe([(topic, SubscribeOptions(1)) for topic in (*topics, self._answer_topic)])

    def _on_message(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        name = "answer" if message.topic == self._answer_topic else message.topic.removeprefix(f"{self._root}/")
        raw, properties = bytes(message.payload), message.properties
        with self._changed:
            self._note(name, raw, properties)
            self._changed.notify_all()
        # Last: it takes some 20 ms for a long outcome, and nobody need wait for it.
        self.audit.check_contract(name, raw, getattr(properties, "UserProperty", []))

    def _note(self, name: str, raw: bytes, properties: Any) -> None:
        if name == "outcome":
            self.audit.hear(raw, getattr(properties, "UserProperty", []), time.monotonic())
            return
        said = _object(raw)
        if name == "answer":
            self._answers[getattr(properties, "CorrelationData", b"")] = said
            while len(self._answers) > MAX_ANSWERS:
                self._answers.pop(next(iter(self._answers)))
        elif name == "state":
            self.state = said
            self.states.append(str(said.get("state")))
        elif name == "health":
            self.health = said
        elif name == "retake":
            self.retakes.setdefault(str(said.get("inspection_id")), []).append(said)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        said = json.loads(raw)
    except ValueError:
        return {"state": raw.decode("utf-8", "replace")}
    return said if isinstance(said, dict) else {"state": said}
