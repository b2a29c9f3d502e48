"""Commands by MQTT: answered, done once, refused by name; through restarts, at a real broker and at one that fails."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mqtt5
import pytest

from edge.adapters.database import monotonic_us
from edge.adapters.mqtt_facts import Command
from edge.adapters.store import Store
from edge.core.outcome import Outcome, Reason
from edge.services import messenger, metrics
from edge.services.health import health_message
from edge.services.mqtt_commands import Commands
from tests.brokers import Ear, FaultBroker, Mosquitto, mosquitto, wait_for
from tests.delivery.station import AT, BASE, Station
from tests.services.known import NOTHING

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_CORRELATIONS = itertools.count(1)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A real broker."""
    with mosquitto(tmp_path) as running:
        yield running


@pytest.fixture
def station(tmp_path: Path, broker: Mosquitto) -> Iterator[Station]:
    """A station at the real broker."""
    station = Station(tmp_path / "station", broker.port, ack_timeout_s=20)
    yield station
    station.close()


@pytest.fixture
def mes(broker: Mosquitto, station: Station) -> Iterator[Ear]:
    """Who commands, and hears the answers."""
    ear = Ear(broker.port)
    wait_for(lambda: ear.on("/state"), "the station")
    yield ear
    ear.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An open store."""
    opened = Store.open(tmp_path, "st")
    yield opened
    opened.close()


def ask(ear: Ear, command: str, message: object, **more: Any) -> dict[str, Any]:
    """Send a command and give its answer."""
    correlation = b"%d" % next(_CORRELATIONS)
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    ear.publish(f"{BASE}cmd/{command}", payload, response_topic="mes/answers", correlation_data=correlation, **more)

    def answer() -> Any:
        return [packet for packet in ear.on("mes/answers") if packet.correlation_data == correlation]

    parsed: dict[str, Any] = json.loads(wait_for(answer, f"the answer to {command}")[0].payload)
    return parsed


def command(name: str, message: object, **more: Any) -> Command:
    """A command as the link tells of it."""
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    return Command("session", f"{BASE}cmd/{name}", payload, monotonic_us(), packet_id=7, **more)


def commands(store: Store) -> Commands:
    """The commands of a station at noon of `NOW`."""
    return Commands(store, "st", NOW.isoformat, max_age_s=60)


def ago(seconds: float) -> str:
    """A time before `NOW`."""
    return (NOW - timedelta(seconds=seconds)).isoformat()


def test_repeated_commands_are_answered_alike_and_done_once_also_after_a_restart(station: Station, mes: Ear) -> None:
    """The same trigger, expectation and confirmation again have no effect, before and after a restart (L1)."""
    inspection_id = station.inspect_next()
    asked = [
        ("expect", {"serial": "A1", "command_id": "e-1"}),
        ("trigger", {"trigger_id": "plc-1"}),
        ("confirm", {"inspection_id": inspection_id}),
    ]
    first = [ask(mes, name, message) for name, message in asked]
    again = [ask(mes, name, message) for name, message in asked]
    station.stop()
    station.start()
    after = [ask(mes, name, message) for name, message in asked]

    assert all(answer["accepted"] for answer in first)
    assert again == after == [answer | ({"repeat": True} if "repeat" in answer else {}) for answer in first]
    (row,) = station.store.waiting_triggers()
    assert row.expected == {"serial": "A1"}
    assert station.store.counts()["confirmed"] == 1


def test_a_command_sent_while_the_station_is_away_is_followed_once(station: Station, mes: Ear) -> None:
    """What waited at the broker is followed when the station is back, and answered (L1)."""
    station.stop()
    mes.publish(f"{BASE}cmd/trigger", b'{"trigger_id": "while-away"}', response_topic="mes/answers")

    station.start()

    answer = json.loads(wait_for(lambda: mes.on("mes/answers"), "the answer")[0].payload)
    assert (answer["accepted"], answer["repeat"]) == (True, False)
    assert [row.trigger_id for row in station.store.waiting_triggers()] == ["while-away"]


def test_a_retained_command_is_refused_once_however_often_the_station_connects(station: Station, mes: Ear) -> None:
    """A retained trigger would come again for another part: it is refused by name, live and stored (L12)."""
    answer = ask(mes, "trigger", {"trigger_id": "kept"}, retain=True)
    station.stop()
    station.start()
    later = ask(mes, "trigger", {"trigger_id": "next"})

    assert (answer["accepted"], answer["reason"]) == (False, "retained")
    assert later["accepted"]
    assert station.store.counts()["command_retained"] == 1
    assert [row.trigger_id for row in station.store.waiting_triggers()] == ["next"]


def test_an_expired_command_never_arrives(station: Station, mes: Ear) -> None:
    """A trigger with a message expiry that ran out while the station was away is the broker's to drop."""
    station.stop()
    mes.publish(f"{BASE}cmd/trigger", b'{"trigger_id": "too late"}', message_expiry_interval=1)
    begun_us = monotonic_us()
    wait_for(lambda: monotonic_us() - begun_us > 2_100_000, "two seconds")
    station.start()

    assert ask(mes, "trigger", {"trigger_id": "in time"}, message_expiry_interval=30)["accepted"]
    assert [row.trigger_id for row in station.store.waiting_triggers()] == ["in time"]


