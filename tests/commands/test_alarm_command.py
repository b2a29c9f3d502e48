"""`edge alarm` on a station's store, by the command line itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge import cli
from edge.adapters.store import Store
from edge.core.outcome import Outcome, Reason
from edge.settings import load
from tests import smallest_station

AT = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose line stands still after three parts in a row that did not pass."""
    file = smallest_station.write(tmp_path, '[alarm]\nin_a_row = 3\nstop_on = "in_a_row"\n')
    store = Store.open(tmp_path / "data", "st", alarm=load(file).alarm.policy)
    for number in range(4):
        reason = Reason.OVERRUN if number else Reason.MATCHED
        inspection_id, _ = store.add_trigger(f"t{number}", expected=None, source="x", at=AT, at_us=1)
        store.commit(Outcome(inspection_id, f"t{number}", reason), topic="o", config_hash="c", at=AT)
    store.close()
    return file


def edge(config: Path, *words: str) -> int:
    """Run one command line."""
    return cli.main([words[0], "--config", str(config), *words[1:]])


def test_a_stop_is_shown_and_stays_until_it_is_reset(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1 while an alarm stands, with what stopped the line; after `reset` there is none, and exit 0."""
    stands = edge(config, "alarm")
    shown = capsys.readouterr().out
    ended = edge(config, "alarm", "reset")
    after = capsys.readouterr().out

    assert (stands, ended) == (1, 0)
    assert "the line is to stand still (in_a_row: parts in a row up to outcome 4)" in shown
    assert "in a row that did not pass: 3 of 3" in shown
    assert "75.0% of all so far did not pass" in shown
    assert after.startswith("no alarm\n")


def test_a_new_base_begins_by_command_alone(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`learn` begins the base anew, and lets no line run."""
    edge(config, "alarm", "--json")
    before = json.loads(capsys.readouterr().out)
    edge(config, "alarm", "learn", "--json")
    after = json.loads(capsys.readouterr().out)

    assert (before["base_outcomes"], after["base_outcomes"]) == (4, 0)
    assert after["line_stop"] == before["line_stop"] == {"cause": "in_a_row", "signs": [], "seq": 4, "at": AT}
