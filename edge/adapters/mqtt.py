"""The link to the broker: MQTT 5 by paho, owned by one thread, seen as facts that arrive in a queue.

Promises: the state of the station is told on every connection (`online`), on a clean stop (`stopped`), and by the
broker where we vanish (`offline`), each with the id of its connection; a message counts as taken only by a PUBACK
whose reason code is no failure; a command is acknowledged to the broker only by `answer` or `acknowledge`, so that it
can be made durable first; nothing is sent twice behind the caller's back. A connection ends; its orders end with it.
Waits between connections grow to a limit, with a random part; after an end that coming again soon would not mend
(another client with our id, a wrong password, a quota), the first wait is the longest.
"""

from __future__ import annotations

import queue
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from edge.adapters import mqtt_endings
from edge.adapters.mqtt_connection import CONNECT_TIMEOUT_S, Connection, Outgoing
from edge.adapters.mqtt_endings import Ending
from edge.adapters.mqtt_facts import BackOff, Broker, Command, CommandDropped, Fact, Presence
from edge.adapters.mqtt_properties import PublishProperties
from edge.adapters.wake import Wake

#: Facts not yet taken by the messenger; above it a command is dropped and told as `CommandDropped`. One of QoS 1 comes
#: again on the next connection, since it was not acknowledged.
MAX_FACTS = 1000
STOP_TIMEOUT_S = 2.0
_TICK_S = 0.5


