"""Bring the pool up, or change a running one over to other weights or settings.

Promises: weights that are not those that serve are loaded beside them first, must read their canary, and must read the
acceptance set no worse; else they are refused in a sentence, and the old ones have served all the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

from edge.core.model_change import Score, refusal, score
from edge.errors import ReaderError
from edge.pool.settings import PoolSettings
from edge.products import ProductFile
from edge.readers import read_form
from edge.readers.pool_client import PoolClient

#: One at a time, so that nothing but the reader itself takes time: a large model without a draft takes 1 s.
_READ_S = 30.0


@dataclass(frozen=True, slots=True)
class Labelled:
    """One frame of the acceptance set: its bytes, and the right texts by field (none: there is none on the plate)."""

    image: bytes
    texts: Mapping[str, Sequence[str]]


class Served(Protocol):
    """Where an application answers."""

    @property
    def url(self) -> str:
        """Without a path."""


class Serving(Protocol):
    """The cluster, as `edge.pool.serving` is it."""

    def runs(self) -> bool:
        """Whether the pool serves."""

    def serve_as(self, settings: PoolSettings, *, candidate: bool = False) -> Served:
        """Serve by these settings."""

    def withdraw(self, *, candidate: bool = False) -> None:
        """Serve no longer."""


def change_over(
    settings: PoolSettings, serving: Serving, acceptance: Sequence[Labelled], product: ProductFile
) -> Iterator[str]:
    """Serve by these settings; says what was done, sentence by sentence.

    Raises:
        ReaderError: a reader does not come up, or is refused.
    """
    if serving.runs():
        yield from _tried(settings, serving, acceptance, product)
    served = serving.serve_as(settings)
    with closing(PoolClient(served.url, "edge-pool-up")) as client:
        reader = _who(client.facts(_READ_S))
        yield f"the pool serves reader {reader} at {served.url}"


def _tried(
    settings: PoolSettings, serving: Serving, acceptance: Sequence[Labelled], product: ProductFile
) -> Iterator[str]:
    """Load the new reader beside the one that serves, and compare them."""
    candidate = serving.serve_as(settings, candidate=True)
    old_url = candidate.url.removesuffix("/candidate")
    try:
        with (
            closing(PoolClient(old_url, "edge-pool-up")) as old,
            closing(PoolClient(candidate.url, "edge-pool-up")) as new,
        ):
            was, would_be = old.facts(_READ_S), new.facts(_READ_S)
            if was["reader_hash"] == would_be["reader_hash"]:
                yield f"the reader stays as it is ({_who(was)})"
                return
            before, after = _score(old, acceptance, product), _score(new, acceptance, product)
            if (why := refusal(before, after)) is not None:
                raise ReaderError(f"the reader {_who(would_be)} is refused: {why}; {_who(was)} goes on serving")
            yield f"{_who(would_be)} reads {after}; {_who(was)}, which it replaces, {before}"
    finally:
        serving.withdraw(candidate=True)


def _score(client: PoolClient, acceptance: Sequence[Labelled], product: ProductFile) -> Score:
    wanted = read_form.Wanted(product)
    return score(
        ({name: one.text for name, one in client.read(wanted, frame.image, _READ_S).fields.items()}, frame.texts)
        for frame in acceptance
    )


def _who(facts: Mapping[str, Any]) -> str:
    return f"{facts['reader']} {str(facts['reader_hash'])[:12]}"