@pytest.mark.parametrize(
    ("name", "message", "reason"),
    [
        ("trigger", {"trigger_id": "a", "expectd": {"serial": "1"}}, "unknown_key"),
        ("confirm", {"inspection_id": "a", "serial": "1"}, "unknown_key"),
        ("trigger", b'{"trigger_id": "a", "trigger_id": "b"}', "malformed"),
        ("trigger", {"trigger_id": "a", "at": ago(61)}, "stale"),
        ("expect", {"serial": "1", "at": ago(61)}, "stale"),
        ("trigger", {"trigger_id": "a", "at": "2026-01-01T00:00:00"}, "malformed"),
        ("trigger", {"trigger_id": "a", "at": 5}, "malformed"),
        ("trigger", {"trigger_id": "a", "at": "yesterday"}, "malformed"),
        ("expect", {"serial": "1", "station": "other"}, "unknown_station"),
        ("confirm", {"inspection_id": "a", "station": "other"}, "unknown_station"),
        ("confirm", {"inspection_id": "a", "at": ago(1e6)}, "unknown_inspection"),
    ],
)
def test_a_command_that_cannot_be_followed_has_a_reason_with_a_name(
    name: str, message: object, reason: str, store: Store
) -> None:
    """Each wrong command is refused with its reason, counted under it, shown in metrics, and changes nothing (L12)."""
    answer = commands(store).handle(command(name, message)).message

    assert (answer["accepted"], answer.get("reason")) == (False, reason)
    assert store.counts()[f"command_{reason}"] == 1
    assert store.waiting_triggers() == []
    assert not store.knows_expectation("e")
    text = metrics.openmetrics(NOTHING, "1", store.counts())
    assert f'edge_commands_refused_total{{reason="{reason}",station="st"}} 1.0' in text


def test_a_command_as_old_as_allowed_or_from_a_clock_ahead_is_followed(store: Store) -> None:
    """Only age counts: the sender's clock may be ahead, and a command without a time is believed."""
    follow = commands(store).handle

    answers = [
        follow(command("trigger", {"trigger_id": "a", "at": ago(60)})),
        follow(command("trigger", {"trigger_id": "b", "at": ago(-3600)})),
        follow(command("trigger", {"trigger_id": "c"})),
    ]

    assert [answer.accepted for answer in answers] == [True, True, True]


def test_a_late_repeat_gets_the_answer_of_the_first(store: Store) -> None:
    """A trigger that was followed and comes again when it is old is a repeat, not stale: it was done (L1)."""
    follow = commands(store).handle
    followed = follow(command("trigger", {"trigger_id": "a", "at": ago(59)})).message
    follow(command("expect", {"serial": "1", "command_id": "e", "at": ago(59)}))

    trigger = follow(command("trigger", {"trigger_id": "a", "at": ago(61)}, repeat=True, expires_us=1)).message
    expect = follow(command("expect", {"serial": "1", "command_id": "e", "at": ago(61)}, repeat=True)).message

    assert trigger == followed | {"repeat": True}
    assert expect == {"accepted": True, "command_id": "e", "repeat": True}


def test_a_command_that_expired_while_it_waited_here_is_stale(store: Store) -> None:
    """What could not be followed within its message expiry, while the store failed, is refused (L12)."""
    answer = commands(store).handle(command("trigger", {"trigger_id": "a"}, expires_us=monotonic_us() - 1)).message

    assert (answer["accepted"], answer.get("reason")) == (False, "stale")


def test_of_two_equal_expectations_each_is_kept_and_each_repeat_is_known(store: Store) -> None:
    """Two equal parts may follow each other; what the broker repeats under a packet id of its own is one of them."""
    follow = commands(store).handle
    payload = b'{"serial": "1"}'

    def expect(packet_id: int, *, repeat: bool) -> bool:
        told = Command("session", f"{BASE}cmd/expect", payload, monotonic_us(), packet_id=packet_id, repeat=repeat)
        return not dict(follow(told).message)["repeat"]

    new = [expect(1, repeat=False), expect(2, repeat=True), expect(1, repeat=True), expect(2, repeat=True)]

    assert new == [True, True, False, False]


