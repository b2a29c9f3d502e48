"""How the station gets to its broker: address, password, certificates, from the settings; and a try for `edge check`.

Promise: what the files hold is in no error; a key that would ask for a passphrase at a keyboard is refused instead.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from edge.adapters import mqtt_endings
from edge.adapters.mqtt_endings import Ending
from edge.adapters.mqtt_facts import RECEIVE_MAXIMUM, Broker
from edge.errors import BrokerError, ConfigError
from edge.sections_broker import BrokerTable, Tls


def broker_of(mqtt: BrokerTable, *, receive_maximum: int = RECEIVE_MAXIMUM) -> Broker:
    """The broker as configured, with its secrets read.

    Raises:
        ConfigError: A file of the password or of a certificate cannot be used.
    """
    password = mqtt.password
    tls = mqtt.tls
    return Broker(
        host=mqtt.host,
        port=mqtt.port,
        client_id=mqtt.client_id,
        username=mqtt.username,
        password=None if password is None else password.get_secret_value(),
        tls=None if tls is None else _context(tls),
        ca_file=None if tls is None or tls.ca_file is None else str(tls.ca_file),
        cert_file=None if tls is None or tls.cert_file is None else str(tls.cert_file),
        keepalive_s=mqtt.keepalive_s,
        session_expiry_s=mqtt.session_expiry_s,
        receive_maximum=receive_maximum,
    )


def try_out(broker: Broker, timeout_s: float, talk: Callable[[Client], None] | None = None) -> None:
    """Connect and leave again: under another client id, with no will and no session, so that nothing changes there.

    Args:
        broker: where, and as whom.
        timeout_s: the longest wait for the broker's answer.
        talk: what is said on the connection once it stands.

    Raises:
        BrokerError: The broker cannot be reached, or does not take us; the sentence is the messenger's own.
    """
    endings: list[Ending | None] = []
    failures: list[str] = []

    def accepted(_client: Client, _data: Any, _flags: Any, code: Any, properties: Any) -> None:
        reference = getattr(properties, "ServerReference", None)
        refused = mqtt_endings.by_code(code.value, str(code), broker, reference) if code.is_failure else None
        endings.append(refused)

    client = Client(CallbackAPIVersion.VERSION2, f"{broker.client_id}-check", protocol=MQTTProtocolVersion.MQTTv5)
    client.connect_timeout = timeout_s
    client.on_connect = accepted
    client.on_log = lambda _client, _data, _level, text: failures.append(text.partition("on socket: ")[2])
    sign_in(client, broker)
    try:
        client.connect(broker.host, broker.port, keepalive=broker.keepalive_s)
        until_s = time.monotonic() + timeout_s
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        while not endings and time.monotonic() < until_s and code == MQTTErrorCode.MQTT_ERR_SUCCESS:
            code = client.loop(timeout=0.1)
        if talk is not None and endings == [None]:
            talk(client)
        client.disconnect()
    except Exception as error:  # noqa: BLE001 - paho raises whatever sockets, TLS and its decoding raise
        raise BrokerError(mqtt_endings.by_error(error, broker).sentence) from None
    ended = endings[0] if endings else _unanswered(code, "".join(failures), timeout_s, broker)
    if ended is not None:
        raise BrokerError(ended.sentence)


def sign_in(client: Client, broker: Broker) -> None:
    """Let a client say who we are, speak TLS where the broker wants it, and send each packet when it is made."""
    client.on_socket_open = _without_delay
    if broker.username is not None:
        client.username_pw_set(broker.username, broker.password)
    if broker.tls is not None:
        client.tls_set_context(broker.tls)


def _without_delay(_client: Client, _data: object, connection: Any) -> None:
    """Switch off Nagle's algorithm: behind a PUBACK it held an outcome back for the broker's delayed ACK, 40 ms."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _unanswered(code: MQTTErrorCode, text: str, timeout_s: float, broker: Broker) -> Ending:
    """Why nothing came in answer."""
    if code == MQTTErrorCode.MQTT_ERR_PROTOCOL:
        return mqtt_endings.no_mqtt(broker)
    if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
        return mqtt_endings.by_text(text, broker)
    return mqtt_endings.silent("CONNACK", timeout_s, broker)


def _context(files: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=files.ca_file)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"mqtt.tls.ca_file: {files.ca_file} holds no certificate that can be used ({_why(error)}); name a PEM file"
        ) from None
    context.sslsocket_class = _TellingSocket
    if files.cert_file is None:
        return context
    try:
        context.load_cert_chain(files.cert_file, files.key_file, password=_refuse_passphrase)
    except _PassphraseWanted:
        raise ConfigError(
            f"mqtt.tls.key_file: {files.key_file} asks for a passphrase; store the key without one, "
            "readable by this user alone"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"mqtt.tls.cert_file: {files.cert_file} with the key {files.key_file} cannot be used ({_why(error)}); "
            "name a certificate and its own key, both PEM files"
        ) from None
    return context


class _TellingSocket(ssl.SSLSocket):
    """A TLS socket that is closed where the handshake fails, and that says why the broker ended it.

    From TLS 1.3 on a broker refuses our certificate after the handshake, by an alert that has to be read; who only
    writes learns that the connection is broken, and no more.
    """

    def do_handshake(self, block: bool = False) -> None:
        """Agree with the broker on how to speak."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()  # paho does not
            raise

    def send(self, data: Any, flags: int = 0) -> int:
        """Send some bytes."""
        try:
            return super().send(data, flags)
        except (ssl.SSLEOFError, ConnectionError):
            super().recv(1)
            raise


class _PassphraseWanted(Exception):  # noqa: N818 - it is a question, not an error
    pass


def _refuse_passphrase() -> str:
    raise _PassphraseWanted


def _why(error: Exception) -> str:
    return str(getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__)
