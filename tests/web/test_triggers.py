"""Triggers over HTTP: on the disk when they are answered, once for each id, and only by those who may."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.site import TOKEN, Answer, Site

BEARER = {"authorization": f"Bearer {TOKEN}"}


def trigger(station: Site, said: dict[str, Any] | None = None, **headers: str) -> Answer:
    """A part is in place."""
    return station.ask("POST", "/v1/trigger", said or {}, **(headers or BEARER))


def test_a_trigger_is_on_the_disk_when_it_is_answered(station: Site) -> None:
    """Its inspection waits for the inspector, with what is expected; without an id one is made (L1)."""
    named = trigger(station, {"trigger_id": "mes-7", "expected": {"serial": "X1"}})
    made = trigger(station)
    waiting = station.store.waiting_triggers()

    assert (named.status, made.status) == (201, 201)
    assert [(row.trigger_id, row.inspection_id) for row in waiting] == [
        ("mes-7", named.json["inspection_id"]),
        (made.json["trigger_id"], made.json["inspection_id"]),
    ]
    assert waiting[0].expected == {"serial": "X1"}
    assert made.json["trigger_id"].startswith("http-")


def test_a_repeated_trigger_begins_nothing_new(station: Site) -> None:
    """The same id again is answered 200 with the inspection that it began first (L1)."""
    first, second = trigger(station, {"trigger_id": "a"}), trigger(station, {"trigger_id": "a"})

    assert (first.status, second.status) == (201, 200)
    assert (first.json["inspection_id"], second.json["repeat"]) == (second.json["inspection_id"], True)
    assert station.store.counts()["triggers"] == 1


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"triger_id": "a"}, "has no 'triger_id'"),
        ({"trigger_id": 7}, "trigger_id"),
        ({"trigger_id": "x" * 201}, "200"),
        ({"trigger_id": "a\0b"}, "trigger_id"),
        ({"expected": ["serial"]}, "object"),
        ({"expected": {}}, "1 to 100"),
        ({"expected": {"serial": 7}}, "texts"),
        ({"expected": {"serial": ""}}, "1 to 500"),
    ],
)
def test_a_wrong_trigger_is_told_what_it_can_be(station: Site, said: dict[str, Any], named: str) -> None:
    """What cannot be followed is answered 400 with a sentence, and is no trigger."""
    answer = trigger(station, said)

    assert (answer.status, named in answer.sentence) == (400, True)
    assert station.store.counts()["triggers"] == 0


def test_who_may_not_change_anything_triggers_nothing(station: Site) -> None:
    """Without the token there is no trigger, and the sentence says so."""
    answer = trigger(station, {}, authorization="Bearer wrong")

    assert answer.status == 401
    assert station.store.counts()["triggers"] == 0


def test_a_full_queue_is_a_reason_with_a_name(station: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trigger beyond the limit of those that wait is refused with a sentence, and counted under the limit (L12)."""
    monkeypatch.setattr("edge.adapters.store.MAX_WAITING_TRIGGERS", 1)
    trigger(station)
    answer = trigger(station)

    assert (answer.status, "1 triggers wait" in answer.sentence) == (503, True)
    assert station.store.counts()["trigger_max_waiting_triggers"] == 1
