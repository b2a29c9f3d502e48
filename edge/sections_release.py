"""The table `[release]` of `edge.toml`: whose releases the station takes."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from edge.adapters.release_keys import public_bytes
from edge.section_types import Table


def _public_key(text: str) -> str:
    public_bytes(text)
    return text


class TrustedReleases(Table):
    """Product files and thresholds that the plant sends, signed, over the station's own files."""

    trusted_keys: Annotated[
        tuple[Annotated[str, Field(max_length=100), AfterValidator(_public_key)], ...], Field(max_length=20)
    ] = Field(
        default=(),
        description="Public keys whose releases are taken, each as edge release key prints it; empty: none is taken.",
    )
