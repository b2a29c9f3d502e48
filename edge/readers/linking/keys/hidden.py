"""What holds the place of a value that is not told."""

from __future__ import annotations

import re

from edge.readers.linking.keys.keywords import distance
from edge.readers.linking.keys.printed import HIDING

#: "See label": how a value that stands elsewhere is told in the languages of the key words.
_ELSEWHERE = ("see", "siehe", "voir", "vedi", "ver", "véase", "veja", "zie", "patrz", "viz", "se", "см", "见", "參照")
_MOST_ELSEWHERE = 3
_HIDDEN = re.compile(
    rf"[\s{HIDING}xX]*[{HIDING}X]{{3,}}[\s{HIDING}xX]*|[{HIDING}]{{2,}}|(?i:n\.?/a\.?)"
    # Asterisks beside Chinese print are read as strokes: one that is left tells them.
    rf"|(?=.*[{HIDING}])[{HIDING}\u4e00-\u9fff]{{2,8}}"
    # A cross in a row of them is read as a figure now and then ("X00XXX").
    r"|(?=(?:.*[Xx]){3})[Xx][Xx0Oo]{3,}[Xx]"
)


def hides(text: str) -> bool:
    """Say whether a text holds the place of a value that is not told: "XXXXXX", "***", "n/a", "see label"."""
    if _HIDDEN.fullmatch(text):
        return True
    first, *others = text.casefold().split() or [""]
    return (
        0 < len(others) <= _MOST_ELSEWHERE
        and all(word.isalpha() for word in others)
        and not any(any(map(str.isupper, word[1:])) for word in text.split())
        and any(distance(first.strip("."), word, 1) <= (len(word) > 2) for word in _ELSEWHERE)
    )
