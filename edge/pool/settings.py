"""The settings of a pool of readers: `config/pool.toml`. Wrong ones stop the start, all mistakes at once (L13)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from edge import toml_file
from edge.core.fields import Product
from edge.errors import ConfigError
from edge.pool.batch_queue import OF_STATION, WAITING
from edge.products import load_product
from edge.readers import opening
from edge.section_types import FilePath, Number, OrUnset, Port, Table, Whole, folder

Cards = Annotated[Number, Field(ge=0, le=8)]


class Listen(Table):
    """Where stations ask the pool."""

    host: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        default="127.0.0.1", description="Address that is listened on; 0.0.0.0: every one of each machine."
    )
    port: Port = Field(default=8000, description="Port (1 to 65535).")


class PoolReader(Table):
    """The reader that every replica runs."""

    kind: Literal["ocr", "vlm", "ocr+vlm"] = Field(
        default="ocr", description="Kind of the reader, as a station has it: ocr, vlm or ocr+vlm."
    )
    model: OrUnset[FilePath] = Field(
        default=None, description="Folder of the vlm reader's model, on every machine; unset: the small one of edge."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where the vlm reader runs: auto (a GPU if there is one), cpu or cuda."
    )
    eight_bits: bool = Field(default=False, description="Whether the vlm reader computes in 8 bits; true or false.")
    threads: Whole = Field(default=2, ge=1, le=256, description="Processor threads of a replica (1 to 256).")
    max_batch: Whole = Field(
        default=16, ge=1, le=64, description="Most frames that the vlm reader on a GPU reads together (1 to 64)."
    )


class Replicas(Table):
    """How many replicas there are, and what each takes of its machine."""

    least: Whole = Field(default=1, ge=1, le=1000, description="Least number of replicas (1 to 1000).")
    most: Whole = Field(
        default=1, ge=1, le=1000, description="Most of them (1 to 1000), as far as the cluster has room."
    )
    cpus: Annotated[Number, Field(ge=0, le=256)] = Field(
        default=1.0, description="Processors that one takes of its machine, for Ray's book-keeping (0 to 256)."
    )
    gpus: Cards = Field(
        default=0.0, description="GPUs that one takes, 0 to 8; 0.5: two share a card, whose memory must hold both."
    )
    queue_age_ms: Whole = Field(
        default=100,
        ge=1,
        le=60_000,
        description="Age of the oldest waiting question that the number is sized for, ms (1 to 60000).",
    )
    up_after_s: Number = Field(
        default=5.0, ge=0, le=3600, description="More are started after so long of older questions, s (0 to 3600)."
    )
    down_after_s: Number = Field(
        default=300.0, ge=0, le=86_400, description="One is stopped after so long of younger ones, s (0 to 86400)."
    )


class Queue(Table):
    """How long questions wait, and how many."""

    deadline_ms: Whole = Field(
        default=1000, ge=10, le=60_000, description="Deadline of a question that names none, ms (10 to 60000)."
    )
    max_waiting: Whole = Field(
        default=WAITING, ge=1, le=10_000, description="Most questions that wait for one replica (1 to 10000)."
    )
    max_waiting_station: Whole = Field(
        default=OF_STATION, ge=1, le=1000, description="Of these, most of one station (1 to 1000)."
    )


class Health(Table):
    """How a replica shows that it reads."""

    every_s: Number = Field(
        default=10.0, ge=0.5, le=3600, description="A replica reads its canary this often, s (0.5 to 3600)."
    )
    within_s: Number = Field(
        default=30.0, ge=0.5, le=3600, description="One whose check takes longer is replaced, s (0.5 to 3600)."
    )


class Change(Table):
    """What a new reader must show before it takes the old one's place."""

    acceptance: OrUnset[FilePath] = Field(
        default=None, description="Folder of labelled images (labels.jsonl); unset: the canary alone."
    )
    product: Annotated[str, Field(min_length=1, max_length=4096)] = Field(
        default="nameplate", description="Product of these images: a path, or a name in the folder of products."
    )
    products: FilePath = Field(
        default=Path("products"), validate_default=True, description="Folder of the product files."
    )


class PoolSettings(Table):
    """Everything that a pool is set to; made by `load`."""

    version: Literal[1] = Field(description="Version of this file's form; 1.")
    listen: Listen = Field(default_factory=Listen)
    reader: PoolReader = Field(default_factory=PoolReader)
    replicas: Replicas = Field(default_factory=Replicas)
    queue: Queue = Field(default_factory=Queue)
    health: Health = Field(default_factory=Health)
    change: Change = Field(default_factory=Change)

    @property
    def product(self) -> Product:
        """The product of the acceptance set.

        Raises:
            ConfigError: there is none, or it is wrong.
        """
        return load_product(self.change.product, self.change.products)


def load(path: Path | None) -> PoolSettings:
    """The settings in a file; None: the defaults.

    Raises:
        ConfigError: lists everything that is wrong.
    """
    if path is None:
        return PoolSettings(version=1)
    file = toml_file.read(path.absolute())
    token = folder.set(file.path.parent)
    try:
        settings = PoolSettings.model_validate(file.values)
    except ValidationError as error:
        raise file.refusal(error, PoolSettings) from None
    finally:
        folder.reset(token)
    wrong = _rules(settings)
    if wrong:
        raise ConfigError([f"{file.at(key)} {what}" for key, what in wrong])
    return settings


def _rules(settings: PoolSettings) -> list[tuple[tuple[str, ...], str]]:
    """What is wrong between the keys, and with what they name."""
    reader, replicas = settings.reader, settings.replicas
    found: list[tuple[tuple[str, ...], str]] = []

    def wrong(table: str, key: str, what: str) -> None:
        found.append(((table, key), what))

    if lacking := opening.lacking(reader.kind):
        wrong("reader", "kind", f"is {reader.kind}, which needs {lacking}")
    if reader.model is not None and not reader.model.is_dir():
        wrong("reader", "model", f"names {reader.model}, which is no folder; name the folder of a model's safetensors")
    if replicas.least > replicas.most:
        wrong("replicas", "least", f"is {replicas.least}, more than replicas.most, {replicas.most}; turn them round")
    if replicas.gpus > 1 and replicas.gpus != int(replicas.gpus):
        wrong("replicas", "gpus", f"is {replicas.gpus:g}: above 1 only whole cards can be given; choose a whole number")
    if reader.device == "cuda" and replicas.gpus == 0:
        wrong("replicas", "gpus", "is 0, and reader.device is cuda: Ray shows no card to such a replica; give a share")
    if settings.queue.max_waiting_station > settings.queue.max_waiting:
        wrong("queue", "max_waiting_station", "is more than queue.max_waiting: one station could fill the queue")
    acceptance = settings.change.acceptance
    if acceptance is not None and not acceptance.is_dir():
        wrong("change", "acceptance", f"names {acceptance}, which is no folder; name one with images and labels.jsonl")
    return found


def as_told(settings: PoolSettings) -> dict[str, Any]:
    """The settings as plain values, as they travel to the replicas."""
    return settings.model_dump(mode="json")
