"""Why there is no connection to the broker: one sentence for each cause, and whether to come again soon.

Promise: a sentence says what happened, at which broker, and what to do; it holds no secret, and no more of what came
from outside than a name. Codes are those of MQTT 5, section 2.4; what TLS says is that of OpenSSL.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from edge.adapters.mqtt_facts import Broker


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ended, or was not made.

    `name` is for counting. `soon` is false where coming again at once would change nothing, or would do harm.
    """

    name: str
    sentence: str
    soon: bool = True
    code: int | None = None


@dataclass(frozen=True, slots=True)
class _Cause:
    name: str
    what: str
    remedy: str
    soon: bool = True


_LATER = False

#: What a CONNACK or a DISCONNECT says by its reason code. `{…}` is filled from the broker's settings.
_BY_CODE: Mapping[int, _Cause] = {
    0x81: _Cause("malformed_packet", "calls a packet of ours malformed", "report it, with the broker's log"),
    0x82: _Cause("protocol_error", "calls a packet of ours against the protocol", "report it, with the broker's log"),
    0x84: _Cause("unsupported_protocol", "does not speak MQTT 5", "use a broker that does", _LATER),
    0x85: _Cause(
        "client_id_refused", "does not take the client id {client_id}", "allow it there, or set mqtt.client_id", _LATER
    ),
    0x86: _Cause(
        "wrong_password",
        "knows no user {username} with this password",
        "correct mqtt.username and the file of the password",
        _LATER,
    ),
    0x87: _Cause(
        "not_authorized",
        "does not let user {username} in with this password or certificate, or forbids a topic",
        "correct mqtt.username, the file of the password and mqtt.tls.cert_file, or give the user the station's topics",
        _LATER,
    ),
    0x88: _Cause("server_unavailable", "is not ready", "see the broker's log"),
    0x89: _Cause("server_busy", "is busy", "see the broker's load", _LATER),
    0x8A: _Cause("banned", "has banned the client id {client_id} or this address", "lift the ban there", _LATER),
    0x8B: _Cause("server_shutting_down", "shuts down", "start it again"),
    0x8D: _Cause("keep_alive_timeout", "heard nothing of us in time", "see the network and mqtt.keepalive_s"),
    0x8E: _Cause(
        "session_taken_over",
        "gave our session to another client that has the client id {client_id}, too",
        "give each station a name or an mqtt.client_id of its own",
        _LATER,
    ),
    0x90: _Cause("topic_name_invalid", "does not take the name of a topic", "see the levels in [station]", _LATER),
    0x93: _Cause("receive_maximum_exceeded", "got more messages at once than it allows", "report it"),
    0x95: _Cause("packet_too_large", "got a message longer than it takes", "raise its limit of the packet size"),
    0x96: _Cause("message_rate_too_high", "gets messages too often", "raise its limit of the rate", _LATER),
    0x97: _Cause("quota_exceeded", "has no more room for this client", "raise its quota, or free room there", _LATER),
    0x98: _Cause("administrative_action", "ended the connection by a person's hand", "ask who did", _LATER),
    0x9A: _Cause(
        "retain_not_supported", "keeps no retained messages, which state and health are", "allow them there", _LATER
    ),
    0x9B: _Cause("qos_not_supported", "does not take QoS 1", "allow it there", _LATER),
    0x9C: _Cause(
        "use_another_server", "says to use another server for now", "set mqtt.host to one that serves", _LATER
    ),
    0x9D: _Cause("server_moved", "says that it has moved", "set mqtt.host to where it is now", _LATER),
    0x9F: _Cause(
        "connection_rate_exceeded", "gets connections too often", "see what else connects, or raise its limit", _LATER
    ),
}

#: What the check of the broker's certificate says by its number (X509_V_ERR_* of OpenSSL).
_BY_CERTIFICATE: Mapping[int, _Cause] = {
    9: _Cause("certificate_not_yet_valid", "shows a certificate that is not valid yet", "set the clock of this PC"),
    10: _Cause("certificate_expired", "shows a certificate that has expired", "renew it, or set the clock of this PC"),
    18: _Cause("certificate_unknown", "shows a certificate signed by itself", "name it, or its authority, in {ca}"),
    19: _Cause("certificate_unknown", "shows a certificate of an unknown authority", "name that authority in {ca}"),
    20: _Cause("certificate_unknown", "shows a certificate of an unknown authority", "name that authority in {ca}"),
    21: _Cause("certificate_unknown", "shows a certificate of an unknown authority", "name that authority in {ca}"),
    62: _Cause(
        "certificate_of_another_host",
        "shows a certificate that is not for the host {host}",
        "set mqtt.host to a name in it, or give the broker one for this name",
    ),
    64: _Cause(
        "certificate_of_another_host",
        "shows a certificate that is not for the address {host}",
        "set mqtt.host to a name in it, or give the broker one for this address",
    ),
}

