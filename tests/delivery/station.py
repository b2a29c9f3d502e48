"""The messenger's station with waits that are thousandths of the usual ones, at any broker."""

from __future__ import annotations

import itertools
from pathlib import Path

from edge.adapters.mqtt import Link
from edge.adapters.mqtt_facts import BackOff, Broker, Presence
from tests.services import station
from tests.services.station import AT, BASE

__all__ = ["AT", "BASE", "FIRST_S", "LONGEST_S", "Station"]

#: The link's waits, in seconds.
FIRST_S, LONGEST_S = 0.01, 0.05


class Station(station.Station):
    """A store with a messenger in a thread, as any test of the messenger has, and `broker` as one likes."""

    def __init__(self, folder: Path, port: int, *, ack_timeout_s: float = 0.15, broker: Broker | None = None) -> None:
        self.broker = broker or Broker(host="127.0.0.1", port=port, client_id="edge-st", keepalive_s=5)
        self._numbers = itertools.count(1)
        super().__init__(folder, port, ack_timeout_s=ack_timeout_s)

    def inspect_next(self) -> str:
        """One inspection more, from trigger to outcome; gives its id."""
        return self.inspect(next(self._numbers))

    def _link(self, presence: Presence) -> Link:
        return Link(
            self.broker,
            presence,
            new_session_id=lambda: f"session-{next(self._sessions)}",
            back_off=BackOff(first_s=FIRST_S, longest_s=LONGEST_S),
        )
