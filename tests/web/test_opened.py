"""The panel as it is opened to others: TLS, a token, users, and every secret of the station in its settings."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge import cli
from edge.adapters import users
from edge.adapters.store import Store
from edge.core.outcome import Reason
from edge.web.access import LEAST_ROLE
from tests.certificates import Authority
from tests.web.process import PanelProcess, panel_process, received
from tests.web.site import STATION, PartOf

TOKEN = "swordfish-panel-token"
PASSWORD = "swordfish of ada"
#: A file for each secret that the settings can name; what stands in it is found in an answer by its first word.
FILES = {
    "token": TOKEN,
    "mqtt_password": "swordfish-mqtt",
    "reader_key": "swordfish-reader",
    "redis_password": "swordfish-redis",
    "camera_password": "swordfish-camera",
    "erp_api_key": "swordfish-erp",
    "password_of_ada": PASSWORD,
}
SETTINGS = """\
host = "0.0.0.0"
token_file = "token"
users_file = "users"
names = ["station7.plant.example"]
[panel.tls]
cert_file = "panel.pem"
key_file = "panel.key"
[mqtt]
username = "station"
password_file = "mqtt_password"
[reader]
kind = "remote"
[reader.remote]
url = "http://127.0.0.1:9"
model = "m"
key_file = "reader_key"
cache = "redis"
redis_url = "redis://127.0.0.1:9/0"
redis_password_file = "redis_password"
[cameras.hall]
kind = "rtsp"
url = "rtsp://127.0.0.1:9/stream"
username = "edge"
password_file = "camera_password"
[erp]
kind = "rest"
url = "http://127.0.0.1:9"
lookup = "/parts/{serial}"
api_key_file = "erp_api_key"
"""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelProcess]:
    """A panel for all, with a certificate, its user made by `edge users`, and two parts."""
    folder = tmp_path_factory.mktemp("opened")
    for name, secret in FILES.items():
        (folder / name).write_text(secret + "\n", encoding="utf-8")
    authority = Authority(folder)
    authority.sign("panel")
    store = Store.open(folder / "data", STATION)
    for number, reason in enumerate((Reason.MATCHED, Reason.RECORD_MISSING)):
        inspection_id, _ = store.add_trigger(
            f"t{number}", expected=None, source="test", at="2026-01-01T00:00:00.000Z", at_us=1
        )
        outcome = PartOf(reason=reason).outcome(inspection_id, f"t{number}", ())
        store.commit(outcome, topic="edge/v1/outcome", config_hash="c0ffee", at="2026-01-01T00:00:00.000Z")
    store.close()
    (folder / "edge.toml").write_text("version = 1\n[panel]\n" + SETTINGS, encoding="utf-8")
    add = ["users", "add", "ada", "--role", "operator", "--password-file", str(folder / "password_of_ada")]
    assert cli.main([*add, "--config", str(folder / "edge.toml")]) == 0
    with panel_process(folder, SETTINGS, tls=ssl.create_default_context(cafile=str(authority.ca))) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Session:
    """Ada's session: what her page sends, and the cookie as it came."""

    headers: dict[str, str]
    set_cookie: str


@pytest.fixture(scope="module")
def ada(opened: PanelProcess) -> Session:
    """Ada, signed in before anybody is listened to slowly."""
    said = json.dumps({"name": "ada", "password": PASSWORD}).encode()
    status, headers, body = opened.ask("POST", "/v1/session", said, content_type="application/json")
    assert status == 200, body
    cookie = headers["set-cookie"]
    return Session({"cookie": cookie.partition(";")[0], "x-edge-csrf": json.loads(body)["csrf"]}, cookie)


def test_a_session_over_tls_is_for_this_host_and_for_tls_alone(ada: Session) -> None:
    """Its cookie is `__Host-`, Secure, HttpOnly and Strict, and says nothing of its person."""
    name, _, rest = ada.set_cookie.partition("=")

    assert name.startswith("__Host-edge_session_")
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=strict"} <= {one.strip() for one in rest.split(";")}
    assert "ada" not in rest


def test_a_user_decides_and_stands_in_the_correction(opened: PanelProcess, ada: Session) -> None:
    """Ada, an operator, decides; her name stands in the review, whatever `by` claims."""
    held = json.loads(opened.ask("GET", "/v1/held", None, **ada.headers)[2])["outcomes"][0]["inspection_id"]
    said = json.dumps({"action": "confirm", "by": "somebody else"}).encode()
    status, _, body = opened.ask(
        "POST",
        f"/v1/outcomes/{held}/review",
        said,
        content_type="application/json",
        origin=f"https://localhost:{opened.port}",
        **ada.headers,
    )

    assert (status, json.loads(body)["by"]) == (201, "ada")


