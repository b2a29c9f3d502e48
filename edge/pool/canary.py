"""The canary: a drawn frame that says what a replica must read, so that health means reading and not answering.

Promises: a replica is ready only when it has read the drawn frame; it is ill as soon as it no longer reads there what
it read at its start, or does not read at all.
"""

from __future__ import annotations

import time
from concurrent.futures import TimeoutError as Late

from edge.core.reading import Reading
from edge.errors import ReaderError
from edge.pool.batch_queue import RefusedError
from edge.pool.replica import ReadFrame, Replica
from edge.products import NAMEPLATE, to_product
from edge.readers.drawn import DRAWN, drawn_png, says_drawn

STATION = "edge-canary"


class Canary:
    """One replica's canary.

    Raises:
        ReaderError: the replica does not read what the frame says.
    """

    def __init__(self, replica: Replica, *, within_s: float = 30.0) -> None:
        self._replica, self._within_s = replica, within_s
        self._frame = ReadFrame(drawn_png(), to_product(NAMEPLATE))
        self._answered = 0
        self._read()  # prepares the reader, and says nothing of how long a reading takes
        replica.measure([self._frame])
        first = self._read()
        text = " ".join(line.text for line in first.lines)
        if not says_drawn(text):
            raise ReaderError(
                f"the reader {first.reader} ({first.reader_hash[:12]}) reads {text[:60]!r} where {' and '.join(DRAWN)} "
                "is drawn: it cannot read; use another model"
            )
        self._first = _texts(first)

    def check(self) -> None:
        """Read the frame again.

        Raises:
            ReaderError: the replica is ill.
        """
        answered = self._replica.facts()["answers"].get("answered", 0)
        try:
            texts = _texts(self._read())
        except RefusedError as error:
            if answered > self._answered:
                self._answered = answered
                return  # it has no time for its canary because it reads
            raise ReaderError(f"the canary was not read, nor anything else since: {error}") from error
        self._answered = answered
        if texts != self._first:
            raise ReaderError(
                f"the canary was read as {texts}, and as {self._first} at the start: the reader has changed"
            )

    def _read(self) -> Reading:
        end_s = time.monotonic() + self._within_s
        try:
            told = self._replica.put(STATION, self._frame, round(self._within_s * 1e6)).result(end_s - time.monotonic())
        except Late:
            raise ReaderError(f"the canary was not read within {self._within_s:g} s: the reader hangs") from None
        assert isinstance(told, Reading)
        return told


def _texts(reading: Reading) -> dict[str, str]:
    """What each look read of each field."""
    return {f"{look.reader} {name}": field.text for look in reading.looks for name, field in look.fields.items()}
