"""The tables of `edge.toml`: their keys, units and bounds. The rules between keys are in `settings_check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from edge import secrets
from edge.section_types import (
    FilePath,
    HttpUrl,
    Level,
    LongName,
    Name,
    Number,
    OrUnset,
    Table,
    Whole,
    url_of,
)
from edge.sections_broker import BrokerTable


class Station(Table):
    """The station: one fixed place on a line where one inspection is done."""

    site: Level = Field(description="Site, a level of the MQTT topic.")
    line: Level = Field(description="Line, a level of the MQTT topic.")
    name: Level = Field(description="Station, a level of the MQTT topic.")
    product: Annotated[str, Field(min_length=1, max_length=4096)] = Field(
        default="nameplate", description="Product: name of a file in the folder of products, or a path."
    )
    camera: Name = Field(description="The camera that takes the frames, one of [cameras].")
    deadline_ms: Whole = Field(
        default=5000,
        ge=200,
        le=600_000,
        description="Every outcome is decided this long after its trigger, ms (200 to 600000).",
    )
    takt_ms: Whole | None = Field(
        default=None,
        ge=100,
        le=3_600_000,
        description="Time available per part on the line, ms (100 to 3600000); unset: not watched.",
    )


class Paths(Table):
    """Folders; a relative one starts at this file's folder."""

    data: FilePath = Field(default=Path("/var/lib/edge"), description="Folder of edge.db and of the evidence.")
    runtime: FilePath = Field(
        default=Path("/run/edge"),
        description="Folder of the sockets between the processes; short, 107 bytes with a socket's name.",
    )
    products: FilePath = Field(
        default=Path("products"), validate_default=True, description="Folder of the product files."
    )
    profiles: FilePath = Field(
        default=Path("profiles"), validate_default=True, description="Folder of the question profiles."
    )

    @property
    def edited_products(self) -> Path:
        """Folder of the product files that the page wrote where it may not write into `products`."""
        return self.data / "products"


class RemoteReader(Table):
    """The server of kind remote, which speaks the OpenAI form (vLLM, SGLang, `transformers serve`)."""

    url: HttpUrl = Field(description="Address of the server, without /v1: http://HOST:PORT or https://HOST.")
    model: LongName = Field(description="Model that is asked for, by the name that the server gives it.")
    timeout_s: Number = Field(
        default=30.0,
        ge=0.1,
        le=30,
        description="Longest wait for one answer, s (0.1 to 30); never longer than reader.timeout_ms.",
    )
    constraint: Literal["auto", "structured_outputs", "regex", "guided_regex", "none"] = Field(
        default="auto",
        description="How patterns are sent: structured_outputs, regex, guided_regex, none, or auto (as is found out).",
    )
    key_file: FilePath | None = Field(
        default=None, description="File that holds the server's key; unset: the credential reader_key, or none."
    )
    ca_file: FilePath | None = Field(
        default=None, description="Certificates that the server's is checked against; unset: the system's."
    )
    cache: Literal["memory", "redis", "off"] = Field(
        default="memory",
        description="Where answers are kept for an hour, by image, question and model: memory, redis or off.",
    )
    cache_mb: Whole = Field(
        default=64, ge=1, le=65_536, description="Most memory that the cache takes, MB (1 to 65536)."
    )
    redis_url: Annotated[str, Field(max_length=2048), url_of("redis", "rediss")] | None = Field(
        default=None, description="Address of Redis, without a password: redis://HOST:PORT/NUMBER."
    )
    redis_password_file: FilePath | None = Field(
        default=None, description="File that holds Redis' password; unset: the credential redis_password, or none."
    )

    @property
    def key(self) -> SecretStr | None:
        """The server's key, read anew at each use; None where there is none.

        Raises:
            ConfigError: `key_file` cannot be read.
        """
        return secrets.find(self.key_file, "reader_key", "reader.remote.key_file")

    @property
    def redis_password(self) -> SecretStr | None:
        """The password of Redis, read anew at each use; None where there is none.

        Raises:
            ConfigError: `redis_password_file` cannot be read.
        """
        return secrets.find(self.redis_password_file, "redis_password", "reader.remote.redis_password_file")


