"""The reader process: loads one reader, warms it, then measures and reads the frames that inspectors send.

Promises: `READY=1` comes after a reading of a drawn frame succeeded, so that the first part is not the slow one; a
failure of the reader is an answer that says so, never an empty reading (law L3); a frame is decoded and searched for
text once, however many questions are asked about it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import structlog
import zmq

from edge.adapters import images, sockets, systemd
from edge.adapters.heartbeat import Heartbeat
from edge.adapters.reader_link import Question, ReaderDesk
from edge.core.fields import Product
from edge.core.quality import Quality
from edge.core.reading import Reading
from edge.errors import WorldError
from edge.readers import opening
from edge.readers.reader import Image, Located, Reader
from edge.settings import Settings
from edge.vision import quality

log = structlog.get_logger()

TURN_MS = 250
#: The service manager is asked for this much: loading and compiling the weights of ocr takes 2 to 6 s on two cores;
#: torch alone takes 3 to 15 s to import, and 20 GB of a large model come from a slow disk at 100 MB/s.
START_S: Mapping[str, float] = {"ocr": 120.0, "remote": 120.0, "vlm": 300.0, "ocr+vlm": 300.0}

Stop = threading.Event | Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Known:
    """The frame that was asked about last, as far as it is worked out."""

    frame_id: str
    image: Image
    located: Located


class ReaderService:
    """One reader's process; `run` is its loop."""

    def __init__(
        self, runtime_dir: Path, reader: Reader, product: Product, *, context: sockets.Context | None = None
    ) -> None:
        self._reader = reader
        self._product = product
        self._desk = ReaderDesk(runtime_dir, context=context)
        self._heartbeat = Heartbeat(runtime_dir, "reader", context=context)
        self._counts: Counter[str] = Counter()
        self._known: _Known | None = None

    def run(self, stop: Stop) -> None:
        """Answer questions until `stop`.

        Raises:
            ReaderError: when the reader cannot read even the frame that is drawn for it at the start.
        """
        stopped = stop.is_set if isinstance(stop, threading.Event) else stop
        poller = zmq.Poller()
        poller.register(self._desk.socket, zmq.POLLIN)
        try:
            self._warm()
            systemd.notify_ready(f"reader {self._reader.name} is warm")
            while not stopped():
                while (question := self._desk.receive()) is not None:
                    self._answer(question)
                    systemd.notify_progress()
                if self._heartbeat.due():
                    self._beat()
                systemd.notify_progress()
                poller.poll(TURN_MS)
            systemd.notify_stopping()
        finally:
            self._desk.close()
            self._heartbeat.close()

    def _beat(self) -> None:
        """Say that the process is well, what was read, and what the reader tells of its own neighbours."""
        tells: Callable[[], Mapping[str, str | int]] = getattr(self._reader, "facts", dict)
        facts = {"reader": self._reader.name, "reader_hash": self._reader.hash, **tells(), **self._counts}
        self._heartbeat.beat(**{**facts, "state": "ready"})

    def _warm(self) -> None:
        systemd.notify_starting("warming the reader", extend_s=START_S.get(self._reader.name, max(START_S.values())))
        reading = self._reader.read(drawn_frame(), self._product)
        log.info("reader warm", reader=self._reader.name, reader_hash=self._reader.hash, ms=dict(reading.ms))

    def _answer(self, question: Question) -> None:
        try:
            answer = self._work(question)
        except WorldError as error:
            self._counts["failed"] += 1
            log.warning("could not read", frame_id=question.frame_id, task=question.task, why=str(error))
            self._desk.fail(question, str(error))
        except Exception as error:  # whatever a reader raises, its asker hears that it failed (L3)
            self._counts["failed"] += 1
            log.exception("the reader raised an error that it should have named", frame_id=question.frame_id)
            self._desk.fail(question, f"{type(error).__name__} in the reader: see its log")
        else:
            self._counts[question.task] += 1
            self._desk.answer(question, answer)

    def _work(self, question: Question) -> Quality | Reading:
        known = self._known
        if known is None or known.frame_id != question.frame_id:
            image = images.decode(question.image, question.frame_id)
            known = _Known(question.frame_id, image, self._reader.locate(image))
            self._known = known
        if question.task == "judge":
            return quality.measure(known.image, known.located.boxes)
        return self._reader.read(known.image, self._product, known.located, question.draft)


def drawn_frame() -> Image:
    """A frame with two lines of text, 600 x 960 px, to warm a reader with."""
    frame = np.full((600, 960, 3), 200, np.uint8)
    for row, text in enumerate(("MODEL AX-4711", "S/N 12345678AB")):
        cv2.putText(frame, text, (150, 250 + 90 * row), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (30, 30, 30), 3, cv2.LINE_AA)
    return frame


def open_reader(settings: Settings) -> Reader:
    """The reader that `[reader]` names, loaded.

    Raises:
        ReaderError: it cannot be loaded.
    """
    asked, remote = settings.reader, settings.reader.remote
    if remote is not None:
        # Nobody waits longer for this process than `timeout_ms`; one that still waits for its server could not take
        # the next part's question.
        remote = remote.model_copy(update={"timeout_s": min(remote.timeout_s, asked.timeout_ms / 1000)})
    return opening.open_reader(
        asked.kind, threads=asked.threads, model=asked.model, device=asked.device, remote=remote, warm=True
    )


def build(settings: Settings) -> ReaderService:
    """The reader process of this station, ready to `run`."""
    kind = settings.reader.kind
    systemd.notify_starting(f"loading reader {kind}", extend_s=START_S[kind])
    return ReaderService(settings.paths.runtime, open_reader(settings), settings.product)
