"""`edge release` from key to roll-back, with a real mosquitto, a real messenger, and a plant that is played."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mqtt5
import pytest

from edge import cli, settings
from edge.adapters.payload import encode, outcome_payload
from edge.core.outcome import Outcome, Reason
from edge.core.release import ReleaseName
from edge.releases import Release
from tests import smallest_station
from tests.brokers import Ear, Mosquitto, mosquitto
from tests.releases import SERIAL
from tests.services.configured import running

#: Longest wait for a process that begins on a busy PC; it decides nothing when what is waited for comes sooner.
PATIENCE_S = 180.0
AT = "2026-01-01T00:00:00.000Z"
DRAFT = """
number = {number}
stations = ["s/l/*"]
note = "tighter serials"
products = ["serials.toml"]
[gate]
sharpness = 7
[accept]
looks = 3
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A real broker."""
    (tmp_path / "broker").mkdir()
    with mosquitto(tmp_path / "broker") as started:
        yield started


class Office:
    """Where releases are made: a key, a draft, the plant's folder."""

    def __init__(self, folder: Path, port: int, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.port, self.capsys = folder, port, capsys
        self.key = folder / "plant.key"
        (folder / "serials.toml").write_text(SERIAL, encoding="utf-8")
        assert self.edge("key", str(self.key)) == 0
        self.public = capsys.readouterr().out.strip()

    def edge(self, *words: str) -> int:
        """One command line."""
        return cli.main(["release", *words])

    def signed(self, number: int) -> Path:
        """A release, made and signed."""
        draft, made = self.folder / "draft.toml", self.folder / f"made-{number}"
        draft.write_text(DRAFT.format(number=number), encoding="utf-8")
        assert self.edge("make", str(draft), "-o", str(made)) == 0
        assert self.edge("sign", str(made), "--key", str(self.key)) == 0
        return made

    @property
    def where(self) -> list[str]:
        """The options that name folder and broker."""
        return ["--folder", str(self.folder / "plant"), "--broker", f"127.0.0.1:{self.port}"]

    def said(self) -> str:
        """What was printed since the last look, errors too."""
        told = self.capsys.readouterr()
        return told.out + told.err


@pytest.fixture
def office(tmp_path: Path, broker: Mosquitto, capsys: pytest.CaptureFixture[str]) -> Office:
    """An office at the broker."""
    return Office(tmp_path, broker.port, capsys)


def wait_for(condition: Callable[[], Any]) -> None:
    """Wait until a condition holds."""
    until_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until_s, "what must come did not come"
        time.sleep(0.01)


class PlayedPlant:
    """Stations `s/l/a` and so on: each makes parts without pause, and takes what it is given."""

    def __init__(self, port: int, names: str, held: float = 0.0, held_with: float = 0.0) -> None:
        self.ear = Ear(port, "plant", ("edge/v1/+/+/+/release",))
        self.shares = {False: held, True: held_with}
        self.present: dict[str, ReleaseName | None] = {f"s/l/{name}": None for name in names}
        self.seqs = dict.fromkeys(self.present, 0)
        self.given: list[tuple[str, int]] = []
        self.random = random.Random(1)
        self.over = threading.Event()
        for place in self.present:
            self.say(place, "state", encode(_state(place.rpartition("/")[2])), retain=True)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def close(self) -> None:
        """Stop."""
        self.over.set()
        self.thread.join()
        self.ear.close()

    def say(self, place: str, suffix: str, payload: bytes, **more: Any) -> None:
        """Publish as a station does."""
        marks = {"content_type": "application/json", "payload_format_indicator": 1}
        self.ear.publish(f"edge/v1/{place}/{suffix}", payload, **marks, **more)

    def _run(self) -> None:
        while not self.over.is_set():
            while self.ear.heard:
                self._take(self.ear.heard.pop(0))
            for place in self.present:
                self._make(place)

    def _take(self, packet: mqtt5.PublishPacket) -> None:
        place = packet.topic.removeprefix("edge/v1/").removesuffix("/release")
        raw = bytes(packet.payload or b"")
        name = Release.of(raw).name
        self.given.append((place, name.number))
        self.present[place] = name
        station = place.rpartition("/")[2]
        self.say(place, "release_state", encode(_taken(station, raw, name)), retain=True)

    def _make(self, place: str) -> None:
        self.seqs[place] += 1
        seq, present = self.seqs[place], self.present[place]
        held = self.random.random() < self.shares[present is not None]
        outcome = Outcome(f"{place}-{seq}", f"t{seq}", Reason.UNREADABLE if held else Reason.MATCHED)
        payload = outcome_payload(
            outcome, seq=seq, station=place.rpartition("/")[2], at=AT, config_hash="c", release=present
        )
        properties = {
            "inspection_id": outcome.inspection_id,
            "seq": str(seq),
            "schema": "edge/v1",
            "historical": "false",
        }
        self.say(place, "outcome", payload, user_properties=list(properties.items()))


def _state(station: str) -> dict[str, Any]:
    return {
        "schema": "edge/v1",
        "station": station,
        "state": "online",
        "session_id": "1",
        "version": "1",
        "at": AT,
        "refuses": None,
    }


def _taken(station: str, raw: bytes, name: ReleaseName) -> dict[str, Any]:
    return {
        "schema": "edge/v1",
        "station": station,
        "state": "taken",
        "reason": None,
        "problems": [],
        "at": AT,
        "message": hashlib.sha256(raw).hexdigest(),
        "present": {"number": name.number, "sha256": name.sha256},
    }


def test_release_goes_from_a_draft_to_a_station_and_back(tmp_path: Path, office: Office, broker: Mosquitto) -> None:
    """Made, signed, pushed and taken, then brought back by one command: the station's own files count again."""
    file = smallest_station.write(
        tmp_path,
        f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n[release]\ntrusted_keys = ["{office.public}"]\n',
    )
    made = office.signed(1)
    with running(settings.load(file)):
        assert office.edge("push", str(made), "--outcomes", "0", "--stations", "s/l/st", *office.where) == 0
        under = settings.load(file)
        assert office.edge("status", *office.where) == 0
        assert office.edge("rollback", "--key", str(office.key), *office.where) == 0

    after, said = settings.load(file), office.said()
    assert (under.under, under.accept.looks, under.gate.sharpness) == (Release.of(made.read_bytes()).name, 3, 7)
    assert under.product_file.fields["serial"].pattern == "[0-9]{8}"
    assert "s/l/st: has release 1\n" in said
    assert "release 2: back from 1 to 0\n" in said
    assert after.under is not None
    assert after.under.number == 2
    assert (after.product, after.accept, after.gate) == (after.own.product, after.own.accept, after.own.gate)


def test_roll_out_goes_on_in_stages_to_all(office: Office, broker: Mosquitto) -> None:
    """One station, then a tenth, then all: each is given the release once, and the folder says that it is done."""
    plant = PlayedPlant(broker.port, "abcdefghijkl")
    try:
        code = office.edge("push", str(office.signed(4)), "--outcomes", "20", *office.where)
    finally:
        plant.close()

    assert code == 0
    assert plant.given == [(f"s/l/{name}", 4) for name in "abcdefghijkl"]
    assert "release 4: done: 12 stations have it" in office.said()


def test_worse_release_is_stopped_and_brought_back(office: Office, broker: Mosquitto) -> None:
    """A release that holds half of the parts stops at the first station; `rollback` reaches that one alone."""
    plant = PlayedPlant(broker.port, "abc", held_with=0.5)
    try:
        stopped = office.edge("push", str(office.signed(4)), "--outcomes", "60", *office.where)
        said = office.said()
        back = office.edge("rollback", "--key", str(office.key), *office.where)
    finally:
        plant.close()

    assert (stopped, back) == (1, 0)
    assert "release 4: stopped: stage 1: " in said
    assert plant.given == [("s/l/a", 4), ("s/l/a", 5)]


def test_roller_that_is_killed_goes_on_where_it_was(office: Office, broker: Mosquitto) -> None:
    """After `kill -9` in the middle of each stage the same command goes on, and no station gets it before its stage."""
    made = office.signed(4)
    command = [sys.executable, "-m", "edge", "release", "push", str(made), "--outcomes", "30", *office.where]
    plant = PlayedPlant(broker.port, "abcdefghijkl")
    try:
        for stage in range(3):
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ) as roller:
                wait_for(lambda reached=(1, 2, 12)[stage]: len({place for place, _ in plant.given}) >= reached)  # type: ignore[misc]
                roller.send_signal(signal.SIGKILL)
        code = office.edge("push", str(made), "--outcomes", "30", *office.where)
    finally:
        plant.close()

    first_given = list(dict(plant.given))
    kept = json.loads((office.folder / "plant" / "rollout.json").read_bytes())
    assert code == 0
    assert first_given == [f"s/l/{name}" for name in "abcdefghijkl"]
    assert kept["rollout"]["phase"] == "done"


