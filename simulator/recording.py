"""A bundle that a station recorded, as the simulator plays it: what the camera saw, what MES said, what ERP answered.

Read with code of its own, from the form that the manual describes: whoever else plays bundles can do the same. Every
file is checked against the manifest's SHA-256, and no more of it is unpacked than the manifest says.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from simulator.material import Picture

FORM, VERSION = "edge-bundle", 1
MAX_FILE_BYTES = 256_000_000
#: Of an outcome, what another run cannot have alike. Names and numbers are given anew: inspection_id, trigger_id, seq,
#: frame_id, station. Times are those of another day and PC: at, ms. Frames are encoded anew, as PNG, so that the reader
#: sees the very pixels: evidence. Ports and folders are others: config. ERP is played: erp, and its name in a detail.
_NAMES = ("inspection_id", "trigger_id", "seq", "frame_id", "station")
LEFT_OUT = (*_NAMES, "at", "ms", "evidence", "config", "erp", "detail")


class RecordingError(ValueError):
    """Raised where a bundle cannot be played; says why."""


@dataclass(frozen=True, slots=True)
class Take:
    """What the camera gave for one attempt: a picture, exposed `late_ms` before it was asked for; or `failure`."""

    picture: Picture | None
    late_ms: int = 0
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One inspection. `cannot` says why it cannot be played; empty where it can."""

    seq: int
    outcome: Mapping[str, Any]
    expected: Mapping[str, str] | None
    takes: Sequence[Take]
    answers: Sequence[Mapping[str, Any]]
    cannot: str = ""


class Recording:
    """An open bundle."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._archive = zipfile.ZipFile(path)
            manifest = json.loads(self._read("manifest.json", MAX_FILE_BYTES))
            form, version = manifest["form"], manifest["version"]
        except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
            raise RecordingError(f"{path} is no bundle of edge ({error}): `edge record` makes one") from None
        if (form, version) != (FORM, VERSION):
            raise RecordingError(f"{path} is a {form} of version {version}, and this plays {FORM} {VERSION}")
        self._manifest: Mapping[str, Any] = manifest

    def configuration(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The settings and the product of the first inspection.

        Raises:
            RecordingError: they were not kept, or the inspections were decided by more than one.
        """
        names = {str(part.outcome["config"]["hash"]) for part in self.parts()}
        if len(names) != 1:
            raise RecordingError(f"{self._path} has inspections by {len(names)} configurations: record each by itself")
        name = f"configurations/{names.pop()}.json"
        if name not in self._manifest["files"]:
            raise RecordingError(f"{self._path} lacks its configuration, which was not kept when it was made")
        said = json.loads(self._checked(name))
        return said["settings"], said["product"]

    def parts(self) -> Iterator[Recorded]:
        """Every inspection, oldest first."""
        for facts in self._manifest["parts"]:
            outcome = json.loads(self._checked(facts["outcome"]))
            course = None if facts["course"] is None else json.loads(self._checked(facts["course"]))
            frames = {one["attempt"]: one["file"] for one in facts["frames"]}
            takes = [] if course is None else list(self._takes(course["steps"], frames))
            yield Recorded(
                facts["seq"],
                outcome,
                None if course is None else course["expected"],
                takes,
                [] if course is None else [step for step in course["steps"] if step["order"] == "checking"],
                _why_not(course, takes, outcome),
            )

    def _takes(self, steps: Sequence[Mapping[str, Any]], frames: Mapping[int, str | None]) -> Iterator[Take]:
        ordered_us = 0
        for step in steps:
            if step["order"] == "capturing":
                yield self._take(step, frames.get(step["attempt"]), ordered_us)
            ordered_us = step["after_us"]

    def _take(self, step: Mapping[str, Any], file: str | None, ordered_us: int) -> Take:
        if step.get("event") != "frame_taken":
            return Take(None, failure=str(step.get("why") or step.get("timer")))
        if file is None:
            return Take(None, failure="its frame was not kept")
        picture = cv2.imdecode(np.frombuffer(self._checked(file), np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise RecordingError(f"{self._path} holds {file}, which is no image")
        return Take(np.asarray(picture, np.uint8), max(0, (ordered_us - step["exposed_us"]) // 1000))

    def _checked(self, name: str) -> bytes:
        if name not in self._manifest["files"]:
            raise RecordingError(f"{self._path} is no bundle: its manifest does not name {name}")
        facts = self._manifest["files"][name]
        content = self._read(name, min(int(facts["size"]), MAX_FILE_BYTES))
        if hashlib.sha256(content).hexdigest() != facts["sha256"]:
            raise RecordingError(f"{self._path} holds {name} with another SHA-256 than its manifest says")
        return content

    def _read(self, name: str, limit: int) -> bytes:
        with self._archive.open(name) as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise RecordingError(f"{self._path} holds {name} with more than {limit} bytes, which is its limit")
        return content


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Where two outcomes of the same part differ, but for `LEFT_OUT`; empty where canonical bytes are equal."""
    if canonical(then) == canonical(now):
        return []
    return [
        f"{key}: {_short(then.get(key))} -> {_short(now.get(key))}"
        for key in dict.fromkeys((*then, *now))
        if key not in LEFT_OUT and canonical(then.get(key)) != canonical(now.get(key))
    ]


def canonical(told: Any) -> bytes:
    """An outcome, or a part of one, as bytes that are equal where all but `LEFT_OUT` is."""
    return json.dumps(_kept(told), sort_keys=True, ensure_ascii=True).encode()


def _kept(told: Any) -> Any:
    if isinstance(told, Mapping):
        # A failure's sentence has addresses and times; that there was one counts.
        return {
            key: value is not None if key == "failure" else _kept(value)
            for key, value in told.items()
            if key not in LEFT_OUT
        }
    return [_kept(value) for value in told] if isinstance(told, list) else told


def _short(told: Any) -> str:
    return json.dumps(told, ensure_ascii=False)[:120]


def _why_not(course: Mapping[str, Any] | None, takes: Sequence[Take], outcome: Mapping[str, Any]) -> str:
    if course is None:
        return "an earlier edge kept no course of it"
    if course["begun"] != "triggered":
        return f"it was {course['begun']}, which another moment decided"
    late = [step for step in course["steps"] if step.get("event") in {"timer_fired", "read_failed"}]
    if late:
        return f"{late[0].get('timer') or 'the reader'} failed it, which time or a process decided"
    lost = next((take.failure for take in takes if take.failure == "its frame was not kept"), "")
    return lost or ("" if takes else f"{outcome['reason']}: it has no frame")
