"""Keep a remote model's answers for an hour, in memory or in Redis: the same picture and question are asked once.

Promises: a cache never fails a reading and hardly slows one: what is dead, slow or refuses costs one limit of some
milliseconds, and is then skipped for a while; what is not exactly the entry that was put there is a miss.
"""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr

from edge.errors import ReaderError

log = structlog.get_logger()

LIFE_S = 3600.0
PREFIX = "edge:answer:"
#: A Redis on the plant's network answers in well under a millisecond; a server that needs longer than this saves
#: nothing worth waiting for.
REDIS_LIMIT_S = 0.05
#: How long a Redis that failed is left alone.
PAUSE_S = 30.0
#: What Python needs for an entry beside its value, bytes: key, tuple, number, place in the dictionary.
_OVERHEAD = 400
_SEAL_BYTES = 16


class AnswerCache(Protocol):
    """Where answers are kept. Any thread may call it; nothing here raises."""

    def get(self, key: str) -> bytes | None:
        """The value that was put there less than an hour ago, or None."""

    def put(self, key: str, value: bytes) -> None:
        """Keep a value, if it can be kept."""

    def facts(self) -> dict[str, str | int]:
        """Kind, state and counters, for the heartbeat."""

    def close(self) -> None:
        """Let go of what is held."""


