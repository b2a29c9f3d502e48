"""A file that is put in its place whole: a reader, and a crash, find the earlier one or the new one, and no half.

Promises: when the work is done, content and name survive a power cut; what fails leaves the earlier file, and nothing
beside it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write(path: Path, content: bytes, *, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Put this content in the place of a file, with these rights; `owner` is user and group, None for this process's.

    Raises:
        OSError: it cannot be written.
    """
    with beside(path) as file:
        file.write_bytes(content)
        file.chmod(mode)
        if owner is not None:
            os.chown(file, *owner)


@contextmanager
def beside(path: Path, prefix: str = ".writing-") -> Iterator[Path]:
    """A new file in the same folder, for this user alone; it takes the place when the block is left without an error.

    Raises:
        OSError: it cannot be made, or not take the place.
    """
    number, name = tempfile.mkstemp(dir=path.parent, prefix=prefix)
    os.close(number)
    made = Path(name)
    try:
        yield made
        _sync(made, os.O_RDWR)
        os.replace(made, path)  # noqa: PTH105 - Path.replace says the same, os says it is the system call
    except BaseException:
        made.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, how: int) -> None:
    number = os.open(path, how)
    try:
        os.fsync(number)
    finally:
        os.close(number)
