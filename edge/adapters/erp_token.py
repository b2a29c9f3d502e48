"""OAuth2 client credentials (RFC 6749 section 4.4): a token is kept until it expires, and got anew when refused."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus, urlsplit

from pydantic import SecretStr

from edge.adapters.erp import ErpAwayError
from edge.errors import ConfigError
from edge.http_facts import body_of, distrust
from edge.sections_erp import OAuth

MAX_TOKEN_BYTES = 100_000
#: A token is got anew so long before it expires, or after half its life: clocks differ, and answers take their time.
EARLY_S = 30.0
#: How long a token is kept whose life the server does not say.
UNSAID_S = 300.0


def header_value(secret: SecretStr, key: str) -> str:
    """A secret that stands in a header.

    Raises:
        ConfigError: no header can hold it.
    """
    text = secret.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError(f"{key}: holds blanks or characters that no header can hold; put the secret alone into it")
    return text


class Token:
    """The token of one client; used on one event loop."""

    def __init__(self, config: OAuth, client: Any, *, now_s: Callable[[], float]) -> None:
        """Prepare; nothing is asked yet.

        Raises:
            ConfigError: the client's secret cannot be read.
        """
        self._url = config.token_url
        self._where = f"ERP's token server ({urlsplit(config.token_url).netloc})"
        self._client = client
        self._now_s = now_s
        self._form = {"grant_type": "client_credentials"} | ({"scope": config.scope} if config.scope else {})
        # Both are form-encoded before they are joined (section 2.3.1).
        pair = f"{quote_plus(config.client_id)}:{quote_plus(config.client_secret.get_secret_value())}"
        self._basic = f"Basic {b64encode(pair.encode()).decode()}"
        self._kept = ""
        self._until_s = 0.0
        self._lock: asyncio.Lock | None = None

    async def get(self) -> str:
        """A token that is still good; several who ask at once get one and the same.

        Raises:
            ErpAwayError: none could be got.
        """
        self._lock = self._lock or asyncio.Lock()
        async with self._lock:
            if not self._kept or self._now_s() >= self._until_s:
                self._kept, life_s = await self._new()
                self._until_s = self._now_s() + max(life_s - EARLY_S, life_s / 2)
            return self._kept

    def forget(self, token: str) -> None:
        """Get another one next time; one that is another already stays."""
        if self._kept == token:
            self._kept = ""

    async def _new(self) -> tuple[str, float]:
        import httpx2  # noqa: PLC0415 - an extra

        headers = {"authorization": self._basic, "accept": "application/json", "accept-encoding": "identity"}
        try:
            async with self._client.stream("POST", self._url, data=self._form, headers=headers) as response:
                status, body = response.status_code, await body_of(response, MAX_TOKEN_BYTES)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            why = distrust(error)
            what = type(error).__name__ if why is None else f"its certificate is not trusted: {why}; see erp.ca_file"
            raise ErpAwayError(f"{self._where} could not be asked ({what}); see erp.oauth.token_url") from None
        if body is None:
            raise ErpAwayError(f"{self._where} answers with more than {MAX_TOKEN_BYTES} bytes; see token_url")
        if status in {400, 401, 403}:
            raise ErpAwayError(
                f"{self._where} refuses the client (status {status}); see erp.oauth: client_id, its secret, scope"
            )
        if status != 200:
            raise ErpAwayError(f"{self._where} gives no token (status {status}); see its log and erp.oauth.token_url")
        return self._read(body)

    def _read(self, body: bytes) -> tuple[str, float]:
        try:
            told = json.loads(body)
            token, life_s = told["access_token"], float(told.get("expires_in", UNSAID_S))
            sound = str(told.get("token_type", "Bearer")).lower() == "bearer" and 0 < life_s < float("inf")
            token = header_value(SecretStr(token), "token")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ConfigError):
            raise ErpAwayError(
                f"{self._where} answers with something that is no token; see erp.oauth.token_url"
            ) from None
        if not sound:
            raise ErpAwayError(f"{self._where} gives no token for a bearer that lives; see erp.oauth.token_url")
        return token, life_s
