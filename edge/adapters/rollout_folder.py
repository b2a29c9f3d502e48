"""The plant's folder of releases: each that was pushed, as NUMBER.release, and `rollout.json`, where a roll-out is.

Promise: the file is whole at any moment, so whoever was killed goes on from it; a release in the folder never changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from edge.adapters import whole_file
from edge.core.rollout import Rollout
from edge.errors import UseError
from edge.releases import MAX_RELEASE_BYTES, Release, ReleaseError


@dataclass(frozen=True, slots=True)
class Plant:
    """Where a plant is: its roll-out, and the release that was everywhere before it (0: none, the stations' files)."""

    rollout: Rollout
    before: int


_PLANT = TypeAdapter(Plant)


class RolloutFolder:
    """One folder, used by one process at a time (`alone`)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state = path / "rollout.json"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others out while something is rolled out.

        Raises:
            UseError: another process is rolling out from here, or the folder cannot be used.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with (self.path / ".lock").open("w", encoding="ascii") as lock:
                flock(lock, LOCK_EX | LOCK_NB)
                yield
        except BlockingIOError:
            raise UseError(f"{self.path} is in use by another edge release: wait for its end, or end it") from None

    def plant(self) -> Plant | None:
        """Where the plant is; None where nothing was rolled out from here.

        Raises:
            UseError: the file cannot be read.
        """
        try:
            return _PLANT.validate_json(self._state.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not as edge release writes it"
            raise UseError(f"{self._state} cannot be used ({why}): restore it, or name another --folder") from None

    def keep(self, plant: Plant) -> None:
        """Note where the plant is; on the disk when this returns.

        Raises:
            UseError: it cannot be written.
        """
        self._write(self._state, json.dumps(asdict(plant), ensure_ascii=False).encode())

    def add(self, number: int, message: bytes) -> None:
        """Keep a release under its number.

        Raises:
            UseError: another one has that number, or it cannot be written.
        """
        path = self._release(number)
        if path.exists():
            if path.read_bytes() != message:
                raise UseError(f"{path} is another release of number {number}: give the new one a greater number")
            return
        self._write(path, message)

    def release(self, number: int) -> Release:
        """The release of a number.

        Raises:
            UseError: there is none.
        """
        return read_release(self._release(number))

    def numbers(self) -> list[int]:
        """The numbers of the releases that are here, the least first."""
        return sorted(int(path.stem) for path in self.path.glob("*.release") if path.stem.isdecimal())

    def _release(self, number: int) -> Path:
        return self.path / f"{number}.release"

    def _write(self, path: Path, content: bytes) -> None:
        try:
            whole_file.write(path, content)
        except OSError as error:
            raise UseError(f"{path} cannot be written ({error.strerror}): see its rights, and the disk") from None


def read_release(path: Path) -> Release:
    """The release of a file, as it was written; not yet checked.

    Raises:
        UseError: there is none.
    """
    try:
        with path.open("rb") as opened:
            return Release.of(opened.read(MAX_RELEASE_BYTES + 1))
    except OSError as error:
        raise UseError(f"{path} cannot be read ({error.strerror}): name a file that edge release make wrote") from None
    except ReleaseError as error:
        raise UseError(f"{path} is no release: {error}") from None
