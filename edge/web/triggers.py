"""A trigger over HTTP: `POST /v1/trigger`, by a program, or by a person's key on the line view.

Promises: the trigger is on the disk when it is answered, and then has exactly one outcome (L1); one with an id that was
used before begins no second inspection; one that cannot be taken is refused with a sentence, and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.adapters.command_messages import MAX_FIELDS, MAX_TEXT_LENGTH
from edge.adapters.database import monotonic_us, wall_time
from edge.adapters.messages import MAX_ID_LENGTH
from edge.adapters.payload import clean
from edge.adapters.rows import InspectionIds
from edge.adapters.store import LimitError
from edge.errors import DiskFullError, UseError
from edge.web.access import visitor_of
from edge.web.session import json_body, text_of
from edge.web.stored import Stored

log = structlog.get_logger()

_KEYS = ("trigger_id", "expected")


class TriggerRoutes:
    """Begins inspections; `poke` lets the inspector look at once."""

    def __init__(self, stored: Stored, poke: Callable[[], None]) -> None:
        self._stored, self._poke = stored, poke
        self._ids = InspectionIds()

    def routes(self) -> list[Route]:
        """The one address."""
        return [Route("/v1/trigger", self._trigger, methods=["POST"])]

    async def _trigger(self, request: Request) -> Response:
        # The part is in place now: what the body and the store take comes off the deadline.
        at_us = monotonic_us()
        visitor = visitor_of(request)
        given = await json_body(request)
        strange = sorted(set(given) - set(_KEYS))
        if strange:
            raise UseError(f"a trigger has no {strange[0][:50]!r}: it has {', '.join(_KEYS)}")
        trigger_id = _text(text_of(given, "trigger_id", MAX_ID_LENGTH), "trigger_id") or f"http-{self._ids()}"
        expected = _expected(given.get("expected"))
        inspection_id, is_new = await run_in_threadpool(self._add, trigger_id, expected, at_us)
        if is_new:
            self._poke()
            log.info("trigger", trigger_id=trigger_id, inspection_id=inspection_id, by=visitor.name)
        told = {"trigger_id": trigger_id, "inspection_id": inspection_id, "repeat": not is_new}
        return JSONResponse(told, 201 if is_new else 200)

    def _add(self, trigger_id: str, expected: Mapping[str, str] | None, at_us: int) -> tuple[str, bool]:
        with self._stored.store() as store:
            try:
                return store.add_trigger(trigger_id, expected=expected, source="http", at=wall_time(), at_us=at_us)
            except LimitError as full:
                store.count(f"trigger_{full.limit}")
                raise
            except DiskFullError:
                with suppress(DiskFullError):  # a counter that a full disk cannot hold is no other failure
                    store.count("trigger_disk_full")
                raise


def _expected(value: object) -> Mapping[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not 0 < len(value) <= MAX_FIELDS:
        raise UseError(f"expected must be an object of 1 to {MAX_FIELDS} texts")
    for name, text in value.items():
        if not isinstance(text, str) or not 0 < len(text) <= MAX_TEXT_LENGTH or not 0 < len(name) <= MAX_ID_LENGTH:
            raise UseError(f"expected must hold texts of 1 to {MAX_TEXT_LENGTH} characters")
        _text(name, "expected")
        _text(text, "expected")
    return value


def _text(text: str, what: str) -> str:
    if clean(text) != text or "\0" in text:
        raise UseError(f"{what} must be a text in UTF-8 without control characters that cannot be kept")
    return text
