"""Ask an OpenAI-compatible server about a picture, within one limit of time and with a bounded number of tries.

Promises: the limit holds for a request as a whole, from the look-up of the name to the last byte, tries and waits
included; only what another try may help is tried again (no connection, a broken one, 429, 5xx); what goes wrong is one
sentence, a `ReaderError`, and never an answer (L3); the key is in no sentence, log or repr.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr

from edge.errors import ReaderError
from edge.http_facts import body_of, distrust, is_in_the_open, plain, retry_after_s
from edge.readers.chat.breaker import Breaker
from edge.readers.chat.chat_answer import Answer, Broken, parse, said

T = TypeVar("T")
log = structlog.get_logger()

#: Tries of one request in all.
TRIES = 3
#: Waits before the second try and the third, before jitter: base, then twice that.
BACK_OFF_S = 0.5
#: A connection on a plant's network stands within milliseconds; longer than this and another try is worth more.
CONNECT_S = 5.0
#: A completion of 256 tokens with five alternatives each is about 150 kB.
MOST_BYTES = 4_000_000
#: Runners-up that are asked for; more of them cost a server time and tell nothing.
ALTERNATIVES = 5

#: How a pattern is sent, by name: vLLM from 0.12 on, SGLang, and vLLM before 0.12. A server ignores, or refuses, what
#: it does not know, and the canary tells which.
#: https://docs.vllm.ai/en/latest/features/structured_outputs/
#: https://docs.sglang.ai/advanced_features/structured_outputs.html
FORMS: Mapping[str, Callable[[str], dict[str, Any]]] = MappingProxyType(
    {
        "structured_outputs": lambda pattern: {"structured_outputs": {"regex": pattern}},
        "regex": lambda pattern: {"regex": pattern},
        "guided_regex": lambda pattern: {"guided_regex": pattern},
        "none": lambda _pattern: {},
    }
)
#: What `/v1/models` says of a model and says again tomorrow; vLLM makes `created` and the permissions anew each time.
_LASTING = ("id", "root", "parent", "owned_by", "max_model_len", "meta")


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one picture (PNG); the answer has at most `cap` tokens, its end counted by most servers.

    A JSON `schema` says the same as the pattern, and is sent in its place: as OpenAI's `response_format`.
    """

    png: bytes
    text: str
    pattern: str | None = None
    cap: int = 32
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Manner:
    """How a server is asked: the form in which it takes a pattern; whether its probabilities are the model's own."""

    form: str = "none"
    honest: bool = False


class _Down(Exception):  # noqa: N818 - a phrase that becomes a ReaderError's
    """What another try may help; `wait_s` is what the server asks for."""

    def __init__(self, phrase: str, wait_s: float = 0.0) -> None:
        super().__init__(phrase)
        self.wait_s = wait_s


class RefusedError(ReaderError):
    """Raised when a server that works will not do what it was asked; no other try would change that."""

    def __init__(self, phrase: str, status: int) -> None:
        super().__init__(phrase)
        self.status = status


