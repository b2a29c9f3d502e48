"""Work that gives way: what a reader does for a guest is broken off as soon as a station asks.

A guest is whoever asks by the panel's page or HTTP API: a part on the line must not wait for it. Readers call
`give_way` between two steps, each some 10 to 40 ms long; where nobody asked for it, that does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class GaveWay(BaseException):
    """Raised inside work that gives way; the work may be begun again."""


def _never() -> bool:
    return False


_asked: ContextVar[Callable[[], bool]] = ContextVar("_asked", default=_never)


@contextmanager
def gives_way(asked: Callable[[], bool]) -> Iterator[None]:
    """Within the block, `give_way` breaks the work off once `asked` says so; any thread may be asked to call it."""
    before = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(before)


def give_way() -> None:
    """Break the work off, if that is asked for.

    Raises:
        GaveWay: it is.
    """
    if _asked.get()():
        raise GaveWay


def handed_on() -> Callable[[], None]:
    """What does the same as `give_way` for a thread that works for this one."""
    asked = _asked.get()

    def check() -> None:
        if asked():
            raise GaveWay

    return check
