"""The faults of a broker, each with what must come of it. `table` counts rounds of them, `test_faults` asserts each.

A fault is a function of the round's random numbers; it arms the broker, and says which outcomes must end as dead
letters. All else is the same for each: the promises of `Verdict`.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mqtt5

from tests.delivery.hostile import Call, Fault, HostileBroker, Unheard, connack, disconnect
from tests.delivery.station import FIRST_S, LONGEST_S, Station
from tests.wire import puback

#: Outcomes of one round; the fault strikes at one of the first three.
OUTCOMES = 4
#: PUBACK codes that MQTT 5 knows as failures (3.4.2.1).
REFUSALS = (0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99)
#: What a broker may say in CONNACK (3.2.2.2), and in DISCONNECT (3.14.2.1).
CONNACKS = (0x80, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x97, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F)
DISCONNECTS = (0x80, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x93, 0x96, 0x97, 0x98, 0x9C, 0x9D, 0x9F, 0xA0)
#: Of these, what coming again at once would not mend.
LATER = (0x84, 0x85, 0x86, 0x87, 0x89, 0x8A, 0x8E, 0x96, 0x97, 0x98, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F)
GARBAGE = (
    b"\xff" * 5,
    b"\x00",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\x16\x03\x03\x00\x02\x02\x28",
    b"\x30\xff\xff\xff\x7f",
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the broker's side saw of one round. Each is a promise of L11; `tries` counts what was sent."""

    same_bytes: bool
    one_content: bool
    in_order: bool
    nothing_lost: bool
    dead_as_told: bool
    bounded: bool
    tries: int

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        return all(
            (self.same_bytes, self.one_content, self.in_order, self.nothing_lost, self.dead_as_told, self.bounded)
        )


#: Arms a broker; gives the numbers, from 0, of the round's outcomes that are poison.
Arm = Callable[[HostileBroker, random.Random], set[int]]


def seq_of(packet: Any) -> int | None:
    """The `seq` of an outcome; None for any other packet."""
    if isinstance(packet, mqtt5.PublishPacket) and packet.topic.endswith("/outcome"):
        return int(json.loads(packet.payload)["seq"])
    return None


class Strike:
    """A fault at one outcome of the round, for its first `times` tries (None: at every one)."""

    def __init__(self, number: int, times: int | None, fault: Fault) -> None:
        self._number = number
        self._times = times
        self._fault = fault
        self._seqs: list[int] = []
        self._struck = 0

    def __call__(self, call: Call, packet: Any, usual: bytes) -> bytes | None:
        """What is sent for a packet."""
        seq = seq_of(packet)
        if seq is None:
            return usual
        if seq not in self._seqs:
            self._seqs.append(seq)
        # The first outcome that comes is the round's first: they come in order unless a promise is broken.
        if self._seqs.index(seq) != self._number or (self._times is not None and self._struck >= self._times):
            return usual
        self._struck += 1
        return self._fault(call, packet, usual)


def _at_an_outcome(fault: Callable[[random.Random], Fault], most: int = 1) -> Arm:
    def arm(broker: HostileBroker, chance: random.Random) -> set[int]:
        broker.fault = Strike(chance.randrange(OUTCOMES - 1), chance.randint(1, most), fault(chance))
        return set()

    return arm


def _poison(fault: Fault) -> Arm:
    def arm(broker: HostileBroker, chance: random.Random) -> set[int]:
        number = chance.randrange(OUTCOMES - 1)
        broker.fault = Strike(number, None, fault)
        return {number}

    return arm


def _refused(code: int) -> Arm:
    return _at_an_outcome(lambda _chance: lambda _call, packet, _usual: puback(packet.packet_id, code), most=4)


def _wrong_id(_chance: random.Random) -> Fault:
    return lambda _call, packet, _usual: puback(packet.packet_id + 1000, 0)


def _never(_chance: random.Random) -> Fault:
    return lambda _call, _packet, _usual: b""


def _twice(_chance: random.Random) -> Fault:
    return lambda _call, _packet, usual: usual + usual


