"""A messenger on a real store, in a thread, with short waits; stopped and started again as a process would be."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import Any

import zmq

from edge.adapters import sockets
from edge.adapters.mqtt import Link
from edge.adapters.mqtt_facts import BackOff, Broker, Presence
from edge.adapters.store import Store
from edge.core.outcome import Outcome, Reason
from edge.services.health import state_message
from edge.services.messenger import Messenger

BASE = "edge/v1/s/l/st/"
AT = "2026-01-01T00:00:00.000Z"
#: The link's waits, in seconds: thousandths of what a station has.
FIRST_S, LONGEST_S = 0.01, 0.05


class Station:
    """Everything of a station that delivery needs."""

    def __init__(self, folder: Path, port: int, *, ack_timeout_s: float = 0.15, broker: Broker | None = None) -> None:
        self.folder = folder
        self.store = Store.open(folder / "data", "st")
        self.broker = broker or Broker(host="127.0.0.1", port=port, client_id="edge-st", keepalive_s=5)
        self._ack_timeout_s = ack_timeout_s
        self._numbers = itertools.count(1)
        self._sessions = itertools.count(1)
        self._context: zmq.Context[Any] = zmq.Context()
        self._poke = sockets.open_socket(self._context, zmq.PUSH)
        self._poke.connect(sockets.address(folder / "run", "messenger"))
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.start()

    def start(self) -> None:
        """Start the messenger."""
        self._stop = threading.Event()
        link = Link(
            self.broker,
            Presence(f"{BASE}state", lambda state, session: state_message("st", state, session), f"{BASE}cmd/+"),
            new_session_id=lambda: f"session-{next(self._sessions)}",
            back_off=BackOff(first_s=FIRST_S, longest_s=LONGEST_S),
        )
        self.messenger = Messenger(
            Store.open(self.folder / "data", "st"),
            link,
            f"{BASE}health",
            self.folder / "run",
            context=self._context,
            health_every_s=0.1,
            ack_timeout_s=self._ack_timeout_s,
        )
        self._thread = threading.Thread(target=self.messenger.run, args=(self._stop,))
        self._thread.start()

    def stop(self) -> None:
        """Stop the messenger cleanly."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def inspect(self) -> str:
        """One inspection from trigger to outcome, as the inspector does it; gives its id."""
        number = next(self._numbers)
        inspection_id, _ = self.store.add_trigger(f"t{number}", expected=None, source="test", at=AT, at_us=0)
        outcome = Outcome(inspection_id, f"t{number}", Reason.OVERRUN)
        self.store.commit(outcome, topic=f"{BASE}outcome", config_hash="c", at=AT)
        self._poke.send(b"outbox")
        return inspection_id

    def is_done(self) -> bool:
        """Whether nothing waits any more."""
        return self.store.outbox.num_waiting() == 0

    def close(self) -> None:
        """End everything."""
        self.stop()
        self.store.close()
        self._poke.close()
        self._context.term()
