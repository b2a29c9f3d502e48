"""The link to the broker: states, will, PUBACK codes, commands, broken connections; by real and failing brokers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import mqtt5
import pytest

from edge.adapters.mqtt import Link
from edge.adapters.mqtt_facts import (
    Answered,
    BackOff,
    Broker,
    Command,
    CommandDropped,
    Connected,
    Disconnected,
    Fact,
    Presence,
)
from tests.brokers import Ear, FaultBroker, free_port, mosquitto, wait_for

STATE = "link/s/l/st/state"
TRIGGER = "link/s/l/st/cmd/trigger"
OUTCOME = "link/s/l/st/outcome"

T = TypeVar("T")
Watch = Callable[[int], "Watched"]


class Watched:
    """A link with memory of all its facts."""

    def __init__(self, port: int) -> None:
        numbers = itertools.count(1)
        self.link = Link(
            Broker(host="127.0.0.1", port=port, client_id="edge-st", keepalive_s=5),
            Presence(
                STATE,
                lambda state, session: json.dumps({"state": state, "session_id": session}).encode(),
                "link/s/l/st/cmd/+",
            ),
            new_session_id=lambda: f"session-{next(numbers)}",
            back_off=BackOff(first_s=0.02, longest_s=0.1),
        )
        self.facts: list[Fact] = []
        self.link.start()

    def wait(self, kind: type[T], number: int = 1) -> T:
        """The n-th fact of a kind."""

        def nth() -> T | None:
            self.facts += self.link.take()
            found = [fact for fact in self.facts if isinstance(fact, kind)]
            return found[number - 1] if len(found) >= number else None

        found: T = wait_for(nth, kind.__name__)
        return found

    def close(self) -> None:
        """Stop cleanly."""
        self.link.stop()
        self.link.close()


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Starts links that are stopped at the end."""
    made: list[Watched] = []

    def start(port: int) -> Watched:
        made.append(Watched(port))
        return made[-1]

    yield start
    for watched in made:
        watched.close()


@pytest.fixture
def faulty() -> Iterator[FaultBroker]:
    """A broker that fails as told."""
    broker = FaultBroker()
    yield broker
    broker.close()


def states(ear: Ear) -> list[tuple[str, str]]:
    """The states heard, with the connection that each belongs to."""
    heard = [json.loads(packet.payload) for packet in ear.on("/state")]
    return [(state["state"], state["session_id"]) for state in heard]


def test_station_says_online_on_connecting_and_stopped_on_a_clean_stop(tmp_path: Path) -> None:
    """The retained state is `online` while the station runs and `stopped` after a clean stop."""
    with mosquitto(tmp_path) as broker:
        ear = Ear(broker.port)
        watched = Watched(broker.port)
        watched.wait(Connected)
        wait_for(lambda: states(ear), "online")

        watched.close()

        wait_for(lambda: len(states(ear)) == 2, "stopped")
        late_ear = Ear(broker.port, "late-ear")
        wait_for(lambda: states(late_ear), "the retained state")
        assert states(ear) == [("online", "session-1"), ("stopped", "session-1")]
        assert states(late_ear) == [("stopped", "session-1")]
        assert late_ear.on("/state")[0].retain
        ear.close()
        late_ear.close()


def test_broker_says_offline_for_a_station_that_vanished_and_it_says_online_when_back(
    tmp_path: Path, watch: Watch
) -> None:
    """A station that vanishes is `offline` by its will, with the id of the connection that died, then `online` anew."""
    with mosquitto(tmp_path) as broker:
        ear = Ear(broker.port)
        watched = watch(broker.port)
        session_id = watched.wait(Connected).session_id

        watched.link.drop(session_id, "as if the cable was cut")

        watched.wait(Connected, 2)
        wait_for(lambda: len(states(ear)) == 3, "online again")
        assert states(ear) == [("online", "session-1"), ("offline", "session-1"), ("online", "session-2")]
        assert watched.wait(Disconnected) == Disconnected("session-1", "as if the cable was cut", None, "given_up")
        ear.close()


