"""Releases as they reach a station: a real mosquitto, a messenger as configured, and whoever wants to break in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge import settings
from edge.errors import ConfigError
from edge.releases import MAX_RELEASE_BYTES, Release
from tests import smallest_station
from tests.brokers import Ear, Mosquitto, mosquitto, wait_for
from tests.releases import SERIAL, Signer
from tests.services.configured import running

TOPIC = "edge/v1/s/l/st/release"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A real broker."""
    (tmp_path / "broker").mkdir()
    with mosquitto(tmp_path / "broker") as started:
        yield started


class Line:
    """A station that trusts one key, and an ear at its broker."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        self.signer = Signer(folder)
        self.file = smallest_station.write(
            folder, f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n{self.signer.table}'
        )
        self.ear = Ear(broker.port)

    def load(self) -> settings.Settings:
        """The settings that each of its processes would start with now."""
        return settings.load(self.file)

    def push(self, message: Release | bytes) -> None:
        """Publish a release as the plant does, retained."""
        raw = message if isinstance(message, bytes) else message.message
        self.ear.publish(TOPIC, raw, retain=True)

    def answer(self, message: Release | bytes) -> dict[str, Any]:
        """Publish a release, and give the station's answer to it."""
        self.push(message)
        return self.answer_to(message)

    def answer_to(self, message: Release | bytes) -> dict[str, Any]:
        """The station's last answer to a release."""
        raw = message if isinstance(message, bytes) else message.message
        wanted = hashlib.sha256(raw).hexdigest()
        said: list[dict[str, Any]] = wait_for(lambda: [one for one in self.states() if one["message"] == wanted])
        return said[-1]

    def states(self) -> list[dict[str, Any]]:
        """Everything that the station said of releases."""
        return [json.loads(packet.payload) for packet in self.ear.on("/release_state")]


@pytest.fixture
def line(tmp_path: Path, broker: Mosquitto) -> Iterator[Line]:
    """A station's file, and an ear."""
    made = Line(tmp_path, broker)
    yield made
    made.ear.close()


def test_signed_release_is_taken_kept_and_stays_after_a_restart(line: Line) -> None:
    """A release of a trusted key counts from then on, after a restart too; its answer names its content's hash."""
    release = line.signer.release(3)
    with running(line.load()):
        answer = line.answer(release)

    after = line.load()
    assert (answer["state"], answer["reason"], answer["problems"]) == ("taken", None, [])
    assert answer["present"] == {"number": 3, "sha256": release.said.sha256}
    assert after.under == release.name
    assert after.product_file.fields["serial"].pattern == "[0-9]{8}"
    assert after.own.product_file.fields["serial"].pattern is None
    with running(after):
        assert wait_for(lambda: line.states()[1:])[-1]["present"]["number"] == 3
