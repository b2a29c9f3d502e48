"""ERP with its snapshot behind it, which answers while ERP is away, and is silent where ERP has spoken."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge.adapters import erp_snapshot
from edge.adapters.erp import Record, open_erp, open_live
from edge.adapters.erp_snapshot import ErpOrSnapshot, Snapshot, open_snapshot
from edge.errors import ErpError
from edge.sections_erp import CsvErp
from tests.adapters.played_erp import AWAY, PlayedErp, failure


@pytest.fixture
def erp(snapshot: Snapshot) -> PlayedErp:
    """ERP that has been synced."""
    played = PlayedErp()
    snapshot.sync(played, limit_s=60)
    return played


def test_erp_goes_before_its_snapshot(erp: PlayedErp, snapshot: Snapshot) -> None:
    """While ERP answers, "no such record" included, the snapshot is not asked."""
    both = ErpOrSnapshot(erp, snapshot)
    erp.records = [Record({"serial": "12345678AB", "model": "NEW"}, "live")]

    assert both.lookup("12345678AB").fields["model"] == "NEW"
    assert both.lookup("87654321BA").fields == {}


def test_the_snapshot_answers_while_erp_is_away(erp: PlayedErp, snapshot: Snapshot) -> None:
    """An ERP that is away costs its wait once in a while, not at every part; the log tells the change once."""
    now = [0.0]
    both = ErpOrSnapshot(erp, snapshot, now_s=lambda: now[0])
    erp.trouble = AWAY
    with capture_logs() as told:
        found = [both.lookup("12345678AB").source for _ in range(3)]
        now[0] += erp_snapshot.ERP_LEFT_ALONE_S + 0.1
        found.append(both.lookup("12345678AB").source)
        asked = len(erp.asked)
        erp.trouble = None
        now[0] += erp_snapshot.ERP_LEFT_ALONE_S + 0.1
        back = both.lookup("12345678AB").source

    assert found == ["snapshot:played"] * 4
    assert asked == 2
    assert back == ""
    assert [one["event"] for one in told] == ["erp away, its snapshot answers", "erp answers again"]


def test_what_the_snapshot_lacks_is_asked_of_erp_all_the_same(erp: PlayedErp, snapshot: Snapshot) -> None:
    """A part that is newer than the snapshot passes as soon as ERP is back; until then it is unavailable (L3)."""
    both = ErpOrSnapshot(erp, snapshot)
    erp.trouble = AWAY
    why = failure(both, "new")
    erp.trouble, erp.records = None, [Record({"serial": "new"}, "live")]

    assert "ERP is away; see its server; the snapshot, 0 s old, does not hold this serial" in why
    assert both.lookup("new").source == "live"


def test_the_snapshot_does_not_overrule_erp(erp: PlayedErp, snapshot: Snapshot) -> None:
    """Two records, or one of a wrong type, are ERP's word about this serial: the snapshot stays silent (L4)."""
    both = ErpOrSnapshot(erp, snapshot)
    erp.trouble = ErpError("ERP has two records of serial 12345678AB")

    with pytest.raises(ErpError, match="two records"):
        both.lookup("12345678AB")


def test_without_a_snapshot_an_outage_is_an_outage(snapshot: Snapshot) -> None:
    """Where no snapshot was ever made the sentence says so, and how to make one."""
    why = failure(ErpOrSnapshot(PlayedErp(trouble=AWAY), snapshot))

    assert "ERP is away" in why
    assert "there is no snapshot" in why
    assert snapshot.doubts() == []
    assert "edge erp sync" in why


def test_a_csv_file_that_is_away_at_the_start_is_covered(tmp_path: Path) -> None:
    """After a restart with a broken export the records of the last sync answer, as old as their file was."""
    file, path = tmp_path / "parts.csv", tmp_path / "snapshot.db"
    file.write_text("serial,model,done\n12345678AB,AX-1,0\n87654321BA,AX-2,x\n", encoding="utf-8")
    os.utime(file, (time.time() - 600, time.time() - 600))
    config = CsvErp(kind="csv", path=file, used_column="done", timeout_ms=20_000)
    live = open_live(config)
    assert live is not None
    open_snapshot(config, path).sync(live, limit_s=60)
    file.write_text("<html>", encoding="utf-8")
    restarted = open_erp(config, path)
    assert restarted is not None

    found, other = restarted.lookup("12345678AB"), restarted.lookup("87654321BA")
    for erp in (live, restarted):
        erp.close()

    assert (found.fields, found.source, found.used) == (
        {"serial": "12345678AB", "model": "AX-1"},
        "snapshot:csv:parts.csv",
        "",
    )
    assert 600 <= found.age_s < 660
    assert other.used == "done: x"
