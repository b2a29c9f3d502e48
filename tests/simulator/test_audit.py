"""The line's own audit finds what a station must never say."""

from __future__ import annotations

import json
from typing import Any

from simulator.audit import MAX_PROBLEMS, Audit


def _message(seq: int = 1, **changes: Any) -> tuple[bytes, list[tuple[str, str]]]:
    outcome = {"inspection_id": f"i{seq}", "seq": seq, "trigger_id": f"t{seq}", "schema": "edge/v1", **changes}
    properties = [(name, str(outcome[name])) for name in ("inspection_id", "seq", "schema")]
    return json.dumps(outcome).encode(), [*properties, ("historical", "false")]


def _heard(*messages: tuple[bytes, list[tuple[str, str]]]) -> Audit:
    audit = Audit()
    for number, (raw, properties) in enumerate(messages):
        audit.hear(raw, properties, float(number))
    return audit


def test_finds_nothing_wrong_with_a_good_station() -> None:
    """Outcomes in order, each once, one a trigger, are no problem; neither is an equal repeat (L1, L11)."""
    audit = _heard(_message(1), _message(2), _message(2), _message(3))

    assert audit.problems == []
    assert (audit.messages, len(audit.outcomes), audit.repeats, audit.is_gapless) == (4, 3, 1, True)
    assert audit.missing(["t1", "t2", "t3", "t4"]) == ["t4"]


def test_finds_a_repeat_with_another_content() -> None:
    """The same inspection told twice with different bytes is found (L11)."""
    audit = _heard(_message(1), _message(1, reason="other"))

    assert "different contents" in audit.problems[0]


def test_finds_two_outcomes_of_one_trigger() -> None:
    """A second outcome of a trigger is found (L1)."""
    audit = _heard(_message(1), _message(2, trigger_id="t1"))

    assert "two outcomes" in audit.problems[0]


def test_finds_a_gap() -> None:
    """A `seq` that is left out is found, and so is one out of order (L11)."""
    gap, swapped = _heard(_message(1), _message(3)), _heard(_message(2), _message(1))

    assert not gap.is_gapless
    assert gap.problems == ["seq 3 came after 1"]
    assert swapped.is_gapless
    assert swapped.problems == ["seq 1 came after 2"]


def test_finds_a_seq_used_twice() -> None:
    """Two inspections with one `seq` are found (L11)."""
    audit = _heard(_message(1), _message(1, inspection_id="other", trigger_id="t2"))

    assert "belongs to two inspections" in audit.problems[0]


def test_finds_properties_that_contradict_the_message() -> None:
    """User properties that are missing or say something else than the message are found."""
    raw, _ = _message(1)
    audit = Audit()
    audit.hear(raw, [("inspection_id", "i9")], 0.0)

    assert len(audit.problems) == 4


def test_survives_what_is_no_outcome() -> None:
    """A message that is no outcome is a problem, not an exception."""
    audit = _heard((b"\xff", []), (b"[]", []), (b'{"seq": 1}', []))

    assert audit.num_problems == 3
    assert audit.outcomes == {}


def test_keeps_a_limited_number_of_problems() -> None:
    """Beyond its limit the audit only counts (L12)."""
    audit = _heard(*[(b"x", [])] * (MAX_PROBLEMS + 5))

    assert len(audit.problems) == MAX_PROBLEMS
    assert audit.num_problems == MAX_PROBLEMS + 5


def test_finds_a_message_that_breaks_the_contract() -> None:
    """A message of any kind that is not as its schema says is counted and told; a sound one is only counted."""
    audit = Audit()
    state = {"schema": "edge/v1", "station": "st", "state": "online", "session_id": "s", "version": "1", "at": "now"}

    audit.check_contract("state", json.dumps(state).encode())
    audit.check_contract("state", json.dumps(state | {"state": "asleep"}).encode())
    audit.check_contract("answer", b"[]")

    assert (audit.num_checked, audit.num_violations) == (3, 2)
    assert "state breaks its schema at $.state: 'asleep'" in audit.problems[0]
    assert "answer breaks its schema" in audit.problems[1]
