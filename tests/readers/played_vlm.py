"""A reader of the vlm family as it behaves from outside, with answers that a test sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from edge.core.fields import Product
from edge.core.reading import Reading
from edge.errors import ReaderError
from edge.readers.reader import Image, Located
from tests.core.parts import field as as_read


@dataclass(frozen=True)
class PlayedToken:
    """One decided token."""

    text: str


@dataclass(frozen=True)
class PlayedAnswer:
    """An answer to a free question."""

    tokens: tuple[PlayedToken, ...]
    finish: str = "stop"

    @property
    def text(self) -> str:
        """All tokens joined."""
        return "".join(token.text for token in self.tokens)


@dataclass
class PlayedVlm:
    """Reads and answers what it is told to; remembers what it was asked."""

    texts: Mapping[str, str]
    confidence: float = 0.97
    error: ReaderError | None = None
    says: tuple[str, ...] = ("1", "2", "3")
    finish: str = "stop"
    asked: list[tuple[str, str | None, int]] = field(default_factory=list)
    located: list[Located | None] = field(default_factory=list)
    name: str = "vlm"
    hash: str = "1" * 64

    def locate(self, image: Image) -> Located:
        """Nothing is found here; a pair locates with its first reader."""
        return Located((), (image.shape[1], image.shape[0]))

    def read(
        self,
        image: Image,
        product: Product,
        located: Located | None = None,
        draft: Mapping[str, str] | None = None,
    ) -> Reading:
        """Every field of the product, empty where no text is set, or the error."""
        del image, draft
        if self.error is not None:
            raise self.error
        self.located.append(located)
        fields = {name: as_read(name, self.texts.get(name, ""), self.confidence) for name in product.fields}
        return Reading(fields, reader=self.name, reader_hash=self.hash, ms={"total": 1.0})

    def ask(
        self,
        image: Image,
        question: str,
        *,
        pattern: str | None = None,
        cap: int = 64,
        on_token: Callable[..., None] | None = None,
    ) -> PlayedAnswer:
        """What it is told to say, token by token."""
        del image
        if self.error is not None:
            raise self.error
        self.asked.append((question, pattern, cap))
        answer = PlayedAnswer(tuple(map(PlayedToken, self.says)), self.finish)
        for token in answer.tokens:
            if on_token is not None:
                on_token(0, token)
        return replace(answer)


def played_vlm(texts: Mapping[str, str]) -> PlayedVlm:
    """A played reader that reads these texts."""
    return PlayedVlm(texts)
