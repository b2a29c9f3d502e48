"""ERP behind a web API, on a real HTTP server: each fault by its name, no secret shown, no serial but the very one."""

from __future__ import annotations

import json
import logging
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.adapters.erp import ErpAwayError, Record, open_erp
from edge.adapters.erp_rest import RestRecords
from edge.errors import ConfigError, ErpError
from edge.sections_erp import OAuth, RestErp, RestListing
from tests.web_erp import PART, Asked, Play, Told, WebErp, certificate, drip, parts

OTHER = {"serial": "87654321BA", "model": "AX-2", "lot": None}
SECRET = "hunter2-swordfish"
HTML = Told(b"<!doctype html><html>Please log in</html>", headers={"Content-Type": "text/html"})


class Site:
    """A server, and ERPs that ask it."""

    def __init__(self, folder: Path, ca_file: Path) -> None:
        self.folder = folder
        self.ca_file = ca_file  # loading the system's certificates instead would take each test 0.2 s
        self.server = WebErp(parts(PART, OTHER))
        self.opened: list[RestRecords] = []
        self.pauses: list[float] = []

    def erp(self, play: Play | Told | None = None, *, timeout_ms: int = 20_000, **keys: Any) -> RestRecords:
        """An ERP whose server answers as told."""
        if play is not None:
            self.server.play = (lambda _: play) if isinstance(play, Told) else play
        usual: dict[str, Any] = {"url": self.server.url, "lookup": "/parts?serial={serial}", "ca_file": self.ca_file}
        erp = RestRecords(RestErp(kind="rest", timeout_ms=timeout_ms, **(usual | keys)), pause=self.pauses.append)
        self.opened.append(erp)
        return erp

    def secret(self, name: str, text: str = SECRET) -> Path:
        """A file that holds a secret."""
        (self.folder / name).write_text(text + "\n", encoding="utf-8")
        return self.folder / name

    def close(self) -> None:
        """End all."""
        for erp in self.opened:
            erp.close()
        self.server.close()


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A CA, and a certificate of 127.0.0.1 with its key."""
    return certificate(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def site(tmp_path: Path, signed: tuple[Path, Path, Path]) -> Iterator[Site]:
    """A server that holds two parts."""
    site = Site(tmp_path, signed[0])
    yield site
    site.close()


def failure(erp: RestRecords, serial: str = "12345678AB") -> str:
    """Why ERP could not be asked."""
    with pytest.raises(ErpAwayError) as raised:
        erp.lookup(serial)
    return str(raised.value)


# What is found.


def test_a_record_is_found_by_its_serial(site: Site) -> None:
    """A serial gives its record, of texts; an empty list is a record without fields, which is no error (L3)."""
    erp = site.erp()

    assert erp.lookup("12345678AB").fields == {"serial": "12345678AB", "model": "AX-1", "lot": "7"}
    assert erp.lookup("87654321BA").fields == {"serial": "87654321BA", "model": "AX-2"}
    assert erp.lookup("x") == Record({}, f"rest:{site.server.url[7:]}")


def test_pointers_say_where_things_stand(site: Site) -> None:
    """Record and fields are found by JSON pointers, with escapes and indexes, and by plain names of members."""
    told = {"data": {"hits": [{"ids": [{"v/1": "12345678AB"}], "Model Name": "AX-1", "used": True}]}}
    erp = site.erp(
        Told(told),
        record="/data/hits/0",
        columns={"serial": "/ids/0/v~11", "model": "Model Name"},
        used_column="/used",
    )

    found = erp.lookup("12345678AB")

    assert found.fields == {"serial": "12345678AB", "model": "AX-1"}
    assert found.used == "/used: True"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    serial=st.text(min_size=1, max_size=30)
    | st.sampled_from(
        ["..", "../admin", "a/../b", "%2e%2e", "x?y=1#z", "&serial=12345678AB", "a b+c", "\r\nX: 1", "\0"]
    )
)
@pytest.mark.parametrize("lookup", ["/parts/{serial}", "/parts?serial={serial}&x=1"])
def test_a_serial_is_one_part_of_the_address(lookup: str, serial: str, site: Site) -> None:
    """Whatever is printed on a plate arrives as the very text, in its place, or is refused by name and not sent."""
    site.server.play = lambda asked: Told([{"serial": asked.query.get("serial", "")}])
    erp = site.opened[0] if site.opened else site.erp(lookup=lookup, known_serial="K")
    with_path, sent = "?" not in lookup, site.server.asked
    sent.clear()

    with suppress(ErpError):
        erp.lookup(serial)

    if with_path and (not serial.strip(".") or "/" in serial or "\\" in serial):
        assert sent == []
    else:
        assert all(one.path.count("/") == (2 if with_path else 1) for one in sent)
        assert with_path or sent[0].query["serial"] == serial
        assert with_path or sent[0].query["x"] == "1"


# What is missing, and what only looks so.


def test_404_is_no_record_while_a_known_one_is_found(site: Site) -> None:
    """With `known_serial` a 404 is proven by asking for a part that ERP must hold (L3)."""
    erp = site.erp(lookup="/parts/{serial}", known_serial="87654321BA")

    assert erp.lookup("12345678AB").fields["model"] == "AX-1"
    assert erp.lookup("x").fields == {}


@pytest.mark.parametrize(
    ("keys", "serial", "what"),
    [
        ({"lookup": "/parts/{serial}"}, "x", "set erp.known_serial"),
        ({"lookup": "/prats/{serial}", "known_serial": "87654321BA"}, "x", "neither this serial nor 87654321BA"),
        ({"lookup": "/parts/{serial}", "known_serial": "gone"}, "gone", "neither this serial nor gone"),
        ({"lookup": "/parts?serail={serial}"}, "x", "records of other serials"),
        ({"lookup": "/parts?serial={serial}&a=", "known_serial": "gone"}, "x", "neither this serial nor gone"),
    ],
)
def test_trouble_is_never_a_missing_record(site: Site, keys: dict[str, Any], serial: str, what: str) -> None:
    """A wrong address, a question that the server ignores and an ERP that lost its parts are other answers (L3)."""
    assert what in failure(site.erp(**keys), serial)


@pytest.mark.parametrize(
    ("told", "what"),
    [
        pytest.param(HTML, "an HTML page", id="a login page"),
        pytest.param(Told(b""), "no JSON", id="nothing"),
        pytest.param(Told(b'{"serial": "12345678AB"'), "no JSON", id="half an answer"),
        pytest.param(Told(b'[{"serial": "x", "serial": "12345678AB"}]'), "no JSON", id="a member twice"),
        pytest.param(Told(b'[{"serial": "12345678AB", "lot": NaN}]'), "no JSON", id="not a number"),
        pytest.param(Told(b"[" * 100_000), "no JSON", id="nested without end"),
        pytest.param(Told(b'[{"serial": ' + b"9" * 5000 + b"}]"), "no JSON", id="a number without end"),
        pytest.param(Told("text"), "no object", id="a text"),
        pytest.param(Told([["12345678AB"]]), "no object", id="a list in a list"),
        pytest.param(Told({"error": "down"}), "without serial", id="an error with status 200"),
        pytest.param(Told([{**PART, "serial": "12345678AC"}]), "other serials", id="another part"),
        pytest.param(Told([PART, OTHER]), "other serials", id="this part and another"),
        pytest.param(Told(None, 204), "status 204", id="204"),
        pytest.param(Told(PART, 206), "status 206", id="206"),
        pytest.param(Told(None, 304), "304, unasked", id="304"),
        pytest.param(Told({}, 400), "refuses the question (status 400)", id="400"),
        pytest.param(Told({}, 401), "wants an API key or a token (status 401)", id="401"),
        pytest.param(Told({}, 403), "wants an API key or a token (status 403)", id="403"),
        pytest.param(Told({}, 429), "takes no more questions now", id="429"),
        pytest.param(Told({}, 500), "fails (status 500)", id="500"),
        pytest.param(Told({}, 503), "fails (status 503)", id="503"),
        pytest.param(Told({}, 302, {"Location": "http://evil.example/x"}), "sends to evil.example", id="302"),
        pytest.param(Told({}, 307, {"Location": "/login"}), "sends to another path", id="307"),
        pytest.param(Told(b"x", headers={"Content-Encoding": "gzip"}), "compressed", id="compressed"),
        pytest.param(Told(b" " * 1_000_001), "max_answer_bytes", id="too long"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536, 0), "max_answer_bytes", id="too long, no length"),
        pytest.param(Told(raw=lambda write: write(b"\xff\x00 no HTTP")), "broke the connection off", id="no HTTP"),
        pytest.param(Told(raw=lambda _: None), "broke the connection off", id="hangs up"),
        pytest.param(
            Told(raw=lambda write: write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[")),
            "broke the connection off",
            id="hangs up in the middle",
        ),
    ],
)
def test_what_says_nothing_about_the_serial_is_named(site: Site, told: Told, what: str) -> None:
    """Each of these is an ERP that is away, by its name: never a record, never a missing one (L3, L4)."""
    assert what in failure(site.erp(told))


@pytest.mark.parametrize(
    ("row", "what"),
    [
        pytest.param([PART, PART], "two records of serial 12345678AB", id="two records"),
        pytest.param({**PART, "model": 1.5}, "field model as float", id="a number with a point"),
        pytest.param({**PART, "model": True}, "field model as bool", id="true"),
        pytest.param({**PART, "model": ["AX-1"]}, "field model as list", id="a list"),
    ],
)
def test_a_wrong_answer_about_the_serial_is_no_outage(site: Site, row: Any, what: str) -> None:
    """What ERP says about this serial and is no record is an error that no snapshot may overrule (L4)."""
    with pytest.raises(ErpError, match=what) as raised:
        site.erp(Told(row), columns={"model": "model"}).lookup("12345678AB")

    assert not isinstance(raised.value, ErpAwayError)


def test_a_field_that_is_gone_is_not_one_that_is_empty(site: Site) -> None:
    """A mapped member that ERP gives no more is named: the field must not go unchecked from then on (L4)."""
    assert "without model; see erp.columns.model" in failure(
        site.erp(Told([{"serial": "12345678AB"}]), columns={"model": "model"})
    )
    assert "see erp.used_column" in failure(site.erp(Told([PART]), used_column="inspected"))


# Time.


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(drip(b"", b"", 0.05), id="silence"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.02), id="headers drip"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\n\r\n", b" ", 0.02), id="the body drips"),
    ],
)
def test_a_slow_server_is_given_up_in_time(site: Site, told: Told) -> None:
    """The limit holds for the answer as a whole, however it trickles in (L10)."""
    assert "did not answer within 200 ms (erp.timeout_ms)" in failure(site.erp(told, timeout_ms=200))


def test_one_question_too_many_is_refused_at_once(site: Site) -> None:
    """Four may be open; a fifth is refused by name, and when they are given up there is room again (L12)."""
    free = threading.Event()

    def play(_: Asked) -> Told:
        free.wait(20)
        return Told([PART])

    erp = site.erp(play)
    asking = [threading.Thread(target=erp.lookup, args=("12345678AB",)) for _ in range(4)]
    for thread in asking:
        thread.start()
    while len(site.server.asked) < 4:
        pass
    fifth = failure(erp)
    free.set()
    for thread in asking:
        thread.join()

    assert "max_open_questions" in fifth
    assert erp.lookup("12345678AB").fields["model"] == "AX-1"


def test_a_server_that_asks_for_rest_gets_it(site: Site) -> None:
    """429 with Retry-After: no further request is sent until then."""
    erp = site.erp(Told({}, 429, {"Retry-After": "30"}))

    assert "asks to be left alone for 30 s" in failure(erp)
    assert "asked to be left alone" in failure(erp)
    assert len(site.server.asked) == 1


def test_a_kept_connection_that_was_closed_costs_nothing(site: Site) -> None:
    """A server that hangs up between two questions is asked once more, on a new connection."""
    erp = site.erp()
    answers = iter([Told([PART]), Told(raw=lambda _: None), Told([PART])])
    site.server.play = lambda _: next(answers)

    assert [erp.lookup("12345678AB").fields["model"] for _ in range(2)] == ["AX-1", "AX-1"]


def test_a_server_that_is_away_is_named(site: Site) -> None:
    """Nobody listens: the sentence says where and what to see to; the next question finds the one that came back."""
    erp = site.erp(url="http://127.0.0.1:1")

    assert "takes no connection" in failure(erp)
    assert "127.0.0.1:1" in failure(erp)


# Keys and tokens.


def login(site: Site, **more: Any) -> tuple[OAuth, list[str]]:
    """A token server on the same loopback; gives its settings and the tokens that are good now."""
    good: list[str] = []

    def play(asked: Asked) -> Told:
        if asked.method == "POST":
            good[:] = [f"token-{len(good)}-{SECRET}-{len(site.server.asked)}"]
            return Told({"access_token": good[0], "token_type": "bearer", "expires_in": 3600} | more)
        given = asked.headers.get("authorization", "")
        return Told([PART]) if given == f"Bearer {good[0]}" else Told({}, 401)

    site.server.play = play
    oauth = OAuth(
        token_url=f"{site.server.url}/token", client_id="edge:1", client_secret_file=site.secret("cs"), scope="parts"
    )
    return oauth, good


def tokens_asked(site: Site) -> int:
    """How often a token was asked for."""
    return sum(asked.method == "POST" for asked in site.server.asked)


def test_a_token_is_got_once_and_kept(site: Site) -> None:
    """Client credentials as RFC 6749 has them; the token serves until it expires."""
    erp = site.erp(oauth=login(site)[0])

    found = [erp.lookup("12345678AB").fields["model"] for _ in range(3)]

    asked = site.server.asked[0]
    assert found == ["AX-1"] * 3
    assert tokens_asked(site) == 1
    assert asked.body == b"grant_type=client_credentials&scope=parts"
    assert asked.headers["authorization"] == "Basic " + b64encode(f"edge%3A1:{SECRET}".encode()).decode()


def test_a_token_that_expires_is_renewed_before(site: Site) -> None:
    """A token of 0.2 s is got anew when half of its life is over, not after it was refused."""
    erp = site.erp(oauth=login(site, expires_in=0.2)[0])
    erp.lookup("12345678AB")
    threading.Event().wait(0.15)
    erp.lookup("12345678AB")

    assert tokens_asked(site) == 2
    assert len(site.server.asked) == 4


def test_a_token_that_was_revoked_is_renewed_once(site: Site) -> None:
    """401 on a kept token gets a new one and asks again; 401 on the new one too is told, without a loop."""
    oauth, good = login(site)
    erp = site.erp(oauth=oauth)
    erp.lookup("12345678AB")
    good[:] = ["another"]
    again = erp.lookup("12345678AB").fields["model"]
    play = site.server.play
    site.server.play = lambda asked: play(asked) if asked.method == "POST" else Told({}, 401)
    site.server.asked.clear()
    refused = failure(erp)

    assert again == "AX-1"
    assert "refuses the token" in refused
    assert len(site.server.asked) == 3


@pytest.mark.parametrize(
    ("told", "what"),
    [
        (Told({}, 401), "refuses the client (status 401)"),
        (Told({}, 500), "gives no token (status 500)"),
        (Told({}, 302, {"Location": "/x"}), "gives no token (status 302)"),
        (HTML, "no token"),
        (Told({"access_token": f"{SECRET} x\r\n"}), "no token"),
        (Told({"access_token": SECRET, "token_type": "mac"}), "no token"),
        (Told({"access_token": SECRET, "expires_in": -1}), "no token"),
        (Told({"access_token": None}), "no token"),
        (Told(b" " * 200_000), "more than 100000 bytes"),
    ],
)
def test_a_token_server_that_gives_none_is_named(site: Site, told: Told, what: str) -> None:
    """Each fault of the token server is an ERP that is away, by its name."""
    oauth, _ = login(site)
    why = failure(site.erp(told, oauth=oauth))

    assert "token server" in why
    assert what in why
    assert SECRET not in why


def test_an_api_key_goes_into_its_header(site: Site) -> None:
    """The key of a file stands in the header that is set, and nowhere else."""
    site.erp(api_key_header="X-Key", api_key_file=site.secret("key")).lookup("12345678AB")

    assert site.server.asked[0].headers["x-key"] == SECRET
    assert SECRET not in site.server.asked[0].target


def test_a_key_that_no_header_can_hold_is_a_wrong_configuration(site: Site) -> None:
    """A key with a blank stops the start, and is not shown (L13)."""
    with pytest.raises(ConfigError) as raised:
        site.erp(api_key_file=site.secret("key", "two words hunter2"))

    assert "erp.api_key_file" in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_no_secret_is_in_an_error_or_a_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """A server that repeats key, token and secret in its answers finds none of them in what edge says (L13)."""
    caplog.set_level(logging.DEBUG)
    oauth, _ = login(site)
    erp = site.erp(oauth=oauth, api_key_file=site.secret("key"))
    play, told = site.server.play, []
    for status in (200, 302, 400, 401, 403, 404, 500):
        echo = Told(f"{SECRET} {{".encode(), status, {"X-Echo": SECRET, "Location": f"http://h/{SECRET}"})
        site.server.play = lambda asked, echo=echo: play(asked) if asked.method == "POST" else echo  # type: ignore[misc]
        told.append(failure(erp))

    assert SECRET not in "".join(told) + caplog.text + repr(erp) + repr(erp._config) + erp._config.identity


# TLS.


def test_a_certificate_is_checked(signed: tuple[Path, Path, Path]) -> None:
    """With the CA's file the server is asked; without it, or by another name, it is refused by name."""
    ca, certified, key = signed
    server = WebErp(parts(PART), tls=(certified, key))
    keys = {"url": server.url, "lookup": "/parts?serial={serial}", "timeout_ms": 20_000}
    named = keys | {"url": server.url.replace("127.0.0.1", "localhost"), "ca_file": ca}
    trusting, doubting, other = (
        RestRecords(RestErp.model_validate({"kind": "rest", **one})) for one in (keys | {"ca_file": ca}, keys, named)
    )

    found, why, why_other = trusting.lookup("12345678AB"), failure(doubting), failure(other)
    for erp in (trusting, doubting, other):
        erp.close()
    server.close()

    assert found.fields["model"] == "AX-1"
    assert "name its CA file in erp.ca_file" in why
    assert "not trusted" in why_other


