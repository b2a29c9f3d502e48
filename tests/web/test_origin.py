"""What another site's page can make a browser send: refused by host, by origin and by the browser's own word."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge.core.outcome import Reason
from edge.services.panel import Doors
from tests.web.site import TOKEN, PartOf, Site, site

BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A panel that has a name of its own."""
    with site(tmp_path_factory.mktemp("origin"), doors=Doors(names=("station7.plant.example",))) as made:
        made.add(PartOf(reason=Reason.RECORD_MISSING))
        yield made


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("[::1]:8470", 200),
        ("192.168.7.9:443", 200),
        ("localhost:1", 200),
        ("LOCALHOST", 200),
        ("station7.plant.example", 200),
        ("Station7.Plant.Example.:8470", 200),
        ("evil.example", 421),
        ("station7.plant.example.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("127.0.0.1, evil.example", 421),
        ("127.0.0.1:99999999", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
def test_a_request_names_this_panel(named: Site, host: str, status: int) -> None:
    """An IP address and the panel's own names are followed; a name made to point here is not (DNS rebinding)."""
    answer = named.get("/v1/line", host=host)

    assert answer.status == status
    assert status == 200 or "[panel] names" in answer.sentence


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 201),
        ("{own}", 201),
        ("null", 403),
        ("http://evil.example", 403),
        ("http://127.0.0.1", 403),
        ("{own}.evil.example", 403),
        ("ftp://{host}", 403),
        ("http://[", 403),
        ("", 403),
    ],
)
def test_a_change_comes_from_the_panels_own_page(named: Site, origin: str | None, status: int) -> None:
    """A change that names another origin is refused, even with the token; a program names none."""
    inspection_id = named.add(PartOf(reason=Reason.RECORD_MISSING))
    said = {} if origin is None else {"origin": origin.format(own=named.url, host=named.url.removeprefix("http://"))}
    answer = named.ask("POST", f"/v1/outcomes/{inspection_id}/review", {"action": "confirm"}, **BEARER, **said)

    assert answer.status == status


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {"site": "cross-site", "mode": "navigate", "dest": "document"}, 200),
        ("GET", "/", {"site": "cross-site", "mode": "navigate", "dest": "iframe"}, 403),
        ("GET", "/v1/line", {"site": "cross-site", "mode": "no-cors", "dest": "script"}, 403),
        ("GET", "/v1/live", {"site": "same-site", "mode": "cors", "dest": "empty"}, 403),
        ("GET", "/v1/line", {"site": "same-origin", "mode": "cors", "dest": "empty"}, 200),
        ("POST", "/v1/chat", {"site": "cross-site", "mode": "navigate", "dest": "document"}, 403),
        ("POST", "/v1/session", {"site": "cross-site", "mode": "no-cors", "dest": "empty"}, 403),
    ],
)
def test_a_page_of_another_site_gets_nothing(
    named: Site, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """A link may open the page; what another site's page asks for in the background, or sends, is refused."""
    sent = {f"sec_fetch_{name}": value for name, value in headers.items()}
    answer = named.ask(method, path, {} if method == "POST" else None, **sent)

    assert answer.status == status


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/%2e%2e/secrets.py",
        "/static//etc/passwd",
        "/texts/..\\..\\edge.toml",
        "/static/app.js%00.html",
        "/v1/outcomes/..%2f..%2fedge.db",
        "/v1/outcomes/../../edge.db/evidence/0",
        "/v1/outcomes/%2e%2e/evidence/0",
        "/v1/outcomes/nothing/evidence/-1",
        "/v1/outcomes/nothing/evidence/99999999999999999999",
        "//etc/passwd",
        "/%ff%fe",
    ],
)
def test_no_path_leads_out_of_the_page(named: Site, path: str) -> None:
    """A path is looked up in a table: whatever stands in it, no file is opened by it."""
    answer = named.get(path)

    assert (answer.status, answer.json["error"]["type"] in ("refused", "unknown")) == (404, True)


def test_an_answer_sends_nobody_elsewhere(named: Site) -> None:
    """No redirect repeats what the request says: an address with a slash too many is unknown."""
    answer = named.get("/v1/line/")

    assert (answer.status, "location" in answer.headers) == (404, False)
