"""A broker that is there and does not answer: stopped in its tracks, or behind a network that swallows everything."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from edge.adapters.mqtt_facts import Broker
from tests.brokers import Ear, mosquitto, wait_for
from tests.delivery.station import Station
from tests.delivery.table import hasty


class Relay:
    """Passes bytes on between clients and a broker until it is told to swallow them; ends nothing, says nothing."""

    def __init__(self, port: int) -> None:
        self.swallows = False
        self.accepted = 0
        self._broker_port = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End everything."""
        self._stopping.set()
        self._thread.join()
        for one in (self._server, *(each for pair in self._pairs for each in pair)):
            one.close()

    def _run(self) -> None:
        swallowed: set[socket.socket] = set()
        while not self._stopping.is_set():
            peers = {one: other for pair in self._pairs for one, other in (pair, pair[::-1])}
            if self.swallows:
                swallowed |= set(peers)
            readable, _, _ = select.select([self._server, *(set(peers) - swallowed)], [], [], 0.02)
            for one in readable:
                if one is self._server:
                    client, _ = self._server.accept()
                    self.accepted += 1
                    self._pairs.append((client, socket.create_connection(("127.0.0.1", self._broker_port))))
                    continue
                with suppress(OSError):
                    data = one.recv(65_536)
                    if data:
                        peers[one].sendall(data)
                        continue
                swallowed |= {one, peers[one]}
                for end in (one, peers[one]):
                    with suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are thousandths of the usual ones."""
    hasty(monkeypatch.setattr)


def ids_of(ear: Ear) -> list[str]:
    """The inspections that a subscriber heard of, each once, in the order in which it first did."""
    return list(dict.fromkeys(json.loads(packet.payload)["inspection_id"] for packet in ear.on("/outcome")))


def test_a_peer_that_vanished_without_a_word_is_noticed_by_its_silence(tmp_path: Path) -> None:
    """With nothing to send, a dead network is noticed within twice the keep alive; the next connection works (L11)."""
    with mosquitto(tmp_path) as broker:
        relay = Relay(broker.port)
        ear = Ear(broker.port)
        where = Broker("127.0.0.1", relay.port, "edge-st", keepalive_s=1)
        station = Station(tmp_path / "station", relay.port, broker=where, ack_timeout_s=30)
        wait_for(lambda: ear.on("/state"), "the station")

        relay.swallows = True
        wait_for(lambda: station.messenger._counts["disconnected_silent"] >= 1, "the end")
        relay.swallows = False
        wanted = [station.inspect_next() for _ in range(3)]
        wait_for(station.sent, "the outcomes")

        wait_for(lambda: ids_of(ear) == wanted, "three outcomes in order")
        station.close()
        ear.close()
        relay.close()


def test_outcomes_swallowed_on_their_way_go_again(tmp_path: Path) -> None:
    """What a dead network swallowed, or whose answer it swallowed, goes again: once for who drops repeats (L11)."""
    with mosquitto(tmp_path) as broker:
        relay = Relay(broker.port)
        ear = Ear(broker.port)
        station = Station(tmp_path / "station", relay.port, ack_timeout_s=0.3)
        wanted = []
        for _ in range(3):
            wait_for(lambda: station.messenger._connected, "a connection")
            wanted.append(station.inspect_next())
            relay.swallows = True
            calls = relay.accepted
            wanted.append(station.inspect_next())
            wait_for(lambda calls=calls: relay.accepted > calls, "another try")  # type: ignore[misc]
            relay.swallows = False
        wait_for(station.sent, "the outcomes")

        wait_for(lambda: ids_of(ear) == wanted, "six outcomes in order")
        assert len({packet.payload for packet in ear.on("/outcome")}) == 6
        station.close()
        ear.close()
        relay.close()


def test_a_broker_that_stands_still_gets_everything_when_it_goes_on(tmp_path: Path) -> None:
    """A stopped process accepts connections and answers nothing: outcomes wait, and none is set aside for it (L11)."""
    with mosquitto(tmp_path) as broker:
        ear = Ear(broker.port)
        station = Station(tmp_path / "station", broker.port, ack_timeout_s=0.3)
        wait_for(lambda: ear.on("/state"), "the station")
        assert broker._process is not None

        os.kill(broker._process.pid, signal.SIGSTOP)
        wanted = [station.inspect_next() for _ in range(5)]
        wait_for(lambda: station.messenger._counts["disconnected"] >= 4, "some tries")
        os.kill(broker._process.pid, signal.SIGCONT)

        wait_for(station.sent, "the outcomes")
        wait_for(lambda: ids_of(ear) == wanted, "five outcomes in order")
        assert station.store.outbox.num_dead() == 0
        station.close()
        ear.close()
