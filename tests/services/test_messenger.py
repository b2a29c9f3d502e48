"""The messenger against a real broker and against one that refuses, vanishes, lies and stays silent."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import mqtt5
import pytest
import zmq

from edge.adapters import sockets
from edge.adapters.mqtt import Link
from edge.adapters.mqtt_facts import BackOff, Broker, Presence
from edge.adapters.payload import retake_payload
from edge.adapters.store import Store
from edge.core.actions import AnnounceRetake
from edge.core.outcome import Defect, Outcome, Reason
from edge.services import delivery
from edge.services.health import state_message
from edge.services.messenger import Messenger
from tests.brokers import Ear, Fault, FaultBroker, mosquitto, wait_for

BASE = "edge/v1/s/l/st/"
AT = "2026-01-01T00:00:00.000Z"


class Station:
    """A store with a messenger in a thread; it can be killed (as far as a thread can) and started again."""

    def __init__(self, folder: Path, port: int, *, ack_timeout_s: float = 20.0) -> None:
        self.folder = folder
        self.port = port
        self.store = Store.open(folder / "data", "st")
        self._ack_timeout_s = ack_timeout_s
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
        link = Link(
            Broker(host="127.0.0.1", port=self.port, client_id="edge-st", keepalive_s=5),
            Presence(f"{BASE}state", lambda state, session: state_message("st", state, session), f"{BASE}cmd/+"),
            new_session_id=lambda: f"session-{next(self._sessions)}",
            back_off=BackOff(first_s=0.02, longest_s=0.1),
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

    def inspect(self, number: int) -> str:
        """One inspection from trigger to outcome, as the inspector does it; gives its id."""
        inspection_id, _ = self.store.add_trigger(f"t{number}", expected=None, source="test", at=AT, at_us=0)
        self.store.commit(
            Outcome(inspection_id, f"t{number}", Reason.OVERRUN), topic=f"{BASE}outcome", config_hash="c", at=AT
        )
        self.poke()
        return inspection_id

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


Start = Callable[..., Station]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts stations that are closed at the end."""
    made: list[Station] = []

    def station(port: int, **more: Any) -> Station:
        made.append(Station(tmp_path / "station", port, **more))
        return made[-1]

    yield station
    for each in made:
        each.close()


