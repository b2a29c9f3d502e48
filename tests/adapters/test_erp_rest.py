"""ERP behind a web API, on a real HTTP server: each fault by its name, and no serial but the very one."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.adapters.erp import ErpAwayError, Record, open_erp
from edge.adapters.erp_rest import RestRecords
from edge.errors import ErpError
from edge.sections_erp import RestErp
from tests.adapters.rest_site import HTML, OTHER, Site, failure
from tests.web_erp import PART, Asked, Told, drip

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


# What the settings open, and what people are told.


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
