"""Servers that fail as told, and clients of them, gone after the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edge.readers.chat.chat import Chat
from tests.readers.chat.faulty_chat import GOOD, MODEL, FaultyChat, Naps, Step


@pytest.fixture
def serve() -> Iterator[Callable[..., FaultyChat]]:
    """Servers that are gone after the test."""
    servers: list[FaultyChat] = []

    def started(usual: Step = GOOD, **options: Any) -> FaultyChat:
        servers.append(FaultyChat(usual, **options))
        return servers[-1]

    yield started
    for server in servers:
        server.close()


@pytest.fixture
def connect() -> Iterator[Callable[..., Chat]]:
    """Clients that are gone after the test; they never wait between two tries."""
    chats: list[Chat] = []

    def connected(url: str, **options: Any) -> Chat:
        chats.append(Chat(url, options.pop("model", MODEL), **{"sleep": Naps(), **options}))
        return chats[-1]

    yield connected
    for chat in chats:
        chat.close()