@pytest.fixture
def faulty() -> Iterator[FaultBroker]:
    """A broker that fails as told."""
    broker = FaultBroker()
    yield broker
    broker.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are short; their order and number are as ever."""
    monkeypatch.setattr(delivery, "FIRST_WAIT_US", 2_000)
    monkeypatch.setattr(delivery, "LONGEST_WAIT_US", 20_000)


def seqs(heard: list[mqtt5.PublishPacket]) -> list[int]:
    """The sequence numbers of outcomes, as MES sees them."""
    return [json.loads(packet.payload)["seq"] for packet in heard if packet.topic.endswith("/outcome")]


def for_outcomes(fault: Callable[[int], Fault]) -> Callable[[mqtt5.PublishPacket], Fault]:
    """A fault for outcomes alone, by their seq."""
    return lambda packet: fault(json.loads(packet.payload)["seq"]) if packet.topic.endswith("/outcome") else 0


def test_outcomes_reach_a_subscriber_in_order_without_a_gap(tmp_path: Path, start: Start) -> None:
    """A subscriber hears every outcome once, in the order of `seq`, with its user properties (L11)."""
    with mosquitto(tmp_path) as broker:
        ear = Ear(broker.port)
        station = start(broker.port)
        ids = [station.inspect(number) for number in range(30)]

        wait_for(lambda: len(ear.on("/outcome")) == 30, "30 outcomes")

        wait_for(station.sent)
        heard = ear.on("/outcome")
        assert seqs(heard) == list(range(1, 31))
        assert [json.loads(packet.payload)["inspection_id"] for packet in heard] == ids
        assert dict(heard[4].user_properties) == {
            "inspection_id": ids[4],
            "seq": "5",
            "schema": "edge/v1",
            "historical": "false",
        }
        assert not heard[4].retain
        ear.close()


def test_retakes_go_in_order_with_outcomes(start: Start, faulty: FaultBroker) -> None:
    """A retake request is told before the outcome that follows it."""
    station = start(faulty.port)
    station.retake("x")
    station.inspect(1)
    station.retake("y")
    station.poke()

    wait_for(station.sent)

    topics = [packet.topic.removeprefix(BASE) for packet in faulty.outcomes(faulty.taken)]
    assert topics == ["retake", "outcome", "retake"]


@pytest.mark.parametrize("code", [0x97, 0x87, 0x80, 0x83, 0x42 | 0x80])
def test_a_refused_outcome_is_sent_again_with_the_same_bytes_and_before_younger_ones(
    code: int, hasty: None, start: Start, faulty: FaultBroker
) -> None:
    """A refusal costs nothing: same id, same bytes, same place in the order (L11)."""
    refusals = itertools.count()
    faulty.decide = for_outcomes(lambda seq: code if seq == 2 and next(refusals) < 3 else 0)
    station = start(faulty.port)
    for number in range(5):
        station.inspect(number)

    wait_for(station.sent)

    assert seqs(faulty.taken) == [1, 2, 3, 4, 5]
    tries = [packet for packet in faulty.outcomes(faulty.tried) if seqs([packet]) == [2]]
    assert len(tries) == 4
    assert len({(packet.payload, tuple(packet.user_properties)) for packet in tries}) == 1


def test_a_poison_outcome_is_set_aside_and_the_rest_flow(hasty: None, start: Start, faulty: FaultBroker) -> None:
    """A message that stays refused becomes a dead letter; the rest flow; a person can send it again (L11, L12)."""
    faulty.decide = for_outcomes(lambda seq: 0x87 if seq == 2 else 0)
    station = start(faulty.port)
    for number in range(5):
        station.inspect(number)

    wait_for(station.sent)

    assert seqs(faulty.taken) == [1, 3, 4, 5]
    (dead,) = station.store.outbox.dead_letters()
    assert (dead.reason, dead.attempts) == ("not_authorized", delivery.MAX_ATTEMPTS + 1)
    faulty.decide = lambda _packet: 0
    assert station.store.outbox.retry() == 1
    station.poke()
    wait_for(station.sent)
    assert seqs(faulty.taken) == [1, 3, 4, 5, 2]


def test_a_broker_that_refuses_everything_for_long_loses_nothing_and_keeps_the_order(
    hasty: None, start: Start, faulty: FaultBroker
) -> None:
    """Where all is refused it is the broker's trouble: no dead letter stays, and the order is kept (L11)."""
    faulty.decide = for_outcomes(lambda _seq: 0x97)
    station = start(faulty.port)
    for number in range(6):
        station.inspect(number)
    wait_for(lambda: len(faulty.outcomes(faulty.tried)) > 6 * delivery.MAX_ATTEMPTS)

    faulty.decide = lambda _packet: 0

    wait_for(lambda: len(seqs(faulty.taken)) == 6)
    assert sorted(seqs(faulty.taken)) == [1, 2, 3, 4, 5, 6]
    assert seqs(faulty.taken)[1:] == sorted(seqs(faulty.taken)[1:])
    assert station.store.outbox.num_dead() == 0


def test_a_puback_that_never_comes_ends_the_connection_and_the_outcome_goes_again(
    start: Start, faulty: FaultBroker
) -> None:
    """A broker that stays silent is left, and the same bytes go again on the next connection (L11)."""
    silent = itertools.count()
    faulty.decide = for_outcomes(lambda _seq: "silence" if next(silent) < 1 else 0)
    station = start(faulty.port, ack_timeout_s=0.3)
    station.inspect(1)

    wait_for(station.sent)

    first, second = faulty.outcomes(faulty.tried)
    assert (first.payload, first.user_properties) == (second.payload, second.user_properties)
    assert len(faulty.connects) == 2


