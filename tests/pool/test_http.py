"""Promises of the forms in which a replica is asked, over real HTTP."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx2
import pytest

from edge.adapters import images
from edge.core.fields import Product
from edge.core.reading import Reading
from edge.pool.http import PoolApi
from edge.pool.replica import Replica
from edge.readers import read_form
from edge.readers.pool import Pool
from edge.readers.pool_client import PoolClient, PoolRefusedError
from edge.readers.reader import Reader
from tests.network import Network, through
from tests.pool.served import served

STATION = "plant1/line1/station1"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is open until the test's end."""
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def replica(reader: Reader, stack: ExitStack) -> Replica:
    """One of the ocr reader."""
    made = Replica(reader, max_batch=4)
    stack.callback(made.close)
    return made


@pytest.fixture
def url(replica: Replica, stack: ExitStack) -> str:
    """Where it is served."""
    return stack.enter_context(served(PoolApi(replica, deadline_ms=60_000)))


def station(url: str, reader: Reader, stack: ExitStack, hedge_s: float = 60.0) -> Pool:
    """A station of the pool at an address."""
    pool = Pool(PoolClient(url, STATION), "ocr", reader, hedge_s=hedge_s, timeout_s=60.0)
    stack.callback(pool.close)
    return pool


def without_times(reading: Reading) -> tuple[Any, ...]:
    """All that was read, to the last number, and by whom."""
    return reading.fields, reading.lines, reading.codes, reading.reader, reading.reader_hash


def test_the_pool_reads_what_is_read_here(
    url: str, reader: Reader, product: Product, encoded: bytes, stack: ExitStack
) -> None:
    """Every character, confidence, box, line and code of a frame is what the same reader reads beside the camera."""
    image = images.decode(encoded, "frame")
    here = reader.read(image, product, reader.locate(image))
    there = station(url, reader, stack).read_frame(encoded, image, product, None, None, within_s=60.0)

    assert here.fields["serial"].text == "12345678AB"
    assert without_times(there) == without_times(here)


def test_an_image_without_its_file_is_sent_without_loss(
    url: str, reader: Reader, product: Product, encoded: bytes, stack: ExitStack
) -> None:
    """`edge read` has pixels, and no frame's bytes: the pool reads the very same pixels."""
    image = images.decode(encoded, "frame")

    assert without_times(station(url, reader, stack).read(image, product)) == without_times(reader.read(image, product))


def slow(replica: Replica) -> None:
    """As if each frame had taken a minute, and none were read to measure anew."""
    queue = replica._queue
    for _ in range(3):
        queue._times.took(1, 60_000_000)
    queue._queue._probed_us = 10**18


def test_a_question_that_cannot_be_in_time_is_refused(replica: Replica, url: str, encoded: bytes) -> None:
    """A deadline that no batch makes by its measured time is refused at once, with when to come again (L12)."""
    slow(replica)
    told = ask(url, encoded, headers={read_form.DEADLINE: "30000"})

    assert (told.status_code, told.json()["error"]["type"]) == (503, "cannot_make_deadline")
    assert 29 <= int(told.headers["retry-after"]) <= 31


def ask(url: str, image: bytes, head: bytes = b"{}", headers: Mapping[str, str] | None = None) -> httpx2.Response:
    """A raw question in the read form."""
    heads = {"content-type": read_form.MEDIA_TYPE, **(headers or {})}
    return httpx2.post(url + read_form.PATH, content=head + b"\n" + image, headers=heads, timeout=60)


@pytest.mark.parametrize(
    ("question", "headers", "told"),
    [
        ((b"no image", b"{}"), {}, (415, "image_error")),
        ((b"", b"{}"), {}, (415, "image_error")),
        ((b"x", b'{"product": {"version": 1, "name": "x", "fields": {}}}'), {}, (400, "invalid_request_error")),
        ((b"x", b"not JSON"), {}, (400, "invalid_request_error")),
        ((b"x", b"{}"), {read_form.DEADLINE: "soon"}, (400, "invalid_request_error")),
        ((b"x", b"{}"), {read_form.DEADLINE: "nan"}, (400, "invalid_request_error")),
        ((b"x", b"{}"), {read_form.DEADLINE: "60001"}, (400, "invalid_request_error")),
    ],
)
def test_a_wrong_question_is_named(
    url: str, question: tuple[bytes, bytes], headers: dict[str, str], told: tuple[int, str]
) -> None:
    """A frame or a question that cannot be used is one sentence with HTTP's number, and no reading (L3)."""
    answer = ask(url, *question, headers)

    assert (answer.status_code, answer.json()["error"]["type"]) == told
    assert answer.json()["error"]["message"]


