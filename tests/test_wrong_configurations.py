"""Wrong configurations: each refuses to start, names file and key, lists every mistake, shows no secret (L13)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge import cli, settings
from edge.errors import ConfigError
from tests import wrong_erp
from tests.wrong_case import GOOD, GOOD_PRODUCT, SECRET, Case


def _product(name: str, serial: str, *names: str, rest: str = "") -> Case:
    text = f'version = 1\nname = "motor"\n[fields.model]\n[fields.serial]\n{serial}\n{rest}'
    return Case(name, ("motor.toml", *names), product=text)


CASES = [
    # The file itself.
    Case("empty file", ("version", "station", "cameras"), raw=b""),
    Case("not toml", ("edge.toml:2:", "line 2, column"), raw=f'version = 1\nsite = "{SECRET}\n'.encode()),
    Case("a value without quotes", ("edge.toml:1:",), raw=f"password = {SECRET}".encode()),
    Case(
        "a key twice", ("edge.toml:3:",), old="site", new='site = "a"\nsite', raw=b'[station]\nsite = "a"\nsite = "b"'
    ),
    Case("an unfinished table", ("edge.toml:1:",), raw=b"[station"),
    Case("not utf-8", ("edge.toml:1:", "UTF-8"), raw=b'version = "\xff\xfe"'),
    Case("binary", ("edge.toml",), raw=bytes(range(256))),
    Case("nested without end", ("edge.toml", "nested"), raw=b"a = " + b"[" * 100_000),
    Case("too large", ("edge.toml", "larger"), raw=b"#" * 1_000_001),
    Case("an older version", ("version", "choose one of 1"), old="version = 1", new="version = 2"),
    Case("no version", ("version", "missing"), old="version = 1", new=""),
    Case("a table that is a number", ("mqtt", "must be a table"), raw=b"mqtt = 5\n" + GOOD.encode()),
    # Keys.
    Case("an unknown key", ("edge.toml:4: station.sit ", "did you mean site?"), old='site = "plant1"', new='sit = "p"'),
    Case("an unknown table", ("edge.toml:16: mqt ", "did you mean mqtt?"), more='[mqt]\nhost = "h"\n'),
    Case("an unknown key of a camera", ("cameras.front.exposre_us", "exposure_us"), more="exposre_us = 5\n"),
    Case("a missing key", ("edge.toml:3: station.line", "missing"), old='line = "line1"\n', new=""),
    Case("a secret in the file", ("mqtt.password ", "password_file"), more=f'[mqtt]\npassword = "{SECRET}"\n'),
    Case("a secret in a wrong table", ("panel.token ", "token_file"), more=f'[panel]\ntoken = "{SECRET}"\n'),
    # Types and bounds.
    Case("a text for a number", ("mqtt.port", "a whole number"), more=f'[mqtt]\nport = "{SECRET}"\n'),
    Case(
        "true for a number", ("station.deadline_ms", "true or false"), old="[paths]", new="deadline_ms = true\n[paths]"
    ),
    Case("a number for a text", ("mqtt.host", "a text"), more="[mqtt]\nhost = 5\n"),
    Case("a fraction for a whole number", ("mqtt.port", "whole"), more="[mqtt]\nport = 18.5\n"),
    Case("a port too high", ("mqtt.port", "65536", "at most 65535"), more="[mqtt]\nport = 65536\n"),
    Case("a port of zero", ("panel.port", "at least 1"), more="[panel]\nport = 0\n"),
    Case("a negative time", ("cameras.front.take_timeout_ms", "at least"), more="take_timeout_ms = -5\n"),
    Case("not a number", ("accept.min_margin", "nan"), more="[accept]\nmin_margin = nan\n"),
    Case("a share above one", ("accept.min_margin", "at most 1"), more="[accept]\nmin_margin = 90\n"),
    Case("a score above 100", ("gate.sharpness", "at most 100"), more="[gate]\nsharpness = 101\n"),
    Case("one look is enough", ("accept.looks", "at least 2"), more="[accept]\nlooks = 1\n"),
    Case("no attempt", ("retake.max_attempts", "at least 1"), more="[retake]\nmax_attempts = 0\n"),
    Case("an unknown level", ("log.level", "debug, info"), more=f'[log]\nlevel = "{SECRET}"\n'),
    Case("an unknown evidence format", ("evidence.format", "jpeg, png, bmp"), more='[evidence]\nformat = "gif"\n'),
    Case("a date for a number", ("evidence.keep_days", "a date"), more="[evidence]\nkeep_days = 2026-01-01\n"),
    # Topic levels.
    *(
        Case(f"{what} in a topic level", ("station.site", "MQTT topic"), old='"plant1"', new=f'"{level}"')
        for what, level in (
            ("a plus", f"{SECRET}+"),
            ("a hash", f"{SECRET}#"),
            ("a slash", f"{SECRET}/b"),
            ("a control character", f"{SECRET}\\u0007"),
            ("a dollar", f"${SECRET}"),
            ("a blank at the end", f"{SECRET} "),
        )
    ),
    Case("an empty topic level", ("station.name", "at least 1"), old='"station1"', new='""'),
    Case("a long topic level", ("station.line", "at most 64"), old='"line1"', new=f'"{"x" * 65}"'),
    # Cameras.
    Case("an unknown kind of camera", ("cameras.front.kind", "file, simulated"), old='"simulated"', new=f'"{SECRET}"'),
    Case("a camera without a kind", ("cameras.front.kind", "missing"), old='kind = "simulated"\n', new=""),
    Case("a camera without an address", ("cameras.front.address", "missing"), old="address", new="# address"),
    Case(
        "an address that is none",
        ("cameras.front.address", "tcp://HOST:PORT"),
        old="ipc:///tmp/camera.sock",
        new=SECRET,
    ),
    Case(
        "a camera that is not there",
        ("station.camera", "choose one of front"),
        old='camera = "front"',
        new='camera = "x"',
    ),
    Case("a camera no service is named after", ("cameras", "a-z"), more='[cameras."A/B"]\nkind = "file"\npath = "."\n'),
    Case(
        "a folder of frames that is not there",
        ("cameras.desk.path", "nowhere"),
        more='[cameras.desk]\nkind = "file"\npath = "nowhere"\n',
    ),
    Case(
        "an exposure out of its range", ("cameras.front.exposure_us", "exposure_max_us"), more="exposure_max_us = 100\n"
    ),
    Case(
        "a feature that edge sets itself",
        ("cameras.top.features", "TriggerMode", "is set by edge itself"),
        more='[cameras.top]\nkind = "pylon"\nfeatures = { TriggerMode = "Off" }\n',
    ),
    Case(
        "a feature that has no such name",
        ("cameras.top.features", "Pixel Format", "as PixelFormat"),
        more='[cameras.top]\nkind = "aravis"\nfeatures = { "Pixel Format" = "Mono8" }\n',
    ),
    # Rules between keys.
    Case(
        "retakes after the deadline",
        ("retake.budget_ms", "station.deadline_ms, 5000"),
        more="[retake]\nbudget_ms = 5000\n",
    ),
    Case(
        "a deadline before the retakes", ("retake.budget_ms", "2000"), old="[paths]", new="deadline_ms = 2000\n[paths]"
    ),
    Case("a wait longer than the deadline", ("reader.timeout_ms", "deadline_ms"), more="[reader]\ntimeout_ms = 9000\n"),
    Case("a runtime folder too long", ("paths.runtime", "107"), old="/tmp/edge-run", new="/tmp/" + "x" * 100),
    Case("a data folder that is a file", ("paths.data", "not a folder"), files={"data": b""}),
    Case("one folder for both", ("paths.runtime", "same folder"), old='"/tmp/edge-run"', new='"data"'),
    # Secrets and certificates.
    Case(
        "a password file that is not there",
        ("mqtt.password_file", "none.txt"),
        more='[mqtt]\nusername = "u"\npassword_file = "none.txt"\n',
    ),
    Case(
        "a password file with two lines",
        ("mqtt.password_file", "one line"),
        more='[mqtt]\nusername = "u"\npassword_file = "p"\n',
        files={"p": f"{SECRET}\n{SECRET}\n".encode()},
    ),
    # The panel for others than this PC.
    Case(
        "a panel for all",
        ("edge.toml:17: panel.host is 0.0.0.0", "users_file or token_file", "[panel.tls]"),
        more='[panel]\nhost = "0.0.0.0"\n',
    ),
    Case(
        "a panel for all without TLS",
        ("panel.host is ::", "[panel.tls]"),
        more='[panel]\nhost = "::"\ntoken_file = "t"\n',
        files={"t": b"x"},
    ),
    Case("a panel for a name", ("EDGE_PANEL__HOST", "[panel.tls]"), environment={"EDGE_PANEL__HOST": "station7.plant"}),
    Case(
        "a panel for all with a certificate that is none",
        ("panel.tls", "no certificate and its key"),
        more='[panel]\nhost = "0.0.0.0"\ntoken_file = "t"\n[panel.tls]\ncert_file = "t"\nkey_file = "t"\n',
        files={"t": b"x"},
    ),
    Case(
        "a panel's certificate that is not there",
        ("panel.tls.cert_file", "no file"),
        more='[panel.tls]\ncert_file = "a"\nkey_file = "t"\n',
        files={"t": b"x"},
    ),
    Case("users who are not there", ("panel.users_file", "edge users add"), more='[panel]\nusers_file = "u"\n'),
    Case(
        "a file of no users", ("panel.users_file", "holds nobody"), more='[panel]\nusers_file = "u"\n', files={"u": b""}
    ),
    Case(
        "users who are none",
        ("panel.users_file", "line 2 of"),
        more='[panel]\nusers_file = "u"\n',
        files={"u": f"\nada operator {SECRET}\n".encode()},
    ),
    Case(
        "nobody may look, and nobody can sign in", ("panel.anyone", "users_file"), more='[panel]\nanyone = "nobody"\n'
    ),
    Case("an empty token file", ("panel.token_file", "one line"), more='[panel]\ntoken_file = "t"\n', files={"t": b""}),
    Case(
        "a binary token file",
        ("panel.token_file", "UTF-8"),
        more='[panel]\ntoken_file = "t"\n',
        files={"t": b"\xff" + SECRET.encode()},
    ),
    Case(
        "a password without a name",
        ("mqtt.username", "missing"),
        more='[mqtt]\npassword_file = "p"\n',
        files={"p": SECRET.encode()},
    ),
    Case(
        "a camera's password file that is not there",
        ("cameras.hall.password_file", "none.txt cannot be read"),
        more='[cameras.hall]\nkind = "rtsp"\nurl = "rtsp://h/live"\npassword_file = "none.txt"\n',
    ),
    Case("a certificate that is not there", ("mqtt.tls.ca_file", "ca.pem"), more='[mqtt.tls]\nca_file = "ca.pem"\n'),
    Case(
        "a certificate without its key",
        ("mqtt.tls.key_file", "both"),
        more='[mqtt.tls]\ncert_file = "c"\n',
        files={"c": b"x"},
    ),
    Case("a password in the host", ("mqtt.host", "alone"), more=f'[mqtt]\nhost = "mqtt://u:{SECRET}@h"\n'),
    *wrong_erp.CASES,
    # The environment.
    Case(
        "a wrong value in the environment", ("EDGE_MQTT__PORT", "whole number"), environment={"EDGE_MQTT__PORT": SECRET}
    ),
    Case(
        "an unknown key in the environment",
        ("EDGE_MQTT__PRT", "did you mean port?"),
        environment={"EDGE_MQTT__PRT": SECRET},
    ),
    Case(
        "an unknown table in the environment",
        ("EDGE_MQT__PORT", "did you mean mqtt?"),
        environment={"EDGE_MQT__PORT": SECRET},
    ),
    Case(
        "a secret in the environment", ("EDGE_MQTT__PASSWORD", "unknown"), environment={"EDGE_MQTT__PASSWORD": SECRET}
    ),
    Case("no JSON in the environment", ("EDGE_MQTT", "JSON"), environment={"EDGE_MQTT": SECRET}),
    # Product files.
    Case(
        "a product that is not there",
        ("station.product", "did you mean nameplate?"),
        old="[paths]",
        new='product = "namplate"\n[paths]',
    ),
    Case(
        "a product path that is not there",
        ("gone.toml", "no such file"),
        old="[paths]",
        new='product = "gone.toml"\n[paths]',
    ),
    Case("a product that is not toml", ("motor.toml:1:",), product=f"serial = {SECRET}"),
    Case("a product of another name", ("motor.toml:2: name",), product=GOOD_PRODUCT.replace('"motor"', '"other"')),
    Case("a product without fields", ("motor.toml", "fields", "missing"), product='version = 1\nname = "motor"\n'),
    Case(
        "a field with a wrong name", ("motor.toml", "fields"), product='version = 1\nname = "motor"\n[fields."S N"]\n'
    ),
    _product("an unknown key of a product", "patern = 'x'", "fields.serial.patern", "did you mean pattern?"),
    _product("a pattern that is none", "pattern = '[0-9'", "fields.serial.pattern", "`regex` syntax"),
    _product("a pattern that searches without end", "pattern = '(a|a)+'", "fields.serial.pattern", "without end"),
    _product("a pattern that takes nothing", "pattern = '[0-9]*'", "fields.serial.pattern", "empty text"),
    _product("an empty pattern", "pattern = ''", "fields.serial.pattern", "at least 1"),
    _product("a group of one character", 'confusable = ["0"]', "fields.serial.confusable", "two or more"),
    _product("a group of the same characters", 'confusable = ["00"]', "fields.serial.confusable", "different"),
    _product("a group twice", 'confusable = ["0O", "0O"]', "fields.serial.confusable", "twice"),
    _product("an empty key word", 'keys = [""]', "fields.serial.keys", "empty"),
    _product("a key word alone", 'keys = "S/N"', "fields.serial.keys", "list"),
    _product("a key word that is a number", "keys = [5]", "fields.serial.keys", "text"),
    _product("an unknown check digit", f'check = "{SECRET}"', "fields.serial.check", "luhn, mod11, mod97, gs1"),
    _product("a confidence in percent", "min_confidence = 90", "fields.serial.min_confidence", "at most 1"),
    _product("no confidence", "min_confidence = 0", "fields.serial.min_confidence", "more than 0"),
    _product("no token", "max_new_tokens = 0", "fields.serial.max_new_tokens", "at least 1"),
    _product("a text for true", f'required = "{SECRET}"', "fields.serial.required", "true or false"),
    _product("an unknown measure", "", "gate.sharpnes", "did you mean sharpness?", rest="[gate]\nsharpnes = 5"),
    _product("an unknown mode", "", "erp.mode", "verify, identify", rest='[erp]\nmode = "check"'),
    Case(
        "a product without a serial beside an ERP",
        ("erp.kind", "serial"),
        more='[erp]\nkind = "csv"\npath = "parts.csv"\n',
        files={"parts.csv": b"serial\n1\n"},
        product='version = 1\nname = "motor"\n[fields.model]\n',
    ),
]


@pytest.fixture(autouse=True)
def no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the environment of whoever runs the tests out of them."""
    monkeypatch.delenv("EDGE_CONFIG", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wrong_configuration_refuses_to_start(
    case: Case, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong configuration ends with 78; file, key and mistake are named, and no secret is shown (L13)."""
    path = case.write(tmp_path)
    for name, value in case.environment.items():
        monkeypatch.setenv(name, value)

    code = cli.main(["erp", "sync", "--config", str(path)])
    out, err = capfd.readouterr()

    assert code == 78, err
    for name in case.names:
        assert name in err
    assert case.environment or "edge.toml" in err or "motor.toml" in err or "gone.toml" in err
    assert SECRET not in out + err
    assert "Traceback" not in err


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wrong_configuration_is_told_once(case: Case, tmp_path: Path) -> None:
    """One mistake gives one sentence, except where the file lacks everything (L13)."""
    path = case.write(tmp_path)

    with pytest.raises(ConfigError) as raised:
        settings.load(path, case.environment)

    most = 3 if case.name == "empty file" else 1
    assert len(raised.value.problems) == most, raised.value.problems


def test_all_mistakes_are_listed_at_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Mistakes in both files, in bounds, in keys and between keys are all told in one go, each on its line (L13)."""
    case = Case(
        "many",
        (),
        old='site = "plant1"',
        new='sit = "a/b"\ndeadline_ms = 1000',
        more='exposre_us = 5\n[mqtt]\nport = 0\nhost = ""\n[log]\nlevel = "loud"\n[retake]\nmax_attempts = 99\n',
        product='version = 1\nname = "motor"\n[fields.serial]\npattern = "("\nkeys = [""]\n',
    )

    code = cli.main(["erp", "sync", "--config", str(case.write(tmp_path))])
    lines = capfd.readouterr().err.splitlines()

    assert code == 78
    told = [line.split(" ")[1].rstrip(":") for line in lines]
    assert sorted(told) == sorted(
        [
            "station.sit",
            "cameras.front.exposre_us",
            "mqtt.port",
            "mqtt.host",
            "log.level",
            "retake.max_attempts",
            "retake.budget_ms",
            "fields.serial.pattern",
            "fields.serial.keys",
        ]
    )
    assert all(line.startswith(str(tmp_path)) for line in lines)


@pytest.mark.parametrize(
    ("path", "what"),
    [("none.toml", "no such file"), (".", "cannot be read"), ("a\0b", "not a path"), ("x" * 300, "cannot be read")],
)
def test_a_path_that_is_no_file_is_named(path: str, what: str, tmp_path: Path) -> None:
    """A configuration that is absent, a folder, or no path at all is one named error (L13)."""
    with pytest.raises(ConfigError, match=what):
        settings.load(tmp_path / path, {})


def test_no_configuration_at_all_says_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any file, the sentence names the places and how to name another (L13)."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match="--config"):
        settings.load(None, {})


def test_the_process_itself_ends_with_78(tmp_path: Path) -> None:
    """`python -m edge` ends with 78 and one sentence: what systemd sees, and does not restart (L13)."""
    case = next(case for case in CASES if case.name == "a port too high")

    ended = subprocess.run(
        [sys.executable, "-m", "edge", "inspector", "--config", case.write(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == 78
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1


def test_there_are_at_least_forty_cases() -> None:
    """The list of wrong configurations does not shrink below what was promised (L13)."""
    assert len({case.name for case in CASES}) == len(CASES) >= 40
