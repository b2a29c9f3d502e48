"""The demo's broker does to a real client (paho-mqtt) what MQTT 5 says."""

from __future__ import annotations

import socket
import threading

import mqtt5
import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes

from simulator import broker as broker_module
from simulator import sessions
from simulator.broker import Broker
from simulator.sessions import is_filter, topic_matches
from tests.simulator.conftest import WAIT_S, PeerMaker


def test_passes_a_request_through_unchanged(peer: PeerMaker) -> None:
    """Payload, user properties, response topic, correlation data, content type and expiry arrive as they were sent."""
    listener, sender = peer("listener"), peer("sender")
    listener.subscribe("a/+/c")
    code = sender.publish(
        "a/b/c",
        b"\x00\xff",
        ResponseTopic="answers/1",
        CorrelationData=b"\x01\x02",
        UserProperty=[("k", "1"), ("k", "2")],
        MessageExpiryInterval=60,
        ContentType="application/json",
    )
    message = listener.next()

    assert code == 0
    assert (message.topic, message.payload, message.qos, message.retain) == ("a/b/c", b"\x00\xff", 1, False)
    assert message.properties.ResponseTopic == "answers/1"
    assert message.properties.CorrelationData == b"\x01\x02"
    assert message.properties.UserProperty == [("k", "1"), ("k", "2")]
    assert message.properties.ContentType == "application/json"
    assert 55 <= message.properties.MessageExpiryInterval <= 60


def test_says_that_nobody_listens(peer: PeerMaker) -> None:
    """A publish that reaches no session is acknowledged with 0x10, which is no failure."""
    assert peer("sender").publish("nobody/home") == 0x10


def test_announces_its_limits(peer: PeerMaker) -> None:
    """The CONNACK names the highest quality, the largest packet, and that shared subscriptions are not served."""
    client = peer("client")

    assert client.properties.MaximumQoS == 1
    assert client.properties.MaximumPacketSize == broker_module.MAX_PACKET_BYTES
    assert client.properties.SharedSubscriptionAvailable == 0
    assert client.subscribe("$share/group/a") == [0x9E]
    assert client.subscribe("a", qos=2) == [1]


def test_gives_a_name_to_a_client_without_one(peer: PeerMaker) -> None:
    """A client with an empty id is told the id it was given."""
    assert peer("").properties.AssignedClientIdentifier.startswith("auto-")


@pytest.mark.parametrize("qos", [0, 1])
def test_keeps_the_order(peer: PeerMaker, qos: int) -> None:
    """Five hundred messages of one sender arrive in the order in which they were sent, each once."""
    listener, sender = peer("listener"), peer("sender")
    listener.subscribe("n", qos=qos)
    for number in range(500):
        sender.client.publish("n", str(number), qos)

    assert [listener.next().payload.decode() for _ in range(500)] == [str(number) for number in range(500)]


def test_retains_and_clears(peer: PeerMaker) -> None:
    """A newcomer hears the last retained message, marked so; an empty one clears it."""
    sender = peer("sender")
    for text in (b"old", b"new"):
        sender.publish("state", text, retain=True)
    first = peer("first")
    first.subscribe("state")
    message = first.next()
    sender.publish("state", b"", retain=True)
    second = peer("second")
    second.subscribe("#")
    sender.publish("other", b"live")

    assert (message.payload, message.retain) == (b"new", True)
    assert second.texts_until("live") == ["live"]


def test_minds_retain_handling(peer: PeerMaker) -> None:
    """Retain handling 2 sends nothing, 1 only for a new filter; retain-as-published keeps the flag."""
    sender, listener = peer("sender"), peer("listener")
    sender.publish("r", b"kept", retain=True)
    listener.subscribe("r", retainHandling=2)
    listener.subscribe("r", retainHandling=1)
    sender.publish("r", b"flag off", retain=True)
    listener.subscribe("r", retainHandling=0, retainAsPublished=True)
    sender.publish("r", b"flag on", retain=True)
    heard = [(message.payload, message.retain) for message in (listener.next() for _ in range(3))]

    assert heard == [(b"flag off", False), (b"flag off", True), (b"flag on", True)]


