"""A model's folder is checked before anything is loaded, and what is wrong is one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.errors import ReaderError
from edge.readers.models.folder import look_at
from tests.readers.models.small_models import glm, save


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing wrong, its weights in several files."""
    return save(glm(), tmp_path_factory.mktemp("model"), shard="200KB")


def _config(**changed: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changed))

    return change


def _shard(folder: Path) -> Path:
    return min(folder.glob("*.safetensors"))


def _no_weights(folder: Path) -> None:
    for file in folder.glob("*.safetensors*"):
        file.unlink()


def _other_dtype(folder: Path) -> None:
    data = _shard(folder).read_bytes()
    _shard(folder).write_bytes(data.replace(b'"F32"', b'"I64"', 1))


def _rewrite(data: bytes) -> Callable[[Path], None]:
    return lambda folder: (_shard(folder).write_bytes(data), None)[1]


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "is not there"),
    "no configuration": (lambda f: (f / "config.json").unlink(), "config.json cannot be read: No such file"),
    "configuration is no JSON": (lambda f: (f / "config.json").write_text("<html>"), "is no JSON"),
    "configuration is a list": (lambda f: (f / "config.json").write_text("[]"), "is no JSON object"),
    "no architecture": (_config(model_type=None), "names no model_type"),
    "its own code": (_config(auto_map={"AutoModel": "evil.Model"}), "brings its own code"),
    "quantized": (_config(quantization_config={"bits": 4}), "are quantized"),
    "no words": (lambda f: (f / "tokenizer.json").unlink(), "has no tokenizer.json"),
    "no weights": (_no_weights, r"holds no \*\.safetensors"),
    "a missing shard": (lambda f: _shard(f).unlink(), "lacks model-00001-of-"),
    "a shard cut short": (lambda f: _shard(f).write_bytes(_shard(f).read_bytes()[:-9]), "bytes, and its header says"),
    "an empty shard": (_rewrite(b""), "is no safetensors file"),
    "a shard of rubbish": (_rewrite(b"\xff" * 400), "is no safetensors file"),
    "a wrong number format": (_other_dtype, "is I64, and edge loads BF16, F16, F32"),
    "an index of nothing": (
        lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": {}}'),
        "names no weight files",
    ),
    "an index that leads out": (
        lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../../etc/passwd"}}'),
        "lacks ../../etc/passwd",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_folder_that_is_not_whole_is_told_in_one_sentence(whole: Path, tmp_path: Path, case: str) -> None:
    """Whatever is wrong with a model's folder, the reader says which file and why, before loading (L3)."""
    folder = tmp_path / "model"
    shutil.copytree(whole, folder)
    change, told = WRONG[case]
    change(folder)

    with pytest.raises(ReaderError, match=told) as raised:
        look_at(folder)

    assert "\n" not in str(raised.value)


def test_the_hash_is_of_every_byte_that_decides(whole: Path, tmp_path: Path) -> None:
    """The folder's hash, which every outcome carries, changes with one bit of one weight, and with nothing else."""
    same, other = tmp_path / "same", tmp_path / "other"
    shutil.copytree(whole, same)
    shutil.copytree(whole, other)
    data = bytearray(_shard(other).read_bytes())
    data[-1] ^= 1
    _shard(other).write_bytes(data)
    (same / "notes.md").write_text("nothing that is read")

    first = look_at(whole).hash()

    assert look_at(same).hash() == first
    assert look_at(other).hash() != first
