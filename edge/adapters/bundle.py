"""A bundle: inspections in one zip file, with all that it takes to play them again on another PC.

    manifest.json                       what is in it, made by what; SHA-256 and size of every other file
    configurations/SHA256.json          settings with their product, and calibrations, as outcomes name them
    inspections/SEQ/outcome.json        the very bytes that were published
    inspections/SEQ/course.json         what came from outside, with times; lacking of what an earlier edge decided
    inspections/SEQ/frame-ATTEMPT.jpg   the bytes that the reader saw

Nothing is compressed but JSON. No secret is in it, since none is in what it is made of: settings name files of secrets.
This file is the form; `bundle_writing` writes it, `bundle_reading` reads what a stranger may have made.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

#: Grows by a number when an earlier edge could not read it any more.
VERSION: Final = 1
FORM: Final = "edge-bundle"
MANIFEST = "manifest.json"
SUFFIX = ".edge.zip"

CONFIGURATION_NAME = re.compile(r"configurations/[0-9a-f]{64}\.json")
PART_NAME = re.compile(r"inspections/[0-9]{1,18}/(outcome\.json|course\.json|frame-[0-9]{1,3}\.[a-z]{3,4})")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Told(BaseModel):
    """What a bundle says. A later edge may say more within the same version, so an unknown key is no mistake."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Version(_Told):
    """Of the form, alone: it is looked at before anything else."""

    form: str
    version: Annotated[int, Field(ge=1, strict=True)]


class FileFacts(_Told):
    """One file of the bundle."""

    sha256: Sha256
    size: Annotated[int, Field(ge=0, strict=True)]


class FrameFacts(_Told):
    """One kept frame: its attempt, and its file; `file` is None where it was not kept any more."""

    attempt: Annotated[int, Field(ge=1, le=999, strict=True)]
    sha256: Sha256
    file: str | None = None


class PartFacts(_Told):
    """One inspection. `triggered_at` and `at` are wall times of its trigger and of its outcome."""

    seq: Annotated[int, Field(ge=0, strict=True)]
    inspection_id: str
    source: str
    triggered_at: str
    at: str
    outcome: str
    course: str | None = None
    frames: tuple[FrameFacts, ...] = ()


class Place(_Told):
    """Whose inspections these are."""

    site: str
    line: str
    station: str


class Manifest(_Told):
    """The bundle's own account of itself.

    `made_by` has the versions of edge, Python and what the readers are made of. `ended` says why no more is in it.
    """

    form: Literal["edge-bundle"] = FORM
    version: Literal[1] = VERSION
    made_at: str
    made_by: dict[str, str]
    place: Place
    ended: str
    parts: tuple[PartFacts, ...]
    files: dict[str, FileFacts]
