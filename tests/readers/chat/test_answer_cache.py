"""Promises of the result cache: it gives back what was put, for an hour, and never fails or holds up a reading."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from structlog.testing import capture_logs

from edge.errors import ReaderError
from edge.readers.chat.answer_cache import PREFIX, MemoryCache, RedisCache, key_of
from tests.brokers import free_port, wait_for
from tests.readers.chat.faulty_chat import Clock

KEY = key_of("a picture", "a question")
PASSWORD = "correct-horse-4711"
#: A limit that no busy machine breaks; what must come comes before it.
GENEROUS_S = 20.0


class Redis:
    """A real redis-server without persistence; it can be killed, frozen and started again on its port."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._command += ["--save", "", "--appendonly", "no", *options]
        self.start()

    def start(self) -> None:
        """Start, and return when it listens."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self._listens, "redis")

    def stop(self) -> None:
        """End at once."""
        self._process.kill()
        self._process.wait()

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    """A running Redis, gone afterwards."""
    running = Redis(tmp_path)
    yield running
    running.stop()


@pytest.fixture
def direct(server: Redis) -> Iterator[redis.Redis]:
    """A client of its own, to look behind the cache."""
    with redis.Redis(port=server.port) as client:
        yield client


class Silent:
    """A server on a real socket that takes connections and sends what it is told: nothing, or a byte at a time."""

    def __init__(self, piece: bytes = b"") -> None:
        self.connections = 0
        self._piece = piece
        self._end = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._server.getsockname()[1]}/0"
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, target: object, *values: object) -> None:
        thread = threading.Thread(target=target, args=values, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self.connections += 1
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            while not self._end.wait(0.005):
                client.sendall(self._piece)

    def close(self) -> None:
        """End everything."""
        self._end.set()
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join()


def test_key() -> None:
    """No two lists of parts have one key: neither by moving a border nor by another kind of part."""
    lists: list[tuple[bytes | str | int | None, ...]] = [
        ("ab", "c"),
        ("a", "bc"),
        ("abc",),
        (b"abc",),
        ("abc", None),
        ("abc", "None"),
        (1,),
        ("1",),
        (b"1",),
        ("'1'",),
        (),
    ]

    assert len({key_of(*parts) for parts in lists}) == len(lists)


def test_memory_gives_back() -> None:
    """What was put is given back for an hour, and hits and misses are counted."""
    clock = Clock()
    cache = MemoryCache(10_000, clock=clock)
    cache.put(KEY, b"answer")

    clock.now_s += 3599
    before = cache.get(KEY)
    clock.now_s += 1
    after = cache.get(KEY)

    assert (before, after) == (b"answer", None)
    assert (cache.facts()["cache_hits"], cache.facts()["cache_misses"]) == (1, 1)
    assert cache.facts()["cache_bytes"] == 0


def test_memory_forgets_what_was_not_used() -> None:
    """What was not used for longest makes room; asking for an answer is using it."""
    cache = MemoryCache(3 * 600)
    for name in ("a", "b", "c"):
        cache.put(name, name.encode() * 200)
    cache.get("a")

    cache.put("d", b"d" * 200)

    assert [cache.get(name) is not None for name in ("a", "b", "c", "d")] == [True, False, True, True]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3000))), st.integers(0, 5000))
def test_memory_is_bounded(puts: list[tuple[str, int]], most: int) -> None:
    """Whatever is put, the bytes held are counted right and never over the limit; the last one that fits is there."""
    cache = MemoryCache(most)

    for name, size in puts:
        cache.put(name, b"x" * size)
        held = cache.facts()

        assert int(held["cache_bytes"]) <= most
        assert (cache.get(name) is not None) == (size + 400 <= most)
    assert cache.facts()["cache_bytes"] == sum(
        len(value) + 400 for name in "abcdef" if (value := cache.get(name)) is not None
    )


def test_redis_gives_back(server: Redis, direct: redis.Redis) -> None:
    """What one station put another gets, from a real Redis that forgets it after an hour."""
    one, other = (RedisCache(server.url, limit_s=GENEROUS_S) for _ in range(2))

    before = other.get(KEY)
    one.put(KEY, b"answer")
    after = other.get(KEY)

    assert (before, after) == (None, b"answer")
    assert 3_590_000 < direct.pttl(PREFIX + KEY) <= 3_600_000
    assert other.facts() == {
        "cache": "redis",
        "cache_state": "ready",
        "cache_hits": 1,
        "cache_misses": 1,
        "cache_errors": 0,
        "cache_skipped": 0,
    }
    one.close()
    other.close()


def test_redis_expires(server: Redis) -> None:
    """What is too old is a miss."""
    cache = RedisCache(server.url, limit_s=GENEROUS_S, life_s=0.05)
    cache.put(KEY, b"answer")

    wait_for(lambda: cache.get(KEY) is None, "the expiry")

    cache.close()


@pytest.mark.parametrize("what", ["cut", "changed", "another's", "empty", "a list"])
def test_corrupted_entry(server: Redis, direct: redis.Redis, what: str) -> None:
    """An entry that is not as it was put is a miss, and the cache goes on."""
    cache = RedisCache(server.url, limit_s=GENEROUS_S)
    cache.put(KEY, b"answer")
    cache.put("other", b"other answer")
    raw, others = direct.get(PREFIX + KEY), direct.get(PREFIX + "other")
    assert isinstance(raw, bytes)
    assert isinstance(others, bytes)
    direct.delete(PREFIX + KEY)
    if what == "a list":
        direct.lpush(PREFIX + KEY, "answer")
    else:
        direct.set(PREFIX + KEY, {"cut": raw[:-1], "changed": raw[:-1] + b"R", "another's": others, "empty": b""}[what])

    got = cache.get(KEY)

    assert got is None
    assert cache.facts()["cache_state"] == "ready"
    assert cache.get("other") == b"other answer"
    cache.close()


def test_dead_redis() -> None:
    """A Redis that is not there is skipped at once, for a while, and no get or put fails."""
    clock = Clock()
    cache = RedisCache(f"redis://127.0.0.1:{free_port()}/0", limit_s=GENEROUS_S, clock=clock)

    with capture_logs() as logs:
        got = [cache.get(KEY) for _ in range(5)]
    cache.put(KEY, b"answer")

    assert got == [None] * 5
    facts = cache.facts()
    assert (facts["cache_state"], facts["cache_errors"], facts["cache_skipped"]) == ("skipped", 1, 5)
    assert [log["event"] for log in logs] == ["result cache skipped"]
    cache.close()


@pytest.mark.parametrize("piece", [b"", b"$", b"+"], ids=["silent", "drips a number", "drips a line"])
def test_slow_redis(piece: bytes) -> None:
    """A Redis that never comes to an end costs one limit, and is then not asked for a while."""
    clock = Clock()
    silent = Silent(piece)
    cache = RedisCache(silent.url, limit_s=0.1, clock=clock)

    got = [cache.get(KEY) for _ in range(5)]
    connections = silent.connections
    clock.now_s += 30
    got.append(cache.get(KEY))

    assert got == [None] * 6
    assert connections <= 1
    assert (cache.facts()["cache_errors"], cache.facts()["cache_skipped"]) == (2, 4)
    cache.close()
    silent.close()


def test_redis_comes_back(tmp_path: Path) -> None:
    """A Redis that died is used again when it is back and the pause is over."""
    clock = Clock()
    server = Redis(tmp_path)
    cache = RedisCache(server.url, limit_s=GENEROUS_S, clock=clock)
    cache.put(KEY, b"answer")
    server.stop()
    dead = cache.get(KEY), cache.facts()["cache_state"]
    server.start()
    skipped = cache.get(KEY), cache.facts()["cache_skipped"]

    clock.now_s += 30
    cache.put(KEY, b"answer")

    assert dead == (None, "skipped")
    assert skipped == (None, 1)
    assert cache.get(KEY) == b"answer"
    assert cache.facts()["cache_state"] == "ready"
    cache.close()
    server.stop()


def test_password(tmp_path: Path) -> None:
    """A Redis that refuses the password is skipped, and the right one is taken; neither is shown."""
    server = Redis(tmp_path, "--requirepass", PASSWORD)
    with capture_logs() as logs:
        caches = [
            RedisCache(server.url, limit_s=GENEROUS_S, password=password)
            for password in (SecretStr(PASSWORD), SecretStr("wrong-" + PASSWORD), None)
        ]
        for cache in caches:
            cache.put(KEY, b"answer")
        got = [cache.get(KEY) for cache in caches]

    assert got == [b"answer", None, None]
    assert [cache.facts()["cache_state"] for cache in caches] == ["ready", "skipped", "skipped"]
    assert PASSWORD not in repr(logs) + repr([vars(cache) for cache in caches])
    for cache in caches:
        cache.close()
    server.stop()


@pytest.mark.parametrize("url", ["http://cache", "redis://:secret@cache", "redis://cache?password=secret", "redis://["])
def test_url_that_is_none(url: str) -> None:
    """An address that is none, or holds a password, is refused at the start, without the password."""
    with pytest.raises(ReaderError, match="redis_url") as caught:
        RedisCache(url)

    assert "secret" not in str(caught.value)
