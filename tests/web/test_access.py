"""Who may ask for what: a role for every address, sessions that end, and words that are listened to slowly."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge.adapters import users
from edge.adapters.users import ROLES, Role, User, Users
from edge.core.outcome import Reason
from edge.errors import ConfigError
from edge.services.panel import Doors
from edge.web.access import LEAST_ROLE, guarded
from edge.web.refusals import NotAllowedError
from edge.web.session import MAX_SESSIONS, Sessions, cookie_of
from edge.web.throttle import MAX_ADDRESSES, MAX_WRONG, MAX_WRONG_OF_ALL, WRONG_S, Throttle
from tests.web.site import TOKEN, PartOf, Site, site, until

PASSWORD = "correct horse battery"
#: What each row of the table is asked with.
FILLED = {"{inspection_id}": "nothing", "{number:int}": "0"}
ROWS = sorted(LEAST_ROLE)


class Clock:
    """Seconds, as a test wants them."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


@pytest.fixture(scope="module")
def people() -> dict[str, User]:
    """One person of each role, all with one password."""
    kept = users.hashed(PASSWORD)
    return {name: User(name, ROLES[name], kept) for name in ROLES}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, people: dict[str, User]) -> Path:
    """The file of these people."""
    path = tmp_path_factory.mktemp("users") / "users"
    users.write(path, people)
    return path


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, file: Path) -> Iterator[Site]:
    """A panel that lets nobody see who has not signed in."""
    with site(tmp_path_factory.mktemp("closed"), doors=Doors(anyone=Role.NOBODY, users=Users(file))) as made:
        yield made


@pytest.fixture(scope="module")
def signed_in(closed: Site) -> dict[str, dict[str, str]]:
    """The headers of each role's page."""
    return {role: closed.sign_in(role, password=PASSWORD) for role in ROLES} | {"nobody": {}}


def ask(station: Site, row: str, **headers: str) -> int:
    """The status that a row of the table is answered with; the body is none that can be followed."""
    method, _, path = row.partition(" ")
    for name, value in FILLED.items():
        path = path.replace(name, value)
    return station.ask(method, path, {} if method == "POST" else None, **headers).status


@pytest.mark.parametrize("role", ["nobody", *ROLES])
@pytest.mark.parametrize("row", [row for row in ROWS if row not in ("GET /v1/live", "DELETE /v1/session")])
def test_a_role_may_what_its_row_says(closed: Site, signed_in: Any, row: str, role: str) -> None:
    """Whoever is below a row's role is refused, 401 who is nobody and 403 who is somebody; all others are not."""
    status = ask(closed, row, **signed_in[role])
    may = LEAST_ROLE[row] <= ROLES.get(role, Role.NOBODY)

    assert (status not in (401, 403)) == may
    assert may or status == (401 if role == "nobody" else 403)


def served(station: Site) -> list[str]:
    """What an engineer is told that they may."""
    headers = station.sign_in("engineer", password=PASSWORD)
    told: list[str] = station.get("/v1/session", **headers).json["may"]
    return told


def test_every_address_of_the_panel_has_a_row(closed: Site) -> None:
    """The panel serves what the table lists, and the table lists nothing that is not served."""
    assert set(served(closed)) == set(LEAST_ROLE)


def test_an_address_without_a_row_is_not_served() -> None:
    """A panel with an address that nobody has given a least role does not start."""
    route = Route("/v1/new", partial(_nothing))

    with pytest.raises(KeyError, match="GET /v1/new"):
        guarded([route], Sessions(lambda: None))


async def _nothing(_request: Request) -> Response:
    return Response()


def test_the_page_is_told_what_its_person_may(closed: Site, signed_in: Any) -> None:
    """What a person may ask for is told with their role, so that the page offers nothing else."""
    told = {role: closed.get("/v1/session", **headers).json for role, headers in signed_in.items()}
    review = "POST /v1/outcomes/{inspection_id}/review"

    assert {role: one["role"] for role, one in told.items()} == {role: role for role in signed_in}
    assert [role for role, one in told.items() if review in one["may"]] == ["operator", "engineer"]
    assert [role for role, one in told.items() if "GET /v1/line" in one["may"]] == ["viewer", "operator", "engineer"]
    assert told["nobody"]["ways"] == ["password", "token"]


