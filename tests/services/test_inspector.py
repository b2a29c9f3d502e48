"""The inspector process with a real store and real sockets, between a capture and a reader that are played."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import zmq

from edge.adapters.erp import Record
from edge.adapters.evidence import EvidenceFolder
from edge.adapters.frames import Frame, FramePublisher
from edge.adapters.reader_link import Question, ReaderDesk
from edge.adapters.signals_link import Teller
from edge.adapters.store import OutcomeRow, Store
from edge.core.outcome import Evidence, Outcome
from edge.core.policy import Policy
from edge.errors import ErpError, StoreError
from edge.services.inspector import Inspector
from edge.services.inspector_desks import EvidenceDesk, RecordDesk
from edge.services.inspector_release import ReleaseDesk
from edge.services.inspector_shadow import ShadowReads
from tests.core.parts import PLATE, product, quality, reading

IMAGE = b"\xff\xd8\xff a frame as the camera encoded it"
AT = "2026-11-25T00:00:00.000Z"
QUICK = Policy(
    deadline_us=20_000_000,
    frame_timeout_us=5_000_000,
    read_timeout_us=5_000_000,
    record_timeout_us=5_000_000,
    retake_budget_us=20_000_000,
)
#: Longest wait for what must come; it decides nothing when it comes sooner.
PATIENCE_S = 60.0


def wait_for(fact: Callable[[], Any]) -> Any:
    """What `fact` gives as soon as it gives something."""
    until = time.monotonic() + PATIENCE_S
    while not (found := fact()):
        assert time.monotonic() < until, "nothing came"
        time.sleep(0.01)
    return found


@dataclass
class PlayedErp:
    """ERP that answers from memory, or fails, or hangs until it is let go."""

    records: dict[str, dict[str, str]] = field(default_factory=lambda: {PLATE["serial"]: PLATE})
    away: bool = False
    hangs: threading.Event | None = None

    def lookup(self, serial: str) -> Record:
        """One record, or an error."""
        if self.hangs is not None:
            self.hangs.wait(PATIENCE_S)
        if self.away:
            raise ErpError("ERP is away: look at its server")
        return Record(self.records.get(serial, {}), "played", 0.5)

    def close(self) -> None:
        """For the protocol."""


class FullDisk(Store):
    """A store whose disk is full for the first commits."""

    refusals = 2

    def commit(self, outcome: Outcome, **facts: Any) -> int:
        """Refuse, then write."""
        if self.refusals:
            self.refusals -= 1
            raise StoreError("edge.db cannot be written (disk full): free space")
        return super().commit(outcome, **facts)


class Site:
    """An inspector in a thread, and whoever answers it."""

    def __init__(
        self, folder: Path, policy: Policy = QUICK, store: type[Store] = Store, reader_dir: Path | None = None
    ) -> None:
        self.reader_dir = reader_dir
        self.folder, self.policy, self.store_type = folder, policy, store
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.erp = PlayedErp()
        self.store = Store.open(folder, "st1")
        self.takes_answered = True
        self.answer: Callable[[ReaderDesk, Question], None] = answer_well
        self.shadow: ShadowReads | None = None
        self.releases: ReleaseDesk | None = None
        self.questions: list[Question] = []
        self.capture = FramePublisher(folder, "main", context=self.context)
        self.desk = ReaderDesk(reader_dir or folder, context=self.context)
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._play)]
        self.poke = self.context.socket(zmq.PUSH)
        self.poke.setsockopt(zmq.LINGER, 0)

    def start(self) -> Site:
        """Start the players, then the inspector."""
        self.threads.append(threading.Thread(target=self._inspect))
        for thread in self.threads:
            thread.start()
        return self

    def trigger(self, name: str = "t1", expected: dict[str, str] | None = None) -> str:
        """A part is in place."""
        inspection_id, _ = self.store.add_trigger(
            name, expected=expected or dict(PLATE), source="test", at=AT, at_us=time.monotonic_ns() // 1000
        )
        return inspection_id

    def outcome(self, inspection_id: str) -> dict[str, Any]:
        """The outcome, as it will be told, once it is there."""
        row: OutcomeRow = wait_for(lambda: self.store.outcome(inspection_id))
        told: dict[str, Any] = json.loads(row.payload)
        return told

    def close(self) -> None:
        """Stop all, the inspector first."""
        self.over.set()
        for thread in reversed(self.threads):
            if thread.ident:
                thread.join()
        for part in (self.capture, self.desk, self.poke, self.store):
            part.close()
        self.context.term()

    def _inspect(self) -> None:
        store = self.store_type.open(self.folder, "st1")
        evidence = EvidenceFolder(self.folder)

        def keep(frame: Frame) -> Evidence:
            return evidence.write(frame.image, inspection_id=frame.inspection_id, attempt=frame.attempt, at=AT)

        inspector = Inspector(
            runtime_dir=self.folder,
            camera="main",
            product=product(),
            policy=self.policy,
            store=store,
            records=RecordDesk(self.erp, store.earlier_pass),
            evidence=EvidenceDesk(keep),
            topic=lambda suffix: f"edge/v1/site/line/st1/{suffix}",
            config_hash="c0ffee",
            reader_dir=self.reader_dir,
            product_text="the product of this station",
            shadow=self.shadow,
            signals=Teller(self.folder, context=self.context),
            releases=self.releases,
            context=self.context,
        )
        inspector.run(self.over)

    def _play(self) -> None:
        while not self.over.is_set() or self.threads[-1].is_alive():
            for take in self.capture.receive():
                if self.takes_answered:
                    now_us = time.monotonic_ns() // 1000
                    frame = Frame(
                        frame_id=f"f{take.take_id}",
                        image=IMAGE,
                        sha256=hashlib.sha256(IMAGE).hexdigest(),
                        camera_us=None,
                        exposed_us=now_us,
                        received_us=now_us,
                        exposure_us=take.exposure_us or 0,
                        gain_db=0.0,
                        light=take.light or "",
                        trigger_id=take.trigger_id,
                        attempt=take.attempt,
                        width_px=8,
                        height_px=8,
                        frozen=False,
                        inspection_id=take.inspection_id,
                    )
                    self.capture.answer(take, frame)
            while (question := self.desk.receive()) is not None:
                self.questions.append(question)
                self.answer(self.desk, question)
            time.sleep(0.002)


def answer_well(desk: ReaderDesk, question: Question) -> None:
    """Every frame is good and says what is printed."""
    desk.answer(question, quality() if question.task == "judge" else reading())


def answer_nothing(desk: ReaderDesk, question: Question) -> None:
    """The reader hangs."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site that is not started yet."""
    made = Site(tmp_path)
    yield made
    made.close()


