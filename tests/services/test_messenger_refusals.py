"""The messenger against a broker that refuses, vanishes, lies and stays silent."""

from __future__ import annotations

import itertools

import pytest

from edge.services import delivery
from tests.brokers import FaultBroker, wait_for
from tests.services.station import BASE, Start, for_outcomes, seqs


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


def test_an_outcome_that_nobody_hears_waits_where_a_subscriber_is_needed(start: Start, faulty: FaultBroker) -> None:
    """Where a broker takes outcomes and gives them to nobody, they go out, in order, once somebody hears (L11)."""
    faulty.decide = for_outcomes(lambda _seq: 0x10)
    station = start(faulty.port, needs_subscriber=True)
    for number in range(4):
        station.inspect(number)
    wait_for(lambda: len(faulty.outcomes(faulty.tried)) > 2)
    waiting, dead = station.store.outbox.num_waiting(), station.store.outbox.num_dead()
    heard: list[int] = []

    def hear(seq: int) -> int:
        heard.append(seq)
        return 0

    faulty.decide = for_outcomes(hear)
    wait_for(station.sent)

    assert (waiting, dead) == (4, 0)
    assert heard == [1, 2, 3, 4]


def test_an_outcome_that_nobody_hears_is_told_where_none_is_needed(start: Start, faulty: FaultBroker) -> None:
    """Without that setting `no matching subscribers` is what MQTT says it is: no failure."""
    faulty.decide = for_outcomes(lambda _seq: 0x10)
    station = start(faulty.port)
    station.inspect(1)

    wait_for(station.sent)

    assert seqs(faulty.tried) == [1]
