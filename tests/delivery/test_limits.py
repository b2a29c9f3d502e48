"""Limits of MQTT 5, kept both ways: receive maximum, packet size, message expiry; and waits between connections."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import mqtt5
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.adapters import mqtt, mqtt_connection, mqtt_endings
from edge.adapters.mqtt_facts import RECEIVE_MAXIMUM, BackOff, Broker
from tests.brokers import WAIT_S, Ear, FaultBroker, mosquitto, wait_for
from tests.delivery import faults
from tests.delivery.hostile import Call, HostileBroker, disconnect
from tests.delivery.station import BASE, LONGEST_S, Station


class Rival(HostileBroker):
    """A broker that knows one session: each client that comes in ends the connection of the one before."""

    def __init__(self, *, says: bool) -> None:
        super().__init__()
        last_words = disconnect(0x8E) if says else b""

        def fault(call: Call, packet: object, usual: bytes) -> bytes:
            if isinstance(packet, mqtt5.ConnectPacket):
                self.end_connections(last_words, but=call)
            return usual

        self.fault = fault


def test_no_more_is_on_its_way_than_the_broker_allows(tmp_path: Path) -> None:
    """With Receive Maximum 1, states, answers and outcomes wait for each other; each arrives (L11, L12)."""
    broker = HostileBroker(receive_max=1)
    held: list[bytes] = []

    def fault(_call: Any, packet: Any, usual: bytes) -> bytes:
        # Every answer is late by one packet, so that there is always something unanswered.
        owed = b"".join(held)
        held.clear()
        if isinstance(packet, mqtt5.PublishPacket) and packet.packet_id is not None and packet.topic != f"{BASE}state":
            held.append(usual)
            return owed
        return owed + usual

    broker.fault = fault
    station = Station(tmp_path, broker.port, ack_timeout_s=20)
    wait_for(lambda: f"{BASE}state" in topics(broker), "the station")  # what is sent before is lost
    for number in range(5):
        station.inspect_next()
        broker.send(command(number))

    wait_for(station.sent, "all outcomes")
    wait_for(lambda: len([each for each in broker.calls[0].packets if _is_puback(each)]) == 5, "all acknowledgements")

    assert len(broker.calls) == 1
    assert broker.broken_rules == []
    station.close()
    broker.close()


def _is_puback(packet: Any) -> bool:
    return isinstance(packet, mqtt5.PubAckPacket)


def test_a_command_before_online_is_answered_within_the_limit(tmp_path: Path) -> None:
    """A broker that repeats commands before SUBACK, as mosquitto does, gets `online` after it took the answer (L12)."""
    broker = HostileBroker(receive_max=1)
    owed: list[bytes] = []

    def fault(_call: Any, packet: Any, usual: bytes) -> bytes:
        match packet:
            case mqtt5.SubscribePacket():
                owed.append(usual)
                return command(0)
            case mqtt5.PublishPacket(topic="mes/answers"):
                owed.append(usual)
                return owed.pop(0)
            case mqtt5.PublishPacket(topic=topic) if topic == f"{BASE}health" and owed:
                return owed.pop()
        return usual

    broker.fault = fault
    station = Station(tmp_path, broker.port, ack_timeout_s=20)
    wait_for(lambda: f"{BASE}state" in topics(broker), "online")

    assert topics(broker)[:3] == ["mes/answers", f"{BASE}health", f"{BASE}state"]
    assert broker.broken_rules == []
    station.close()
    broker.close()


def test_a_station_that_may_not_say_stopped_leaves_its_will(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the one message that is allowed stays unanswered, a stop sends none; the broker tells `offline` (L12)."""
    monkeypatch.setattr(mqtt, "STOP_TIMEOUT_S", 0.1)
    broker = HostileBroker(receive_max=1)
    broker.fault = lambda _call, packet, usual: b"" if faults.seq_of(packet) is not None else usual
    station = Station(tmp_path, broker.port, ack_timeout_s=20)
    station.inspect_next()
    wait_for(lambda: broker.tried, "the outcome")

    station.close()

    wait_for(lambda: isinstance(broker.calls[0].packets[-1], mqtt5.DisconnectPacket), "the end")
    assert broker.calls[0].packets[-1].reason_code == mqtt5.DisconnectReasonCode.DISCONNECT_WITH_WILL_MESSAGE
    assert broker.broken_rules == []
    broker.close()


