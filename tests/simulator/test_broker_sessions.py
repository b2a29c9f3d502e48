"""What the demo's broker keeps for a client between and across its connections, as MQTT 5 says."""

from __future__ import annotations

import mqtt5
import pytest

from simulator import sessions
from simulator.broker import Broker
from tests.simulator.conftest import WAIT_S, PeerMaker


def test_takes_over_a_session(peer: PeerMaker) -> None:
    """A second connection under one name ends the first with 0x8E; its will comes before the newcomer's birth."""
    watcher = peer("watcher")
    watcher.subscribe("state")
    first = peer("station", will=("state", b"offline"))
    first.publish("state", b"online")
    second = peer("station")
    second.publish("state", b"online again")

    assert first.ended.get(timeout=WAIT_S) == 0x8E
    assert watcher.texts_until("online again") == ["online", "offline", "online again"]


def test_keeps_messages_for_a_session_that_is_away(peer: PeerMaker) -> None:
    """QoS 1 messages wait for a session that is away, in order; QoS 0 ones do not."""
    sender = peer("sender")
    away = peer("mes", expiry_s=60)
    away.subscribe("out")
    away.disconnect()
    for text in ("1", "2", "3"):
        sender.publish("out", text.encode())
    sender.client.publish("out", b"not kept", qos=0)
    sender.publish("other")
    back = peer("mes", clean_start=False, expiry_s=60)

    assert back.present
    assert [back.next().payload for _ in range(3)] == [b"1", b"2", b"3"]
    assert back.heard.empty()


def test_sends_again_what_was_not_acknowledged(peer: PeerMaker) -> None:
    """What a client got and did not acknowledge comes again, marked as a repeat, before anything newer."""
    sender = peer("sender")
    first = peer("mes", expiry_s=60, manual_ack=True)
    first.subscribe("out")
    sender.publish("out", b"1")
    first.next()
    first.cut()
    sender.publish("out", b"2")
    back = peer("mes", clean_start=False, expiry_s=60)
    heard = [back.next() for _ in range(2)]

    assert [message.payload for message in heard] == [b"1", b"2"]
    # Whether the second went out on the old connection depends on when the broker saw the cut.
    assert heard[0].dup


def test_forgets_a_session_without_expiry(peer: PeerMaker) -> None:
    """A session with expiry 0 ends with its connection; clean start ends any."""
    peer("brief").disconnect()
    peer("long", expiry_s=60).disconnect()

    assert not peer("brief", clean_start=False).present
    assert not peer("long", clean_start=True).present


def test_minds_the_receive_maximum(peer: PeerMaker) -> None:
    """No more messages are in flight to a client than its receive maximum allows."""
    sender, slow = peer("sender"), peer("slow", receive_max=2, manual_ack=True)
    slow.subscribe("n")
    for number in range(5):
        sender.publish("n", str(number).encode())
    early = [slow.next() for _ in range(2)]
    slow.client.subscribe("later")
    slow.granted.get(timeout=WAIT_S)  # answered after everything that was sent before it
    waiting = slow.heard.empty()
    slow.client.ack(early[0].mid, 1)
    third = slow.next()

    assert waiting
    assert third.payload == b"2"


def test_names_what_it_drops(broker: Broker, peer: PeerMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full queue of a session that is away drops the newest, counted by name; the sender is not blocked (L12)."""
    monkeypatch.setattr(sessions, "MAX_QUEUED", 2)
    sender = peer("sender")
    away = peer("mes", expiry_s=60)
    away.subscribe("out")
    away.disconnect()
    for number in range(3):
        sender.publish("out", str(number).encode())

    assert broker.switchboard.dropped == {"queue_full": 1}
    back = peer("mes", clean_start=False, expiry_s=60)
    assert [back.next().payload for _ in range(2)] == [b"0", b"1"]


def test_drops_expired_messages() -> None:
    """A message whose expiry interval has passed while its session was away is not delivered, and is counted."""
    board = sessions.Switchboard()
    sent: list[mqtt5.Packet] = []

    def send(packet: mqtt5.Packet) -> bool:
        sent.append(packet)
        return True

    connect = mqtt5.ConnectPacket("mes", session_expiry_interval=60)
    session, _ = board.connect(connect, "mes", send, 0.0)
    board.subscribe(session, mqtt5.SubscribePacket(1, [mqtt5.TopicFilter("#")]), 0.0)
    board.disconnect(session, 0.0, clean=True)
    board.publish(mqtt5.PublishPacket("a", b"x", qos=mqtt5.QoS(1), packet_id=1, message_expiry_interval=5), None, 1.0)
    board.resume(board.connect(connect, "mes", send, 7.0)[0], 7.0)

    assert sent == []
    assert board.dropped == {"expired": 1}
