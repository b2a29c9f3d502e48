"""The demo's broker cannot be told from mosquitto by what its clients observe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simulator.broker import Broker
from simulator.mosquitto import Mosquitto
from tests.simulator.conftest import WAIT_S, PeerMaker


def _observe(peer: Any, last: str) -> list[object]:
    """Everything that a client heard until the named topic came, with the properties that must pass through."""
    heard: list[object] = []
    while True:
        message = peer.next()
        properties = sorted(message.properties.json().items(), key=str)
        # Not `dup`: whether a message was sent before depends on whether the broker saw the connection end first.
        heard.append((message.topic, message.payload, message.qos, message.retain, properties))
        if message.topic == last:
            return heard


def _act_out(peer_at: PeerMaker, port: int) -> dict[str, object]:
    """Do the same things to any broker, and write down all that its clients observe."""
    seen: dict[str, object] = {}
    sender, plain, mes = peer_at(port, "sender"), peer_at(port, "plain"), peer_at(port, "mes", expiry_s=60)
    seen["connected"] = (sender.code, sender.present, mes.present)
    seen["granted"] = (plain.subscribe("s/+/x", 0), plain.subscribe("end"), mes.subscribe("s/#"), mes.subscribe("end"))
    seen["own"] = sender.subscribe("s/1/x", noLocal=True)
    seen["codes"] = (
        sender.publish("s/1/x", b"a", UserProperty=[("n", "1"), ("n", "2")], ContentType="text/plain"),
        sender.publish("nobody", b"b"),
        sender.publish("s/1/state", b"on", retain=True, ResponseTopic="r", CorrelationData=b"c"),
        sender.publish("s/gone", b"x", retain=True),
        sender.publish("s/gone", b"", retain=True),
    )
    seen["mes, there"] = _observe(mes, "s/gone") + _observe(mes, "s/gone")
    # The client hands a message over before it answers: after one round trip its PUBACK is sent, after two taken.
    seen["codes, mes"] = (mes.publish("nobody", b"1"), mes.publish("nobody", b"2"))
    mes.disconnect()
    seen["codes, away"] = (sender.publish("s/2/x", b"c"), sender.publish("s/3/y", b"d"))
    peer_at(port, "doomed", will=("s/will/x", b"dead")).cut()
    sender.publish("end", b"end")
    seen["plain"] = _observe(plain, "end")
    back = peer_at(port, "mes", clean_start=False, expiry_s=60)
    seen["mes, back"] = (back.present, _observe(back, "end"))
    late = peer_at(port, "late")
    seen["late"] = (late.subscribe("s/1/#"), _observe(late, "s/1/state"))
    one, two = peer_at(port, "same"), peer_at(port, "same")
    # Why the first ended is not compared: mosquitto often resets the connection before its DISCONNECT can be read.
    one.ended.get(timeout=WAIT_S)
    seen["taken over"] = (two.code, two.present)
    return seen


def test_is_indistinguishable_from_mosquitto(broker: Broker, peer_at: PeerMaker, tmp_path: Path) -> None:
    """The same actions of the same clients give the same observations at this broker and at mosquitto."""
    with Mosquitto(tmp_path) as mosquitto:
        theirs = _act_out(peer_at, mosquitto.port)

    assert _act_out(peer_at, broker.port) == theirs
