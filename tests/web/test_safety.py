"""What keeps the page safe: headers on every answer, and words in every language."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from edge.adapters.messages import ReviewAction
from edge.core.outcome import Defect, Disposition, Reason
from edge.core.retake import CONFIRM, STEPS
from edge.web.app import HEADERS
from tests.web.site import Site

WEB = Path("edge/web")
MOST_BYTES = 200_000


#: Every kind of address that the panel answers, and some that it does not.
ADDRESSES = [
    "/",
    "/static/app.js",
    "/texts/en.json",
    "/health",
    "/metrics",
    "/v1/line",
    "/v1/outcomes",
    "/v1/held",
    "/v1/session",
    "/v1/outcomes/export",
    "/v1/outcomes/nothing",
    "/nothing",
    "/v1/outcomes?limit=x",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_answer_carries_the_headers(station: Site, address: str) -> None:
    """No script or style from elsewhere or inside a page, no frame, no guessing of types, nothing kept in a cache."""
    answer = station.get(address)
    page = address == "/" or address.startswith(("/static", "/texts"))

    assert answer.headers["cache-control"] == ("no-cache" if page else "no-store")
    assert {name: answer.headers[name] for name in HEADERS if name != "cache-control"} == {
        name: value for name, value in HEADERS.items() if name != "cache-control"
    }


def test_no_rule_lets_in_what_stands_inside_a_page() -> None:
    """The policy names no `unsafe-` source and no other host."""
    policy = HEADERS["content-security-policy"]

    assert "unsafe" not in policy
    assert "://" not in policy
    assert policy.startswith("default-src 'none'")


def test_the_page_puts_in_text_alone() -> None:
    """No file of the page makes HTML from a text, evaluates one, or names another host."""
    found = {
        file.name: re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|style=", text
        )
        + [host for host in re.findall(r"https?://[^\s\"']+", text) if "www.w3.org" not in host]
        for file in sorted((WEB / "static").iterdir())
        for text in [file.read_text(encoding="utf-8")]
    }

    assert {name: what for name, what in found.items() if what} == {}


def test_the_page_is_small(station: Site) -> None:
    """All files of the page in one language are less than 200 kB."""
    files = [f"/static/{file.name}" for file in (WEB / "static").iterdir() if file.name != "index.html"]
    sent = sum(len(station.get(address).body) for address in ["/", "/texts/zh.json", *files])

    assert sent < MOST_BYTES


def words(language: str) -> dict[str, str]:
    """The texts of one language."""
    told: dict[str, str] = json.loads((WEB / "texts" / f"{language}.json").read_text(encoding="utf-8"))
    return told


@pytest.mark.parametrize("language", ["de", "zh"])
def test_every_language_has_every_text(language: str) -> None:
    """The same keys in the same order, each with a text, and each with the same places to fill in."""
    english, other = words("en"), words(language)

    assert list(other) == list(english)
    assert all(other.values())
    assert {key: set(re.findall(r"{\w+}", text)) for key, text in other.items()} == {
        key: set(re.findall(r"{\w+}", text)) for key, text in english.items()
    }


def test_what_a_station_can_say_has_words() -> None:
    """Every reason, defect, disposition, retake and decision has a text: a new one fails here until it has."""
    keys = {f"reason.{one}" for one in Reason} | {f"defect.{one}" for one in Defect}
    keys |= {f"{kind}.{one}" for one in Disposition for kind in ("disposition", "do")}
    keys |= {f"action.{step.action}" for steps in (*STEPS.values(), (CONFIRM,)) for step in steps}
    keys |= {f"{kind}{one}" for one in get_args(ReviewAction) for kind in ("review.", "held.did_")}

    assert keys <= set(words("en"))


def test_every_text_that_the_page_asks_for_is_there() -> None:
    """Each key that stands in the page's code has a text."""
    asked = {
        key
        for file in (WEB / "static").glob("*.js")
        for key in re.findall(r"\bt\(\s*\"([a-z_.]+)\"", file.read_text(encoding="utf-8"))
    }

    assert asked <= set(words("en"))
