"""How the station gets into a real broker: certificates, passwords, rights; each failure is one sentence.

Each way of being turned away is tried by `try_out`, as `edge check` does, and by the messenger's link.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from paho.mqtt.client import Client

from edge.adapters.mqtt import Link
from edge.adapters.mqtt_access import broker_of, try_out
from edge.adapters.mqtt_facts import BackOff, Broker, Connected, Disconnected, Fact, Presence
from edge.errors import BrokerError, ConfigError
from edge.sections import Mqtt
from tests import smallest_station
from tests.brokers import Mosquitto, free_port, mosquitto, wait_for
from tests.certificates import Authority
from tests.delivery.station import BASE, Station

SECRET = "correct-horse-battery"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The site's own authority, with a broker's and a station's certificates."""
    made = Authority(tmp_path_factory.mktemp("ca"))
    made.sign("broker")
    made.sign("expired", days=-1)
    made.sign("elsewhere", names="DNS:elsewhere.example")
    made.sign("station1")
    made.sign("station1-expired", days=-1)
    return made


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another authority, which this site does not know."""
    made = Authority(tmp_path_factory.mktemp("stranger"), "a stranger")
    made.sign("station1")
    return made


def tls_lines(authority: Authority, name: str, *, with_clients: bool = False) -> tuple[str, ...]:
    """What a listener needs to show a certificate, and to ask for one."""
    lines = (f"certfile {authority.folder / name}.pem", f"keyfile {authority.folder / name}.key")
    if not with_clients:
        return lines
    return (*lines, f"cafile {authority.ca}", "require_certificate true", "use_identity_as_username true")


def broker(
    running: Mosquitto,
    folder: Path,
    *,
    ca: Path | None = None,
    own: tuple[Authority, str] | None = None,
    user: tuple[str, str] | None = None,
    host: str = "localhost",
) -> Broker:
    """The settings of a station, as `edge.toml` gives them, made into a broker."""
    mqtt: dict[str, object] = {"host": host, "port": running.port, "client_id": "edge-st", "keepalive_s": 5}
    if ca is not None:
        mqtt["tls"] = {"ca_file": str(ca)}
        if own is not None:
            authority, name = own
            cert, key = authority.folder / f"{name}.pem", authority.folder / f"{name}.key"
            mqtt["tls"] = {"ca_file": str(ca), "cert_file": str(cert), "key_file": str(key)}
    if user is not None:
        (folder / "password").write_text(user[1] + "\n", encoding="utf-8")
        mqtt |= {"username": user[0], "password_file": str(folder / "password")}
    return broker_of(Mqtt.model_validate(mqtt))


def facts_of_link(where: Broker) -> list[Fact]:
    """What the messenger's link tells of its first connection."""
    presence = Presence("link/state", lambda _state, _session: b"{}", "link/cmd/+")
    link = Link(where, presence, new_session_id=lambda: "session", back_off=BackOff(first_s=5, longest_s=5))
    link.start()
    try:
        facts: list[Fact] = wait_for(link.take, "the first fact")
    finally:
        link.stop()
        link.close()
    return facts


def turned_away(where: Broker, *words: str) -> Disconnected:
    """How a broker turns the station away: `edge check` and the messenger say the same, in one sentence."""
    with pytest.raises(BrokerError) as checked:
        try_out(where, 5)
    (told,) = facts_of_link(where)
    assert isinstance(told, Disconnected)
    assert told.detail == str(checked.value)
    assert all(word in told.detail for word in words), told.detail
    assert told.detail.startswith(f"broker {where.host}:{where.port} ")
    assert SECRET not in told.detail
    return told


def test_certificates_of_both_sides_open_the_broker(tmp_path: Path, authority: Authority) -> None:
    """With the site's authority and a certificate of its own, a station is in, under the name in its certificate."""
    rights = tmp_path / "rights"
    rights.write_text(f"user station1\ntopic readwrite {BASE}#\n", encoding="ascii")
    rights.chmod(0o644)
    lines = tls_lines(authority, "broker", with_clients=True)
    with mosquitto(tmp_path, *lines, f"acl_file {rights}") as running:
        where = broker(running, tmp_path, ca=authority.ca, own=(authority, "station1"))

        try_out(where, 5)
        station = Station(tmp_path / "station", running.port, broker=where, ack_timeout_s=20)
        station.inspect_next()

        wait_for(station.sent, "the outcome")
        assert not station.store.outbox.num_dead()
        station.close()


