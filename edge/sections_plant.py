"""The tables of `plant.toml`: the collector's broker, database and patience, and the page."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from edge import secrets
from edge.section_types import FilePath, Level, Number, Port, Table, Whole
from edge.sections_broker import BrokerTable
from edge.sections_panel import HostName, ServedTable


def _database_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        sound = parts.scheme == "postgresql" and bool(parts.hostname) and bool(parts.path.strip("/"))
        _ = parts.port
    except ValueError:
        sound = False
    if not sound or any(c.isspace() for c in text):
        raise ValueError("is no address of a database; write it as postgresql://USER@HOST:PORT/DATABASE")
    if parts.password is not None or "pass" in parts.query.lower():
        raise ValueError("holds a password; write it without one, and the password into database.password_file")
    return text


class Plant(Table):
    """The collector: one for all stations of a plant."""

    site: Level = Field(description="Site, a level of the topics that the collector itself speaks on.")
    name: Level = Field(default="collector", description="The collector's name, a level of its topics.")


class PlantMqtt(BrokerTable):
    """The broker that the stations speak to."""

    client_id: Annotated[str, Field(max_length=128)] = Field(
        default="", description="Client id, by which the broker keeps what comes meanwhile; unset: edge-SITE-NAME."
    )
    session_expiry_s: Whole = Field(
        default=604_800,
        ge=0,
        le=4_294_967_295,
        description="The broker keeps outcomes for a collector that is away this long, s (0 to 4294967295).",
    )


class PlantDatabase(Table):
    """The PostgreSQL database that everything is stored in; the collector makes its tables."""

    url: Annotated[str, Field(max_length=2048), AfterValidator(_database_url)] = Field(
        description="Address without a password: postgresql://USER@HOST:PORT/DATABASE; ?sslmode=verify-full encrypts."
    )
    password_file: FilePath | None = Field(
        default=None, description="File that holds the password; unset: the credential plant_database, or none."
    )
    timeout_s: Number = Field(
        default=10.0, ge=0.5, le=300, description="Longest wait for the database's answer, s (0.5 to 300)."
    )

    @property
    def password(self) -> SecretStr | None:
        """The password, read anew at each use; None where there is none.

        Raises:
            ConfigError: `password_file` cannot be read.
        """
        return secrets.find(self.password_file, "plant_database", "database.password_file")


class Collect(Table):
    """How outcomes are stored, and how missing ones are asked for."""

    batch_ms: Whole = Field(
        default=50, ge=0, le=5000, description="Outcomes of so long are stored in one transaction, ms (0 to 5000)."
    )
    max_in_flight: Whole = Field(
        default=500,
        ge=1,
        le=10_000,
        description="Outcomes that the broker may send before any is stored (1 to 10000).",
    )
    gap_patience_s: Number = Field(
        default=5.0,
        ge=0.05,
        le=3600,
        description="A station is asked for a missing outcome after this long, s (0.05 to 3600), then ever less often.",
    )
    gap_longest_s: Number = Field(
        default=600.0, ge=1, le=86_400, description="Longest wait between two questions for one gap, s (1 to 86400)."
    )
    gap_at_once: Whole = Field(
        default=500, ge=1, le=1000, description="Most outcomes that one question asks for (1 to 1000)."
    )


class Page(ServedTable):
    """The plant page."""

    host: HostName = Field(
        default="127.0.0.1",
        description="Address that the page is bound to; another than this PC's own needs tls and a token.",
    )
    port: Port = Field(default=8471, description="Port of the page (1 to 65535).")
    names: tuple[HostName, ...] = Field(
        default=(),
        max_length=16,
        description="Names that browsers may call the page by, beside its IP addresses, localhost and this PC's name.",
    )
    token_file: FilePath | None = Field(
        default=None,
        description="File that holds the token to look; unset: the credential plant_token, else anyone here looks.",
    )

    @property
    def token(self) -> SecretStr | None:
        """The token, read anew at each use; None where there is none.

        Raises:
            ConfigError: `token_file` cannot be read.
        """
        return secrets.find(self.token_file, "plant_token", "page.token_file")
