"""Searches of the history: a person's come at once, and who never rests gets a share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from edge.web.lane import BURST_S, MAX_WAITING, SHARE, Lane
from edge.web.refusals import RefusedError


@dataclass
class Time:
    """A clock that goes on where somebody works or waits."""

    now_s: float = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s

    async def pause(self, seconds: float) -> None:
        """Wait."""
        self.now_s += seconds


async def search(lane: Lane, time: Time, work_s: float) -> None:
    """One search."""
    async with lane.turn():
        time.now_s += work_s


def test_a_person_searches_without_a_pause() -> None:
    """Searches of a second's work in all are answered as they come, and again after a rest."""
    time = Time()
    lane = Lane(time, time.pause)

    async def look() -> list[float]:
        ends = []
        for _ in range(2):
            for _ in range(50):
                await search(lane, time, BURST_S / 50)
            ends.append(time.now_s)
            time.now_s += BURST_S / SHARE
        return ends

    first, second = asyncio.run(look())

    assert first == pytest.approx(BURST_S)
    assert second == pytest.approx(BURST_S / SHARE + 2 * BURST_S)


def test_a_client_that_never_rests_gets_a_share() -> None:
    """A thousand searches of 15 ms, each as soon as the last is answered: all are, in a tenth of a processor."""
    time = Time()
    lane = Lane(time, time.pause)

    async def hammer() -> None:
        for _ in range(1000):
            await search(lane, time, 0.015)

    asyncio.run(hammer())

    assert 1000 * 0.015 / time.now_s == pytest.approx(SHARE, rel=0.1)


def test_a_search_too_many_is_refused_by_name() -> None:
    """Who comes when so many wait is told to come again (L12); those who wait are answered one after the other."""
    time = Time()
    lane = Lane(time, time.pause)
    begun = asyncio.Event()
    at_once = most = 0

    async def slow() -> None:
        nonlocal at_once, most
        async with lane.turn():
            at_once += 1
            most = max(most, at_once)
            await begun.wait()
            at_once -= 1

    async def crowd() -> str:
        waiting = [asyncio.create_task(slow()) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(RefusedError) as told:
            await search(lane, time, 0.001)
        begun.set()
        await asyncio.gather(*waiting)
        await search(lane, time, 0.001)
        return told.value.kind

    assert asyncio.run(crowd()) == "max_searches"
    assert most == 1
