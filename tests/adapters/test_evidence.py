"""Evidence files: durable, unchanged, and removed only when their outcome was told."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.adapters import evidence
from edge.adapters.evidence import EvidenceFolder
from edge.adapters.store import Store
from edge.core.outcome import Evidence, Outcome, Reason
from edge.errors import DiskFullError

AT = "2026-03-01T10:00:00.000Z"
NOW = datetime(2026, 3, 10, 10, tzinfo=UTC)
JPEG = b"\xff\xd8\xff\xe0 bytes of a frame"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An open store."""
    opened = Store.open(tmp_path, "st")
    yield opened
    opened.close()


def inspect(store: Store, folder: EvidenceFolder, number: int, *, told: bool, at: str = AT) -> Evidence:
    """One inspection with one evidence file."""
    inspection_id, _ = store.add_trigger(f"t{number}", expected=None, source="test", at=at, at_us=0)
    kept = folder.write(JPEG + b"%d" % number, inspection_id=inspection_id, attempt=1, at=at)
    outcome = Outcome(inspection_id, f"t{number}", Reason.MATCHED, evidence=(kept,))
    store.commit(outcome, topic="outcome", config_hash="c", at=at)
    if told:
        store.outbox.acknowledge(store.outbox.waiting(100)[-1])
    return kept


def test_evidence_is_the_very_bytes_and_its_hash(tmp_path: Path) -> None:
    """The file holds what was given, byte for byte, and the evidence says its SHA-256 and its path (L8)."""
    kept = EvidenceFolder(tmp_path).write(JPEG, inspection_id="i", attempt=2, at=AT)

    assert (tmp_path / kept.path).read_bytes() == JPEG
    assert kept.sha256 == hashlib.sha256(JPEG).hexdigest()
    assert kept.attempt == 2
    assert kept.path.startswith("evidence/2026-03-01/i-2-")
    assert kept.path.endswith(".jpg")


def test_file_and_folder_are_on_the_disk_before_the_name_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is: write, sync the file, rename, sync the folder (L2, L8)."""
    steps: list[str] = []
    sync, replace = os.fsync, os.replace

    def noted_sync(number: int) -> None:
        steps.append("folder" if Path(f"/proc/self/fd/{number}").resolve().is_dir() else "file")
        sync(number)

    def noted_replace(old: str, new: str) -> None:
        steps.append("rename")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_replace)

    EvidenceFolder(tmp_path).write(JPEG, inspection_id="i", attempt=1, at=AT)

    assert steps == ["folder", "folder", "file", "rename", "folder"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_is_a_named_error_and_leaves_nothing(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full while evidence is written: one sentence, and no half file."""
    folder = EvidenceFolder(tmp_path)
    folder.write(JPEG, inspection_id="first", attempt=1, at=AT)

    def full(*_values: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, full)

    with pytest.raises(DiskFullError, match=r"No space left on device.*free space"):
        folder.write(JPEG, inspection_id="second", attempt=1, at=AT)

    assert [file.name[:5] for file in (tmp_path / "evidence/2026-03-01").iterdir()] == ["first"]


def test_old_evidence_goes_when_its_outcome_was_told(tmp_path: Path, store: Store) -> None:
    """By age: only what was told, and only what is older than the limit."""
    folder = EvidenceFolder(tmp_path)
    old = inspect(store, folder, 1, told=True)
    untold = inspect(store, folder, 2, told=False)
    young = inspect(store, folder, 3, told=True, at="2026-03-09T10:00:00.000Z")

    swept = folder.sweep(store, keep_days=5, max_bytes=None, now=NOW)

    assert (swept.by_age, swept.by_size) == (1, 0)
    assert not (tmp_path / old.path).exists()
    assert (tmp_path / untold.path).exists()
    assert (tmp_path / young.path).exists()


def test_most_evidence_fits_the_size_limit_oldest_goes_first(tmp_path: Path, store: Store) -> None:
    """By size: the oldest told ones go until the rest fits; what was not told stays, also beyond the limit."""
    folder = EvidenceFolder(tmp_path)
    kept = [
        inspect(store, folder, number, told=number != 0, at=f"2026-03-0{number + 1}T10:00:00.000Z")
        for number in range(5)
    ]
    size = len(JPEG) + 1

    swept = folder.sweep(store, keep_days=None, max_bytes=3 * size, now=NOW)

    assert (swept.by_age, swept.by_size, swept.kept_bytes) == (0, 2, 3 * size)
    assert [(tmp_path / each.path).exists() for each in kept] == [True, False, False, True, True]
    assert folder.sweep(store, keep_days=None, max_bytes=0, now=NOW).kept_bytes == size


def test_a_file_that_no_outcome_names_goes_after_a_day(tmp_path: Path, store: Store) -> None:
    """What a crash left between evidence and outcome is removed, but not while its outcome may be on its way."""
    folder = EvidenceFolder(tmp_path)
    named = inspect(store, folder, 1, told=False)
    orphan = folder.write(JPEG, inspection_id="crashed", attempt=1, at=AT)
    soon = datetime.now(UTC)

    assert folder.sweep(store, keep_days=None, max_bytes=None, now=soon).orphans == 0
    later = soon + timedelta(seconds=evidence.ORPHAN_AFTER_S + 10)
    assert folder.sweep(store, keep_days=None, max_bytes=None, now=later).orphans == 1
    assert not (tmp_path / orphan.path).exists()
    assert (tmp_path / named.path).exists()


def test_a_sweep_over_a_file_that_is_gone_goes_on(tmp_path: Path, store: Store) -> None:
    """A file that someone removed by hand does not stop the sweep."""
    folder = EvidenceFolder(tmp_path)
    kept = inspect(store, folder, 1, told=True)
    (tmp_path / kept.path).unlink()

    swept = folder.sweep(store, keep_days=1, max_bytes=None, now=NOW)

    assert swept.by_age == 1
    assert store.kept.removable_evidence(9) == []
