"""The disk under the data folder: how much is free, and the reserve that lets open inspections end with their outcome.

Promise: below the reserve no trigger is taken (`disk_full`), while outcomes and evidence are still written: what was
begun ends, and the station takes triggers again by itself once there is room.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.errors import DiskFullError

#: What the system says when there is no room: no space, no quota, or no larger file allowed.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
REMEDY = "free space, or lower [evidence] keep_days or max_gb, or [keep] store_gb"


def free_bytes(folder: Path) -> int:
    """What a user without rights of root may still write; the next folder above counts where this one is absent."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    found = os.statvfs(there)
    return found.f_bavail * found.f_frsize


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk that a folder lies on, and the bytes that stay free there for what has begun."""

    folder: Path
    reserve_bytes: int = 0
    measure: Callable[[Path], int] = free_bytes

    @property
    def free_bytes(self) -> int:
        """What is free at this moment."""
        return self.measure(self.folder)

    @property
    def is_full(self) -> bool:
        """Whether less than the reserve is free."""
        return self.free_bytes < self.reserve_bytes

    def need_room(self) -> None:
        """Pass where the reserve is free.

        Raises:
            DiskFullError: Less is free.
        """
        free = self.free_bytes
        if free < self.reserve_bytes:
            raise DiskFullError(
                f"{free / 1e6:.0f} MB are free on the disk of {self.folder}, and {self.reserve_bytes / 1e6:.0f} MB "
                f"([keep] reserve_mb) are kept for inspections that have begun: {REMEDY}"
            )
