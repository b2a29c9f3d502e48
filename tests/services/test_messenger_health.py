"""What the messenger says of the station, and what it does while store or disk fail."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import mqtt5
import pytest

from edge.adapters.mqtt_facts import Connected
from edge.core.alarm import AlarmPolicy, StopCause
from tests.brokers import Ear, FaultBroker, mosquitto, wait_for
from tests.delivery.hostile import Call, HostileBroker
from tests.services.station import AT, BASE, Start, ask, said


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


def test_health_tells_that_the_line_is_to_stand_still(tmp_path: Path, start: Start) -> None:
    """MES and whoever drives an output hear of a stop with the outcome that caused it, and of its end."""
    with mosquitto(tmp_path) as broker:
        station = start(broker.port)
        station.store.alarms.policy = AlarmPolicy(in_a_row=2, stop_on=frozenset({StopCause.IN_A_ROW}))
        ear = Ear(broker.port)
        for number in (1, 2):
            station.inspect(number)
        stopped = wait_for(lambda: said(ear, "/health")["alarms"]["line_stop"], "the stop")
        station.store.alarms.reset()
        wait_for(lambda: said(ear, "/health")["alarms"]["line_stop"] is None, "its end")

        assert (stopped["cause"], stopped["signs"], stopped["seq"]) == ("in_a_row", [], 2)
        assert said(ear, "/health")["alarms"]["in_a_row"] == 0
        ear.close()


def test_online_said_while_the_disk_was_full_for_a_moment_is_taken_back(start: Start) -> None:
    """A disk that is full as the station connects, and has room when it looks again, is told to have room (L12)."""
    broker = HostileBroker()
    station = start(broker.port)
    wait_for(lambda: states(broker, 0), "the state")
    told: list[str | None] = []

    def fault(_call: Call, packet: Any, usual: bytes) -> bytes:
        match packet:
            case mqtt5.SubscribePacket():
                station.free_bytes = station.reserve_bytes - 1
            case mqtt5.PublishPacket(topic=topic) if topic == f"{BASE}state":
                station.free_bytes = station.reserve_bytes
                told.append(json.loads(packet.payload)["refuses"])
        return usual

    broker.fault = fault
    broker.end_connections()

    wait_for(lambda: len(told) == 2, "the state, again")
    assert told == ["disk_full", None]
    station.stop()
    broker.close()


def test_online_that_is_true_is_said_once_on_a_connection(start: Start) -> None:
    """Neither a first connection nor one after a full disk says twice what has not changed."""
    broker = HostileBroker()
    station = start(broker.port)
    station.free_bytes = station.reserve_bytes - 1
    wait_for(lambda: "disk_full" in states(broker, 0), "the full disk")
    station.free_bytes = station.reserve_bytes
    wait_for(lambda: states(broker, 0)[-1] is None, "room again")

    broker.end_connections()
    wait_for(lambda: station.messenger._connected == Connected("session-2", session_present=True), "the connection")
    beat_us = station.messenger._heartbeat._next_us
    wait_for(lambda: station.messenger._heartbeat._next_us != beat_us, "another look at the disk")

    station.stop()
    assert states(broker, 1) == [None, None]  # `online`, and `stopped`
    broker.close()


def states(broker: HostileBroker, call: int) -> list[str | None]:
    """What each state said of triggers on one connection, from 0."""
    packets = [packet for one in broker.calls[call : call + 1] for packet in list(one.packets)]
    said = [packet for packet in packets if isinstance(packet, mqtt5.PublishPacket) and packet.topic == f"{BASE}state"]
    return [json.loads(packet.payload)["refuses"] for packet in said]


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


def test_a_trigger_on_a_disk_without_room_is_refused_by_name_until_there_is_room(tmp_path: Path, start: Start) -> None:
    """Below the reserve a trigger is answered `disk_full`, as state and health say; with room it is taken (L1, L12)."""
    with mosquitto(tmp_path) as broker:
        station = start(broker.port)
        ear = Ear(broker.port)
        begun = station.trigger("begun")
        wait_for(lambda: ear.on("/state"), "the state")
        station.free_bytes = station.reserve_bytes - 1

        wait_for(lambda: said(ear, "/state")["refuses"] == "disk_full", "the state")
        refused = ask(ear, "trigger", {"trigger_id": "late"}, b"1")
        wait_for(lambda: said(ear, "/health")["disk"]["full"], "the health")
        # What has begun ends with its outcome, from the reserve.
        station.decide(begun, "begun")
        wait_for(station.sent)
        station.free_bytes = station.reserve_bytes
        wait_for(lambda: said(ear, "/state")["refuses"] is None, "the state")
        taken = ask(ear, "trigger", {"trigger_id": "late"}, b"2")

        assert (refused["accepted"], refused["reason"]) == (False, "disk_full")
        assert "reserve_mb" in refused["detail"]
        assert taken["accepted"]
        assert [json.loads(packet.payload)["inspection_id"] for packet in ear.on("/outcome")] == [begun]
        assert station.store.counts()["command_disk_full"] == 1
        ear.close()
