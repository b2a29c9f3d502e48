"""How a thread wakes a loop."""

from __future__ import annotations

import os
import select
from pathlib import Path

from edge.adapters.wake import Wake


def is_awake(wake: Wake) -> bool:
    """Whether a loop that polls would go on."""
    return bool(select.select([wake.fd], [], [], 0)[0])


def test_any_number_of_calls_is_one_waking() -> None:
    """A loop that was called goes on until it has looked, and then sleeps, however often it was called."""
    wake = Wake()
    at_first = is_awake(wake)
    wake()
    wake()
    called = is_awake(wake)
    wake.clear()
    after = is_awake(wake)
    wake.clear()
    wake.close()

    assert (at_first, called, after) == (False, True, False)


def test_a_call_after_the_end_writes_into_no_other_file(tmp_path: Path) -> None:
    """A thread that a hung library let go late wakes nobody, though its descriptor's number is another file's."""
    wake = Wake()
    number = wake.fd
    wake.close()
    other = os.open(tmp_path / "other", os.O_CREAT | os.O_RDWR)
    os.dup2(other, number)
    wake()

    assert os.fstat(number).st_size == 0
    os.close(number)
    if other != number:
        os.close(other)
