"""The table `[erp]` of `edge.toml`, by its kind: keys, units, bounds. The rules between them: `settings_check_erp`."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from edge import secrets
from edge.section_types import Column, FilePath, HttpUrl, LongName, Name, Number, OrUnset, Table, Whole


def _pointer(text: str) -> str:
    """Pass a JSON pointer (RFC 6901) on."""
    if text and not text.startswith("/"):
        raise ValueError(
            "is no JSON pointer; write it as /items or /data/parts, or leave it empty for the whole answer"
        )
    return text


def _target(text: str) -> str:
    """Pass path and query of an address on."""
    if not text.startswith("/") or text.startswith("//") or "#" in text or not text.isascii():
        raise ValueError("must begin with one / and hold ASCII characters alone; host and scheme belong into erp.url")
    if any(c.isspace() or not c.isprintable() for c in text):
        raise ValueError("holds a blank or a control character; write it as %20")
    return text


def _template(text: str) -> str:
    """Pass the address of one record on."""
    if text.count("{serial}") != 1 or text.replace("{serial}", "").strip("{}") != text.replace("{serial}", ""):
        raise ValueError("must hold {serial} once, such as /parts/{serial} or /parts?serial={serial}")
    return _target(text)


def _header(text: str) -> str:
    """Pass the name of an HTTP header on."""
    if not text.isascii() or not all(c.isalnum() or c in "-_" for c in text):
        raise ValueError("is no name of a header; write letters, digits and - alone")
    return text


Pointer = Annotated[str, Field(max_length=256), AfterValidator(_pointer)]
Target = Annotated[str, Field(max_length=1024), AfterValidator(_target)]


class _Erp(Table):
    timeout_ms: Whole = Field(default=1000, ge=10, le=30_000, description="Longest wait for ERP, ms (10 to 30000).")
    max_age_s: Number = Field(
        default=86_400.0,
        gt=0,
        le=31_536_000,
        description="Oldest record that still counts, in the snapshot too, s (up to 31536000).",
    )
    columns: dict[Name, Column] = Field(
        default={}, description="Column of each field; unset: columns have the fields' names."
    )
    used_column: OrUnset[Column] = Field(
        default=None,
        description="Column that is filled once a part of the serial has passed, anywhere on the site; unset: none.",
    )
    sync_every_s: Whole | None = Field(
        default=None,
        ge=60,
        le=86_400,
        description="A snapshot of all records is made this often, s (60 to 86400); unset: by `edge erp sync` alone.",
    )
    sync_timeout_s: Whole = Field(
        default=300, ge=1, le=3600, description="Longest time that making the snapshot may take, s (1 to 3600)."
    )

    @property
    def identity(self) -> str:
        """Which records these are: a snapshot of others is none of these. Holds names of secrets' files, no secret."""
        limits = {"timeout_ms", "max_age_s", "sync_every_s", "sync_timeout_s"}
        return json.dumps(self.model_dump(mode="json", exclude=limits), sort_keys=True)


_KIND = "Kind of ERP: none, csv, sql or rest."


class NoErp(_Erp):
    """ERP: who knows which part a serial belongs to."""

    kind: Literal["none"] = Field(default="none", description=_KIND)


class CsvErp(_Erp):
    """ERP's records as a CSV file, reloaded when it changes."""

    kind: Literal["csv"] = Field(description=_KIND)
    path: FilePath = Field(description="The CSV file, UTF-8, first line the names of the columns.")