def test_a_command_is_acknowledged_after_its_answer_has_arrived(tmp_path: Path, faulty: FaultBroker) -> None:
    """While the broker has not taken the answer, the command stays its to repeat; then it is acknowledged (L1)."""
    faulty.decide = lambda packet: "silence" if packet.topic == "mes/answers" else 0
    station = Station(tmp_path, faulty.port)
    wait_for(lambda: faulty.tried)
    asked = mqtt5.PublishPacket(
        f"{BASE}cmd/trigger",
        b'{"trigger_id": "a"}',
        qos=mqtt5.QoS.AT_LEAST_ONCE,
        packet_id=5,
        response_topic="mes/answers",
    )
    faulty.command(asked)
    (answer,) = wait_for(lambda: [packet for packet in faulty.tried if packet.topic == "mes/answers"], "the answer")
    before = list(faulty.acknowledged_commands)

    faulty.answer(answer.packet_id)

    wait_for(lambda: faulty.acknowledged_commands == [5], "the acknowledgement")
    assert before == []
    station.close()


def test_an_answer_never_goes_to_a_topic_of_the_station(tmp_path: Path, faulty: FaultBroker) -> None:
    """A response topic of the station's own would put an answer among the outcomes: nothing is sent there, counted."""
    station = Station(tmp_path, faulty.port)
    wait_for(lambda: faulty.tried)

    faulty.command(
        mqtt5.PublishPacket(
            f"{BASE}cmd/trigger",
            b'{"trigger_id": "a"}',
            qos=mqtt5.QoS.AT_LEAST_ONCE,
            packet_id=5,
            response_topic=f"{BASE}outcome",
        )
    )

    wait_for(lambda: faulty.acknowledged_commands == [5], "the acknowledgement")
    wait_for(lambda: "answers_into_own_topics" in _health(faulty)["messenger"], "the count")
    assert faulty.outcomes(faulty.tried) == []
    station.close()


def _health(faulty: FaultBroker) -> dict[str, Any]:
    heard = wait_for(lambda: [packet for packet in faulty.tried if packet.topic.endswith("/health")], "health")
    told: dict[str, Any] = json.loads(heard[-1].payload)
    return told


def test_a_flood_while_the_store_fails_is_cut_by_name(
    tmp_path: Path, faulty: FaultBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands of QoS 0 that the store cannot take wait up to a limit; those beyond are counted as dropped (L12)."""
    monkeypatch.setattr(messenger, "MAX_UNFOLLOWED", 3)
    monkeypatch.setattr(messenger, "STORE_PAUSE_US", 20_000)
    monkeypatch.setattr("edge.adapters.database.BUSY_TIMEOUT_MS", 20)
    with closing(Station(tmp_path, faulty.port)) as station:
        dropped, waiting = station.messenger._counts, station.store.waiting_triggers
        wait_for(lambda: faulty.tried)
        with station.store._database.transaction():
            for number in range(10):
                faulty.command(mqtt5.PublishPacket(f"{BASE}cmd/trigger", b'{"trigger_id": "%d"}' % number))
            wait_for(lambda: dropped["max_unfollowed"] >= 6, "the count")

        wait_for(lambda: dropped["max_unfollowed"] + len(waiting()) == 10, "each command, dropped by name or stored")
        assert len(waiting()) >= 3


def test_an_outcome_that_mes_leaves_unconfirmed_is_an_alarm(store: Store) -> None:
    """Once MES confirms, the oldest outcome behind that is watched: its age, its limit and the alarm are shown."""
    ids = []
    for number in range(3):
        inspection_id, _ = store.add_trigger(f"t{number}", expected=None, source="x", at=AT, at_us=0)
        ids.append(inspection_id)
    for number, inspection_id in enumerate(ids):
        outcome = Outcome(inspection_id, f"t{number}", Reason.OVERRUN)
        store.commit(outcome, topic=f"{BASE}outcome", config_hash="c", at=AT)

    def told(limit_s: float) -> dict[str, Any]:
        health = health_message(store, {}, {}, now_us=0, at=AT, session_id="s", confirm_within_s=limit_s)
        return dict(health["queues"]["unconfirmed"])

    never = told(0.0)
    store.confirmations.add(ids[1])
    late, in_time = told(0.0), told(1e6)
    store.confirmations.add(ids[2])

    assert never == {"oldest_age_s": None, "limit_s": 0.0, "alarm": False}
    assert late["alarm"]
    assert not in_time["alarm"]
    assert in_time["limit_s"] == 1e6
    assert told(0.0)["oldest_age_s"] is None
    text = metrics.openmetrics(NOTHING | {"queues": {"unconfirmed": late}}, "1")
    assert 'edge_unconfirmed_alarm{station="st"} 1.0' in text
    assert 'edge_unconfirmed_limit_seconds{station="st"} 0.0' in text
