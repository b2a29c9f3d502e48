"""What is wrong with the files that settings name: secrets, and certificates (L13)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import SecretStr

from edge.errors import ConfigError
from edge.toml_file import Key, Problem


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