@pytest.mark.parametrize(
    ("shown", "host", "words"),
    [
        ("expired", "localhost", ("certificate_expired", "has expired", "renew it")),
        ("elsewhere", "localhost", ("certificate_of_another_host", "host 'localhost'", "mqtt.host")),
        ("elsewhere", "127.0.0.1", ("certificate_of_another_host", "address '127.0.0.1'", "mqtt.host")),
    ],
)
def test_a_brokers_wrong_certificate_is_one_sentence(
    shown: str, host: str, words: tuple[str, ...], tmp_path: Path, authority: Authority
) -> None:
    """Expired, or for another host: the sentence says which, and what to do; nothing was said to that broker (L13)."""
    with mosquitto(tmp_path, *tls_lines(authority, shown)) as running:
        told = turned_away(broker(running, tmp_path, ca=authority.ca, host=host, user=("edge", SECRET)), *words[1:])

    assert told.name == words[0]


def test_a_broker_of_an_unknown_authority_is_one_sentence(
    tmp_path: Path, authority: Authority, stranger: Authority
) -> None:
    """A broker whose certificate somebody else signed is not spoken to, and the file to correct is named."""
    with mosquitto(tmp_path, *tls_lines(authority, "broker")) as running:
        told = turned_away(broker(running, tmp_path, ca=stranger.ca), "unknown authority", str(stranger.ca))

    assert told.name == "certificate_unknown"


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ("", ("certificate_missing", "mqtt.tls.cert_file")),
        ("stranger", ("own_certificate_refused", "station1.pem")),
        ("expired", ("own_certificate_expired", "station1-expired.pem")),
    ],
)
def test_a_station_without_the_right_certificate_is_one_sentence(
    own: str, words: tuple[str, str], tmp_path: Path, authority: Authority, stranger: Authority
) -> None:
    """No certificate, one of a stranger, or one that has expired: the sentence says which, and names the file."""
    certificates = {"stranger": (stranger, "station1"), "expired": (authority, "station1-expired")}
    with mosquitto(tmp_path, *tls_lines(authority, "broker", with_clients=True)) as running:
        told = turned_away(broker(running, tmp_path, ca=authority.ca, own=certificates.get(own)), words[1])

    assert told.name == words[0]


