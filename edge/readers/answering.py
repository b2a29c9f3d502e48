"""Answer a free question about an image with the reader at hand, whatever kind it is.

Promises: a reader that takes free questions is asked, held to a form only where the question or the caller wants one;
one that reads fields only answers what its lines and fields say, and names what it cannot answer instead of guessing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from edge.core.fields import Product
from edge.core.match import same
from edge.core.reading import FreeAnswer, Reading, TextLine
from edge.errors import UseError
from edge.readers.questions import Query, lines_for, understand
from edge.readers.reader import Image, Reader


def answer(
    reader: Reader,
    image: Image,
    question: str,
    product: Product,
    *,
    pattern: str | None = None,
    cap: int = 64,
    on_text: Callable[[str], None] = lambda _text: None,
) -> FreeAnswer:
    """Answer a question; `on_text` hears each piece of the answer as it is decided.

    Raises:
        ReaderError: the reader could not do its work.
        UseError: this kind of reader cannot answer this question.
    """
    begun = time.perf_counter()
    first_ms: list[float] = []

    def hear(text: str) -> None:
        first_ms.append((time.perf_counter() - begun) * 1e3)
        on_text(text)

    query = understand(question, product)
    ask: Any = getattr(reader, "ask", None)
    if ask is None:
        text, finish, tokens = from_reading(reader, image, query, product), "stop", 1
        hear(text)
    else:
        told = ask(
            image,
            question,
            pattern=pattern or query.pattern,
            cap=cap,
            on_token=lambda _branch, token: hear(token.text) if token.text else None,
        )
        text, finish, tokens = told.text, told.finish, len(told.tokens)
    total_ms = (time.perf_counter() - begun) * 1e3
    return FreeAnswer(text, finish, tokens, first_ms[0] if first_ms else None, total_ms, reader.name, reader.hash)


def from_reading(reader: Reader, image: Image, query: Query, product: Product) -> str:
    """What the lines and fields of an image say to a question, for a reader that reads fields only.

    Raises:
        UseError: they cannot say it.
    """
    reading = reader.read(image, product)
    if query.kind == "yes_no" and query.value is not None:
        return "yes" if _stands(query.value, reading) else "no"
    if query.order is not None and (lines := lines_for(query, reading.lines, product)):
        return _plain(lines[0].text, query)
    found = {name: _value(name, reading, query, product) for name in query.fields}
    if not found or None in found.values() or query.kind == "yes_no":
        raise UseError(
            f"the reader {reader.name} answers questions that name what is printed (the serial number, the model), and "
            f'"{query.text[:80]}" names nothing that it read: ask so, or set [reader] kind to vlm for free questions'
        )
    told = {name: _plain(text or "", query) or "none" for name, text in found.items()}
    return next(iter(told.values())) if len(told) == 1 else ", ".join(f"{name}: {text}" for name, text in told.items())


def _value(name: str, reading: Reading, query: Query, product: Product) -> str | None:
    """A field's text; of a key word that the product has no field for, what stands behind it in its own line."""
    if name in product.fields:
        return reading.fields[name].text
    named = lines_for(Query(query.kind, (name,), None, query.text), reading.lines, product)
    return _behind(named) if len(named) < len(reading.lines) else None


def _behind(lines: Sequence[TextLine]) -> str | None:
    """What stands behind a colon in a line that bears a key word; None where nothing does."""
    return next((behind for line in lines if (behind := line.text.partition(":")[2].strip())), None)


def _plain(text: str, query: Query) -> str:
    return "".join(character for character in text if character.isdigit()) if query.kind == "digits" else text


def _stands(value: str, reading: Reading) -> bool:
    """Whether a claimed text is printed: as a field's text, or within a line."""
    bare = _bare(value)
    return any(same(field.text, value) for field in reading.fields.values()) or any(
        bare and bare in _bare(line.text) for line in reading.lines
    )


def _bare(text: str) -> str:
    return "".join(text.split()).casefold()
