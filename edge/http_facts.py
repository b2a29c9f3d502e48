"""What an address, a web server's answer and a failed connection say, for those who ask one."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urlsplit

#: This PC's own names.
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class Streamed(Protocol):
    """An answer whose body has not been taken yet, as httpx2 gives it."""

    def aiter_raw(self) -> AsyncIterator[bytes]:
        """Its bytes as they were sent."""


async def body_of(answer: Streamed, most_bytes: int) -> bytes | None:
    """An answer's body; None where it is longer than that, and then the rest is not waited for."""
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > most_bytes:
            return None
    return bytes(body)


def is_in_the_open(url: str) -> bool:
    """Whether others on the network can read what is sent to this address."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in LOCAL_HOSTS


def retry_after_s(header: str) -> float:
    """What `Retry-After` asks for, s: seconds, or until a date; 0 where it is neither."""
    if header.isascii() and header.isdigit():
        return float(header[:9])
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def distrust(error: BaseException) -> str | None:
    """What is wrong with the server's certificate; None where that is not why the connection failed."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return seen.verify_message or "it cannot be verified"
        seen = seen.__cause__ or seen.__context__
    return None


def plain(error: BaseException) -> str:
    """An error's own words, in short; its type where it has none."""
    return (str(error) or type(error).__name__)[:200]