def test_a_late_puback_is_a_puback(start: Start, faulty: FaultBroker) -> None:
    """An answer that comes late closes its message; until then nothing younger is sent (L11)."""
    faulty.decide = for_outcomes(lambda seq: "silence" if seq == 1 else 0)
    station = start(faulty.port)
    station.inspect(1)
    station.inspect(2)
    wait_for(lambda: faulty.outcomes(faulty.tried))
    (first,) = faulty.outcomes(faulty.tried)
    assert first.packet_id is not None

    faulty.answer(first.packet_id + 77)
    faulty.answer(first.packet_id)

    wait_for(station.sent)
    assert seqs(faulty.tried) == [1, 2]


def test_an_outcome_that_breaks_every_connection_is_set_aside(hasty: None, start: Start, faulty: FaultBroker) -> None:
    """A message at which the broker ends the connection each time does not block the rest (L11)."""
    faulty.decide = for_outcomes(lambda seq: "break" if seq == 1 else 0)
    station = start(faulty.port)
    station.inspect(1)
    station.inspect(2)

    wait_for(station.sent)

    assert seqs(faulty.taken) == [2]
    assert [dead.kind for dead in station.store.outbox.dead_letters()] == ["outcome"]


def test_an_outcome_beyond_the_brokers_limit_is_set_aside_at_once(start: Start, faulty: FaultBroker) -> None:
    """A message longer than the broker takes is never sent; it is a dead letter with that reason (L11, L12)."""
    faulty.max_packet_size = 2000
    station = start(faulty.port)
    station.store.add_message(f"{BASE}retake", b'"' + b"x" * 3000 + b'"', {}, kind="retake", inspection_id=None)
    station.inspect(1)

    wait_for(station.sent)

    assert seqs(faulty.taken) == [1]
    assert [dead.reason for dead in station.store.outbox.dead_letters()] == ["packet_too_large"]


def test_nothing_is_lost_over_broker_kills_and_messenger_restarts(tmp_path: Path, start: Start) -> None:
    """Kill the broker, restart the messenger, in the middle of a run: every outcome comes, bytes never differ (L11)."""
    with mosquitto(tmp_path) as broker:
        station = start(broker.port)
        heard: list[mqtt5.PublishPacket] = []
        for round_number in range(4):
            ear = Ear(broker.port)
            for number in range(10):
                station.inspect(round_number * 10 + number)
            wait_for(partial(ear.on, "/outcome"))
            if round_number % 2:
                station.stop()
            broker.kill()
            heard += ear.on("/outcome")
            ear.close()
            if round_number % 2:
                station.start()
            broker.start()
        ear = Ear(broker.port)
        station.inspect(99)

        wait_for(station.sent)

        wait_for(lambda: 41 in seqs(ear.on("/outcome")))
        heard += ear.on("/outcome")
        ear.close()
    rows = {row.seq: row.payload for row in station.store.outcomes(limit=100)}
    assert all(packet.payload == rows[seq] for packet, seq in zip(heard, seqs(heard), strict=True))
    assert all(row.closed_as == "acknowledged" for row in station.store.outcomes(limit=100))
    assert station.store.counts()["acknowledged"] == 41


