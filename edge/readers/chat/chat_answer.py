"""What a server's chat completion says: its finish reason first, then its text, then how sure it is of each character.

Promises: what is not one whole answer is `Broken`, never an empty text (L3); an answer that was cut is marked as cut
whatever it holds; where the constraint hid what the model saw, the text says what it saw (L7).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from edge.core.reading import Character, FinishReason

#: Longest text that is taken for an answer, characters.
MOST_TEXT = 2000
#: Where the server states no probability, a character is believed by half and anything else by the other half: so no
#: number of agreeing looks of this kind makes a certainty.
UNSTATED = 0.5
ANYTHING_ELSE = "\ufffd"
#: A probability at which the model would have written something else, had the constraint let it.
_SEEN = 0.5
#: End-of-text and other marks: <|endoftext|>, </s>, <eos>.
_MARK = re.compile(rb"<[|/]?[^<>\s]{1,40}>")


class Broken(Exception):  # noqa: N818 - a phrase that `chat` puts into its sentence
    """Raised when what came is not one whole answer; the text says what it is instead."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `stated`: the server said how sure it is; `written`: the text before `seen` changed it, if it did."""

    text: str
    finish: FinishReason
    characters: tuple[Character, ...]
    stated: bool
    written: str | None = None

    def to_bytes(self) -> bytes:
        """As the result cache keeps it."""
        characters = [(c.text, c.confidence, c.alternatives) for c in self.characters]
        return json.dumps([self.text, self.finish, characters, self.stated, self.written]).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Answer:
        """What `to_bytes` made.

        Raises:
            ValueError: it is something else.
        """
        try:
            text, finish, characters, stated, written = json.loads(raw)
            made = cls(
                str(text),
                finish,
                tuple(Character(str(c), float(p), tuple((str(o), float(q)) for o, q in a)) for c, p, a in characters),
                bool(stated),
                written,
            )
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"no kept answer: {error}") from None
        if finish not in {"stop", "length"} or made.text != "".join(c.text for c in made.characters):
            raise ValueError("no kept answer: its characters are not its text's")
        if not all(0.0 <= p <= 1.0 for c in made.characters for p in (c.confidence, *(q for _, q in c.alternatives))):
            raise ValueError("no kept answer: a probability is none")
        return made


@dataclass(frozen=True, slots=True)
class _Token:
    """One token as the server lists it: its bytes, its probability, and the others that it considered."""

    written: bytes
    probability: float
    others: tuple[tuple[bytes, float], ...]


def parse(body: bytes, model: str, *, constrained: bool, honest: bool) -> Answer:
    """Read a chat completion.

    Args:
        body: what came with status 200.
        model: the model that was asked.
        constrained: a pattern was sent along.
        honest: the server's probabilities are the model's own, before any constraint.

    Raises:
        Broken: it is not one whole answer of that model.
    """
    choice, message = _choice(body, model)
    finish = _finish(choice.get("finish_reason"), message)
    text = _text(message.get("content"))
    tokens = _tokens(choice) if honest or not constrained else None
    characters = _characters(text, tokens)
    if finish == "length":
        return Answer(text, "length", characters or _unstated(text), stated=False)
    if not text:
        raise Broken("answered with an empty text")
    if characters is None or tokens is None:
        return Answer(text, "stop", _unstated(text), stated=False)
    if constrained and (seen := _seen(tokens)) is not None:
        shown = _decoded(b"".join(token.written for token in takewhile(_is_text, seen)))
        changed = _characters(shown, seen) if shown else None
        if changed is not None and shown is not None and shown != text:
            return Answer(shown, "stop", changed, stated=True, written=text)
    return Answer(text, "stop", characters, stated=True)


