"""The messenger tells outcomes in order, over any number of broker and messenger ends."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import mqtt5
import pytest

from tests.brokers import Ear, FaultBroker, mosquitto, wait_for
from tests.services.station import BASE, Start, seqs


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
