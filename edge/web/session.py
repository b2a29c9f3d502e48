"""Who may change something: whoever knows the panel's token, by a header, or by a session that a page has opened.

Promises: without a token nobody changes anything, and each refusal says why. A session is a signed cookie that scripts
cannot read and other sites cannot send; a change by cookie needs the session's own word in a header, too. A new token
ends every session.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.errors import UseError
from edge.web.refusals import NotAllowedError

COOKIE = "edge_session"
CSRF_HEADER = "x-edge-csrf"
#: A session outlives a shift and not a day, s.
SESSION_S = 12 * 3600
#: Wrong tokens that are listened to within `WRONG_S`: a person's typing errors, and no search.
MAX_WRONG = 5
WRONG_S = 60.0
MAX_NAME = 60
#: The longest body that a change may have, bytes.
MAX_BODY = 64_000


@dataclass(frozen=True, slots=True)
class Session:
    """A person who has shown the token. `csrf` is the word that each change by the page needs."""

    name: str
    csrf: str


class Sessions:
    """Opens, checks and ends sessions. `token` gives the token at each use, None where there is none."""

    def __init__(self, token: Callable[[], str | None]) -> None:
        self._token = token
        self._wrong: deque[float] = deque(maxlen=MAX_WRONG)

    def routes(self) -> list[Route]:
        """`/v1/session`: GET says how things are, POST opens, DELETE ends."""
        return [
            Route("/v1/session", self._say),
            Route("/v1/session", self._begin, methods=["POST"]),
            Route("/v1/session", self._end, methods=["DELETE"]),
        ]

    def who(self, request: Request, *, by: str = "") -> str:
        """The person who asks for a change; by header it is whom `by` names.

        Raises:
            NotAllowedError: They may not.
        """
        token = self._needed()
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            self._check(token, shown.strip())
            return by or "token"
        session = self._session(request, token)
        if session is None:
            raise NotAllowedError(401, "nobody is signed in: sign in with the panel's token")
        if not _same(request.headers.get(CSRF_HEADER, ""), session.csrf):
            raise NotAllowedError(403, f"the header {CSRF_HEADER} is not this session's: load the page anew")
        return session.name

    def _needed(self) -> str:
        token = self._token()
        if token is None:
            raise NotAllowedError(403, "this panel changes nothing, since it has no token: set [panel] token_file")
        return token

    def _check(self, token: str, shown: str) -> None:
        now_s = time.monotonic()
        if len(self._wrong) == MAX_WRONG and now_s - self._wrong[0] < WRONG_S:
            raise NotAllowedError(
                429, f"{MAX_WRONG} wrong tokens in {WRONG_S:g} s: wait a minute", retry_after_s=WRONG_S
            )
        if not _same(shown, token):
            self._wrong.append(now_s)
            raise NotAllowedError(401, "the token is not the panel's: ask whoever runs the station")

    def _say(self, request: Request) -> Response:
        token = self._token()
        session = None if token is None else self._session(request, token)
        state = "off" if token is None else "signed_out" if session is None else "signed_in"
        return JSONResponse(
            {"state": state, "name": session and session.name, "csrf": session and session.csrf},
        )

    async def _begin(self, request: Request) -> Response:
        given = await json_body(request)
        token = self._needed()
        self._check(token, text_of(given, "token", 1000))
        name = text_of(given, "name", MAX_NAME).strip()
        if not name:
            raise UseError("name is empty: say who you are; each correction carries it")
        told = json.dumps([name, int(time.time()) + SESSION_S]).encode()
        signed = base64.urlsafe_b64encode(told).decode() + "." + _sign(token, told)
        answer = JSONResponse({"state": "signed_in", "name": name, "csrf": _sign(token, b"csrf" + told)})
        answer.set_cookie(
            COOKIE,
            signed,
            max_age=SESSION_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    async def _end(self, _request: Request) -> Response:
        answer = JSONResponse({"state": "signed_out", "name": None, "csrf": None})
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    def _session(self, request: Request, token: str) -> Session | None:
        told, _, signature = request.cookies.get(COOKIE, "").partition(".")
        try:
            plain = base64.b64decode(told, altchars=b"-_", validate=True)
        except ValueError:
            return None
        if not plain or not _same(signature, _sign(token, plain)):
            return None
        name, until = json.loads(plain)
        return Session(name, _sign(token, b"csrf" + plain)) if time.time() < until else None


async def json_body(request: Request) -> dict[str, object]:
    """The JSON object that a request carries.

    Raises:
        UseError: It carries none, or one that is too long, or says that it is something else.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise UseError("the body must be application/json")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise UseError(f"the body has more than {MAX_BODY} bytes, which is the limit: send less")
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
    return value


def _sign(token: str, told: bytes) -> str:
    return hmac.new(token.encode(), told, hashlib.sha256).hexdigest()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
