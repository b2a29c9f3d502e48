"""Who is asking: somebody who shows the panel's token by a header, or a session that a page has opened, or nobody.

Promises: a session is opened by a user's password or by the token, and ends by itself, when its person leaves, when it
lies idle, and as soon as the token or the user's line is another. Its cookie is a number drawn by chance, which scripts
cannot read and other sites cannot send; a change by cookie needs the session's own word in a header, too. Whoever is
refused hears why, and what to do.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.adapters.users import MOST_PASSWORD, Role, Users
from edge.errors import UseError
from edge.web.refusals import NotAllowedError, RefusedError
from edge.web.throttle import Throttle

#: A browser sends a host's cookies to all of its ports: behind it stands which station's it is.
COOKIE = "edge_session"
#: A browser takes it over TLS alone, for this host alone (RFC 6265bis, 4.1.3.2).
TLS_PREFIX = "__Host-"
CSRF_HEADER = "x-edge-csrf"
SAFE_METHODS = frozenset({"GET", "HEAD"})
#: A session outlives a shift and not a day, s.
SESSION_S = 12 * 3600
IDLE_S = 3600.0
#: Sessions that are open at a time; the one that was used longest ago ends for a new one.
MAX_SESSIONS = 200
#: Passwords that wait to be checked, one at a time: each takes 64 MiB.
MAX_SIGNING_IN = 8
MAX_NAME = 60
#: The longest body that a change may have, bytes.
MAX_BODY = 64_000


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever sends a request. `csrf` is the word that each change by a session needs, None where there is none."""

    name: str | None
    role: Role
    csrf: str | None = None
    is_there: Callable[[], bool] = lambda: True

    @property
    def by_header(self) -> bool:
        """Whether a program shows the token with each request."""
        return self.name is not None and self.csrf is None


@dataclass(slots=True)
class _Open:
    """An open session. `proof` is what its person was known by; another one ends it."""

    name: str
    user: str | None
    proof: str
    csrf: str
    begun_s: float
    used_s: float


