"""The reader `pool`: frames go to a pool of readers on GPU servers, and are read here where it is late or away.

Promises: what the pool reads is what the same reader reads here, to the last character (`read_form`); a question tells
the pool how long its answer is waited for; where there is none after `hedge_s`, the local `ocr` reader reads beside it,
and of both the pool's counts if it is there first; a pool that failed several times in a row is left alone for a while
and costs no part any time; an answer by another kind of reader than the station is set to is a failure (L4), and no
failure is an empty reading (L3). A reading says which reader it is by, and that reader's hash.

Whether a part may pass on local readings alone the core decides, by the readers that its policy names.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from typing import Literal, Protocol

import cv2
import structlog

from edge.core.fields import Product
from edge.core.reading import Reading, joint_name
from edge.errors import ReaderError
from edge.readers import read_form
from edge.readers.chat.breaker import Breaker
from edge.readers.pool_client import PoolRefusedError
from edge.readers.reader import Image, Located, Reader

log = structlog.get_logger()

#: A pool that was taken away answers again some seconds after it is back: a replica starts in 5 to 20 s.
PAUSE_S, FAILURES, JITTER = 5.0, 3, 0.5
#: Questions on their way at a time: those that nobody waits for any more end by their own limit.
MOST_ASKED = 8

#: By whom a reading was, and why not by the pool: the counters of the heartbeat (`edge.services.health` reads them).
ANSWERS = ("pool", "pool_after_hedge", "here_late", "here_refused", "here_failed", "here_left_alone", "none")
WhenLate = Literal["hold", "ocr", "off"]
_Frame = tuple[Image, Product, Located, Mapping[str, str] | None]


class Client(Protocol):
    """Asks the pool, as `PoolClient` does."""

    url: str

    def read(self, wanted: read_form.Wanted, image: bytes, within_s: float) -> Reading:
        """Ask for a reading, within so long."""

    def close(self) -> None:
        """End the connections."""


class Pool:
    """A pool's reader, with the one beside the camera for when it is late. One thread calls it at a time.

    Args:
        client: how the pool is asked.
        kind: what the pool's readers are: "ocr", "vlm" or "ocr+vlm".
        local: finds the text for the gate, and reads where the pool does not.
        hedge_s: how long the pool is waited for before the local reader begins.
        timeout_s: longest wait for a reading that no deadline limits.
        late: "off": no local reading at all, and what the pool does not read is a failure.
    """

    name = "pool"

    def __init__(
        self,
        client: Client,
        kind: str,
        local: Reader,
        *,
        hedge_s: float,
        timeout_s: float,
        late: WhenLate = "hold",
        breaker: Breaker | None = None,
    ) -> None:
        self._client, self._kind, self._local = client, kind, local
        self._hedge_s, self._timeout_s, self._late = hedge_s, timeout_s, late
        self._breaker = breaker or Breaker(failures=FAILURES, pause_s=PAUSE_S, jitter=JITTER, who="the pool")
        self._asking = ThreadPoolExecutor(MOST_ASKED, thread_name_prefix="pool")
        self._room = threading.BoundedSemaphore(MOST_ASKED)
        self._counts: Counter[str] = Counter()
        self._hash = ""

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of the reader that read last, the pool's or this one's; the local one's before the first."""
        return self._hash or self._local.hash

    def facts(self) -> dict[str, str | int]:
        """The breaker's state, and by whom frames were read, for the heartbeat."""
        return {**self._breaker.facts(), **{f"pool_{name}": self._counts[name] for name in ANSWERS}}

    def close(self) -> None:
        """End the connections."""
        self._asking.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def locate(self, image: Image) -> Located:
        """Find the text lines of an image, as the local reader does.

        Raises:
            ReaderError: it could not do its work.
        """
        return self._local.locate(image)

    def read(
        self,
        image: Image,
        product: Product,
        located: Located | None = None,
        draft: Mapping[str, str] | None = None,
    ) -> Reading:
        """Read the product's fields of an image that is no frame of a station: it is sent without loss.

        Raises:
            ReaderError: neither the pool nor the local reader could read it.
        """
        encoded = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
        return self.read_frame(encoded, image, product, located, draft, within_s=self._timeout_s)

    def read_frame(
        self,
        encoded: bytes,
        image: Image,
        product: Product,
        located: Located | None,
        draft: Mapping[str, str] | None,
        *,
        within_s: float,
    ) -> Reading:
        """Read the product's fields of a frame, whose bytes `encoded` the image was made from, within so long.

        Raises:
            ReaderError: neither the pool nor the local reader could read it.
        """
        end_s = time.monotonic() + within_s
        located = located or self._local.locate(image)
        frame = image, product, located, draft
        wanted = read_form.Wanted(read_form.file_of(product), draft or {}, located.boxes)
        try:
            self._breaker.enter()
        except ReaderError as error:
            return self._here("here_left_alone", error, frame)
        asked = self._sent(wanted, encoded, end_s)
        try:
            return self._by("pool", asked.result(min(self._hedge_s, _left_s(end_s))))
        except Late:
            pass
        except PoolRefusedError as error:
            return self._here("here_refused", error, frame)
        except ReaderError as error:
            return self._here("here_failed", error, frame)
        if self._late == "off":
            return self._waited_for(asked, end_s)
        return self._hedged(asked, frame)

    def _hedged(self, asked: Future[Reading], frame: _Frame) -> Reading:
        """The local reading, unless the pool's has come by then."""
        reading = self._local.read(*frame)
        if asked.done() and asked.exception() is None:
            return self._by("pool_after_hedge", asked.result())
        log.info("the pool is late, and the frame is read here", pool=self._client.url, hedge_ms=self._hedge_s * 1e3)
        return self._by("here_late", reading)

    def _here(self, how: str, error: ReaderError, frame: _Frame) -> Reading:
        """The local reading in place of the pool's, which failed."""
        if self._late == "off":
            self._counts["none"] += 1
            raise error
        reading = self._local.read(*frame)
        log.info("the pool did not read, and the frame is read here", why=str(error)[:300])
        return self._by(how, reading)

    def _waited_for(self, asked: Future[Reading], end_s: float) -> Reading:
        try:
            return self._by("pool", asked.result(_left_s(end_s)))
        except Late:
            self._counts["none"] += 1
            raise ReaderError(
                f"the pool at {self._client.url} did not answer in time; the part's time is over"
            ) from None
        except ReaderError:
            self._counts["none"] += 1
            raise

    def _by(self, how: str, reading: Reading) -> Reading:
        self._counts[how] += 1
        self._hash = reading.reader_hash
        return reading

    def _sent(self, wanted: read_form.Wanted, encoded: bytes, end_s: float) -> Future[Reading]:
        """A question on its way; it ends by itself, and the breaker hears how."""
        if not self._room.acquire(blocking=False):
            failed: Future[Reading] = Future()
            why = f"{MOST_ASKED} questions to the pool at {self._client.url} are on their way already (max_asked)"
            self._breaker.failed(why)
            failed.set_exception(ReaderError(why))
            return failed
        asked = self._asking.submit(self._asked, wanted, encoded, end_s)
        asked.add_done_callback(lambda _asked: self._room.release())
        return asked

    def _asked(self, wanted: read_form.Wanted, encoded: bytes, end_s: float) -> Reading:
        try:
            reading = self._client.read(wanted, encoded, _left_s(end_s))
            self._counts_for(reading, end_s)
        except PoolRefusedError:
            self._breaker.succeeded()
            raise
        except BaseException as error:
            self._breaker.failed(str(error) if isinstance(error, ReaderError) else type(error).__name__)
            raise
        self._breaker.succeeded()
        return reading

    def _counts_for(self, reading: Reading, end_s: float) -> None:
        """Refuse a reading that is late, or by another kind of reader: one family of two would pass parts (L4)."""
        if time.monotonic() >= end_s:
            raise ReaderError(f"the pool at {self._client.url} answered when nobody waited any more")
        by = joint_name([look.reader for look in reading.looks])
        if by != self._kind:
            raise ReaderError(
                f"the pool at {self._client.url} reads with {by}, and reader.pool.kind is {self._kind}: make them one"
            )


def _left_s(end_s: float) -> float:
    return max(0.001, end_s - time.monotonic())
