"""Clients who are slow, many, endless or no clients at all: the real panel process answers everybody else meanwhile."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.services.panel_server import MAX_CONNECTIONS, MAX_LINGER_BYTES
from edge.web.limits import MAX_HEAD_BYTES
from edge.web.live import MAX_PAGES
from tests.web.crowd import pour
from tests.web.process import PanelProcess, panel_process, received
from tests.web.site import until

#: A slow client is ended at its limit of time; a busy PC may need some more.
PATIENCE_S = 60.0
HOST = b"host: localhost\r\n"


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelProcess]:
    """A panel with 5,000 outcomes: an export of them is 10 MB, more than any buffer on its way."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "token").write_text("open-sesame")
    pour(folder / "data", 5000)
    with panel_process(folder, 'token_file = "token"\n') as running:
        yield running


def sentence(answer: bytes) -> str:
    """What an answer says went wrong."""
    told, _ = json.JSONDecoder().raw_decode(answer.partition(b"\r\n\r\n")[2].decode())
    return str(told["error"]["message"])


def silent(link: socket.socket) -> None:
    """Send nothing."""


def drips_its_head(link: socket.socket) -> None:
    """Send a head without end, a header a second."""
    link.sendall(b"GET /health HTTP/1.1\r\n" + HOST)
    drip(link, lambda number: b"x-%d: y\r\n" % number)


def drips_its_body(link: socket.socket) -> None:
    """Send a body of a thousand bytes, one a second."""
    head = b"POST /v1/session HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n"
    link.sendall(head + HOST + b"\r\n{")
    drip(link, lambda _number: b" ")


def drips_chunks(link: socket.socket) -> None:
    """Send a body in chunks of one byte, without end, to an address that asks for a role."""
    head = b"POST /v1/outcomes/i/review HTTP/1.1\r\nauthorization: Bearer open-sesame\r\n"
    link.sendall(head + b"content-type: application/json\r\n" + b"transfer-encoding: chunked\r\n" + HOST + b"\r\n")
    drip(link, lambda _number: b"1\r\n \r\n")


def takes_nothing(link: socket.socket) -> None:
    """Ask for 10 MB and take none of it."""
    link.sendall(b"GET /v1/outcomes/export?format=jsonl HTTP/1.1\r\n" + HOST + b"\r\n")


def sends_on(link: socket.socket) -> None:
    """Send a body without end to an address that has refused it."""
    link.sendall(b"POST /v1/nothing HTTP/1.1\r\ntransfer-encoding: chunked\r\n" + HOST + b"\r\n")
    drip(link, lambda _number: b"400\r\n" + b" " * 1024 + b"\r\n", pause_s=0.05)


def drip(link: socket.socket, part: Callable[[int], bytes], pause_s: float = 1.0) -> None:
    """Send part after part until the panel ends the connection."""
    try:
        for number in range(int(PATIENCE_S / pause_s)):
            link.sendall(part(number))
            time.sleep(pause_s)
    except OSError:
        return


#: How each one is answered at its end; what takes nothing hears nothing.
SLOW: dict[Callable[[socket.socket], None], bytes] = {
    silent: b"408",
    drips_its_head: b"408",
    drips_its_body: b"408",
    drips_chunks: b"408",
    sends_on: b"404",
}


@pytest.mark.slow
def test_slow_clients_are_given_up_and_hold_up_nobody(panel: PanelProcess) -> None:
    """Clients who are slow in every way, eight each, are ended at their limits; all others are answered meanwhile."""
    said: dict[str, bytes] = {}

    def be_slow(how: Callable[[socket.socket], None], number: int) -> None:
        with panel.connect(PATIENCE_S * 2) as link:
            threading.Thread(target=how, args=(link,), daemon=True).start()
            said[f"{how.__name__} {number}"] = received(link)

    slow = [threading.Thread(target=be_slow, args=(how, number)) for how in SLOW for number in range(8)]
    stuck = [panel.connect(buffer_bytes=4096) for _ in range(8)]
    for link in stuck:
        takes_nothing(link)
    for one in slow:
        one.start()
    answers = []
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s and (
        any(one.is_alive() for one in slow) or not all(closed(panel, link) for link in stuck)
    ):
        answers.append(panel.ask("GET", "/v1/outcomes?limit=1")[0])
        time.sleep(0.5)
    broken_off = [closed(panel, link) for link in stuck]
    for link in stuck:
        link.close()

    assert set(answers) == {200}
    assert broken_off == [True] * len(stuck)
    assert {name.partition(" ")[0]: answer[9:12] for name, answer in said.items()} == {
        how.__name__: status for how, status in SLOW.items()
    }
    assert "at once" in sentence(said["drips_its_head 0"])


