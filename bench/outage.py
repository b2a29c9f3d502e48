"""After a long outage: how the messenger starts with a backlog, what memory it takes, how fast it drains.

Run: `python -m bench.outage --outcomes 1000000` (half an hour, 10 GB of disk); `--outcomes 20000` takes half a minute.
A real mosquitto, the real messenger as systemd runs it, an independent subscriber that counts; outcomes of 5,700 bytes,
the mean of the demo. In the same run, before and after, a bare paho loop sends the same bytes with the same number on
their way: 16, of the 20 that mosquitto allows by default. While it drains, new outcomes are committed as the inspector
does it, and timed.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from bench import wire
from edge.adapters import payload
from edge.adapters.database import Clock, Database, monotonic_us, wall_time
from edge.adapters.store import Store
from edge.core.outcome import SCHEMA, Outcome, Reason

STATION = "st"
BASE = f"edge/v1/s/l/{STATION}/"
OUTAGE_S = 3600.0
#: So many outcomes are made by the store's own code, and copied as often as it takes.
BY_THE_STORE = 10_000
#: The mean of the demo's outcomes.
PAYLOAD_BYTES = 5700
_DETAIL = "x" * (PAYLOAD_BYTES - 560)


class InOneGo(Database):
    """A database whose transactions are all one and not synced, so that a backlog takes minutes to make, not hours."""

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write, on the disk when the file is closed."""
        if not self._connection.in_transaction:
            for pragma in ("journal_mode = DELETE", "journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.execute("BEGIN IMMEDIATE")
        yield self._connection

    def multiply(self, outcomes: int, copies: int) -> None:
        """Write all that the first outcomes are so often again, under ids and numbers of their own."""
        (last,) = self._connection.execute("SELECT max(inspection_id) FROM outcomes").fetchone()
        first = int(last[:8], 16)
        for copy in range(1, copies):
            # Ids grow with time, as the store's own do: the first 8 digits are the time's highest.
            new_id, new_seq = f"printf('%08x', {first + copy}) || substr(inspection_id, 9)", f"seq + {copy * outcomes}"
            for table, seq in (("triggers", "seq"), ("outcomes", "seq"), ("outbox", "properties ->> 'seq'")):
                said = (
                    f"'\"seq\":{{1}}' || ({seq}) || '{{1}}'",
                    f"'\"seq\":{{1}}' || ({seq} + {copy * outcomes}) || '{{1}}'",
                )
                message = f"replace(replace(CAST({{0}} AS TEXT), inspection_id, {new_id}), {said[0]}, {said[1]})"
                changed = {
                    "inspection_id": new_id,
                    "trigger_id": f"trigger_id || '-{copy}'",
                    "seq": new_seq,
                    "payload": f"CAST({message.format('payload', '')} AS BLOB)" if table == "outcomes" else "payload",
                    "properties": message.replace('"seq":', '"seq": ').format("properties", '"'),
                }
                columns = [row[1] for row in self._connection.execute(f"PRAGMA table_info({table})") if not row[5]]
                values = ", ".join(changed.get(column, column) for column in columns)
                self._connection.execute(
                    f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table} "  # noqa: S608 - constants
                    f"ORDER BY rowid LIMIT {outcomes}"
                )
        for name in ("triggers", "outcomes", "reason_overrun"):
            self._connection.execute("UPDATE counts SET value = ? WHERE name = ?", (outcomes * copies, name))

    def close(self) -> None:
        """Commit all, and close."""
        self._connection.execute("COMMIT")
        super().close()


def inspect(store: Store, name: str, at: str) -> None:
    """One inspection from its trigger to its outcome, by the store's own code."""
    inspection_id, _ = store.add_trigger(name, expected=None, source="bench", at=at, at_us=monotonic_us())
    outcome = Outcome(inspection_id, name, Reason.OVERRUN, detail=_DETAIL)
    store.commit(outcome, topic=f"{BASE}outcome", config_hash="0" * 64, at=at)