def command_packet(number: int) -> mqtt5.PublishPacket:
    """A trigger that asks for an answer."""
    return mqtt5.PublishPacket(
        f"{BASE}cmd/trigger",
        b'{"trigger_id": "c%d"}' % number,
        qos=mqtt5.QoS.AT_LEAST_ONCE,
        packet_id=100 + number,
        response_topic="mes/answers",
    )


def command(number: int) -> bytes:
    """The same as the broker sends it."""
    return bytes(command_packet(number).write())


def topics(broker: HostileBroker) -> list[str]:
    """What came on the first connection, by topic."""
    packets = [packet for call in broker.calls[:1] for packet in list(call.packets)]
    return [packet.topic for packet in packets if isinstance(packet, mqtt5.PublishPacket)]


def leave_without_a_word(port: int, storm: int) -> None:
    """Be the station, hear a storm of triggers begin, and break off before any is acknowledged."""
    heard: list[int] = []
    subscribed = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, "edge-st", protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True)
    client.on_message = lambda _client, _data, message: heard.append(message.mid)
    client.on_connect = lambda *_facts: client.subscribe(f"{BASE}cmd/+", 1)
    client.on_subscribe = lambda *_facts: subscribed.set()
    wishes = Properties(PacketTypes.CONNECT)
    wishes.SessionExpiryInterval, wishes.ReceiveMaximum = 600, RECEIVE_MAXIMUM
    client.connect("127.0.0.1", port, clean_start=False, properties=wishes)
    client.loop_start()
    assert subscribed.wait(WAIT_S)
    with closing(Ear(port, "plc", ("nothing",))) as plc:
        for number in range(storm):
            plc.publish(f"{BASE}cmd/trigger", b'{"trigger_id": "c%d"}' % number)
    wait_for(lambda: len(heard) >= RECEIVE_MAXIMUM, "the first commands")
    connection: Any = client.socket()
    connection.shutdown(socket.SHUT_RDWR)
    client.loop_stop()


def test_a_storm_that_waited_at_a_real_broker_is_served(tmp_path: Path) -> None:
    """Mosquitto passes our Receive Maximum after a reconnect; every trigger of the storm is taken all the same (L1)."""
    with mosquitto(tmp_path, "max_queued_messages 0", "max_inflight_messages 100") as broker:
        leave_without_a_word(broker.port, storm=90)
        leave_without_a_word(broker.port, storm=0)
        with closing(Station(tmp_path / "station", broker.port, ack_timeout_s=20)) as station:
            wait_for(lambda: station.store.counts()["triggers"] == 90, "all triggers")

            assert station.messenger._counts["disconnected_receive_maximum_passed"] == 0


