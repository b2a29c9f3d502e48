"""The plant's own connection to the broker, for whoever speaks to many stations: subscribe, hear, publish and be sure.

Promises: a message that `publish` returns for was taken by the broker (a PUBACK that is no failure); what a connection
that broke would have heard is missed, and the subscriptions stand again on the next one; what is heard waits in a queue
with a limit, and beyond it the broker waits.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge.adapters import mqtt_endings
from edge.adapters.mqtt_access import sign_in
from edge.adapters.mqtt_facts import Broker
from edge.adapters.mqtt_properties import PublishProperties
from edge.errors import BrokerError

#: Longest wait for a connection, a subscription or a PUBACK.
TIMEOUT_S = 20.0
#: Messages heard and not yet taken; a plant of 200 stations with a part a second makes 200 a second.
MAX_HEARD = 10_000


@dataclass(frozen=True, slots=True)
class Told:
    """A message as it came."""

    topic: str
    payload: bytes
    retained: bool


class PlantLink:
    """One connection, made again by itself where it breaks. Close it."""

    def __init__(self, broker: Broker, filters: Sequence[str]) -> None:
        """Connect, and hear the topics of these filters.

        Raises:
            BrokerError: The broker cannot be reached, does not take us, or does not let us hear.
        """
        self._broker, self._filters = broker, list(filters)
        self._heard: queue.Queue[Told] = queue.Queue(MAX_HEARD)
        self._ready = threading.Event()
        self._refusal = ""
        self._answers: dict[int, ReasonCode] = {}
        self._answered = threading.Condition()
        self._client = Client(
            CallbackAPIVersion.VERSION2, f"{broker.client_id}-{time.time_ns():x}", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.connect_timeout = TIMEOUT_S
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        sign_in(self._client, broker)
        try:
            self._client.connect(broker.host, broker.port, keepalive=broker.keepalive_s)
        except Exception as error:  # noqa: BLE001 - paho raises whatever sockets, TLS and its decoding raise
            raise BrokerError(mqtt_endings.by_error(error, broker).sentence) from None
        self._client.loop_start()
        if not self._ready.wait(TIMEOUT_S) or self._refusal:
            self.close()
            raise BrokerError(self._refusal or mqtt_endings.silent("SUBACK", TIMEOUT_S, broker).sentence)

    def hear(self, timeout_s: float) -> Iterator[Told]:
        """What has come, in order; waits so long for the first."""
        try:
            yield self._heard.get(timeout=timeout_s)
            while True:
                yield self._heard.get_nowait()
        except queue.Empty:
            return

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish a retained message; it is the broker's when this returns.

        Raises:
            BrokerError: The broker refused it, or did not answer.
        """
        mid = self._client.publish(topic, payload, qos=1, retain=True, properties=PublishProperties()).mid
        with self._answered:
            if not self._answered.wait_for(lambda: mid in self._answers, TIMEOUT_S):
                raise BrokerError(mqtt_endings.silent("PUBACK", TIMEOUT_S, self._broker).sentence)
            code = self._answers.pop(mid)
        if code.is_failure:
            raise BrokerError(f"the broker refuses to take {topic} ({code}): let this user publish there")

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        # A full queue must not hold paho's thread while it is waited for.
        self._client.on_message = None
        while not self._heard.empty():
            self._heard.get_nowait()
        self._client.loop_stop()

    def _on_connect(self, client: Client, _data: Any, _flags: Any, code: ReasonCode, properties: Any) -> None:
        if code.is_failure:
            reference = getattr(properties, "ServerReference", None)
            self._refusal = mqtt_endings.by_code(code.value, str(code), self._broker, reference).sentence
            self._ready.set()
        else:
            client.subscribe([(topic, 1) for topic in self._filters])

    def _on_subscribe(self, _client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Any) -> None:
        refused = [topic for topic, code in zip(self._filters, codes, strict=False) if code.is_failure]
        if refused:
            self._refusal = f"the broker does not let us hear {', '.join(refused)}: let this user subscribe there"
        self._ready.set()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._heard.put(Told(message.topic, message.payload, message.retain))

    def _on_publish(self, _client: Client, _data: Any, mid: int, code: ReasonCode, _properties: Any) -> None:
        with self._answered:
            self._answers[mid] = code
            self._answered.notify_all()
