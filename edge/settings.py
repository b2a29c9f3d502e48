"""One station's settings: `edge.toml`, then the environment (EDGE_STATION__NAME=…). Wrong ones stop the start (L13).

`load` lists everything that is wrong at once, the product file's mistakes included, and shows no secret: secrets lie
in files of their own (`*_file`, or `$CREDENTIALS_DIRECTORY/NAME` from systemd), never in a setting.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field, PrivateAttr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from edge.calibrations import BUNDLED, calibration_of, calibration_text
from edge.core.calibration import Calibration
from edge.core.fields import Product
from edge.core.policy import Policy
from edge.core.release import ReleaseName
from edge.products import Gate, ProductFile, to_product
from edge.question_profiles import QuestionProfile
from edge.section_types import camera_name, trigger_name
from edge.sections import (
    Accept,
    Evidence,
    Keep,
    Log,
    Messenger,
    Mqtt,
    Paths,
    Reader,
    Record,
    Retake,
    Station,
)
from edge.sections_alarm import Alarm
from edge.sections_cameras import Camera
from edge.sections_erp import Erp, NoErp
from edge.sections_panel import Panel
from edge.sections_release import TrustedReleases
from edge.sections_signals import FreeTrigger, Lights, NoLights, NoResult, Result, Trigger

#: Whoever asks ERP gives up by itself after `erp.timeout_ms`, and then looks into the snapshot, which takes some ms;
#: the inspection gives up on both so much later.
SNAPSHOT_MS = 200


@dataclass(frozen=True, slots=True)
class Under:
    """What settings are under a release: which one, the calibration that it brings, and the station's own settings."""

    name: ReleaseName
    calibration: str | None
    own: Settings