def test_a_trigger_ends_in_an_outcome_with_the_bytes_that_the_reader_saw(site: Site) -> None:
    """A good part passes, and its evidence file is byte for byte what the reader was sent (L1, L8)."""
    told = site.start().outcome(site.trigger())

    kept = [(site.folder / one["path"]).read_bytes() for one in told["evidence"]]
    assert (told["disposition"], told["reason"]) == ("pass", "matched")
    assert kept == [IMAGE, IMAGE]
    assert {question.image for question in site.questions} == {IMAGE}
    assert all(one["sha256"] == hashlib.sha256(IMAGE).hexdigest() for one in told["evidence"])


def test_what_was_begun_when_the_inspector_died_is_held_as_interrupted(site: Site) -> None:
    """An inspection that a dead inspector had begun gets its one outcome from the next one (L1)."""
    begun = site.trigger()
    site.store.next_trigger()

    told = site.start().outcome(begun)

    assert (told["disposition"], told["reason"]) == ("hold", "interrupted")


def test_a_trigger_while_busy_is_an_outcome_of_its_own(site: Site) -> None:
    """A trigger that comes while a part is inspected ends at once as overrun; the part itself goes on (L1, L12)."""
    site.takes_answered = False
    first = site.start().trigger("t1")
    wait_for(lambda: not site.store.waiting_triggers())
    second = site.trigger("t2")

    assert site.outcome(second)["reason"] == "overrun"
    assert site.store.outcome(first) is None


