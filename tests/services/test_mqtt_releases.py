"""Releases as they reach a station: a real mosquitto, a messenger as configured, and whoever wants to break in."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge import settings
from edge.adapters import whole_file
from edge.core.release import ReleaseName
from edge.errors import ConfigError
from edge.releases import MAX_RELEASE_BYTES, Release, ReleaseRefusal
from edge.services import mqtt_releases
from tests import smallest_station
from tests.brokers import Ear, Mosquitto, mosquitto, wait_for
from tests.releases import SERIAL, Signer
from tests.services.configured import inspect, running

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


def test_hostile_releases_change_nothing_and_are_answered(line: Line, tmp_path: Path) -> None:
    """Whatever is wrong with a release, the one before it stays, the answer has the reason, and the messenger lives."""
    stranger = Signer(tmp_path, "stranger")
    good = line.signer.release(5)
    forged = good.message.replace(b"{8}", b"{9}")
    other_signature = replace(line.signer.release(6), signature=good.signature)
    borrowed_key = replace(stranger.release(6), key=good.key)
    hostile: list[tuple[bytes, ReleaseRefusal]] = [
        (b"\x00\xff" * 10, ReleaseRefusal.MALFORMED),
        (b"[" * 100_000, ReleaseRefusal.MALFORMED),
        (b"[]", ReleaseRefusal.MALFORMED),
        (b'{"statement": "{}"}', ReleaseRefusal.MALFORMED),
        (good.message[: len(good.message) // 2], ReleaseRefusal.MALFORMED),
        (good.message.replace(b'"signature": "', b'"signature": "!'), ReleaseRefusal.MALFORMED),
        (b" " * (MAX_RELEASE_BYTES + 1), ReleaseRefusal.TOO_LONG),
        (stranger.release(6).message, ReleaseRefusal.UNTRUSTED_KEY),
        (replace(good, key="").message, ReleaseRefusal.UNTRUSTED_KEY),
        (borrowed_key.message, ReleaseRefusal.BAD_SIGNATURE),
        (other_signature.message, ReleaseRefusal.BAD_SIGNATURE),
        (replace(good, signature=b"").message, ReleaseRefusal.BAD_SIGNATURE),
        (forged, ReleaseRefusal.OTHER_CONTENT),
        (line.signer.release(6, stations=("s/l/other",)).message, ReleaseRefusal.OTHER_STATION),
        (line.signer.release(6, stations=("*/*/st2", "x/*/*")).message, ReleaseRefusal.OTHER_STATION),
        (line.signer.release(4).message, ReleaseRefusal.OLDER),
        (line.signer.release(5, {"version": 1}).message, ReleaseRefusal.OLDER),
        (line.signer.signed_text("{}", "{}"), ReleaseRefusal.MALFORMED),
        (line.signer.signed_text("{" * 50_000, "{}"), ReleaseRefusal.MALFORMED),
    ]
    with running(line.load()) as store:
        assert line.answer(good)["state"] == "taken"

        for message, reason in hostile:
            answer = line.answer(message)
            assert (answer["state"], answer["reason"]) == ("refused", reason.value), message[:80]
            assert answer["problems"]
            assert answer["present"]["number"] == 5
        assert line.answer(line.signer.release(6))["present"]["number"] == 6
        assert store.counts()["triggers"] == 0


def test_every_mistake_of_a_release_is_listed(line: Line) -> None:
    """A release is checked by the code that checks a station's own files, and refused with all mistakes (L13)."""
    wrong = {
        "version": 1,
        "products": {
            "nameplate": 'version = 1\nname = "nameplate"\n[fields.serial]\npattern = "("\nrequird = true\n',
            "other": SERIAL,
            "../../etc/passwd": 'version = 1\nname = "../../etc/passwd"\n[fields.serial]\n',
            "torn": "version = 1\nname = ",
        },
        "accept": {"looks": 1, "false": 2},
        "calibration": "{}",
    }

    with running(line.load()):
        answer = line.answer(line.signer.release(1, wrong))

    told = "\n".join(answer["problems"])
    assert (answer["reason"], answer["present"]) == ("wrong_content", None)
    for part in (
        "products/nameplate.toml:4: fields.serial.pattern is no pattern",
        "products/nameplate.toml:5: fields.serial.requird is an unknown key; did you mean required?",
        "products/other.toml:2: name differs from the file's own name",
        "products/../../etc/passwd.toml:2: name",
        "products/torn.toml:2:8: not TOML",
        "accept.looks is 1, but must be at least 2",
        "accept.false is an unknown key",
        "calibration is no calibration",
    ):
        assert part in told
    assert not line.load().release_file.exists()


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ({"version": 1, "station": {"deadline_ms": 1}}, "station is an unknown key"),
        ({"version": 2}, "version is not one of the allowed values"),
        ({"version": 1, "accept": {"calibration": "/etc/passwd"}}, "names a file of one station"),
        ({"version": 1, "gate": {"glare": 200}}, "gate.glare is 200, but must be at most 100"),
        ({"version": 1, "accept": {"single_look_rate": 1e-9}}, "accept.single_look_rate is 1e-09, and the least that"),
        ("[]", "the content is not a JSON object"),
        ('{"version": 1, "version": 1}', "a key comes twice"),
    ],
)
def test_release_sets_what_is_read_and_accepted_and_nothing_else(
    line: Line, content: dict[str, Any] | str, part: str
) -> None:
    """A release cannot reach another setting or a file of the station, and what does not fit the station is refused."""
    with running(line.load()):
        answer = line.answer(line.signer.release(1, content))

    assert answer["state"] == "refused"
    assert part in "\n".join(answer["problems"])