class Sessions:
    """Opens, checks and ends sessions. `token` gives the token at each use, None where there is none."""

    def __init__(
        self,
        token: Callable[[], str | None],
        *,
        token_role: Role = Role.ENGINEER,
        users: Users | None = None,
        anyone: Role = Role.VIEWER,
        idle_s: float = IDLE_S,
        station: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._token, self._token_role, self._users = token, token_role, users
        self._anyone, self._idle_s, self._clock = anyone, idle_s, clock
        self._cookie_name = cookie_of(station)
        self._throttle = Throttle(clock)
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._signing_in = 0
        self._one_at_a_time = asyncio.Lock()
        #: What each role may do; told to the page, which offers nothing else.
        self.may: Callable[[Role], list[str]] = lambda _role: []

    def routes(self) -> list[Route]:
        """`/v1/session`: GET says how things are, POST opens, DELETE ends."""
        return [
            Route("/v1/session", self._say),
            Route("/v1/session", self._begin, methods=["POST"]),
            Route("/v1/session", self._end, methods=["DELETE"]),
        ]

    def admit(self, request: Request, least: Role) -> Visitor:
        """Whoever sends this request, where they may.

        Raises:
            NotAllowedError: they may not.
        """
        if least <= self._anyone:
            # Whoever asks for what anybody may is not asked for a token: OpenAI's clients send a key everywhere.
            return self._by_cookie(request)
        visitor = self._visitor(request)
        if visitor.role < least:
            raise self._refusal(visitor, least)
        needs_word = request.method not in SAFE_METHODS and visitor.csrf is not None
        if needs_word and not _same(request.headers.get(CSRF_HEADER, ""), visitor.csrf or ""):
            raise NotAllowedError(403, f"the header {CSRF_HEADER} is not this session's: load the page anew")
        return visitor

    def claimed(self, name: str) -> str:
        """The name that somebody with the token gives: beside users who prove theirs it stands as no more than that."""
        return name if self._users is None else f"{name} (token)"

    def _refusal(self, visitor: Visitor, least: Role) -> NotAllowedError:
        if visitor.name is not None:
            sentence = (
                f"{visitor.name} is {visitor.role.word}, and this needs {least.word}: ask whoever runs the station"
            )
            return NotAllowedError(403, sentence)
        if not self._ways():
            sentence = "this panel changes nothing, since nobody can sign in: set [panel] token_file or users_file"
            return NotAllowedError(403, sentence)
        return NotAllowedError(401, f"nobody is signed in: sign in with {' or '.join(self._ways().values())}")

    def _ways(self) -> dict[str, str]:
        """How one can sign in."""
        ways = {} if self._users is None else {"password": "a user's name and password"}
        return ways if self._token() is None else ways | {"token": "the panel's token"}

    def _visitor(self, request: Request) -> Visitor:
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            self._check_token(shown.strip(), _address(request))
            return Visitor(self.claimed("token"), self._token_role)
        return self._by_cookie(request)

    def _by_cookie(self, request: Request) -> Visitor:
        number = request.cookies.get(self._cookie(request), "")
        found = self._session(number)
        if found is None:
            return Visitor(None, self._anyone)
        found.used_s = self._clock()
        self._open.move_to_end(_key(number))
        return Visitor(found.name, self._role(found), found.csrf, lambda: self._session(number) is not None)

    def _cookie(self, request: Request) -> str:
        return f"{TLS_PREFIX if request.url.scheme == 'https' else ''}{self._cookie_name}"

    def _session(self, number: str) -> _Open | None:
        """The session of a cookie; one that is over is forgotten."""
        found = self._open.get(_key(number))
        if found is None:
            return None
        now_s = self._clock()
        over = now_s - found.begun_s > SESSION_S or now_s - found.used_s > self._idle_s
        if over or not _same(found.proof, self._proof(found.user)):
            del self._open[_key(number)]
            return None
        return found

    def _proof(self, user: str | None) -> str:
        """What stands for the token, or for a user's line, now; "" where there is none."""
        if user is None:
            token = self._token()
            return "" if token is None else hashlib.sha256(token.encode()).hexdigest()
        line = None if self._users is None else self._users.get(user)
        return "" if line is None else line.hash

    def _role(self, session: _Open) -> Role:
        line = None if session.user is None or self._users is None else self._users.get(session.user)
        return self._token_role if session.user is None else Role.NOBODY if line is None else line.role

    def _check_token(self, shown: str, address: str) -> None:
        self._throttle.listen(address)
        token = self._token()
        if token is None:
            raise NotAllowedError(403, "this panel has no token: set [panel] token_file, or sign in as a user")
        if not _same(shown, token):
            self._throttle.wrong(address)
            raise NotAllowedError(401, "the token is not the panel's: ask whoever runs the station")

    async def _check_password(self, name: str, password: str, address: str) -> None:
        self._throttle.listen(address)
        if self._users is None:
            raise NotAllowedError(403, "this panel has no users: set [panel] users_file, or sign in with the token")
        if self._signing_in >= MAX_SIGNING_IN:
            sentence = f"{MAX_SIGNING_IN} people sign in at this moment (max_signing_in): try again in a second"
            raise NotAllowedError(429, sentence, retry_after_s=1)
        self._signing_in += 1
        try:
            async with self._one_at_a_time:
                self._throttle.listen(address)  # others of this address may have been wrong meanwhile
                user = await run_in_threadpool(self._users.check, name, password)
                if user is None:
                    self._throttle.wrong(address)
        finally:
            self._signing_in -= 1
        if user is None:
            raise NotAllowedError(401, "name and password do not fit: try again, or ask whoever runs the station")

    async def _say(self, request: Request) -> Response:
        visitor = self._visitor(request)
        ways = list(self._ways())
        state = "signed_in" if visitor.name is not None else "signed_out" if ways else "off"
        return self._told(state, visitor, ways)

    async def _begin(self, request: Request) -> Response:
        given = await json_body(request)
        name = text_of(given, "name", MAX_NAME).strip()
        if not name:
            raise UseError("name is empty: say who you are; each correction carries it")
        user = None if "token" in given else name
        if user is None:
            self._check_token(text_of(given, "token", MOST_PASSWORD), _address(request))
            name = self.claimed(name)
        else:
            await self._check_password(user, text_of(given, "password", MOST_PASSWORD), _address(request))
        number = secrets.token_urlsafe(32)
        now_s = self._clock()
        opened = _Open(name, user, self._proof(user), secrets.token_urlsafe(32), now_s, now_s)
        self._open.pop(_key(request.cookies.get(self._cookie(request), "")), None)  # nobody goes on with an earlier one
        self._open[_key(number)] = opened
        if len(self._open) > MAX_SESSIONS:
            self._open.popitem(last=False)
        answer = self._told("signed_in", Visitor(name, self._role(opened), opened.csrf), list(self._ways()))
        secure = request.url.scheme == "https"
        answer.set_cookie(
            self._cookie(request), number, max_age=SESSION_S, httponly=True, samesite="strict", secure=secure
        )
        return answer

    async def _end(self, request: Request) -> Response:
        self._open.pop(_key(request.cookies.get(self._cookie(request), "")), None)
        answer = self._told("signed_out", Visitor(None, self._anyone), list(self._ways()))
        secure = request.url.scheme == "https"
        answer.delete_cookie(self._cookie(request), httponly=True, samesite="strict", secure=secure)
        return answer

    def _told(self, state: str, visitor: Visitor, ways: list[str]) -> JSONResponse:
        facts: dict[str, Any] = {"state": state, "name": visitor.name, "csrf": visitor.csrf}
        return JSONResponse(facts | {"role": visitor.role.word, "ways": ways, "may": self.may(visitor.role)})


async def json_body(request: Request) -> dict[str, object]:
    """The JSON object that a request carries.

    Raises:
        UseError: It carries none, or says that it is something else.
        RefusedError: It is too long.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise UseError("the body must be application/json")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise RefusedError(413, "too_large", f"the body has more than {MAX_BODY} bytes, the limit: send less")
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise UseError("the body is not JSON") from None
    if not isinstance(given, dict):
        raise UseError("the body must be a JSON object")
    return given


def text_of(given: dict[str, object], key: str, longest: int) -> str:
    """A text of an object, "" where it is missing.

    Raises:
        UseError: It is no text, or too long.
    """
    value = given.get(key, "")
    if not isinstance(value, str) or len(value) > longest:
        raise UseError(f"{key} must be a text of at most {longest} characters")
    return value.encode("utf-8", "replace").decode()  # half a surrogate pair is no character


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def cookie_of(station: Sequence[str]) -> str:
    """The name of a station's cookie: two stations of one PC have one host, and must not end each other's sessions.

    `station` is its place (site, line, name); the name stands in it for whoever looks, the hash tells like ones apart.
    """
    if not station:
        return COOKIE
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in station[-1])[:32]
    return f"{COOKIE}_{plain}_{hashlib.sha256('/'.join(station).encode()).hexdigest()[:8]}"


def _key(number: str) -> str:
    """What is kept of a cookie; looked up by hash, so that the time of a look-up tells nothing of it."""
    return hashlib.sha256(number.encode("utf-8", "replace")).hexdigest()


def _same(one: str, other: str) -> bool:
    """Whether two texts are one, in a time that does not tell where they differ; an empty one is like none."""
    return bool(other) and hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))