def test_an_outcome_first_sent_long_after_it_was_made_is_historical(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outcome of the time without a broker says that it is of the past, on every repeat."""
    monkeypatch.setattr("edge.adapters.outbox.HISTORICAL_AFTER_S", 0.05)
    station = start(1)
    station.inspect(1)
    wait_for(lambda: (station.store.outbox.oldest_age_s() or 0) > 0.05)
    station.stop()
    with mosquitto(tmp_path) as broker:
        ear = Ear(broker.port)
        station.port = broker.port

        station.start()

        wait_for(lambda: ear.on("/outcome"))
        assert dict(ear.on("/outcome")[0].user_properties)["historical"] == "true"
        station.stop()
        ear.close()


def ask(ear: Ear, command: str, message: object, correlation: bytes) -> dict[str, Any]:
    """Send a command and give its answer."""
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    ear.publish(f"{BASE}cmd/{command}", payload, response_topic="mes/answers", correlation_data=correlation)

    def answer() -> Any:
        found = [packet for packet in ear.on("mes/answers") if packet.correlation_data == correlation]
        return found[0] if found else None

    parsed: dict[str, Any] = json.loads(wait_for(answer, "an answer").payload)
    return parsed


def test_a_trigger_by_mqtt_is_stored_answered_and_passed_on(tmp_path: Path, start: Start) -> None:
    """A trigger is on the disk before its answer, a repeat gets the same inspection, the inspector is poked (L1)."""
    with mosquitto(tmp_path) as broker:
        ear = Ear(broker.port)
        station = start(broker.port)
        wait_for(lambda: ear.on("/state"))

        first = ask(ear, "trigger", {"trigger_id": "plc-1", "expected": {"serial": "12"}}, b"1")
        again = ask(ear, "trigger", {"trigger_id": "plc-1"}, b"2")

        (row,) = station.store.waiting_triggers()
        assert (row.trigger_id, row.expected, row.this_boot) == ("plc-1", {"serial": "12"}, True)
        assert first == {
            "accepted": True,
            "trigger_id": "plc-1",
            "inspection_id": row.inspection_id,
            "repeat": False,
        }
        assert again == first | {"repeat": True}
        assert station.inspector.poll(1000)
        assert station.store.counts()["triggers"] == 1
        ear.close()


def test_expected_part_joins_the_next_trigger_and_confirmation_is_kept(tmp_path: Path, start: Start) -> None:
    """What cmd/expect announced is the next trigger's; cmd/confirm marks the outcome as stored by MES."""
    with mosquitto(tmp_path) as broker:
        ear = Ear(broker.port)
        station = start(broker.port)
        wait_for(lambda: ear.on("/state"))

        assert ask(ear, "expect", {"serial": "A1", "model": "M"}, b"1")["accepted"]
        ask(ear, "trigger", {"trigger_id": "t"}, b"2")
        inspection_id = station.inspect(7)
        confirmed = ask(ear, "confirm", {"inspection_id": inspection_id}, b"3")

        assert station.store.waiting_triggers()[0].expected == {"serial": "A1", "model": "M"}
        assert confirmed == {"accepted": True, "inspection_id": inspection_id}
        outcome = station.store.outcome(inspection_id)
        assert outcome is not None
        assert outcome.confirmed_at
        ear.close()


@pytest.mark.parametrize(
    ("command", "message", "reason"),
    [
        ("trigger", b"", "malformed"),
        ("trigger", b"\xff\xfe", "malformed"),
        ("trigger", b"[" * 50_000, "malformed"),
        ("trigger", b"[1]", "malformed"),
        ("trigger", b'{"trigger_id": NaN}', "malformed"),
        ("trigger", {"trigger_id": ""}, "malformed"),
        ("trigger", {"trigger_id": 5}, "malformed"),
        ("trigger", {"trigger_id": "x" * 201}, "malformed"),
        ("trigger", {"trigger_id": "half \ud800"}, "malformed"),
        ("trigger", {"trigger_id": "a", "expected": ["serial"]}, "malformed"),
        ("trigger", {"trigger_id": "a", "expected": {"serial": 12}}, "malformed"),
        ("trigger", b'{"trigger_id": "' + b"x" * 70_000 + b'"}', "too_long"),
        ("trigger", {"trigger_id": "a", "station": "other"}, "unknown_station"),
        ("expect", {}, "malformed"),
        ("confirm", {"inspection_id": "nobody"}, "unknown_inspection"),
        ("dance", {}, "unknown_command"),
    ],
)
def test_a_command_that_cannot_be_followed_is_answered_with_a_reason(
    command: str, message: object, reason: str, start: Start, faulty: FaultBroker
) -> None:
    """A wrong command is answered with a named reason, counted, acknowledged, and changes nothing (L12)."""
    station = start(faulty.port)
    wait_for(lambda: faulty.tried)
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()

    faulty.command(
        mqtt5.PublishPacket(
            f"{BASE}cmd/{command}",
            payload,
            qos=mqtt5.QoS.AT_LEAST_ONCE,
            packet_id=9,
            response_topic="mes/answers",
            correlation_data=b"c",
        )
    )

    (answer,) = wait_for(lambda: [packet for packet in faulty.taken if packet.topic == "mes/answers"])
    assert answer.correlation_data == b"c"
    said = json.loads(answer.payload)
    assert (said["accepted"], said["reason"]) == (False, reason)
    assert len(said["detail"]) > 20
    wait_for(lambda: faulty.acknowledged_commands == [9])
    assert station.store.counts()[f"command_{reason}"] == 1
    assert station.store.waiting_triggers() == []


def test_a_trigger_beyond_the_limit_is_refused_by_the_limits_name(
    start: Start, faulty: FaultBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many waiting triggers: the next one is refused as `max_waiting_triggers`, and counted (L12)."""
    monkeypatch.setattr("edge.adapters.store.MAX_WAITING_TRIGGERS", 2)
    station = start(faulty.port)
    wait_for(lambda: faulty.tried)

    for number in range(3):
        payload = json.dumps({"trigger_id": f"t{number}"}).encode()
        faulty.command(mqtt5.PublishPacket(f"{BASE}cmd/trigger", payload, response_topic="mes/answers"))

    answers = wait_for(lambda: [p for p in faulty.taken if p.topic == "mes/answers"][2:])
    assert json.loads(answers[0].payload)["reason"] == "max_waiting_triggers"
    assert station.store.counts()["triggers"] == 2


def test_health_tells_counts_and_ages(tmp_path: Path, start: Start) -> None:
    """The retained topic `health` tells triggers, outcomes, reasons, queue ages and who is alive."""
    with mosquitto(tmp_path) as broker:
        station = start(broker.port)
        station.inspect(1)
        station.store.add_trigger("waits", expected=None, source="test", at=AT, at_us=time.monotonic_ns() // 1000)
        ear = Ear(broker.port)

        def told() -> dict[str, Any] | None:
            heard = [json.loads(packet.payload) for packet in ear.on("/health")]
            return heard[-1] if heard and heard[-1]["triggers"] == 2 and "messenger" in heard[-1]["processes"] else None

        health = wait_for(told, "health")

        assert (health["triggers"], health["outcomes"], health["reasons"]["overrun"]) == (2, 1, 1)
        assert health["queues"]["triggers"]["waiting"] == 1
        assert health["queues"]["triggers"]["oldest_age_s"] < 60
        assert health["frame_age_s"] is None
        ear.close()


def test_a_store_that_fails_loses_no_trigger(
    start: Start, faulty: FaultBroker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """While the store cannot write, a trigger is not acknowledged; it is followed when the store works again (L1)."""
    monkeypatch.setattr("edge.services.messenger.STORE_PAUSE_US", 20_000)
    monkeypatch.setattr("edge.adapters.database.BUSY_TIMEOUT_MS", 20)
    station = start(faulty.port)
    wait_for(lambda: faulty.tried)
    with station.store._database.transaction():
        payload = json.dumps({"trigger_id": "t"}).encode()
        faulty.command(mqtt5.PublishPacket(f"{BASE}cmd/trigger", payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=5))
        wait_for(lambda: station.messenger._counts["store_failed"] > 2)
        assert faulty.acknowledged_commands == []

    wait_for(lambda: faulty.acknowledged_commands == [5])
    assert [row.trigger_id for row in station.store.waiting_triggers()] == ["t"]