def test_a_page_without_tls_may_not_change_one_with_it(opened: PanelProcess, ada: Session) -> None:
    """The same host without encryption is another origin: whoever stands between could have made it."""
    status, _, _ = opened.ask("DELETE", "/v1/session", None, origin=f"http://localhost:{opened.port}", **ada.headers)

    assert status == 403


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_refused(opened: PanelProcess, version: ssl.TLSVersion) -> None:
    """TLS 1.2 is the least."""
    old = ssl.create_default_context(cafile=str(opened.folder / "ca.pem"))
    old.minimum_version, old.maximum_version = version, version
    old.set_ciphers("ALL:@SECLEVEL=0")

    with socket.create_connection(("127.0.0.1", opened.port), 20) as plain, pytest.raises(ssl.SSLError):
        old.wrap_socket(plain, server_hostname="localhost")


def test_without_tls_nothing_is_answered(opened: PanelProcess) -> None:
    """Who speaks plain HTTP to it hears nothing that could be read on the way."""
    with socket.create_connection(("127.0.0.1", opened.port), 20) as plain:
        plain.sendall(b"GET /v1/session HTTP/1.1\r\nhost: localhost\r\n\r\n")

        assert b"HTTP" not in received(plain)


def test_edge_users_keeps_passwords_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A password is a file's or a terminal's; there is no option for one, and a short one is refused in a sentence."""
    (tmp_path / "edge.toml").write_text('version = 1\n[panel]\nusers_file = "users"\n')
    (tmp_path / "short").write_text("short\n")
    config = ["--config", str(tmp_path / "edge.toml")]
    (tmp_path / "good").write_text("long enough it is\n")
    codes = [
        cli.main(["users", "add", "bob", "--role", "viewer", "--password", "x", *config]),
        cli.main(["users", "add", "bob", "--role", "viewer", "--password-file", str(tmp_path / "short"), *config]),
        cli.main(["users", "add", "bob", "--role", "viewer", *config]),
        cli.main(["users", "add", "b/b", "--role", "viewer", "--password-file", str(tmp_path / "good"), *config]),
        cli.main(["users", "remove", "bob", *config]),
        cli.main(["users", "add", "bob", "--role", "viewer", "--password-file", str(tmp_path / "good"), *config]),
        cli.main(["users", "list", *config]),
        cli.main(["users", "remove", "bob", *config]),
    ]
    out, err = capsys.readouterr()
    mode = (tmp_path / "users").stat().st_mode & 0o777

    assert codes == [2, 2, 2, 2, 2, 0, 0, 0]
    assert [line for line in out.splitlines() if "bob" in line] == ["bob viewer"]
    assert re.findall(r"10 to 1000|no terminal|no user's name|no user in", err) == [
        "10 to 1000",
        "no terminal",
        "no user's name",
        "no user in",
    ]
    assert mode == 0o640


def test_no_answer_and_no_line_of_the_log_holds_a_secret(opened: PanelProcess, ada: Session) -> None:
    """Each address, asked right and wrong, by nobody, a user and the token, shows no secret of the settings (L13)."""
    session = ada.headers
    kept = users.read(opened.folder / "users")["ada"].hash
    key = (opened.folder / "panel.key").read_text(encoding="ascii").splitlines()[1]
    held = json.loads(opened.ask("GET", "/v1/outcomes", None, **ada.headers)[2])["outcomes"][0]["inspection_id"]
    found = []
    for row in LEAST_ROLE:
        method, _, path = row.partition(" ")
        if row in ("GET /v1/live", "DELETE /v1/session"):
            continue
        for inspection_id in (held, "nothing"):
            address = path.replace("{inspection_id}", inspection_id).replace("{number:int}", "0")
            for who in ({}, session, {"authorization": f"Bearer {TOKEN}"}):
                for body in (None, b"\xff", json.dumps({"action": "confirm", "name": "x"}).encode()):
                    _, headers, told = opened.ask(method, address, body, content_type="application/json", **who)
                    text = f"{headers} {told!r}"
                    found += [(row, one) for one in ("swordfish", kept, kept[-20:], key) if one in text]
    log = (opened.folder / "panel.log").read_text(encoding="utf-8")

    assert found == []
    assert [one for one in ("swordfish", kept, key) if one in log] == []
