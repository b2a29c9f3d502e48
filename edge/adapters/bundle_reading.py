"""Read a bundle that anybody may have made: checked as a whole before a part of it is used, and never unpacked to disk.

Promises: what is given has the SHA-256 that the manifest names; no file of it is larger than it says, none stands
outside its two folders, none is there twice; a part is held in memory while it is looked at, no more. What is wrong is
one `BundleError` that names file, fact and remedy.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from edge.adapters import course_text
from edge.adapters.bundle import (
    CONFIGURATION_NAME,
    FORM,
    MANIFEST,
    PART_NAME,
    VERSION,
    FileFacts,
    Manifest,
    PartFacts,
    Version,
)
from edge.core.course import Course
from edge.errors import BundleError

#: Larger than any that `edge record` writes with its limits as they come, by far.
MAX_FILES = 200_000
MAX_MANIFEST_BYTES = 64_000_000
#: One frame: what a camera of 32,768 pixels by 2,600 gives raw (`images` has the same limit).
MAX_FILE_BYTES = 256_000_000
#: One inspection: all of its frames are in memory while it is played.
MAX_PART_BYTES = 1_000_000_000
_COPY = "copy it again, or have it made anew by `edge record`"


@dataclass(frozen=True, slots=True)
class BundledPart:
    """One inspection of a bundle. `frames` has the bytes of each attempt that was kept.

    `outcome` is the message as it was published; `payload` its bytes.
    """

    facts: PartFacts
    payload: bytes
    outcome: Mapping[str, Any]
    course: Course | None
    frames: Mapping[int, bytes]


class Bundle:
    """An open bundle. `with Bundle(path) as bundle:` checks its form; `parts` and `text` check what they give."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except OSError as error:
            raise BundleError(f"{path} cannot be read ({error.strerror}): name a bundle of `edge record`") from None
        except (zipfile.BadZipFile, NotImplementedError, ValueError):
            raise self._wrong("is no zip file, or only the beginning of one") from None
        try:
            self.manifest = self._checked()
        except BaseException:
            self._archive.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._archive.close()

    def parts(self, chosen: Sequence[PartFacts] | None = None) -> Iterator[BundledPart]:
        """Every inspection, in the order that the bundle has them, or those chosen of its manifest.

        Raises:
            BundleError: a file of it is not what the manifest says.
        """
        for facts in self.manifest.parts if chosen is None else chosen:
            yield self._part(facts)

    def text(self, sha256: str) -> str | None:
        """The configuration or calibration of this SHA-256; None where it was not kept.

        Raises:
            BundleError: it is not what its name says.
        """
        name = f"configurations/{sha256}.json"
        if name not in self.manifest.files:
            return None
        if self.manifest.files[name].sha256 != sha256:
            raise self._wrong(f"holds another text under the name {name}")
        try:
            return self._read(name).decode()
        except UnicodeDecodeError:
            raise self._wrong(f"holds {name}, which is no text") from None

    def _checked(self) -> Manifest:
        """The manifest, after everything that can be checked without unpacking a part."""
        names = self._archive.namelist()
        if len(names) > MAX_FILES:
            raise self._wrong(f"holds {len(names)} files, and the limit is {MAX_FILES}")
        if len(set(names)) < len(names):
            raise self._wrong("holds two files of one name")
        for name in names:
            if name != MANIFEST and not CONFIGURATION_NAME.fullmatch(name) and not PART_NAME.fullmatch(name):
                raise self._wrong(f"holds a file that no bundle has, {name[:80]!r}")
        manifest = self._manifest()
        self._check_files({*names} - {MANIFEST}, manifest)
        for part in manifest.parts:
            self._check_part(part, manifest)
        return manifest

    def _check_files(self, names: set[str], manifest: Manifest) -> None:
        """Refuse where the manifest and the zip differ."""
        if lacking := {*manifest.files} - names:
            raise self._wrong(f"lacks {len(lacking)} of its files, {min(lacking)[:80]!r} among them")
        if strange := names - {*manifest.files}:
            raise self._wrong(f"holds {min(strange)}, which its manifest does not name")
        for name, facts in manifest.files.items():
            if self._archive.getinfo(name).file_size != facts.size or facts.size > MAX_FILE_BYTES:
                raise self._wrong(f"holds {name} with {self._archive.getinfo(name).file_size} bytes, not {facts.size}")

    def _check_part(self, part: PartFacts, manifest: Manifest) -> None:
        """Refuse a part that names what is not there, or that is too large to be looked at."""
        named = [part.outcome, *([part.course] if part.course else []), *(one.file for one in part.frames if one.file)]
        if unknown := [name for name in named if name not in manifest.files]:
            raise self._wrong(f"names {unknown[0][:80]!r} for inspection {part.seq}, and does not hold it")
        size = sum(manifest.files[name].size for name in named)
        if size > MAX_PART_BYTES:
            raise self._wrong(f"holds {size} bytes of inspection {part.seq}, and the limit is {MAX_PART_BYTES}")

    def _manifest(self) -> Manifest:
        if MANIFEST not in self._archive.namelist():
            raise self._wrong(f"has no {MANIFEST}: it is no bundle of edge")
        raw = self._bounded(MANIFEST, MAX_MANIFEST_BYTES)
        try:
            told = json.loads(raw)
            version = Version.model_validate(told)
        except (ValueError, RecursionError):
            raise self._wrong(f"has a {MANIFEST} that is none") from None
        if version.form != FORM:
            raise self._wrong(f"is a {version.form[:40]!r}, and no {FORM}")
        if version.version > VERSION:
            raise BundleError(
                f"{self._path} is a bundle of form {version.version}, and this edge knows up to {VERSION}: "
                "play it with the edge that made it, or a later one"
            )
        try:
            return Manifest.model_validate(told)
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"]))
            raise self._wrong(f"has a {MANIFEST} that is wrong at {where[:80]}") from None

    def _part(self, facts: PartFacts) -> BundledPart:
        payload = self._read(facts.outcome)
        try:
            outcome = json.loads(payload)
            told = [outcome[key] for key in ("inspection_id", "seq", "reason", "fields", "attempts", "erp", "config")]
            evidence = {int(one["attempt"]): str(one["sha256"]) for one in outcome["evidence"]}
        except (ValueError, KeyError, TypeError, RecursionError):
            raise self._wrong(f"holds {facts.outcome}, which is no outcome") from None
        if told[0] != facts.inspection_id:
            raise self._wrong(f"holds the outcome of another inspection in {facts.outcome}")
        course = None
        if facts.course is not None:
            try:
                course = course_text.read(self._read(facts.course))
            except (course_text.CourseError, UnicodeDecodeError) as error:
                raise self._wrong(f"holds {facts.course}, which is no course ({error})") from None
        frames: dict[int, bytes] = {}
        for one in facts.frames:
            if one.file is None:
                continue
            frames[one.attempt] = self._read(one.file)
            if self.manifest.files[one.file].sha256 != evidence.get(one.attempt):
                raise self._wrong(f"holds {one.file}, which is not the frame that the reader saw")
        return BundledPart(facts, payload, outcome, course, frames)

    def _read(self, name: str) -> bytes:
        facts: FileFacts = self.manifest.files[name]
        content = self._bounded(name, facts.size)
        if hashlib.sha256(content).hexdigest() != facts.sha256:
            raise self._wrong(f"holds {name} with another SHA-256 than its manifest says")
        return content

    def _bounded(self, name: str, limit: int) -> bytes:
        """The bytes of a file that may be no larger: a zip's own word on sizes is not taken."""
        try:
            with self._archive.open(name) as file:
                content = file.read(limit + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError):
            raise self._wrong(f"holds {name}, which cannot be unpacked") from None
        if len(content) > limit:
            raise self._wrong(f"holds {name} with more than {limit} bytes, which is its limit")
        return content

    def _wrong(self, fact: str) -> BundleError:
        return BundleError(f"{self._path} {fact}: {_COPY}")
