"""The plant's settings: the example is made from the models and right, and every mistake is told at once (L13)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge import cli, plant_settings
from edge.errors import ConfigError
from tests.certificates import Authority

CONFIG = Path(__file__).parents[2] / "config" / "plant.toml"
SMALL = 'version = 1\n[plant]\nsite = "s"\n[database]\nurl = "postgresql://edge@127.0.0.1/plant"\n'


def written(folder: Path, text: str) -> Path:
    """A settings file."""
    path = folder / "plant.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_is_made_from_the_models() -> None:
    """config/plant.toml is what the models say, word for word; `python -m edge.plant_settings` writes it anew."""
    assert CONFIG.read_text(encoding="utf-8") == plant_settings.example()


def test_every_key_is_in_the_example_behind_its_description() -> None:
    """Each key of each table stands in config/plant.toml, and the comment above it is its description."""
    text = CONFIG.read_text(encoding="utf-8")

    for _, model, _ in plant_settings._TABLES:
        for name, info in model.model_fields.items():
            if name != "tls":
                assert re.search(rf"# {re.escape(info.description or '')}\n(# )?{name} = ", text), name


def test_the_example_is_right_with_every_key_set(tmp_path: Path) -> None:
    """The examples behind a # are right too."""
    text = re.sub(r"^# (?=(\[|[a-z_]+ = ))", "", plant_settings.example(), flags=re.MULTILINE)
    for name in ("plant_mqtt_password", "ca.pem", "collector.pem", "collector.key", "plant_database", "plant_token"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    Authority(tmp_path).sign("page")

    loaded = plant_settings.load(written(tmp_path, text.replace("/etc/edge", str(tmp_path))), {})

    assert loaded.page.tls is not None
    assert loaded.mqtt.tls is not None
    assert loaded.page.token is not None


def test_the_client_id_follows_from_site_and_name(tmp_path: Path) -> None:
    """Whoever sets none has one that no other collector of the plant has."""
    assert plant_settings.load(written(tmp_path, SMALL), {}).mqtt.client_id == "edge-s-collector"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("[plants]\nx = 1\n", "is an unknown key; did you mean plant?"),
        ("[collect]\nbatch_ms = -1\n", "is -1, but must be at least 0"),
        ("[collect]\nbatch_ms = true\n", "must be a number"),
        ("[collect]\nmax_in_flight = 0\n", "must be at least 1"),
        ("[collect]\ngap_at_once = 1001\n", "must be at most 1000"),
        ("[collect]\ngap_patience_s = 60\ngap_longest_s = 5\n", "must be at least collect.gap_patience_s, 60"),
        ("[mqtt]\nport = 0\n", "must be at least 1"),
        ('[mqtt]\nhost = "user@host"\n', "must be a host name"),
        ('[mqtt]\npassword_file = "nowhere"\n', "cannot be read"),
        ('[page]\nhost = "0.0.0.0"\n', "page.tls is not set"),
        ('[page]\nhost = "0.0.0.0"\n', "there is no token"),
        ('[page]\ntoken_file = "nowhere"\n', "cannot be read"),
        ('[page]\n[page.tls]\ncert_file = "a"\nkey_file = "b"\n', "cannot be read"),
        ('[log]\nlevel = "loud"\n', "choose one of debug, info, warning, error"),
    ],
)
def test_a_wrong_key_is_told_with_its_place(tmp_path: Path, more: str, said: str) -> None:
    """Each mistake is one sentence with file, line and key."""
    with pytest.raises(ConfigError) as wrong:
        plant_settings.load(written(tmp_path, SMALL + more), {})

    assert any(said in one and one.startswith(str(tmp_path / "plant.toml")) for one in wrong.value.problems)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://edge:hunter2@127.0.0.1/plant",
        "postgresql://e@h/p?password=hunter2",
        "sqlite:///hunter2",
        "hunter2",
    ],
)
def test_an_address_that_is_none_or_holds_a_password_is_refused(tmp_path: Path, url: str) -> None:
    """The sentence says what to write, and repeats nothing of what was written."""
    with pytest.raises(ConfigError) as wrong:
        plant_settings.load(written(tmp_path, SMALL.replace("postgresql://edge@127.0.0.1/plant", url)), {})

    assert "database.url" in str(wrong.value)
    assert "hunter2" not in str(wrong.value)


@pytest.mark.parametrize("action", ["collect", "page", "check"])
def test_wrong_settings_end_with_78(tmp_path: Path, action: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each process of the plant refuses to start, and lists everything that is wrong at once."""
    path = written(tmp_path, "version = 2\n[plant]\nsite = 5\n[mqtt]\nport = 0\n")

    code = cli.main(["plant", action, "--config", str(path)])

    assert code == 78
    assert len(capsys.readouterr().err.splitlines()) == 4


def test_no_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file the sentence says where one is looked for."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match=r"config/plant\.toml nor /etc/edge/plant\.toml"):
        plant_settings.load(None, {})
