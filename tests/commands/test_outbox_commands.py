"""`edge outbox` and `edge outcomes` on a station's store, by the command line itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge import cli
from edge.adapters.store import Store
from edge.core.outcome import Outcome, Reason
from tests import smallest_station

AT = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose store holds three outcomes: one dead letter, two that wait."""
    file = smallest_station.write(tmp_path)
    store = Store.open(tmp_path / "data", "st")
    for number in range(3):
        inspection_id, _ = store.add_trigger(f"t{number}", expected=None, source="x", at=AT, at_us=1)
        store.commit(Outcome(inspection_id, f"t{number}", Reason.OVERRUN), topic="o", config_hash="c", at=AT)
    store.outbox.refuse(1, "not_authorized")
    store.outbox.set_aside(1)
    store.close()
    return file


def edge(config: Path, *words: str) -> int:
    """Run one command line."""
    return cli.main([words[0], "--config", str(config), *words[1:]])


def test_list_shows_what_waits_and_what_was_set_aside(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each message is a line, dead letters first, with the broker's reason (L12)."""
    assert edge(config, "outbox", "list") == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 waiting, 1 dead letters"
    assert "dead" in lines[1]
    assert "not_authorized" in lines[1]
    assert len(lines) == 4
    assert edge(config, "outbox", "list", "--json") == 0
    facts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(fact["row"], fact["state"]) for fact in facts] == [(1, "dead"), (2, "waiting"), (3, "waiting")]
    assert json.loads(facts[0]["message"])["seq"] == 1


def test_retry_and_drop_act_on_dead_letters_alone(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Retry sends dead letters again, drop gives one up; a message that still waits is refused with exit 2 (L11)."""
    assert edge(config, "outbox", "drop", "2") == 2
    assert "only dead letters can be dropped" in capsys.readouterr().err
    assert edge(config, "outbox", "retry", "2") == 2
    assert edge(config, "outbox", "retry") == 0
    assert capsys.readouterr().out == "1 dead letters will be sent again\n"

    assert edge(config, "outbox", "drop", "1") == 2


def test_outcomes_are_shown_as_lines_and_as_messages(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """People get a line each and the balance of triggers and outcomes; `--json` gives the messages byte for byte."""
    assert edge(config, "outcomes") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "3 triggers, 3 outcomes, 0 open"
    assert "overrun" in lines[0]

    assert edge(config, "outcomes", "--json", "--limit", "2") == 0
    seqs = [json.loads(line)["seq"] for line in capsys.readouterr().out.splitlines()]
    assert seqs == [2, 3]
