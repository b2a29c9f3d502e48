"""Promises of the pool's queue: nobody is lost, nobody starves, and what cannot be in time is not queued."""

from __future__ import annotations

from collections import Counter

import hypothesis.strategies as st
from hypothesis import given

from edge.core.batch_times import BatchTimes
from edge.core.fair_queue import PROBE_US, FairQueue, Refused, Waiting

STATIONS = st.sampled_from(["storm", "b", "c", "d"])
#: What happens, and how long after the last: a question with its time, or a batch that is taken and lasts so long.
ASKED = st.tuples(st.just("ask"), STATIONS, st.integers(0, 400_000), st.integers(0, 50_000))
TAKEN = st.tuples(st.just("take"), st.just(""), st.integers(1, 200_000), st.integers(0, 50_000))


def measured(**ms: int) -> BatchTimes:
    """Times of batches by size: `of1=20, of8=80`."""
    times = BatchTimes()
    for size, spent in ms.items():
        for _ in range(3):
            times.took(int(size[2:]), spent * 1000)
    return times


def queue(times: BatchTimes | None = None, **limits: int) -> FairQueue[int]:
    """A queue of numbered questions."""
    return FairQueue(times or BatchTimes(), **{"max_batch": 4, "waiting": 10, "of_station": 3, **limits})


def ask(station: str, number: int = 0, expires_us: int = 10**9, since_us: int = 0) -> Waiting[int]:
    """A question of a station."""
    return Waiting(station, number, expires_us, since_us)


@given(st.lists(st.one_of(ASKED, TAKEN), max_size=60))
def test_every_question_leaves_exactly_once(events: list[tuple[str, str, int, int]]) -> None:
    """Whatever comes in whatever order: each question is taken once or refused once, and the limits hold (L12)."""
    times, now_us = BatchTimes(), 0
    waits = queue(times)
    left: Counter[int] = Counter()
    asked = 0
    for what, station, much_us, later_us in events:
        now_us += later_us
        if what == "ask":
            asked += 1
            refused = waits.add(ask(station, asked, now_us + much_us, now_us), now_us)
            left.update([] if refused is None else [refused.question.what])
        else:
            batch, gone = waits.take(now_us)
            assert all(one.expires_us > now_us for one in batch)
            assert len(batch) <= 4
            left.update([one.what for one in batch] + [one.question.what for one in gone])
            if batch:
                now_us += much_us
                times.took(len(batch), much_us)
            waits.finished()
        assert len(waits) <= 10
    while len(waits):
        batch, gone = waits.take(now_us)
        left.update([one.what for one in batch] + [one.question.what for one in gone])

    assert left == Counter(range(1, asked + 1))


@given(st.integers(1, 30), st.integers(1, 8))
def test_a_storm_costs_others_one_turn(storm: int, max_batch: int) -> None:
    """However many questions one station has waiting, another's first is among the next two that are taken."""
    waits = queue(max_batch=max_batch, waiting=100, of_station=30)
    for number in range(storm):
        waits.add(ask("storm", number), 0)
    waits.add(ask("quiet", 1000), 0)

    taken: list[int] = []
    while 1000 not in taken:
        taken += [one.what for one in waits.take(0)[0]]
    assert taken.index(1000) <= 1


def test_a_storm_is_stopped_at_its_own_limit() -> None:
    """A station has so many questions waiting and no more, and the refusal names the limit (L12)."""
    waits = queue()
    told = [waits.add(ask("storm", number), 0) for number in range(4)]

    last = told[-1]
    assert told[:3] == [None] * 3
    assert isinstance(last, Refused)
    assert (last.why, waits.add(ask("b"), 0)) == ("max_waiting_station", None)
    assert "max_waiting_station" in last.sentence


def test_a_full_queue_names_its_limit() -> None:
    """One question too many is refused by the limit's name (L12)."""
    waits = queue(waiting=2)
    told = [waits.add(ask(station), 0) for station in "abc"]

    assert [one and one.why for one in told] == [None, None, "max_waiting"]


def test_what_cannot_make_its_deadline_is_not_queued() -> None:
    """By the measured time of the batch in work and of its own, an answer that would be late is refused at once."""
    waits = queue(measured(of1=100, of4=200))
    waits.add(ask("a", expires_us=500_000), 0)
    waits.take(0)

    refused = waits.add(ask("b", expires_us=150_000), 0)
    assert refused is not None
    assert (refused.why, refused.retry_after_us) == ("cannot_make_deadline", 50_000)
    assert "200 ms by the measured time of a batch, and is due in 150" in refused.sentence
    assert waits.add(ask("b", expires_us=210_000), 0) is None


def test_those_that_are_refused_come_again_together() -> None:
    """Whenever they came, they are told the moment at which a full batch with all of them can still be in time."""
    waits = queue(measured(of1=180, of4=240))
    waits.add(ask("a"), 0)
    waits.take(0)

    told = [waits.add(ask(name, expires_us=at_us + 250_000), at_us) for name, at_us in (("b", 10_000), ("c", 100_000))]
    moments = [one and at_us + one.retry_after_us for one, at_us in zip(told, (10_000, 100_000), strict=True)]
    assert moments == [170_000, 170_000]
    assert [waits.add(ask(name, expires_us=420_000), 170_000) for name in "bcde"] == [None] * 4
    assert len(waits.take(180_000)[0]) == 4


def test_batches_stay_large_when_time_is_short() -> None:
    """One whose deadline is out of reach at the batch's size is refused, rather than making the batch small for it."""
    waits = queue(BatchTimes())
    for station, expires_us in (("a", 60_000), ("b", 500_000), ("c", 500_000), ("d", 500_000)):
        waits.add(ask(station, expires_us=expires_us), 0)
    waits._times.took(4, 100_000)
    batch, refused = waits.take(0)

    assert [one.station for one in batch] == ["b", "c", "d"]
    assert [(one.question.station, one.why) for one in refused] == [("a", "cannot_make_deadline")]


def test_a_time_that_was_measured_wrong_heals() -> None:
    """An idle replica whose times became too long reads one question a second all the same, and measures anew."""
    waits = queue(measured(of1=5000))
    first = waits.add(ask("a", 1, 100_000), 0)
    batch, _ = waits.take(0)
    waits.finished()
    second = waits.add(ask("a", 2, 200_000), 100_000)
    third = waits.add(ask("a", 3, PROBE_US + 100_000), PROBE_US)

    assert ([one.what for one in batch], first, third) == ([1], None, None)
    assert second is not None


@given(st.lists(st.tuples(st.integers(1, 16), st.integers(1, 10**6)), min_size=1, max_size=40))
def test_an_estimate_never_shrinks_as_a_batch_grows(spent: list[tuple[int, int]]) -> None:
    """A larger batch is never expected sooner than a smaller one, whatever was measured."""
    times = BatchTimes()
    for size, spent_us in spent:
        times.took(size, spent_us)

    estimates = [times.estimate_us(size) for size in range(1, 33)]
    assert estimates == sorted(estimates)


def test_one_late_batch_changes_no_estimate() -> None:
    """A pause of the machine is forgotten at once; two are not."""
    times = measured(of1=20)
    times.took(1, 3_000_000)
    after_one = times.estimate_us(1)
    times.took(1, 3_000_000)

    assert (after_one, times.estimate_us(1)) == (20_000, 3_000_000)