def test_a_pattern_that_searches_on_is_refused(url: str) -> None:
    """A station of another make cannot hang a replica by a pattern: it is refused as a product file's is."""
    product = {"version": 1, "name": "x", "fields": {"serial": {"pattern": "(a|a)+b"}}}
    told = ask(url, b"x", json.dumps({"product": product}).encode())

    assert (told.status_code, "product.fields.serial" in told.json()["error"]["message"]) == (400, True)


def test_any_client_may_ask(url: str, encoded: bytes) -> None:
    """OpenAI's form answers about a frame, names the model that `/v1/models` lists, and refuses another."""
    model = httpx2.get(url + "/v1/models", timeout=60).json()["data"][0]["id"]
    picture = "data:image/jpeg;base64," + base64.b64encode(encoded).decode()
    parts = [
        {"type": "image_url", "image_url": {"url": picture}},
        {"type": "text", "text": "What is the serial number?"},
    ]
    said = {"model": model, "messages": [{"role": "user", "content": parts}]}
    told = httpx2.post(url + "/v1/chat/completions", json=said, timeout=60)
    other = httpx2.post(url + "/v1/chat/completions", json={**said, "model": "gpt-x"}, timeout=60)

    assert told.json()["choices"][0]["message"]["content"] == "12345678AB"
    assert (other.status_code, httpx2.get(url + "/nowhere", timeout=60).status_code) == (404, 404)


@contextmanager
def on_the_way(url: str, **how: Any) -> Iterator[tuple[str, Network]]:
    """An address that leads to another through a network."""
    with through(int(url.rpartition(":")[2]), **how) as (port, network):
        yield f"http://127.0.0.1:{port}", network


def test_a_slow_network_costs_the_part_its_hedge_and_no_more(
    url: str, reader: Reader, product: Product, encoded: bytes, stack: ExitStack
) -> None:
    """Where every packet takes a second, the local reader reads; when the network is well again, the pool does."""
    way, network = stack.enter_context(on_the_way(url, delay_s=1.0))
    pool, image = station(way, reader, stack, hedge_s=0.05), images.decode(encoded, "frame")
    slow = pool.read_frame(encoded, image, product, None, None, within_s=60.0)
    facts = pool.facts()
    network.delay_s = 0.0
    pool._hedge_s = 60.0
    pool.read_frame(encoded, image, product, None, None, within_s=60.0)

    assert slow.fields["serial"].text == "12345678AB"
    assert (facts["pool_here_late"], pool.facts()["pool_pool"]) == (1, 1)


def test_a_network_that_loses_answers_loses_no_part(
    url: str, reader: Reader, product: Product, encoded: bytes, stack: ExitStack
) -> None:
    """Every second connection breaks as its answer comes: each part is read all the same, by the pool or here."""
    way, _ = stack.enter_context(on_the_way(url, breaks_each=2))
    image = images.decode(encoded, "frame")
    told = []
    for _ in range(6):
        pool = station(way, reader, stack)  # a connection of its own
        serial = pool.read_frame(encoded, image, product, None, None, within_s=60.0).fields["serial"].text
        told.append((serial, pool.facts()["pool_pool"], pool.facts()["pool_here_failed"]))

    assert told == [("12345678AB", 1, 0), ("12345678AB", 0, 1)] * 3


def test_a_dead_pool_is_left_alone(
    url: str, reader: Reader, product: Product, encoded: bytes, stack: ExitStack
) -> None:
    """A pool that closes every connection is asked three times, and then not; no part waits for it."""
    way, network = stack.enter_context(on_the_way(url, dead=True))
    pool, image = station(way, reader, stack), images.decode(encoded, "frame")
    for _ in range(5):
        pool.read_frame(encoded, image, product, None, None, within_s=60.0)

    assert (network.connections, pool.facts()["pool_here_left_alone"]) == (3, 2)


def test_a_refusal_is_told_apart(replica: Replica, url: str, encoded: bytes) -> None:
    """The station's client tells a pool that has no time from one that is broken, and names the reason."""
    slow(replica)
    client = PoolClient(url, STATION)

    with pytest.raises(PoolRefusedError, match="cannot_make_deadline") as raised:
        client.read(read_form.Wanted(), encoded, 30.0)
    assert raised.value.why == "cannot_make_deadline"
    client.close()
