"""The history over HTTP: pages of outcomes, each one's whole story, its evidence frames, and export.

Promises: evidence is the file that the outcome names, checked against its SHA-256 (L8); no path comes from a request.
An export is written as it is read, in pages, and holds up nobody.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from edge.adapters.database import wall_time
from edge.adapters.history import History, Query
from edge.adapters.reviews import UnknownError
from edge.adapters.rows import OutcomeRow
from edge.core.outcome import Disposition, Reason
from edge.errors import UseError
from edge.web.lane import Lane
from edge.web.refusals import RefusedError
from edge.web.stored import Stored

#: Outcomes of one page, and the most that may be asked for.
PAGE, MAX_PAGE = 50, 200
#: The longest text that is searched for.
MAX_TEXT = 200
#: Outcomes that an export reads at a time.
EXPORT_AT_ONCE = 500
#: Larger evidence is not shown: no camera of ours gives it.
MAX_EVIDENCE_BYTES = 256_000_000

_KINDS = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".bmp": "image/bmp",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".tif": "image/tiff",
}
#: A cell that begins so would be a formula in a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: Characters of a day alone, as the profile `outcomes_query` writes it: 2026-11-25.
_DAY = len("2026-11-25")
_COLUMNS = ("seq", "at", "inspection_id", "disposition", "reason", "defects", "total_ms", "confirmed_at")


class HistoryRoutes:
    """`GET /v1/outcomes` and what stands below it."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._lane = Lane()

    def routes(self) -> list[Route]:
        """Every address of the history."""
        return [
            Route("/v1/outcomes", self._page),
            Route("/v1/outcomes/export", self._export),
            Route("/v1/outcomes/{inspection_id}", self._story),
            Route("/v1/outcomes/{inspection_id}/evidence/{number:int}", self._evidence),
        ]

    async def _page(self, request: Request) -> Response:
        async with self._lane.turn():
            return await run_in_threadpool(self._searched, request)

    def _searched(self, request: Request) -> Response:
        query = query_of(request.query_params)
        limit = number_of(request.query_params, "limit", 1, MAX_PAGE) or PAGE
        before = number_of(request.query_params, "before", 1, 2**62)
        with self._stored.history() as history:
            page = history.page(query, limit=limit, before=before)
        return told_all(page.rows, {"next_before": page.next_before})

    def _story(self, request: Request) -> Response:
        inspection_id = request.path_params["inspection_id"]
        with self._stored.history() as history:
            row = _known(history, inspection_id)
            kept = history.evidence(inspection_id)
        with self._stored.reviews() as reviews:
            said = reviews.of(inspection_id)
        evidence = [
            {
                "url": f"/v1/outcomes/{inspection_id}/evidence/{number}",
                "attempt": one.attempt,
                "sha256": one.sha256,
                "removed_at": one.removed_at,
            }
            for number, one in enumerate(kept)
        ]
        spoken = [{**json.loads(one.payload), "undo_s": one.undo_s} for one in said]
        return JSONResponse({**told(row), "evidence": evidence, "reviews": spoken})

    def _evidence(self, request: Request) -> Response:
        inspection_id, number = request.path_params["inspection_id"], request.path_params["number"]
        name, content = kept_frame(self._stored, inspection_id, number)
        kind = _KINDS.get(Path(name).suffix, "application/octet-stream")
        return Response(content, media_type=kind, headers={"content-disposition": "inline"})

    def _export(self, request: Request) -> Response:
        query = query_of(request.query_params)
        form = request.query_params.get("format", "csv")
        if form == "jsonl":
            return _download(self._json_lines(query), "application/x-ndjson", "outcomes.jsonl")
        if form == "csv":
            return _download(self._csv(query), "text/csv; charset=utf-8", "outcomes.csv")
        raise UseError(f"format is {form[:40]!r}, and can be csv or jsonl")

    def _json_lines(self, query: Query) -> Iterator[bytes]:
        for row in self._all(query):
            yield row.payload + b"\n"

    def _csv(self, query: Query) -> Iterator[bytes]:
        with self._stored.history() as history:
            names = history.field_names()
        line = io.StringIO()
        write = csv.writer(line)
        write.writerow([*_COLUMNS, *(f"{name}{part}" for name in names for part in ("", ".expected", ".confidence"))])
        for row in self._all(query):
            write.writerow([_cell(value) for value in _cells(row, names)])
            if line.tell() > 64_000:
                yield _taken(line)
        yield _taken(line)

    def _all(self, query: Query) -> Iterator[OutcomeRow]:
        before: int | None = None
        while True:
            with self._stored.history("export") as history:
                page = history.page(query, limit=EXPORT_AT_ONCE, before=before)
            yield from page.rows
            before = page.next_before
            if before is None:
                return


