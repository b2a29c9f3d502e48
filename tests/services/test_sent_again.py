"""What a broker took and forgot is sent again: by itself where its session is lost, and by `cmd/resend` on demand."""

from __future__ import annotations

import json
from pathlib import Path

import mqtt5
import pytest

from edge.adapters import taken
from edge.adapters.database import Clock
from edge.adapters.store import Store
from edge.core.outcome import Outcome, Reason
from tests.brokers import Ear, FaultBroker, mosquitto, wait_for
from tests.services.station import AT, Start, ask, seqs


def test_outcomes_that_a_broker_took_and_forgot_reach_the_subscriber(tmp_path: Path, start: Start) -> None:
    """Mosquitto takes outcomes while MES is away and loses its disk: MES gets them all, in order (L11)."""
    with mosquitto(tmp_path) as broker:
        station = start(broker.port)
        ids = [station.inspect(number) for number in range(5)]
        wait_for(station.sent, "five outcomes")
        broker.stop()
        station.stop()
        broker.forget()
        ids.append(station.inspect(5))

        broker.start()
        ear = Ear(broker.port)
        station.start()
        wait_for(lambda: len(ear.on("/outcome")) == 6, "six outcomes")

        assert [json.loads(packet.payload)["inspection_id"] for packet in ear.on("/outcome")] == ids
        assert seqs(ear.heard) == [1, 2, 3, 4, 5, 6]
        ear.close()


def test_what_is_sent_again_is_the_same_to_the_byte(start: Start, faulty: FaultBroker) -> None:
    """A repeat after a lost session has the bytes and properties of the first, a retake in its place (L11)."""
    station = start(faulty.port)
    inspection_id = station.trigger("t1")
    station.retake(inspection_id)
    station.decide(inspection_id, "t1")
    station.inspect(2)
    wait_for(station.sent, "three messages")
    first = faulty.outcomes(faulty.taken)

    faulty.keeps_sessions = False
    faulty.break_connection()
    wait_for(lambda: len(faulty.outcomes(faulty.taken)) == 6, "three messages again")

    again = faulty.outcomes(faulty.taken)[3:]
    assert [_said(packet) for packet in again] == [_said(packet) for packet in first]
    wait_for(station.sent, "nothing left")
    assert station.store.counts()["acknowledged"] == 6


def _said(packet: mqtt5.PublishPacket) -> object:
    return packet.topic, packet.payload, packet.user_properties, packet.content_type, packet.retain


def test_a_session_that_is_known_repeats_nothing(start: Start, faulty: FaultBroker) -> None:
    """A connection that breaks and comes back costs no repeat of what was acknowledged."""
    station = start(faulty.port)
    station.inspect(1)
    wait_for(station.sent, "an outcome")

    faulty.break_connection()
    station.inspect(2)
    wait_for(station.sent, "another outcome")

    assert seqs(faulty.taken) == [1, 2]


def test_outcomes_that_somebody_misses_are_sent_on_demand(tmp_path: Path, start: Start) -> None:
    """`cmd/resend` sends outcomes of any age again, once for a repeated command, and says how many (L12)."""
    with mosquitto(tmp_path) as broker:
        station = start(broker.port)
        for number in range(4):
            station.inspect(number)
        wait_for(station.sent, "four outcomes")
        ear = Ear(broker.port)

        answers = [ask(ear, "resend", {"first": 2, "last": 9}, b"1")]
        wait_for(lambda: len(ear.on("/outcome")) == 3, "three outcomes")

        assert answers == [{"accepted": True, "first": 2, "last": 9, "again": 3}]
        assert seqs(ear.heard) == [2, 3, 4]
        ear.close()


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"first": 3, "last": 2}, "malformed"),
        ({"first": 0, "last": 2}, "malformed"),
        ({"first": True, "last": 2}, "malformed"),
        ({"first": 1, "last": "2"}, "malformed"),
        ({"first": 1, "last": 2**63}, "malformed"),
        ({"first": 1}, "malformed"),
        ({"first": 1, "last": 1001}, "max_again"),
        ({"first": 1, "last": 2, "who": "mes"}, "unknown_key"),
    ],
)
def test_a_wrong_demand_is_refused(message: object, reason: str, tmp_path: Path, start: Start) -> None:
    """A range that is none, or too long, is answered with a reason, and nothing is sent (L12)."""
    with mosquitto(tmp_path) as broker:
        station = start(broker.port)
        station.inspect(1)
        wait_for(station.sent, "an outcome")
        ear = Ear(broker.port)

        answer = ask(ear, "resend", message, b"1")

        assert (answer["accepted"], answer["reason"]) == (False, reason)
        assert ear.on("/outcome") == []
        ear.close()