def test_roll_out_waits_for_a_broker_that_restarts(office: Office, broker: Mosquitto) -> None:
    """A broker that goes away in the middle is waited for, and the roll-out ends as it would have."""
    made = office.signed(4)
    command = [sys.executable, "-m", "edge", "release", "push", str(made), "--outcomes", "30", *office.where]
    plant = PlayedPlant(broker.port, "abc")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as roller:
        wait_for(lambda: plant.given)
        plant.close()
        broker.stop()
        broker.start()
        again = PlayedPlant(broker.port, "abc")
        again.present["s/l/a"], again.seqs = plant.present["s/l/a"], plant.seqs
        try:
            said, _ = roller.communicate(timeout=PATIENCE_S)
        finally:
            again.close()

    assert roller.returncode == 0
    assert "release 4: done: 3 stations have it" in said


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--stages", "10%,1"], "--stages '10%,1' is wrong"),
        (["--stages", "50%"], "--stages '50%' is wrong"),
        (["--error-rate", "0"], "--error-rate 0.0 is wrong"),
        (["--stations", "s/other/a"], "the release is not for s/other/a: it is for s/l/*"),
        (["--stations", "s/l/a", "s/l/a"], "a station is named twice"),
        ([], "no station of s/l/* is online at this broker"),
    ],
)
def test_push_that_makes_no_sense_is_refused(office: Office, words: list[str], part: str) -> None:
    """A wrong option is one sentence, and nothing is sent."""
    made = office.signed(4)

    code = office.edge("push", str(made), *words, *office.where)

    assert code == 2
    assert part in office.said()


