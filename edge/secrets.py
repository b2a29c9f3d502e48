"""Secrets, from files alone: the file that a setting names, else what systemd hands over in $CREDENTIALS_DIRECTORY."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from edge.errors import ConfigError

MAX_BYTES = 65_536


def find(file: Path | None, credential: str, key: str) -> SecretStr | None:
    """The secret, or None where no file is named and no credential handed over.

    Raises:
        ConfigError: the file cannot be read, is empty, or is no text.
    """
    if file is None:
        handed = os.environ.get("CREDENTIALS_DIRECTORY")
        if not handed or not (Path(handed) / credential).is_file():
            return None
        file = Path(handed) / credential
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
        text = raw.decode("utf-8-sig").rstrip("\r\n")
    except OSError as error:
        raise ConfigError(
            f"{key}: {file} cannot be read ({error.strerror}); name a file that this user may read"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{key}: {file} is not UTF-8 text; save it as UTF-8") from None
    if not text or len(raw) > MAX_BYTES or "\n" in text or "\x00" in text:
        raise ConfigError(f"{key}: {file} must hold one line, the secret alone")
    return SecretStr(text)


def needed(file: Path | None, credential: str, key: str) -> SecretStr:
    """The secret.

    Raises:
        ConfigError: there is none, or its file cannot be read.
    """
    secret = find(file, credential, key)
    if secret is None:
        raise ConfigError(f"{key}: is not set and no credential {credential} was handed over; set one of them")
    return secret


def url_without_password(url: str) -> str:
    """Pass a URL on; refuse one that holds a password."""
    try:
        parts = urlsplit(url)
        secret = parts.password is not None or any(
            word in name.lower() for name, _ in parse_qsl(parts.query) for word in ("pass", "pwd", "token", "secret")
        )
    except ValueError:
        raise ValueError("is no URL; write it as SQLAlchemy does, such as sqlite:////var/lib/erp.db") from None
    if secret:
        raise ValueError("holds a password; put the URL into a file of its own and name it in url_file")
    if url.startswith("sqlite:///") and not url.startswith(("sqlite:////", "sqlite:///:memory:")):
        raise ValueError("names a relative path; write the whole path, such as sqlite:////var/lib/erp.db")
    if ":" not in url:
        raise ValueError("is no URL; write it as SQLAlchemy does, such as sqlite:////var/lib/erp.db")
    return url
