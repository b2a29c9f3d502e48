"""The snapshot made anew by a process of its own: when, what the log says, and that nothing stays behind."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from edge.adapters.erp_snapshot import open_snapshot
from edge.services.inspector_sync import SnapshotSync, open_sync
from edge.settings import load
from tests.brokers import wait_for

Logs = list[Any]


@pytest.fixture
def logs() -> Iterator[Logs]:
    """What was logged."""
    with capture_logs() as told:
        yield told


def script(code: str) -> list[str]:
    """A command in the place of `edge erp sync`."""
    return [sys.executable, "-c", code]


def whys(logs: Logs, event: str) -> list[str]:
    """What the log gave as reasons."""
    return [one.get("why", one.get("what")) for one in logs if one["event"] == event]


def test_a_snapshot_that_is_not_there_is_made_at_once_then_again(tmp_path: Path, logs: Logs) -> None:
    """Without a snapshot the first sync comes at once, the next ones as often as is set; the log tells each."""
    count = tmp_path / "count"
    code = f"open({str(count)!r}, 'a').write('x'); print('table: 2 records')"
    sync = SnapshotSync(script(code), lambda: None, every_s=0.05, limit_s=60)
    wait_for(lambda: count.exists() and len(count.read_text()) >= 2, "the second sync")
    sync.close()

    assert whys(logs, "erp snapshot made")[0] == "table: 2 records"


def test_a_snapshot_that_is_young_waits(logs: Logs) -> None:
    """A snapshot that is younger than the interval is not made anew at a restart."""
    sync = SnapshotSync(script("print('made')"), lambda: 10.0, every_s=3600, limit_s=60)
    sync.close()

    assert logs == []


def test_a_sync_that_fails_is_told_and_tried_again_soon(logs: Logs) -> None:
    """The command's own sentence stands in the log, and the next try does not wait a whole interval."""
    code = "import sys; print('Traceback', file=sys.stderr); sys.exit('ERP is away; see its server')"
    sync = SnapshotSync(script(code), lambda: None, every_s=3600, limit_s=60, again_s=0.05)
    wait_for(lambda: len(whys(logs, "erp snapshot not made")) >= 2, "the second try")
    sync.close()

    assert whys(logs, "erp snapshot not made")[0] == "ERP is away; see its server"


def test_a_sync_that_hangs_is_ended(logs: Logs) -> None:
    """A sync past its time is killed and told by the name of the limit (L12)."""
    hangs = script("import time; time.sleep(600)")
    sync = SnapshotSync(hangs, lambda: None, every_s=3600, limit_s=0.3, again_s=3600)
    wait_for(lambda: whys(logs, "erp snapshot not made"), "the end of the sync")
    sync.close()

    assert "erp.sync_timeout_s" in whys(logs, "erp snapshot not made")[0]


def test_a_command_that_is_not_there_is_told(logs: Logs) -> None:
    """Nothing to start is one line in the log, and no end of the inspector."""
    sync = SnapshotSync(["/nowhere/edge"], lambda: None, every_s=3600, limit_s=60)
    wait_for(lambda: whys(logs, "erp snapshot not made"), "the log line")
    sync.close()

    assert "/nowhere/edge" in whys(logs, "erp snapshot not made")[0]


def test_the_end_waits_for_no_sync(tmp_path: Path) -> None:
    """An inspector that stops takes the sync with it at once, and leaves no process behind."""
    begun = tmp_path / "begun"
    code = f"import os, time; open({str(begun)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    sync = SnapshotSync(script(code), lambda: None, every_s=3600, limit_s=600)
    pid = wait_for(lambda: begun.exists() and begun.read_text(), "the sync")
    begun_s = time.monotonic()
    sync.close()

    assert time.monotonic() - begun_s < 30
    assert not Path(f"/proc/{pid}").exists()


def _station(folder: Path, more: str) -> Path:
    (folder / "parts.csv").write_text("serial,model\n1,AX\n", encoding="utf-8")
    (folder / "edge.toml").write_text(
        'version = 1\n[station]\nsite = "s"\nline = "l"\nname = "st 1"\ncamera = "front"\n'
        '[paths]\ndata = "data"\nruntime = "run"\n[cameras.front]\nkind = "file"\npath = "."\n'
        f'[erp]\nkind = "csv"\npath = "parts.csv"\n{more}',
        encoding="utf-8",
    )
    return folder / "edge.toml"


def test_the_settings_begin_it(tmp_path: Path, logs: Logs) -> None:
    """With `erp.sync_every_s` the real `edge erp sync` runs and the snapshot is there; without it nothing runs."""
    settings = load(_station(tmp_path, "sync_every_s = 60\n"), {})
    sync = open_sync(settings)
    assert sync is not None
    # It runs when nobody else wants the processor: on a busy PC that takes its time.
    for _ in range(9):
        with suppress(AssertionError):
            wait_for(lambda: logs, "the log line")
            break
    told = logs[-1]
    sync.close()

    assert told["event"] == "erp snapshot made", told
    assert settings.erp_snapshot.name == "erp-snapshot-st%201.db"
    snapshot = open_snapshot(settings.erp, settings.erp_snapshot)
    assert snapshot.lookup("1").fields == {"serial": "1", "model": "AX"}
    assert open_sync(load(_station(tmp_path, ""), {})) is None
