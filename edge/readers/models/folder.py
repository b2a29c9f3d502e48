"""A model's folder: is it whole, is it what edge runs, and what identifies it.

Everything is checked before a weight is loaded, so that a mistake is one sentence after a second and not a stack of
calls after minutes. Weights are `safetensors` only: pickles, and models that bring their own code, could run anything.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import ReaderError

#: Number formats that weights may have on disk.
DTYPES = ("BF16", "F16", "F32")
_INDEX = "model.safetensors.index.json"
_BLOCK = 1 << 22
#: A header longer than this is no header.
_MOST_HEADER = 100_000_000


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder that was found whole: its configuration, and its weight files."""

    path: Path
    config: dict[str, Any]
    weights: tuple[Path, ...]

    @property
    def family(self) -> str:
        """`model_type`: which architecture of `transformers` it is."""
        return str(self.config["model_type"])

    def hash(self) -> str:
        """SHA-256 (hex) over every file that decides what is read: weights, configuration, words, template.

        Raises:
            ReaderError: a file cannot be read.
        """
        files = sorted({*self.weights, *self._texts()})
        try:
            with ThreadPoolExecutor() as pool:
                digests = list(pool.map(_digest, files))
        except OSError as error:
            raise ReaderError(f"the model folder {self.path} cannot be read: {error.strerror}; check it") from error
        whole = hashlib.sha256()
        for file, digest in zip(files, digests, strict=True):
            whole.update(f"{file.name} {digest}\n".encode())
        return whole.hexdigest()

    def _texts(self) -> Iterable[Path]:
        return (file for file in self.path.iterdir() if file.suffix in {".json", ".jinja", ".txt", ".model"})


def look_at(path: Path) -> ModelFolder:
    """Check a model's folder, from its configuration to the length of every weight file.

    Raises:
        ReaderError: it is not whole, or not what edge runs; says which file and why.
    """
    if not path.is_dir():
        raise ReaderError(f"the model folder {path} is not there: name a folder with config.json and *.safetensors")
    config = _json(path / "config.json")
    if not isinstance(config.get("model_type"), str):
        raise ReaderError(f"{path / 'config.json'} names no model_type: it is no configuration of transformers")
    if "auto_map" in config:
        raise ReaderError(f"the model in {path} brings its own code (auto_map), which edge does not run: use another")
    if "quantization_config" in config:
        raise ReaderError(f"the weights in {path} are quantized, which edge does not load: use the bf16 weights")
    if not (path / "tokenizer.json").is_file():
        raise ReaderError(f"{path} has no tokenizer.json: copy the model's tokenizer files there too")
    weights = _weight_files(path)
    for file in weights:
        _check(file)
    return ModelFolder(path, config, weights)


def _weight_files(path: Path) -> tuple[Path, ...]:
    if (path / _INDEX).is_file():
        index = _json(path / _INDEX).get("weight_map")
        if not isinstance(index, dict) or not index:
            raise ReaderError(f"{path / _INDEX} names no weight files: copy it again")
        names = sorted({str(name) for name in index.values()})
    else:
        names = sorted(file.name for file in path.glob("*.safetensors"))
    if not names:
        raise ReaderError(f"{path} holds no *.safetensors: edge loads no other weights, so convert them")
    missing = [name for name in names if Path(name).name != name or not (path / name).is_file()]
    if missing:
        raise ReaderError(f"{path} lacks {missing[0]}, one of {len(names)} weight files: copy it again")
    return tuple(path / name for name in names)


def _check(file: Path) -> None:
    """One weight file: a header that can be read, the length it states, numbers that can be loaded."""
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            header = json.loads(opened.read(length)) if length <= _MOST_HEADER else {}
        tensors = {name: one for name, one in header.items() if name != "__metadata__"}
        end = max(one["data_offsets"][1] for one in tensors.values())
        wrong = next((name for name, one in tensors.items() if one["dtype"] not in DTYPES), None)
    except (OSError, struct.error, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ReaderError(f"{file} is no safetensors file ({type(error).__name__}): copy it again") from error
    if wrong is not None:
        kinds = ", ".join(DTYPES)
        raise ReaderError(f"{file}: {wrong} is {tensors[wrong]['dtype']}, and edge loads {kinds}: use other weights")
    if size != 8 + length + end:
        raise ReaderError(f"{file} has {size} bytes, and its header says {8 + length + end}: copy it again")


def _json(file: Path) -> dict[str, Any]:
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReaderError(f"{file} cannot be read: {error.strerror}; copy the whole model folder") from error
    except ValueError as error:
        raise ReaderError(f"{file} is no JSON: copy it again") from error
    if not isinstance(read, dict):
        raise ReaderError(f"{file} is no JSON object: copy it again")
    return read


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