def test_a_ca_file_without_a_certificate_is_a_wrong_configuration(site: Site) -> None:
    """What is no PEM file stops the start (L13)."""
    with pytest.raises(ConfigError, match=r"erp\.ca_file"):
        site.erp(ca_file=site.secret("ca.pem", "no certificate"))


# All records.


def serials(erp: RestRecords) -> list[str | None]:
    """The serials of all records, None for one that cannot be used."""
    everything = erp.everything()
    assert everything is not None
    return [None if record is None else record.fields["serial"] for record in everything.records]


def paged(size: int = 3) -> Play:
    """Seven parts, three a page, in each of the three ways."""
    rows = [{"serial": f"S{number}", "model": "AX"} for number in range(7)]

    def play(asked: Asked) -> Told:
        start = int(asked.query.get("at", 0))
        page, after = rows[start : start + size], start + size
        more = after < len(rows)
        link = {"Link": f'</parts?limit=3&at={after}>; rel="next", </>; rel="first"'} if more else {}
        return Told({"parts": page, "next": {"cursor": str(after) if more else None}}, headers=link)

    return play


@pytest.mark.parametrize(
    "listing",
    [
        {"page": "link"},
        {"page": "cursor", "cursor": "/next/cursor", "parameter": "at"},
        {"page": "offset", "parameter": "at"},
    ],
)
def test_all_pages_are_read(site: Site, listing: dict[str, str]) -> None:
    """By Link header, by cursor and by offset, each record comes once and in order."""
    asked = RestListing.model_validate({"path": "/parts?limit=3", "records": "/parts", **listing})

    assert serials(site.erp(paged(), listing=asked)) == [f"S{number}" for number in range(7)]