def closed(panel: PanelProcess, link: socket.socket) -> bool:
    """Whether the panel has ended a connection, as the system has it: a client whose buffer is full hears nothing."""
    ends = f":{panel.port:04X} 0100007F:{link.getsockname()[1]:04X} "
    return ends not in Path("/proc/net/tcp").read_text(encoding="ascii")


def test_too_many_connections_are_told_so_and_leave_a_panel_that_answers(panel: PanelProcess) -> None:
    """Beyond the limit a connection is answered 503 by the limit's name (L12); when others end, it is let in again."""
    links = [panel.connect() for _ in range(MAX_CONNECTIONS + 8)]
    refused = received(links[-1])
    for link in links:
        link.close()
    until(lambda: panel.ask("GET", "/v1/session")[0] == 200)

    assert refused.startswith(b"HTTP/1.1 503")
    assert "max_connections" in sentence(refused)


def test_too_many_pages_are_told_so(panel: PanelProcess) -> None:
    """The page that listens as one too many is answered 503 by the limit's name, and when to come again (L12)."""
    links = []
    for _ in range(MAX_PAGES):
        link = panel.connect()
        link.sendall(b"GET /v1/live HTTP/1.1\r\n" + HOST + b"\r\n")
        assert link.recv(100).startswith(b"HTTP/1.1 200")
        links.append(link)
    status, headers, body = panel.ask("GET", "/v1/live")
    for link in links:
        link.close()
    again = until(lambda: listens(panel))

    assert (status, headers["retry-after"], b"max_pages" in body, again) == (503, "10", True, True)


def listens(panel: PanelProcess) -> bool:
    """Whether a further page may listen."""
    with panel.connect() as link:
        link.sendall(b"GET /v1/live HTTP/1.1\r\n" + HOST + b"\r\n")
        return link.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "head",
    [
        b"x: " + b"y" * 1_000_000 + b"\r\n",
        b"".join(b"x-%d: y\r\n" % number for number in range(100_000)),
        b"cookie: edge_session=" + b"z" * MAX_HEAD_BYTES + b"\r\n",
    ],
    ids=["one long header", "many headers", "a long cookie"],
)
def test_a_huge_head_is_refused(panel: PanelProcess, head: bytes) -> None:
    """More head than the limit is answered 400 with a sentence, and never kept."""
    before_mb = panel.most_memory_mb
    answer = panel.send(b"GET /health HTTP/1.1\r\n" + HOST + head + b"\r\n")

    assert answer == b"" or (answer[9:12] in (b"400", b"431") and str(MAX_HEAD_BYTES) in sentence(answer))
    assert panel.most_memory_mb - before_mb < 20
    assert panel.ask("GET", "/v1/session")[0] == 200


