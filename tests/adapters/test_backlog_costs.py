"""What the messenger does in each turn costs the same however many messages wait; counted in SQLite's own steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench import outage
from edge.adapters.store import Store
from edge.services.health import health_message

AT = "2026-01-01T00:00:00.000Z"
ACTS: dict[str, Callable[[Store], object]] = {
    "look": lambda store: store.outbox.waiting(600),
    "begin": lambda store: store.outbox.begin_sending(store.outbox.waiting(500)),
    "acknowledge": lambda store: store.outbox.acknowledge(*store.outbox.waiting(200)),
    "trigger": lambda store: store.add_trigger("new", expected=None, source="test", at=AT, at_us=1),
    "health": lambda store: health_message(store, {}, {}, now_us=1, at=AT, session_id="s"),
    "forget": lambda store: store.kept.forget("9"),
}


def steps(store: Store, act: Callable[[Store], object]) -> int:
    """How many hundreds of SQLite's steps an act takes."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    connection = store._database._connection
    connection.set_progress_handler(count, 100)
    act(store)
    connection.set_progress_handler(None, 100)
    return counted


def test_a_turn_costs_the_same_with_any_backlog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With twenty times as many messages waiting, nothing that is done in a turn takes twice the steps."""
    monkeypatch.setattr(outage, "BY_THE_STORE", 1000)
    monkeypatch.setattr(outage, "_DETAIL", "")
    taken: dict[int, dict[str, int]] = {}
    for backlog in (1000, 20_000):
        outage.make_backlog(tmp_path / str(backlog), backlog)
        store = Store.open(tmp_path / str(backlog), "st")
        taken[backlog] = {name: steps(store, act) for name, act in ACTS.items()}
        store.close()

    assert {name: few for name, few in taken[1000].items() if taken[20_000][name] > 2 * few + 10} == {}
    assert all(taken[1000][name] > 0 for name in ("look", "begin", "acknowledge"))
