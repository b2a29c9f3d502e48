"""A MES in thirty lines: stores each outcome once, then confirms it. `python mes_subscriber.py HOST PORT FILE.db`."""

import json
import sqlite3
import sys
from typing import Any

from paho.mqtt.client import CallbackAPIVersion, Client, MQTTMessage, MQTTv5
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

host, port, file = sys.argv[1], int(sys.argv[2]), sys.argv[3]
store = sqlite3.connect(file, isolation_level=None)
store.execute("CREATE TABLE IF NOT EXISTS outcome (inspection_id PRIMARY KEY, station, seq, disposition, message)")


def on_connect(client: Client, *_: Any) -> None:
    """Hear the outcomes of all stations, with QoS 1; a session that is there already costs nothing."""
    client.subscribe("edge/v1/+/+/+/outcome", qos=1)


def on_message(client: Client, _: Any, message: MQTTMessage) -> None:
    """Store first; confirm to the station; then let the broker forget. A repeat has a known id, and is dropped."""
    said = json.loads(message.payload)
    row = (said["inspection_id"], said["station"], said["seq"], said["disposition"], message.payload)
    store.execute("INSERT OR IGNORE INTO outcome VALUES (?, ?, ?, ?, ?)", row)
    confirm = json.dumps({"inspection_id": said["inspection_id"]})
    client.publish(message.topic.removesuffix("outcome") + "cmd/confirm", confirm, qos=1)
    client.ack(message.mid, message.qos)


mes = Client(CallbackAPIVersion.VERSION2, "mes", protocol=MQTTv5, manual_ack=True)
mes.on_connect, mes.on_message = on_connect, on_message
session = Properties(PacketTypes.CONNECT)
session.SessionExpiryInterval = 7 * 86_400  # the broker keeps what comes while this program is away, s
mes.connect_async(host, port, clean_start=False, properties=session)
mes.loop_forever(retry_first_connection=True)
