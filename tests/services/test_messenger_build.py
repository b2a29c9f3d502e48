"""The messenger as configured: settings, password, encryption, and rights that a real broker enforces."""

from __future__ import annotations

import json
import ssl
import subprocess
from functools import partial
from pathlib import Path

import pytest

from edge import settings
from edge.adapters.store import Store
from edge.errors import ConfigError
from edge.services import delivery, messenger
from tests.brokers import Ear, mosquitto, wait_for
from tests.certificates import Authority
from tests.services.configured import configure, inspect, running


def test_password_of_a_file_opens_the_broker_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    """With the right password outcomes flow; with a wrong one they wait, and nothing is lost (L11)."""
    passwords = tmp_path / "passwords"
    passwords.write_text("edge:right\near:ear\n", encoding="ascii")
    subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
    secret = tmp_path / "secret"
    secret.write_text("wrong\n", encoding="ascii")
    with mosquitto(tmp_path, f"password_file {passwords}") as broker:
        configured = configure(
            tmp_path, f'host = "127.0.0.1"\nport = {broker.port}\nusername = "edge"\npassword_file = "{secret}"'
        )
        with running(configured) as store:
            inspect(store, 1)
            wait_for(lambda: "disconnected" in _heard(configured))
            assert store.outbox.num_waiting() == 1
        secret.write_text("right\n", encoding="ascii")

        with running(configured) as store:
            wait_for(partial(_is_empty, store))


def _is_empty(store: Store) -> bool:
    return store.outbox.num_waiting() == 0


def _heard(configured: settings.Settings) -> dict[str, object]:
    from edge.adapters.heartbeat import listen

    listener = listen(configured.paths.runtime)
    try:
        beats = wait_for(listener.beats)
        return dict(beats["messenger"].facts)
    finally:
        listener.close()


def test_link_is_encrypted_and_checks_the_broker(tmp_path: Path) -> None:
    """With the broker's certificate authority outcomes flow over TLS."""
    authority = Authority(tmp_path / "authority")
    certificate, key = authority.sign("broker")
    lines = (f"certfile {certificate}", f"keyfile {key}")
    with mosquitto(tmp_path, *lines) as broker:
        configured = configure(
            tmp_path, f'host = "localhost"\nport = {broker.port}\n[mqtt.tls]\nca_file = "{authority.ca}"'
        )

        with running(configured) as store:
            inspect(store, 1)

            wait_for(lambda: store.outbox.num_waiting() == 0)


def test_certificates_that_are_none_are_a_named_error(tmp_path: Path) -> None:
    """A file that holds no certificate refuses to start, and names the section (L13)."""
    (tmp_path / "ca.pem").write_text("not a certificate", encoding="ascii")
    configured = configure(tmp_path, f'[mqtt.tls]\nca_file = "{tmp_path}/ca.pem"')

    with pytest.raises(ConfigError, match=r"mqtt.tls.ca_file: "):
        messenger.build(configured)

    assert not isinstance(configured.mqtt.tls, ssl.SSLContext)


def test_a_topic_that_a_real_broker_forbids_makes_dead_letters_and_the_rest_flow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where rights for `retake` are missing, retakes are set aside as not authorised and outcomes flow (L11)."""
    monkeypatch.setattr(delivery, "FIRST_WAIT_US", 2_000)
    rights = tmp_path / "rights"
    rights.write_text(
        "topic readwrite edge/v1/s/l/st/outcome\ntopic readwrite edge/v1/s/l/st/state\n"
        "topic readwrite edge/v1/s/l/st/health\ntopic readwrite edge/v1/s/l/st/cmd/+\n",
        encoding="ascii",
    )
    rights.chmod(0o644)
    with mosquitto(tmp_path, f"acl_file {rights}") as broker:
        ear = Ear(broker.port, topics=("edge/v1/s/l/st/outcome",))
        with running(configure(tmp_path, f'host = "127.0.0.1"\nport = {broker.port}')) as store:
            inspect(store, 1)
            store.add_message("edge/v1/s/l/st/retake", b"{}", {}, kind="retake", inspection_id=None)
            inspect(store, 2)

            wait_for(lambda: store.outbox.num_waiting() == 0)

            wait_for(lambda: len(ear.heard) == 2)
            assert [json.loads(packet.payload)["seq"] for packet in ear.heard] == [1, 2]
            (dead,) = store.outbox.dead_letters()
            assert (dead.kind, dead.reason) == ("retake", "not_authorized")
        ear.close()
