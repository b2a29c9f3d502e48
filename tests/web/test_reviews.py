"""What people say about held parts: durable, undoable, sent as a correction, and only by those who may."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge.adapters import reviews
from edge.core.outcome import Reason
from tests.web.site import CORRECTIONS, TOKEN, Answer, PartOf, Site, site, until

HOLD = PartOf(reason=Reason.RECORD_MISSING)
BEARER = {"authorization": f"Bearer {TOKEN}"}


def review(station: Site, inspection_id: str, **said: Any) -> Answer:
    """Give a review by token."""
    return station.ask("POST", f"/v1/outcomes/{inspection_id}/review", {"action": "confirm"} | said, **BEARER)


def corrections(station: Site) -> list[Any]:
    """The corrections in the outbox."""
    return [one for one in station.store.outbox.pending(99) if one.kind == "correction"]


def test_a_review_becomes_one_correction_and_edits_nothing(station: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its pause the correction stands in the outbox, once, as its schema says; the outcome keeps its bytes."""
    monkeypatch.setattr(reviews, "UNDO_S", 0.0)
    inspection_id = station.add(HOLD)
    before = station.store.outcome(inspection_id)
    answer = review(station, inspection_id, action="correct", fields={"serial": "X1"}, note="a scratch", by="Ada")
    (sent,) = until(lambda: corrections(station))
    said = json.loads(sent.payload)
    schema = json.loads(Path("config/schemas/correction.json").read_text())

    assert answer.status == 201
    assert (sent.topic, sent.properties["correction_id"]) == (CORRECTIONS, answer.json["correction_id"])
    jsonschema.validate(said, schema)
    assert (said["by"], said["action"], said["fields"], said["note"]) == (
        "Ada",
        "correct",
        {"serial": "X1"},
        "a scratch",
    )
    assert (said["inspection_id"], said["seq"]) == (inspection_id, 1)
    assert station.store.outcome(inspection_id) == before
    assert station.get(f"/v1/outcomes/{inspection_id}").json["reviews"][0]["undo_s"] is None


def test_a_review_can_be_taken_back_before_it_is_sent(station: Site) -> None:
    """Taken back, nothing was told, and the part waits again; a review that was sent cannot be taken back."""
    inspection_id = station.add(HOLD)
    review(station, inspection_id)
    waiting = station.get("/v1/held").json["waiting"]
    undone = station.ask("DELETE", f"/v1/outcomes/{inspection_id}/review", **BEARER)
    again = station.ask("DELETE", f"/v1/outcomes/{inspection_id}/review", **BEARER)

    assert (waiting, undone.status, again.status) == (0, 204, 404)
    assert station.get("/v1/held").json["waiting"] == 1
    assert corrections(station) == []
    assert station.get(f"/v1/outcomes/{inspection_id}").json["reviews"] == []