def test_a_broker_that_floods_us_costs_its_connection(
    tmp_path: Path, faulty: FaultBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More commands at once than fit what we hold end the connection by name; they stay the broker's (L12)."""
    monkeypatch.setattr(mqtt_connection, "MAX_HELD_BYTES", 50_000)
    faulty.decide = lambda packet: "silence" if packet.topic == "mes/answers" else 0
    station = Station(tmp_path, faulty.port, ack_timeout_s=20)
    wait_for(lambda: faulty.tried)
    for number in range(50):
        faulty.command(command_packet(number))

    wait_for(lambda: station.messenger._counts["disconnected_receive_maximum_passed"], "the end of the connection")

    assert faulty.acknowledged_commands == []
    station.close()


def test_a_packet_beyond_our_limit_is_not_read_to_its_end(tmp_path: Path, faulty: FaultBroker) -> None:
    """A broker that announces 200 MB is left at its announcement; outcomes go on (L12)."""
    station = Station(tmp_path, faulty.port)
    wait_for(lambda: faulty.tried)
    assert faulty._client is not None

    faulty._client.sendall(b"\x30\x80\x80\x80\x60" + b"\x00\x05" * 1000)
    wait_for(lambda: station.messenger._counts["disconnected_packet_too_large_for_us"], "the end of the connection")
    station.inspect_next()

    wait_for(station.sent, "the outcome")
    assert faulty.outcomes(faulty.taken)
    station.close()


def test_nothing_longer_than_the_broker_takes_is_sent(tmp_path: Path) -> None:
    """A broker with a small limit gets the outcomes and no health that is too long; the connection stays (L12)."""
    with mosquitto(tmp_path, "max_packet_size 900") as broker:
        ear = Ear(broker.port)
        station = Station(tmp_path / "station", broker.port, ack_timeout_s=20)
        station.inspect_next()
        wait_for(lambda: ear.on("/outcome"), "the outcome")
        wait_for(lambda: station.messenger._counts["unsent"] >= 2, "health, twice")

        assert ear.on("/health") == []
        assert station.messenger._counts["disconnected"] == 0
        station.close()
        ear.close()


def test_only_health_expires(tmp_path: Path, faulty: FaultBroker) -> None:
    """An outcome, a retake and a state are wanted however late; health that is old is not (L11)."""
    station = Station(tmp_path, faulty.port)
    station.inspect_next()
    wait_for(station.sent, "the outcome")
    wait_for(lambda: [packet for packet in faulty.tried if packet.topic.endswith("/health")], "health")

    expiries = {packet.topic.removeprefix(BASE): packet.message_expiry_interval for packet in faulty.tried}
    assert expiries == {"state": None, "outcome": None, "health": 60}
    assert faulty.connects[0].will.message_expiry_interval is None
    station.close()


@settings(deadline=None)
@given(failures=st.integers(0, 10**6), soon=st.booleans(), first_s=st.floats(0.001, 5), longest_s=st.floats(5, 600))
def test_waits_between_connections_are_bounded(failures: int, soon: bool, first_s: float, longest_s: float) -> None:
    """No wait leaves its bounds; after an end that coming again soon would not mend, it is the longest (L11)."""
    back_off = BackOff(first_s=first_s, longest_s=longest_s, jitter=0.3)
    wanted_s = min(longest_s, first_s * 2.0 ** min(max(failures - 1, 0), 16)) if soon else longest_s

    wait_s = back_off.wait_s(failures, soon=soon)

    assert 0.7 * wanted_s <= wait_s <= wanted_s


def test_waits_of_stations_differ() -> None:
    """Stations that lost their broker together do not come back in step."""
    waits_s = [BackOff().wait_s(7) for _ in range(200)]

    assert max(waits_s) - min(waits_s) > 0.2 * max(waits_s)


@pytest.mark.parametrize("says", [True, False], ids=["told", "mute"])
def test_two_clients_with_one_id_take_turns_and_do_not_storm(says: bool, tmp_path: Path) -> None:
    """Two stations with one id end each other's connections ever more seldom, each with messages to send (L11).

    Some brokers say that the session was taken over (0x8E), mosquitto 2.0.11 just hangs up.
    """
    broker = Rival(says=says)
    first, second = (Station(tmp_path / name, broker.port, ack_timeout_s=20) for name in ("a", "b"))

    def turns(number: int) -> float:
        for station in (first, second):
            station.inspect_next()
        wait_for(lambda: len(broker.calls) >= number, f"connection {number}")
        return broker.calls[number - 1].at_s

    turns(8)
    seconds = turns(16) - turns(8)

    # Eight connections of two clients: at least three waits of each lie between them, near the longest by now.
    assert seconds >= 3 * 0.7 * LONGEST_S
    assert first.store.outbox.num_dead() == second.store.outbox.num_dead() == 0
    first.close()
    second.close()
    broker.close()


def test_the_sentence_of_a_session_taken_over_names_the_id(tmp_path: Path, faulty: FaultBroker) -> None:
    """Who is thrown out for another client learns which id both have, and what to set."""
    station = Station(tmp_path, faulty.port)
    wait_for(lambda: faulty.tried)

    faulty.break_connection(0x8E)

    wait_for(lambda: station.messenger._counts["disconnected_session_taken_over"], "the end")
    ending = mqtt_endings.by_code(0x8E, "Session taken over", station.broker)
    assert "'edge-st'" in ending.sentence
    assert "mqtt.client_id" in ending.sentence
    assert not ending.soon
    station.close()


def test_nobody_follows_a_broker_to_another_server() -> None:
    """Where a broker names another server, its name is told, and the settings decide: no name of the network does."""
    ending = mqtt_endings.by_code(0x9D, "Server moved", Broker("here", 1883, "edge-st"), reference="elsewhere:1883")

    assert ending.sentence.startswith("broker here:1883 says that it has moved: set mqtt.host")
    assert "'elsewhere:1883'" in ending.sentence
    assert not ending.soon