#: What OpenSSL says of a handshake, by a part of its text; the first that fits.
_BY_TLS: tuple[tuple[str, _Cause], ...] = (
    (
        "CERTIFICATE_REQUIRED",
        _Cause("certificate_missing", "asks for a certificate of ours", "set mqtt.tls.cert_file and key_file"),
    ),
    (
        "ALERT_CERTIFICATE_EXPIRED",
        _Cause("own_certificate_expired", "says that our certificate has expired", "renew {cert}"),
    ),
    (
        "ALERT_CERTIFICATE_REVOKED",
        _Cause("own_certificate_revoked", "says that our certificate is revoked", "renew {cert}"),
    ),
    (
        "ALERT_UNKNOWN_CA",
        _Cause("own_certificate_refused", "does not know who signed our certificate", "get {cert} from its authority"),
    ),
    ("ALERT_BAD_CERTIFICATE", _Cause("own_certificate_refused", "does not take our certificate", "get a new {cert}")),
    (
        "HANDSHAKE_FAILURE",
        _Cause(
            "handshake_failed", "refuses the handshake", "set mqtt.tls.cert_file, or see which TLS versions it takes"
        ),
    ),
    (
        "WRONG_VERSION_NUMBER",
        _Cause("no_tls", "speaks no TLS at this port", "correct mqtt.port, or leave [mqtt.tls] out"),
    ),
    (
        "RECORD_LAYER_FAILURE",
        _Cause("no_tls", "speaks no TLS at this port", "correct mqtt.port, or leave [mqtt.tls] out"),
    ),
    ("PROTOCOL_VERSION", _Cause("tls_version", "takes no TLS of version 1.2 or later", "allow one there")),
    ("EOF", _Cause("handshake_failed", "ended the connection in the handshake", "see the broker's log and mqtt.port")),
)

_NO_TLS_AT_ALL = "correct mqtt.port, or set [mqtt.tls] where the broker wants encryption"


def by_code(code: int, name: str, broker: Broker, reference: str | None = None) -> Ending:
    """What the broker said with a reason code; `reference` is the other server that it names.

    Nobody follows it: a name out of the network would decide where the station's outcomes go.
    """
    plain = name.lower().replace(" ", "_")
    cause = _BY_CODE.get(code, _Cause(plain, f"ended the connection ({name}, 0x{code:02X})", "see the broker's log"))
    ending = _ending(cause, broker, code)
    if not reference:
        return ending
    return Ending(ending.name, f"{ending.sentence} (it names {reference[:100]!r})", ending.soon, code)


def by_error(error: Exception, broker: Broker) -> Ending:
    """What an error of the socket, of TLS or of the packets means."""
    match error:
        case ssl.SSLCertVerificationError():
            fallback = _Cause(
                "certificate_refused", f"shows a certificate that fails ({error.verify_message})", "renew it"
            )
            cause = _BY_CERTIFICATE.get(error.verify_code, fallback)
            return _ending(_Cause(cause.name, cause.what, cause.remedy, _LATER), broker)
        case ssl.SSLError():
            return by_text(str(error), broker)
        case socket.gaierror():
            return _ending(_Cause("host_unknown", "has a host name that nobody knows", "correct mqtt.host"), broker)
        case ConnectionRefusedError():
            cause = _Cause("refused", "refused the connection", "start it, or correct mqtt.host and mqtt.port")
            return _ending(cause, broker)
        case ConnectionError():
            # While a connection is made: a broker without TLS may answer a handshake so.
            return by_text("EOF" if broker.tls is not None else str(error.strerror), broker)
        case TimeoutError():
            cause = _Cause("silent", "does not answer", "see the network, mqtt.host and mqtt.port")
            return _ending(cause, broker)
        case OSError():
            what = f"cannot be reached ({error.strerror or type(error).__name__})"
            return _ending(_Cause("unreachable", what, "see the network, mqtt.host and mqtt.port"), broker)
        case _:
            what = f"sent what is no MQTT 5 ({type(error).__name__})"
            return _ending(_Cause("no_mqtt", what, _NO_TLS_AT_ALL), broker)


def by_text(text: str, broker: Broker, *, was_accepted: bool = False) -> Ending:
    """What a failure means of which there is a text alone, as paho keeps it; none where the broker just hung up."""
    plain = text.upper().replace(" ", "_")
    for part, cause in _BY_TLS:
        if broker.tls is not None and part in plain:
            return _ending(_Cause(cause.name, cause.what, cause.remedy, _LATER), broker)
    what = f"broke the connection ({text[:100]})" if text else "ended the connection without a word"
    remedy = "see the network and the broker's log"
    if was_accepted and not text:
        remedy = "see the broker's log, and whether another client has the client id {client_id}, too"
    if not was_accepted and broker.tls is None:
        remedy = f"{remedy}, or {_NO_TLS_AT_ALL}"
    return _ending(_Cause("broken", what, remedy), broker)


def silent(what: str, timeout_s: float, broker: Broker) -> Ending:
    """The broker is there, and gives no answer; `what` is the answer that did not come."""
    cause = _Cause("silent", f"gave no {what} within {timeout_s:.0f} s", "see the broker's log and mqtt.port")
    return _ending(cause, broker)


def no_mqtt(broker: Broker) -> Ending:
    """What came is no MQTT 5."""
    return _ending(_Cause("no_mqtt", "sent what is no MQTT 5", _NO_TLS_AT_ALL), broker)


def too_much(name: str, what: str, limit: int, broker: Broker) -> Ending:
    """The broker passed a limit that it was told."""
    return _ending(_Cause(name, f"sent {what}, and was told a limit of {limit}", "report it to its maker"), broker)


def _ending(cause: _Cause, broker: Broker, code: int | None = None) -> Ending:
    sentence = f"broker {broker.host}:{broker.port} {cause.what}: {cause.remedy}"
    for name, value in (
        ("{client_id}", repr(broker.client_id)),
        ("{username}", repr(broker.username or "")),
        ("{host}", repr(broker.host)),
        ("{ca}", broker.ca_file or "mqtt.tls.ca_file"),
        ("{cert}", broker.cert_file or "mqtt.tls.cert_file"),
    ):
        sentence = sentence.replace(name, value)
    return Ending(cause.name, sentence, cause.soon, code)
