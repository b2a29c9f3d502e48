"""Ask a reader a free question, and hear its tokens as they are decided.

Promises: every token comes once, in the order of the text, before the answer; what goes wrong in the reader is raised
where the tokens are taken; whoever stops listening holds nothing up.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from edge.products import MAX_TEXT
from edge.question_profiles import View
from edge.readers.reader import Image, Reader


class Token(Protocol):
    """One decided token; `text` is what it adds to the answer, perhaps nothing."""

    @property
    def text(self) -> str:
        """What it adds."""


class Answer(Protocol):
    """An answer to a free question. `finish` is "stop", or "length" where it was cut and is no whole answer."""

    @property
    def text(self) -> str:
        """What was answered."""

    @property
    def tokens(self) -> Sequence[Token]:
        """All tokens, the end of the text among them."""

    @property
    def finish(self) -> str:
        """Why the answer ends."""


@dataclass(frozen=True, slots=True)
class How:
    """What a question profile says of an answer beside its pattern, and of what is shown.

    `longest` is the most characters; `or_none`: the model may answer that nothing of it is there; `schema` says what
    the pattern says as a JSON schema, for a server that takes one. `view` is what of the image is shown; `hint`: with
    what OCR reads in it.
    """

    longest: int = MAX_TEXT
    or_none: bool = True
    schema: Mapping[str, Any] | None = None
    view: View = "lines"
    hint: bool = True

    @property
    def needs_lines(self) -> bool:
        """Whether the lines of text have to be found and read."""
        return self.view == "lines" or (self.view == "whole" and self.hint)


#: How a free question is asked.
FREELY = How()


class Asker(Reader, Protocol):
    """A reader that takes free questions as well."""

    def ask(
        self,
        image: Image,
        question: str,
        *,
        pattern: str | None = None,
        cap: int = 64,
        on_token: Callable[[int, Any], None] | None = None,
        how: How = FREELY,
    ) -> Answer:
        """Answer a question about an image, held to a pattern where there is one; `on_token` hears each token.

        Raises:
            ReaderError: the reader could not do its work.
        """


@dataclass(frozen=True, slots=True)
class Piece:
    """A token, or as much of an answer as came at once."""

    text: str


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer that came in one piece."""

    text: str
    tokens: tuple[Piece, ...]
    finish: str


def in_one_piece(text: str, finish: str) -> Whole:
    """The answer of a server that tells it when it is whole."""
    return Whole(text, (Piece(text),), finish)


def stream(
    asker: Asker, image: Image, question: str, *, pattern: str | None = None, cap: int = 64
) -> Iterator[str | Answer]:
    """Give the text of each token when it is decided, those that add none left out, then the answer.

    Raises:
        ReaderError: the reader could not do its work.
    """
    heard: queue.SimpleQueue[str | Answer | BaseException | None] = queue.SimpleQueue()

    def work() -> None:
        try:
            answer = asker.ask(
                image, question, pattern=pattern, cap=cap, on_token=lambda _branch, token: heard.put(token.text)
            )
            heard.put(answer)
        except BaseException as error:  # noqa: BLE001 - it is raised where the tokens are taken
            heard.put(error)
        heard.put(None)

    # A daemon thread: a model at work must not hold up a command that was interrupted.
    threading.Thread(target=work, name="asking", daemon=True).start()
    while (one := heard.get()) is not None:
        if isinstance(one, BaseException):
            raise one
        if one != "":
            yield one