class Settings(BaseSettings):
    """Everything that one station is set to; made by `load`."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix="EDGE_",
        env_nested_delimiter="__",
        nested_model_default_partial_update=False,
    )

    version: Literal[1] = Field(description="Version of this file's form; 1.")
    station: Station
    paths: Paths = Field(default_factory=Paths)
    cameras: Annotated[
        dict[Annotated[str, AfterValidator(camera_name)], Camera], Field(min_length=1, max_length=16)
    ] = Field(description="The cameras, each by its name.")
    triggers: Annotated[dict[Annotated[str, AfterValidator(trigger_name)], Trigger], Field(max_length=8)] = Field(
        default={}, description="Where triggers come from beside MQTT and HTTP, each by its name."
    )
    result: Result = Field(default_factory=NoResult)
    lights: Lights = Field(default_factory=NoLights)
    reader: Reader = Field(default_factory=Reader)
    gate: Gate = Field(default_factory=Gate)
    retake: Retake = Field(default_factory=Retake)
    accept: Accept = Field(default_factory=Accept)
    alarm: Alarm = Field(default_factory=Alarm)
    erp: Erp = Field(default_factory=NoErp)
    mqtt: Mqtt = Field(default_factory=Mqtt)
    messenger: Messenger = Field(default_factory=Messenger)
    evidence: Evidence = Field(default_factory=Evidence)
    keep: Keep = Field(default_factory=Keep)
    record: Record = Field(default_factory=Record)
    panel: Panel = Field(default_factory=Panel)
    release: TrustedReleases = Field(default_factory=TrustedReleases)
    log: Log = Field(default_factory=Log)

    _path: Path = PrivateAttr(default=Path())
    _product_file: ProductFile | None = PrivateAttr(default=None)
    _profiles: Mapping[str, QuestionProfile] = PrivateAttr(default={})
    _under: Under | None = PrivateAttr(default=None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take nothing but what `load` hands in: it has merged file and environment, and knows which said what."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @property
    def path(self) -> Path:
        """The file that these settings come from."""
        return self._path

    @property
    def product(self) -> Product:
        """What to read on the parts of this station."""
        return to_product(self.product_file, self.gate)

    @property
    def product_file(self) -> ProductFile:
        """The product as its file has it."""
        assert self._product_file is not None, "settings are made by `load`"
        return self._product_file

    @property
    def config_text(self) -> str:
        """The effective settings and the product as one JSON text; secrets are not part of either."""
        said = {"settings": self.model_dump(mode="json"), "product": self.product_file.model_dump(mode="json")}
        return json.dumps(said, sort_keys=True)

    @property
    def config_hash(self) -> str:
        """SHA-256 (hex) of `config_text`."""
        return hashlib.sha256(self.config_text.encode()).hexdigest()

    @property
    def calibration_text(self) -> str:
        """The calibration that counts, as its file or the release has it.

        Raises:
            ConfigError: it cannot be read.
        """
        brought = None if self._under is None else self._under.calibration
        return calibration_text(self.accept.calibration) if brought is None else brought

    @property
    def calibration(self) -> Calibration:
        """The calibration that counts.

        Raises:
            ConfigError: it cannot be read, or is none.
        """
        brought = None if self._under is None else self._under.calibration
        name = str(self.accept.calibration or BUNDLED) if brought is None else "the release's calibration"
        return calibration_of(self.calibration_text, name)

    @property
    def brings_calibration(self) -> bool:
        """Whether a calibration was named, by the station's file or by its release."""
        return self.accept.calibration is not None or (self._under is not None and self._under.calibration is not None)

    @property
    def under(self) -> ReleaseName | None:
        """The release that these settings are under; None: they are the station's own files alone."""
        return None if self._under is None else self._under.name

    @property
    def own(self) -> Settings:
        """The settings of the station's own files alone."""
        return self if self._under is None else self._under.own

    @property
    def policy(self) -> Policy:
        """The limits that the core keeps to."""
        camera = self.cameras[self.station.camera]
        return Policy(
            deadline_us=self.station.deadline_ms * 1000,
            frame_timeout_us=camera.take_timeout_ms * 1000,
            read_timeout_us=self.reader.timeout_ms * 1000,
            record_timeout_us=(self.erp.timeout_ms + SNAPSHOT_MS) * 1000,
            max_attempts=self.retake.max_attempts,
            retake_budget_us=self.retake.budget_ms * 1000,
            looks=self.accept.looks,
            single_look_confidence=self.accept.single_look_confidence,
            single_look_rate=self.accept.single_look_rate,
            calibration=self.calibration,
            min_margin=self.accept.min_margin,
            false_accept_rate=dict(self.accept.false_accept_rate),
            readers=self._readers,
            has_erp=self.erp.kind != "none",
            exposure_us=camera.exposure_us,
            exposure_range_us=camera.exposure_range_us,
            light=camera.light,
        )

    @property
    def _readers(self) -> frozenset[str]:
        """The readers that must have looked at a part, where others may read in their place."""
        pool = self.reader.pool if self.reader.kind == "pool" else None
        return frozenset() if pool is None or pool.late == "ocr" else frozenset(pool.kind.split("+"))

    @property
    def has_signals(self) -> bool:
        """Whether the station has a signals process: wires to or from the line."""
        return bool(self.triggers) or self.result.kind != "none" or self.lights.kind in {"gpio", "modbus"}

    @property
    def free_trigger(self) -> tuple[str, FreeTrigger] | None:
        """The name and settings of the trigger that is a plate in the camera's picture; None where there is none."""
        return next(((name, one) for name, one in self.triggers.items() if isinstance(one, FreeTrigger)), None)

    @property
    def erp_snapshot(self) -> Path:
        """The file of this station's copy of ERP's records, whether it is there or not."""
        return self.paths.data / f"erp-snapshot-{quote(self.station.name, safe='')}.db"

    @property
    def place(self) -> str:
        """Where the station is: `SITE/LINE/STATION`."""
        return f"{self.station.site}/{self.station.line}/{self.station.name}"

    @property
    def release_file(self) -> Path:
        """The file of the release that this station has taken, whether it is there or not."""
        return self.paths.data / f"release-{quote(self.station.name, safe='')}.json"

    def topic(self, suffix: str) -> str:
        """A topic of this station: `edge/v1/SITE/LINE/STATION/SUFFIX`."""
        return f"edge/v1/{self.station.site}/{self.station.line}/{self.station.name}/{suffix}"

    @property
    def profiles(self) -> Mapping[str, QuestionProfile]:
        """The question profiles, by name."""
        return self._profiles

    def bound_to(
        self, path: Path, product_file: ProductFile, profiles: Mapping[str, QuestionProfile] = MappingProxyType({})
    ) -> Settings:
        """These settings, with the file that they come from, the product that they name, and the question profiles."""
        mqtt = self.mqtt
        if not mqtt.client_id:
            client_id = f"edge-{self.station.site}-{self.station.line}-{self.station.name}"
            mqtt = mqtt.model_copy(update={"client_id": client_id})
        bound = self.model_copy(update={"mqtt": mqtt})
        bound._path = path  # noqa: SLF001 - its own
        bound._product_file = product_file  # noqa: SLF001 - its own
        bound._profiles = profiles  # noqa: SLF001 - its own
        return bound

    def put_under(
        self, name: ReleaseName, *, product_file: ProductFile, gate: Gate, accept: Accept, calibration: str | None
    ) -> Settings:
        """These settings of the station's own, with what a release sets over them."""
        under = self.model_copy(update={"gate": gate, "accept": accept})
        under._product_file = product_file  # noqa: SLF001 - its own
        under._under = Under(name, calibration, self)  # noqa: SLF001 - its own
        return under


def load(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this station, from a file and the environment.

    Args:
        path: the file; else `$EDGE_CONFIG`, else `config/edge.toml` here, else `/etc/edge/edge.toml`.
        environment: in the place of the process's own.

    Raises:
        ConfigError: lists everything that is wrong.
    """
    from edge.settings_check import load_checked  # noqa: PLC0415 - it imports the models of this file

    return load_checked(path, environment)
