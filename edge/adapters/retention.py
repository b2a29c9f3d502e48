"""What is given up of the past, and when: evidence, outcomes, dead letters, serials, and room in `edge.db`.

Promises: nothing goes that the broker has not taken and no person has dropped, save dead letters where an age is set;
counters, `seq` and the balance triggers == outcomes + open stay as they are; a sweep may be ended anywhere and goes on
with the next one, and no transaction of it touches more than `AT_ONCE` rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge.adapters.evidence import EvidenceFolder, Removed
from edge.adapters.store import Store

#: Later than any wall time that is written.
_ANY_TIME = "9"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much; None: without end."""

    evidence_days: float | None = None
    evidence_bytes: int | None = None
    outcome_days: float | None = None
    store_bytes: int | None = None
    dead_letter_days: float | None = None
    serial_days: float | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """What one sweep gave up."""

    evidence: Removed
    outcomes: int = 0
    dead_letters: int = 0
    serials: int = 0
    given_back_bytes: int = 0


def sweep(data_dir: Path, store: Store, limits: Limits, now: datetime) -> Sweep:
    """Give up what is too old or too much, oldest first.

    Raises:
        StoreError: The store could not be asked or written, or an evidence file not be removed.
    """
    kept, folder = store.kept, EvidenceFolder(data_dir)

    def older(days: float | None, give_up: Callable[[str], int]) -> int:
        """Give up some at a time until none is older."""
        if days is None:
            return 0
        before = (now - timedelta(days=days)).astimezone(UTC).isoformat()
        return _all(lambda: give_up(before))

    # Dead letters first: an outcome is told once its letter is dropped, and may go with the others.
    dead_letters = older(limits.dead_letter_days, store.outbox.expire)
    evidence = folder.sweep(store, keep_days=limits.evidence_days, max_bytes=limits.evidence_bytes, now=now)
    outcomes = older(limits.outcome_days, kept.forget)
    while limits.store_bytes is not None and kept.used_bytes() > limits.store_bytes:
        # An outcome does not go while its evidence is kept: the oldest evidence goes first, where nothing else can.
        if forgotten := kept.forget(_ANY_TIME):
            outcomes += forgotten
        elif not folder.remove_oldest(store):
            break
    serials = older(limits.serial_days, kept.forget_serials)
    return Sweep(evidence, outcomes, dead_letters, serials, given_back_bytes=_all(kept.give_back))


def _all(some: Callable[[], int]) -> int:
    total = 0
    while done := some():
        total += done
    return total