def kept_frame(stored: Stored, inspection_id: str, number: int) -> tuple[str, bytes]:
    """Path and bytes of an evidence frame, as the reader saw it; frames of an outcome count from 0 on.

    Raises:
        RefusedError: It is not kept, or it is not what the reader saw.
        StoreError: The store cannot be read.
        UnknownError: There is no such outcome.
    """
    with stored.history() as history:
        _known(history, inspection_id)
        kept = history.evidence(inspection_id)
    if number >= len(kept):
        raise RefusedError(
            404, "unknown", f"outcome {inspection_id} has {len(kept)} evidence frames and no number {number}"
        )
    one = kept[number]
    if one.removed_at is not None:
        raise RefusedError(410, "removed", f"this frame was removed at {one.removed_at}; its hash stays in the outcome")
    file = stored.data_dir / one.path
    if not file.resolve().is_relative_to(stored.data_dir.resolve()):
        raise RefusedError(404, "unknown", f"the outcome names {one.path}, which is outside the data folder")
    if not file.is_file() or file.stat().st_size > MAX_EVIDENCE_BYTES:
        raise RefusedError(
            410, "removed", f"{one.path} is not in the data folder any more; its hash stays in the outcome"
        )
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != one.sha256:
        raise RefusedError(409, "changed", f"{one.path} is not the frame that the reader saw: its SHA-256 differs")
    return one.path, content


def query_of(given: Mapping[str, str]) -> Query:
    """The search that a query string asks for.

    Raises:
        UseError: A value is not one of those that there are.
    """
    names = {"serial": "serial", "model": "model", "text": ""}
    texts = {name: given[key].strip() for key, name in names.items() if given.get(key, "").strip()}
    for name, text in texts.items():
        if len(text) > MAX_TEXT:
            raise UseError(
                f"{name or 'text'} has {len(text)} characters and the limit is {MAX_TEXT}: give its beginning"
            )
    return Query(
        texts,
        disposition=_one_of(given, "disposition", Disposition),
        reason=_one_of(given, "reason", Reason),
        since=_time(given, "since"),
        until=_time(given, "until"),
    )


def number_of(given: Mapping[str, str], key: str, low: int, high: int) -> int | None:
    """A whole number of a query string, None where it is not given.

    Raises:
        UseError: It is none, or out of range.
    """
    value = given.get(key) or None
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 20 and low <= int(value) <= high):
        raise UseError(f"{key} is {value[:40]!r}, and must be a whole number from {low} to {high}")
    return int(value)


def told(row: OutcomeRow) -> dict[str, Any]:
    """An outcome as a page shows it: its payload, and what came after."""
    return {**_came_after(row), "outcome": json.loads(row.payload)}


def told_all(rows: Sequence[OutcomeRow], facts: Mapping[str, Any]) -> Response:
    """The same of many, with facts about them all. To parse and write the payloads anew took 15 of 23 ms of a page."""
    each = b",".join(json.dumps(_came_after(row)).encode()[:-1] + b', "outcome": ' + row.payload + b"}" for row in rows)
    return Response(b'{"outcomes": [' + each + b"], " + json.dumps(facts).encode()[1:], media_type="application/json")


def _came_after(row: OutcomeRow) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "inspection_id": row.inspection_id,
        "closed_as": row.closed_as,
        "confirmed_at": row.confirmed_at,
    }


def _known(history: History, inspection_id: str) -> OutcomeRow:
    row = history.outcome(inspection_id)
    if row is None:
        raise UnknownError(f"there is no outcome {inspection_id[:64]!r} at this station: look for it in the history")
    return row


def _one_of(given: Mapping[str, str], key: str, kind: type[Disposition | Reason]) -> str | None:
    value = given.get(key) or None
    if value is not None and value not in {*kind}:
        raise UseError(f"{key} is {value[:40]!r}, and can be {', '.join(kind)}")
    return value


def _time(given: Mapping[str, str], key: str) -> str | None:
    value = given.get(key) or None
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
        if len(value) == _DAY:  # a day alone begins with this PC's midnight
            at = at.astimezone()
        if at.tzinfo is None:
            raise ValueError  # noqa: TRY301 - the same sentence
        return wall_time(at)
    except (ValueError, OverflowError):
        raise UseError(f"{key} is {value[:40]!r}, and must be a time such as 2026-11-25T08:00:00Z, or a day") from None


def _cells(row: OutcomeRow, names: list[str]) -> Iterator[Any]:
    outcome = json.loads(row.payload)
    yield from (row.seq, row.at, row.inspection_id, row.disposition, row.reason)
    yield from (" ".join(outcome["defects"]), row.total_ms, row.confirmed_at)
    for name in names:
        one = outcome["fields"].get(name)
        yield from (None, None, None) if one is None else (one["text"], one["expected"], one["confidence"])


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _taken(line: io.StringIO) -> bytes:
    text = line.getvalue()
    line.seek(0)
    line.truncate()
    return text.encode()


def _download(lines: Iterator[bytes], kind: str, name: str) -> Response:
    return StreamingResponse(lines, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})
