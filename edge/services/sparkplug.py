"""The optional Sparkplug B view of a station: counts, queues and the last outcome as metrics of an edge node.

A view, not the record: the topic `outcome` is. An outcome is shown here after the broker took it there. What is
mirrored is what the messenger sends anyway, so that the messenger does not know of it, and without the setting nothing
of this runs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import metadata
from typing import Any

from edge.adapters import health_messages
from edge.adapters.mqtt import Link
from edge.adapters.mqtt_access import broker_of
from edge.adapters.mqtt_facts import Answered, Broker, Disconnected, Fact, Presence
from edge.adapters.sparkplug_link import SparkplugLink
from edge.adapters.sparkplug_node import EdgeNode
from edge.adapters.sparkplug_wire import DataType, Value
from edge.core.outcome import SCHEMA, Reason
from edge.settings import Settings

_HEALTH: Mapping[str, tuple[DataType, Callable[[health_messages.Health], Value]]] = {
    "Station/Triggers": (DataType.UINT64, lambda health: health["triggers"]),
    "Station/Outcomes": (DataType.UINT64, lambda health: health["outcomes"]),
    "Station/Latency p50 ms": (DataType.DOUBLE, lambda health: health["latency_ms"]["p50"]),
    "Station/Latency p99 ms": (DataType.DOUBLE, lambda health: health["latency_ms"]["p99"]),
    "Station/Frame age s": (DataType.DOUBLE, lambda health: health["frame_age_s"]),
    "Queues/Triggers": (DataType.UINT64, lambda health: health["queues"]["triggers"]["waiting"]),
    "Queues/Outbox": (DataType.UINT64, lambda health: health["queues"]["outbox"]["waiting"]),
    "Queues/Outbox age s": (DataType.DOUBLE, lambda health: health["queues"]["outbox"]["oldest_age_s"]),
    "Queues/Dead letters": (DataType.UINT64, lambda health: health["queues"]["dead_letters"]["waiting"]),
    "Queues/Unconfirmed age s": (DataType.DOUBLE, lambda health: health["queues"]["unconfirmed"]["oldest_age_s"]),
}
_OUTCOME: Mapping[str, tuple[DataType, Callable[[Mapping[str, Any]], Value]]] = {
    "Outcome/Inspection id": (DataType.STRING, lambda outcome: outcome["inspection_id"]),
    "Outcome/Seq": (DataType.UINT64, lambda outcome: outcome["seq"]),
    "Outcome/Trigger id": (DataType.STRING, lambda outcome: outcome["trigger_id"]),
    "Outcome/Disposition": (DataType.STRING, lambda outcome: outcome["disposition"]),
    "Outcome/Reason": (DataType.STRING, lambda outcome: outcome["reason"]),
    "Outcome/Latency ms": (DataType.DOUBLE, lambda outcome: outcome["ms"].get("total")),
}
_CONSTANT = {"Properties/Schema": DataType.STRING, "Properties/Version": DataType.STRING}


class MirroredLink(Link):
    """A link whose messages are shown in the view as well: health when it is sent, an outcome when it was taken."""

    def __init__(self, broker: Broker, presence: Presence, view: SparkplugLink, fields: list[str], **more: Any) -> None:
        super().__init__(broker, presence, **more)
        self._view = view
        self._fields = fields
        #: Outcomes on their way, by token: no more than the messenger has on its way.
        self._unanswered: dict[int, tuple[bytes, bool]] = {}

    def start(self) -> None:
        """Connect both."""
        super().start()
        self._view.start()

    def publish(self, session_id: str, topic: str, payload: bytes, *, token: int | None = None, **more: Any) -> None:
        """Send, and note what the view shows."""
        super().publish(session_id, topic, payload, token=token, **more)
        if topic.endswith("/health"):
            self._show_health(json.loads(payload))
        elif topic.endswith("/outcome") and token is not None:
            is_historical = (more.get("properties") or {}).get("historical") == "true"
            self._unanswered[token] = (payload, is_historical)

    def take(self) -> list[Fact]:
        """All facts since the last call; what was taken is shown."""
        facts = super().take()
        for fact in facts:
            if isinstance(fact, Disconnected):
                self._unanswered.clear()
            elif isinstance(fact, Answered) and fact.token in self._unanswered:
                payload, is_historical = self._unanswered.pop(fact.token)
                if fact.taken:
                    self._show_outcome(json.loads(payload), is_historical=is_historical)
        return facts

    def stop(self) -> None:
        """Leave with both."""
        super().stop()
        self._view.stop()

    def _show_health(self, health: health_messages.Health) -> None:
        values = {name: value(health) for name, (_, value) in _HEALTH.items()}
        values |= {f"Reasons/{reason}": count for reason, count in health["reasons"].items()}
        self._view.show(values, _ms(health["at"]))

    def _show_outcome(self, outcome: Mapping[str, Any], *, is_historical: bool) -> None:
        values = {name: value(outcome) for name, (_, value) in _OUTCOME.items()}
        fields = outcome["fields"]
        values |= {f"Outcome/Fields/{name}": fields[name]["text"] if name in fields else None for name in self._fields}
        self._view.show(values, _ms(outcome["at"]), is_historical=is_historical)


def datatypes(fields: list[str]) -> dict[str, DataType]:
    """Every metric that a station tells which reads these fields."""
    told = {**_CONSTANT}
    told |= {name: kind for name, (kind, _) in _HEALTH.items()}
    told |= {name: kind for name, (kind, _) in _OUTCOME.items()}
    told |= {f"Reasons/{reason}": DataType.UINT64 for reason in Reason}
    return told | {f"Outcome/Fields/{name}": DataType.STRING for name in fields}


def open_link(settings: Settings, presence: Presence, new_session_id: Callable[[], str]) -> MirroredLink:
    """The link of the configured station, with the view beside it.

    Raises:
        ConfigError: A file of the password or of a certificate cannot be used.
    """
    fields = list(settings.product.fields)
    constants = {"Properties/Schema": SCHEMA, "Properties/Version": metadata.version("edge-inspection")}
    broker = broker_of(settings.mqtt)
    view = SparkplugLink(
        broker,
        EdgeNode(datatypes(fields), constants, time.time_ns() // 1_000_000),
        group_id=f"{settings.station.site}:{settings.station.line}",
        node_id=settings.station.name,
    )
    return MirroredLink(broker, presence, view, fields, new_session_id=new_session_id)


def _ms(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp() * 1000)
