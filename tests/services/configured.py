"""A station's messenger as its settings make it, in a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge import settings
from edge.adapters.store import Store
from edge.core.outcome import Outcome, Reason
from edge.services import messenger
from edge.services.messenger import Messenger
from tests import smallest_station

AT = "2026-01-01T00:00:00.000Z"


def configure(folder: Path, mqtt: str) -> settings.Settings:
    """Settings of a station with these lines in [mqtt], and what tables may follow them."""
    return settings.load(smallest_station.write(folder, f"[mqtt]\n{mqtt}\n"))


@contextmanager
def running(configured: settings.Settings, built: Messenger | None = None) -> Iterator[Store]:
    """The messenger in a thread, `built` or to be built, and the store of its station."""
    stop = threading.Event()
    made = built or messenger.build(configured)
    thread = threading.Thread(target=made.run, args=(stop,))
    thread.start()
    store = Store.open(configured.paths.data, "st")
    try:
        yield store
    finally:
        store.close()
        stop.set()
        thread.join()


def inspect(store: Store, number: int) -> None:
    """One outcome."""
    inspection_id, _ = store.add_trigger(f"t{number}", expected=None, source="x", at=AT, at_us=1)
    store.commit(
        Outcome(inspection_id, f"t{number}", Reason.MATCHED), topic="edge/v1/s/l/st/outcome", config_hash="c", at=AT
    )
