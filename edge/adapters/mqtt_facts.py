"""What passes between the messenger and its link: where the broker is, how we appear there, and the facts it tells.

Promise: facts are frozen, name the connection (`session_id`) that they belong to, and are told in the order in which
they happened; each connection that was told as `Connected` ends in exactly one `Disconnected`, save by a clean stop.
"""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from edge.adapters.messages import StateName


@dataclass(frozen=True, slots=True)
class BackOff:
    """Growing waits between connections; `jitter` is their random part, so that stations do not march in step."""

    first_s: float = 0.5
    longest_s: float = 30.0
    jitter: float = 0.3

    def wait_s(self, failures: int) -> float:
        """How long to wait after so many failures in a row."""
        wait_s = min(self.longest_s, self.first_s * 2.0 ** min(max(failures - 1, 0), 16))
        return wait_s * (1 - self.jitter * random.random())  # noqa: S311 - spreads load, guards nothing


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and how we appear there. `password` is never shown."""

    host: str
    port: int
    client_id: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    keepalive_s: int = 15
    session_expiry_s: int = 86_400


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker accepted us, commands are heard, `online` was sent. `max_packet_bytes`: the broker's limit, if any."""

    session_id: str
    session_present: bool
    max_packet_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Disconnected:
    """There is no connection. `refusal` is the code of the broker's DISCONNECT or CONNACK, if it sent one."""

    session_id: str
    detail: str
    refusal: int | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The broker's PUBACK for a message: taken, or refused with a code and its name."""

    session_id: str
    token: int
    code: int
    name: str
    taken: bool


@dataclass(frozen=True, slots=True)
class SubscriptionRefused:
    """The broker does not let us hear commands."""

    topic: str
    name: str


@dataclass(frozen=True, slots=True)
class CommandDropped:
    """A command came while the limit `MAX_FACTS` was reached."""

    topic: str


@dataclass(frozen=True, slots=True)
class Command:
    """One command as it came. It stays the broker's to repeat until `acknowledge` is called with it."""

    session_id: str
    topic: str
    payload: bytes
    arrived_us: int
    response_topic: str | None = None
    correlation: bytes | None = None
    repeat: bool = False
    packet_id: int | None = None


Fact = Connected | Disconnected | Answered | SubscriptionRefused | CommandDropped | Command
#: Gives the retained message of the topic `state` from a state's name and the connection's id.
StateMessage = Callable[[StateName, str], bytes]


@dataclass(frozen=True, slots=True)
class Presence:
    """How the station shows itself: its retained state, and the filter of the commands that it hears."""

    state_topic: str
    state_message: StateMessage
    commands: str
