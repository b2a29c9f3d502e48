"""The connection ends at each byte of the exchange: CONNECT, CONNACK, SUBSCRIBE, SUBACK, PUBLISH, PUBACK."""

from __future__ import annotations

import json

import pytest

from tests.brokers import wait_for
from tests.delivery.hostile import Call, HostileBroker
from tests.delivery.station import Station

#: A number without a common divisor with the lengths of packets, so that a sample meets each kind.
SAMPLE_STEP = 89


def exchange(station: Station, broker: HostileBroker, *, cut_in: int | None = None, cut_out: int | None = None) -> Call:
    """One outcome on a new connection that ends after a byte; gives that connection when the outcome was taken."""
    broker.forget()
    first: list[Call] = []

    def prepare(call: Call) -> None:
        if not first:
            call.cut_in, call.cut_out, call.by_reset = cut_in, cut_out, bool((cut_in or cut_out or 0) % 2)
            first.append(call)

    broker.prepare = prepare
    broker.end_connections()
    wanted = station.inspect_next()
    wait_for(station.sent, f"the outcome after a cut at {cut_in or cut_out}")
    told = [json.loads(packet.payload) for packet in broker.heard if packet.topic.endswith("/outcome")]
    assert {each["inspection_id"] for each in told} == {wanted}
    assert len({(packet.payload, tuple(packet.user_properties)) for packet in broker.tried}) == 1
    return first[0]


def sweep(station: Station, broker: HostileBroker, step: int) -> int:
    """Cut at every byte to the station, and at every `step`th from it; gives how many cuts there were."""
    whole = exchange(station, broker)
    cuts_out = range(1, whole.num_out + 1)
    cuts_in = range(1, whole.num_in + 1, step)
    for cut in cuts_out:
        exchange(station, broker, cut_out=cut)
    for cut in cuts_in:
        exchange(station, broker, cut_in=cut)
    assert station.store.outbox.num_dead() == 0
    assert [row.seq for row in station.store.outcomes(limit=10_000)][::-1] == list(
        range(1, len(cuts_out) + len(cuts_in) + 2)
    )
    return len(cuts_out) + len(cuts_in)


def test_a_connection_may_end_at_any_byte(station: Station, broker: HostileBroker) -> None:
    """At each byte to the station and a sample of those from it: the outcome arrives, its bytes never differ (L11)."""
    assert sweep(station, broker, SAMPLE_STEP) > 40


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_connection_may_end_at_every_byte(station: Station, broker: HostileBroker) -> None:
    """At each byte of the whole exchange the outcome arrives, and its bytes never differ (L11)."""
    assert sweep(station, broker, 1) > 1500