def test_a_review_outlives_the_panel(station: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A review whose pause was not over when the panel ended is sent by the next one, with the same bytes."""
    inspection_id = station.add(HOLD)
    told = review(station, inspection_id).json
    station.restart()
    monkeypatch.setattr(reviews, "UNDO_S", 0.0)
    (sent,) = until(lambda: corrections(station))

    assert json.loads(sent.payload)["correction_id"] == told["correction_id"]
    assert len(corrections(station)) == 1


def test_a_second_review_waits_for_the_first(station: Site) -> None:
    """While one can be taken back another is refused, so that what is taken back is never in doubt."""
    inspection_id = station.add(HOLD)
    review(station, inspection_id)
    second = review(station, inspection_id, action="reject")

    assert (second.status, "not sent yet" in second.sentence) == (400, True)


def test_the_queue_holds_what_waits_for_a_person(station: Site) -> None:
    """Held parts stand in the queue, newest first, until somebody has decided; passed parts never do."""
    ids = [station.add(part) for part in (HOLD, PartOf(), HOLD, PartOf(reason=Reason.MISMATCH), HOLD)]
    review(station, ids[2])
    queue = station.get("/v1/held").json

    assert [one["inspection_id"] for one in queue["outcomes"]] == [ids[4], ids[0]]
    assert queue["waiting"] == 2


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"action": "pass"}, "confirm, correct, reject, retake"),
        ({"action": "correct"}, "fields"),
        ({"action": "confirm", "fields": {"serial": "X"}}, "fields"),
        ({"action": "correct", "fields": {"serial": 7}}, "texts"),
        ({"action": "correct", "fields": ["serial"]}, "object"),
        ({"action": "reject", "note": "x" * 501}, "500"),
        ({"action": 1}, "action"),
    ],
)
def test_a_wrong_review_is_told_what_it_can_be(station: Site, said: dict[str, Any], named: str) -> None:
    """What cannot be followed is answered 400 with a sentence, and nothing is kept of it."""
    inspection_id = station.add(HOLD)
    answer = station.ask("POST", f"/v1/outcomes/{inspection_id}/review", said, **BEARER)

    assert (answer.status, named in answer.sentence) == (400, True)
    assert station.get("/v1/held").json["waiting"] == 1


def test_an_unknown_outcome_cannot_be_reviewed(station: Site) -> None:
    """404, and a sentence that names it."""
    answer = review(station, "nothing")

    assert (answer.status, "nothing" in answer.sentence) == (404, True)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": f"Basic {TOKEN}"}, 401),
        ({"cookie": "edge_session=WyJBZGEiLCA5OTk5OTk5OTk5XQ==.0000"}, 401),
        ({"cookie": "edge_session=%00.%00"}, 401),
    ],
)
def test_who_does_not_know_the_token_changes_nothing(station: Site, headers: dict[str, str], status: int) -> None:
    """No token, a wrong one, a forged session: each is refused with a sentence, and the part still waits."""
    inspection_id = station.add(HOLD)
    answer = station.ask("POST", f"/v1/outcomes/{inspection_id}/review", {"action": "confirm"}, **headers)

    assert (answer.status, TOKEN in answer.sentence) == (status, False)
    assert station.get("/v1/held").json["waiting"] == 1


def test_a_session_needs_its_own_word_with_each_change(station: Site) -> None:
    """The cookie alone, as another site's form would send it, changes nothing; with the session's word it does."""
    inspection_id = station.add(HOLD)
    begun = station.ask("POST", "/v1/session", {"name": "Ada", "token": TOKEN})
    cookie = begun.headers["set-cookie"]
    sent = {"cookie": cookie.partition(";")[0]}
    path = f"/v1/outcomes/{inspection_id}/review"
    without = station.ask("POST", path, {"action": "reject"}, **sent)
    with_word = station.ask("POST", path, {"action": "reject"}, **sent, x_edge_csrf=begun.json["csrf"])
    ended = station.ask("DELETE", "/v1/session", **sent)

    assert {"HttpOnly", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
    assert (without.status, with_word.status) == (403, 201)
    assert with_word.json["by"] == "Ada"
    assert "edge_session_" in ended.headers["set-cookie"]
    assert '=""' in ended.headers["set-cookie"]


def test_a_form_of_another_site_is_no_change(station: Site) -> None:
    """What a plain form can send (its type, no header of its own) is refused before it is read."""
    inspection_id = station.add(HOLD)
    answer = station.ask(
        "POST", f"/v1/outcomes/{inspection_id}/review", {"action": "confirm"}, content_type="text/plain", **BEARER
    )

    assert (answer.status, "application/json" in answer.sentence) == (400, True)


def test_wrong_tokens_are_listened_to_slowly(station: Site) -> None:
    """After five wrong tokens no sixth is tried: a person's typing errors, and no search."""
    answers = [station.ask("POST", "/v1/session", {"name": "x", "token": f"wrong {n}"}) for n in range(6)]

    assert [one.status for one in answers] == [401] * 5 + [429]
    assert answers[-1].headers["retry-after"] == "60"


def test_without_a_token_the_panel_changes_nothing(tmp_path: Path) -> None:
    """A panel that has no token says so, to a page and to a program."""
    with site(tmp_path, token=None) as station:
        inspection_id = station.add(HOLD)
        answer = review(station, inspection_id)

        assert station.get("/v1/session").json["state"] == "off"
        assert (answer.status, "token_file" in answer.sentence) == (403, True)