def test_release_that_is_not_signed_or_not_right_is_not_pushed(office: Office, tmp_path: Path) -> None:
    """The office checks what a station would: mistakes are listed when the release is made (L13)."""
    draft = tmp_path / "wrong.toml"
    draft.write_text(
        'number = 0\nstations = ["s/l"]\nproducts = ["none.toml"]\nstrange = 1\n[gate]\nglare = 101\n', encoding="utf-8"
    )
    out = tmp_path / "out"
    wrong = office.edge("make", str(draft), "-o", str(out))
    said = office.said()
    draft.write_text('number = 1\nstations = ["s/l/*"]\nproducts = ["none.toml"]\n[accept]\nlooks = 9\n', "utf-8")
    missing = office.edge("make", str(draft), "-o", str(out))
    draft.write_text('number = 1\nstations = ["s/l/*"]\n', encoding="utf-8")
    assert office.edge("make", str(draft), "-o", str(out)) == 0
    unsigned = office.edge("push", str(out), "--stations", "s/l/a", *office.where)

    assert (wrong, missing, unsigned) == (78, 78, 2)
    for part in (
        "wrong.toml:1: number is 0, but",
        "wrong.toml:2: stations.1 names a station as",
        "strange",
        "gate.glare",
    ):
        assert part in said
    assert "is not signed: edge release sign" in office.said()


def test_key_is_for_its_owner_alone(office: Office, tmp_path: Path) -> None:
    """A key file is never overwritten, and one that others may read signs nothing; its text is in no error."""
    made = office.signed(1)
    assert office.key.stat().st_mode & 0o777 == 0o600
    assert office.edge("key", str(office.key)) == 2
    assert office.edge("key", "--public", str(office.key)) == 0
    assert office.public in office.said()
    office.key.chmod(0o640)

    assert office.edge("sign", str(made), "--key", str(office.key)) == 2
    (tmp_path / "no.key").write_text("secret words", encoding="utf-8")
    (tmp_path / "no.key").chmod(0o600)
    assert office.edge("sign", str(made), "--key", str(tmp_path / "no.key")) == 2
    said = office.said()
    assert "may be read by others" in said
    assert "holds no private key of Ed25519" in said
    assert "secret words" not in said


def test_two_roll_outs_do_not_run_into_each_other(office: Office, broker: Mosquitto) -> None:
    """While a roll-out is not over, another release is not pushed from the same folder."""
    first, second = office.signed(4), office.signed(5)
    command = [sys.executable, "-m", "edge", "release", "push", str(first), *office.where]
    plant = PlayedPlant(broker.port, "ab")
    try:
        with subprocess.Popen([*command, "--outcomes", "1000000"], stdout=subprocess.DEVNULL) as roller:
            wait_for((office.folder / "plant" / "rollout.json").exists)
            beside = office.edge("push", str(second), *office.where)
            roller.kill()
        later = office.edge("push", str(second), *office.where)
    finally:
        plant.close()

    said = office.said()
    assert (beside, later) == (2, 2)
    assert "is in use by another edge release" in said
    assert "the roll-out of release 4 is not over" in said