def make_backlog(data: Path, outcomes: int) -> None:
    """Outcomes of an hour ago that nobody was told of."""
    at = (datetime.now(UTC) - timedelta(seconds=OUTAGE_S)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    clock = Clock(now_us=lambda: monotonic_us() - int(OUTAGE_S * 1e6), at=lambda: at)
    database = InOneGo.open(data, clock)
    assert isinstance(database, InOneGo)
    store = Store(database, STATION)
    copies = 1 if outcomes % BY_THE_STORE else outcomes // BY_THE_STORE
    # Each is decided before the next is triggered, so that the limit of triggers that wait is not met.
    for number in range(outcomes // copies):
        inspect(store, f"part-{number}", at)
    database.multiply(outcomes // copies, copies)
    store.close()


def configure(folder: Path, port: int, data: Path) -> Path:
    """The settings of a station with this data folder."""
    (folder / "frames").mkdir(exist_ok=True)
    config = folder / "edge.toml"
    config.write_text(
        f'version = 1\n[station]\nsite = "s"\nline = "l"\nname = "{STATION}"\ncamera = "top"\n'
        f'[paths]\ndata = "{data}"\nruntime = "{folder}/run"\n'
        f'[cameras.top]\nkind = "file"\npath = "{folder}/frames"\n'
        f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\n',
        encoding="utf-8",
    )
    return config


@contextmanager
def messenger(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The messenger's process, ended cleanly."""
    with (config.parent / "messenger.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "edge", "messenger", "--config", str(config)], stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def status(pid: int) -> tuple[float, float]:
    """Resident memory in MB, and processor time in s, of a process."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(stat[21]) * 4096 / 1e6, (int(stat[11]) + int(stat[12])) / 100


def start_up(folder: Path, outcomes: int) -> tuple[float, float]:
    """From the start of the messenger's process to the first outcome at the subscriber: s, and s of processor."""
    data = folder / f"data-{outcomes}"
    make_backlog(data, outcomes)
    with wire.mosquitto(folder) as port:
        ear = wire.Ear(port, f"{BASE}outcome")
        begun_s = time.monotonic()
        with messenger(configure(folder, port, data)) as process:
            while not (first_s := ear.heard()[3]):
                time.sleep(0.01)
            cpu_s = status(process.pid)[1]
        ear.close()
    shutil.rmtree(data)
    return first_s - begun_s, cpu_s


def bare_paho(port: int, messages: int, window: int) -> tuple[float, float]:
    """A plain paho loop without a store, the same bytes and properties: messages a second, and µs of processor each."""
    client = Client(CallbackAPIVersion.VERSION2, "bare", protocol=MQTTProtocolVersion.MQTTv5)
    client.max_inflight_messages_set(0)
    room, connected = threading.Semaphore(window), threading.Event()
    client.on_publish = lambda *_values: room.release()
    client.on_connect = lambda *_values: connected.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    connected.wait(wire.PATIENCE_S)
    outcome = Outcome("0" * 36, "part-100000", Reason.OVERRUN, detail=_DETAIL)
    message = payload.outcome_payload(outcome, seq=100_000, station=STATION, at=wall_time(), config_hash="0" * 64)
    told = {"inspection_id": "0" * 36, "seq": "100000", "schema": SCHEMA, "historical": "true"}
    begun_s, cpu_s = time.perf_counter(), time.process_time()
    for _ in range(messages):
        room.acquire()
        sent = Properties(PacketTypes.PUBLISH)
        sent.PayloadFormatIndicator = 1
        sent.ContentType = "application/json"
        sent.UserProperty = list(told.items())
        client.publish("bare/outcome", message, 1, properties=sent)
    for _ in range(window):
        room.acquire()
    rate = messages / (time.perf_counter() - begun_s)
    cpu_us = (time.process_time() - cpu_s) / messages * 1e6
    client.disconnect()
    client.loop_stop()
    return rate, cpu_us


class Commits(threading.Thread):
    """Commits new outcomes as the inspector does, and times each."""

    def __init__(self, data: Path) -> None:
        super().__init__(daemon=True)
        self.ms: list[float] = []
        self._store = Store.open(data, STATION)
        self._ended = threading.Event()

    def run(self) -> None:
        """Five a second until `end`."""
        while not self._ended.wait(0.2):
            begun_s = time.perf_counter()
            inspect(self._store, f"new-{len(self.ms)}", wall_time())
            self.ms.append((time.perf_counter() - begun_s) * 1000)

    def end(self) -> None:
        """Stop, and close the store."""
        self._ended.set()
        self.join()
        self._store.close()


def drain(folder: Path, waiting: int, outcomes: int, window: int) -> None:
    """The whole story: backlog, start, drain, new outcomes meanwhile, bare paho before and after."""
    data = folder / "data"
    begun_s = time.monotonic()
    make_backlog(data, waiting)
    size_mb = (data / "edge.db").stat().st_size / 1e6
    print(f"backlog: {waiting:,} outcomes, {size_mb:,.0f} MB, made in {time.monotonic() - begun_s:.0f} s", flush=True)
    with wire.mosquitto(folder) as port:
        before = bare_paho(port, min(outcomes, 20_000), window)
        ear = wire.Ear(port, f"{BASE}outcome")
        begun_s = time.monotonic()
        with messenger(configure(folder, port, data)) as process:
            while not ear.heard()[3]:
                time.sleep(0.01)
            first_s = ear.heard()[3]
            memory_mb, cpu_s = status(process.pid)
            print(
                f"start-up with {waiting:,} waiting: {first_s - begun_s:.2f} s, {cpu_s:.2f} s of processor", flush=True
            )
            commits = Commits(data)
            commits.start()
            due_s = first_s
            while (heard := ear.heard()[0]) < outcomes:
                if time.monotonic() >= due_s:
                    memory_mb, cpu_s = status(process.pid)
                    passed_s = time.monotonic() - first_s
                    print(
                        f"  {passed_s:5.0f} s {heard:9,} told, {memory_mb:5.0f} MB, {cpu_s:5.0f} s processor time",
                        flush=True,
                    )
                    due_s += max(1.0, outcomes / 20_000)
                time.sleep(0.02)
            took_s = time.monotonic() - first_s
            memory_mb, cpu_s = status(process.pid)
            commits.end()
            total = outcomes + len(commits.ms) if outcomes == waiting else outcomes
            while ear.heard()[0] < total:
                time.sleep(0.02)
            tail_s = time.monotonic() - first_s - took_s
        count, whole, back, _ = ear.heard()
        ear.close()
        after = bare_paho(port, min(outcomes, 20_000), window)
    rate = outcomes / took_s
    print(
        f"drained: {rate:,.0f} messages/s, {memory_mb:.0f} MB at the end, {cpu_s / outcomes * 1e6:.0f} µs of processor"
    )
    told = f"at the subscriber {tail_s:.1f} s after the backlog" if outcomes == waiting else "behind the backlog"
    print(f"  new outcomes meanwhile: {len(commits.ms)}, {told};", end=" ")
    if len(commits.ms) > 1:
        cuts = statistics.quantiles(commits.ms, n=100)
        print(f"trigger and outcome written in p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms", end="")
    print(f"\nat the subscriber: {count:,} messages, seq whole to {whole:,}, {back} steps back")
    for name, (rate, cpu_us) in (("before", before), ("after", after)):
        print(
            f"bare paho {name}, same bytes, {window} on their way: {rate:,.0f} messages/s, {cpu_us:.0f} µs of processor"
        )
    if whole < total:
        raise SystemExit(f"the subscriber has seq whole to {whole} of {total}: outcomes are missing")


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outcomes", type=int, default=100_000, metavar="N", help="how many wait")
    parser.add_argument("--drain", type=int, default=0, metavar="N", help="stop when so many are told; else all")
    parser.add_argument("--window", type=int, default=16, metavar="N", help="paho's messages on their way")
    parser.add_argument("--folder", type=Path, default=None, help="where the data goes; else the temporary folder")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="edge-outage-", dir=args.folder))
    try:
        took_s, cpu_s = start_up(folder, 1000)
        print(f"start-up with 1,000 waiting: {took_s:.2f} s, {cpu_s:.2f} s of processor", flush=True)
        drain(folder, args.outcomes, min(args.drain or args.outcomes, args.outcomes), args.window)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
