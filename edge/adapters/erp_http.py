"""The link to ERP's web server: one request within one limit of time and size, signed, and each fault by its name.

Promises: the limit holds from the look-up of the host's name to the last byte, the token and a second try included;
nobody is followed to another address, since the key would go there too; what the server writes is never repeated in an
error, nor is a key, secret or token.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog

from edge.adapters.erp import MAX_OPEN_QUESTIONS, ErpAwayError
from edge.adapters.erp_token import Token, header_value
from edge.errors import ConfigError, ErpError
from edge.http_facts import body_of, distrust, is_in_the_open, plain, retry_after_s
from edge.sections_erp import RestErp

log = structlog.get_logger()

#: A record is some hundred bytes; a page of a listing some hundred kB.
MAX_ANSWER_BYTES = 1_000_000
MAX_PAGE_BYTES = 64_000_000
#: A server that asks to be left alone is left alone, but not for longer: a part may come that only it knows.
MAX_WAIT_S = 60.0


class ErpBusyError(ErpAwayError):
    """Raised when ERP asks to be left alone for `wait_s`."""

    def __init__(self, sentence: str, wait_s: float) -> None:
        super().__init__(sentence)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Answer:
    """Status 200, 304 or 404; what the others mean is an error. `next_url`: what `Link: rel=next` says."""

    status: int
    body: bytes
    url: str
    content_type: str = ""
    etag: str = ""
    next_url: str = ""


class ErpHttp:
    """One server. Any thread may ask; proxies and credentials of the environment are not used."""

    def __init__(self, config: RestErp, *, now_s: Callable[[], float] = time.monotonic) -> None:
        """Prepare; nothing is connected yet.

        Raises:
            ConfigError: a secret cannot be read or stand in a header, or the CA file cannot be used.
            ErpError: httpx2 is not installed.
        """
        self.source = f"rest:{urlsplit(config.url).netloc}"
        self._now_s = now_s
        self._headers = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "edge"}
        if (key := config.api_key) is not None:
            self._headers[config.api_key_header] = header_value(key, "erp.api_key_file")
        self._client = _client(config.ca_file)
        self._token = None if config.oauth is None else Token(config.oauth, self._client, now_s=now_s)
        self._signed = "API key" if key is not None else "token" if self._token is not None else ""
        self.open_to_all = bool(self._signed) and is_in_the_open(config.url)
        if self.open_to_all:
            log.warning("the key is sent without encryption; an https address would keep it", url=config.url)
        self._free = threading.BoundedSemaphore(MAX_OPEN_QUESTIONS)
        self._not_before_s = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="erp link", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the connections and the thread; calling it again does nothing."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await self._client.aclose()

    def ask(
        self, url: str, limit_s: float, *, most_bytes: int = MAX_ANSWER_BYTES, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """GET an address of this server.

        Raises:
            ErpAwayError: there is no answer that says anything; its sentence says which fault it was.
        """
        if (wait_s := self._not_before_s - self._now_s()) > 0:
            raise ErpBusyError(self._sentence(f"asked to be left alone for {wait_s:.0f} s more (Retry-After)"), wait_s)
        if not self._free.acquire(blocking=False):
            raise ErpAwayError(
                self._sentence(f"still owes {MAX_OPEN_QUESTIONS} answers (max_open_questions); see whether it hangs")
            )
        try:
            asked = self._within(url, limit_s, most_bytes, {**self._headers, **(headers or {})})
            return asyncio.run_coroutine_threadsafe(asked, self._loop).result()
        finally:
            self._free.release()

    async def _within(self, url: str, limit_s: float, most_bytes: int, headers: dict[str, str]) -> Answer:
        import httpx2  # noqa: PLC0415 - an extra

        try:
            async with asyncio.timeout(limit_s):
                return await self._signed_request(url, most_bytes, headers)
        except (TimeoutError, httpx2.TimeoutException):
            raise ErpAwayError(
                self._sentence(
                    f"did not answer within {limit_s * 1000:.0f} ms (erp.timeout_ms); see whether it is there"
                )
            ) from None
        except httpx2.ConnectError as error:
            if (told := distrust(error)) is not None:
                why = f"shows a certificate that is not trusted ({told}); name its CA file in erp.ca_file"
            else:
                why = f"takes no connection ({plain(error)}); see whether it runs, and erp.url"
            raise ErpAwayError(self._sentence(why)) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            raise ErpAwayError(
                self._sentence(f"broke the connection off ({type(error).__name__}); see its log")
            ) from None

    async def _signed_request(self, url: str, most_bytes: int, headers: dict[str, str]) -> Answer:
        """Ask with the token; a token that is refused is got anew once, since a server may forget it early."""
        if self._token is None:
            return self._judged(url, *await self._once(url, most_bytes, headers))
        token = await self._token.get()
        made = await self._once(url, most_bytes, headers | {"authorization": f"Bearer {token}"})
        if made[0] == 401:
            self._token.forget(token)
            token = await self._token.get()
            made = await self._once(url, most_bytes, headers | {"authorization": f"Bearer {token}"})
        return self._judged(url, *made)

    async def _once(self, url: str, most_bytes: int, headers: dict[str, str]) -> tuple[int, Any, bytes, str]:
        import httpx2  # noqa: PLC0415 - an extra

        try:
            return await self._get(url, most_bytes, headers)
        except (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError):
            # A server may close a kept connection just when it is used again; a new one tells whether that was it.
            return await self._get(url, most_bytes, headers)

    async def _get(self, url: str, most_bytes: int, headers: dict[str, str]) -> tuple[int, Any, bytes, str]:
        async with self._client.stream("GET", url, headers=headers) as response:
            body = await body_of(response, most_bytes)
            if body is None:
                raise ErpAwayError(
                    self._sentence(
                        f"answers with more than {most_bytes} bytes (max_answer_bytes); see erp.lookup and the "
                        "size of a page"
                    )
                )
            return response.status_code, response.headers, body, response.links.get("next", {}).get("url", "")

    def _judged(self, url: str, status: int, headers: Any, body: bytes, next_url: str) -> Answer:
        if status in {200, 304, 404}:
            if headers.get("content-encoding", "identity") != "identity":
                raise ErpAwayError(self._sentence("answers with a compressed body, unasked; see its gateway"))
            kind = str(headers.get("content-type", ""))[:60]
            return Answer(status, body, url, kind, str(headers.get("etag", "")), next_url)
        if status in {429, 503} and (wait_s := retry_after_s(headers.get("retry-after", ""))):
            wait_s = min(wait_s, MAX_WAIT_S)
            self._not_before_s = self._now_s() + wait_s
            raise ErpBusyError(
                self._sentence(f"asks to be left alone for {wait_s:.0f} s (status {status}, Retry-After)"), wait_s
            )
        if 300 <= status < 400:
            where = urlsplit(headers.get("location", "")).hostname or "another path"
            raise ErpAwayError(
                self._sentence(
                    f"sends to {where[:80]} (status {status}), which is refused; name the address in erp.url"
                )
            )
        if status in {401, 403}:
            what = f"refuses the {self._signed}; see its rights" if self._signed else "wants an API key or a token"
            raise ErpAwayError(self._sentence(f"{what} (status {status})"))
        what = "takes no more questions now" if status == 429 else "fails" if status >= 500 else "refuses the question"
        raise ErpAwayError(self._sentence(f"{what} (status {status}); see its log"))

    def _sentence(self, what: str) -> str:
        return f"ERP ({self.source}) {what}"


def _client(ca_file: Path | None) -> Any:
    try:
        import httpx2  # noqa: PLC0415 - an extra
    except ImportError:
        raise ErpError(
            "ERP of kind rest needs the package httpx2, which is not installed; "
            "install it: pip install 'edge-inspection[rest]'"
        ) from None
    # Its debug lines repeat the headers of answers.
    logging.getLogger("httpcore2").setLevel(logging.WARNING)
    try:
        verify: Any = True if ca_file is None else ssl.create_default_context(cafile=ca_file)
    except OSError:  # ssl.SSLError is one
        raise ConfigError(f"erp.ca_file: {ca_file} holds no certificate; name a PEM file") from None
    limits = httpx2.Limits(
        max_connections=2 * MAX_OPEN_QUESTIONS, max_keepalive_connections=MAX_OPEN_QUESTIONS, keepalive_expiry=30.0
    )
    return httpx2.AsyncClient(verify=verify, timeout=None, limits=limits, follow_redirects=False, trust_env=False)