def _choice(body: bytes, model: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The first choice of a completion by that model, and its message."""
    completion = _json(body)
    if not isinstance(completion, dict):
        raise Broken("answered with JSON that is no chat completion")
    if completion.get("error"):
        raise Broken(f"answered with an error: {said(body)}")
    choices = completion.get("choices")
    if not isinstance(choices, list):
        raise Broken("answered with JSON that is no chat completion")
    if not choices:
        raise Broken("answered without a choice")
    message = choices[0].get("message") if isinstance(choices[0], dict) else None
    if not isinstance(message, dict):
        raise Broken("answered with a choice that holds no message")
    by = completion.get("model", model)
    # Servers add a date or a revision: "name@main" for "name".
    if not isinstance(by, str) or not by.startswith(model):
        raise Broken(f"answered as the model {str(by)[:100]!r} where {model!r} was asked")
    return choices[0], message


def said(body: bytes) -> str:
    """What a server says in an error, in one short line; empty where it says nothing readable."""
    text = body[:4000].decode("utf-8", "replace")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = None
    if isinstance(told, dict):
        told = told.get("error", told.get("detail", told.get("message", "")))
        told = told.get("message", "") if isinstance(told, dict) else told
        text = told if isinstance(told, str) else json.dumps(told)
    elif "<" in text[:200]:
        text = "a page of HTML"
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:200]


def _json(body: bytes) -> Any:
    if body[:200].lstrip()[:1] == b"<":
        raise Broken("answered with a page of HTML")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Broken("answered with something that is not JSON, or only half of it") from None


def _finish(reason: Any, message: dict[str, Any]) -> FinishReason:
    """The finish reason, which is judged before the text is looked at."""
    if message.get("refusal"):
        raise Broken("refused to answer the question")
    if reason == "length":
        return "length"
    if reason in ("stop", "eos_token"):
        return "stop"
    if reason == "content_filter":
        raise Broken("withheld its answer (finish_reason content_filter)")
    raise Broken(f"ended its answer for a reason that is none (finish_reason {str(reason)[:40]!r})")


def _text(content: Any) -> str:
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content if isinstance(part, dict))
    if content is None:
        return ""
    if not isinstance(content, str):
        raise Broken("answered with a message that is no text")
    text = content.strip()
    if len(text) > MOST_TEXT:
        raise Broken(f"answered with {len(text)} characters, of which {MOST_TEXT} are allowed")
    if any(0xD800 <= ord(c) < 0xE000 or (not c.isprintable() and not c.isspace()) for c in text):
        raise Broken("answered with characters that are no text")
    return text


def _tokens(choice: dict[str, Any]) -> list[_Token] | None:
    """The tokens with their probabilities; None where the server does not state them in a form that is known."""
    try:
        return [_token(entry) for entry in choice["logprobs"]["content"]] or None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _token(entry: dict[str, Any]) -> _Token:
    others = tuple((_bytes(other), _probability(other)) for other in entry.get("top_logprobs") or ())
    return _Token(_bytes(entry), _probability(entry), others)


def _bytes(entry: dict[str, Any]) -> bytes:
    raw = entry.get("bytes")
    if raw is None:
        return str(entry["token"]).encode()
    if not isinstance(raw, list):  # a number would be taken as a length, and that much memory
        raise TypeError("a token's bytes are no list")
    return bytes(raw)


def _probability(entry: dict[str, Any]) -> float:
    value = float(entry["logprob"])
    if math.isnan(value):
        raise ValueError("no logarithm of a probability")
    return math.exp(min(0.0, value))


def _is_text(token: _Token) -> bool:
    return bool(token.written) and _MARK.fullmatch(token.written) is None


def _seen(tokens: Sequence[_Token]) -> list[_Token] | None:
    """The tokens with what the model saw where the constraint forbade it; None where it forbade nothing."""
    made: list[_Token] = []
    changed = False
    for token in tokens:
        best, probability = max(token.others, key=lambda pair: pair[1], default=(token.written, 0.0))
        # A blank before or behind is how a token is cut, not what is printed.
        if best.strip() == token.written.strip() or probability < _SEEN:
            made.append(token)
            continue
        changed = True
        made.append(_Token(best, probability, ((token.written, token.probability), *token.others)))
        if not _is_text(made[-1]):
            break
    return made if changed else None


def _decoded(raw: bytes) -> str | None:
    try:
        return raw.decode().strip()
    except UnicodeDecodeError:
        return None


def _unstated(text: str) -> tuple[Character, ...]:
    return tuple(Character(c, UNSTATED, ((ANYTHING_ELSE, 1.0 - UNSTATED),)) for c in text)


def _characters(text: str, tokens: Sequence[_Token] | None) -> tuple[Character, ...] | None:
    """Each character with the probability of its least certain token; None where the tokens do not spell the text.

    The last character is no surer than the text's end is.
    """
    if tokens is None:
        return None
    spelled = list(takewhile(_is_text, tokens))
    joined = b"".join(token.written for token in spelled)
    if _decoded(joined) != text:
        return None
    at = len(joined) - len(joined.decode().lstrip().encode())
    #: Of each byte: which character it belongs to.
    owners = [-1] * at + [number for number, c in enumerate(text) for _ in c.encode()]
    owners += [len(text)] * (len(joined) - len(owners))
    sure = [1.0] * len(text)
    others: list[dict[str, float]] = [{} for _ in text]
    start = 0
    for token in spelled:
        covered = owners[start : start + len(token.written)]
        for number in covered:
            if 0 <= number < len(text):
                sure[number] = min(sure[number], token.probability)
        for other, probability in token.others:
            place = _differs(token.written, other)
            if place is not None and 0 <= (number := covered[place[0]]) < len(text) and place[1] != text[number]:
                others[number][place[1]] = others[number].get(place[1], 0.0) + probability
        start += len(token.written)
    if len(tokens) > len(spelled) and text:
        sure[-1] = min(sure[-1], tokens[len(spelled)].probability)
    return tuple(
        Character(c, p, tuple(sorted(o.items(), key=lambda pair: (-pair[1], pair[0]))[:5]))
        for c, p, o in zip(text, sure, others, strict=True)
    )


def _differs(written: bytes, other: bytes) -> tuple[int, str] | None:
    """At which byte another token says another character, and which; None where it says none (a part, the same)."""
    try:
        ours, theirs = written.decode(), other.decode()
    except UnicodeDecodeError:
        return None
    if _MARK.fullmatch(other):
        return None
    for number, (one, two) in enumerate(zip(ours, theirs, strict=False)):
        if one != two:
            return len(ours[:number].encode()), two
    return None
