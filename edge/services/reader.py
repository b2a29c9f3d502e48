"""The reader process: loads one reader, warms it, then measures and reads the frames that inspectors send.

Promises: `READY=1` comes after a reading of a drawn frame succeeded, so that the first part is not the slow one; a
failure of the reader is an answer that says so, never an empty reading (law L3). Questions that come while a batch is
read go together in the next one, oldest deadline first; one whose deadline passes is answered as failed at once (L12).

The reader works in a thread of its own, so that a question is heard, and refused, while it does. Signs of progress come
only with finished batches: a reader that hangs is restarted. Guests (the panel's page and API) are answered while no
station asks, and give way to each.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

import structlog
import zmq

from edge.adapters import sockets, systemd
from edge.adapters.heartbeat import Heartbeat
from edge.adapters.reader_link import Question, ReaderDesk, now_us
from edge.adapters.wake import Wake
from edge.core.fields import Product
from edge.errors import ConfigError
from edge.readers import opening
from edge.readers.drawn import drawn_frame
from edge.readers.reader import Reader
from edge.services.reader_batches import BatchWork, Failed, Told
from edge.services.reader_guests import GuestFailed, GuestQueue, GuestWork, ToldGuest
from edge.services.reader_queue import QuestionQueue, Refused
from edge.services.stop import Stop, asked_by
from edge.settings import Settings

log = structlog.get_logger()

TURN_MS = 250
#: The service manager is asked for this much: loading and compiling the weights of ocr takes 2 to 6 s on two cores;
#: torch alone takes 3 to 15 s to import, and 20 GB of a large model come from a slow disk at 100 MB/s.
START_S: Mapping[str, float] = {"ocr": 120.0, "remote": 120.0, "pool": 120.0, "vlm": 300.0, "ocr+vlm": 300.0}


class ReaderService:
    """One reader's process; `run` is its loop."""

    def __init__(
        self,
        runtime_dir: Path,
        reader: Reader,
        product: Product,
        *,
        max_batch: int = 8,
        context: sockets.Context | None = None,
    ) -> None:
        self._reader = reader
        self._product = product
        self._work = BatchWork(reader, product)
        self._max_batch = max_batch if self._work.batches else 1
        self._desk = ReaderDesk(runtime_dir, context=context)
        self._heartbeat = Heartbeat(runtime_dir, "reader", context=context)
        self._queue = QuestionQueue()
        self._guests = GuestQueue()
        self._guest_work = GuestWork(reader, self._work.product_of)
        self._guest: tuple[Question, Future[ToldGuest | None]] | None = None
        self._answers: SimpleQueue[tuple[Question, Told]] = SimpleQueue()
        self._pieces: SimpleQueue[tuple[Question, str]] = SimpleQueue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reader")
        self._batch: Future[None] | None = None
        self._wake = Wake()
        self._counts: Counter[str] = Counter()
        self._batches: Counter[int] = Counter()

    def run(self, stop: Stop) -> None:
        """Answer questions until `stop`; the batch in work is finished before the end.

        Raises:
            ReaderError: when the reader cannot read even the frame that is drawn for it at the start.
        """
        stopped = asked_by(stop)
        poller = zmq.Poller()
        for source in (self._desk.socket, self._wake.fd):
            poller.register(source, zmq.POLLIN)
        try:
            # Warmed by the thread that reads: OpenMP keeps its helpers by the thread that calls.
            self._thread.submit(self._warm).result()
            systemd.notify_ready(f"reader {self._reader.name} is warm")
            while not stopped():
                self._turn()
                poller.poll(self._wait_ms())
            systemd.notify_stopping()
        finally:
            self._close()

    def _turn(self) -> None:
        """Look once at everything that may have happened."""
        self._wake.clear()
        self._tell_answers()
        self._tell_pieces()
        while (question := self._desk.receive()) is not None:
            if question.guest:
                self._tell_guest(question, self._guests.add(question))
            else:
                self._refuse(self._queue.add(question, now_us()))
        self._refuse(self._queue.expire(now_us()))
        for key in self._desk.called_off():
            self._guests.call_off(key)
        for question, late in self._guests.expire(now_us()):
            self._tell_guest(question, late)
        if self._batch is not None and self._batch.done():
            self._batch.result()
            self._batch = None
            self._tell_answers()
            systemd.notify_progress()
        if self._guest is not None and self._guest[1].done():
            self._end_guest(*self._guest)
        if self._batch is None and self._guest is None:
            self._begin_batch()
        if self._heartbeat.due():
            self._beat()
        if self._batch is None and self._guest is None:
            systemd.notify_progress()

    def _begin_batch(self) -> None:
        if batch := self._queue.take(self._max_batch):
            self._batches[len(batch)] += 1
            self._batch = self._thread.submit(self._work.work, batch, self._tell)
            self._batch.add_done_callback(lambda _done: self._wake())
        elif guest := self._guests.take():
            self._guest = (
                guest,
                self._thread.submit(self._guest_work.work, guest, self._asked_to_give_way, self._piece_of(guest)),
            )
            self._guest[1].add_done_callback(lambda _done: self._wake())

    def _asked_to_give_way(self) -> bool:
        """Whether a station waits, or the guest does not; the reader's thread asks."""
        return len(self._queue) > 0 or self._guests.is_unwanted(now_us())

    def _piece_of(self, guest: Question) -> Callable[[str], None]:
        def hear(text: str) -> None:
            self._pieces.put((guest, text))
            self._wake()

        return hear

    def _end_guest(self, guest: Question, work: Future[ToldGuest | None]) -> None:
        self._guest = None
        told = work.result()
        self._tell_pieces()
        self._guests.done(gave_way=told is None)
        self._counts["guests_gave_way" if told is None else "guests"] += 1
        self._tell_guest(guest, told)
        systemd.notify_progress()

    def _tell_guest(self, guest: Question, told: ToldGuest | None) -> None:
        if isinstance(told, GuestFailed):
            self._counts["guests_failed"] += 1
            self._desk.fail(guest, told.why, told.fault)
        elif told is not None:
            self._desk.answer(guest, told)

    def _tell_pieces(self) -> None:
        with suppress(Empty):
            while True:
                self._desk.piece(*self._pieces.get_nowait())

    def _tell(self, question: Question, told: Told) -> None:
        """Hand an answer over to the loop; the reader's thread calls it."""
        self._answers.put((question, told))
        self._wake()

    def _tell_answers(self) -> None:
        while True:
            try:
                question, told = self._answers.get_nowait()
            except Empty:
                return
            self._queue.done(question)
            if isinstance(told, Failed):
                self._counts["failed"] += 1
                self._desk.fail(question, told.why)
            else:
                self._counts[question.task] += 1
                self._desk.answer(question, told)

    def _refuse(self, refused: list[Refused]) -> None:
        for one in refused:
            self._counts["refused"] += 1
            log.warning("a question is refused", frame_id=one.question.frame_id, task=one.question.task, why=one.why)
            self._desk.fail(one.question, one.why)

    def _wait_ms(self) -> int:
        """Until the next deadline of a waiting question passes, at most a turn."""
        due_us = self._queue.next_expiry_us()
        return TURN_MS if due_us is None else max(0, min(TURN_MS, (due_us - now_us()) // 1000 + 1))

    def _beat(self) -> None:
        """Say that the process is well, what was read and what waits, and what the reader tells of its neighbours."""
        tells: Callable[[], Mapping[str, str | int]] = getattr(self._reader, "facts", dict)
        told = tells()
        age_us = self._queue.oldest_age_us(now_us())
        facts = {
            "reader": self._reader.name,
            "reader_hash": self._reader.hash,
            **told,
            **self._counts,
            "waiting": len(self._queue),
            "guests_waiting": len(self._guests),
            "oldest_age_s": None if age_us is None else round(age_us / 1e6, 3),
            "gpu_memory_bytes": _gpu_memory_bytes(),
            "batches": {str(frames): count for frames, count in sorted(self._batches.items())},
            "problem": "" if told.get("breaker", "closed") == "closed" else f"its server fails ({told['breaker']})",
        }
        self._heartbeat.beat(**{**facts, "state": "ready"})

    def _warm(self) -> None:
        systemd.notify_starting("warming the reader", extend_s=START_S.get(self._reader.name, max(START_S.values())))
        reading = self._reader.read(drawn_frame(), self._product)
        log.info("reader warm", reader=self._reader.name, reader_hash=self._reader.hash, ms=dict(reading.ms))

    def _close(self) -> None:
        self._thread.shutdown(wait=True)
        self._tell_answers()
        if self._guest is not None and self._guest[1].done():
            self._end_guest(*self._guest)
        self._desk.close()
        self._heartbeat.close()
        self._wake.close()


def _gpu_memory_bytes() -> int | None:
    """The memory of the GPU that this process holds; None where it uses none. Imports nothing."""
    torch = sys.modules.get("torch")
    return int(torch.cuda.memory_reserved()) if torch is not None and torch.cuda.is_initialized() else None


def open_reader(settings: Settings, *, warm: bool = True) -> Reader:
    """The reader that `[reader]` names, loaded; `warm`: with all that it compiles for the first frames done.

    Raises:
        ReaderError: it cannot be loaded.
    """
    asked, remote = settings.reader, settings.reader.remote
    if remote is not None:
        # Nobody waits longer for this process than `timeout_ms`; one that still waits for its server could not take
        # the next part's question.
        remote = remote.model_copy(update={"timeout_s": min(remote.timeout_s, asked.timeout_ms / 1000)})
    return opening.open_reader(
        asked.kind,
        threads=asked.threads,
        model=asked.model,
        device=asked.device,
        eight_bits=asked.eight_bits,
        remote=remote,
        pool=asked.pool,
        station=f"{settings.station.site}/{settings.station.line}/{settings.station.name}",
        timeout_s=asked.timeout_ms / 1000,
        warm=warm,
    )


def build(settings: Settings) -> ReaderService:
    """The reader process of this station, ready to `run`.

    Raises:
        ConfigError: another station's reader reads for this one.
        ReaderError: the reader cannot be loaded.
    """
    if settings.reader.shared is not None:
        raise ConfigError(
            f"reader.shared: the reader at {settings.reader.shared} reads for this station, so that it has none of its "
            "own; do not start one (systemctl disable edge-reader), or take the setting out"
        )
    kind = settings.reader.kind
    systemd.notify_starting(f"loading reader {kind}", extend_s=START_S[kind])
    reader = open_reader(settings)
    return ReaderService(settings.paths.runtime, reader, settings.product, max_batch=settings.reader.max_batch)