def test_state_is_told_again_after_the_broker_restarted(tmp_path: Path, watch: Watch) -> None:
    """A broker that was killed and lost its memory hears `online` again."""
    with mosquitto(tmp_path, "persistence false") as broker:
        watched = watch(broker.port)
        watched.wait(Connected)

        broker.kill()
        broker.start()

        assert watched.wait(Connected, 2).session_id != watched.wait(Connected).session_id
        ear = Ear(broker.port)
        wait_for(lambda: states(ear), "the state")
        assert states(ear)[-1][0] == "online"
        ear.close()


def test_station_waits_for_a_broker_that_starts_later(tmp_path: Path, watch: Watch) -> None:
    """A station may start before its broker does."""
    faults = watch(free_port())

    detail = faults.wait(Disconnected, 2).detail

    assert "refused" in detail


@pytest.mark.parametrize(
    ("code", "taken"), [(0x00, True), (0x10, True), (0x80, False), (0x83, False), (0x87, False), (0x97, False)]
)
def test_only_a_puback_without_failure_means_taken(code: int, taken: bool, watch: Watch, faulty: FaultBroker) -> None:
    """A message counts as taken only by a PUBACK whose reason code is no failure (L11)."""
    faulty.decide = lambda packet: code if packet.topic == OUTCOME else 0
    watched = watch(faulty.port)
    session_id = watched.wait(Connected).session_id

    watched.link.publish(session_id, OUTCOME, b"{}", token=7)

    answered = watched.wait(Answered)
    assert (answered.token, answered.code, answered.taken) == (7, code, taken)


def test_a_message_that_was_not_answered_is_not_sent_again_behind_the_callers_back(
    watch: Watch, faulty: FaultBroker
) -> None:
    """What a broken connection left unanswered is the caller's to send again; the link itself repeats nothing (L11)."""
    faulty.decide = lambda packet: "break" if packet.topic == OUTCOME else 0
    watched = watch(faulty.port)
    session_id = watched.wait(Connected).session_id
    watched.link.publish(session_id, OUTCOME, b"{}", token=7)
    second = watched.wait(Connected, 2).session_id

    watched.link.publish(session_id, OUTCOME, b"for the connection that died", token=8)
    faulty.decide = lambda _packet: 0
    watched.link.publish(second, OUTCOME, b"{}", token=9)

    assert watched.wait(Answered).token == 9
    assert [packet.payload for packet in faulty.outcomes(faulty.tried)] == [b"{}", b"{}"]


def test_message_carries_its_properties(watch: Watch, faulty: FaultBroker) -> None:
    """User properties, message expiry and the JSON content type reach the broker as given."""
    watched = watch(faulty.port)
    session_id = watched.wait(Connected).session_id

    watched.link.publish(session_id, OUTCOME, b"{}", token=1, properties={"seq": "4"}, expiry_s=7)

    watched.wait(Answered)
    (packet,) = faulty.outcomes(faulty.taken)
    assert packet.user_properties == [("seq", "4")]
    assert (packet.message_expiry_interval, packet.content_type) == (7, "application/json")


def test_session_outlives_the_connection(watch: Watch, faulty: FaultBroker) -> None:
    """The broker is asked to keep our session, so commands sent while we are away arrive later; limits are named."""
    watched = watch(faulty.port)
    watched.wait(Connected)

    (connect,) = faulty.connects
    assert not connect.clean_start
    assert connect.session_expiry_interval == 86_400
    assert connect.receive_max == 20
    assert connect.will is not None
    assert connect.will.retain


