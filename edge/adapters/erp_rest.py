"""ERP's records behind a web API: one by its serial, all of them page by page; JSON pointers say where things stand.

Promises: a serial reaches the server as one escaped part of an address, whatever is printed on the plate; only an
answer that speaks of the very serial counts, so that a server which ignores the question is no witness; "no such
record" is an empty answer, or status 404 while `erp.known_serial` is found, and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from edge.adapters.erp import ErpAwayError, Everything, Record, used
from edge.adapters.erp_http import MAX_PAGE_BYTES, Answer, ErpHttp
from edge.errors import ErpError
from edge.sections_erp import RestErp, RestListing

#: One page of a listing may take so long.
PAGE_S = 30.0
#: A page that fails is asked for again: a sync of many pages should not end with one of them.
PAGE_TRIES = 4
PAGE_PAUSE_S = 1.0
#: More pages than this and the listing has no end.
MAX_PAGES = 100_000
_NONE = object()


class RestRecords:
    """Looks serials up on a web server."""

    def __init__(self, config: RestErp, *, pause: Callable[[float], None] = time.sleep) -> None:
        """Prepare; nothing is connected yet.

        Raises:
            ConfigError: a secret cannot be read, or the CA file cannot be used.
            ErpError: httpx2 is not installed.
        """
        self._config = config
        self._timeout_s = config.timeout_ms / 1000
        self._http = ErpHttp(config)
        self._source = self._http.source
        self._base = config.url.rstrip("/")
        self._pause = pause

    def lookup(self, serial: str) -> Record:
        """The record of a serial; see `Erp.lookup`."""
        end_s = time.monotonic() + self._timeout_s
        found = self._find(serial, self._timeout_s)
        known = self._config.known_serial
        if found is None and known is not None:
            left_s = max(0.001, end_s - time.monotonic())
            if known == serial or self._find(known, left_s) is None:
                raise ErpAwayError(
                    f"{self._source} knows neither this serial nor {known} (erp.known_serial), which it must hold; "
                    "see erp.url and erp.lookup"
                )
        return Record({}, self._source) if found is None else found

    def describe(self) -> str:
        """Ask for `erp.known_serial`, or for a serial that nobody has, and say that ERP answers."""
        known = self._config.known_serial
        if known is None:
            self._find("edge-check", self._timeout_s, is_probe=True)
            return f"{self._source} answers"
        record = self._find(known, self._timeout_s)
        if record is None:
            raise ErpError(f"{self._source} knows no {known} (erp.known_serial), which it must hold; see erp.lookup")
        return f"{self._source} holds {known} with {', '.join(record.fields)}, asked just now"

    def doubts(self) -> list[str]:
        """A key that anybody on the network can read, and "no such record" that is never believed."""
        doubts = []
        if self._http.open_to_all:
            doubts.append("the key is sent without encryption; use an https address in erp.url")
        if self._config.known_serial is None and "?" not in self._config.lookup:
            doubts.append("status 404 holds the part as erp_unavailable, as a wrong address does; set erp.known_serial")
        return doubts

    def everything(self, tag: str = "") -> Everything | None:
        """All records, page by page; see `ListedErp.everything`. The tag is the ETag of a listing of one page."""
        listing = self._config.listing
        if listing is None:
            raise ErpError("erp.listing is not set, so that no snapshot can be made; add [erp.listing] with path")
        url = self._base + listing.path
        if listing.page == "offset":
            url = _with(url, listing.parameter, "0")
        page = self._page(url, {"if-none-match": tag} if tag else {})
        if page.status == 304:
            if not tag:
                raise ErpAwayError(f"{self._source} answers with status 304, unasked; see its cache")
            return None
        rows, next_url = self._read_page(listing, page, 0)
        return Everything(self._pages(listing, rows, next_url, page), self._source, tag="" if next_url else page.etag)

    def close(self) -> None:
        """End the connections."""
        self._http.close()

    def _find(self, serial: str, limit_s: float, *, is_probe: bool = False) -> Record | None:
        """The record of a serial; None where ERP says that it has none."""
        answer = self._http.ask(self._address(serial), limit_s)
        if answer.status == 404:
            if self._config.known_serial is None and not is_probe:
                raise ErpAwayError(
                    f"{self._source} answers with status 404, as it does for a wrong address too; "
                    "set erp.known_serial to tell them apart"
                )
            return None
        if answer.status != 200:
            raise ErpAwayError(f"{self._source} answers with status {answer.status}, unasked; see its cache")
        found = _at(self._document(answer), self._config.record)
        if found is _NONE:
            raise ErpAwayError(f"{self._source} answers with nothing at {self._config.record}; see erp.record")
        rows = [] if found is None else found if isinstance(found, list) else [found]
        records = [self._record(row) for row in rows]
        if any(record.fields.get("serial") != serial for record in records):
            raise ErpAwayError(f"{self._source} answers with records of other serials; see erp.lookup")
        if len(records) > 1:
            raise ErpError(f"{self._source} has two records of serial {serial}; leave one in ERP")
        return records[0] if records else None

    def _address(self, serial: str) -> str:
        before, _, after = self._config.lookup.partition("{serial}")
        in_path = "?" not in before
        if not serial or (in_path and (not serial.strip(".") or "/" in serial or "\\" in serial)):
            # Servers and gateways take these for parts of the path, escaped or not.
            raise ErpError(
                f"the serial {serial[:60]!r} cannot stand in a path; use /parts?serial={{serial}} in erp.lookup"
            )
        try:
            return f"{self._base}{before}{quote(serial, safe='')}{after}"
        except UnicodeEncodeError:
            raise ErpError("the serial holds half a character (a lone surrogate), which no address can hold") from None

    def _document(self, answer: Answer) -> Any:
        try:
            return json.loads(answer.body, object_pairs_hook=_once_each, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            html = answer.body.lstrip()[:1] == b"<"
            what = "an HTML page, perhaps a login" if html else f"no JSON ({answer.content_type or 'of no type'})"
            raise ErpAwayError(f"{self._source} answers with {what}; see erp.url and its gateway") from None

    def _record(self, row: Any) -> Record:
        """One record as texts.

        Raises:
            ErpError: it is none, or a field has a wrong type.
        """
        if not isinstance(row, dict):
            raise ErpAwayError(f"{self._source} gives a record that is no object; see erp.record")
        config = self._config
        columns = {"serial": "serial", **config.columns}
        texts = {field: self._text(field, _at(row, _pointer(where)), where) for field, where in columns.items()}
        if not config.columns:
            texts |= {
                name: text for name, value in row.items() if (text := _plain(value)) and name != config.used_column
            }
        said = ""
        if config.used_column is not None:
            if (value := _at(row, _pointer(config.used_column))) is _NONE:
                raise ErpAwayError(f"{self._source} gives a record without {config.used_column}; see erp.used_column")
            said = used(config.used_column, value)
        return Record({field: text for field, text in texts.items() if text}, self._source, used=said)

    def _text(self, field: str, value: Any, where: str) -> str:
        if value is _NONE:
            # Not the same as null: a member that is gone would leave its field unchecked, part after part.
            raise ErpAwayError(f"{self._source} gives a record without {where}; see erp.columns.{field}")
        if (text := _plain(value)) is None:
            kind = type(value).__name__
            raise ErpError(f"{self._source} gives the field {field} as {kind}, not as text; see erp.columns")
        return text

    # All records.

    def _pages(self, listing: RestListing, rows: list[Any], next_url: str, page: Answer) -> Iterator[Record | None]:
        seen, num_rows, before = {page.url}, len(rows), _fingerprint(page)
        for _ in range(MAX_PAGES):
            for row in rows:
                yield self._usable(row)
            if not next_url:
                return
            if next_url in seen:
                raise ErpError(f"{self._source} gives a page twice; see erp.listing: page, cursor and parameter")
            seen.add(next_url)
            page = self._page(next_url, {})
            if page.status != 200:
                raise ErpAwayError(f"{self._source} answers with status {page.status} to a page; see erp.listing")
            rows, next_url = self._read_page(listing, page, num_rows)
            num_rows += len(rows)
            fingerprint = _fingerprint(page)
            if rows and fingerprint == before:
                raise ErpError(f"{self._source} gives a page twice; see erp.listing: page, cursor and parameter")
            before = fingerprint
        raise ErpError(f"{self._source} gives more than {MAX_PAGES} pages (max_pages); see erp.listing")

    def _page(self, url: str, headers: Mapping[str, str]) -> Answer:
        for number in range(PAGE_TRIES):
            try:
                return self._http.ask(url, PAGE_S, most_bytes=MAX_PAGE_BYTES, headers=headers)
            except ErpAwayError as error:
                if number + 1 == PAGE_TRIES:
                    raise
                self._pause(getattr(error, "wait_s", PAGE_PAUSE_S * 2**number))
        raise AssertionError("the last try returns or raises")

    def _read_page(self, listing: RestListing, page: Answer, num_before: int) -> tuple[list[Any], str]:
        """A page's records, and the address of the next page; empty where there is none."""
        if page.status != 200:
            raise ErpAwayError(f"{self._source} answers with status {page.status} to its listing; see erp.listing.path")
        document = self._document(page)
        rows = _at(document, listing.records)
        if not isinstance(rows, list):
            raise ErpAwayError(
                f"{self._source} gives no list at {listing.records or 'the top'}; see erp.listing.records"
            )
        return rows, self._next_url(listing, page, document, num_before + len(rows), is_last=not rows)

    def _next_url(self, listing: RestListing, page: Answer, document: Any, num_rows: int, *, is_last: bool) -> str:
        first = self._base + listing.path
        if listing.page == "offset":
            return "" if is_last else _with(first, listing.parameter, str(num_rows))
        said: Any = page.next_url if listing.page == "link" else _at(document, listing.cursor)
        if said is None or said is False or said == "":
            return ""
        if (text := _plain(said)) is None:
            raise ErpAwayError(f"{self._source} gives no cursor at {listing.cursor}; see erp.listing.cursor")
        if listing.page == "cursor" and listing.parameter:
            return _with(first, listing.parameter, text)
        url = urljoin(page.url, text)
        if urlsplit(url)[:2] != urlsplit(self._base)[:2]:
            raise ErpError(f"{self._source} sends to another host for its next page, which is refused; see erp.listing")
        return url

    def _usable(self, row: Any) -> Record | None:
        try:
            record = self._record(row)
        except ErpError:
            return None
        return record if "serial" in record.fields else None


def _fingerprint(page: Answer) -> bytes:
    return hashlib.sha256(page.body).digest()


def _with(url: str, parameter: str, value: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{parameter}={quote(value, safe='')}"


def _pointer(column: str) -> str:
    """A column as a JSON pointer: it is one, or the name of a member."""
    return column if column.startswith("/") else "/" + column.replace("~", "~0").replace("/", "~1")


def _at(document: Any, pointer: str) -> Any:
    """What stands at a JSON pointer (RFC 6901); `_NONE` where nothing does."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and name in document:
            document = document[name]
        elif isinstance(document, list) and name.isascii() and name.isdigit() and int(name[:9]) < len(document):
            document = document[int(name[:9])]
        else:
            return _NONE
    return document


def _plain(value: Any) -> str | None:
    """A value as text; None where there are several ways to write it, or none."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("an object names a member twice")
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