def test_minds_no_local(peer: PeerMaker) -> None:
    """A client that asked for no-local does not hear itself, others do."""
    one, two = peer("one"), peer("two")
    one.subscribe("t", noLocal=True)
    two.subscribe("t")
    one.publish("t", b"mine")
    two.publish("t", b"yours")

    assert one.texts_until("yours") == ["yours"]
    assert two.texts_until("yours") == ["mine", "yours"]


def test_unsubscribes(peer: PeerMaker) -> None:
    """After UNSUBSCRIBE a filter gives nothing more."""
    client = peer("client")
    client.subscribe("gone")
    client.subscribe("stays")
    done = threading.Event()
    client.client.on_unsubscribe = lambda *_: done.set()
    client.client.unsubscribe("gone")
    done.wait(WAIT_S)
    client.publish("gone")
    client.publish("stays", b"here")

    assert client.texts_until("here") == ["here"]


def test_publishes_the_will_of_a_dead_client(peer: PeerMaker) -> None:
    """A client whose connection breaks is declared dead by its will, retained, with the quality it asked for."""
    watcher = peer("watcher")
    watcher.subscribe("state")
    peer("station", will=("state", b"offline")).cut()
    message = watcher.next()

    assert (message.payload, message.qos) == (b"offline", 1)


def test_drops_the_will_of_a_clean_goodbye(peer: PeerMaker) -> None:
    """A clean DISCONNECT drops the will; DISCONNECT with code 4 asks for it."""
    watcher = peer("watcher")
    watcher.subscribe("#")
    peer("clean", will=("clean", b"dead")).disconnect()
    asking = peer("asking", will=("asking", b"dead"))
    asking.client.disconnect(reasoncode=paho.ReasonCode(PacketTypes.DISCONNECT, identifier=4))

    assert watcher.next().topic == "asking"


def test_ends_a_silent_client(broker: Broker, peer: PeerMaker) -> None:
    """One and a half keep-alive intervals of silence end a connection, and its will is published."""
    watcher = peer("watcher")
    watcher.subscribe("state")
    connect = mqtt5.ConnectPacket("mute", keep_alive=1, will=mqtt5.Will("state", payload=b"offline"))
    with socket.create_connection(("127.0.0.1", broker.port)) as mute:
        mute.sendall(connect.write())

        assert watcher.next().payload == b"offline"


