"""The witness at the tests' brokers finds a message that breaks the contract, and none that keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mqtt5
import pytest

from edge.adapters.payload import encode
from edge.services.health import state_message
from tests.brokers import Ear, FaultBroker, Mosquitto, mosquitto
from tests.witness import Judge

STATE = "edge/v1/s/l/st/state"


def packet(topic: str, payload: bytes, **changes: Any) -> mqtt5.PublishPacket:
    """A message marked as edge marks it."""
    marks = {"packet_id": 1, "qos": mqtt5.QoS.AT_LEAST_ONCE, "content_type": "application/json"}
    return mqtt5.PublishPacket(topic, payload, **(marks | {"payload_format_indicator": 1} | changes))


def test_a_sound_state_is_no_violation() -> None:
    """What edge says of its state keeps the contract, and is counted."""
    judge = Judge()

    judge.see(packet(STATE, state_message("st", "online", "session"), retain=True))

    assert (judge.checked, judge.violations) == (1, [])


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        (packet(STATE, b'{"state": "online"}', retain=True), "state breaks its schema"),
        (packet(STATE, state_message("st", "online", "session")), "state was sent with"),
        (
            packet(STATE, state_message("st", "online", "session"), retain=True, content_type=None),
            "not marked as JSON",
        ),
        (packet("edge/v1/s/l/st/outcome", b"{}"), "outcome breaks its schema"),
    ],
    ids=["a key too few", "not retained", "no content type", "an empty outcome"],
)
def test_a_broken_message_is_a_violation(spoilt: mqtt5.PublishPacket, told: str) -> None:
    """Payload, user properties, marks, QoS and retain flag are each held against the contract."""
    judge = Judge()

    judge.see(spoilt)

    assert told in judge.violations[0]


def test_an_answer_is_known_by_its_command() -> None:
    """What goes to the response topic of a command is judged as an answer; other sites' messages are not judged."""
    judge = Judge()

    judge.see(packet("mes/answers", b"not yet asked"))
    judge.see(packet("edge/v1/s/l/st/cmd/trigger", b"{}", response_topic="mes/answers"))
    judge.see(packet("mes/answers", encode({"accepted": True})))

    assert judge.checked == 1
    assert "answer breaks its schema" in judge.violations[0]


def say_a_broken_retake(folder: Path, *, after_a_kill: bool) -> None:
    """What a test does: it runs a broker, and something says a retake without a word in it."""
    with mosquitto(folder) as broker:
        if after_a_kill:
            broker.kill()
            broker.start()
        ear = Ear(broker.port)
        ear.publish("edge/v1/s/l/st/retake", b"{}")
        ear.close()


@pytest.mark.parametrize("after_a_kill", [False, True], ids=["at once", "after the broker was killed"])
def test_a_test_with_a_real_broker_fails_over_a_broken_message(tmp_path: Path, after_a_kill: bool) -> None:
    """Whoever sends it: a message on a topic of edge that breaks the contract fails the test that ran the broker."""
    with pytest.raises(AssertionError, match="retake breaks its schema"):
        say_a_broken_retake(tmp_path, after_a_kill=after_a_kill)


def test_a_test_with_a_broker_that_fails_on_purpose_fails_too() -> None:
    """The broker that refuses and breaks judges all that came, the will included."""
    broker = FaultBroker()
    broker.judge.see(packet(STATE, b"{}", retain=True))

    with pytest.raises(AssertionError, match="state breaks its schema"):
        broker.close()


def test_rules_of_a_test_do_not_stand_before_the_witness(tmp_path: Path) -> None:
    """Where a test's broker lets nobody in without a password, the witness hears all the same."""
    passwords = tmp_path / "passwords"
    passwords.write_text("", encoding="utf-8")
    broker = Mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}")
    broker.start()
    broker.witness.start()

    broker.witness.stop(broker_runs=True)
    broker.stop()

    assert broker.witness.judge.violations == []
