"""The store as the page's routes use it: opened when it is there, opened anew after it failed.

Promise: the panel never makes a store; while there is none, whoever asks hears a `StoreError` that says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from edge.adapters.database import FILE_NAME, Clock, Database
from edge.adapters.disk import Disk
from edge.adapters.history import History
from edge.adapters.recorded import Recorded
from edge.adapters.reviews import Reviews
from edge.adapters.store import Store
from edge.core.alarm import USUAL, AlarmPolicy
from edge.errors import StoreError


class _Closes(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=_Closes)


class Stored:
    """One station's store. Each part has a connection of its own, so that a search holds up no review."""

    def __init__(
        self,
        data_dir: Path,
        station: str,
        *,
        correction_topic: str,
        reserve_bytes: int = 0,
        alarm: AlarmPolicy = USUAL,
        clock: Clock | None = None,
    ) -> None:
        self.data_dir = data_dir
        self._reserve_bytes, self._alarm = reserve_bytes, alarm
        self._station, self._topic = station, correction_topic
        self._clock = clock or Clock()
        self._open: dict[str, _Closes] = {}
        self._lock = threading.Lock()

    @property
    def is_there(self) -> bool:
        """Whether there is a store yet."""
        return (self.data_dir / FILE_NAME).exists()

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The store, for what the station says of itself.

        Raises:
            StoreError: There is no store, or it cannot be read.
        """
        disk = Disk(self.data_dir, self._reserve_bytes)
        with self._part("store", lambda database: Store(database, self._station, disk, self._alarm)) as store:
            yield store

    @contextmanager
    def history(self, use: str = "history") -> Iterator[History]:
        """The past; `use` names whose connection it is.

        Raises:
            StoreError: There is no store, or it cannot be read.
        """
        with self._part(use, lambda database: History(database, self._station)) as history:
            yield history

    @contextmanager
    def reviews(self) -> Iterator[Reviews]:
        """What people say about outcomes.

        Raises:
            StoreError: There is no store, or it cannot be read or written.
        """
        with self._part("reviews", lambda database: Reviews(database, self._station, self._topic)) as reviews:
            yield reviews

    @contextmanager
    def recorded(self) -> Iterator[Recorded]:
        """What it takes to play inspections again.

        Raises:
            StoreError: There is no store, or it cannot be read.
        """
        with self._part("recorded", lambda database: Recorded(database, self._station)) as recorded:
            yield recorded

    def close(self) -> None:
        """Close every connection."""
        for use in list(self._open):
            self._close(use)

    @contextmanager
    def _part(self, use: str, make: Callable[[Database], T]) -> Iterator[T]:
        try:
            with self._lock:
                if use not in self._open:
                    self._open[use] = make(self._database())
                part = self._open[use]
            yield part  # type: ignore[misc]  # what `make` made under this name
        except StoreError:
            self._close(use)
            raise

    def _database(self) -> Database:
        if not self.is_there:
            raise StoreError(f"there is no {FILE_NAME} in {self.data_dir} yet: start the inspector")
        return Database.open(self.data_dir, self._clock)

    def _close(self, use: str) -> None:
        with self._lock:
            part = self._open.pop(use, None)
        if part is not None:
            part.close()
