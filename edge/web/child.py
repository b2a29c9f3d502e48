"""A command of edge, run beside the panel for a person: its lines as they come, with a limit of time.

Promises: the child is gone when the last line is told, when its time is over, and when nobody listens any more; it runs
behind everything else on this PC (`nice`); its errors are told as a line, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Behind every process of the station.
NICE = 15
#: The longest line that is told, bytes; a longer one ends the child.
MOST_LINE = 1_000_000
#: What is told of a child's standard error, characters.
_MOST_ERROR = 4000


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the child."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The child has ended: its exit code, None where its time was over, and what it said on standard error."""

    code: int | None
    said: str


async def lines(config: Path, arguments: Sequence[str], *, limit_s: float) -> AsyncGenerator[Line | Ended]:
    """Run `edge ARGUMENTS --config CONFIG`, and give each line, then how it ended."""
    command = [sys.executable, "-m", "edge", *arguments, "--config", str(config)]
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=MOST_LINE,
        start_new_session=True,
    )
    with contextlib.suppress(OSError):  # the panel's unit may not set priorities; the child has a limit all the same
        os.setpriority(os.PRIO_PROCESS, child.pid, NICE)
    assert child.stdout is not None
    assert child.stderr is not None
    errors = asyncio.create_task(child.stderr.read(), name="errors of a child")
    code: int | None = None
    try:
        try:
            async with asyncio.timeout(limit_s):
                async for line in child.stdout:
                    yield Line(line.decode(errors="replace").rstrip("\n"))
                code = await child.wait()
        except TimeoutError:
            pass
        except ValueError:  # a line longer than the limit
            code = 1
        _end(child)
        said = (await errors).decode(errors="replace").strip()
        yield Ended(code, said[-_MOST_ERROR:])
    finally:
        _end(child)
        errors.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(child.wait())


def _end(child: asyncio.subprocess.Process) -> None:
    """End the child with all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