def key_of(*parts: bytes | str | int | None) -> str:
    """SHA-256 (hex) over parts of any length and kind; no two lists of parts are written alike."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part if isinstance(part, bytes) else repr(part).encode()
        digest.update(f"{type(part).__name__} {len(raw)} ".encode())
        digest.update(raw)
    return digest.hexdigest()


class MemoryCache:
    """The answers used last, in at most `most_bytes` bytes of memory."""

    def __init__(self, most_bytes: int, *, life_s: float = LIFE_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes = most_bytes
        self._life_s = life_s
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._bytes = 0
        self._counts: Counter[str] = Counter(cache_hits=0, cache_misses=0, cache_errors=0)

    def get(self, key: str) -> bytes | None:
        """The value, which counts as used now; None where there is none, or it is too old."""
        with self._lock:
            held = self._kept.get(key)
            if held is not None and self._clock() - held[1] >= self._life_s:
                self._drop(key)
                held = None
            self._counts["cache_misses" if held is None else "cache_hits"] += 1
            if held is None:
                return None
            self._kept.move_to_end(key)
            return held[0]

    def put(self, key: str, value: bytes) -> None:
        """Keep a value; what was not used for longest makes room. A value larger than all the room is not kept."""
        with self._lock:
            if key in self._kept:
                self._drop(key)
            if _size(value) > self._most_bytes:
                return
            self._kept[key] = value, self._clock()
            self._bytes += _size(value)
            while self._bytes > self._most_bytes:
                self._drop(next(iter(self._kept)))

    def facts(self) -> dict[str, str | int]:
        """Kind, state, counters, and the bytes and entries held."""
        with self._lock:
            held = {"cache_bytes": self._bytes, "cache_entries": len(self._kept)}
            return {"cache": "memory", "cache_state": "ready", **self._counts, **held}

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _drop(self, key: str) -> None:
        value, _ = self._kept.pop(key)
        self._bytes -= _size(value)


class RedisCache:
    """Answers in a Redis that several stations share, each with Redis' own expiry.

    `ready`: it is asked. `skipped`: it failed a short while ago and is not asked.
    """

    def __init__(
        self,
        url: str,
        *,
        password: SecretStr | None = None,
        life_s: float = LIFE_S,
        limit_s: float = REDIS_LIMIT_S,
        pause_s: float = PAUSE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._life_ms = round(life_s * 1000)
        self._limit_s = limit_s
        self._pause_s = pause_s
        self._clock = clock
        self._lock = threading.Lock()
        self._skipped_from_s: float | None = None
        self._counts: Counter[str] = Counter(cache_hits=0, cache_misses=0, cache_errors=0, cache_skipped=0)
        self._client = _open(url, password, limit_s)

    def get(self, key: str) -> bytes | None:
        """The value; None where there is none, it is not as it was put, or Redis does not answer in time."""
        raw, answered = self._limited(lambda client: client.get(PREFIX + key))
        if not answered:
            return None
        value = _unsealed(key, raw) if isinstance(raw, bytes) else None
        with self._lock:
            self._counts["cache_misses" if value is None else "cache_hits"] += 1
        return value

    def put(self, key: str, value: bytes) -> None:
        """Keep a value for an hour, if Redis takes it in time."""
        self._limited(lambda client: client.set(PREFIX + key, _seal(key, value) + value, px=self._life_ms))

    def facts(self) -> dict[str, str | int]:
        """Kind, state and counters."""
        with self._lock:
            state = "ready" if self._skipped_from_s is None else "skipped"
            return {"cache": "redis", "cache_state": state, **self._counts}

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def _limited(self, act: Callable[[Any], Any]) -> tuple[Any, bool]:
        """What Redis answers within the limit; (None, False) where it does not, or was not asked.

        The limits of the client's sockets hold for each piece that comes, and not for the look-up of the name: only a
        thread that is not waited for holds the limit of the whole.
        """
        with self._lock:
            since_s = self._skipped_from_s
            if since_s is not None and self._clock() - since_s < self._pause_s:
                self._counts["cache_skipped"] += 1
                return None, False
        box: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()

        def work() -> None:
            try:
                box.put((act(self._client), None))
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not fail a reading
                box.put((None, error))

        threading.Thread(target=work, name="redis", daemon=True).start()
        try:
            answer, error = box.get(timeout=self._limit_s)
        except queue.Empty:
            answer, error = None, TimeoutError(f"no answer within {self._limit_s * 1e3:.0f} ms")
        if error is not None and str(error).startswith("WRONGTYPE"):
            return None, True  # someone else's entry under this key
        with self._lock:
            self._skipped_from_s = self._clock() if error is not None else None
            self._counts["cache_errors"] += error is not None
        if error is not None:
            # Connections that still wait for an answer are ended, and the threads with them.
            self._client.connection_pool.disconnect()
            log.warning("result cache skipped", why=f"{type(error).__name__}: {error}"[:200], pause_s=self._pause_s)
        elif since_s is not None:
            log.info("result cache is used again")
        return answer, error is None


def _size(value: bytes) -> int:
    return len(value) + _OVERHEAD


def _seal(key: str, value: bytes) -> bytes:
    """Over key and value, so that half an entry, or another key's, is a miss. It keeps no one out: Redis' ACL does."""
    return hashlib.sha256(key.encode() + value).digest()[:_SEAL_BYTES]


def _unsealed(key: str, raw: bytes) -> bytes | None:
    value = raw[_SEAL_BYTES:]
    return value if raw[:_SEAL_BYTES] == _seal(key, value) else None


def _open(url: str, password: SecretStr | None, limit_s: float) -> Any:
    """A client that has not connected yet.

    Raises:
        ReaderError: the package is missing, or the URL is none.
    """
    try:
        import redis  # noqa: PLC0415 - imported where it is opened
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415
    except ImportError:
        raise ReaderError(
            "the result cache in Redis needs the package redis, which is not installed; "
            "install it: pip install 'edge-inspection[redis]'"
        ) from None
    try:
        parts = urlsplit(url)
        held = parts.password is not None or "password" in parts.query
    except ValueError:
        raise ReaderError("the result cache's redis_url is no URL; write it like redis://cache:6379/0") from None
    if held:
        raise ReaderError("the result cache's redis_url holds a password; put it into a key file")
    try:
        return redis.Redis.from_url(
            url,
            password=None if password is None else password.get_secret_value(),
            socket_timeout=limit_s,
            socket_connect_timeout=limit_s,
            retry=Retry(NoBackoff(), 0),  # the client's own retries would outlast the limit
            protocol=2,
        )
    except (ValueError, TypeError) as error:
        raise ReaderError(f"the result cache's redis_url cannot be used ({error}); see redis://cache:6379/0") from None