class PoolReader(Table):
    """The pool of kind pool: readers on GPU servers that many stations share (`edge pool up`)."""

    url: HttpUrl = Field(description="Address of the pool: http://HOST:PORT or https://HOST.")
    kind: Literal["ocr", "vlm", "ocr+vlm"] = Field(
        default="ocr+vlm", description="Kind of the pool's readers, as its own file has it: ocr, vlm or ocr+vlm."
    )
    hedge_ms: Whole = Field(
        default=250,
        ge=10,
        le=60_000,
        description="The local ocr reader begins when the pool has not answered for so long, ms (10 to 60000).",
    )
    late: Literal["hold", "ocr", "off"] = Field(
        default="hold",
        description="What a local reading is worth: hold (the part is held), ocr (it decides) or off (there is none).",
    )
    ca_file: FilePath | None = Field(
        default=None, description="Certificates that the pool's is checked against; unset: the system's."
    )


class Reader(Table):
    """The reader of the frames."""

    kind: Literal["ocr", "vlm", "ocr+vlm", "remote", "pool"] = Field(
        default="ocr",
        description="Kind of the reader: ocr, vlm, ocr+vlm (both look at each frame, and must agree), remote or pool.",
    )
    threads: Whole = Field(default=2, ge=1, le=256, description="Processor threads that the reader uses (1 to 256).")
    timeout_ms: Whole = Field(
        default=3000, ge=10, le=60_000, description="Longest wait for a reading, ms (10 to 60000)."
    )
    model: OrUnset[FilePath] = Field(
        default=None, description="Folder of the vlm reader's model, safetensors; unset: the small one of edge."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where the vlm reader runs: auto (a GPU if there is one), cpu or cuda."
    )
    eight_bits: bool = Field(
        default=False,
        description="Whether the vlm reader computes in 8 bits: faster, answers may differ; true or false.",
    )
    max_batch: Whole = Field(
        default=8,
        ge=1,
        le=64,
        description="Most frames of several stations that the vlm reader reads together (1 to 64).",
    )
    shared: OrUnset[FilePath] = Field(
        default=None,
        description="Runtime folder of another station of this PC, whose reader reads here too; unset: an own reader.",
    )
    shadow_share: Number = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Share of the frames that the gate rejects that are read in pauses, for statistics (0 to 1).",
    )
    remote: RemoteReader | None = Field(default=None, description="The server of kind remote; unset: none.")
    pool: PoolReader | None = Field(default=None, description="The pool of kind pool; unset: none.")


class Retake(Table):
    """How often, and until when, another frame of the same part is asked for."""

    max_attempts: Whole = Field(
        default=3, ge=1, le=10, description="Most frames of one part, the first included (1 to 10)."
    )
    budget_ms: Whole = Field(
        default=2500,
        ge=0,
        le=600_000,
        description="The last retake is ordered this long after the trigger, ms (0 to 600000).",
    )


class Accept(Table):
    """What a part needs to pass: never one number alone. One look passes only where one of the two keys allows it."""

    looks: Whole = Field(default=2, ge=2, le=5, description="Agreeing looks that a pass needs (2 to 5).")
    single_look_confidence: Number | None = Field(
        default=None,
        gt=0.5,
        le=1,
        description="Least confidence of every character for one look to be enough, 0.5 to 1; unset: not asked for.",
    )
    single_look_rate: Number | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Share of wrong passes, 0 to 1: one look must reach its threshold in the calibration; unset: none.",
    )
    calibration: OrUnset[FilePath] = Field(
        default=None, description="The reader's calibration, a file of `edge calibrate`; unset: that of edge, for ocr."
    )
    min_margin: Number = Field(
        default=0.20, ge=0, le=1, description="Least distance of every character to its runner-up, 0 to 1."
    )
    false_accept_rate: dict[Annotated[int, Field(ge=1, le=5)], Annotated[Number, Field(ge=0, le=1)]] = Field(
        default={},
        description="The site's own share of false accepts by number of looks, 0 to 1; unset: the calibration's.",
    )