class Chat:
    """One server and one of its models. Any thread may call it; requests of one call go out side by side.

    Proxies and credentials of the environment are not used: what is asked is what the settings name.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key: SecretStr | None = None,
        timeout_s: float = 30.0,
        ca: Path | None = None,
        breaker: Breaker | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.url = _base(url)
        self.model = model
        self.timeout_s = timeout_s
        self.breaker = breaker or Breaker()
        self._key = api_key
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._counts: Counter[str] = Counter(requests=0, retries=0, failed=0, timed_out=0, refused=0)
        self._client = self._open(ca)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="remote-reader", daemon=True)
        self._thread.start()
        if api_key is not None and is_in_the_open(self.url):
            log.warning("the key is sent without encryption; an https address would keep it", url=self.url)

    def _open(self, ca: Path | None) -> Any:
        try:
            import httpx2  # noqa: PLC0415 - imported where it is opened
        except ImportError:
            raise ReaderError(
                "the remote reader needs the package httpx2, which is not installed; "
                "install it: pip install 'edge-inspection[remote]'"
            ) from None
        headers = {"content-type": "application/json", "accept": "application/json", "accept-encoding": "identity"}
        if self._key is not None:
            key = self._key.get_secret_value()
            if not key.isascii() or not key.isprintable() or " " in key:
                raise ReaderError("the remote reader's key holds blanks or characters that no header can hold; fix it")
            headers["authorization"] = f"Bearer {key}"
        try:
            verify: Any = True if ca is None else ssl.create_default_context(cafile=ca)
        except OSError as error:  # ssl.SSLError is one
            raise ReaderError(f"the certificate file {ca} cannot be used ({error}); name a PEM file") from None
        # The whole request is limited in `_within`; here only what another try may help.
        limits = httpx2.Limits(max_connections=16, max_keepalive_connections=8, keepalive_expiry=30.0)
        return httpx2.AsyncClient(
            headers=headers,
            verify=verify,
            timeout=httpx2.Timeout(None, connect=CONNECT_S),
            limits=limits,
            follow_redirects=False,  # a redirect would carry the key elsewhere
            trust_env=False,
        )

    def __repr__(self) -> str:
        return f"Chat({self.url!r}, {self.model!r})"

    def facts(self) -> dict[str, str | int]:
        """The breaker's state and all counters, for the heartbeat."""
        return {**self.breaker.facts(), **self._counts}

    def close(self) -> None:
        """End the connections and the thread; calling it again does nothing."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def ask(self, questions: Sequence[Question], manner: Manner, limit_s: float | None = None) -> list[Answer]:
        """Ask all questions at once and give their answers in the same order.

        Raises:
            ReaderError: one of them was not answered.
        """
        end_s = self._clock() + min(self.timeout_s, self.timeout_s if limit_s is None else limit_s)

        async def all_of_them() -> list[Answer | BaseException]:
            asked = (self._asked(question, manner, end_s) for question in questions)
            return await asyncio.gather(*asked, return_exceptions=True)

        answers = self._run(all_of_them())
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return [answer for answer in answers if isinstance(answer, Answer)]

    def listing(self, limit_s: float | None = None) -> dict[str, Any]:
        """What the server lists of the model, as far as it lasts; empty where it lists nothing of it.

        Raises:
            ReaderError: it did not answer.
        """
        end_s = self._clock() + min(self.timeout_s, self.timeout_s if limit_s is None else limit_s)

        def listed(body: bytes) -> dict[str, Any]:
            try:
                models = json.loads(body)["data"]
                found: dict[str, Any] = next((model for model in models if model["id"] == self.model), {})
                return {key: found[key] for key in _LASTING if key in found}
            except (ValueError, TypeError, KeyError, RecursionError):
                raise Broken("answered to /v1/models with something that is no list of models") from None

        return self._run(self._within(end_s, "GET", "/v1/models", None, listed))

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._loop.is_closed():
            coroutine.close()
            raise ReaderError("the remote reader was closed and is asked nothing any more; open it again")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _asked(self, question: Question, manner: Manner, end_s: float) -> Answer:
        constrained = question.pattern is not None and manner.form != "none"

        def answer(body: bytes) -> Answer:
            return parse(body, self.model, constrained=constrained, honest=manner.honest)

        body = json.dumps(self._body(question, manner)).encode()
        return await self._within(end_s, "POST", "/v1/chat/completions", body, answer)

    def _body(self, question: Question, manner: Manner) -> dict[str, Any]:
        picture = "data:image/png;base64," + base64.b64encode(question.png).decode()
        return {
            "model": self.model,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": picture}},
                        {"type": "text", "text": question.text},
                    ],
                }
            ],
            "max_tokens": question.cap,
            "temperature": 0,
            "logprobs": True,
            "top_logprobs": ALTERNATIVES,
            # A model that thinks first spends its few tokens on that.
            "chat_template_kwargs": {"enable_thinking": False},
            **_constraint(question, manner),
        }

    async def _within(self, end_s: float, method: str, path: str, body: bytes | None, read: Callable[[bytes], T]) -> T:
        """One request with its tries, within the limit, through the breaker; its answer as `read` reads it."""
        limit_s = end_s - self._clock()
        if limit_s <= 0:  # by what came before it; the server has done nothing wrong
            raise ReaderError(self._sentence(f"was not asked: the limit of {self.timeout_s:g} s was used up before"))
        self.breaker.enter()
        self._counts["requests"] += 1
        why = "was cut off"
        try:
            async with asyncio.timeout(limit_s):
                made = read(await self._tried(end_s, method, path, body))
        except TimeoutError:
            self._counts["timed_out"] += 1
            why = f"did not answer within {self.timeout_s:g} s"
        except RefusedError as refused:
            self.breaker.succeeded()
            self._counts["refused"] += 1
            raise RefusedError(self._sentence(str(refused)), refused.status) from None
        except (_Down, Broken) as broken:
            why = str(broken)
        except BaseException as error:
            # The breaker must not wait for this one for ever.
            self.breaker.failed(f"{type(error).__name__} in the reader")
            raise
        else:
            self.breaker.succeeded()
            return made
        self._counts["failed"] += 1
        why = self._sentence(why)
        self.breaker.failed(why)
        raise ReaderError(why)

    async def _tried(self, end_s: float, method: str, path: str, body: bytes | None) -> bytes:
        for number in range(1, TRIES):
            try:
                return await self._once(method, path, body)
            except _Down as down:
                wait_s = BACK_OFF_S * 2 ** (number - 1) * (0.5 + self._jitter())
                wait_s = max(wait_s, down.wait_s)
                if self._clock() + wait_s >= end_s:
                    raise _Down(f"{down}, and no time is left for another try ({self.timeout_s:g} s)") from None
                self._counts["retries"] += 1
                await self._sleep(wait_s)
        try:
            return await self._once(method, path, body)
        except _Down as down:
            raise _Down(f"{down}, {TRIES} times in a row") from None

    async def _once(self, method: str, path: str, body: bytes | None) -> bytes:
        import httpx2  # noqa: PLC0415 - imported where it is opened

        try:
            async with self._client.stream(method, self.url + path, content=body) as response:
                body = await body_of(response, MOST_BYTES)
                if body is None:
                    raise Broken(f"answered with more than {MOST_BYTES} bytes")
                return self._judged(response.status_code, response.headers, body, path)
        except httpx2.ConnectTimeout:
            raise _Down(f"took no connection within {CONNECT_S:g} s") from None
        except httpx2.ConnectError as error:
            if (told := distrust(error)) is not None:
                raise Broken(f"shows a certificate that is not trusted ({told}); name its CA file in ca") from None
            raise _Down(f"takes no connection ({plain(error)})") from None
        except (httpx2.NetworkError, httpx2.RemoteProtocolError) as error:
            raise _Down(f"broke the connection off ({plain(error)})") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            raise Broken(f"could not be asked ({plain(error)})") from None

    def _judged(self, status: int, headers: Mapping[str, str], body: bytes, path: str) -> bytes:
        """The body of a success.

        Raises:
            _Down, RefusedError, Broken: it is none.
        """
        if status == 200:
            if headers.get("content-encoding", "identity") != "identity":
                raise Broken(f"answered with a compressed body ({headers['content-encoding'][:20]}), unasked")
            return body
        told = f": {said(body)}" if body else ""
        if status == 429 or status >= 500:
            wait_s = retry_after_s(headers.get("retry-after", ""))
            raise _Down(
                f"answers with status {status}{told}" + (f" and asks to wait {wait_s:.0f} s" if wait_s else ""), wait_s
            )
        if path == "/v1/models" and status in {404, 405, 501}:
            return b'{"data": []}'  # gateways need not have it
        if status in {401, 403}:
            what = "refuses the key (status {0}); put the right one into the key file"
        elif 300 <= status < 400:
            what = "sends elsewhere (status {0}); name the address that it means in url"
        elif status == 404:
            what = f"knows no model {self.model!r}, or no {path} (status {{0}})"
        else:
            what = "refuses the request (status {0})"
        raise RefusedError(what.format(status) + told, status)

    def _sentence(self, phrase: str) -> str:
        sentence = f"the server {self.url} of the remote reader {phrase}"
        key = self._key.get_secret_value() if self._key is not None else ""
        return sentence.replace(key, "***") if key else sentence


def _constraint(question: Question, manner: Manner) -> dict[str, Any]:
    """What holds the answer to its form, as the server takes it."""
    if question.pattern is None or manner.form == "none":
        return {}
    if question.schema is not None:
        named = {"name": "answer", "strict": True, "schema": question.schema}
        return {"response_format": {"type": "json_schema", "json_schema": named}}
    return FORMS[manner.form](question.pattern)


def _base(url: str) -> str:
    """The server's address without `/v1`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ReaderError("the remote reader's url is no URL; write it like http://gpu-pool:8000") from None
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ReaderError("the remote reader's url holds more than an address; put a key into the key file")
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ReaderError(f"the remote reader's url {url!r} is no address; write it like http://gpu-pool:8000")
    return url.rstrip("/").removesuffix("/v1")
