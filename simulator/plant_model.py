"""How long a question waits for a reader, and how many readers a plant needs, by queueing theory.

One reader, M/G/1: questions of many stations that know nothing of each other come nearly without memory (Poisson), and
take a time that has the distribution which was measured. The mean wait is Pollaczek's and Khinchine's,
    W = rho / (1 - rho) * (1 + c_s^2) / 2 * S,    rho = lambda S,
and the whole distribution is the geometric sum of equilibrium residuals (Kleinrock, Queueing Systems I, 1975, 5.7):
    P(W <= t) = sum over n of (1 - rho) rho^n * F_e^(n)(t),
computed here by Panjer's recursion (ASTIN Bulletin 12, 1981) on a grid.

Several readers, G/G/c: Allen's and Cunneen's approximation (Allen, Probability, Statistics and Queueing Theory, 1990,
5.3), which is exact for M/M/c and for M/G/1 and is Kingman's bound for c = 1:
    W = C(c, rho c) / (c (1 - rho)) * (c_a^2 + c_s^2) / 2 * S,    C: Erlang's.
Readers that are asked in turn, c of them: each sees every c-th question, whose c_a^2 is 1 / c (sum of c exponentials).

A reader that reads up to b frames together in s(k) = fixed + each * k (bulk service, Bailey 1954): the number that is
left behind at the end of a batch is a Markov chain, solved here as it stands.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Steps of the grid for one mean service: a mean is true to a thousandth, and so is the 99th percentile.
STEPS_A_SERVICE = 100
MAX_STEPS = 20_000
#: A reader of batches that is busier than this is not worked out: who plans for it has no time for a bad day.
MOST_BUSY = 0.97
#: Moments within a batch at which a question may come.
MOMENTS = 20


@dataclass(frozen=True, slots=True)
class Wait:
    """What a model says of waiting, in the unit of the service times. `share`: of the time that a reader is busy."""

    share: float
    mean: float
    p99: float


def single(arrivals: float, services: Sequence[float]) -> Wait:
    """M/G/1 with measured services.

    Raises:
        ValueError: more comes than can be served.
    """
    took = np.asarray(services, np.float64)
    mean = float(took.mean())
    share = arrivals * mean
    _check(share)
    expected = arrivals * float((took**2).mean()) / (2 * (1 - share))
    return Wait(share, expected, _percentile(took, share, 0.99))


def several(arrivals: float, mean: float, cs2: float, servers: int, ca2: float = 1.0) -> Wait:
    """G/G/c by Allen and Cunneen; the 99th percentile by the exponential tail that waits have (Whitt, QNA, 1983).

    Raises:
        ValueError: more comes than can be served.
    """
    share = arrivals * mean / servers
    _check(share)
    delayed = erlang_c(servers, arrivals * mean)
    expected = delayed / (servers * (1 - share)) * (ca2 + cs2) / 2 * mean
    # Who waits at all waits expected / delayed on the average.
    p99 = 0.0 if delayed <= 0.01 else math.log(delayed / 0.01) * expected / delayed
    return Wait(share, expected, p99)


def in_turn(arrivals: float, services: Sequence[float], servers: int) -> Wait:
    """One of several readers that are asked in turn; `arrivals` are its own. Kingman's G/G/1.

    Raises:
        ValueError: more comes than can be served.
    """
    if servers == 1:
        return single(arrivals, services)
    took = np.asarray(services, np.float64)
    mean = float(took.mean())
    return several(arrivals, mean, float(took.var()) / mean**2, 1, 1 / servers)


def batched(arrivals: float, fixed: float, each: float, most: int) -> Wait:
    """A reader that reads up to `most` frames together, in `fixed + each * k` for k of them.

    Raises:
        ValueError: more comes than can be served.
    """
    share = arrivals * (fixed + each * most) / most
    _check(share, MOST_BUSY)
    states = 8 * most + round(20 / (1 - share))
    left = _left_behind(arrivals, fixed, each, most, states)
    # Who comes while a batch is read waits for its rest, and for every whole batch of those that came before.
    waits, weights = [np.zeros(1)], [np.array([left[0]])]  # who finds nobody does not wait
    whole = fixed + each * most
    for number, chance in enumerate(left):
        service = fixed + each * min(max(number, 1), most)
        stay = max(0, number - most)
        for gone in (np.arange(MOMENTS) + 0.5) / MOMENTS * service:
            come = _poisson(arrivals * gone, states)
            groups = np.bincount((stay + np.arange(states)) // most, come)
            waits.append(service - gone + whole * np.arange(len(groups)))
            weights.append(groups * chance * arrivals * service / MOMENTS)
    every, weight = np.concatenate(waits), np.concatenate(weights)
    order = np.argsort(every)
    reached = np.cumsum(weight[order]) / weight.sum()
    p99 = float(every[order][min(len(every) - 1, int(np.searchsorted(reached, 0.99)))])
    return Wait(share, float((every * weight).sum() / weight.sum()), p99)


def erlang_c(servers: int, load: float) -> float:
    """The chance that all of several servers are busy (Erlang, 1917); `load` in servers."""
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def needed(arrivals: float, wait_of: Callable[[float], Wait], limit: float, most: int = 100_000) -> int:
    """How many readers of their own share of the questions keep the 99th percentile of waiting within a limit.

    Raises:
        ValueError: not even `most` do.
    """
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        try:
            is_enough = wait_of(arrivals / middle).p99 <= limit
        except ValueError:
            is_enough = False
        low, high = (low, middle) if is_enough else (middle, high)
    if high == most:
        raise ValueError(f"no number of readers up to {most} keeps the wait within {limit:g}")
    return high


def compare(
    waited: Sequence[float], took: Sequence[float], arrivals_hz: float, *, servers_in_turn: int = 1
) -> dict[str, Any]:
    """What was measured beside what the model says, in milliseconds; times come in microseconds."""
    services = np.asarray(took, np.float64) / 1000
    ordered = np.sort(np.asarray(waited, np.float64) / 1000)
    measured = {"mean": float(ordered.mean()), "p99": float(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))])}
    facts: dict[str, Any] = {
        "questions": len(services),
        "arrivals_hz": arrivals_hz,
        "readers": servers_in_turn,
        "service_ms": float(services.mean()),
        "service_cs2": float(services.var() / services.mean() ** 2),
        "measured_ms": measured,
    }
    try:
        model = in_turn(arrivals_hz / 1000, services.tolist(), servers_in_turn)
    except ValueError as error:
        return facts | {"model": str(error)}
    predicted = {"mean": model.mean, "p99": model.p99}
    off = {name: predicted[name] / measured[name] - 1 if measured[name] else math.inf for name in measured}
    return facts | {"busy": model.share, "predicted_ms": predicted, "off": off}


def lines(waits: dict[str, Any]) -> list[str]:
    """The comparison for people."""
    head = (
        f"reader: {waits['questions']} questions, {waits['arrivals_hz']:.1f} a second each of {waits['readers']}, "
        f"{waits['service_ms']:.2f} ms, c_s^2 {waits['service_cs2']:.2f}"
    )
    if "predicted_ms" not in waits:
        return [head, f"  no model: {waits.get('model')}"]
    rows = [
        f"  wait {name:4} measured {waits['measured_ms'][name]:8.3f} ms   model {waits['predicted_ms'][name]:8.3f} ms "
        f"  {waits['off'][name]:+.0%}"
        for name in ("mean", "p99")
    ]
    return [f"{head}, busy {waits['busy']:.0%}", *rows]


def _check(share: float, most: float = 1.0) -> None:
    if not 0 < share < most:
        raise ValueError(f"the readers would be busy {share:.0%} of the time: add some, or ask them less")


def _percentile(took: Floats, share: float, wanted: float) -> float:
    """The wait that this share does not exceed."""
    if 1 - share >= wanted:
        return 0.0
    step = float(took.mean()) / STEPS_A_SERVICE
    top = min(MAX_STEPS, int(took.max() / step) + 2)
    # The equilibrium residual has the density (1 - F) / mean: its weight in each step of the grid, by middles.
    edges = (np.arange(top) + 0.5) * step
    above = 1 - np.searchsorted(np.sort(took), edges, side="right") / len(took)
    weights = above / above.sum()
    # Panjer for a geometric number of terms: g_n = share * sum f_k g_(n-k), f_0 = 0 by choosing the upper ends.
    f = np.concatenate([[0.0], weights])
    g = [1 - share]
    total = g[0]
    while total < wanted and len(g) < MAX_STEPS:
        reach = min(len(g), len(f) - 1)
        g.append(share * float(np.dot(f[1 : reach + 1], g[-1 : -reach - 1 : -1])))
        total += g[-1]
    return (len(g) - 1.5) * step


def _left_behind(arrivals: float, fixed: float, each: float, most: int, states: int) -> Floats:
    """The distribution of how many wait when a batch ends."""
    moves = np.zeros((states, states))
    for number in range(states):
        size = min(max(number, 1), most)
        stay = max(0, number - most)
        come = _poisson(arrivals * (fixed + each * size), states - stay)
        moves[number, stay:] = come
        moves[number, -1] += 1 - come.sum()
    system = moves.T - np.eye(states)
    system[-1] = 1.0  # all chances together are 1; one of the other equations follows from the rest
    left = np.linalg.solve(system, np.concatenate([np.zeros(states - 1), [1.0]]))
    return np.asarray(np.clip(left, 0, None), np.float64)


def _poisson(mean: float, count: int) -> Floats:
    numbers = np.arange(count)
    logs = numbers * math.log(mean) - mean - np.array([math.lgamma(number + 1) for number in numbers])
    return np.asarray(np.exp(logs), np.float64)


#: Milliseconds that an H200 takes for a batch, and for each frame of it beside: 15, 24, 45, 84 and 167 ms for 1, 2, 4,
#: 8 and 16 plates of 108 image tokens with the reference architecture (README, `bench/gpu.py`).
GPU_FIXED_MS, GPU_EACH_MS, GPU_BATCH = 5.0, 10.1, 8


def main(arguments: list[str] | None = None) -> int:
    """Say how many readers a plant needs."""
    parser = argparse.ArgumentParser(prog="python -m simulator.plant_model", description=main.__doc__)
    parser.add_argument("--stations", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=1.0, help="triggers a second and station (%(default)s)")
    parser.add_argument("--looks", type=float, default=1.0, help="readings a part (%(default)s)")
    parser.add_argument("--within-ms", type=float, default=250.0, help="from question to answer, p99 (%(default)s)")
    parser.add_argument("--fixed-ms", type=float, default=GPU_FIXED_MS, help="of a batch (%(default)s)")
    parser.add_argument("--each-ms", type=float, default=GPU_EACH_MS, help="of each frame of it (%(default)s)")
    parser.add_argument("--batch", type=int, default=GPU_BATCH, help="most frames together (%(default)s)")
    asked = parser.parse_args(arguments)
    per_ms = asked.stations * asked.rate * asked.looks / 1000
    print(
        f"{asked.stations} stations, {per_ms * 1000:.0f} readings a second, answers within {asked.within_ms:g} ms (p99)"
    )
    for most in sorted({1, 2, 4, asked.batch}):
        longest = asked.fixed_ms + asked.each_ms * most
        try:
            count = needed(
                per_ms, lambda rate, most=most: batched(rate, asked.fixed_ms, asked.each_ms, most),  # type: ignore[misc]
                asked.within_ms - longest,
            )  # fmt: skip
        except ValueError as error:
            print(f"  batches of {most:2}: {error}")
            continue
        wait = batched(per_ms / count, asked.fixed_ms, asked.each_ms, most)
        print(
            f"  batches of {most:2}: {count} readers, busy {wait.share:.0%}, wait mean {wait.mean:.0f} and p99 "
            f"{wait.p99:.0f} ms, a batch {longest:.0f} ms"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
