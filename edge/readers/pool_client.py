"""The pool's end of HTTP, as a station asks it.

Promises: what is not one whole reading is a `ReaderError` in one sentence (L3); a refusal is told apart from a failure,
since a pool that refuses works; proxies and credentials of the environment are not used.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.core.reading import Reading
from edge.errors import ReaderError
from edge.http_facts import distrust, plain
from edge.readers import read_form

#: A connection on a plant's network stands within milliseconds.
CONNECT_S = 1.0
#: Taken off the time that is left when the pool is told of it: the answer must still come back and be told.
MARGIN_MS = 10.0


class PoolClient:
    """The pool's end of HTTP. Any thread may call it; connections are kept.

    Args:
        url: where the pool answers, without a path.
        station: SITE/LINE/STATION, whose questions these are.
        ca: certificates that the pool's is checked against; None: the system's.
    """

    def __init__(self, url: str, station: str, *, ca: Path | None = None) -> None:
        import httpx2  # noqa: PLC0415 - imported where it is opened

        self.url = url.rstrip("/")
        self._station = station.encode("ascii", "replace").decode()
        self._client: Any = httpx2.Client(
            trust_env=False,
            verify=_trust(ca),
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=16, max_keepalive_connections=16),
        )

    def read(self, wanted: read_form.Wanted, image: bytes, within_s: float) -> Reading:
        """Ask for a reading, within so long.

        Raises:
            PoolRefusedError: the pool has no time for it; it works.
            ReaderError: the pool did not answer, or could not read.
        """
        heads = {
            "content-type": read_form.MEDIA_TYPE,
            read_form.STATION: self._station,
            read_form.DEADLINE: f"{max(1.0, within_s * 1000 - MARGIN_MS):.1f}",
        }
        status, body = self._asked("POST", read_form.PATH, read_form.question(wanted, image), heads, within_s)
        if status == 200:
            return read_form.read(body)
        why, sentence = read_form.refusal(body)
        if status == 503 and why:
            raise PoolRefusedError(why, f"the pool at {self.url} refuses the question ({why}): {sentence}")
        told = f": {sentence}" if sentence else ""
        raise ReaderError(f"the pool at {self.url} answers with status {status}{told}")

    def facts(self, within_s: float) -> Mapping[str, Any]:
        """What one replica tells of itself.

        Raises:
            ReaderError: the pool did not answer.
        """
        status, body = self._asked("GET", "/v1/pool", None, {}, within_s)
        try:
            told = json.loads(body)
        except ValueError:
            told = None
        if status != 200 or not isinstance(told, dict):
            raise ReaderError(
                f"{self.url} answers with status {status}, and not as a pool does; correct reader.pool.url"
            )
        return told

    def alive(self, within_s: float) -> None:
        """Ask the proxy before the replicas whether it works, whatever they do.

        Raises:
            ReaderError: it does not.
        """
        status, _ = self._asked("GET", "/-/healthz", None, {}, within_s)
        if status != 200:
            raise ReaderError(f"the proxy of the pool at {self.url} answers with status {status}")

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def _asked(
        self, method: str, path: str, body: bytes | None, heads: Mapping[str, str], within_s: float
    ) -> tuple[int, bytes]:
        import httpx2  # noqa: PLC0415

        limit = httpx2.Timeout(within_s, connect=min(CONNECT_S, within_s))
        try:
            response = self._client.request(method, self.url + path, content=body, headers=dict(heads), timeout=limit)
            return int(response.status_code), bytes(response.content)
        except httpx2.ConnectError as error:
            if (told := distrust(error)) is not None:
                raise ReaderError(f"the pool at {self.url} shows a certificate that is not trusted ({told})") from None
            raise ReaderError(f"the pool at {self.url} takes no connection ({plain(error)})") from None
        except httpx2.TimeoutException:
            raise ReaderError(f"the pool at {self.url} did not answer within {within_s:.1f} s") from None
        except (httpx2.HTTPError, OSError, ValueError) as error:
            raise ReaderError(f"the pool at {self.url} broke the connection off ({plain(error)})") from None


class PoolRefusedError(ReaderError):
    """Raised where the pool works and does not read this frame; `why` is the reason's name."""

    def __init__(self, why: str, sentence: str) -> None:
        self.why = why
        super().__init__(sentence)


def _trust(ca: Path | None) -> Any:
    try:
        return True if ca is None else ssl.create_default_context(cafile=ca)
    except OSError as error:  # ssl.SSLError is one
        raise ReaderError(f"the certificate file {ca} cannot be used ({error}); name a PEM file") from None
