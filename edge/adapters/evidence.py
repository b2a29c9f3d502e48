"""Evidence files: the very bytes that the reader saw, on the disk before the outcome that names their hash (L8).

Promises: when `write` returns, file and name survive a power cut; a file is never half there and never changes; a
file is removed only when its outcome was told, or when no outcome ever named it and a day has passed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge.adapters import disk, whole_file
from edge.adapters.kept import AT_ONCE
from edge.adapters.rows import KeptEvidence
from edge.adapters.store import Store
from edge.core.outcome import Evidence
from edge.errors import DiskFullError, StoreError

FOLDER = "evidence"
#: A file that no outcome names is left by a crash between writing and committing; younger ones may be on their way.
ORPHAN_AFTER_S = 86_400
_SUFFIXES = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG": ".png",
    b"BM": ".bmp",
    b"RIFF": ".webp",
    b"GIF8": ".gif",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
}


@dataclass(frozen=True, slots=True)
class Removed:
    """What one sweep removed: files by age, by size, and those that no outcome names; and what is left."""

    by_age: int = 0
    by_size: int = 0
    orphans: int = 0
    kept_bytes: int = 0


class EvidenceFolder:
    """The evidence below a data folder, one folder a day."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    def write(self, image: bytes, *, inspection_id: str, attempt: int, at: str) -> Evidence:
        """Keep the bytes of one frame; they are on the disk when this returns.

        Args:
            image: The encoded frame, as the reader got it.
            inspection_id: Whose frame it is.
            attempt: Which look it was.
            at: Wall time, RFC 3339; its day names the folder.

        Raises:
            StoreError: The file could not be written; nothing of it is left.
        """
        sha256 = hashlib.sha256(image).hexdigest()
        suffix = next((text for start, text in _SUFFIXES.items() if image.startswith(start)), ".bin")
        path = Path(FOLDER) / at[:10] / f"{inspection_id}-{attempt}-{sha256[:8]}{suffix}"
        try:
            self._write_durably(self._data_dir / path, image)
        except OSError as error:
            is_full = error.errno in disk.NO_ROOM
            remedy = disk.REMEDY if is_full else "check the data folder, its permissions and its disk"
            raise (DiskFullError if is_full else StoreError)(
                f"the evidence file {self._data_dir / path} could not be written ({error.strerror}): {remedy}"
            ) from error
        return Evidence(path=path.as_posix(), sha256=sha256, attempt=attempt)

    def sweep(self, store: Store, *, keep_days: float | None, max_bytes: int | None, now: datetime) -> Removed:
        """Remove what is too old or too much, oldest first; only what was told, and what nobody names.

        Raises:
            StoreError: The store could not be asked or written, or a file not be removed.
        """
        sizes = self._sizes()
        orphans = self._remove_orphans(store, sizes, now)
        oldest = "" if keep_days is None else (now - timedelta(days=keep_days)).astimezone(UTC).isoformat()
        by_age = by_size = 0
        total = sum(sizes.values())
        after: KeptEvidence | None = None
        while rows := store.kept.removable_evidence(AT_ONCE, after):
            after, going = rows[-1], []
            for row in rows:
                is_old = row.at < oldest
                if not is_old and (max_bytes is None or total <= max_bytes):
                    break
                going.append(row)
                total -= sizes.pop(row.path, 0)
                by_age += is_old
                by_size += not is_old
            self._remove(store, going)
            if len(going) < len(rows):
                break
        return Removed(by_age, by_size, orphans, total)

    def remove_oldest(self, store: Store) -> int:
        """Remove some of the oldest evidence whose outcome was told; give how many files.

        Raises:
            StoreError: The store could not be asked or written, or a file not be removed.
        """
        rows = store.kept.removable_evidence(AT_ONCE)
        self._remove(store, rows)
        return len(rows)

    def _remove(self, store: Store, rows: Sequence[KeptEvidence]) -> None:
        for row in rows:
            with self._named(self._data_dir / row.path):
                (self._data_dir / row.path).unlink(missing_ok=True)
        # After the files: a crash in between leaves rows without a file, and the next sweep finds them.
        if rows:
            store.kept.mark_removed(*(row.path for row in rows))

    @contextmanager
    def _named(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"the evidence file {path} could not be removed ({error.strerror}): check its folder's permissions"
            ) from error

    def _write_durably(self, path: Path, image: bytes) -> None:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            for parent in (path.parent.parent, self._data_dir):
                whole_file.sync_folder(parent)
        whole_file.write(path, image)

    def _sizes(self) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for file in sorted((self._data_dir / FOLDER).glob("*/*")):
            with suppress(FileNotFoundError):
                sizes[file.relative_to(self._data_dir).as_posix()] = file.stat().st_size
        return sizes

    def _remove_orphans(self, store: Store, sizes: dict[str, int], now: datetime) -> int:
        removed = 0
        for path in list(sizes):
            file = self._data_dir / path
            with suppress(FileNotFoundError):
                if now.timestamp() - file.stat().st_mtime > ORPHAN_AFTER_S and not store.kept.knows_evidence(path):
                    with self._named(file):
                        file.unlink()
                    sizes.pop(path)
                    removed += 1
        return removed
