"""The broker's line of `edge check`, on a real mosquitto and on servers that are none."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from edge.commands.checks import broker
from edge.errors import BrokerError
from tests.brokers import Ear, mosquitto, wait_for
from tests.commands.checks.stations import station


def test_a_message_comes_back(tmp_path: Path) -> None:
    """One message on a topic of its own is published and read back; nothing is retained there."""
    with mosquitto(tmp_path) as real:
        finding = broker.check(station(tmp_path, real.port), 10.0)
        late = Ear(real.port)
        late.publish("edge/v1/s/l/n/end", b"")
        wait_for(lambda: late.on("/end"), "the end")
        found = late.on("/check")
        late.close()

    assert (finding.level, finding.facts["topic"]) == ("ok", "edge/v1/s/l/n/check")
    assert finding.facts["echo_ms"] > 0
    assert found == []


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("topic read #\n", "refuses a message to edge/v1/s/l/n/check"),
        ("topic write #\n", "did not come back"),
    ],
)
def test_a_topic_that_is_not_allowed_is_a_warning(tmp_path: Path, rules: str, said: str) -> None:
    """A broker that knows which topics a station may use still works: the line says what to allow."""
    (tmp_path / "acl").write_text(rules, encoding="utf-8")
    with mosquitto(tmp_path, f"acl_file {tmp_path / 'acl'}") as real:
        finding = broker.check(station(tmp_path, real.port), 2.0)

    assert finding.level == "warn"
    assert said in finding.said
    assert finding.do.startswith("allow edge/v1/s/l/n/check")


def test_a_broker_that_is_away_is_told(tmp_path: Path) -> None:
    """Nobody behind the port: the messenger's own sentence."""
    with pytest.raises(BrokerError, match="refused the connection"):
        broker.check(station(tmp_path), 2.0)


def test_something_that_is_no_broker_is_told(tmp_path: Path) -> None:
    """A server that takes the connection and says nothing is given up in time."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = station(tmp_path, server.getsockname()[1])

        with pytest.raises(BrokerError, match="gave no CONNACK within"):
            broker.check(settings, 0.3)


def test_a_broker_that_refuses_is_told_without_the_password(tmp_path: Path) -> None:
    """A refused connection names user and reason to look at, never the password (L13)."""
    (tmp_path / "p").write_text("hunter2", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            taken, _ = server.accept()
            with taken:
                taken.recv(4096)
                taken.sendall(b"\x20\x03\x00\x87\x00")  # CONNACK: not authorised

        refusing = threading.Thread(target=refuse)
        refusing.start()
        settings = station(
            tmp_path, server.getsockname()[1], EDGE_MQTT__USERNAME="u", EDGE_MQTT__PASSWORD_FILE=str(tmp_path / "p")
        )

        with pytest.raises(BrokerError, match="does not let user 'u' in") as raised:
            broker.check(settings, 5.0)
        refusing.join()

    assert "hunter2" not in str(raised.value)
