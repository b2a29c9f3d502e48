"""The connection of the Sparkplug B view: one of its own, since a connection has one will, and the record's is `state`.

Promise: whatever happens here costs the outcomes nothing. Nothing waits for this connection and nothing is kept for it:
what is shown while it is away stands in the next birth. It keeps the rules of Sparkplug 3.0 for an edge node: the death
is the will, commands are heard before the birth, the birth comes before all data, a rebirth is given when asked for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import structlog
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from edge.adapters.mqtt_access import sign_in
from edge.adapters.mqtt_facts import Broker
from edge.adapters.sparkplug_node import EdgeNode
from edge.adapters.sparkplug_wire import Value, wants_rebirth

log = structlog.get_logger()

NAMESPACE = "spBv1.0"
#: Messages that paho may hold before the broker takes their bytes; beyond it a message is not sent, only remembered.
MAX_UNSENT = 1000
#: Waits between connections, first and longest, in seconds: nothing urgent comes by this way.
RECONNECT_S = (1, 30)
#: A leave waits no longer than this for the broker to take the death.
LEAVE_TIMEOUT_S = 2.0


class SparkplugLink:
    """One node at one broker. `show` may be called from any thread and never waits for the broker."""

    def __init__(self, broker: Broker, node: EdgeNode, *, group_id: str, node_id: str) -> None:
        self._node = node
        self._topics = {kind: f"{NAMESPACE}/{group_id}/{kind}/{node_id}" for kind in ("NBIRTH", "NDATA", "NDEATH")}
        self._commands = f"{NAMESPACE}/{group_id}/NCMD/{node_id}"
        self._lock = threading.Lock()
        self._born = False
        self._unsent = 0
        self._stopping = False
        client = self._client = Client(
            CallbackAPIVersion.VERSION2, f"{broker.client_id}-sparkplug", protocol=MQTTProtocolVersion.MQTTv5
        )
        sign_in(client, broker)
        client.reconnect_delay_set(*RECONNECT_S)
        client.on_pre_connect = self._on_pre_connect
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        self._address = (broker.host, broker.port, broker.keepalive_s)

    def start(self) -> None:
        """Connect, and keep connecting until `stop`."""
        host, port, keepalive_s = self._address
        self._client.connect_async(host, port, keepalive_s, clean_start=True)
        self._client.loop_start()

    def show(self, values: Mapping[str, Value], at_ms: int, *, is_historical: bool = False) -> None:
        """Tell what has changed since it was last shown; `at_ms` is when it was so."""
        with self._lock:
            changed = self._node.note(values, at_ms, is_historical=is_historical)
            if not changed or not self._born:
                return
            if self._unsent >= MAX_UNSENT:
                log.warning("sparkplug data not sent", limit="max_unsent")
                return
            self._unsent += 1
            self._client.publish(self._topics["NDATA"], self._node.data(changed, _now_ms()), 0)

    def stop(self) -> None:
        """Tell the death and leave; at most a few seconds."""
        with self._lock:
            self._stopping = True
            told = self._client.publish(self._topics["NDEATH"], self._node.death(_now_ms()), 1) if self._born else None
            self._born = False
        if told is not None and told.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            told.wait_for_publish(LEAVE_TIMEOUT_S)
        # Of MQTT 5 the specification asks for this code; the broker then tells the death once more.
        self._client.disconnect(ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message"))
        self._client.loop_stop()

    def _on_pre_connect(self, client: Client, _data: Any) -> None:
        with self._lock:
            client.will_set(self._topics["NDEATH"], self._node.next_death(_now_ms()), qos=1, retain=False)

    def _on_connect(self, client: Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any) -> None:
        if code.is_failure:
            log.warning("sparkplug view refused by the broker", reason=str(code))
            return
        client.subscribe(self._commands, qos=1)

    def _on_subscribe(self, _client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Any) -> None:
        for code in codes:
            if code.is_failure:
                log.warning("sparkplug commands cannot be heard", topic=self._commands, reason=str(code))
        self._be_born()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if wants_rebirth(message.payload):
            self._be_born()

    def _be_born(self) -> None:
        with self._lock:
            if self._stopping:
                return
            self._born = True
            self._unsent = 1
            self._client.publish(self._topics["NBIRTH"], self._node.birth(_now_ms()), 0)

    def _on_publish(self, _client: Client, _data: Any, _mid: int, _code: Any, _properties: Any) -> None:
        self._unsent = max(0, self._unsent - 1)

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any) -> None:
        with self._lock:
            self._born = False
        if not self._stopping:
            log.warning("sparkplug view disconnected", reason=str(code))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
