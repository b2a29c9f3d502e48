"""All records of an ERP behind a web API, page by page, on a real HTTP server: each once, or an error, never fewer."""

from __future__ import annotations

import json

import pytest

from edge.adapters.erp_rest import RestRecords
from edge.errors import ErpError
from edge.sections_erp import RestListing
from tests.adapters.rest_site import OTHER, Site
from tests.web_erp import PART, Asked, Play, Told


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
