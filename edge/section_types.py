"""The kinds of values that settings have: each refuses what it cannot be, in words that repeat no secret."""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

#: The folder that relative paths start from while a file is read: the file's own.
folder: ContextVar[Path] = ContextVar("folder", default=Path())

T = TypeVar("T")


def _no_truth(value: Any) -> Any:
    """Refuse true and false as numbers: Python counts them as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("must be a number, and is true or false")  # noqa: TRY004 - pydantic collects ValueErrors
    return value


def _unset(value: Any) -> Any:
    return None if value == "" else value


def _level(text: str) -> str:
    if any(c in "+#/" or ord(c) < 32 or 127 <= ord(c) < 160 for c in text) or text != text.strip():
        raise ValueError("is a level of an MQTT topic: it may hold no +, #, / or control character, no blank at an end")
    if text.startswith("$"):
        raise ValueError("is a level of an MQTT topic: it may not begin with $")
    return text


def _from_folder(path: Path) -> Path:
    if "\x00" in str(path) or not str(path).strip():
        raise ValueError("is not a path")
    return folder.get() / path


def camera_address(text: str) -> str:
    """Pass the address of a simulated camera on."""
    try:
        parts = urlsplit(text)
        sound = (parts.scheme == "ipc" and len(parts.netloc + parts.path) > 0) or (
            parts.scheme == "tcp" and parts.hostname and parts.port
        )
    except ValueError:
        sound = False
    if not sound:
        raise ValueError("is no address of a simulated camera; write ipc://PATH or tcp://HOST:PORT")
    return text


def host_name(text: str) -> str:
    """Pass a host on; refuse one with anything beside it."""
    if not text or any(c.isspace() or c in "/@?#" for c in text) or "://" in text:
        raise ValueError("must be a host name or an IP address alone; port, user and password have keys of their own")
    return text


def camera_name(text: str) -> str:
    """Pass a camera's name on; refuse one that no service and no socket could be named after."""
    if not text or len(text) > 32 or not all(c in "abcdefghijklmnopqrstuvwxyz0123456789-_" for c in text):
        raise ValueError("names a camera: 1 to 32 of a-z, 0-9, - and _, since a service is named after it")
    return text


def trigger_name(text: str) -> str:
    """Pass a trigger's name on; refuse one that would not stand well in a trigger id."""
    if not text or len(text) > 32 or not all(c in "abcdefghijklmnopqrstuvwxyz0123456789-_" for c in text):
        raise ValueError("names a trigger: 1 to 32 of a-z, 0-9, - and _, since its trigger ids begin with it")
    return text


def url_of(*schemes: str) -> AfterValidator:
    """Pass a URL of one of these schemes on; refuse one that holds a user, a password or a key."""

    def check(text: str) -> str:
        try:
            parts = urlsplit(text)
            sound = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            sound = False
        if not sound or any(c.isspace() for c in text):
            raise ValueError(f"is no URL; write it with its scheme, such as {schemes[0]}://HOST:PORT")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("may hold a secret; write scheme, host, port and path alone, the secret into its own file")
        return text

    return AfterValidator(check)


Whole = Annotated[int, BeforeValidator(_no_truth)]
Number = Annotated[float, BeforeValidator(_no_truth), Field(allow_inf_nan=False)]
Level = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_level)]
FilePath = Annotated[Path, AfterValidator(_from_folder)]
Port = Annotated[Whole, Field(ge=1, le=65535)]
Column = Annotated[str, Field(min_length=1, max_length=128)]
Name = Annotated[str, Field(min_length=1, max_length=64)]
#: A person's or a program's name at a server.
LongName = Annotated[str, Field(min_length=1, max_length=256)]
HttpUrl = Annotated[str, Field(max_length=2048), url_of("http", "https")]
#: An empty text unsets it, so that the environment can.
OrUnset = Annotated[T | None, BeforeValidator(_unset)]


class Table(BaseModel):
    """One table of the file; an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)
