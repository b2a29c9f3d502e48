"""Keys, tokens and certificates of an ERP behind a web API, on a real HTTP server: used, renewed, and never shown."""

from __future__ import annotations

import logging
import threading
from base64 import b64encode
from typing import Any

import pytest

from edge.adapters.erp_rest import RestRecords
from edge.errors import ConfigError
from edge.sections_erp import OAuth, RestErp
from tests.adapters.rest_site import HTML, SECRET, Site, failure
from tests.certificates import Authority
from tests.web_erp import PART, Asked, Told, WebErp, parts

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


def test_a_certificate_is_checked(authority: Authority) -> None:
    """With the CA's file the server is asked; without it, or by another name, it is refused by name."""
    server = WebErp(parts(PART), tls=authority.sign("erp", names="IP:127.0.0.1"))
    keys = {"url": server.url, "lookup": "/parts?serial={serial}", "timeout_ms": 20_000}
    named = keys | {"url": server.url.replace("127.0.0.1", "localhost"), "ca_file": authority.ca}
    trusting, doubting, other = (
        RestRecords(RestErp.model_validate({"kind": "rest", **one}))
        for one in (keys | {"ca_file": authority.ca}, keys, named)
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
