"""Releases for the tests: a plant's key, and what it signs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edge.adapters import release_keys
from edge.releases import Release, Statement, hash_of, text_of

SERIAL = 'version = 1\nname = "nameplate"\n[fields.serial]\npattern = "[0-9]{8}"\n[fields.model]\n'


class Signer:
    """Somebody with a private key."""

    def __init__(self, folder: Path, name: str = "plant") -> None:
        self.file = folder / f"{name}.key"
        self.public = release_keys.make_key(self.file)

    def release(
        self, number: int, content: dict[str, Any] | str | None = None, stations: tuple[str, ...] = ("s/l/st",)
    ) -> Release:
        """A signed release, whatever its content is worth."""
        facts = {"version": 1, "products": {"nameplate": SERIAL}} if content is None else content
        text = facts if isinstance(facts, str) else json.dumps(facts)
        said = Statement(version=1, number=number, sha256=hash_of(text), stations=stations)
        return release_keys.signed(Release(text_of(said), text), self.file)

    def signed_text(self, statement: str, content: str) -> bytes:
        """A release of any statement at all, signed."""
        return release_keys.signed(Release(statement, content), self.file).message

    @property
    def table(self) -> str:
        """The table of a station's file that trusts this key."""
        return f'[release]\ntrusted_keys = ["{self.public}"]\n'
