"""Promises of `pool.toml`: every key is in the commented file, and every mistake stops the start (L13)."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from edge import cli
from edge.errors import ConfigError
from edge.pool import settings
from edge.pool.settings import PoolSettings

ROOT = Path(__file__).resolve().parents[2]
SECRET = "hunter2-swordfish"

WRONG = {
    "an unknown kind": (f'[reader]\nkind = "{SECRET}"', ("reader.kind", "ocr, vlm, ocr+vlm")),
    "an unknown key": ("[reader]\nkinds = 1", ("reader.kinds", "kind")),
    "a model that is nowhere": ('[reader]\nmodel = "nowhere"', ("reader.model", "no folder")),
    "more least than most": ("[replicas]\nleast = 3\nmost = 2", ("replicas.least", "more than replicas.most, 2")),
    "one card and a half": ("[replicas]\ngpus = 1.5", ("replicas.gpus", "whole number")),
    "a GPU reader without a GPU": ('[reader]\ndevice = "cuda"', ("replicas.gpus", "shows no card")),
    "a station that fills the queue": (
        "[queue]\nmax_waiting = 2\nmax_waiting_station = 3",
        ("queue.max_waiting_station", "fill the queue"),
    ),
    "an acceptance set that is nowhere": ('[change]\nacceptance = "nowhere"', ("change.acceptance", "labels.jsonl")),
    "a port that is none": ("[listen]\nport = 70000", ("listen.port", "65535")),
    "a deadline of nothing": ("[queue]\ndeadline_ms = 0", ("queue.deadline_ms", "at least 10")),
    "a check that never comes": ("[health]\nevery_s = 0", ("health.every_s", "0.5")),
    "another version": ("", ("version", "1")),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_pool_refuses_to_start(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each mistake ends `edge pool up` with 78, one sentence that names file, key and remedy, and no secret (L13)."""
    text, names = WRONG[name]
    path = tmp_path / "pool.toml"
    path.write_text(f"version = {2 if name == 'another version' else 1}\n{text}\n", encoding="utf-8")
    code = cli.main(["pool", "up", "--config", str(path)])

    told = capsys.readouterr().err.splitlines()
    assert (code, len(told)) == (78, 1)
    assert told[0].startswith(str(path))
    assert all(one in told[0] for one in names), told[0]
    assert SECRET not in told[0]


def test_every_key_is_in_the_commented_file_with_its_default() -> None:
    """config/pool.toml names every key behind its description, and is what an empty file means."""
    path = ROOT / "config" / "pool.toml"
    text = path.read_text(encoding="utf-8")
    written = tomllib.loads(re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE))

    for table, info in PoolSettings.model_fields.items():
        if table == "version":
            continue
        model = info.annotation
        assert model is not None
        assert set(written[table]) == set(model.model_fields), table
        for key in model.model_fields.values():
            assert f"# {key.description}\n" in text
    assert settings.load(path).model_copy(update={"change": settings.Change()}) == PoolSettings(version=1)


def test_what_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Two mistakes are two sentences (L13)."""
    path = tmp_path / "pool.toml"
    path.write_text("version = 1\n[listen]\nport = 0\n[queue]\ndeadline_ms = 1\n", encoding="utf-8")

    with pytest.raises(ConfigError) as raised:
        settings.load(path)
    assert len(raised.value.problems) == 2
