"""`edge replay`: kept frames read again, by the real reader and the real core."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge import cli
from edge.adapters.store import Store
from edge.core.outcome import Evidence, Outcome, Reason
from edge.readers.ocr import Ocr
from simulator import products, scenes
from simulator.staging import stage
from tests.simulator.rehearsal import Rehearsal

PLAYED = ("matched_label", "mismatch_serial", "unreadable_no_plate", "record_missing", "camera_recovers")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A station's data folder with an inspection of each scene, and one that no frame decided."""
    folder = tmp_path_factory.mktemp("recorded")
    reader, known = Ocr(threads=2), scenes.load_all()
    store = Store.open(folder / "data", "st")
    for name in PLAYED:
        part = stage(known[name], "replay")
        rehearsal = Rehearsal(part, reader, folder / "products")
        outcome = rehearsal.play()
        inspection_id, _ = store.add_trigger(name, expected=part.expected, source="test", at="2026-11-01", at_us=1)
        _commit(store, replace(outcome, inspection_id=inspection_id, evidence=_keep(folder, name, rehearsal.frames)))
    inspection_id, _ = store.add_trigger("busy", expected=None, source="test", at="2026-11-01", at_us=1)
    _commit(store, replace(outcome, inspection_id=inspection_id, reason=Reason.OVERRUN, attempts=(), evidence=()))
    store.close()
    return folder


def _commit(store: Store, outcome: Outcome) -> None:
    store.commit(outcome, topic="edge/v1/s/l/st/outcome", config_hash="0" * 64, at="2026-11-01T06:00:00.000Z")


def _keep(folder: Path, name: str, frames: dict[int, bytes]) -> tuple[Evidence, ...]:
    """Put frames where the evidence lies."""
    kept = []
    for attempt, raw in frames.items():
        path = Path("evidence") / f"{name}-{attempt}.jpg"
        (folder / "data" / path).parent.mkdir(exist_ok=True)
        (folder / "data" / path).write_bytes(raw)
        kept.append(Evidence(str(path), hashlib.sha256(raw).hexdigest(), attempt))
    return tuple(kept)


def _replay(capsys: pytest.CaptureFixture[str], folder: Path, *options: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and what each outcome came to."""
    product = folder / "products" / "gearmotor.toml"
    code = cli.main(["replay", str(folder / "data"), "--json", "--product", str(product), *options])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_same_reader_decides_the_same(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With nothing changed, no outcome changes; what no frame decided is counted, and not played."""
    code, told = _replay(capsys, recorded)

    assert code == 0
    assert [one["replay"] for one in told] == ["same"] * len(PLAYED) + ["not played"]
    assert [one["seq"] for one in told] == [1, 2, 3, 4, 5, 6]


def test_the_stations_own_data_is_read_by_its_own_product(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a time alone, data, product and limits are those of the configuration in its usual place."""
    config = tmp_path / "edge.toml"
    (tmp_path / "frames").mkdir()
    (tmp_path / "erp.csv").write_text("serial,model\n", encoding="utf-8")
    config.write_text(
        'version = 1\n[station]\nsite = "s"\nline = "l"\nname = "st"\nproduct = "gearmotor"\ncamera = "top"\n'
        f'[paths]\ndata = "{recorded / "data"}"\nruntime = "run"\nproducts = "{recorded / "products"}"\n'
        '[cameras.top]\nkind = "file"\npath = "frames"\n'
        '[erp]\nkind = "csv"\npath = "erp.csv"\n[mqtt]\nhost = "127.0.0.1"\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("EDGE_CONFIG", str(config))
    code = cli.main(["replay", "--since", "2026-01-01", "--json"])
    told = [json.loads(line)["replay"] for line in capsys.readouterr().out.splitlines()]

    assert (code, told) == (0, ["same"] * len(PLAYED) + ["not played"])


def test_another_product_file_shows_what_would_change(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pattern that the printed serial breaks turns a pass into what it would be, with both texts."""
    folder = tmp_path / "copy"
    shutil.copytree(recorded, folder)
    products.write(folder / "products")
    product = folder / "products" / "gearmotor.toml"
    text = product.read_text(encoding="utf-8")
    product.write_text(text.replace(r"[0-9]{8}", r"[0-9]{7}"), encoding="utf-8")
    assert product.read_text(encoding="utf-8") != text

    code, told = _replay(capsys, folder)

    assert (code, told[0]["replay"]) == (0, "changed")
    assert (told[0]["then"]["disposition"], told[0]["now"]["disposition"]) == ("pass", "fail")


def test_a_frame_that_is_gone_or_altered_is_a_failure(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A frame that is not what its hash says is never read as if it were (L8)."""
    folder = tmp_path / "copy"
    shutil.copytree(recorded, folder)
    first = folder / "data" / "evidence" / "matched_label-1.jpg"
    first.write_bytes(first.read_bytes() + b"\0")
    (folder / "data" / "evidence" / "mismatch_serial-1.jpg").unlink()

    code, told = _replay(capsys, folder)

    assert code == 1
    assert [one["replay"] for one in told[:2]] == ["failed", "failed"]
    assert "SHA-256" in told[0]["why"]
    assert "pruned or moved" in told[1]["why"]


@pytest.mark.parametrize(
    ("arguments", "says"), [([], "needs a bundle"), (["/nowhere"], "holds no edge.db: name a station's")]
)
def test_what_cannot_be_played_is_said(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong use is one sentence and exit code 2."""
    code = cli.main(["replay", *arguments])

    assert code == 2
    assert says in capsys.readouterr().err
