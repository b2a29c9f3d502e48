"""Held parts over HTTP: the queue, and what a person decides about a part.

Promises: the outcome stays as it is; what a person says is on the disk before it is answered, can be taken back for
`UNDO_S`, and then goes to MES as a *correction* message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast, get_args

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.adapters.messages import ReviewAction
from edge.errors import UseError
from edge.web.access import visitor_of
from edge.web.history import MAX_PAGE, number_of, told_all
from edge.web.session import MAX_NAME, Sessions, json_body, text_of
from edge.web.stored import Stored

#: Held parts of one page of the queue.
QUEUE_PAGE = 50
#: Held parts are counted up to here; more is shown as "500+".
COUNTED = 500
MAX_NOTE = 500
MAX_FIELDS, MAX_FIELD_TEXT = 50, 200

ACTIONS: tuple[str, ...] = get_args(ReviewAction)


class ReviewRoutes:
    """`GET /v1/held`, and `POST` and `DELETE /v1/outcomes/{inspection_id}/review`."""

    def __init__(self, stored: Stored, sessions: Sessions) -> None:
        self._stored, self._sessions = stored, sessions

    def routes(self) -> list[Route]:
        """Every address of held parts."""
        return [
            Route("/v1/held", self._queue),
            Route("/v1/outcomes/{inspection_id}/review", self._give, methods=["POST"]),
            Route("/v1/outcomes/{inspection_id}/review", self._undo, methods=["DELETE"]),
        ]

    def _queue(self, request: Request) -> Response:
        limit = number_of(request.query_params, "limit", 1, MAX_PAGE) or QUEUE_PAGE
        before = number_of(request.query_params, "before", 1, 2**62)
        with self._stored.history() as history:
            page = history.held(limit=limit, before=before)
            waiting = history.num_held(COUNTED)
        facts = {"next_before": page.next_before, "waiting": waiting, "counted_to": COUNTED}
        return told_all(page.rows, facts)

    async def _give(self, request: Request) -> Response:
        visitor = visitor_of(request)
        given = await json_body(request)
        by = str(visitor.name)
        if visitor.by_header and (named := text_of(given, "by", MAX_NAME).strip()):
            by = self._sessions.claimed(named)
        action = text_of(given, "action", 20)
        if action not in ACTIONS:
            raise UseError(f"action is {action[:20]!r}, and can be {', '.join(ACTIONS)}")
        fields = _fields(given)
        if bool(fields) != (action == "correct"):
            raise UseError("fields belong to the action correct, and to no other: say what each field is in truth")
        note = text_of(given, "note", MAX_NOTE).strip()
        review = await run_in_threadpool(
            self._add, request.path_params["inspection_id"], cast("ReviewAction", action), by, fields, note
        )
        return JSONResponse(review, 201)

    def _add(
        self, inspection_id: str, action: ReviewAction, by: str, fields: Mapping[str, str], note: str
    ) -> Mapping[str, object]:
        with self._stored.reviews() as reviews:
            review = reviews.add(inspection_id, action, by=by, fields=fields, note=note)
        return {"correction_id": review.correction_id, "at": review.at, "by": by, "undo_s": review.undo_s}

    async def _undo(self, request: Request) -> Response:
        await run_in_threadpool(self._take_back, request.path_params["inspection_id"])
        return Response(status_code=204)

    def _take_back(self, inspection_id: str) -> None:
        with self._stored.reviews() as reviews:
            reviews.undo(inspection_id)


def _fields(given: dict[str, object]) -> Mapping[str, str]:
    fields = given.get("fields") or {}
    if not isinstance(fields, dict) or len(fields) > MAX_FIELDS:
        raise UseError(f"fields must be an object of at most {MAX_FIELDS} texts")
    if not all(isinstance(one, str) and len(one) <= MAX_FIELD_TEXT for pair in fields.items() for one in pair):
        raise UseError(f"fields must hold texts of at most {MAX_FIELD_TEXT} characters")
    return fields
