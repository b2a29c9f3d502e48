"""The page and the HTTP API as `edge.toml` sets them: where, for whom, and behind which certificate."""

from __future__ import annotations

import ipaddress
import ssl
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from edge import secrets
from edge.errors import ConfigError
from edge.section_types import FilePath, Port, Table, Whole, host_name

HostName = Annotated[str, Field(min_length=1, max_length=253), AfterValidator(host_name)]


def is_this_pc(host: str) -> bool:
    """Whether an address to bind to is reached from nowhere but this PC."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class PanelTls(Table):
    """Encryption of the panel; without it the panel is for this PC alone."""

    cert_file: FilePath = Field(description="The panel's certificate, and those between it and its authority (PEM).")
    key_file: FilePath = Field(description="The key of the certificate (PEM), without a passphrase.")

    def context(self, key: str) -> ssl.SSLContext:
        """What is encrypted with: TLS 1.2 or later. `key` names the table in errors: "panel.tls".

        Raises:
            ConfigError: the files cannot be read, or do not belong together.
        """
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            # A passphrase that is asked for is the empty one: nobody sits at a service's terminal.
            made.load_cert_chain(self.cert_file, self.key_file, password="")
        except ssl.SSLError as error:
            what = f"{self.cert_file} and {self.key_file} are no certificate and its key ({error.reason or error})"
            raise ConfigError(f"{key}: {what}; name a PEM file each, the key without a passphrase") from None
        except OSError as error:
            what = f"{self.cert_file} or {self.key_file} cannot be read ({error.strerror})"
            raise ConfigError(f"{key}: {what}; name files that this user may read") from None
        return made


class ServedTable(Table):
    """Where HTTP is answered."""

    host: HostName = Field(default="127.0.0.1")
    port: Port
    tls: PanelTls | None = Field(default=None, description="Encryption; unset: none.")

    @property
    def is_local(self) -> bool:
        """Whether nobody but this PC reaches it."""
        return is_this_pc(self.host)

    @property
    def url(self) -> str:
        """Where the page is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self.tls is None else 'https'}://{host}:{self.port}/"


class Panel(ServedTable):
    """The page and the HTTP API."""

    host: HostName = Field(
        default="127.0.0.1",
        description="Address that the panel is bound to; another than this PC's own needs tls, and users or a token.",
    )
    port: Port = Field(default=8470, description="Port of the panel (1 to 65535).")
    names: tuple[HostName, ...] = Field(
        default=(),
        max_length=16,
        description="Names that browsers may call the panel by, beside its IP addresses, localhost and this PC's name.",
    )
    token_file: FilePath | None = Field(
        default=None,
        description="File that holds the token for changes; unset: the credential panel_token, else no changes.",
    )
    role_of_token: Literal["viewer", "operator", "engineer"] = Field(
        default="engineer", description="What whoever knows the token may do: viewer, operator or engineer."
    )
    users_file: FilePath | None = Field(
        default=None, description="File of the people who may sign in, made by edge users; unset: none."
    )
    anyone: Literal["viewer", "nobody", "auto"] = Field(
        default="auto",
        description="What whoever is not signed in is: viewer, nobody, or auto (viewer for this PC alone).",
    )
    idle_minutes: Whole = Field(
        default=60, ge=1, le=720, description="A session that lies idle for so long ends, minutes (1 to 720)."
    )

    @property
    def token(self) -> SecretStr | None:
        """The token, read anew at each use; None where there is none.

        Raises:
            ConfigError: `token_file` cannot be read.
        """
        return secrets.find(self.token_file, "panel_token", "panel.token_file")

    @property
    def is_open(self) -> bool:
        """Whether anyone may look without signing in."""
        return self.anyone == "viewer" or (self.anyone == "auto" and self.is_local)