@pytest.mark.parametrize(
    ("play", "listing", "what"),
    [
        (lambda _: Told([PART], headers={"Link": "<http://evil.example/>; rel=next"}), {}, "another host"),
        (lambda _: Told([PART], headers={"Link": "</parts>; rel=next"}), {}, "a page twice"),
        (lambda _: Told([PART]), {"page": "offset", "parameter": "at"}, "a page twice"),
        (lambda _: Told({"a": [PART]}), {"records": "/b"}, "no list at /b"),
        (
            lambda _: Told([PART] if "at=" not in _.target else {}, headers={"Link": "</p?at=1>; rel=next"}),
            {},
            "no list",
        ),
        (lambda _: Told({}, 404), {}, "status 404 to its listing"),
        (lambda _: Told({}, 500), {}, "fails (status 500)"),
    ],
)
def test_a_listing_that_does_not_end_well_is_named(site: Site, play: Play, listing: dict[str, str], what: str) -> None:
    """A page that leads elsewhere, round in a circle, or nowhere ends the listing with an error, never early (L3)."""
    erp = site.erp(play, listing=RestListing.model_validate({"path": "/parts", **listing}))

    with pytest.raises(ErpError) as raised:
        serials(erp)

    assert what in str(raised.value)


def test_a_page_that_fails_is_asked_for_again(site: Site) -> None:
    """One bad answer among many pages, and a wish to be left alone, do not end the listing."""
    told = iter([Told({}, 500), Told([PART]), Told({}, 502), Told([OTHER])])
    site.server.play = lambda asked: next(told)
    links = iter(["</p?at=1>; rel=next", ""])

    def play(asked: Asked) -> Told:
        one = next(told)
        return one if one.status != 200 else Told(one.body, headers={"Link": next(links)})

    erp = site.erp(play, listing=RestListing(path="/p"))

    assert serials(erp) == ["12345678AB", "87654321BA"]
    assert len(site.pauses) == 2


