"""The queueing model against simulated queues, event by event, and against what is known of them in closed form."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Sequence

import pytest

from simulator import plant_model as model

#: What the model may be off by.
WITHIN = 0.15
QUESTIONS = 120_000


def queue(arrivals: Sequence[float], service: Callable[[], float], servers: int = 1) -> list[float]:
    """The waits of questions that come at these times, first come first served."""
    free = [0.0] * servers
    waits = []
    for at in arrivals:
        begun = max(at, heapq.heappop(free))
        waits.append(begun - at)
        heapq.heappush(free, begun + service())
    return waits


def batches(arrivals: Sequence[float], fixed: float, each: float, most: int) -> list[float]:
    """The waits where whoever is there goes together, up to `most`."""
    waits: list[float] = []
    now, first = 0.0, 0
    while first < len(arrivals):
        now = max(now, arrivals[first])
        size = 1
        while size < most and first + size < len(arrivals) and arrivals[first + size] <= now:
            size += 1
        waits += [now - at for at in arrivals[first : first + size]]
        now += fixed + each * size
        first += size
    return waits


def poisson(rate: float, dice: random.Random, count: int = QUESTIONS) -> list[float]:
    """Times without memory."""
    now, times = 0.0, []
    for _ in range(count):
        now += dice.expovariate(rate)
        times.append(now)
    return times


def summed(waits: list[float]) -> tuple[float, float]:
    """Mean and 99th percentile."""
    return sum(waits) / len(waits), sorted(waits)[int(len(waits) * 0.99)]


SERVICES: dict[str, Callable[[random.Random], float]] = {
    "constant": lambda _dice: 1.0,
    "uniform": lambda dice: dice.uniform(0.5, 1.5),
    "exponential": lambda dice: dice.expovariate(1.0),
    "two kinds": lambda dice: 0.6 if dice.random() < 0.9 else 4.6,
}


@pytest.mark.parametrize("kind", SERVICES)
@pytest.mark.parametrize("busy", [0.3, 0.6, 0.85])
def test_one_reader_waits_as_simulated(kind: str, busy: float) -> None:
    """Mean and 99th percentile of M/G/1 are within 15 % of the simulation, whatever the services look like."""
    dice = random.Random(7)
    times = [SERVICES[kind](dice) for _ in range(4000)]
    rate = busy / (sum(times) / len(times))
    mean, p99 = summed(queue(poisson(rate, dice), lambda: dice.choice(times)))

    said = model.single(rate, times)

    assert said.share == pytest.approx(busy)
    assert said.mean == pytest.approx(mean, rel=WITHIN)
    assert said.p99 == pytest.approx(p99, rel=WITHIN)


@pytest.mark.parametrize("servers", [2, 4, 8])
@pytest.mark.parametrize("kind", ["uniform", "exponential", "two kinds"])
def test_several_readers_of_one_queue_wait_as_simulated(servers: int, kind: str) -> None:
    """Allen's and Cunneen's mean is within 15 % of the simulation at readers that are busy for 85 % of the time."""
    dice = random.Random(8)
    times = [SERVICES[kind](dice) for _ in range(4000)]
    mean_s = sum(times) / len(times)
    cs2 = sum((one - mean_s) ** 2 for one in times) / len(times) / mean_s**2
    rate = 0.85 * servers / mean_s
    mean, _ = summed(queue(poisson(rate, dice), lambda: dice.choice(times), servers))

    assert model.several(rate, mean_s, cs2, servers).mean == pytest.approx(mean, rel=WITHIN)


@pytest.mark.parametrize("most", [1, 4, 16])
@pytest.mark.parametrize("busy", [0.5, 0.8])
def test_a_reader_of_batches_waits_as_simulated(most: int, busy: float) -> None:
    """Mean and 99th percentile of bulk service are within 15 % of the simulation."""
    fixed, each = 5.0, 10.0
    rate = busy * most / (fixed + each * most)
    mean, p99 = summed(batches(poisson(rate, random.Random(9)), fixed, each, most))

    said = model.batched(rate, fixed, each, most)

    assert said.mean == pytest.approx(mean, rel=WITHIN)
    assert said.p99 == pytest.approx(p99, rel=WITHIN)


def test_many_lines_with_a_takt_wait_no_longer_than_without_memory() -> None:
    """200 stations of one takt: over many draws of their phases the mean wait is at most the model's, and near it."""
    dice = random.Random(10)
    waits: list[float] = []
    for _ in range(60):
        begins = [dice.random() for _ in range(200)]
        times = sorted(begin + number + 0.1 * dice.random() for begin in begins for number in range(10))
        waits += queue(times, lambda: 0.003)
    mean, _ = summed(waits)

    said = model.single(200.0, [0.003])

    assert said.mean * 0.7 <= mean <= said.mean * 1.05


def test_readers_that_are_asked_in_turn_wait_less_than_alone() -> None:
    """Every c-th question comes more evenly: Kingman's formula with c_a^2 = 1 / c is within 15 %, from above."""
    dice = random.Random(11)
    times = poisson(2 * 0.8, dice)[::2]
    mean, _ = summed(queue(times, lambda: dice.uniform(0.5, 1.5)))

    said = model.in_turn(0.8, [0.5 + number / 1000 for number in range(1001)], 2)

    assert mean <= said.mean <= mean * (1 + WITHIN)


def test_closed_forms_are_met() -> None:
    """M/M/1, M/D/1 and Erlang's C are what the books say."""
    exponential = [-math.log(1 - (number + 0.5) / 20_000) for number in range(20_000)]

    assert model.single(0.5, exponential).mean == pytest.approx(1.0, rel=0.01)
    assert model.single(0.5, exponential).p99 == pytest.approx(math.log(50) / 0.5, rel=0.02)
    assert model.single(0.5, [1.0]).mean == pytest.approx(0.5)
    assert model.erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert model.several(0.5, 1.0, 1.0, 1).mean == pytest.approx(1.0)


@pytest.mark.parametrize("ask", [lambda: model.single(1.0, [1.0]), lambda: model.batched(1.0, 5, 10, 16)])
def test_more_than_can_be_served_is_refused(ask: Callable[[], object]) -> None:
    """A queue without end has no wait: the sentence says how busy the readers would be."""
    with pytest.raises(ValueError, match="busy"):
        ask()


def test_so_many_readers_as_are_needed_and_not_one_less() -> None:
    """The number keeps the limit, and one reader less does not."""

    def wait_of(rate: float) -> model.Wait:
        return model.batched(rate, 5.0, 10.0, 8)

    count = model.needed(1.0, wait_of, 60.0)

    assert wait_of(1.0 / count).p99 <= 60.0
    assert wait_of(1.0 / (count - 1)).p99 > 60.0
