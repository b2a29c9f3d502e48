"""Payloads of Sparkplug B, as far as an edge node of ours sends and hears them: protobuf, written by hand.

The numbers are those of the definition `org.eclipse.tahu.protobuf.Payload` (Sparkplug 3.0, chapter 6). Promise: what is
encoded here is read alike by protobuf's own parser and by Eclipse Tahu's library (tested). No package is needed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

REBIRTH = "Node Control/Rebirth"
#: A command longer than this is not read, in bytes. A rebirth has some 40.
MAX_COMMAND_BYTES = 64 * 1024

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_PAYLOAD_TIMESTAMP, _PAYLOAD_METRICS, _PAYLOAD_SEQ = 1, 2, 3
_NAME, _TIMESTAMP, _DATATYPE, _IS_HISTORICAL, _IS_NULL = 1, 3, 4, 5, 7
_LONG_VALUE, _DOUBLE_VALUE, _BOOLEAN_VALUE, _STRING_VALUE = 11, 13, 14, 15


class DataType(IntEnum):
    """The kinds of values that we send, by the numbers of the definition."""

    INT64 = 4
    UINT64 = 8
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12


Value = int | float | bool | str | None


@dataclass(frozen=True, slots=True)
class Metric:
    """One value by its name, with the time when it was so (ms since 1970, UTC). None: there is no value."""

    name: str
    datatype: DataType
    value: Value
    at_ms: int
    is_historical: bool = False


def encode(metrics: Sequence[Metric], *, at_ms: int, seq: int | None, with_types: bool = False) -> bytes:
    """One payload. A death has no `seq`; births and deaths name each metric's datatype, which data leave out."""
    written = b"".join(_bytes(_PAYLOAD_METRICS, _metric(metric, with_type=with_types)) for metric in metrics)
    return _number(_PAYLOAD_TIMESTAMP, at_ms) + written + (b"" if seq is None else _number(_PAYLOAD_SEQ, seq))


def wants_rebirth(payload: bytes) -> bool:
    """Whether a node command asks for a birth; what cannot be read asks for nothing."""
    try:
        if len(payload) > MAX_COMMAND_BYTES:
            return False
        written = [value for number, value in _fields(payload) if number == _PAYLOAD_METRICS]
        metrics = [dict(_fields(value)) for value in written if isinstance(value, bytes)]
        return any(each.get(_NAME) == REBIRTH.encode() and each.get(_BOOLEAN_VALUE) == 1 for each in metrics)
    except (ValueError, TypeError, IndexError):
        return False


def _metric(metric: Metric, *, with_type: bool) -> bytes:
    written = _bytes(_NAME, metric.name.encode()) + _number(_TIMESTAMP, metric.at_ms)
    if with_type:
        written += _number(_DATATYPE, metric.datatype)
    if metric.is_historical:
        written += _number(_IS_HISTORICAL, 1)
    return written + _value(metric)


def _value(metric: Metric) -> bytes:
    if metric.value is None:
        return _number(_IS_NULL, 1)
    match metric.datatype:
        case DataType.STRING:
            return _bytes(_STRING_VALUE, str(metric.value).encode())
        case DataType.DOUBLE:
            return _key(_DOUBLE_VALUE, _FIXED64) + struct.pack("<d", float(metric.value))
        case DataType.BOOLEAN:
            return _number(_BOOLEAN_VALUE, int(metric.value))
        case DataType.INT64 | DataType.UINT64:
            return _number(_LONG_VALUE, int(metric.value))


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _number(number: int, value: int) -> bytes:
    return _key(number, _VARINT) + _varint(value)


def _bytes(number: int, value: bytes) -> bytes:
    return _key(number, _LENGTH) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers go as two's complement
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def _fields(payload: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a message, of whatever number.

    Raises:
        ValueError: it is not protobuf.
        IndexError: it is cut off.
    """
    at = 0
    while at < len(payload):
        key, at = _read_varint(payload, at)
        value: bytes | int
        match key & 7:
            case 0:
                value, at = _read_varint(payload, at)
            case 1 | 2 | 5 as kind:
                size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
                if size is None:
                    size, at = _read_varint(payload, at)
                value, at = payload[at : at + size], at + size
                if at > len(payload):
                    raise IndexError(at)
            case kind:
                raise ValueError(f"wire type {kind}")
        yield key >> 3, value


def _read_varint(payload: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = payload[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
    raise ValueError("a number of more than 64 bits")