def test_a_record_that_cannot_be_used_is_left_out_of_all(site: Site) -> None:
    """One wrong type, one record without a serial and one text do not spoil the others."""
    rows = [PART, {"serial": "b", "model": 1.5}, {"serial": None, "model": "x"}, "text", OTHER]
    erp = site.erp(Told(rows), listing=RestListing(path="/parts"), columns={"model": "model"})

    assert serials(erp) == ["12345678AB", None, None, None, "87654321BA"]


def test_a_listing_that_has_not_changed_is_not_sent_again(site: Site) -> None:
    """The ETag of a listing of one page is asked with; 304 says that the records are still those."""
    site.server.play = lambda asked: (
        Told(None, 304) if asked.headers.get("if-none-match") == '"v1"' else Told([PART], headers={"ETag": '"v1"'})
    )
    erp = site.erp(listing=RestListing(path="/parts"))
    first = erp.everything()

    assert first is not None
    assert first.tag == '"v1"'
    assert erp.everything(first.tag) is None
    assert erp.everything('"v0"') is not None


def test_a_listing_of_several_pages_has_no_tag(site: Site) -> None:
    """The ETag of the first page says nothing about the others."""
    play = paged()
    site.server.play = lambda asked: Told(
        json.loads(json.dumps(play(asked).body)), headers={**play(asked).headers, "ETag": '"v1"'}
    )
    everything = site.erp(listing=RestListing(path="/parts", records="/parts")).everything()

    assert everything is not None
    assert everything.tag == ""


def test_what_is_doubtful_is_told(site: Site) -> None:
    """A path without a known serial is told, and so is a key on an address that others can listen to."""
    by_path = site.erp(lookup="/parts/{serial}")
    in_the_open = site.erp(url="http://erp.example", api_key_file=site.secret("key"))

    assert ["set erp.known_serial" in one for one in by_path.doubts()] == [True]
    assert ["without encryption" in one for one in in_the_open.doubts()] == [True]
    assert site.erp().doubts() == []


def test_the_settings_open_it(site: Site) -> None:
    """`[erp] kind = "rest"` opens the server, and `describe` looks a known serial up."""
    config = RestErp(
        kind="rest", url=site.server.url, lookup="/parts?serial={serial}", known_serial="12345678AB", timeout_ms=20_000
    )
    erp = open_erp(config)

    assert isinstance(erp, RestRecords)
    assert "holds 12345678AB with serial, model, lot" in erp.describe()
    erp.close()


def test_a_missing_package_names_what_to_install(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    """Without httpx2 the error names the extra."""
    import sys

    monkeypatch.setitem(sys.modules, "httpx2", None)

    with pytest.raises(ErpError, match=r"edge-inspection\[rest\]"):
        site.erp()
