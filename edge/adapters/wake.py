"""How a thread wakes a loop that polls: a file descriptor that is readable once somebody has called (eventfd(2))."""

from __future__ import annotations

import os
from contextlib import suppress


class Wake:
    """Wakes a loop that polls `fd`, from any thread; calls that come before the loop looks are one."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def __call__(self) -> None:
        """Wake it."""
        with suppress(OSError, ValueError):  # the loop has ended: the descriptor is closed, or -1
            os.eventfd_write(self.fd, 1)

    def clear(self) -> None:
        """It is awake."""
        with suppress(BlockingIOError):
            os.eventfd_read(self.fd)

    def close(self) -> None:
        """Give the descriptor back; who calls later wakes nobody, and writes into no other file of its number."""
        fd, self.fd = self.fd, -1
        os.close(fd)
