"""What `examples/` holds runs: each consumer stores every outcome of a real station once, and confirms it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.adapters.store import Store
from tests.brokers import Ear, Mosquitto, free_port, mosquitto, wait_for
from tests.node import NODE_MODULES, needs_node_modules
from tests.services.configured import configure, inspect, running

#: It loads some 300 modules: 6 s on two idle cores, more than 20 s on busy ones.
NODE_RED_START_S = 120.0
EXAMPLES = Path(__file__).parents[1] / "examples"


@contextmanager
def consumer(*command: str | Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A consumer, killed afterwards."""
    with subprocess.Popen(
        list(map(str, command)), env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def station(folder: Path) -> Iterator[tuple[Mosquitto, Store, Ear]]:
    """A broker, a station's store with its messenger beside it, and an ear that can send its messages again."""
    with mosquitto(folder) as broker, running(configure(folder, f"port = {broker.port}")) as store:
        ear = Ear(broker.port)
        yield broker, store, ear
        ear.close()


def confirmed(ear: Ear) -> list[str]:
    """The ids that were confirmed, in order."""
    return [json.loads(packet.payload)["inspection_id"] for packet in ear.on("/cmd/confirm")]


def ids(ear: Ear) -> list[str]:
    """The ids of the outcomes that were told, in order, each once."""
    return list(dict.fromkeys(json.loads(packet.payload)["inspection_id"] for packet in ear.on("/outcome")))


def say_again(ear: Ear, number: int) -> None:
    """Send an outcome as it was sent before: same bytes, same properties."""
    said = ear.on("/outcome")[number]
    ear.publish(
        said.topic,
        said.payload,
        user_properties=said.user_properties,
        content_type=said.content_type,
        payload_format_indicator=said.payload_format_indicator,
    )


def is_heard(ear: Ear) -> bool:
    """Whether the consumer has subscribed: the first outcome is said again until it is confirmed."""
    say_again(ear, 0)
    time.sleep(0.1)
    return bool(confirmed(ear))


def test_python_subscriber_stores_each_outcome_once_and_confirms_it(tmp_path: Path) -> None:
    """Repeats are dropped by their id; what is told while it is away is stored when it is back, in the order of seq."""
    file = tmp_path / "mes.db"
    with station(tmp_path) as (broker, store, ear):
        command = (sys.executable, EXAMPLES / "mes_subscriber.py", "127.0.0.1", str(broker.port), file)
        with consumer(*command):
            inspect(store, 1)
            wait_for(lambda: ids(ear), "the first outcome")
            wait_for(lambda: is_heard(ear), "the subscriber")
            inspect(store, 2)
            inspect(store, 3)
            wait_for(lambda: len(set(confirmed(ear))) == 3, "three confirmations")
            before = len(confirmed(ear))
            say_again(ear, -1)
            wait_for(lambda: len(confirmed(ear)) > before, "the confirmation of the repeat")
        for number in range(4, 7):
            inspect(store, number)
        wait_for(lambda: len(ids(ear)) == 6, "outcomes without a subscriber")
        with consumer(*command):
            wait_for(lambda: len(set(confirmed(ear))) == 6, "confirmations of what came meanwhile")
        wait_for(lambda: store.confirmations.oldest_missing_age_s() is None, "all are confirmed at the station")
        told = ids(ear)
    rows = sqlite3.connect(file).execute("SELECT inspection_id, seq, disposition, message FROM outcome").fetchall()

    assert [row[0] for row in rows] == told
    assert [row[1] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert all(json.loads(message)["disposition"] == disposition for _, _, disposition, message in rows)


def test_python_subscriber_is_some_thirty_lines() -> None:
    """An example that can be read at one look: no more than thirty lines of code."""
    lines = (EXAMPLES / "mes_subscriber.py").read_text(encoding="utf-8").splitlines()

    assert len([line for line in lines if line.strip() and not line.strip().startswith(('"""', "#"))]) <= 30


@needs_node_modules
def test_node_red_flow_stores_each_outcome_once_and_confirms_it(tmp_path: Path) -> None:
    """The flow runs in a real Node-RED: each outcome is one line in its file, confirmed; repeats are not stored."""
    folder, file = tmp_path / "node-red", tmp_path / "outcomes.jsonl"
    folder.mkdir()
    shutil.copyfile(EXAMPLES / "node-red-flow.json", folder / "flow.json")
    (folder / "settings.js").write_text(
        f"module.exports = {{flowFile: 'flow.json', uiHost: '127.0.0.1', uiPort: {free_port()}, httpAdminRoot: false, "
        "httpNodeRoot: false, telemetry: {enabled: false}, logging: {console: {level: 'off'}}}",
        encoding="utf-8",
    )
    program = NODE_MODULES / "node-red" / "red.js"
    with (
        station(tmp_path) as (broker, store, ear),
        consumer(
            "node",
            program,
            "--userDir",
            folder,
            MQTT_HOST="127.0.0.1",
            MQTT_PORT=str(broker.port),
            EDGE_OUTCOMES=str(file),
        ),
    ):
        inspect(store, 1)
        wait_for(lambda: ids(ear), "the first outcome")
        until_s = time.monotonic() + NODE_RED_START_S
        while not is_heard(ear):
            assert time.monotonic() < until_s, f"Node-RED was not there within {NODE_RED_START_S} s"
        inspect(store, 2)
        inspect(store, 3)
        wait_for(lambda: len(set(confirmed(ear))) == 3, "confirmations")
        before = len(confirmed(ear))
        say_again(ear, -1)
        wait_for(lambda: len(confirmed(ear)) > before, "the confirmation of the repeat")
        wait_for(lambda: store.confirmations.oldest_missing_age_s() is None, "all are confirmed at the station")
        told = ids(ear)
    stored = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]

    assert [outcome["inspection_id"] for outcome in stored] == told
    assert [outcome["seq"] for outcome in stored] == [1, 2, 3]