def _late(broker: HostileBroker, chance: random.Random) -> set[int]:
    """The answer comes with the next packet that is not an outcome: health, after a tenth of a second."""
    owed: list[bytes] = []

    def owe(_call: Call, _packet: Any, usual: bytes) -> bytes:
        owed.append(usual)
        return b""

    strike = Strike(chance.randrange(OUTCOMES - 1), 1, owe)

    def fault(call: Call, packet: Any, usual: bytes) -> bytes | None:
        if seq_of(packet) is None and owed:
            return usual + owed.pop()
        return strike(call, packet, usual)

    broker.fault = fault
    return set()


def _late_on_the_next(broker: HostileBroker, chance: random.Random) -> set[int]:
    """An outcome is left unanswered twice: on the second connection come PUBACKs for each id of the first instead."""
    owed = b""

    def fault(_call: Call, packet: Any, _usual: bytes) -> bytes | None:
        nonlocal owed
        if not owed:
            owed = b"".join(puback(number, 0) for number in range(1, packet.packet_id + 1))
            return Unheard(disconnect(0x8B))
        return Unheard(owed + disconnect(0x8B))

    broker.end_connections()  # so that the first ids are the same on both, were they counted anew
    broker.fault = Strike(chance.randrange(OUTCOMES - 1), 2, fault)
    return set()


def _lost_answer(_chance: random.Random) -> Fault:
    return lambda _call, _packet, _usual: None


def _garbage_for_an_answer(chance: random.Random) -> Fault:
    noise = chance.choice([*GARBAGE, chance.randbytes(chance.randint(1, 60))])
    return lambda _call, _packet, _usual: noise


def _disconnected(code: int, *, is_taken: bool) -> Arm:
    return _at_an_outcome(
        lambda _chance: lambda _call, _packet, usual: (usual if is_taken else b"") + disconnect(code), most=2
    )


def _on_connecting(kind: type[Any], *answers: bytes) -> Arm:
    """The first connections of the round get this for a CONNECT or SUBSCRIBE; those before are ended."""

    def arm(broker: HostileBroker, chance: random.Random) -> set[int]:
        left = itertools.count(chance.randint(1, 3), -1)

        def fault(_call: Call, packet: Any, usual: bytes) -> bytes | None:
            if isinstance(packet, kind) and next(left) > 0:
                return chance.choice(answers)
            return usual

        broker.fault = fault
        broker.end_connections()
        return set()

    return arm


def _silent_from_then_on(broker: HostileBroker, chance: random.Random) -> set[int]:
    """From an outcome on this connection gets no answer to anything, not even to a ping."""
    strike = Strike(chance.randrange(OUTCOMES - 1), 1, lambda _call, _packet, _usual: b"")
    silent: set[int] = set()

    def fault(call: Call, packet: Any, usual: bytes) -> bytes | None:
        answer = strike(call, packet, usual)
        if answer == b"" and seq_of(packet) is not None:
            silent.add(call.number)
        return b"" if call.number in silent else answer

    broker.fault = fault
    return set()


def _cut(broker: HostileBroker, chance: random.Random, *, incoming: bool) -> set[int]:
    """The next connections end after some byte: of the client's first 3,000, or of the broker's first 40."""
    left = itertools.count(chance.randint(1, 3), -1)

    def prepare(call: Call) -> None:
        if next(left) > 0:
            call.by_reset = chance.random() < 0.5
            if incoming:
                call.cut_in = chance.randint(1, 3000)
            else:
                call.cut_out = chance.randint(1, 40)

    broker.prepare = prepare
    broker.end_connections()
    return set()


def _refuses_all(broker: HostileBroker, chance: random.Random) -> set[int]:
    """Every outcome is refused for some time, a quota for example; then all are taken."""
    left = itertools.count(chance.randint(1, 40), -1)

    def fault(_call: Call, packet: Any, usual: bytes) -> bytes | None:
        return puback(packet.packet_id, 0x97) if seq_of(packet) is not None and next(left) > 0 else usual

    broker.fault = fault
    return set()


