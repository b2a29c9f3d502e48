"""What the label of a drawn frame says, in the reader's types."""

from __future__ import annotations

from collections.abc import Sequence

from edge.core.reading import Quad


def quad(corners: Sequence[Sequence[float]]) -> Quad:
    """A label's box, four corners of x and y."""
    one, two, three, four = ((float(x), float(y)) for x, y in corners)
    return one, two, three, four
