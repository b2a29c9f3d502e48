"""What is wrong with the files that settings name: secrets, certificates and sockets (L13)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import SecretStr

from edge.errors import ConfigError
from edge.toml_file import Key, Problem

#: `sun_path` of a Linux socket address holds 108 bytes with its closing zero (unix(7)).
MAX_SOCKET_BYTES = 107


def secret(ask: Callable[[], SecretStr | None], *key: str, needs: tuple[Key, ...] = ()) -> Iterator[Problem]:
    """What is wrong with a secret that is asked for; `key` names its file."""
    try:
        ask()
    except ConfigError as error:
        yield Problem(key, error.problems[0].partition(": ")[2], needs=needs)  # without the key, which stands before it


def pem(path: Path | None, *key: str) -> Iterator[Problem]:
    """What is wrong with a file of certificates or of a key."""
    if path is not None and not path.is_file():
        yield Problem(key, f"names {path}, which is no file; name a PEM file")


def socket(path: Path, *key: str) -> Iterator[Problem]:
    """What is wrong with the path of a socket, in the folder that `key` names."""
    over = len(os.fsencode(path)) - MAX_SOCKET_BYTES
    if over > 0:
        yield Problem(
            key,
            f"makes the socket path {path} {over} bytes longer than the {MAX_SOCKET_BYTES} that Linux allows; "
            "choose a shorter folder",
        )
