"""The line's stop on the page: told to everybody, ended by a person who may change something, and by nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.adapters.store import Store
from edge.core.alarm import AlarmPolicy, StopCause
from edge.core.outcome import Outcome, Reason
from tests.web.site import AT, STATION, TOKEN, Site, site

POLICY = AlarmPolicy(in_a_row=2, stop_on=frozenset({StopCause.IN_A_ROW}))


def stop_the_line(station: Site) -> None:
    """Two parts in a row that do not pass, where two stop the line."""
    store = Store.open(station.data_dir, STATION, alarm=POLICY)
    for number in (1, 2):
        inspection_id, _ = store.add_trigger(f"t{number}", expected=None, source="x", at=AT, at_us=1)
        store.commit(Outcome(inspection_id, "t", Reason.OVERRUN), topic="o", config_hash="c", at=AT)
    store.close()


def test_a_stop_is_told_until_a_person_ends_it(station: Site) -> None:
    """Health says so as data and as a sentence, the station being `degraded`; with the token the line may run again."""
    stop_the_line(station)
    told = station.get("/health").json
    ended = station.ask("DELETE", "/v1/line_stop", authorization=f"Bearer {TOKEN}")
    after = station.get("/health").json

    assert told["alarms"]["line_stop"] == {"cause": "in_a_row", "signs": [], "seq": 2, "at": AT}
    assert any("the line is to stand still" in problem for problem in told["problems"])
    assert ended.status == 204
    assert after["alarms"]["line_stop"] is None
    assert not any("stand still" in problem for problem in after["problems"])


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}])
def test_nobody_else_ends_it(station: Site, headers: dict[str, str]) -> None:
    """Without the token, or with a wrong one, the line stays stopped."""
    stop_the_line(station)
    answer = station.ask("DELETE", "/v1/line_stop", **headers)

    assert answer.status == 401
    assert station.get("/health").json["alarms"]["line_stop"]["seq"] == 2


def test_a_panel_without_a_token_ends_no_stop(tmp_path: Path) -> None:
    """A panel that changes nothing says so; `edge alarm reset` on the PC is the other way."""
    with site(tmp_path, token=None) as station:
        stop_the_line(station)
        answer = station.ask("DELETE", "/v1/line_stop", authorization=f"Bearer {TOKEN}")

        assert answer.status == 403
        assert station.get("/health").json["alarms"]["line_stop"] is not None