def test_a_long_address_is_refused(panel: PanelProcess) -> None:
    """An address is part of the head."""
    answer = panel.send(b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n")

    assert answer == b"" or answer[9:12] in (b"400", b"431")


@pytest.mark.parametrize(
    "path", ["/v1/chat", "/v1/read", "/v1/session", "/v1/outcomes/i/review", "/nothing", "/health"]
)
@pytest.mark.parametrize("announced", [True, False])
def test_a_huge_body_is_refused_and_not_kept(panel: PanelProcess, path: str, announced: bool) -> None:
    """200 MB, announced or in chunks, are answered 4xx; the connection ends; no more than a body's limit is held."""
    before_mb = panel.most_memory_mb
    kind = b"content-type: application/json\r\nauthorization: Bearer open-sesame\r\n"
    length = b"content-length: 200000000\r\n" if announced else b"transfer-encoding: chunked\r\n"
    sent = 0
    with panel.connect() as link:
        link.sendall(b"POST %s HTTP/1.1\r\n" % path.encode() + HOST + kind + length + b"\r\n")
        part = b" " * 65_536 if announced else b"10000\r\n" + b" " * 65_536 + b"\r\n"
        try:
            while sent < 200_000_000:
                link.sendall(part)
                sent += 65_536
        except OSError:
            pass
        answer = received(link)

    assert answer == b"" or answer[9:10] == b"4"
    assert sent < MAX_LINGER_BYTES * 3
    assert panel.most_memory_mb - before_mb < 80
    assert panel.ask("GET", "/v1/session")[0] == 200


def test_a_body_that_would_have_to_be_unpacked_is_refused(panel: PanelProcess) -> None:
    """A packed body, which may grow a thousandfold, is answered 415 and never unpacked."""
    bomb = gzip.compress(b" " * 50_000_000)
    before_mb = panel.most_memory_mb
    status, _, body = panel.ask("POST", "/v1/chat", bomb, content_encoding="gzip", content_type="application/json")

    assert (status, b"nothing is unpacked" in body) == (415, True)
    assert panel.most_memory_mb - before_mb < 20


NO_HTTP = {
    "noise": bytes(range(256)) * 4,
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(600),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two lengths": b"POST /v1/session HTTP/1.1\r\n" + HOST + b"content-length: 5\r\ncontent-length: 6\r\n\r\n",
    "a negative length": b"POST /v1/session HTTP/1.1\r\n" + HOST + b"content-length: -1\r\n\r\n",
    "an endless length": b"POST /v1/session HTTP/1.1\r\n" + HOST + b"content-length: " + b"9" * 40 + b"\r\n\r\n",
    "a strange coding": b"POST /v1/session HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked, x\r\n\r\n",
    "a bad chunk": b"POST /v1/session HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\n\r\n-1\r\n",
    "two hosts": b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "zero in a header": b"GET / HTTP/1.1\r\n" + HOST + b"x: a\x00b\r\n\r\n",
    "a line that goes on": b"GET / HTTP/1.1\r\n" + HOST + b" x: y\r\n\r\n",
    "a word": b"hello\r\n\r\n",
}


@pytest.mark.parametrize("sent", NO_HTTP.values(), ids=NO_HTTP.keys())
def test_what_is_no_http_is_answered_with_a_sentence(panel: PanelProcess, sent: bytes) -> None:
    """Whatever comes, the answer is one refusal and the connection's end."""
    answer = panel.send(sent)

    assert answer[:9] in (b"HTTP/1.1 ", b"")
    assert answer == b"" or (answer[9:10] == b"4" and sentence(answer))


def test_two_requests_are_not_taken_for_one(panel: PanelProcess) -> None:
    """A length beside chunks, by which a second request could hide in a first one, is refused or answered as one."""
    hidden = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
    head = b"POST /v1/session HTTP/1.1\r\n" + HOST + b"content-type: application/json\r\nconnection: close\r\n"
    answer = panel.send(head + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + hidden)

    assert answer.count(b"HTTP/1.1 ") <= 1


def test_a_connection_that_is_broken_off_costs_nothing(panel: PanelProcess) -> None:
    """Two hundred clients that reset in the middle of a request leave no connection, and a panel that answers."""
    for _ in range(200):
        link = panel.connect()
        link.sendall(b"POST /v1/chat HTTP/1.1\r\n" + HOST + b"content-length: 100\r\n\r\n{")
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.close()
    open_files = until(lambda: (n := len(list(Path(f"/proc/{panel.pid}/fd").iterdir()))) < 60 and n)

    assert open_files < 60
    # Its server counts a connection until its task has ended, and refuses (503) while it counts too many.
    assert until(lambda: panel.ask("GET", "/v1/session")[0] == 200)