def test_a_review_says_which_user_gave_it(closed: Site, signed_in: Any) -> None:
    """The user's own name stands in the review, whatever the request claims; a name with the token is marked so."""
    first, second = (closed.add(PartOf(reason=Reason.RECORD_MISSING)) for _ in range(2))
    said = {"action": "reject", "by": "engineer"}
    by_user = closed.ask("POST", f"/v1/outcomes/{first}/review", said, **signed_in["operator"])
    by_token = closed.ask("POST", f"/v1/outcomes/{second}/review", said, authorization=f"Bearer {TOKEN}")
    story = closed.get(f"/v1/outcomes/{first}", **signed_in["viewer"]).json

    assert (by_user.json["by"], story["reviews"][0]["by"]) == ("operator", "operator")
    assert by_token.json["by"] == "engineer (token)"


def test_a_closed_panel_shows_its_page_and_nothing_of_the_station(closed: Site) -> None:
    """Who has not signed in gets the page's files and the way to sign in, and a sentence from all else."""
    answers = {path: closed.get(path) for path in ("/", "/static/app.js", "/v1/session", "/health", "/v1/line", "/nix")}

    assert {path: one.status for path, one in answers.items()} == {
        "/": 200,
        "/static/app.js": 200,
        "/v1/session": 200,
        "/health": 401,
        "/v1/line": 401,
        "/nix": 404,
    }
    assert "sign in with a user's name and password or the panel's token" in answers["/health"].sentence
    assert b"st-7" not in b"".join(one.body for one in answers.values())


def test_signing_out_ends_the_session_for_whoever_has_its_cookie(closed: Site) -> None:
    """A cookie that somebody copied is worth nothing once its person has left."""
    headers = closed.sign_in("viewer", password=PASSWORD)
    before = closed.get("/v1/line", **headers).status
    closed.ask("DELETE", "/v1/session", **headers)

    assert (before, closed.get("/v1/line", **headers).status) == (200, 401)


@pytest.fixture
def changing(tmp_path: Path, people: dict[str, User]) -> Iterator[tuple[Site, Path]]:
    """A closed panel with a file of users that a test may change."""
    path = tmp_path / "users"
    users.write(path, people)
    with site(tmp_path, doors=Doors(anyone=Role.NOBODY, users=Users(path))) as made:
        yield made, path


def test_a_changed_line_of_the_file_counts_at_once(changing: tuple[Site, Path], people: dict[str, User]) -> None:
    """Another role holds from the next request on; another password, or none, ends the person's sessions."""
    station, path = changing
    headers = {name: station.sign_in(name, password=PASSWORD) for name in ("viewer", "operator", "engineer")}
    kept = people["engineer"].hash
    changed = {
        "viewer": User("viewer", Role.OPERATOR, kept),
        "operator": User("operator", Role.OPERATOR, users.hashed("another password")),
    }
    users.write(path, changed)
    roles = {name: station.get("/v1/session", **one).json["role"] for name, one in headers.items()}

    assert roles == {"viewer": "operator", "operator": "nobody", "engineer": "nobody"}


def test_a_file_that_is_broken_later_lets_nobody_in(changing: tuple[Site, Path]) -> None:
    """Whoever signed in is not let in on trust: the answer says which line is wrong, and shows nothing of it."""
    station, path = changing
    headers = station.sign_in("engineer", password=PASSWORD)
    path.write_text("engineer chief $argon2id$hunter2\n")
    answer = station.get("/v1/line", **headers)

    assert (answer.status, "line 1 of" in answer.sentence, "hunter2" in answer.sentence) == (503, True, False)


def test_live_events_end_with_the_session(changing: tuple[Site, Path]) -> None:
    """A stream that was opened by a session hears nothing more once the session is over."""
    station, _path = changing
    headers = station.sign_in("viewer", password=PASSWORD)
    streams: list[int] = []

    def listen() -> None:
        streams.append(len(station.get("/v1/live", **headers).body))  # comes back when the stream has ended

    import threading

    listening = threading.Thread(target=listen)
    listening.start()
    until(lambda: station.panel._live._pages)
    station.ask("DELETE", "/v1/session", **headers)
    listening.join(20)

    assert len(streams) == 1


def request_of(cookie: str = "", bearer: str = "", address: str = "10.0.0.1") -> Request:
    """A request as the sessions see it."""
    headers = [(b"cookie", cookie.encode()), *([(b"authorization", b"Bearer " + bearer.encode())] if bearer else [])]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "scheme": "http", "headers": headers}
    return Request(scope | {"client": (address, 1), "server": ("localhost", 80)})


def test_a_session_ends_when_it_lies_idle_and_when_its_day_is_over(tmp_path: Path) -> None:
    """After an hour without a request, and after 12 hours with some, a session is over."""
    clock = Clock()
    sessions = Sessions(lambda: TOKEN, clock=clock, anyone=Role.NOBODY)
    opened = [open_session(sessions) for _ in range(2)]
    seen = []
    for minutes in range(0, 13 * 60, 50):
        clock.now_s = 1000.0 + minutes * 60
        seen.append((minutes, sessions._visitor(request_of(opened[0])).name))
    idle = sessions._visitor(request_of(opened[1])).name

    assert [name for minutes, name in seen if minutes <= 720] == ["Ada"] * 15
    assert [name for minutes, name in seen if minutes > 720] == [None]
    assert idle is None


