"""The broker: it takes this station as it takes the messenger, and gives back what is published on `check`."""

from __future__ import annotations

import time
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.adapters.mqtt_access import broker_of, try_out
from edge.commands.checks.finding import Finding, judged, ok
from edge.settings import Settings

#: The test topic, below the station's: not retained, read back by whoever published it.
TOPIC = "check"


def check(settings: Settings, limit_s: float) -> Finding:
    """Connect, publish, read back.

    Raises:
        BrokerError: it cannot be reached, or does not take this station.
        ConfigError: a password or certificate cannot be used.
    """
    mqtt = settings.mqtt
    where = f"{mqtt.host}:{mqtt.port} accepts {mqtt.client_id}"
    echo = Echo(settings.topic(TOPIC), limit_s)
    try_out(broker_of(mqtt), limit_s, echo.run)
    if echo.ms is not None:
        return ok(f"{where}, a message came back in {echo.ms:.0f} ms", echo_ms=round(echo.ms, 1), topic=echo.topic)
    # Not a failure: a broker may let a station publish no more than the topics that it knows.
    return judged(
        f"{where}, and {echo.why}", [f"allow {echo.topic} to have this tried"], echo_ms=None, topic=echo.topic
    )


class Echo:
    """One message to a topic and back; `ms` is how long it took, `why` says what kept it."""

    def __init__(self, topic: str, limit_s: float) -> None:
        self.topic = topic
        self.ms: float | None = None
        self.why = f"a message to {topic} did not come back within {limit_s:.0f} s"
        self._limit_s = limit_s
        self._refused = False

    def run(self, client: Client) -> None:
        """Subscribe, publish, wait."""
        said = f"edge check {time.time_ns()}".encode()
        sent_s = 0.0

        def publish(_client: Client, _data: Any, _mid: int, codes: list[Any], _properties: Any) -> None:
            nonlocal sent_s
            if any(code.is_failure for code in codes):
                self._refuse(f"refuses to let {self.topic} be heard ({codes[0]})")
                return
            sent_s = time.monotonic()
            client.publish(self.topic, said, qos=1)

        def published(_client: Client, _data: Any, _mid: int, code: Any, _properties: Any) -> None:
            if code.is_failure:
                self._refuse(f"refuses a message to {self.topic} ({code})")

        def came(_client: Client, _data: Any, message: MQTTMessage) -> None:
            if message.payload == said:
                self.ms = (time.monotonic() - sent_s) * 1000

        client.on_subscribe, client.on_publish, client.on_message = publish, published, came
        client.subscribe(self.topic, options=SubscribeOptions(qos=1))
        until_s = time.monotonic() + self._limit_s
        while self.ms is None and not self._refused and time.monotonic() < until_s:
            if client.loop(timeout=0.1) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._refuse(f"ends the connection at a message to {self.topic}")

    def _refuse(self, why: str) -> None:
        self.why, self._refused = f"it {why}", True