class Mqtt(BrokerTable):
    """The broker that MES listens to."""

    client_id: Annotated[str, Field(max_length=128)] = Field(
        default="", description="Client id; unset: edge-SITE-LINE-STATION."
    )
    session_expiry_s: Whole = Field(
        default=86_400,
        ge=0,
        le=4_294_967_295,
        description="The broker keeps commands for a station that is away this long, s (0 to 4294967295).",
    )
    max_command_age_s: Whole = Field(
        default=60,
        ge=1,
        le=86_400,
        description="A trigger or expectation that says it is older than this is refused as stale, s (1 to 86400).",
    )
    confirm_within_s: Whole = Field(
        default=600,
        ge=1,
        le=31_536_000,
        description="Once MES confirms outcomes: one unconfirmed for longer is an alarm, s (1 to 31536000).",
    )
    needs_subscriber: bool = Field(
        default=False,
        description="Whether an outcome that nobody subscribes to waits for one who does: for a broker that forgets.",
    )
    max_in_flight: Whole = Field(
        default=64,
        ge=1,
        le=1000,
        description="Outcomes of the past on their way together (1 to 1000); 1: one at a time, as live ones go.",
    )


class Messenger(Table):
    """What the messenger shows beside the messages of the contract."""

    sparkplug: bool = Field(
        default=False,
        description="Whether the station is also an edge node of Sparkplug B, group SITE:LINE; true or false.",
    )


class Evidence(Table):
    """The frames kept with the outcomes."""

    format: Literal["jpeg", "png", "bmp"] = Field(
        default="jpeg", description="How raw frames are encoded: jpeg, png or bmp."
    )
    keep_days: Whole = Field(default=90, ge=1, le=36_500, description="Evidence is kept this long, days (1 to 36500).")
    max_gb: Number = Field(
        default=50.0, gt=0, le=100_000, description="Most room that evidence may take, GB (up to 100000)."
    )


class Keep(Table):
    """What else is kept of the past, in edge.db, and what stays free on its disk. What was not told always stays."""

    outcome_days: Whole = Field(
        default=90,
        ge=1,
        le=36_500,
        description="Outcomes that were told, and the ids of their triggers, are kept this long, days (1 to 36500).",
    )
    store_gb: Number = Field(
        default=10.0, gt=0, le=100_000, description="Beyond it the oldest told outcomes go, GB (up to 100000)."
    )
    dead_letter_days: Whole | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description="Messages set aside are dropped after this long, days (1 to 36500); unset: a person drops them.",
    )
    serial_days: Whole | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description="A passed serial makes a duplicate for this long, days (1 to 36500); unset: without end.",
    )
    reserve_mb: Whole = Field(
        default=256,
        ge=0,
        le=1_000_000,
        description="With less free on the disk no trigger is taken (disk_full), MB (0 to 1000000).",
    )

    @property
    def reserve_bytes(self) -> int:
        """The reserve in bytes."""
        return self.reserve_mb * 1_000_000


class Record(Table):
    """Bundles: inspections in one file, to be played again elsewhere (`edge record`, and the page's story)."""

    max_mb: Whole = Field(
        default=1000, ge=1, le=1_000_000, description="Most that one bundle may take, MB (1 to 1000000)."
    )
    keep_free_mb: Whole = Field(
        default=1024,
        ge=0,
        le=1_000_000,
        description="Recording ends where less than this is free on the bundle's disk, MB (0 to 1000000).",
    )

    @property
    def max_bytes(self) -> int:
        """The most that a bundle may take, in bytes."""
        return self.max_mb * 1_000_000

    @property
    def keep_free_bytes(self) -> int:
        """What stays free, in bytes."""
        return self.keep_free_mb * 1_000_000


class Log(Table):
    """What the processes log."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged: debug, info, warning or error."
    )
    format: Literal["auto", "json", "text"] = Field(
        default="auto", description="Form of the lines: json, text, or auto (text on a terminal)."
    )
