"""Releases: which one a station takes, and which it refuses as older than what it has.

Promise: a station's number only ever grows. Whoever kept an old signed release cannot bring it back with it; a
roll-back is a new statement with a number of its own, which names earlier content.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Step = Literal["take", "repeat", "older"]
#: Stands for any one level in the place of a station.
ANY = "*"


@dataclass(frozen=True, slots=True)
class ReleaseName:
    """A release by its number, which grows, and the SHA-256 (hex) of its content."""

    number: int
    sha256: str


def step_to(present: ReleaseName | None, offered: ReleaseName) -> Step:
    """What to do with an offered release where another, or none, is present."""
    if present is None or offered.number > present.number:
        return "take"
    return "repeat" if offered == present else "older"


def is_for(patterns: Iterable[str], place: str) -> bool:
    """Whether a place, `SITE/LINE/STATION`, is meant by one of the patterns; `*` is any one level."""
    levels = place.split("/")
    return any(
        len(meant) == len(levels) and all(one in (ANY, level) for one, level in zip(meant, levels, strict=True))
        for meant in (pattern.split("/") for pattern in patterns)
    )
