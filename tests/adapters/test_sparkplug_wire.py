"""Payloads of Sparkplug B, written and read without a package, held against protobuf's own parser."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge.adapters.sparkplug_node import EdgeNode
from edge.adapters.sparkplug_wire import DataType, Metric, encode, wants_rebirth
from tests.services.sparkplug_session import Payload, metrics, read, rebirth

VALUES = st.one_of(
    st.tuples(st.just(DataType.UINT64), st.integers(0, 2**64 - 1)),
    st.tuples(st.just(DataType.INT64), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just(DataType.DOUBLE), st.floats(allow_nan=False)),
    st.tuples(st.just(DataType.BOOLEAN), st.booleans()),
    st.tuples(st.just(DataType.STRING), st.text()),
    st.tuples(st.sampled_from(DataType), st.none()),
)


@given(st.lists(st.tuples(st.text(min_size=1), VALUES, st.integers(0, 2**63), st.booleans())), st.integers(0, 255))
def test_protobufs_own_parser_reads_what_we_write(
    written: list[tuple[str, tuple[DataType, Any], int, bool]], seq: int
) -> None:
    """Whatever the names, values and times: they come out as they went in, and nothing is left over."""
    told = [Metric(name, kind, value, at_ms, old) for name, (kind, value), at_ms, old in written]

    message = read(encode(told, at_ms=5, seq=seq, with_types=True))

    assert (message.timestamp, message.seq, len(message.metrics)) == (5, seq, len(told))
    for metric, read_back in zip(told, message.metrics, strict=True):
        value = {
            DataType.UINT64: read_back.long_value,
            DataType.INT64: (read_back.long_value + 2**63) % 2**64 - 2**63,
            DataType.DOUBLE: read_back.double_value,
            DataType.BOOLEAN: read_back.boolean_value,
            DataType.STRING: read_back.string_value,
        }[metric.datatype]
        assert (read_back.name, read_back.timestamp, read_back.datatype) == (metric.name, metric.at_ms, metric.datatype)
        assert read_back.is_historical == metric.is_historical
        assert read_back.is_null if metric.value is None else value == metric.value


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_or_none(raw: bytes) -> None:
    """A command that cannot be read asks for nothing, and nothing breaks."""
    assert wants_rebirth(raw) in (True, False)


def test_a_rebirth_is_read_as_protobuf_writes_it() -> None:
    """Its name and true, among any other metrics; not by another name, not with false, not beyond the limit."""
    many = Payload(timestamp=1, seq=3, uuid="u")
    many.metrics.add(name="Something/Else", double_value=1.5, alias=4)
    many.metrics.add(name="Node Control/Rebirth", boolean_value=True)

    assert wants_rebirth(many.SerializeToString())
    assert wants_rebirth(rebirth())
    assert not wants_rebirth(rebirth(value=False))
    assert not wants_rebirth(rebirth(name="Node Control/Reboot"))
    assert not wants_rebirth(Payload(uuid="u" * 70_000).SerializeToString() + rebirth())


def test_the_number_of_a_connection_is_one_byte() -> None:
    """The number `bdSeq` goes from 255 to 0 (tck-id-...-birth-publish-will-message-payload-bdSeq)."""
    node = EdgeNode({}, {}, 0)

    numbers = [metrics(node.next_death(0))["bdSeq"].long_value for _ in range(258)]

    assert numbers == [*range(256), 0, 1]


def test_an_outcome_told_late_is_marked() -> None:
    """What was decided during an outage is historical, with the time when it was so."""
    node = EdgeNode({"Outcome/Seq": DataType.UINT64}, {}, 0)

    message = node.data(node.note({"Outcome/Seq": 7}, 1234, is_historical=True), 9999)

    metric = metrics(message)["Outcome/Seq"]
    assert (metric.is_historical, metric.timestamp, metric.long_value) == (True, 1234, 7)
    assert read(message).timestamp == 9999