def test_command_is_the_brokers_to_repeat_until_it_is_acknowledged(tmp_path: Path, watch: Watch) -> None:
    """A command that was not acknowledged comes again on the next connection, one that was does not (L1)."""
    with mosquitto(tmp_path) as broker:
        ear = Ear(broker.port)
        watched = watch(broker.port)
        watched.wait(Connected)
        ear.publish(TRIGGER, b"one", response_topic="answers", correlation_data=b"c1")
        ear.publish(TRIGGER, b"two")
        one = watched.wait(Command)
        watched.wait(Command, 2)
        watched.link.acknowledge(one)

        watched.link.drop(one.session_id, "before the second was safe")

        again = watched.wait(Command, 3)
        assert (one.payload, one.response_topic, one.correlation, one.repeat) == (b"one", "answers", b"c1", False)
        assert (again.payload, again.repeat) == (b"two", True)
        ear.close()


def test_command_sent_while_the_station_was_away_arrives(tmp_path: Path, watch: Watch) -> None:
    """A command with QoS 1 for a station that is away waits at the broker."""
    with mosquitto(tmp_path) as broker:
        ear = Ear(broker.port)
        first = Watched(broker.port)
        first.wait(Connected)
        first.close()
        ear.publish(TRIGGER, b"while away")

        second = watch(broker.port)

        assert second.wait(Connected).session_present
        assert second.wait(Command).payload == b"while away"
        ear.close()


def test_answer_to_an_impossible_topic_is_refused_and_nothing_breaks(watch: Watch, faulty: FaultBroker) -> None:
    """A response topic with a wildcard is refused here; the connection lives on."""
    watched = watch(faulty.port)
    session_id = watched.wait(Connected).session_id

    watched.link.publish(session_id, "answers/#", b"{}", token=3)
    watched.link.publish(session_id, OUTCOME, b"{}", token=4)

    answers = [watched.wait(Answered), watched.wait(Answered, 2)]
    assert [(answer.token, answer.taken) for answer in answers] == [(3, False), (4, True)]


@pytest.mark.parametrize(
    "noise", [b"\xff\xff\xff\xff\xff", b"\x40\x03\x00\x01\x42", b"\x00", b"HTTP/1.1 400 Bad Request"]
)
def test_a_broker_that_talks_nonsense_costs_one_connection(noise: bytes, watch: Watch, faulty: FaultBroker) -> None:
    """Bytes that are no MQTT end their connection at most; the next one works (L11)."""
    watched = watch(faulty.port)
    session_id = watched.wait(Connected).session_id
    assert faulty._client is not None

    faulty._client.sendall(noise)
    faulty.break_connection()

    second: Any = watched.wait(Connected, 2)
    assert second.session_id != session_id
    watched.link.publish(second.session_id, OUTCOME, b"{}", token=1)
    assert watched.wait(Answered).taken


def test_reason_of_the_brokers_disconnect_is_told(watch: Watch, faulty: FaultBroker) -> None:
    """Where the broker says why it ends the connection, the fact carries its code."""
    watched = watch(faulty.port)
    watched.wait(Connected)

    faulty.break_connection(int(mqtt5.DisconnectReasonCode.PACKET_TOO_LARGE))

    assert watched.wait(Disconnected).refusal == 0x95


def test_waits_between_connections_grow_to_a_limit() -> None:
    """Waits double from the first to the longest, and a third of them is random."""
    back_off = BackOff(first_s=1, longest_s=8, jitter=0.3)

    waits = [back_off.wait_s(failures) for failures in (1, 2, 3, 4, 5, 500)]

    for wait_s, longest_s in zip(waits, (1, 2, 4, 8, 8, 8), strict=True):
        assert 0.7 * longest_s <= wait_s <= longest_s


def test_commands_beyond_the_limit_are_dropped_by_name(
    watch: Watch, faulty: FaultBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of commands that nobody takes is cut at `MAX_FACTS`, and each one dropped is told (L12)."""
    watched = watch(faulty.port)
    watched.wait(Connected)
    monkeypatch.setattr("edge.adapters.mqtt.MAX_FACTS", 0)

    faulty.command(mqtt5.PublishPacket(TRIGGER, b"{}"))

    assert watched.wait(CommandDropped) == CommandDropped(TRIGGER)
    assert not [fact for fact in watched.facts if isinstance(fact, Command)]
