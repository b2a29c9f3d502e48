"""The sweep beside the messenger's loop: it holds nothing up, one runs at a time, and a failure ends nothing."""

from __future__ import annotations

import threading

from structlog.testing import capture_logs

from edge.adapters.evidence import Removed
from edge.adapters.retention import Sweep
from edge.errors import StoreError
from edge.services.sweeper import SWEEP_EVERY_US, Sweeper
from tests.brokers import wait_for


def test_a_sweep_that_takes_long_holds_nothing_up_and_is_not_begun_twice() -> None:
    """`turn` comes back at once while a sweep runs, and the next one begins when that has ended and is due."""
    begun: list[int] = []
    may_end = threading.Event()

    def sweep() -> Sweep:
        begun.append(len(begun))
        may_end.wait(20)
        return Sweep(Removed(), outcomes=3)

    sweeper = Sweeper(sweep)
    with capture_logs() as logs:
        sweeper.turn(1)
        wait_for(lambda: begun)
        sweeper.turn(1 + 2 * SWEEP_EVERY_US)
        while_it_runs = len(begun)
        may_end.set()
        sweeper.close()
        sweeper.turn(2)
        not_due = len(begun)
        sweeper.turn(1 + 2 * SWEEP_EVERY_US)
        sweeper.close()

    assert (while_it_runs, not_due, len(begun)) == (1, 1, 2)
    assert [line["outcomes"] for line in logs if line["event"] == "swept"] == [3, 3]


def test_a_sweep_that_fails_is_told_and_tried_again_when_due() -> None:
    """A store that cannot be written is a line in the log, not the end of the messenger."""

    def sweep() -> Sweep:
        raise StoreError("the disk is full: free space")

    sweeper = Sweeper(sweep)
    with capture_logs() as logs:
        for now_us in (1, 1 + SWEEP_EVERY_US):
            sweeper.turn(now_us)
            sweeper.close()

    assert [line["detail"] for line in logs] == ["the disk is full: free space"] * 2
