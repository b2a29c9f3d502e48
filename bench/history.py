"""How long the page's history takes with a million outcomes: `python bench/history.py [FOLDER]`.

Prints the middle and the longest of each kind of search over HTTP, beside what an empty store takes in the same run.
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


def times_ms(station: Site, address: str) -> list[float]:
    """How long an address takes, again and again."""
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        with urllib.request.urlopen(station.url + address) as answer:  # noqa: S310 - our own panel
            answer.read()
        taken.append((time.perf_counter() - begun) * 1000)
    return taken


def main() -> None:
    """Fill, ask, print."""
    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryDirectory() as made:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(made)
        begun = time.perf_counter()
        pour(folder / "data", OUTCOMES, at_once=50_000)
        size_gb = (folder / "data" / "edge.db").stat().st_size / 1e9
        print(f"{OUTCOMES:,} outcomes, {size_gb:.1f} GB, filled in {time.perf_counter() - begun:.0f} s")
        with site(Path(empty)) as small, site(folder) as large:
            for name, query in SEARCHES.items():
                mine, other = times_ms(large, f"/v1/outcomes?{query}"), times_ms(small, f"/v1/outcomes?{query}")
                print(
                    f"{name:26} {statistics.median(mine):7.1f} ms, longest {max(mine):7.1f} ms"
                    f"   (empty store {statistics.median(other):5.1f} ms)"
                )
            for name, address in {"held parts": "/v1/held", "line view": "/v1/line", "health": "/health"}.items():
                print(f"{name:26} {statistics.median(times_ms(large, address)):7.1f} ms")


if __name__ == "__main__":
    main()
