"""A station as the messenger's tests need it: a store, and a messenger in a thread, against any broker."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mqtt5
import zmq

from edge.adapters import sockets
from edge.adapters.database import Clock, Database
from edge.adapters.disk import Disk
from edge.adapters.mqtt import Link
from edge.adapters.mqtt_facts import BackOff, Broker, Presence
from edge.adapters.payload import retake_payload
from edge.adapters.store import Store
from edge.core.actions import AnnounceRetake
from edge.core.outcome import Defect, Outcome, Reason
from edge.services.health import StateTopic
from edge.services.messenger import Messenger
from tests.brokers import Ear, Fault, wait_for

BASE = "edge/v1/s/l/st/"
AT = "2026-01-01T00:00:00.000Z"


class Station:
    """A store with a messenger in a thread; it can be killed (as far as a thread can) and started again."""

    def __init__(self, folder: Path, port: int, *, ack_timeout_s: float = 20.0, needs_subscriber: bool = False) -> None:
        self.folder = folder
        self.port = port
        #: What is free on the disk, and what must be for a trigger to be taken.
        self.free_bytes, self.reserve_bytes = 10_000, 1_000
        self.store = self._open_store()
        self._ack_timeout_s, self._needs_subscriber = ack_timeout_s, needs_subscriber
        self._sessions = itertools.count(1)
        self._stop = threading.Event()
        self._context: zmq.Context[Any] = zmq.Context()
        self._poke = sockets.open_socket(self._context, zmq.PUSH)
        self._poke.connect(sockets.address(folder / "run", "messenger"))
        self.inspector = sockets.open_socket(self._context, zmq.PULL)
        sockets.bind(self.inspector, folder / "run", "inspector")
        self._thread: threading.Thread | None = None
        self.start()

    def start(self) -> None:
        """Start the messenger."""
        self._stop = threading.Event()
        state = StateTopic(f"{BASE}state", "st", self.store.disk)
        self.messenger = Messenger(
            self._open_store(),
            self._link(Presence(state.topic, state.message, f"{BASE}cmd/+")),
            f"{BASE}health",
            self.folder / "run",
            state=state,
            context=self._context,
            health_every_s=0.1,
            ack_timeout_s=self._ack_timeout_s,
            needs_subscriber=self._needs_subscriber,
        )
        self._thread = threading.Thread(target=self.messenger.run, args=(self._stop,))
        self._thread.start()

    def stop(self) -> None:
        """Stop the messenger cleanly."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def inspect(self, number: int) -> str:
        """One inspection from trigger to outcome, as the inspector does it; gives its id."""
        inspection_id = self.trigger(f"t{number}")
        self.decide(inspection_id, f"t{number}")
        return inspection_id

    def trigger(self, trigger_id: str) -> str:
        """A part that arrives; gives the id of its inspection."""
        return self.store.add_trigger(trigger_id, expected=None, source="test", at=AT, at_us=0)[0]

    def decide(self, inspection_id: str, trigger_id: str) -> None:
        """The outcome of an inspection."""
        outcome = Outcome(inspection_id, trigger_id, Reason.OVERRUN)
        self.store.commit(outcome, topic=f"{BASE}outcome", config_hash="c", at=AT)
        self.poke()

    def retake(self, inspection_id: str) -> None:
        """One request for another frame, as the inspector makes it."""
        retake = AnnounceRetake(inspection_id, 2, (Defect.GLARE,), "shorter exposure")
        self.store.add_message(
            f"{BASE}retake",
            retake_payload(retake, station="st", at=AT),
            {"inspection_id": inspection_id, "schema": "edge/v1"},
            kind="retake",
            inspection_id=inspection_id,
        )

    def poke(self) -> None:
        """Tell the messenger that something waits."""
        self._poke.send(b"outbox")

    def sent(self) -> bool:
        """Whether nothing waits any more."""
        return self.store.outbox.num_waiting() == 0

    def close(self) -> None:
        """End everything."""
        self.stop()
        self.store.close()
        self._poke.close()
        self.inspector.close()
        self._context.term()

    def _link(self, presence: Presence) -> Link:
        return Link(
            Broker(host="127.0.0.1", port=self.port, client_id="edge-st", keepalive_s=5),
            presence,
            new_session_id=lambda: f"session-{next(self._sessions)}",
            back_off=BackOff(first_s=0.02, longest_s=0.1),
        )

    def _open_store(self) -> Store:
        data = self.folder / "data"
        disk = Disk(data, self.reserve_bytes, measure=lambda _folder: self.free_bytes)
        return Store(Database.open(data, Clock()), "st", disk)


Start = Callable[..., Station]


def seqs(heard: list[mqtt5.PublishPacket]) -> list[int]:
    """The sequence numbers of outcomes, as MES sees them."""
    return [json.loads(packet.payload)["seq"] for packet in heard if packet.topic.endswith("/outcome")]


def for_outcomes(fault: Callable[[int], Fault]) -> Callable[[mqtt5.PublishPacket], Fault]:
    """A fault for outcomes alone, by their seq."""
    return lambda packet: fault(json.loads(packet.payload)["seq"]) if packet.topic.endswith("/outcome") else 0


def ask(ear: Ear, command: str, message: object, correlation: bytes) -> dict[str, Any]:
    """Send a command and give its answer."""
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    ear.publish(f"{BASE}cmd/{command}", payload, response_topic="mes/answers", correlation_data=correlation)

    def answer() -> Any:
        found = [packet for packet in ear.on("mes/answers") if packet.correlation_data == correlation]
        return found[0] if found else None

    parsed: dict[str, Any] = json.loads(wait_for(answer, "an answer").payload)
    return parsed


def said(ear: Ear, topic: str) -> dict[str, Any]:
    """The last message of a topic that ends so."""
    parsed: dict[str, Any] = json.loads(wait_for(lambda: ear.on(topic), topic)[-1].payload)
    return parsed
