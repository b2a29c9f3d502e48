"""Keep and open what a training makes: the shipped folder, and a checkpoint that a later run goes on from.

    python -m training.small.files unpack FOLDER [--to edge/readers/small]   (model.tar of a run's folder)

Everything is written in parts under 16 MiB. A checkpoint holds the weights in 16 bits and Adam's second moments in
bf16, 30 MB in all; first moments and the bank of sheets are made anew.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tokenizers
import torch

from training.small import model
from training.small.plates import Maker

PART = 15_000_000
SMALL = Path("edge/readers/small")


def write_parts(path: Path, content: bytes) -> None:
    """Write bytes as path.000, path.001, …, each under 16 MiB; whole or, if cut off, without its last part's name."""
    for number, start in enumerate(range(0, len(content), PART)):
        part = path.with_name(f"{path.name}.{number:03d}")
        unfinished = path.with_name(f"{path.name}.new")
        unfinished.write_bytes(content[start : start + PART])
        unfinished.replace(part)


def read_parts(path: Path) -> bytes:
    """Put the parts together.

    Raises:
        FileNotFoundError: there are none.
    """
    parts = sorted(path.parent.glob(f"{path.name}.[0-9][0-9][0-9]"))
    if not parts:
        raise FileNotFoundError(f"no {path}.000; give the name of a checkpoint without its .000")
    return b"".join(part.read_bytes() for part in parts)


def keep_model(net: model.Net, tokenizer: Any, out: Path) -> None:
    """Write the shipped folder as model.tar.000."""
    with tempfile.TemporaryDirectory() as name:
        model.save(net, tokenizer, Path(name))
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for path in sorted(Path(name).iterdir()):
                tar.add(path, path.name)
    write_parts(out / "model.tar", buffer.getvalue())


def unpack(out: Path, folder: Path) -> None:
    """Lay the shipped folder from a run's model.tar."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(read_parts(out / "model.tar"))) as tar:
        # Python 3.11.2, which Debian 12 has, knows no filter yet.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(folder)  # noqa: S202 - written by `keep_model`


def keep_checkpoint(net: model.Net, optimiser: torch.optim.Optimizer, state: dict[str, Any], out: Path) -> None:
    """Write checkpoint.000 and on: weights, second moments, and where the training stood (with its tokenizer)."""
    names: dict[Any, str] = {parameter: name for name, parameter in net.named_parameters()}
    moments = {
        names[parameter]: kept["exp_avg_sq"].to("cpu", torch.bfloat16)
        for parameter, kept in optimiser.state.items() if "exp_avg_sq" in kept
    }  # fmt: skip
    weights = {name: parameter.detach().to("cpu", torch.float16) for name, parameter in net.named_parameters()}
    buffer = io.BytesIO()
    torch.save({"weights": weights, "moments": moments, "state": state}, buffer)
    write_parts(out / "checkpoint", buffer.getvalue())


def checkpoint(path: Path) -> dict[str, Any]:
    """What `keep_checkpoint` kept: "weights", "moments", "state".

    Raises:
        FileNotFoundError: there is none.
    """
    kept: dict[str, Any] = torch.load(io.BytesIO(read_parts(path)), map_location="cpu", weights_only=True)
    return kept


def resume(kept: dict[str, Any], net: model.Net, optimiser: torch.optim.Optimizer) -> None:
    """Load a checkpoint into a net and its optimiser."""
    parameters = dict(net.named_parameters())
    with torch.no_grad():
        for name, weight in kept["weights"].items():
            parameters[name].copy_(weight)
    for name, moment in kept["moments"].items():
        parameter = parameters[name]
        # Far enough along that the second moment counts as settled; the first one grows anew in ten steps.
        optimiser.state[parameter] = {
            "step": torch.tensor(1000.0, device=parameter.device),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": moment.to(parameter.device, torch.float32),
        }


def opened(folder: Path, device: str = "cpu") -> tuple[model.Net, Maker]:
    """A shipped folder as a `Net` (its CTC head is new), and what turns questions into tokens for it."""
    from safetensors.torch import load_file  # noqa: PLC0415 - comes with the extra `vlm`

    told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    text, vision = told["text_config"], told["vision_config"]
    shape = model.Shape(
        vision["hidden_size"], vision["depth"], vision["num_heads"], vision["intermediate_size"], text["hidden_size"],
        text["num_hidden_layers"], text["num_attention_heads"], text["num_key_value_heads"], text["intermediate_size"],
    )  # fmt: skip
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    net = model.Net(shape, tokenizer.get_vocab())
    for path in folder.glob("*.safetensors"):
        net.glm.load_state_dict({name: one.float() for name, one in load_file(path).items()}, strict=False)
    return net.eval().to(device), Maker(0, tokenizer, model.CTC_ALPHABET)


def main(arguments: Iterable[str] | None = None) -> int:
    """Unpack a run's model."""
    parser = argparse.ArgumentParser(description="Unpack the model that a training run wrote.")
    parser.add_argument("what", choices=("unpack",))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--to", type=Path, default=SMALL)
    given = parser.parse_args(None if arguments is None else list(arguments))
    unpack(given.folder, given.to)
    return 0


if __name__ == "__main__":
    sys.exit(main())