def open_session(sessions: Sessions) -> str:
    """A session by token; gives its cookie."""
    import asyncio
    import json

    body = json.dumps({"name": "Ada", "token": TOKEN}).encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    request = request_of()
    request.scope["headers"].append((b"content-type", b"application/json"))
    answer = asyncio.run(sessions._begin(Request(request.scope, receive)))
    return answer.headers["set-cookie"].partition(";")[0]


def test_sessions_have_a_limit() -> None:
    """The session that was used longest ago ends for the one that is too many (L12)."""
    sessions = Sessions(lambda: TOKEN, anyone=Role.NOBODY)
    opened = [open_session(sessions) for _ in range(MAX_SESSIONS + 1)]
    names = [sessions._visitor(request_of(cookie)).name for cookie in opened]

    assert names == [None] + ["Ada"] * MAX_SESSIONS


def test_a_new_token_ends_the_sessions_of_the_old_one() -> None:
    """Whoever signed in with a token that is no longer the panel's must sign in again."""
    tokens = [TOKEN]
    sessions = Sessions(lambda: tokens[-1])
    cookie = open_session(sessions)
    before = sessions._visitor(request_of(cookie)).name
    tokens.append("another")

    assert (before, sessions._visitor(request_of(cookie)).name) == ("Ada", None)


def test_an_address_that_guesses_is_not_listened_to_and_others_are() -> None:
    """Five wrong ones in a minute close one address, thirty all of them; a minute later they are listened to again."""
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(MAX_WRONG):
        throttle.listen("10.0.0.1")
        throttle.wrong("10.0.0.1")
    throttle.listen("10.0.0.2")
    with pytest.raises(NotAllowedError, match="from this address") as refused:
        throttle.listen("10.0.0.1")
    for number in range(MAX_WRONG_OF_ALL - MAX_WRONG):
        throttle.wrong(f"10.0.1.{number}")
    with pytest.raises(NotAllowedError, match="from all addresses"):
        throttle.listen("10.0.0.2")
    clock.now_s += WRONG_S + 1
    throttle.listen("10.0.0.1")

    assert (refused.value.status, refused.value.headers["retry-after"]) == (429, "60")


def test_a_throttle_remembers_no_more_addresses_than_its_limit() -> None:
    """Guessing from ever new addresses costs no memory (L12)."""
    throttle = Throttle()
    for number in range(MAX_ADDRESSES + 500):
        throttle.wrong(f"address {number}")

    assert len(throttle._of) == MAX_ADDRESSES


def test_an_unknown_name_takes_as_long_as_a_wrong_password(file: Path) -> None:
    """Nobody learns from the time of an answer who is a user: the difference is within a quarter of it."""
    people = Users(file)
    people.check("nobody", "x")  # the line of nobody is made once
    spent: dict[str, list[float]] = {"operator": [], "stranger": []}
    for _ in range(5):
        for name, of in spent.items():
            begun = time.process_time()
            found = people.check(name, "wrong password")
            of.append(time.process_time() - begun)
            assert found is None
    known, unknown = (statistics.median(of) for of in spent.values())

    assert 0.75 < known / unknown < 1.33


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "ada operator",
        "ada operator hunter2",
        "ada chief {hash}",
        "a/b operator {hash}",
        "ada operator {hash} more",
        "ada operator {hash}\nada viewer {hash}",
    ],
)
def test_a_line_that_is_no_user_lets_nobody_in(tmp_path: Path, text: str, people: dict[str, User]) -> None:
    """A line that is not understood, or one name twice, is told by its number; an empty file holds nobody."""
    path = tmp_path / "users"
    path.write_text(text.replace("{hash}", people["viewer"].hash))

    if text:
        with pytest.raises(ConfigError, match=r"line [12] of"):
            users.read(path)
    else:
        assert users.read(path) == {}


def test_two_stations_of_one_host_have_cookies_of_their_own() -> None:
    """A browser sends a host's cookies to every port: signing in at one station leaves the other's session alone."""
    names = {
        cookie_of(place) for place in (("Ulm", "l2", "st-7"), ("Ulm", "l3", "st-7"), ("Ulm", "l2", "st 7; Path=/"))
    }

    assert len(names) == 3
    assert all(re.fullmatch(r"edge_session_[A-Za-z0-9-]+_[0-9a-f]{8}", name) for name in names)
