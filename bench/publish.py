"""From a trigger to its outcome at a subscriber, with every synced write counted, beside paho's bare publish.

Run: `python -m bench.publish --rounds 300` (a minute). A real mosquitto, the real messenger and inspector as systemd
runs them. No camera and no reader run: the first part waits for a frame, so each further trigger ends at once as
hold/overrun, by the station's own code. In each round, one after the other, each from its call to the subscriber's
receipt:

- trigger: `cmd/trigger` is published; messenger stores it (synced), inspector begins it (synced), decides, and commits
  the outcome (synced), messenger keeps `historical` (synced) and publishes; the subscriber hears the outcome;
- commit: `Store.commit` of an outcome as the inspector does it (synced), from there on the same;
- paho: the same bytes by a bare `publish` with QoS 1.

Beside them: how long one write and fsync of 4 kB takes on the data folder's disk in the same rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import zmq
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from bench import wire
from bench.outage import BASE, STATION
from edge.adapters import payload, sockets
from edge.adapters.database import monotonic_us, wall_time
from edge.adapters.store import Store
from edge.core.outcome import Outcome, Reason

#: How long the first part waits for its frame, ms: the station is busy for that long.
BUSY_MS = 60_000


class Heard:
    """A subscriber that notes when each outcome came, by its trigger."""

    def __init__(self, port: int) -> None:
        self._came: dict[str, tuple[float, dict[str, object]]] = {}
        self._changed = threading.Condition()
        self._connections = [wire.subscribe(port, f"{BASE}outcome"), wire.subscribe(port, "bare/outcome")]
        for connection in self._connections:
            threading.Thread(target=self._listen, args=(connection,), daemon=True).start()

    def wait(self, trigger_id: str) -> tuple[float, dict[str, object]]:
        """When the outcome of a trigger came, and what it says."""
        with self._changed:
            if not self._changed.wait_for(lambda: trigger_id in self._came, wire.PATIENCE_S):
                raise SystemExit(f"no outcome of {trigger_id} came within {wire.PATIENCE_S:.0f} s: see the logs")
            return self._came.pop(trigger_id)

    def _listen(self, connection: object) -> None:
        for kind, body in wire.packets(connection):  # type: ignore[arg-type] # a socket
            now_s = time.perf_counter()
            if kind >> 4 == 3:
                said = json.loads(body[body.index(b'{"schema"') :])
                with self._changed:
                    self._came[str(said["trigger_id"])] = now_s, said
                    self._changed.notify_all()


def configure(folder: Path, port: int) -> Path:
    """A station that is busy with its first part for a minute."""
    (folder / "frames").mkdir()
    config = folder / "edge.toml"
    config.write_text(
        f'version = 1\n[station]\nsite = "s"\nline = "l"\nname = "{STATION}"\ncamera = "top"\ndeadline_ms = 600000\n'
        f'[paths]\ndata = "{folder}/data"\nruntime = "{folder}/run"\n'
        f'[cameras.top]\nkind = "file"\npath = "{folder}/frames"\ntake_timeout_ms = {BUSY_MS}\n'
        f'[retake]\nmax_attempts = 1\n[mqtt]\nhost = "127.0.0.1"\nport = {port}\n',
        encoding="utf-8",
    )
    return config


def client(port: int) -> Client:
    """A connected paho client with its own thread."""
    made, connected = Client(CallbackAPIVersion.VERSION2, "plc", protocol=MQTTProtocolVersion.MQTTv5), threading.Event()
    made.on_connect = lambda *_values: connected.set()
    made.connect("127.0.0.1", port)
    made.loop_start()
    connected.wait(wire.PATIENCE_S)
    return made


def sync_ms(file: int) -> float:
    """One write of 4 kB and its fsync."""
    begun_s = time.perf_counter()
    os.write(file, bytes(4096))
    os.fsync(file)
    return (time.perf_counter() - begun_s) * 1000


def measure(folder: Path, port: int, rounds: int) -> dict[str, list[float]]:
    """All rounds; milliseconds by what was done."""
    heard, plc = Heard(port), client(port)
    store = Store.open(folder / "data", STATION)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    messenger = sockets.open_socket(context, zmq.PUSH)
    messenger.connect(sockets.address(folder / "run", "messenger"))
    file = os.open(folder / "data" / "synced", os.O_WRONLY | os.O_CREAT)

    def trigger(name: str) -> None:
        plc.publish(f"{BASE}cmd/trigger", json.dumps({"trigger_id": name}), 1)

    def commit(name: str) -> Callable[[], None]:
        time.sleep(0.05)  # the inspector has looked for a further trigger after its last one, and found none
        inspection_id, _ = store.add_trigger(name, expected=None, source="bench", at=wall_time(), at_us=monotonic_us())
        store.next_trigger()  # begun, so that the inspector leaves it alone
        outcome = Outcome(inspection_id, name, Reason.OVERRUN)

        def act() -> None:
            store.commit(outcome, topic=f"{BASE}outcome", config_hash="0" * 64, at=wall_time())
            messenger.send(b"outbox")

        return act

    def bare(name: str) -> Callable[[], None]:
        outcome = Outcome("0" * 36, name, Reason.OVERRUN)
        told = payload.outcome_payload(outcome, seq=1, station=STATION, at=wall_time(), config_hash="0" * 64)
        return lambda: plc.publish("bare/outcome", told, 1) and None

    def timed(name: str, act: Callable[[], None]) -> float:
        begun_s = time.perf_counter()
        act()
        came_s, said = heard.wait(name)
        if said["reason"] != "overrun":
            raise SystemExit(f"{name} ended as {said['reason']}, not as overrun: the machine is too slow for this")
        return (came_s - begun_s) * 1000

    ms: dict[str, list[float]] = {"trigger": [], "commit": [], "paho": [], "sync": []}
    begun_s = 0.0
    for number in range(rounds):
        if time.monotonic() - begun_s > BUSY_MS / 1000 * 0.8:
            if begun_s:
                heard.wait(f"busy-{begun_s}")
            begun_s = time.monotonic()
            trigger(f"busy-{begun_s}")
            time.sleep(1.0)
        ms["trigger"].append(timed(f"a-{number}", partial(trigger, f"a-{number}")))
        ms["commit"].append(timed(f"b-{number}", commit(f"b-{number}")))
        ms["paho"].append(timed(f"c-{number}", bare(f"c-{number}")))
        ms["sync"].append(sync_ms(file))
    os.close(file)
    store.close()
    plc.disconnect()
    plc.loop_stop()
    messenger.close()
    context.term()
    return ms


def main() -> None:
    """Print p50 and p99 of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300, metavar="N", help="how often each is done")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edge-publish-") as name, ExitStack() as running:
        folder = Path(name)
        port = running.enter_context(wire.mosquitto(folder))
        config = configure(folder, port)
        for process in ("messenger", "inspector"):
            log = running.enter_context((folder / f"{process}.log").open("wb"))
            words = [sys.executable, "-m", "edge", process, "--config", str(config)]
            started = subprocess.Popen(words, stderr=log)
            running.callback(started.wait, 20)
            running.callback(started.kill)
        deadline_s = time.monotonic() + wire.PATIENCE_S
        while not (folder / "run" / "inspector.sock").exists() and time.monotonic() < deadline_s:
            time.sleep(0.05)
        time.sleep(2.0)
        ms = measure(folder, port, args.rounds)
    for what, values in ms.items():
        cuts = statistics.quantiles(values, n=100)
        print(f"{what:8} p50 {cuts[49]:6.2f} ms   p99 {cuts[98]:6.2f} ms   ({len(values)} times)")
    pairs = [station - bare for station, bare in zip(ms["commit"], ms["paho"], strict=True)]
    print(f"commit beyond paho, paired: p50 {statistics.median(pairs):.2f} ms")


if __name__ == "__main__":
    main()
