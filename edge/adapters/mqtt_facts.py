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

#: Messages that the broker may have on its way to a station unacknowledged (MQTT Receive Maximum).
RECEIVE_MAXIMUM = 20
#: The system's own: two stations whose generators were seeded alike would march in step.
_RANDOM = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class BackOff:
    """Growing waits between connections; `jitter` is their random part, so that stations do not march in step."""

    first_s: float = 0.5
    longest_s: float = 30.0
    jitter: float = 0.3

    def wait_s(self, failures: int, *, soon: bool = True) -> float:
        """How long to wait after so many failures in a row; the longest at once where coming again `soon` does harm."""
        wait_s = min(self.longest_s, self.first_s * 2.0 ** min(max(failures - 1, 0), 16)) if soon else self.longest_s
        return wait_s * (1 - self.jitter * _RANDOM.random())


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and how we appear there. `password` is never shown.

    `receive_maximum` messages may be on their way to us unacknowledged.
    """

    host: str
    port: int
    client_id: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    ca_file: str | None = None
    cert_file: str | None = None
    keepalive_s: int = 15
    session_expiry_s: int = 86_400
    receive_maximum: int = RECEIVE_MAXIMUM


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker accepted us, commands are heard, `online` was sent. `max_packet_bytes`: the broker's limit, if any.

    `receive_maximum` is the number of messages of QoS 1 that may be on their way to it unacknowledged.
    """

    session_id: str
    session_present: bool
    max_packet_bytes: int | None = None
    receive_maximum: int = 65_535


@dataclass(frozen=True, slots=True)
class Disconnected:
    """There is no connection. `refusal` is the code of the broker's DISCONNECT or CONNACK, if it sent one.

    `name` is the cause's, for counting; `detail` is the sentence for people.
    """

    session_id: str
    detail: str
    refusal: int | None = None
    name: str = "broken"


@dataclass(frozen=True, slots=True)
class Answered:
    """The broker's PUBACK for a message: taken, or refused with a code and its name."""

    session_id: str
    token: int
    code: int
    name: str
    taken: bool


@dataclass(frozen=True, slots=True)
class Unsent:
    """A message that nobody asked the fate of (an answer, health) was refused, or could not be sent."""

    topic: str
    reason: str


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
    """One command as it came. It stays the broker's to repeat until `acknowledge` or `answer` is called with it.

    `expires_us`: when its own message expiry is over, on the clock of `arrived_us`; None where it has none.
    `is_historical`: an outcome that is told late, by its user property; no command has that.
    """

    session_id: str
    topic: str
    payload: bytes
    arrived_us: int
    response_topic: str | None = None
    correlation: bytes | None = None
    repeat: bool = False
    packet_id: int | None = None
    retained: bool = False
    expires_us: int | None = None
    is_historical: bool = False


Fact = Connected | Disconnected | Answered | Unsent | SubscriptionRefused | CommandDropped | Command
#: Gives the retained message of the topic `state` from a state's name and the connection's id.
StateMessage = Callable[[StateName, str], bytes]


@dataclass(frozen=True, slots=True)
class Presence:
    """How the station shows itself: its retained state, and the filter of the commands that it hears.

    `release`: the topic of its releases, whose last is wanted on each connection; empty where it takes none.
    """

    state_topic: str
    state_message: StateMessage
    commands: str
    release: str = ""
