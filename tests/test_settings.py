"""Settings: what a right file gives, and that every key is explained."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from edge import (
    plant_settings,
    products,
    sections,
    sections_alarm,
    sections_cameras,
    sections_erp,
    sections_panel,
    sections_release,
    sections_signals,
    settings,
    settings_text,
)
from edge.adapters import users
from edge.calibrations import BUNDLED
from edge.core.gate import DEFAULT_LIMITS
from edge.errors import ConfigError
from edge.products import load_product
from edge.question_profiles import read_profile
from edge.settings import Settings
from tests.certificates import Authority

CONFIG = Path(__file__).parent.parent / "config"
CERTIFICATES = ("ca.pem", "station.pem", "station.key", "opcua.pem", "opcua.key", "plc.pem")
SECRETS = ("camera_password", "mqtt_password", "panel_token", "plc_password", "reader_key", "redis_password")

#: Where the tables of the settings are.
_PLACES = (
    sections,
    sections_alarm,
    sections_cameras,
    sections_erp,
    sections_panel,
    sections_release,
    sections_signals,
    products,
)

SMALL = """\
version = 1
[station]
site = "plant1"
line = "line1"
name = "station1"
camera = "front"
[cameras.front]
kind = "simulated"
address = "ipc:///tmp/camera.sock"
"""


@pytest.fixture(autouse=True)
def no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the environment of whoever runs the tests out of them."""
    monkeypatch.delenv("EDGE_CONFIG", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for files that many examples of one test write over."""
    return tmp_path_factory.mktemp("settings")


def _write(folder: Path, more: str = "", text: str = SMALL) -> Path:
    path = folder / "edge.toml"
    path.write_text(text + more, encoding="utf-8")
    return path


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for info in model.model_fields.values():
        for inner in re.findall(r"<class '([\w.]+)'>|(edge\.[\w.]+)", str(info.annotation)):
            name = (inner[0] or inner[1]).rsplit(".", 1)[-1]
            found = next((vars(one)[name] for one in _PLACES if name in vars(one)), None)
            if isinstance(found, type) and issubclass(found, BaseModel):
                yield from _models(found)


#: pool.toml is a pool's, and no station's: tests/pool/test_pool_settings.py.
@pytest.mark.parametrize("path", sorted({*CONFIG.rglob("*.toml")} - {CONFIG / "pool.toml"}), ids=lambda path: path.name)
def test_every_file_in_config_is_right(path: Path) -> None:
    """Every file that is shipped in config/ loads as it stands."""
    if path.parent.name == "products":
        loaded = load_product(path.stem, path.parent)

        assert loaded.name == path.stem
    elif path.parent.name == "profiles":
        assert read_profile(path).name == path.stem
    elif path.name == "plant.toml":
        assert plant_settings.load(path, {}).version == 1
    else:
        assert settings.load(path, {}).path == path


def test_the_example_is_made_from_the_models() -> None:
    """config/edge.toml is what the models say, word for word; `python -m edge.settings_text` writes it anew."""
    written = (CONFIG / "edge.toml").read_text(encoding="utf-8")

    assert written == settings_text.example()


def test_the_manual_lists_every_key() -> None:
    """docs/manual.md has the table of keys as the models have it; `python -m edge.settings_text` writes it anew."""
    text = (CONFIG.parent / "docs" / "manual.md").read_text(encoding="utf-8")

    assert text == settings_text.in_manual(text)
    assert "| `station.deadline_ms` |" in text


def test_every_key_is_in_the_example_behind_its_description() -> None:
    """Each key of each table stands in config/edge.toml, and the comment above it is the key's description."""
    text = (CONFIG / "edge.toml").read_text(encoding="utf-8")

    for model in set(_models(Settings)) - {Settings}:
        for name, info in model.model_fields.items():
            if name in settings_text._INNER or model.__name__ in {"ProductFile", "FieldTable", "ProductErp"}:
                continue
            description = info.description
            assert description, f"{model.__name__}.{name}"
            assert re.search(rf"# {re.escape(description)}\n(# )?{name} = ", text), f"{model.__name__}.{name}"


def test_the_example_is_right_with_every_key_set(tmp_path: Path) -> None:
    """The examples behind a # are right too: with every one of them set, the file still loads."""
    lines = []
    skip = False
    for line in settings_text.example().splitlines():
        if line.startswith(("# [cameras.desk]", "# [triggers.")):
            skip = False
        elif line.startswith(("# [erp", "# [result", "# [lights", "# Kind csv", "# Kind sql", "# Kind rest")):
            skip = True
        elif line.startswith("["):
            skip = False
        shown = re.sub(r"^# (?=(\[|[a-z_]+ = ))", "", line)
        lines.append("" if skip else shown)
    text = "\n".join(lines)
    text = text.replace("/srv/models/GLM-4.6V-Flash", str(tmp_path))
    for name in ("frames", *CERTIFICATES, *SECRETS):
        (tmp_path / name).write_text("x", encoding="utf-8")
        text = text.replace(f"/etc/edge/{name}", str(tmp_path / name))
    text = text.replace("/etc/edge/calibration.json", str(BUNDLED))
    Authority(tmp_path).sign("panel")
    users.write(tmp_path / "users", {"ada": users.User("ada", users.Role.OPERATOR, users.hashed("ten letters"))})
    text = re.sub(r"/etc/edge/(panel\.pem|panel\.key|users)", lambda named: str(tmp_path / named[1]), text)
    path = _write(tmp_path, text=text)

    loaded = settings.load(path, {})

    assert loaded.mqtt.tls is not None
    assert loaded.reader.remote is not None
    assert loaded.reader.remote.redis_password is not None
    assert loaded.gate.tilt == 50
    assert isinstance(loaded.cameras["desk"], sections_cameras.FileCamera)
    assert loaded.accept.false_accept_rate == {1: 0.001, 2: 0.0001}
    assert [one.kind for one in loaded.triggers.values()] == ["gpio", "modbus", "opcua", "free"]


def test_every_description_of_a_number_tells_its_bounds() -> None:
    """A number's description tells its unit or bounds, so that nobody has to try."""
    for model in set(_models(Settings)):
        for name, info in model.model_fields.items():
            numbers = [text for meta in info.metadata if (text := getattr(meta, "le", None)) is not None]
            if numbers and info.description:
                assert re.search(r"\d", info.description), f"{model.__name__}.{name}"


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    """A variable EDGE_TABLE__KEY sets one key, of a named camera too, and leaves the others."""
    path = _write(tmp_path)
    environment = {
        "EDGE_STATION__NAME": "other",
        "EDGE_CAMERAS__FRONT__EXPOSURE_US": "777",
        "EDGE_ERP__TIMEOUT_MS": "50",
        "EDGE_ERP__KIND": "none",
        "HOME": "/root",
    }

    loaded = settings.load(path, environment)

    assert loaded.station.name == "other"
    assert loaded.station.site == "plant1"
    assert loaded.cameras["front"].exposure_us == 777
    assert loaded.erp.timeout_ms == 50


def test_the_file_is_found_by_option_variable_or_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path given goes before EDGE_CONFIG, which goes before config/edge.toml."""
    (tmp_path / "config").mkdir()
    usual = tmp_path / "config" / "edge.toml"
    usual.write_text(SMALL.replace("station1", "usual"), encoding="utf-8")
    named = tmp_path / "named.toml"
    named.write_text(SMALL.replace("station1", "named"), encoding="utf-8")
    given_path = _write(tmp_path)
    monkeypatch.chdir(tmp_path)

    found = [
        settings.load(None, {}).station.name,
        settings.load(None, {"EDGE_CONFIG": str(named)}).station.name,
        settings.load(given_path, {"EDGE_CONFIG": str(named)}).station.name,
    ]

    assert found == ["usual", "named", "station1"]


def test_relative_paths_start_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path means the same from wherever edge is started."""
    path = _write(tmp_path, '[paths]\ndata = "data"\n')
    monkeypatch.chdir("/")

    loaded = settings.load(path, {})

    assert loaded.paths.data == tmp_path / "data"
    assert loaded.paths.products == tmp_path / "products"


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    """What was checked is what runs: settings are frozen."""
    loaded = settings.load(_write(tmp_path), {})

    with pytest.raises(ValueError, match="frozen"):
        loaded.station.name = "x"


def test_topics_and_client_id_name_the_station(tmp_path: Path) -> None:
    """Topics are edge/v1/SITE/LINE/STATION/..., and the client id is the station's unless one is set."""
    loaded = settings.load(_write(tmp_path), {})

    assert loaded.topic("cmd/trigger") == "edge/v1/plant1/line1/station1/cmd/trigger"
    assert loaded.mqtt.client_id == "edge-plant1-line1-station1"


def test_secrets_come_from_files_and_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret is read from its file, else from systemd's credential, and no text of the settings holds it (L13)."""
    (tmp_path / "password").write_text("hunter2\n", encoding="utf-8")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "panel_token").write_text("swordfish", encoding="utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))

    loaded = settings.load(_write(tmp_path, '[mqtt]\nusername = "u"\npassword_file = "password"\n'), {})

    password, token = loaded.mqtt.password, loaded.panel.token
    assert password is not None
    assert password.get_secret_value() == "hunter2"
    assert token is not None
    assert token.get_secret_value() == "swordfish"
    shown = f"{loaded!r} {loaded.model_dump_json()} {password!r} {token}"
    assert "hunter2" not in shown
    assert "swordfish" not in shown


def test_the_hash_follows_what_counts(tmp_path: Path) -> None:
    """The configuration's hash changes with a setting and with the product, and not with a secret or a comment."""
    (tmp_path / "products").mkdir()
    product = tmp_path / "products" / "motor.toml"
    product.write_text('version = 1\nname = "motor"\n[fields.serial]\n', encoding="utf-8")
    (tmp_path / "p").write_text("one", encoding="utf-8")
    more = '[mqtt]\nusername = "u"\npassword_file = "p"\n'
    text = SMALL.replace('camera = "front"', 'camera = "front"\nproduct = "motor"', 1)
    first = settings.load(_write(tmp_path, more, text), {}).config_hash

    (tmp_path / "p").write_text("two", encoding="utf-8")
    with_comment = settings.load(_write(tmp_path, more + "# a comment\n", text), {}).config_hash
    by_variable = settings.load(_write(tmp_path, more, text), {"EDGE_MQTT__PORT": "1884"}).config_hash
    product.write_text('version = 1\nname = "motor"\n[fields.serial]\nrequired = false\n', encoding="utf-8")
    other_product = settings.load(_write(tmp_path, more, text), {}).config_hash

    assert re.fullmatch("[0-9a-f]{64}", first)
    assert with_comment == first
    assert len({first, by_variable, other_product}) == 3


def test_limits_of_the_product_go_before_the_stations(tmp_path: Path) -> None:
    """The gate keeps to the product's limit, else the station's, else the default."""
    (tmp_path / "products").mkdir()
    (tmp_path / "products" / "motor.toml").write_text(
        'version = 1\nname = "motor"\n[fields.serial]\n[gate]\nglare = 11\n', encoding="utf-8"
    )
    text = SMALL.replace('camera = "front"', 'camera = "front"\nproduct = "motor"', 1)

    loaded = settings.load(_write(tmp_path, "[gate]\nglare = 22\ntilt = 33\n", text), {})

    limits = loaded.product.limits.min_scores
    assert (limits["glare"], limits["tilt"]) == (11, 33)
    assert {name: limit for name, limit in limits.items() if name not in {"glare", "tilt"}} == {
        name: limit for name, limit in DEFAULT_LIMITS.min_scores.items() if name not in {"glare", "tilt"}
    }


def test_the_policy_is_the_settings(tmp_path: Path) -> None:
    """What the core keeps to is what the file says."""
    loaded = settings.load(_write(tmp_path, "[retake]\nmax_attempts = 2\nbudget_ms = 900\n"), {})

    assert loaded.policy.deadline_us == 5_000_000
    assert (loaded.policy.max_attempts, loaded.policy.retake_budget_us) == (2, 900_000)
    assert loaded.policy.has_erp is False


@pytest.mark.parametrize(
    ("said", "stops"),
    [("nothing", set()), ("drift", {"drift"}), ("in_a_row", {"in_a_row"}), ("both", {"drift", "in_a_row"})],
)
def test_what_stops_the_line_is_what_the_file_says(said: str, stops: set[str], tmp_path: Path) -> None:
    """`[alarm]` becomes the limits that the core keeps to; 0 in a row is no alarm at all."""
    alarm = settings.load(
        _write(tmp_path, f'[alarm]\nstop_on = "{said}"\nin_a_row = 0\nbase_outcomes = 300\nfactor = 3.0\n'), {}
    ).alarm.policy

    assert {one.value for one in alarm.stop_on} == stops
    assert (alarm.in_a_row, alarm.drift.base_outcomes, alarm.drift.factor) == (None, 300, 3.0)


@given(raw=st.binary(max_size=200))
def test_any_bytes_are_settings_or_one_error(folder: Path, raw: bytes) -> None:
    """Whatever stands in the file, loading it gives settings or a list of mistakes, never another error (L13)."""
    path = folder / "any.toml"
    path.write_bytes(raw)

    with pytest.raises(ConfigError) as raised:
        settings.load(path, {})

    assert raised.value.problems


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "path", "x", "port"]), inner),
    max_leaves=5,
)


@given(values=st.dictionaries(st.sampled_from([*Settings.model_fields, "other"]), _VALUES, max_size=4))
def test_any_values_are_settings_or_mistakes(folder: Path, values: dict[str, object]) -> None:
    """Whatever types stand where, every mistake is told and nothing breaks (L13)."""
    path = folder / "values.toml"
    path.write_text("\n".join(_lines(values)), encoding="utf-8")
    tomllib.loads(path.read_text(encoding="utf-8"))

    with pytest.raises(ConfigError) as raised:
        settings.load(path, {})

    assert all(problem.strip() for problem in raised.value.problems)


def _lines(values: dict[str, object]) -> Iterator[str]:
    for name, value in values.items():
        if value is not None:
            yield f"{name} = {_literal(value)}"


def _literal(value: object) -> str:
    if value is None:
        return '"none"'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_literal(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_literal(inner) for inner in value) + "]"
    if isinstance(value, float):
        return repr(value) if value == value else "nan"  # noqa: PLR0124 - NaN
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08X}" for c in value if not 0xD800 <= ord(c) < 0xE000) + '"'
    return str(value).lower()
