"""What an edge node of Sparkplug B remembers: metrics, and the numbers of births and messages. No socket, no clock.

Laws (Sparkplug 3.0): every metric that is ever told is in the birth; `bdSeq` grows by one with each connection and is
the same in its death and its births; `seq` is 0 in a birth and grows by one with each message; 255 is followed by 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.adapters.sparkplug_wire import REBIRTH, DataType, Metric, Value, encode

_BD_SEQ = "bdSeq"
#: Numbers are one byte, whatever their type.
_NUMBERS = 256


class EdgeNode:
    """One node. `datatypes` names every metric that it will tell; those in `values` have one from the start."""

    def __init__(self, datatypes: Mapping[str, DataType], values: Mapping[str, Value], at_ms: int) -> None:
        self._metrics = {name: Metric(name, kind, values.get(name), at_ms) for name, kind in datatypes.items()}
        self._bd_seq = -1
        self._seq = 0

    def next_death(self, at_ms: int) -> bytes:
        """The death of the connection that is made now, to be left with the broker as its will."""
        self._bd_seq = (self._bd_seq + 1) % _NUMBERS
        return self.death(at_ms)

    def death(self, at_ms: int) -> bytes:
        """The death of this connection, for a node that leaves on purpose."""
        return encode([self._birth_number(at_ms)], at_ms=at_ms, seq=None, with_types=True)

    def birth(self, at_ms: int) -> bytes:
        """All metrics with their present values, oldest first; the count of messages begins anew."""
        self._seq = 0
        metrics = sorted(self._metrics.values(), key=lambda metric: metric.at_ms)
        own = [self._birth_number(at_ms), Metric(REBIRTH, DataType.BOOLEAN, False, at_ms)]
        return encode([*metrics, *own], at_ms=at_ms, seq=0, with_types=True)

    def note(self, values: Mapping[str, Value], at_ms: int, *, is_historical: bool = False) -> list[Metric]:
        """Remember values, and give those that are another than before. Names that were not announced are left out."""
        changed = []
        for name, value in values.items():
            before = self._metrics.get(name)
            if before is not None and before.value != value:
                self._metrics[name] = Metric(name, before.datatype, value, at_ms, is_historical)
                changed.append(self._metrics[name])
        return changed

    def data(self, metrics: Sequence[Metric], at_ms: int) -> bytes:
        """The next message after the birth."""
        self._seq = (self._seq + 1) % _NUMBERS
        return encode(metrics, at_ms=at_ms, seq=self._seq)

    def _birth_number(self, at_ms: int) -> Metric:
        return Metric(_BD_SEQ, DataType.INT64, self._bd_seq, at_ms)
