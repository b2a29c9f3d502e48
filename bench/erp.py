"""ERP's look-ups beside the bare driver's, its snapshot's, and a sync of many records, with real servers.

    python bench/erp.py [--records 1000000] [--rounds 300]

Look-ups of one kind and of another take turns, so that a busy moment falls on all of them. The peer is psycopg with an
open connection and nothing round it: no time limit, no pool, no check of what came. The sync is `edge erp sync` as the
inspector starts it, in a process of its own; its memory is that process's peak, its processor time is the kernel's
count. While it runs, look-ups go on in this process, as they do in the inspector.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psycopg

from edge.adapters.erp import open_live
from edge.adapters.erp_snapshot import open_snapshot
from edge.settings import load
from tests.postgres import READER, READER_PASSWORD, Postgres
from tests.web_erp import Told, WebErp

CONFIG = """version = 1
[station]
site = "s"
line = "l"
name = "n"
camera = "front"
[paths]
data = "data"
runtime = "run"
[cameras.front]
kind = "file"
path = "."
[erp]
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000, help="records in ERP's table")
    parser.add_argument("--rounds", type=int, default=300, help="look-ups of each kind")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, closing(Postgres()) as server:
        server.execute(
            "CREATE TABLE parts (serial text PRIMARY KEY, model text, work_order text)",
            f"GRANT SELECT ON parts TO {READER}",
        )
        server.execute(
            "INSERT INTO parts SELECT 'S' || g, 'AX-' || mod(g, 97), 'W' || g / 50 FROM generate_series(1, %s) g",
            values=(given.records,),
        )
        server.execute("ANALYZE parts")
        measure(Path(folder), server, given.records, given.rounds)


def measure(folder: Path, server: Postgres, records: int, rounds: int) -> None:
    """Sync, then look up in turns; then look up while another sync runs."""
    (folder / "password").write_text(READER_PASSWORD, encoding="utf-8")
    sql = _settings(folder, f'kind = "sql"\nurl = "{server.url()}"\npassword_file = "password"\ntable = "parts"\n')
    settings = load(sql, {})
    command = [sys.executable, "-m", "edge", "erp", "sync", "--config", str(sql)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun_s = time.monotonic()
    print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
    took_s, after = time.monotonic() - begun_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    size_mb = settings.erp_snapshot.stat().st_size / 1e6
    print(
        f"sync of {records} records: {took_s:.1f} s, {records / took_s:.0f} records/s, {processor_s:.1f} s of a "
        f"processor, {after.ru_maxrss / 1024:.0f} MiB at most, file {size_mb:.0f} MB"
    )
    web = WebErp(lambda asked: Told([{"serial": asked.query["serial"], "model": "AX"}]))
    rest = _settings(folder, f'kind = "rest"\nurl = "{web.url}"\nlookup = "/parts?serial={{serial}}"\n')
    by_sql, by_rest = open_live(settings.erp), open_live(load(rest, {}).erp)
    assert by_sql is not None
    assert by_rest is not None
    snapshot = open_snapshot(settings.erp, settings.erp_snapshot)
    with psycopg.connect(server.url(), password=READER_PASSWORD, autocommit=True) as bare, closing(web):
        kinds: Mapping[str, Callable[[str], object]] = {
            "psycopg, bare": lambda s: bare.execute("SELECT * FROM parts WHERE serial = %s", (s,)).fetchone(),
            "erp sql": by_sql.lookup,
            "erp rest": by_rest.lookup,
            "snapshot": snapshot.lookup,
        }
        _print("quiet", _in_turns(kinds, records, rounds))
        behind = subprocess.Popen([*command, "--behind"], stdout=subprocess.DEVNULL)
        while_syncing: dict[str, list[float]] = {kind: [] for kind in kinds}
        while behind.poll() is None:
            for kind, times in _in_turns(kinds, records, 20).items():
                while_syncing[kind] += times
        _print("while a sync runs", while_syncing)
        by_sql.close()
        by_rest.close()


def _in_turns(kinds: Mapping[str, Callable[[str], object]], records: int, rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        serial = f"S{random.randint(1, records)}"
        for kind, look_up in kinds.items():
            begun_s = time.perf_counter()
            look_up(serial)
            times[kind].append((time.perf_counter() - begun_s) * 1000)
    return times


def _print(when: str, times: Mapping[str, list[float]]) -> None:
    peer = statistics.median(times["psycopg, bare"])
    for kind, ms in times.items():
        ranked = sorted(ms)
        p99 = ranked[int(len(ranked) * 0.99)]
        ratio = statistics.median(ms) / peer
        print(f"{when}: {kind:14} p50 {statistics.median(ms):6.2f} ms  p99 {p99:6.2f} ms  x{ratio:.1f}  n={len(ms)}")


def _settings(folder: Path, erp: str) -> Path:
    kind = erp.split('"')[1]
    path = folder / f"{kind}.toml"
    path.write_text(CONFIG + erp, encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