class SqlErp(_Erp):
    """ERP's records as a table or view of a database, of which edge needs SELECT alone."""

    kind: Literal["sql"] = Field(description=_KIND)
    url: Annotated[str, Field(min_length=1), AfterValidator(secrets.url_without_password)] | None = Field(
        default=None, description="SQLAlchemy URL of the database, without a password."
    )
    url_file: FilePath | None = Field(
        default=None, description="File that holds the URL, where it has a password; else the credential erp_url."
    )
    password_file: FilePath | None = Field(
        default=None, description="File that holds the password for url; unset: the credential erp_password, or none."
    )
    table: Column = Field(description="Table or view of the records; SCHEMA.TABLE where it has one.")

    def open_url(self) -> SecretStr:
        """The URL, from the setting, its file, or the credential `erp_url`.

        Raises:
            ConfigError: there is none, or the file cannot be read.
        """
        if self.url is not None:
            return SecretStr(self.url)
        return secrets.needed(self.url_file, "erp_url", "erp.url_file")

    @property
    def password(self) -> SecretStr | None:
        """The password that `url` lacks, read anew at each use; None where there is none.

        Raises:
            ConfigError: `password_file` cannot be read.
        """
        return secrets.find(self.password_file, "erp_password", "erp.password_file")


class RestListing(Table):
    """All records of an ERP of kind rest, page by page, for the snapshot."""

    path: Target = Field(description="Path and query of the first page: /parts?limit=500.")
    records: Pointer = Field(
        default="", description="JSON pointer to the list of records in a page; unset: the whole answer."
    )
    page: Literal["link", "cursor", "offset"] = Field(
        default="link",
        description="How the next page is found: link (header Link, rel=next), cursor or offset.",
    )
    cursor: Pointer = Field(
        default="",
        description="JSON pointer to the next page's cursor, or to its address, in a page; needed for cursor.",
    )
    parameter: Annotated[str, Field(max_length=64)] = Field(
        default="", description="Query parameter that takes cursor or offset; unset: the cursor is an address."
    )


class OAuth(Table):
    """How edge gets a token for an ERP of kind rest: OAuth2 client credentials."""

    token_url: HttpUrl = Field(description="Address that gives tokens: https://HOST/PATH.")
    client_id: LongName = Field(description="This client's id.")
    client_secret_file: FilePath | None = Field(
        default=None, description="File that holds the client's secret; unset: the credential erp_client_secret."
    )
    scope: Annotated[str, Field(max_length=1024)] = Field(
        default="", description="Scope that is asked for; unset: none."
    )

    @property
    def client_secret(self) -> SecretStr:
        """The client's secret, read anew at each use.

        Raises:
            ConfigError: there is none, or its file cannot be read.
        """
        return secrets.needed(self.client_secret_file, "erp_client_secret", "erp.oauth.client_secret_file")


class RestErp(_Erp):
    """ERP's records behind a web API that answers in JSON. A column is a member's name, or a JSON pointer."""

    kind: Literal["rest"] = Field(description=_KIND)
    url: HttpUrl = Field(description="Address that all paths are below: https://HOST/PATH.")
    lookup: Annotated[str, Field(max_length=1024), AfterValidator(_template)] = Field(
        description="Path and query of one record: /parts/{serial} or /parts?serial={serial}."
    )
    record: Pointer = Field(
        default="",
        description="JSON pointer to the record, or to a list that holds it, in the answer; unset: the whole answer.",
    )
    known_serial: OrUnset[LongName] = Field(
        default=None,
        description="A serial that ERP holds: 'no such record' counts while it is found; unset: status 404 never does.",
    )
    api_key_header: Annotated[LongName, AfterValidator(_header)] = Field(
        default="X-API-Key", description="Header that takes the API key."
    )
    api_key_file: FilePath | None = Field(
        default=None, description="File that holds the API key; unset: the credential erp_api_key, or none."
    )
    ca_file: FilePath | None = Field(
        default=None, description="Certificates that the server's is checked against; unset: the system's."
    )
    oauth: OAuth | None = Field(default=None, description="How a token is got; unset: none is used.")
    listing: RestListing | None = Field(default=None, description="All records; unset: no snapshot can be made.")

    @property
    def api_key(self) -> SecretStr | None:
        """The API key, read anew at each use; None where there is none.

        Raises:
            ConfigError: `api_key_file` cannot be read.
        """
        return secrets.find(self.api_key_file, "erp_api_key", "erp.api_key_file")


Erp = Annotated[NoErp | CsvErp | SqlErp | RestErp, Field(discriminator="kind")]
