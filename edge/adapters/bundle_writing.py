"""Write a bundle: part after part, until it is full, the disk is short, or whoever records has enough.

Promises: the file appears under its name when it is whole; no part is half in it; what was not kept any more is said.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from edge.adapters import disk
from edge.adapters.bundle import MANIFEST, FileFacts, FrameFacts, Manifest, PartFacts, Place
from edge.adapters.database import wall_time
from edge.adapters.recorded import KeptFrame, Recorded, RecordedPart
from edge.errors import BundleError

#: What decides how a frame is read; a bundle says which versions did.
_PACKAGES = ("numpy", "opencv-python", "openvino", "rapidocr", "torch", "transformers", "zxing-cpp")
#: Of a zip's directory and a manifest for each file: names, hashes, offsets.
_BYTES_A_FILE = 400
#: Every file has this time, so that the same parts give the same bytes: 1980-01-01, where the time of a zip begins.
_TIME = (1980, 1, 1, 0, 0, 0)


class BundleWriter:
    """One bundle that grows, until its `with` ends. `num_parts` and `size` say how far it is."""

    def __init__(self, file: IO[bytes], data_dir: Path, recorded: Recorded, *, max_bytes: int) -> None:
        self._archive = zipfile.ZipFile(file, "w")
        self._data_dir, self._recorded, self._max_bytes = data_dir, recorded, max_bytes
        self._files: dict[str, FileFacts] = {}
        self._parts: list[PartFacts] = []
        self.size = 0
        self.num_missing = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError, ValueError):  # of a file that is given up
            self._archive.close()

    @property
    def num_parts(self) -> int:
        """How many inspections are in it."""
        return len(self._parts)

    def add(self, part: RecordedPart) -> bool:
        """Put one inspection in; False where it would make the bundle larger than it may be.

        One frame is in memory at a time: the panel that exports a part has half a gigabyte in all.

        Raises:
            StoreError: its configuration cannot be looked up.
            OSError: the bundle cannot be written.
        """
        folder = f"inspections/{part.seq:06}"
        texts = {f"{folder}/outcome.json": part.payload} | self._configurations(part)
        if part.course is not None:
            texts[f"{folder}/course.json"] = part.course.encode()
        sizes = [*map(len, texts.values()), *(self._size_of(one.path) for one in part.frames)]
        if self.size + sum(sizes) + _BYTES_A_FILE * len(sizes) > self._max_bytes:
            return False
        for name, content in texts.items():
            self._write(name, content)
        frames = [self._add_frame(folder, one) for one in part.frames]
        self.num_missing += sum(one.file is None for one in frames)
        self._parts.append(
            PartFacts(
                seq=part.seq,
                inspection_id=part.inspection_id,
                source=part.source,
                triggered_at=part.triggered_at,
                at=part.at,
                outcome=f"{folder}/outcome.json",
                course=None if part.course is None else f"{folder}/course.json",
                frames=tuple(frames),
            )
        )
        return True

    def finish(self, place: Place, ended: str) -> None:
        """Write the manifest, and the directory that makes it a zip."""
        manifest = Manifest(
            made_at=wall_time(),
            made_by=made_by(),
            place=place,
            ended=ended,
            parts=tuple(self._parts),
            files=self._files,
        )
        self._put(MANIFEST, manifest.model_dump_json(indent=1).encode())
        self._archive.close()

    def _size_of(self, path: str) -> int:
        try:
            return (self._data_dir / path).stat().st_size
        except OSError:
            return 0

    def _add_frame(self, folder: str, kept: KeptFrame) -> FrameFacts:
        """Put a frame in as it is kept; none where it is gone, or is not what the reader saw (L8)."""
        file = self._data_dir / kept.path
        try:
            content = file.read_bytes() if _is_below(file, self._data_dir) else b""
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() != kept.sha256:
            return FrameFacts(attempt=kept.attempt, sha256=kept.sha256)
        name = f"{folder}/frame-{kept.attempt}{file.suffix or '.bin'}"
        self._write(name, content)
        return FrameFacts(attempt=kept.attempt, sha256=kept.sha256, file=name)

    def _configurations(self, part: RecordedPart) -> dict[str, bytes]:
        hashes = [str(json.loads(part.payload)["config"]["hash"])]
        if part.course is not None:
            hashes.append(str(json.loads(part.course)["calibration"]))
        found: dict[str, bytes] = {}
        for sha256 in hashes:
            name = f"configurations/{sha256}.json"
            if name not in self._files and (text := self._recorded.configuration(sha256)) is not None:
                found[name] = text.encode()
        return found

    def _write(self, name: str, content: bytes) -> None:
        self._put(name, content)
        self._files[name] = FileFacts(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
        self.size += len(content) + _BYTES_A_FILE

    def _put(self, name: str, content: bytes) -> None:
        facts = zipfile.ZipInfo(name, _TIME)
        facts.compress_type = zipfile.ZIP_DEFLATED if name.endswith(".json") else zipfile.ZIP_STORED
        self._archive.writestr(facts, content)


def _is_below(file: Path, folder: Path) -> bool:
    return file.resolve().is_relative_to(folder.resolve())


def made_by() -> dict[str, str]:
    """The versions of edge, Python and what decides how a frame is read."""
    told = {"python": platform.python_version(), "system": platform.platform(terse=True), "cpu": platform.machine()}
    for name in ("edge-inspection", *_PACKAGES):
        with suppress(metadata.PackageNotFoundError):
            told[name] = metadata.version(name)
    return told


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name when the block has ended well, and leaves nothing else. For its owner alone.

    Raises:
        BundleError: it cannot be written.
    """
    beside = path.with_name(f"{path.name}.new")
    try:
        number = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(number, "w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        remedy = "free space, or write to another disk" if error.errno in disk.NO_ROOM else "name another file"
        raise BundleError(f"{path} cannot be written ({error.strerror}): {remedy}") from None