def test_encryption_on_one_side_alone_is_one_sentence(tmp_path: Path, authority: Authority) -> None:
    """TLS to a listener that has none, and none to a listener that has it: the key to correct is named."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with mosquitto(tmp_path / "a") as plain, mosquitto(tmp_path / "b", *tls_lines(authority, "broker")) as encrypted:
        to_plain = turned_away(broker(plain, tmp_path, ca=authority.ca), "mqtt.port")
        to_encrypted = turned_away(broker(encrypted, tmp_path), "[mqtt.tls]")

    assert {to_plain.name, to_encrypted.name} <= {"no_tls", "handshake_failed", "broken", "no_mqtt"}


@pytest.mark.parametrize("user", [("edge", "wrong-" + SECRET[::-1]), ("nobody", SECRET)], ids=["password", "user"])
def test_a_wrong_user_or_password_is_one_sentence(user: tuple[str, str], tmp_path: Path) -> None:
    """The user is named, the password never; and the next try comes late, since it would lock the account (L13)."""
    passwords = tmp_path / "passwords"
    passwords.write_text(f"edge:{SECRET}\n", encoding="ascii")
    subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
    with mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}") as running:
        told = turned_away(broker(running, tmp_path, user=user), repr(user[0]), "mqtt.username")
        try_out(broker(running, tmp_path, user=("edge", SECRET)), 5)

    assert user[1] not in told.detail
    assert told.name == "not_authorized"


@pytest.mark.parametrize("is_encrypted", [False, True], ids=["plain", "tls"])
def test_what_is_said_leaves_at_once(is_encrypted: bool, tmp_path: Path, authority: Authority) -> None:
    """No connection to a broker lets the kernel hold an outcome back behind a PUBACK that was not acknowledged yet."""
    held_back: list[int] = []

    def look(client: Client) -> None:
        connection = client.socket()
        held_back.append(0 if connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) else 1)

    with mosquitto(tmp_path, *(tls_lines(authority, "broker") if is_encrypted else ())) as running:
        try_out(broker(running, tmp_path, ca=authority.ca if is_encrypted else None), 5, look)

    assert held_back == [0]


def test_nobody_at_the_port_is_one_sentence() -> None:
    """A broker that does not run, and a host that nobody knows, are told apart."""
    refused = turned_away(Broker("127.0.0.1", free_port(), "edge-st"), "start it", "mqtt.port")
    unknown = turned_away(Broker("no-such-host.invalid", 1883, "edge-st"), "mqtt.host")

    assert (refused.name, unknown.name) == ("refused", "host_unknown")


def test_files_that_are_no_certificate_or_not_its_key_are_named(tmp_path: Path, authority: Authority) -> None:
    """What cannot be used refuses to start, names the setting and the file, and asks nobody for a passphrase (L13)."""
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate", encoding="ascii")
    cert, key = str(authority.folder / "station1.pem"), str(authority.folder / "station1.key")
    cases = {
        "mqtt.tls.ca_file: ": {"ca_file": str(nonsense)},
        "is not its key|cannot be used": {"cert_file": cert, "key_file": str(authority.folder / "broker.key")},
        "mqtt.tls.cert_file: ": {"cert_file": str(nonsense), "key_file": key},
        "asks for a passphrase": {"cert_file": cert, "key_file": str(authority.lock("station1", SECRET))},
    }

    for words, tls in cases.items():
        with pytest.raises(ConfigError, match=words) as raised:
            broker_of(Mqtt.model_validate({"tls": tls}))
        assert SECRET not in str(raised.value)


@pytest.fixture
def messenger_process(tmp_path: Path) -> Iterator[tuple[Path, Mosquitto]]:
    """A configured station and a broker that wants a password."""
    passwords = tmp_path / "passwords"
    passwords.write_text(f"edge:{SECRET}\near:ear\n", encoding="ascii")
    subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
    with mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}") as running:
        more = f'[mqtt]\nport = {running.port}\nusername = "edge"\n[log]\nlevel = "debug"\nformat = "json"\n'
        yield smallest_station.write(tmp_path, more), running


@pytest.mark.parametrize("given", [SECRET, "wrong-" + SECRET], ids=["right", "wrong"])
def test_the_password_is_nowhere_but_in_its_file(given: str, messenger_process: tuple[Path, Mosquitto]) -> None:
    """A process with a password from $CREDENTIALS_DIRECTORY shows it in no log, no argument and no variable (L13)."""
    config, _ = messenger_process
    credentials = config.parent / "credentials"
    credentials.mkdir()
    (credentials / "mqtt_password").write_text(given + "\n", encoding="utf-8")
    log = config.parent / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge", "messenger", "--config", str(config)],
            env={**os.environ, "CREDENTIALS_DIRECTORY": str(credentials)},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    awaited = "broker connected" if given == SECRET else "mqtt.username"
    wait_for(lambda: awaited in log.read_text(encoding="utf-8"), awaited)
    shown = Path(f"/proc/{process.pid}/environ").read_bytes() + Path(f"/proc/{process.pid}/cmdline").read_bytes()
    process.terminate()
    process.wait()

    logged = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert given.encode() not in shown
    assert given not in log.read_text(encoding="utf-8")
    assert logged


def test_settings_reach_the_connection(tmp_path: Path) -> None:
    """Session expiry and keep alive of `edge.toml` are what the broker is asked for."""
    made = broker_of(Mqtt.model_validate({"session_expiry_s": 77, "keepalive_s": 9, "client_id": "c"}))

    assert (made.session_expiry_s, made.keepalive_s, made.client_id) == (77, 9, "c")
    assert SECRET not in repr(replace(made, password=SECRET))


def connected(facts: list[Fact]) -> Connected:
    """The one connection that was told."""
    (found,) = [fact for fact in facts if isinstance(fact, Connected)]
    return found


def test_an_expired_session_holds_no_command(tmp_path: Path) -> None:
    """Commands wait for a station that is away as long as `session_expiry_s` says, and no longer."""
    with mosquitto(tmp_path) as running:
        kept = {}
        for expiry_s in (1, 60):
            settings = {"port": running.port, "client_id": f"edge-{expiry_s}", "session_expiry_s": expiry_s}
            where = broker_of(Mqtt.model_validate(settings))
            first = connected(facts_of_link(where))
            subprocess.run(["sleep", "2.5"], check=True)
            kept[expiry_s] = (first.session_present, connected(facts_of_link(where)).session_present)

    assert kept == {1: (False, False), 60: (False, True)}