FAULTS: dict[str, Arm] = {
    "none": lambda _broker, _chance: set(),
    **{f"PUBACK 0x{code:02X}, up to 4 times": _refused(code) for code in REFUSALS},
    "PUBACK 0x10, no matching subscribers": _at_an_outcome(
        lambda _chance: lambda _call, packet, _usual: puback(packet.packet_id, 0x10), most=4
    ),
    "PUBACK with a code that MQTT does not know": _refused(0xC2),
    "PUBACK for another id": _at_an_outcome(_wrong_id),
    "PUBACK never": _at_an_outcome(_never, most=2),
    "PUBACK late": _late,
    "PUBACK late, on the next connection": _late_on_the_next,
    "PUBACK twice": _at_an_outcome(_twice, most=4),
    "connection ends in the place of PUBACK": _at_an_outcome(_lost_answer, most=3),
    "connection ends after a byte from the station": lambda broker, chance: _cut(broker, chance, incoming=True),
    "connection ends after a byte to the station": lambda broker, chance: _cut(broker, chance, incoming=False),
    "CONNECT unanswered": _on_connecting(mqtt5.ConnectPacket, b""),
    "SUBSCRIBE unanswered": _on_connecting(mqtt5.SubscribePacket, b""),
    "silent from an outcome on": _silent_from_then_on,
    "garbage for CONNACK": _on_connecting(mqtt5.ConnectPacket, *GARBAGE),
    "garbage for SUBACK": _on_connecting(mqtt5.SubscribePacket, *GARBAGE),
    "garbage for PUBACK": _at_an_outcome(_garbage_for_an_answer, most=2),
    "CONNACK refuses, codes at random": _on_connecting(mqtt5.ConnectPacket, *map(connack, CONNACKS)),
    **{f"DISCONNECT 0x{code:02X} for an outcome": _disconnected(code, is_taken=False) for code in DISCONNECTS},
    "DISCONNECT 0x8E after PUBACK": _disconnected(0x8E, is_taken=True),
    "all refused for a time": _refuses_all,
    "poison: PUBACK 0x87 at every try": _poison(lambda _call, packet, _usual: puback(packet.packet_id, 0x87)),
    "poison: DISCONNECT 0x95 at every try": _poison(lambda _call, _packet, _usual: disconnect(0x95)),
    "poison: connection ends at every try": _poison(lambda _call, _packet, _usual: None),
}


def play(
    name: str, station: Station, broker: HostileBroker, chance: random.Random, wait: Callable[..., Any]
) -> Verdict:
    """One round: arm the fault, decide some outcomes, wait until nothing waits, and judge from the broker's side."""
    broker.forget()
    already_dead = {message.inspection_id for message in station.store.outbox.dead_letters()}
    poison = FAULTS[name](broker, chance)
    ids = [station.inspect_next() for _ in range(OUTCOMES)]
    wait(station.sent, f"the end of a round of {name!r}")
    dead = {message.inspection_id for message in station.store.outbox.dead_letters()} - already_dead
    return _judge(
        broker, ids, {ids[number] for number in poison}, dead, early=1 if name == "all refused for a time" else 0
    )


def _judge(broker: HostileBroker, ids: list[str], poison: set[str], dead: set[Any], *, early: int) -> Verdict:
    tried = [packet for packet in broker.tried if json.loads(packet.payload)["inspection_id"] in ids]
    contents: dict[str, set[Any]] = {}
    seqs: dict[int, set[str]] = {}
    for packet in tried:
        told = json.loads(packet.payload)
        sent = (packet.topic, packet.payload, tuple(packet.user_properties))
        contents.setdefault(told["inspection_id"], set()).add(sent)
        seqs.setdefault(told["seq"], set()).add(told["inspection_id"])
    heard = list(dict.fromkeys(json.loads(packet.payload)["inspection_id"] for packet in broker.heard))
    good = [each for each in heard if each in ids and each not in poison]
    return Verdict(
        same_bytes=all(len(each) == 1 for each in contents.values()),
        one_content=all(len(each) == 1 for each in seqs.values()),
        # One message may be early where a broker refused all for long: the probe that came through.
        in_order=good[early:] == sorted(good[early:]),
        nothing_lost=set(ids) <= {*heard, *dead},
        dead_as_told=dead == poison,
        bounded=all(_waited(call, following) for call, following in itertools.pairwise(broker.calls)),
        tries=len(tried),
    )


def _waited(call: Call, following: Call) -> bool:
    """Whether the client let the wait of its back-off pass after the broker had ended a connection."""
    if call.ended_s is None:
        return True
    return following.at_s - call.ended_s >= 0.7 * (LONGEST_S if call.code in LATER else FIRST_S)