def test_retained_old_release_is_refused_after_a_newer_one(line: Line) -> None:
    """A broker that comes back with last year's retained release cannot bring it back to a station (replay)."""
    old, new = line.signer.release(1), line.signer.release(2, {"version": 1, "gate": {"sharpness": 3}})
    with running(line.load()):
        assert line.answer(old)["state"] == "taken"
        assert line.answer(new)["state"] == "taken"
    line.push(old)

    with running(line.load()):
        wait_for(lambda: [one for one in line.states() if one["reason"] == "older"])

    assert line.load().under == new.name


def test_earlier_content_comes_back_under_a_new_number_alone(line: Line) -> None:
    """A roll-back is a new statement, with a greater number, over earlier content: the same hash counts again."""
    first, second = line.signer.release(1), line.signer.release(2, {"version": 1})
    back = line.signer.release(3, first.content)
    with running(line.load()):
        for release in (first, second, back):
            assert line.answer(release)["state"] == "taken"

    after = line.load()
    assert after.under == ReleaseName(3, first.said.sha256)
    assert after.product_file.fields["serial"].pattern == "[0-9]{8}"


def test_release_pushed_while_the_station_is_away_is_taken_when_it_comes(line: Line) -> None:
    """The last release is retained at the broker: a station that was off all week takes it at its start."""
    release = line.signer.release(1)
    line.push(release)

    with running(line.load()):
        assert line.answer_to(release)["state"] == "taken"


def test_cleared_topic_is_no_release(line: Line) -> None:
    """An empty retained message clears the topic: the station keeps what it has, and answers the next one."""
    with running(line.load()):
        assert line.answer(line.signer.release(1))["state"] == "taken"
        line.push(b"")
        assert line.answer(line.signer.release(2))["present"]["number"] == 2

        assert {one["state"] for one in line.states()} == {"taken"}


def test_station_that_trusts_no_key_hears_no_release(tmp_path: Path, broker: Mosquitto) -> None:
    """Without trusted keys nothing is subscribed to, and a release that was taken before counts no more."""
    line = Line(tmp_path, broker)
    with running(line.load()):
        assert line.answer(line.signer.release(1))["state"] == "taken"
    said = len(line.states())
    line.file.write_text(line.file.read_text("utf-8").replace(line.signer.public, "").replace('[""]', "[]"), "utf-8")
    line.push(line.signer.release(2))

    with running(line.load()) as store:
        inspect(store, 1)
        wait_for(lambda: store.outbox.num_waiting() == 0)

    assert line.load().under is None
    assert len(line.states()) == said
    line.ear.close()


def test_full_disk_delays_a_release_and_loses_none(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that cannot be written is neither answered nor lost: it is tried until the disk takes it."""
    tries = []

    def write(_path: Path, _message: bytes) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(mqtt_releases, "AGAIN_US", 1000)
    with running(line.load()), monkeypatch.context() as full:
        full.setattr(whole_file, "write", write)
        assert line.answer(line.signer.release(1))["state"] == "taken"

    assert len(tries) == 3


@pytest.mark.parametrize("damage", ["torn", "withdrawn"])
def test_kept_release_that_cannot_be_used_refuses_to_start(line: Line, tmp_path: Path, damage: str) -> None:
    """A release on the disk that is damaged, or whose key is trusted no more, stops the start, and says why (L13)."""
    with running(line.load()):
        assert line.answer(line.signer.release(1))["state"] == "taken"
    kept = line.load().release_file
    if damage == "torn":
        kept.write_bytes(kept.read_bytes()[:100])
    else:
        text = line.file.read_text("utf-8").replace(line.signer.public, Signer(tmp_path, "next").public)
        line.file.write_text(text, "utf-8")

    with pytest.raises(
        ConfigError, match=r"release-st\.json: .*move the file away: the station's own files count then"
    ):
        line.load()
    kept.unlink()
    assert line.load().under is None
