"""What a vision-language model is told beside the picture, and what its answers mean."""

from __future__ import annotations

from collections.abc import Sequence

#: The answer where a field is not on the plate; it stands in the constraint beside the field's pattern.
NOTHING = "none"
#: Longest OCR text in a prompt, characters; a plate has 100 to 300.
MOST_HINT = 600


def question_text(hint_lines: Sequence[str], question: str) -> str:
    """The text behind the picture in the user's turn: what OCR read, line by line, and the question."""
    hint = "\n".join(hint_lines)[:MOST_HINT]
    return f"OCR:\n{hint}\n{question}" if hint else question
