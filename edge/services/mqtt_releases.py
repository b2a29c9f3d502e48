"""Releases by MQTT: each is checked, kept whole on the disk, and answered on the topic `release_state`.

Promise: nothing that arrives here is fatal, and nothing of it is used before all of it was checked; a release that is
refused is answered with its reason and every mistake, and the one before it stays; one that is answered as taken is on
the disk. A release of trusted hands may have patterns that take seconds to try: that is done in a thread, beside the
messenger's loop.
"""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal

import structlog

from edge import settings_release
from edge.adapters.database import monotonic_us, wall_time
from edge.adapters.messages import ReleaseState
from edge.adapters.mqtt_facts import Command
from edge.adapters.payload import release_name
from edge.adapters.release_file import ReleaseFile
from edge.core.outcome import SCHEMA
from edge.errors import StoreError
from edge.releases import ReleaseError, ReleaseRefusal
from edge.settings import Settings

log = structlog.get_logger()

#: Releases that wait to be checked. A station gets one in a while: so many are a fault, or an attack.
MAX_WAITING_RELEASES = 10
#: Mistakes that an answer lists; a release may have thousands.
MAX_PROBLEMS = 100
MAX_PROBLEM_LENGTH = 1000
#: A disk that could not be written is tried again after this long.
AGAIN_US = 1_000_000


class Releases:
    """Follows the releases of one station. The messenger's loop calls `hear` and `turn`."""

    def __init__(self, settings: Settings) -> None:
        """`settings` as they were loaded, under the release that was taken last."""
        self.topic, self.state_topic = settings.topic("release"), settings.topic("release_state")
        self._own, self._present = settings.own, settings.under
        self._station = settings.station.name
        self._file = ReleaseFile(settings.release_file)
        self._waiting: deque[Command] = deque()
        self._checked: Future[ReleaseState] | None = None
        self._pause_until_us = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="release")
        #: The last answer, to be told on each connection; None where there never was a release.
        self.state: ReleaseState | None = None
        if self._present is not None:
            self.state = self._said(self._file.read() or b"", "taken")

    def hear(self, command: Command) -> ReleaseState | None:
        """Put a release into the queue; the answer at once where the queue is full.

        One that waits already has come again, on another connection or by hand: it is checked once.
        """
        again = next((place for place, one in enumerate(self._waiting) if one.payload == command.payload), None)
        if again is not None:
            self._waiting[again] = command
        elif len(self._waiting) >= MAX_WAITING_RELEASES:
            sentence = f"{MAX_WAITING_RELEASES} releases wait to be checked, which is the limit: push one at a time"
            return self._refused(command.payload, ReleaseError(ReleaseRefusal.MAX_WAITING_RELEASES, sentence))
        else:
            self._waiting.append(command)
        return None

    def turn(self) -> tuple[Command, ReleaseState | None] | None:
        """A release that is done with, and the answer to it; None where none is. Never blocks."""
        if not self._waiting:
            return None
        if not self._waiting[0].payload:  # its retained message was cleared: there is nothing to take
            return self._waiting.popleft(), None
        if self._checked is None:
            if monotonic_us() >= self._pause_until_us:
                self._checked = self._pool.submit(self._follow, self._waiting[0].payload)
            return None
        if not self._checked.done():
            return None
        checked, self._checked = self._checked, None
        try:
            self.state = checked.result()
        except StoreError as error:
            self._pause_until_us = monotonic_us() + AGAIN_US
            log.warning("a release is not kept", problem=str(error))
            return None
        return self._waiting.popleft(), self.state

    def close(self) -> None:
        """Wait for what is being written."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _follow(self, message: bytes) -> ReleaseState:
        try:
            release = settings_release.opened(self._own, message)
            name = release.name
            if settings_release.newer_than(self._present, name):
                settings_release.under(self._own, release)
                self._file.write(message)
                self._present = name
                log.info("release taken", number=name.number, sha256=name.sha256)
        except ReleaseError as error:
            return self._refused(message, error)
        return self._said(message, "taken")

    def _refused(self, message: bytes, error: ReleaseError) -> ReleaseState:
        problems = [problem[:MAX_PROBLEM_LENGTH] for problem in error.problems[:MAX_PROBLEMS]]
        log.warning("release refused", reason=error.reason.value, problems=problems)
        return {**self._said(message, "refused"), "reason": error.reason, "problems": problems}

    def _said(self, message: bytes, state: Literal["taken", "refused"]) -> ReleaseState:
        return {
            "schema": SCHEMA,
            "station": self._station,
            "state": state,
            "message": hashlib.sha256(message).hexdigest(),
            "present": None if self._present is None else release_name(self._present),
            "reason": None,
            "problems": [],
            "at": wall_time(),
        }