class Link:
    """The one connection. `take` gives facts; `fileno` becomes readable when there are some."""

    def __init__(
        self,
        broker: Broker,
        presence: Presence,
        *,
        new_session_id: Callable[[], str],
        back_off: BackOff | None = None,
    ) -> None:
        self._broker = broker
        self._presence = presence
        self._new_session_id = new_session_id
        self._back_off = back_off or BackOff()
        self._facts: deque[Fact] = deque()
        self._facts_ready = Wake()
        self._orders: queue.SimpleQueue[Callable[[Connection], None]] = queue.SimpleQueue()
        self._orders_ready = Wake()
        #: Whether the other side was woken and has not looked yet: one wake-up is enough for all that comes till then.
        self._is_told = self._is_ordered = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        """Connect, and keep connecting until `stop`."""
        self._thread.start()

    def fileno(self) -> int:
        """A file descriptor that is readable while `take` has something to give."""
        return self._facts_ready.fd

    def take(self) -> list[Fact]:
        """All facts since the last call, in the order in which they happened; never blocks."""
        self._facts_ready.clear()
        self._is_told = False
        facts = []
        while self._facts:
            facts.append(self._facts.popleft())
        return facts

    def publish(
        self,
        session_id: str,
        topic: str,
        payload: bytes,
        *,
        token: int | None = None,
        qos: int = 1,
        retain: bool = False,
        properties: Mapping[str, str] | None = None,
        expiry_s: int | None = None,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> None:
        """Send on this connection if it still lives; with a `token`, `Answered` or `Disconnected` tells the end.

        Without `expiry_s` the broker keeps the message for its subscribers without end. A command that wants an answer
        names the `response_topic`, and the `correlation` that the answer repeats.
        """
        out = Outgoing(
            topic,
            payload,
            PublishProperties(properties, expiry_s=expiry_s, response_topic=response_topic, correlation=correlation),
            qos,
            retain,
            token,
        )
        self._order_to(session_id, lambda connection: connection.publish(out))

    def answer(self, command: Command, payload: bytes) -> None:
        """Answer a command to its response topic, then acknowledge it: the broker keeps it until it has the answer.

        A command of QoS 0 gets an answer of QoS 0. One without a response topic is acknowledged alone.
        """
        if command.response_topic is None:
            self.acknowledge(command)
            return
        qos = 0 if command.packet_id is None else 1
        sent = PublishProperties(correlation=command.correlation)
        out = Outgoing(command.response_topic, payload, sent, qos, command=command)
        self._order_to(command.session_id, lambda connection: connection.publish(out))

    def acknowledge(self, command: Command) -> None:
        """Tell the broker that a command is safe with us; it will not send it again."""
        self._order_to(command.session_id, lambda connection: connection.acknowledge(command))

    def drop(self, session_id: str, detail: str) -> None:
        """Give a connection up (the broker does not answer any more) and make a new one."""
        self._order_to(session_id, lambda connection: connection.end(Ending("given_up", detail)))

    def stop(self) -> None:
        """Say `stopped`, disconnect cleanly, and end; at most a few seconds."""
        self._stopping.set()
        self._orders_ready()
        if self._thread.is_alive():
            # A connection that is being made is waited for: TCP and TLS, each within its time.
            self._thread.join(2 * CONNECT_TIMEOUT_S + STOP_TIMEOUT_S + 1)

    def close(self) -> None:
        """Give the file descriptors back, after `stop`."""
        if not self._thread.is_alive():  # a name service that hangs: the numbers must not become another file's
            self._facts_ready.close()
            self._orders_ready.close()

    def _order_to(self, session_id: str, order: Callable[[Connection], None]) -> None:
        def obey(connection: Connection) -> None:
            if connection.session_id == session_id and connection.alive:
                order(connection)

        self._order(obey)

    def _order(self, order: Callable[[Connection], None]) -> None:
        self._orders.put(order)
        if not self._is_ordered:
            self._is_ordered = True
            self._orders_ready()

    def _tell(self, fact: Fact) -> None:
        if isinstance(fact, Command) and len(self._facts) >= MAX_FACTS:
            fact = CommandDropped(fact.topic)
        self._facts.append(fact)
        if not self._is_told:
            self._is_told = True
            self._facts_ready()

    def _run(self) -> None:
        failures = packet_id = 0
        while not self._stopping.is_set():
            connection = Connection(
                self._broker, self._presence, self._new_session_id(), self._tell, packet_id=packet_id
            )
            try:
                connection.open()
                self._serve(connection)
            # paho raises whatever its sockets, TLS and packet decoding raise; a connection that failed is a fact.
            except Exception as error:  # noqa: BLE001
                connection.end(mqtt_endings.by_error(error, self._broker))
            connection.close()
            packet_id = connection.packet_id
            # One that lasted ends the row; one that was useful does not: two clients with one id take the session from
            # each other once in a message, and mosquitto 2.0.11 does not say so.
            failures = 1 if connection.lasted_s >= self._back_off.longest_s else failures + 1
            soon = connection.ending is None or connection.ending.soon
            self._wait(self._back_off.wait_s(failures, soon=soon))

    def _serve(self, connection: Connection) -> None:
        while connection.alive:
            self._turn(connection, _TICK_S)
            self._obey(connection)
            if self._stopping.is_set():
                connection.say_stopped()
                deadline_s = time.monotonic() + STOP_TIMEOUT_S
                while connection.alive and not connection.stopped_is_known and time.monotonic() < deadline_s:
                    self._turn(connection, 0.05)
                connection.leave()

    def _turn(self, connection: Connection, timeout_s: float) -> None:
        socket = connection.socket
        if socket is None:
            return
        # A TLS socket may hold decrypted bytes that select cannot see.
        if not (hasattr(socket, "pending") and socket.pending()):
            writers = [socket] if connection.client.want_write() else []
            readable, _, _ = select.select([socket, self._orders_ready.fd], writers, [], timeout_s)
            if socket in readable:
                connection.client.loop_read()
        else:
            connection.client.loop_read()
        if connection.client.want_write():
            connection.client.loop_write()
        connection.client.loop_misc()
        connection.after_reading()

    def _obey(self, connection: Connection) -> None:
        self._orders_ready.clear()
        self._is_ordered = False
        while True:
            try:
                order = self._orders.get_nowait()
            except queue.Empty:
                return
            order(connection)

    def _wait(self, wait_s: float) -> None:
        deadline_s = time.monotonic() + wait_s
        while not self._stopping.is_set() and (left_s := deadline_s - time.monotonic()) > 0:
            select.select([self._orders_ready.fd], [], [], left_s)
            self._orders_ready.clear()
            self._is_ordered = False
