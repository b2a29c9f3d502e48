"""After an outage a backlog goes several messages at a time; whatever ends or refuses, nothing is lost or changed."""

from __future__ import annotations

import random
from collections import defaultdict
from functools import partial
from pathlib import Path

import mqtt5

from bench.outage import configure, make_backlog, messenger
from edge.adapters.store import Store
from edge.services import sending
from tests.brokers import Ear, FaultBroker, mosquitto, wait_for
from tests.services.station import Start, for_outcomes, seqs

OUTCOMES = 600
KILLS = 2


def test_a_backlog_survives_kills_of_the_messenger_in_the_middle_of_a_window(tmp_path: Path) -> None:
    """Killed anywhere in a backlog: all comes, in order by first hearing, each repeat the same bytes (L11)."""
    data = tmp_path / "data"
    make_backlog(data, OUTCOMES)
    store = Store.open(data, "st")
    dice = random.Random(7)
    with mosquitto(tmp_path, "max_queued_messages 0") as broker:
        ear = Ear(broker.port)
        config = configure(tmp_path, broker.port, data)
        for _ in range(KILLS):
            enough = len(ear.heard) + dice.randint(1, OUTCOMES // KILLS)
            with messenger(config) as process:
                wait_for(partial(has_heard, ear, enough), f"{enough} messages")
                process.kill()
        with messenger(config):
            wait_for(lambda: store.outbox.num_waiting() == 0, "the rest")

        wait_for(lambda: len({seq_of(packet) for packet in ear.on("/outcome")}) == OUTCOMES, "all outcomes")
        heard = ear.on("/outcome")
        ear.close()
    store.close()
    versions = defaultdict(set)
    for packet in heard:
        versions[seq_of(packet)].add((packet.payload, tuple(sorted(packet.user_properties))))
    assert list(dict.fromkeys(map(seq_of, heard))) == list(range(1, OUTCOMES + 1))
    assert all(len(each) == 1 for each in versions.values())
    assert all(dict(packet.user_properties)["historical"] == "true" for packet in heard)


def has_heard(ear: Ear, number: int) -> bool:
    """Whether so many messages came."""
    return len(ear.heard) >= number


def seq_of(packet: mqtt5.PublishPacket) -> int:
    """The sequence number of an outcome by its properties."""
    return int(dict(packet.user_properties)["seq"])


def test_a_clean_stop_repeats_nothing(tmp_path: Path) -> None:
    """A messenger that is stopped in a backlog has written what was taken: the next one goes on behind it."""
    data = tmp_path / "data"
    make_backlog(data, 1000)
    with mosquitto(tmp_path, "max_queued_messages 0") as broker:
        ear = Ear(broker.port)
        config = configure(tmp_path, broker.port, data)
        with messenger(config):
            wait_for(lambda: len(ear.on("/outcome")) > 100)
        store = Store.open(data, "st")
        waiting, heard = store.outbox.num_waiting(), len(ear.on("/outcome"))
        store.close()

        assert waiting > 0
        assert waiting + heard <= 1000 + sending.LEFT_FOR_ANSWERS
        ear.close()


def test_a_refusal_in_a_window_costs_the_order_of_no_more_than_the_window(
    tmp_path: Path, hasty: None, start: Start, faulty: FaultBroker
) -> None:
    """One of a backlog that is refused twice comes after those on their way with it, and before all others (L11)."""
    make_backlog(tmp_path / "station" / "data", 200)
    refusals = iter((0x97, 0x97))
    faulty.decide = for_outcomes(lambda seq: next(refusals, 0) if seq == 100 else 0)
    station = start(faulty.port)

    wait_for(station.sent)

    told = seqs(faulty.taken)
    late = [seq for seq in told[: told.index(100)] if seq > 100]
    assert sorted(told) == list(range(1, 201))
    assert len(late) < sending.MAX_IN_FLIGHT
    assert [seq for seq in told if seq != 100] == [*range(1, 100), *range(101, 201)]
    tries = [packet for packet in faulty.outcomes(faulty.tried) if seqs([packet]) == [100]]
    assert len({(packet.payload, tuple(packet.user_properties)) for packet in tries}) == 1


def test_live_outcomes_go_one_at_a_time(start: Start, faulty: FaultBroker) -> None:
    """Of fresh outcomes the next one goes when the broker has taken the one before: nothing can overtake it (L11)."""
    faulty.decide = for_outcomes(lambda seq: "silence" if seq == 1 else 0)
    station = start(faulty.port)
    for number in range(5):
        station.inspect(number)
    wait_for(lambda: faulty.outcomes(faulty.tried))
    (first,) = faulty.outcomes(faulty.tried)
    assert first.packet_id is not None

    faulty.answer(first.packet_id)

    wait_for(station.sent)
    assert seqs(faulty.tried) == [1, 2, 3, 4, 5]


def test_a_broker_gets_no_more_on_their_way_than_it_allows(tmp_path: Path, start: Start, faulty: FaultBroker) -> None:
    """A broker's Receive Maximum bounds the window, with room left for answers to commands."""
    make_backlog(tmp_path / "station" / "data", 100)
    faulty.receive_maximum = 12
    faulty.decide = for_outcomes(lambda seq: 0 if seq <= 50 else "silence")
    start(faulty.port)

    most = 50 + 12 - sending.LEFT_FOR_ANSWERS
    wait_for(lambda: len(faulty.outcomes(faulty.tried)) == most)
    wait_for(lambda: len([packet for packet in faulty.tried if packet.topic.endswith("/health")]) > 3)

    assert seqs(faulty.tried) == list(range(1, most + 1))
