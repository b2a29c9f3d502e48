"""Shadow reading: a sample of what the gate rejects is read for the statistics, and no part notices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.adapters.frames import Frame
from edge.adapters.reader_link import Answered, Question, ReaderDesk, ReadFailure
from edge.core.outcome import Attempt, FieldOutcome, Outcome, Reason
from edge.core.reading import Reading
from edge.errors import StoreError
from edge.services.inspector_shadow import COUNTERS, SHADOW, ShadowReads
from tests.core.parts import PLATE, field, policy, product, quality, reading
from tests.services.test_inspector import Site, wait_for

OTHER = {**PLATE, "serial": "10418873KF"}
FRAME = Frame("f1", b"frame", "00" * 32, None, 0, 0, 5000, 0.0, "normal", "t1", 1, 8, 8, False, "i1")
HELD = Outcome("i1", "t1", Reason.UNREADABLE)
PASSED = Outcome("i1", "t1", Reason.MATCHED, fields={name: FieldOutcome(field(name, PLATE[name])) for name in PLATE})


def shadow(counts: Counter[str], share: float = 1.0, least_pauses: int = 0) -> ShadowReads:
    """Shadow readings that count into memory."""

    def count(name: str) -> None:
        counts[name] += 1

    return ShadowReads(share, product(), policy(), count, least_pauses=least_pauses)


@pytest.mark.parametrize(
    ("outcome", "answer", "counter"),
    [
        (PASSED, reading(), "shadow_agreed"),
        (PASSED, reading(OTHER), "shadow_otherwise"),
        (HELD, reading(), "shadow_sure"),
        (HELD, reading(confidence=0.4), "shadow_unsure"),
        (HELD, reading({"model": PLATE["model"]}), "shadow_unsure"),
        (HELD, None, "shadow_failed"),
    ],
)
def test_what_was_read_is_weighed_against_what_the_part_passed_with(
    outcome: Outcome, answer: Reading | None, counter: str
) -> None:
    """A reject that reads as the pass did, or surely where nothing passed, was not needed; each has its counter."""
    counts: Counter[str] = Counter()
    one = shadow(counts)
    one.rejected(FRAME)
    one.committed(outcome, 1_000_000)
    assert one.due() == FRAME

    one.told(Answered(SHADOW, answer) if answer else ReadFailure(SHADOW, "the reader is away"))

    assert counts == {counter: 1}
    assert one.due() is None


def test_nothing_is_asked_before_the_outcome_is_durable_nor_after_the_next_part_came() -> None:
    """A frame waits for the end of its own inspection, and gives way to the next one (L10)."""
    counts: Counter[str] = Counter()
    one = shadow(counts)
    one.rejected(FRAME)

    assert one.due() is None
    one.committed(HELD, 1_000_000)
    one.begun(2_000_000)
    assert one.due() is None
    assert counts == {"shadow_dropped": 1}


@pytest.mark.parametrize(("pause_us", "asked"), [(1_000_000, True), (500_000, False)])
def test_a_station_without_pauses_is_left_alone(pause_us: int, asked: bool) -> None:
    """Only where the shortest known pause holds two of the longest known readings is a frame sent."""
    one = shadow(Counter(), least_pauses=3)
    was_read = replace(HELD, attempts=(Attempt(1, ms={"read": 400.0}),))
    for number in range(3):
        one.committed(was_read, number * 10_000_000)
        assert one.due() is None
        one.begun(number * 10_000_000 + pause_us)

    one.rejected(FRAME)
    one.committed(was_read, 90_000_000)

    assert (one.due() is FRAME) is asked


def test_the_sample_is_a_share_of_the_frames_chosen_by_their_hash() -> None:
    """A share of 5 in 100 chooses about that many of all frames, and the same ones again."""
    chosen = []
    for _ in range(2):
        one = shadow(Counter(), share=0.05)
        found = []
        for number in range(2000):
            one.rejected(replace(FRAME, sha256=f"{number * 2654435761 % 2**32:08x}" + "0" * 56))
            one.committed(HELD, number)
            if one.due() is not None:
                found.append(number)
            one.told(ReadFailure(SHADOW, ""))
            one.begun(number)
        chosen.append(found)

    assert chosen[0] == chosen[1]
    assert 60 <= len(chosen[0]) <= 140


@given(st.lists(st.sampled_from(["rejected", "committed", "begun", "due", "told"]), max_size=60))
def test_every_frame_that_was_chosen_ends_in_one_counter(steps: list[str]) -> None:
    """Whatever comes in whatever order, nothing is counted twice and nothing is lost (L12)."""
    counts: Counter[str] = Counter()
    one = shadow(counts)
    chosen = 0
    for now_us, step in enumerate(steps):
        match step:
            case "rejected":
                one.rejected(FRAME)
                chosen += 1
            case "committed":
                one.committed(HELD, now_us)
            case "begun":
                one.begun(now_us)
            case "due":
                one.due()
            case _:
                one.told(Answered(SHADOW, reading()))
    one.rejected(FRAME)  # pushes out what may still wait

    assert counts.total() == chosen
    assert set(counts) <= {f"shadow_{name}" for name in COUNTERS}


def test_a_full_disk_costs_the_count_and_not_the_station() -> None:
    """A counter that cannot be written is logged and left."""

    def refuse(_name: str) -> None:
        raise StoreError("edge.db cannot be written (disk full): free space")

    one = ShadowReads(1.0, product(), policy(), refuse, least_pauses=0)
    one.rejected(FRAME)
    one.committed(HELD, 1)

    one.begun(2)

    assert one.due() is None


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site that reads every rejected frame in shadow."""
    made = Site(tmp_path)
    made.shadow = ShadowReads(1.0, product(), made.policy, made.store.count, least_pauses=0)
    yield made
    made.close()


def test_the_station_reads_a_rejected_frame_after_its_outcome_and_counts_it(site: Site) -> None:
    """The outcome names the gate's defect and was written without the reading; the count tells of it (L2, L4)."""
    outcomes_when_asked = []

    def glare_always(desk: ReaderDesk, question: Question) -> None:
        if question.task == "read":
            outcomes_when_asked.append(site.store.counts()["outcomes"])
        desk.answer(question, quality(glare=10) if question.task == "judge" else reading())

    site.answer = glare_always
    told = site.start().outcome(site.trigger())
    counts = wait_for(lambda: site.store.counts().get("shadow_sure"))

    assert (told["reason"], told["defects"]) == ("unreadable", ["glare"])
    assert told["fields"] == {}
    assert counts == 1
    assert outcomes_when_asked == [1]