def test_a_reader_that_fails_is_not_an_empty_reading(site: Site) -> None:
    """The reader's failure is a reason of its own, with its sentence (L3)."""
    site.answer = lambda desk, question: desk.fail(question, "the weights are gone")
    told = site.start().outcome(site.trigger())

    assert told["reason"] == "reader_failed"
    assert "the weights are gone" in told["detail"]
    assert told["fields"] == {}


def test_a_reader_that_hangs_holds_the_part(tmp_path: Path) -> None:
    """Without an answer the part is held when the time for it is over, and before the deadline (L4, L10)."""
    site = Site(tmp_path, replace(QUICK, read_timeout_us=200_000))
    site.answer = answer_nothing
    told = site.start().outcome(site.trigger())
    site.close()

    assert told["reason"] == "reader_failed"


def test_a_shared_reader_is_asked_in_its_own_folder(tmp_path: Path) -> None:
    """A station may be read for by another's reader: it is asked there, and told what this station makes (L1)."""
    site = Site(tmp_path / "own", reader_dir=tmp_path / "other")
    told = site.start().outcome(site.trigger())
    site.close()

    assert told["reason"] == "matched"
    assert {question.product for question in site.questions} == {"the product of this station"}
    assert not (tmp_path / "own" / "reader.sock").exists()


def test_a_restarted_reader_is_asked_again(site: Site) -> None:
    """A question that a reader took with it when it died is asked of the next one."""
    site.answer = answer_nothing
    inspection_id = site.start().trigger()
    wait_for(lambda: site.questions)
    site.answer = answer_well
    old, site.desk = site.desk, ReaderDesk.__new__(ReaderDesk)
    old.close()
    ReaderDesk.__init__(site.desk, site.folder, context=site.context)

    assert site.outcome(inspection_id)["reason"] == "matched"


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """An outcome that cannot be written is kept and written when it can; the station waits meanwhile (L2, L12)."""
    site = Site(tmp_path, store=FullDisk)
    told = site.start().outcome(site.trigger())
    site.close()

    assert told["reason"] == "matched"


def test_erp_away_holds_the_part(site: Site) -> None:
    """Without a record the part is held, however well it was read (L4)."""
    site.erp.away = True
    told = site.start().outcome(site.trigger())

    assert (told["disposition"], told["reason"]) == ("hold", "erp_unavailable")
    assert "ERP is away" in told["detail"]


def test_a_late_answer_of_erp_does_not_decide_another_part(tmp_path: Path) -> None:
    """ERP's answer for an earlier part, come while the next is checked, is dropped (L4)."""
    site = Site(tmp_path, replace(QUICK, record_timeout_us=200_000))
    site.erp.hangs = threading.Event()
    first = site.start().outcome(site.trigger("t1"))
    site.erp.hangs.set()
    site.erp.hangs = None
    second = site.outcome(site.trigger("t2"))
    site.close()

    assert first["reason"] == "erp_unavailable"
    assert second["reason"] == "matched"


def test_a_serial_passes_once(site: Site) -> None:
    """The second part with the same serial fails as a duplicate of the first."""
    first = site.start().outcome(site.trigger("t1"))
    second = site.outcome(site.trigger("t2"))

    assert second["reason"] == "duplicate_serial"
    assert first["inspection_id"] in second["detail"]


def test_a_retake_is_told_before_its_outcome(site: Site) -> None:
    """A retake's cause and action go through the outbox, in order, before the outcome that they led to (L9, L11)."""
    scores = iter([10, 95])

    def glare_first(desk: ReaderDesk, question: Question) -> None:
        what = quality(glare=next(scores, 95)) if question.task == "judge" else reading()
        desk.answer(question, what)

    site.answer = glare_first
    site.start().outcome(site.trigger())
    messages = [(message.kind, json.loads(message.payload)) for message in site.store.outbox.pending(10)]

    assert [kind for kind, _ in messages] == ["retake", "retake", "outcome"]
    assert (messages[0][1]["cause"], messages[0][1]["action"]) == (["glare"], "light_off_axis")