def test_refuses_more_retained_topics_than_its_limit(peer: PeerMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retained message beyond the limit is refused with 0x97 (L12)."""
    monkeypatch.setattr(sessions, "MAX_RETAINED", 1)
    sender = peer("sender")

    assert sender.publish("a", retain=True) == 0x10
    assert sender.publish("b", retain=True) == 0x97


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xff\xff\xff\xff\xff",
        b"\x00\x00",
        b"GET / HTTP/1.1\r\n\r\n",
        mqtt5.PingReqPacket().write(),
        mqtt5.ConnectPacket("x").write() + b"\x30\x03\x00\x01",
        mqtt5.ConnectPacket("x").write() + mqtt5.ConnectPacket("x").write(),
        mqtt5.ConnectPacket("x").write() + b"\x30\x06\x00\x03a/#\x00",
        mqtt5.ConnectPacket("x").write() + mqtt5.PublishPacket("a", b"", qos=mqtt5.QoS(2), packet_id=1).write(),
        mqtt5.ConnectPacket("x").write() + b"\x30\x08\x00\x01a\x03\x23\x00\x01x",
        mqtt5.ConnectPacket("x").write() + b"\x30\xff\xff\x7f" + bytes(broker_module.MAX_PACKET_BYTES + 1),
    ],
)
def test_ends_a_broken_connection_and_no_other(broker: Broker, peer: PeerMaker, raw: bytes) -> None:
    """Bytes that are no MQTT 5, or break its rules, end their own connection; the others go on."""
    well = peer("well")
    well.subscribe("t")
    with socket.create_connection(("127.0.0.1", broker.port)) as broken:
        broken.settimeout(WAIT_S)
        broken.sendall(raw)
        if raw.endswith(b"\x30\x03\x00\x01"):
            broken.shutdown(socket.SHUT_WR)
        try:
            while broken.recv(4096):
                pass
        except ConnectionResetError:
            pass
    well.publish("t", b"still here")

    assert well.next().payload == b"still here"


def test_tells_an_old_client_that_its_version_is_not_served(broker: Broker) -> None:
    """An MQTT 3.1.1 client gets return code 1 in the form that it understands."""
    with socket.create_connection(("127.0.0.1", broker.port)) as old:
        old.settimeout(WAIT_S)
        old.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a")

        assert old.recv(64) == b"\x20\x02\x00\x01"


def test_serves_no_more_connections_than_its_limit(peer: PeerMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection beyond the limit is told `server busy` (L12)."""
    monkeypatch.setattr(broker_module, "MAX_CONNECTIONS", 1)
    peer("first")

    assert peer("second").code == 0x89


def test_refuses_where_told_to(peer_at: PeerMaker) -> None:
    """A publish that the refuse hook answers gets that code and is delivered to nobody."""
    with Broker(refuse=lambda packet: mqtt5.PubAckReasonCode.QUOTA_EXCEEDED if packet.topic == "no" else None) as one:
        client = peer_at(one.port, "client")
        client.subscribe("#")
        codes = client.publish("no"), client.publish("yes", b"yes")
        heard = client.texts_until("yes")

    assert codes == (0x97, 0)
    assert heard == ["yes"]


def test_vanishes_and_comes_back(peer_at: PeerMaker) -> None:
    """A broker that vanishes publishes no will, and knows its sessions when it is back on the same port."""
    with Broker() as one:
        client = peer_at(one.port, "mes", expiry_s=60, will=("state", b"offline"))
        client.subscribe("#")
        one.vanish()
        client.ended.get(timeout=WAIT_S)
        client.client.loop_stop()
        one.come_back()
        back = peer_at(one.port, "mes", expiry_s=60, clean_start=False)
        back.publish("x", b"new")
        heard = back.texts_until("new")

    assert back.present
    assert heard == ["new"]


def test_leaves_nothing_behind() -> None:
    """After stop no thread is left, the port is free again, and stopping twice does nothing."""
    before = threading.active_count()
    one = Broker()
    one.start()
    with socket.create_connection(("127.0.0.1", one.port)):
        one.stop()
    one.stop()

    assert threading.active_count() == before
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", one.port))


def test_says_that_the_port_is_taken(broker: Broker) -> None:
    """A second broker on one port raises, and its thread is gone."""
    before = threading.active_count()
    with pytest.raises(OSError, match="address already in use"):
        Broker(broker.port).start()

    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("pattern", "topic", "covered"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("+/+", "/a", True),
        ("+", "/a", False),
        ("#", "a/b/c", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("+/b/#", "a/b", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
    ],
)
def test_matches_topics_as_the_standard_says(pattern: str, topic: str, covered: bool) -> None:
    """The examples of MQTT 5 section 4.7 match, and only those."""
    assert topic_matches(pattern, topic) is covered
    assert paho.topic_matches_sub(pattern, topic) is covered


@given(st.text("ab/+#$", min_size=1, max_size=8), st.text("ab/$", min_size=1, max_size=8))
def test_matches_topics_as_paho_does(pattern: str, topic: str) -> None:
    """For every well formed filter and topic the broker agrees with paho's own matcher."""
    if is_filter(pattern):
        assert topic_matches(pattern, topic) is paho.topic_matches_sub(pattern, topic)


@pytest.mark.parametrize("pattern", ["", "a+", "+a/b", "#/a", "a/#b", "##", "a/##"])
def test_refuses_filters_that_are_none(pattern: str) -> None:
    """A filter with a wildcard in the wrong place is no filter."""
    assert not is_filter(pattern)
