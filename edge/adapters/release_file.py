"""The release that a station has taken, as a file in its data folder: the messenger writes it, every process reads it.

Promise: a reader, and a crash, find the earlier release or the new one whole, byte for byte as it was signed.
"""

from __future__ import annotations

from pathlib import Path

from edge.adapters import whole_file
from edge.errors import StoreError
from edge.releases import MAX_RELEASE_BYTES

#: What tells one content of the file from the next: its inode, since each is a new file, time and size.
Mark = tuple[int, int, int]


class ReleaseFile:
    """The place of one station's release."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def mark(self) -> Mark | None:
        """By which a change is noticed; None where there is no file."""
        try:
            facts = self.path.stat()
        except OSError:
            return None
        return facts.st_ino, facts.st_mtime_ns, facts.st_size

    def read(self) -> bytes | None:
        """The release's bytes, as many as one may have and one more; None where there is no file.

        Raises:
            StoreError: it cannot be read.
        """
        try:
            with self.path.open("rb") as opened:
                return opened.read(MAX_RELEASE_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self.path} cannot be read ({error.strerror}): see its rights, and the disk") from None

    def write(self, message: bytes) -> None:
        """Put a release in the place of the earlier one; it is on the disk when this returns.

        Raises:
            StoreError: it cannot be written; the earlier one is still there.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            whole_file.write(self.path, message)
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written ({error.strerror}): see the disk") from None
