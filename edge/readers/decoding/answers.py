"""What a model's answer says of a field: the same for a model here and one on a server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edge.core.reading import Character
from edge.errors import ReaderError


def aligned(text: str, characters: Sequence[Character]) -> tuple[Character, ...]:
    """The characters of a text as it was normalised, taken in order from those of the raw text.

    A changed one (a dash) keeps its doubt; one that has no character left has no confidence.
    """
    taken: list[Character] = []
    rest = list(characters)
    for letter in text:
        while rest and rest[0].text != letter and len(rest) > len(text) - len(taken):
            rest.pop(0)
        taken.append(replace(rest.pop(0), text=letter) if rest else Character(letter, 0.0))
    return tuple(taken)


def seen_whole(field: str, left_out: int) -> None:
    """Refuse to say that a field is not there where the model was not shown all lines (L3).

    Raises:
        ReaderError: lines of the frame were left out of the sheet.
    """
    if left_out:
        raise ReaderError(
            f"{left_out} lines of the frame found no room on the sheet that the model is shown, so that nobody can say "
            f"that the field {field!r} is not there; show the camera less beside the plate"
        )
