"""Runs inside a fresh root, by the installed Python: a broker, some triggers, and the outcomes as lines of JSON."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from simulator.broker import Broker

BASE = "edge/v1/plant1/line1/station1/"
LIMIT_S = 240.0


def main(number: int, name: str) -> None:
    """Send so many triggers, one after the outcome of the other; the messenger must have come first."""
    outcomes: dict[str, dict[str, Any]] = {}
    states: list[str] = []

    def came(_client: Client, _data: Any, message: MQTTMessage) -> None:
        said = json.loads(message.payload)
        if message.topic.endswith("/outcome"):
            outcomes[said["inspection_id"]] = said
        else:
            states.append(said["state"])

    until_s = time.monotonic() + LIMIT_S
    with Broker(port=1883):
        client = Client(CallbackAPIVersion.VERSION2, "probe", protocol=MQTTProtocolVersion.MQTTv5)
        client.on_message = came
        client.connect("127.0.0.1", 1883)
        client.subscribe([(f"{BASE}outcome", 1), (f"{BASE}state", 1)])
        client.loop_start()
        while "online" not in states and time.monotonic() < until_s:
            time.sleep(0.1)
        waited = len(outcomes)
        for index in range(number):
            client.publish(f"{BASE}cmd/trigger", json.dumps({"trigger_id": f"{name}-{index}"}), qos=1)
            while sum(one["trigger_id"].startswith(name) for one in outcomes.values()) <= index:
                assert time.monotonic() < until_s, f"no outcome of {name}-{index} came"
                time.sleep(0.1)
        client.disconnect()
    print(waited, file=sys.stderr)
    for outcome in outcomes.values():
        print(json.dumps(outcome))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
