"""The inspector's slow neighbours, each behind a desk that never blocks its loop: ERP, and the evidence folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue

from edge.adapters.database import monotonic_us
from edge.adapters.erp import Erp, Record
from edge.adapters.frames import Frame
from edge.adapters.reader_link import Answered, ReadFailure
from edge.adapters.wake import Wake
from edge.core.actions import LookUp
from edge.core.events import FieldsRead, FrameJudged, ReadFailed, RecordFound, RecordMissing, RecordUnavailable
from edge.core.outcome import Evidence
from edge.core.quality import Quality
from edge.errors import ErpError
from edge.services.inspector_sync import SnapshotSync

#: Questions to ERP that may hang at the same time; one more is answered "unavailable" at once (law L12).
MAX_OPEN_LOOK_UPS = 4

RecordEvent = RecordFound | RecordMissing | RecordUnavailable


class RecordDesk:
    """Asks ERP in threads of its own; `finished` gives the answers as events. Poll `wake`."""

    def __init__(
        self,
        erp: Erp | None,
        passed_before: Callable[[str, str], str | None],
        *,
        sync: SnapshotSync | None = None,
    ) -> None:
        """Prepare.

        Args:
            erp: who is asked; None where there is nobody.
            passed_before: the inspection of this site's store that passed a part of a serial, other than a given one.
            sync: what makes ERP's snapshot meanwhile, closed with the desk.
        """
        self._erp = erp
        self._sync = sync
        self._passed_before = passed_before
        self._answers: SimpleQueue[tuple[LookUp, str, Record | str]] = SimpleQueue()
        self._open = 0
        self._newest_us: int | None = None
        self._pool = ThreadPoolExecutor(MAX_OPEN_LOOK_UPS, thread_name_prefix="erp")
        self.wake = Wake()

    def ask(self, action: LookUp, inspection_id: str) -> None:
        """Ask; never blocks."""
        self._open += 1
        if self._open > MAX_OPEN_LOOK_UPS:
            self._answer(action, inspection_id, f"ERP still owes {MAX_OPEN_LOOK_UPS} answers (max_open_look_ups)")
            return
        self._pool.submit(self._work, action, inspection_id)

    def finished(self, inspection_id: str) -> Iterator[RecordEvent]:
        """Every answer that has come for this inspection, as an event; a late one for an earlier part is dropped."""
        while True:
            try:
                action, asked_for, told = self._answers.get_nowait()
            except Empty:
                return
            self.wake.clear()
            self._open -= 1
            if asked_for == inspection_id:
                yield self._event(action, inspection_id, told)

    def ages_s(self) -> dict[str, float | None]:
        """How old what ERP said last is by now, and its snapshot where one is made; None: there is none."""
        answered = None if self._newest_us is None else round((monotonic_us() - self._newest_us) / 1e6, 3)
        return {"answer_age_s": answered, "snapshot_age_s": None if self._sync is None else self._sync.age_s()}

    def close(self) -> None:
        """Leave questions that hang behind."""
        if self._sync is not None:
            self._sync.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._erp is not None:
            self._erp.close()

    def _work(self, action: LookUp, inspection_id: str) -> None:
        told: Record | str
        try:
            told = Record(source="none") if self._erp is None else self._erp.lookup(action.serial)
        except ErpError as error:
            told = str(error)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises, the part is held, not passed (L4)
            told = f"{type(error).__name__} while asking ERP"
        self._answer(action, inspection_id, told)

    def _answer(self, action: LookUp, inspection_id: str, told: Record | str) -> None:
        self._answers.put((action, inspection_id, told))
        self.wake()

    def _event(self, action: LookUp, inspection_id: str, told: Record | str) -> RecordEvent:
        now_us = monotonic_us()
        if not isinstance(told, str) and self._erp is not None:
            self._newest_us = now_us - round(told.age_s * 1e6)
        if isinstance(told, str):
            return RecordUnavailable(now_us, action.attempt, told)
        if not told.fields and self._erp is not None:
            return RecordMissing(now_us, action.attempt, told.source, told.age_s)
        here = self._passed_before(action.serial, inspection_id)
        before = f"inspection {here}" if here is not None else f"ERP, {told.used}" if told.used else None
        return RecordFound(now_us, action.attempt, told.fields, told.source, told.age_s, before)


class EvidenceDesk:
    """Writes each frame to disk while it is being read; `finish` waits until all of an inspection's are there."""

    def __init__(self, write: Callable[[Frame], Evidence]) -> None:
        self._write = write
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="evidence")
        self._kept: list[tuple[Frame, Future[Evidence]]] = []

    def keep(self, frame: Frame) -> None:
        """Begin to write a frame that the reader is about to see."""
        self._kept.append((frame, self._pool.submit(self._write, frame)))

    def finish(self) -> tuple[Evidence, ...]:
        """The evidence of the inspection, durable on disk. Call again after a failure: what failed is written anew.

        Raises:
            StoreError: a frame could not be written.
        """
        for place, (frame, writing) in enumerate(self._kept):
            if writing.exception() is not None:
                again: Future[Evidence] = Future()
                again.set_result(self._write(frame))
                self._kept[place] = (frame, again)
        return tuple(writing.result() for _, writing in self._kept)

    def clear(self) -> None:
        """Forget the frames of the inspection that has ended."""
        self._kept.clear()

    def close(self) -> None:
        """Wait for what is being written."""
        self._pool.shutdown(wait=True)


def reader_event(told: Answered | ReadFailure) -> FrameJudged | FieldsRead | ReadFailed:
    """What the reader says, as the event that it is."""
    now_us = monotonic_us()
    if not isinstance(told, Answered):
        return ReadFailed(now_us, told.attempt, told.why)
    if isinstance(told.what, Quality):
        return FrameJudged(now_us, told.attempt, told.what)
    return FieldsRead(now_us, told.attempt, told.what)
