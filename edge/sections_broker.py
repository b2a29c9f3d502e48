"""The broker as settings name it: a station's, and a plant's."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from edge import secrets
from edge.section_types import FilePath, LongName, Port, Table, Whole, host_name


class Tls(Table):
    """Encryption of the link to the broker."""

    ca_file: FilePath | None = Field(
        default=None, description="Certificates that the broker's is checked against; unset: the system's."
    )
    cert_file: FilePath | None = Field(default=None, description="This station's certificate; unset: none.")
    key_file: FilePath | None = Field(default=None, description="The key of this station's certificate; unset: none.")


class BrokerTable(Table):
    """A broker, and as whom it is spoken to."""

    host: Annotated[str, Field(max_length=253), AfterValidator(host_name)] = Field(
        default="127.0.0.1", description="Host of the broker."
    )
    port: Port = Field(default=1883, description="Port of the broker (1 to 65535); 8883 with TLS, as a rule.")
    client_id: Annotated[str, Field(max_length=128)] = Field(default="", description="Client id.")
    username: LongName | None = Field(default=None, description="User name; unset: none.")
    password_file: FilePath | None = Field(
        default=None, description="File that holds the password; unset: the credential mqtt_password, or none."
    )
    tls: Tls | None = Field(default=None, description="Encryption; unset: none.")
    keepalive_s: Whole = Field(
        default=30, ge=5, le=3600, description="A silent link is given up after twice this, s (5 to 3600)."
    )
    session_expiry_s: Whole = Field(ge=0, le=4_294_967_295, description="The broker keeps the session this long, s.")

    @property
    def password(self) -> SecretStr | None:
        """The password, read anew at each use; None where there is none.

        Raises:
            ConfigError: `password_file` cannot be read.
        """
        return secrets.find(self.password_file, "mqtt_password", "mqtt.password_file")
