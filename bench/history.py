"""How long the page's history takes with a million outcomes: `python bench/history.py [FOLDER]`.

Prints how long each kind of search takes over HTTP, beside what an empty store takes in the same run, and how long the
processor works for it, client and panel together: the clock depends on what else the machine does.
The store is filled by SQL (its own commits would take hours) and stays in FOLDER, where one is given.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from tests.web.crowd import pour
from tests.web.site import Site, site

OUTCOMES = 1_000_000
ROUNDS = 15
SEARCHES = {
    "newest page": "",
    "page in the middle": "before=500000",
    "serial, whole": "serial=SN00123456",
    "serial, 100 of them": "serial=SN001234",
    "serial, 10,000 of them": "serial=SN0012",
    "serial, all of them": "serial=SN",
    "serial, none": "serial=XX",
    "any text": "text=SN00123456",
    "model, a tenth": "model=M7",
    "reason, 1 %": "reason=mismatch",
    "disposition": "disposition=hold",
    "an hour, ten days ago": "since=2026-01-02T10:00:00Z&until=2026-01-02T11:00:00Z",
    "reason in an old hour": "reason=mismatch&since=2026-01-02T10:00:00Z&until=2026-01-02T11:00:00Z",
    "model and reason": "model=M7&reason=unreadable",
    "reason that never was": "reason=camera_failed",
    "rare text, rare reason": "text=M7&reason=duplicate_serial",
}


def times_ms(station: Site, address: str) -> tuple[float, float, float]:
    """How long an address takes: the middle and the longest by the clock, and the middle of this process's work."""
    clock, worked = [], []
    for _ in range(ROUNDS):
        begun, busy = time.perf_counter(), time.process_time()
        with urllib.request.urlopen(station.url + address) as answer:  # noqa: S310 - our own panel
            answer.read()
        clock.append((time.perf_counter() - begun) * 1000)
        worked.append((time.process_time() - busy) * 1000)
    return statistics.median(clock), max(clock), statistics.median(worked)


def main() -> None:
    """Fill, ask, print."""
    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryDirectory() as made:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(made)
        begun = time.perf_counter()
        pour(folder / "data", OUTCOMES, at_once=50_000)
        size_gb = (folder / "data" / "edge.db").stat().st_size / 1e9
        print(f"{OUTCOMES:,} outcomes, {size_gb:.1f} GB, filled in {time.perf_counter() - begun:.0f} s")
        with site(Path(empty)) as small, site(folder) as large:
            print(f"{'':26}     clock   longest   processor   (all three of an empty store), ms")
            asked = {name: f"/v1/outcomes?{query}" for name, query in SEARCHES.items()}
            for name, address in (asked | {"held parts": "/v1/held", "line view": "/v1/line"}).items():
                mine, other = times_ms(large, address), times_ms(small, address)
                print(f"{name:26}" + "".join(f"{one:10.1f}" for one in (*mine, *other)))


if __name__ == "__main__":
    main()
