"""Commands by MQTT: stored before they are answered, answered with a reason where they cannot be followed."""

from __future__ import annotations

import json
from pathlib import Path

import mqtt5
import pytest

from tests.brokers import Ear, FaultBroker, mosquitto, wait_for
from tests.services.station import BASE, Start, ask


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
