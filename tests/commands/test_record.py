"""`edge record`, and the bundle that it writes played again: the very bytes, the limits, and no secret."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from pydantic import BaseModel

from edge import cli, sections, sections_cameras, sections_erp, sections_panel, settings
from edge.adapters import disk
from edge.adapters.bundle_reading import Bundle
from edge.adapters.store import Store
from edge.commands import record as record_command
from edge.core.outcome import Outcome, Reason
from edge.readers.ocr import Ocr
from tests.recordings import AT, PLAYED, STATION, configure, record

SECRET = "tell-nobody-{}"
#: Every setting that names a file of a secret, and the credentials that systemd hands over in its place.
SECRET_FILES = (
    "password_file",
    "key_file",
    "redis_password_file",
    "url_file",
    "client_secret_file",
    "api_key_file",
    "token_file",
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> settings.Settings:
    """A station with an inspection of each scene."""
    return record(tmp_path_factory.mktemp("recorded"), Ocr(threads=2))


@pytest.fixture
def bundle(recorded: settings.Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """All of it in one file."""
    path = tmp_path / "all.edge.zip"
    assert cli.main(["record", str(path), "--config", str(recorded.path)]) == 0
    capsys.readouterr()
    return path


def replayed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and what each outcome came to."""
    code = cli.main(["replay", "--json", *arguments])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_same_reader_gives_the_very_bytes(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Out of a bundle comes every outcome byte for byte: no key of it is left out.

    Ids, number, wall time and the places of frames are given by the bundle; all else is decided anew, the times of each
    stage too, since the course has them.
    """
    code, told = replayed(capsys, str(bundle))

    assert code == 0
    assert [(one["replay"], one["identical"]) for one in told] == [("same", True)] * len(PLAYED)
    assert len({one["then"]["reason"] for one in told}) > 4


def test_the_station_itself_gives_the_very_bytes(
    recorded: settings.Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a time alone, the store's own courses are played by the station's own settings."""
    code, told = replayed(capsys, "--since", "2026", "--config", str(recorded.path))

    assert (code, {one["identical"] for one in told}) == (0, {True})


def test_other_limits_show_what_would_change(
    recorded: settings.Settings, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A product file of now turns a pass of then into what it would be; ERP's answer is the one of then."""
    text = (recorded.paths.products / "gearmotor.toml").read_text(encoding="utf-8")
    product = tmp_path / "gearmotor.toml"
    product.write_text(text.replace(r"[0-9]{8}", r"[0-9]{7}"), encoding="utf-8")

    code, told = replayed(capsys, str(bundle), "--product", str(product))

    assert (code, told[0]["replay"], told[0]["identical"]) == (0, "changed", False)
    assert told[0]["now"]["reason"] == "format_violation"


def test_a_bundle_has_all_that_it_takes(recorded: settings.Settings, bundle: Path) -> None:
    """Outcome, course, frames, settings, product and calibration are in it, each with its SHA-256, and the versions."""
    with zipfile.ZipFile(bundle) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(content.pop("manifest.json"))
    configuration = json.loads(content[f"configurations/{recorded.config_hash}.json"])

    assert {name: hashlib.sha256(raw).hexdigest() for name, raw in content.items()} == {
        name: facts["sha256"] for name, facts in manifest["files"].items()
    }
    assert len(manifest["parts"]) == len(PLAYED)
    assert configuration["product"]["name"] == "gearmotor"
    assert {"edge-inspection", "python", "openvino"} <= {*manifest["made_by"]}
    assert hashlib.sha256(recorded.calibration_text.encode()).hexdigest() in str(manifest["files"])


def test_one_inspection_is_recorded_alone(
    recorded: settings.Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--inspection` writes that one; an id that the station does not know is wrong use, and leaves no file."""
    store = Store.open(recorded.paths.data, STATION)
    wanted = store.outcomes(limit=1)[0].inspection_id
    store.close()
    path, other = tmp_path / "one.edge.zip", tmp_path / "none.edge.zip"
    codes = [
        cli.main(["record", str(file), "--inspection", one, "--config", str(recorded.path)])
        for file, one in ((path, wanted), (other, "nobody"))
    ]
    with Bundle(path) as opened:
        held = [part.facts.inspection_id for part in opened.parts()]

    assert (codes, held) == ([0, 2], [wanted])
    assert "no such inspection" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["one.edge.zip"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_bundle_keeps_to_its_size(
    recorded: settings.Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`[record] max_mb` ends a recording with whole parts, and the limit's name (L12)."""
    path, config = tmp_path / "small.edge.zip", tmp_path / "edge.toml"
    config.write_text(_absolute(recorded, "[record]\nmax_mb = 1\n"), encoding="utf-8")
    code = cli.main(["record", str(path), "--config", str(config)])
    with Bundle(path) as opened:
        num_parts, ended = len(list(opened.parts())), opened.manifest.ended

    assert (code, ended) == (0, "max_mb")
    assert 0 < num_parts < len(PLAYED)
    assert path.stat().st_size < 1_000_000
    assert "[record] max_mb" in capsys.readouterr().out


def test_a_recording_ends_before_the_disk_is_short(
    recorded: settings.Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Below `[record] keep_free_mb` what is recorded is kept, and no more is (L12)."""
    free = iter([2 * 10**9, 2 * 10**9, 10**9])
    monkeypatch.setattr(record_command, "free_bytes", lambda _folder: next(free))
    path = tmp_path / "short.edge.zip"
    code = cli.main(["record", str(path), "--config", str(recorded.path)])
    with Bundle(path) as opened:
        kept = len(list(opened.parts())), opened.manifest.ended

    assert (code, kept) == (0, (2, "keep_free_mb"))
    assert "[record] keep_free_mb" in capsys.readouterr().out


def test_a_full_disk_leaves_no_half_bundle(
    recorded: settings.Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bundle that cannot be written is one sentence, and no file is left."""

    def full(*_arguments: object) -> None:
        raise OSError(next(iter(disk.NO_ROOM)), "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    code = cli.main(["record", str(tmp_path / "x.edge.zip"), "--config", str(recorded.path)])

    assert (code, list(tmp_path.iterdir())) == (1, [])
    assert "free space, or write to another disk" in capsys.readouterr().err


def test_what_comes_is_recorded_until_it_is_stopped(recorded: settings.Settings, tmp_path: Path) -> None:
    """`--minutes` takes what is decided from now on alone, beside the station; Ctrl-C ends it, the bundle whole."""
    folder = tmp_path / "station"
    shutil.copytree(recorded.path.parent, folder)
    path = tmp_path / "live.edge.zip"
    command = [sys.executable, "-m", "edge", "record", str(path), "--minutes", "60", "--config"]
    store = Store.open(folder / "data", STATION)
    with subprocess.Popen([*command, str(folder / "edge.toml")], stdout=subprocess.PIPE, text=True) as recorder:
        assert recorder.stdout is not None
        begun = recorder.stdout.readline()
        inspection_id, _ = store.add_trigger("live", expected=None, source="plc", at=AT, at_us=1)
        outcome = Outcome(inspection_id, "live", Reason.OVERRUN)
        store.commit(outcome, topic="t", config_hash=recorded.config_hash, at=AT, course=None)
        recorder.send_signal(signal.SIGINT)
        ended = recorder.stdout.read()
        code = recorder.wait()
    store.close()
    with Bundle(path) as opened:
        held = [part.facts.inspection_id for part in opened.parts()]

    assert (code, held) == (0, [inspection_id])
    assert "Ctrl-C ends it" in begun
    assert "1 inspections" in ended
    assert "it was stopped" in ended


def test_frames_that_are_not_kept_any_more_are_said(
    recorded: settings.Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pruned or altered frame is not in the bundle, and is named: that part fails, the others are played (L8)."""
    folder = tmp_path / "station"
    shutil.copytree(recorded.path.parent, folder)
    first, second = sorted((folder / "data" / "evidence").glob("*/*"))[:2]
    first.unlink()
    second.write_bytes(b"another frame")
    path = tmp_path / "lossy.edge.zip"
    recording = cli.main(["record", str(path), "--config", str(folder / "edge.toml")])
    said = capsys.readouterr().out
    code, told = replayed(capsys, str(path))

    assert (recording, code) == (0, 1)
    assert "2 frames were not kept any more" in said
    assert "pruned before the bundle was made" in told[0]["why"]
    assert told[-1]["identical"]


def test_no_secret_is_in_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever secret a station has, in a file or as a credential, none is in what is kept or recorded (L13)."""
    named = {name for model in _tables() for name in model.model_fields if name in SECRET_FILES}
    secret = {name for model in _tables() for name in _properties_that_are_secret(model)}
    for name in SECRET_FILES:
        (tmp_path / name).write_text(SECRET.format(name), encoding="utf-8")
    (tmp_path / "url_file").write_text("sqlite:////erp.db?secret=" + SECRET.format("url_file"), encoding="utf-8")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name in ("reader_key", "redis_password", "camera_password", "erp_url", "erp_password", "erp_api_key"):
        (credentials / name).write_text(SECRET.format(name), encoding="utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    found = []
    for number, (camera, erp) in enumerate(((_RTSP, _SQL), (_FILE, _REST))):
        folder = tmp_path / f"station{number}"
        folder.mkdir()
        configured = configure(folder)
        text = configured.path.read_text(encoding="utf-8")
        text = text[: text.index("[cameras")] + camera + _MORE + erp
        configured.path.write_text(text.replace("SECRETS", str(tmp_path)), encoding="utf-8")
        found.append(_bundle_of(settings.load(configured.path, {}), tmp_path / f"{number}.edge.zip"))

    assert named == {*SECRET_FILES}
    assert len(secret) >= len(SECRET_FILES)
    for content in found:
        everything = b"".join(content.values())
        assert b"password_file" in everything
        assert SECRET.format("").encode() not in everything


def _bundle_of(configured: settings.Settings, path: Path) -> Mapping[str, bytes]:
    """The files of a bundle with one outcome of this station."""
    store = Store.open(configured.paths.data, STATION)
    calibration = store.recorded.keep_configuration(configured.config_text, configured.calibration_text)
    inspection_id, _ = store.add_trigger("t", expected=None, source="plc", at=AT, at_us=1)
    course = json.dumps({"begun": "busy", "expected": None, "steps": [], "calibration": calibration})
    store.commit(
        Outcome(inspection_id, "t", Reason.OVERRUN), topic="t", config_hash=configured.config_hash, at=AT, course=course
    )
    store.close()
    assert cli.main(["record", str(path), "--config", str(configured.path)]) == 0
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _tables() -> Iterator[type[BaseModel]]:
    """Every table of the settings."""
    for module in (sections, sections_cameras, sections_erp, sections_panel):
        for one in vars(module).values():
            if isinstance(one, type) and issubclass(one, BaseModel) and one.__module__ == module.__name__:
                yield one


def _properties_that_are_secret(model: type[BaseModel]) -> Iterator[str]:
    for name, one in vars(model).items():
        if isinstance(one, property) and "SecretStr" in str(get_type_hints(one.fget).get("return")):
            yield f"{model.__name__}.{name}"


def _absolute(configured: settings.Settings, more: str) -> str:
    """The same settings, from another folder."""
    folder = configured.path.parent
    text = configured.path.read_text(encoding="utf-8")
    for name in ("data", "run", "products", "frames", "erp.csv"):
        text = text.replace(f'= "{name}"', f'= "{folder / name}"')
    return text + more


_FILE = '[cameras.top]\nkind = "file"\npath = "frames"\n'
_RTSP = """[cameras.top]
kind = "rtsp"
url = "rtsp://10.0.0.1/one"
username = "u"
password_file = "SECRETS/password_file"
"""
_MORE = """
[reader]
kind = "remote"
[reader.remote]
url = "http://127.0.0.1:1"
model = "m"
key_file = "SECRETS/key_file"
cache = "redis"
redis_url = "redis://127.0.0.1:1/0"
redis_password_file = "SECRETS/redis_password_file"
[mqtt]
username = "u"
password_file = "SECRETS/password_file"
[panel]
token_file = "SECRETS/token_file"
"""
_SQL = '[erp]\nkind = "sql"\nurl_file = "SECRETS/url_file"\ntable = "parts"\n'
_REST = """
[erp]
kind = "rest"
url = "https://erp.example.com"
lookup = "/parts/{serial}"
api_key_file = "SECRETS/api_key_file"
[erp.oauth]
token_url = "https://login.example.com/token"
client_id = "c"
client_secret_file = "SECRETS/client_secret_file"
"""