class _Past:
    """A store whose clock is set by hand, with outcomes that the broker took."""

    def __init__(self, folder: Path) -> None:
        self.now_us = 0
        self.store = Store.open(folder, "st", clock=Clock(now_us=lambda: self.now_us, at=lambda: AT, boot="b1"))

    def told(self, number: int) -> str:
        """One outcome that was sent and taken; its id."""
        inspection_id = self.store.add_trigger(f"t{number}", expected=None, source="x", at=AT, at_us=0)[0]
        outcome = Outcome(inspection_id, f"t{number}", Reason.OVERRUN)
        self.store.commit(outcome, topic="o", config_hash="c", at=AT)
        (row_id,) = self.store.outbox.waiting(9)
        self.store.outbox.begin_sending([row_id])
        self.store.outbox.acknowledge(row_id)
        return inspection_id

    def again(self) -> list[str | None]:
        """What waits now."""
        return [message.inspection_id for message in self.store.outbox.pending(99)]


def test_only_what_was_taken_lately_goes_again_by_itself(tmp_path: Path) -> None:
    """Of what was taken more than an hour ago, by the monotonic clock, nothing is repeated without a demand."""
    past = _Past(tmp_path)
    past.told(1)
    past.now_us = int((taken.AGAIN_WITHIN_S + 1) * 1e6)
    young = past.told(2)

    num_again = past.store.outbox.taken.newest_again()

    assert (num_again, past.again()) == (1, [young])
    past.store.close()


def test_no_more_than_a_broker_keeps_goes_again_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest outcomes up to a limit go again, at their old places before what is new, and once (L11)."""
    monkeypatch.setattr(taken, "MAX_AGAIN", 2)
    past = _Past(tmp_path)
    ids = [past.told(number) for number in range(3)]
    new = past.store.add_message("r", b"{}", {}, kind="retake", inspection_id=None)

    again = [past.store.outbox.taken.newest_again() for _ in range(2)]

    messages = past.store.outbox.pending(9)
    assert again == [2, 0]
    assert [message.inspection_id for message in messages] == [*ids[1:], None]
    assert [(message.is_again, message.goes_alone) for message in messages] == [(True, False)] * 2 + [(False, True)]
    assert messages[-1].row_id == new
    past.store.close()


def test_what_waits_to_go_again_is_not_forgotten(tmp_path: Path) -> None:
    """The store keeps an outcome that waits again, however old it is, until it is taken again (L10)."""
    past = _Past(tmp_path)
    past.told(1)
    past.store.outbox.taken.again(1, 1)

    forgotten = [past.store.kept.forget("9999")]
    past.store.outbox.acknowledge(*past.store.outbox.waiting(9))
    forgotten.append(past.store.kept.forget("9999"))

    assert forgotten == [0, 1]
    past.store.close()


def test_what_a_person_dropped_stays_dropped(tmp_path: Path) -> None:
    """A dead letter that was dropped is not sent again on demand."""
    past = _Past(tmp_path)
    inspection_id = past.store.add_trigger("t", expected=None, source="x", at=AT, at_us=0)[0]
    past.store.commit(Outcome(inspection_id, "t", Reason.OVERRUN), topic="o", config_hash="c", at=AT)
    (row_id,) = past.store.outbox.waiting(9)
    past.store.outbox.set_aside(row_id)
    past.store.outbox.drop(row_id)

    num_again = past.store.outbox.taken.again(1, 1)

    assert (num_again, past.again()) == (0, [])
    past.store.close()


def test_other_messages_are_kept_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of retakes and corrections that were taken, the newest are kept to be sent again."""
    monkeypatch.setattr(taken, "MAX_OTHERS", 2)
    past = _Past(tmp_path)
    rows = [past.store.add_message("r", b"%d" % number, {}, kind="retake", inspection_id=None) for number in range(4)]
    for row_id in rows:
        past.store.outbox.acknowledge(row_id)

    past.store.outbox.taken.newest_again()

    assert [(message.row_id, message.payload) for message in past.store.outbox.pending(9)] == [
        (rows[2], b"2"),
        (rows[3], b"3"),
    ]
    past.store.close()
