"""The plant's settings: `plant.toml`, for the collector. Wrong ones stop the start, all mistakes told at once (L13).

`python -m edge.plant_settings` writes `config/plant.toml` from the models; a test compares.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from edge import toml_file
from edge.errors import ConfigError
from edge.section_types import Table, folder
from edge.sections import Log
from edge.sections_broker import Tls
from edge.sections_panel import PanelTls
from edge.sections_plant import Collect, Page, Plant, PlantDatabase, PlantMqtt
from edge.settings_text import key_lines

_USUAL = (Path("config/plant.toml"), Path("/etc/edge/plant.toml"))
_HEAD = """\
# The settings of a plant's collector and its page. Every key is here; a key behind a # is unset, and shows an example.
# Secrets stand in files of their own, never here. `edge plant check` tells what is wrong, all at once.
"""
#: Values for keys that have no default; those of a key that is unset are examples.
_EXAMPLES: Mapping[str, Any] = {
    "plant.site": "plant1",
    "mqtt.client_id": "edge-plant1-collector",
    "mqtt.username": "collector",
    "mqtt.password_file": "/etc/edge/plant_mqtt_password",
    "mqtt.tls.ca_file": "/etc/edge/ca.pem",
    "mqtt.tls.cert_file": "/etc/edge/collector.pem",
    "mqtt.tls.key_file": "/etc/edge/collector.key",
    "database.url": "postgresql://edge@127.0.0.1:5432/plant",
    "database.password_file": "/etc/edge/plant_database",
    "page.token_file": "/etc/edge/plant_token",
    "page.tls.cert_file": "/etc/edge/page.pem",
    "page.tls.key_file": "/etc/edge/page.key",
}
_TABLES: tuple[tuple[str, type[BaseModel], bool], ...] = (
    ("plant", Plant, True),
    ("mqtt", PlantMqtt, True),
    ("mqtt.tls", Tls, False),
    ("database", PlantDatabase, True),
    ("collect", Collect, True),
    ("page", Page, True),
    ("page.tls", PanelTls, False),
    ("log", Log, True),
)


class PlantSettings(Table):
    """Everything that a plant's collector is set to; made by `load`."""

    version: Literal[1] = Field(description="Version of this file's form; 1.")
    plant: Plant
    mqtt: PlantMqtt = Field(default_factory=PlantMqtt)
    database: PlantDatabase
    collect: Collect = Field(default_factory=Collect)
    page: Page = Field(default_factory=Page)
    log: Log = Field(default_factory=Log)


def load(path: Path | None = None, environment: Mapping[str, str] | None = None) -> PlantSettings:
    """The settings of a plant.

    Args:
        path: the file; else `$EDGE_PLANT_CONFIG`, else `config/plant.toml` here, else `/etc/edge/plant.toml`.
        environment: in the place of the process's own.

    Raises:
        ConfigError: lists everything that is wrong.
    """
    file = toml_file.read(_find(path, os.environ if environment is None else environment).absolute())
    token = folder.set(file.path.parent)
    try:
        settings = PlantSettings.model_validate(file.values)
    except ValidationError as error:
        raise file.refusal(error, PlantSettings) from None
    finally:
        folder.reset(token)
    problems = [f"{file.at(key)} {what}" for key, what in _rules(settings)]
    if problems:
        raise ConfigError(problems)
    client_id = settings.mqtt.client_id or f"edge-{settings.plant.site}-{settings.plant.name}"
    return settings.model_copy(update={"mqtt": settings.mqtt.model_copy(update={"client_id": client_id})})


def _find(path: Path | None, environment: Mapping[str, str]) -> Path:
    if path is not None:
        return path
    if named := environment.get("EDGE_PLANT_CONFIG"):
        return Path(named)
    for candidate in _USUAL:
        if candidate.is_file():
            return candidate
    raise ConfigError(
        f"no plant configuration: there is neither {_USUAL[0]} nor {_USUAL[1]}; "
        "name one with --config or EDGE_PLANT_CONFIG"
    )


def _rules(settings: PlantSettings) -> Iterator[tuple[tuple[str, ...], str]]:
    """The rules between keys, and that the files are there."""
    secrets: dict[tuple[str, str], Callable[[], object]] = {
        ("mqtt", "password_file"): lambda: settings.mqtt.password,
        ("database", "password_file"): lambda: settings.database.password,
        ("page", "token_file"): lambda: settings.page.token,
    }
    for key, secret in secrets.items():
        try:
            secret()
        except ConfigError as error:
            yield key, str(error).partition(": ")[2]
    page, collect = settings.page, settings.collect
    if page.tls is not None:
        try:
            page.tls.context("page.tls")
        except ConfigError as error:
            yield ("page", "tls"), str(error).partition(": ")[2]
    if not page.is_local and page.tls is None:
        yield ("page", "host"), f"is {page.host}, which others reach, and page.tls is not set: add [page.tls]"
    if not page.is_local and page.token_file is None and "CREDENTIALS_DIRECTORY" not in os.environ:
        yield ("page", "host"), f"is {page.host}, which others reach, and there is no token: set page.token_file"
    if collect.gap_longest_s < collect.gap_patience_s:
        yield (
            ("collect", "gap_longest_s"),
            f"is {collect.gap_longest_s:g}, but must be at least collect.gap_patience_s, {collect.gap_patience_s:g}",
        )


def example() -> str:
    """`config/plant.toml`: every key with its description, and its default or an example."""
    parts = [_HEAD, "# Version of this file's form; 1.\nversion = 1\n"]
    for table, model, is_set in _TABLES:
        mark = "" if is_set else "# "
        lines = [*textwrap.wrap(model.__doc__ or "", 118, initial_indent="# ", subsequent_indent="# ")]
        lines.append(f"{mark}[{table}]")
        for name, info in model.model_fields.items():
            if name != "tls":
                lines += key_lines(mark, name, info, value=_EXAMPLES.get(f"{table}.{name}"))
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (Path(__file__).parents[1] / "config" / "plant.toml").write_text(example(), encoding="utf-8")
