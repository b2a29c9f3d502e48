"""Promises of judging a server's answer: whole or cut or broken, and never surer than the server says."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.evidence import combine
from edge.core.reading import Character, FieldReading
from edge.readers.chat.chat_answer import Answer, Broken, parse
from tests.readers.chat.faulty_chat import MODEL, Token, completion


def _parsed(body: bytes, *, constrained: bool = False, honest: bool = True) -> Answer:
    return parse(body, MODEL, constrained=constrained, honest=honest)


def test_cut() -> None:
    """An answer that was cut says so, whatever it holds; it is judged before its text."""
    answers = [_parsed(completion(text, "length")) for text in ("AX-47", "", None, "none")]

    assert [answer.finish for answer in answers] == ["length"] * 4


def test_probabilities() -> None:
    """A token's probability is each of its characters'; runners-up are told where they differ; the end counts."""
    tokens: list[Token] = [
        ("A", 0.99),
        ("X-", 0.9, {"X/": 0.06, "X": 0.02}),
        ("47", 0.8, {"41": 0.1, "17": 0.05}),
        ("</s>", 0.7),
    ]

    answer = _parsed(completion("AX-47", tokens=tokens))

    a, x, dash, four, seven = answer.characters
    assert answer.stated
    assert [round(c.confidence, 6) for c in answer.characters] == [0.99, 0.9, 0.9, 0.8, 0.7]
    assert (a.alternatives, x.alternatives) == ((), ())
    assert [(text, round(p, 6)) for text, p in dash.alternatives] == [("/", 0.06)]
    assert [(text, round(p, 6)) for text, p in four.alternatives] == [("1", 0.05)]
    assert [(text, round(p, 6)) for text, p in seven.alternatives] == [("1", 0.1)]


def test_character_in_pieces() -> None:
    """A character that two tokens spell together is as sure as the less sure of them."""
    body = json.loads(completion("é1", tokens=[("a", 0.9), ("b", 0.6), ("1", 0.95)]))
    first, second = body["choices"][0]["logprobs"]["content"][:2]
    first["bytes"], second["bytes"] = [0xC3], [0xA9]

    answer = _parsed(json.dumps(body).encode())

    assert [round(c.confidence, 6) for c in answer.characters] == [0.6, 0.95]


@pytest.mark.parametrize(
    "tokens",
    [None, [], [("BY", 0.9)], [("AX", 0.9)], [("AX-4711", 0.9), ("!", 0.9)]],
    ids=["none", "empty", "another text", "half the text", "more than the text"],
)
def test_no_probabilities(tokens: Any) -> None:
    """Where the probabilities are not the text's, each character is believed by half, and `stated` says so (L4)."""
    answer = _parsed(completion("AX-4711", tokens=tokens))

    assert not answer.stated
    assert {c.confidence for c in answer.characters} == {0.5}


@pytest.mark.parametrize("value", [None, "x", float("nan")])
def test_wrong_probabilities(value: Any) -> None:
    """A probability that is none makes no confidence, and no crash (L4)."""
    body = json.loads(completion("A", tokens=[("A", 0.9)]))
    body["choices"][0]["logprobs"]["content"][0]["logprob"] = value

    assert not _parsed(json.dumps(body).encode()).stated


def test_unstated_never_adds_up() -> None:
    """Any number of looks without a stated confidence stays undecided (L4)."""
    answer = _parsed(completion("AX-4711"))
    look = FieldReading("serial", answer.text, answer.text, None, answer.characters)

    combined = combine([look] * 5)

    assert combined.reading.text == "AX-4711"
    assert combined.reading.confidence <= 0.5
    assert combined.reading.margin < 0.01


def test_seen_against_the_pattern() -> None:
    """What the model would have written, had the pattern let it, is the text; what it wrote is told beside it (L7)."""
    tokens: list[Token] = [("4", 0.9), ("0", 0.1, {"O": 0.85}), ("1", 0.9), ("1", 0.9)]

    answer = _parsed(completion("4011", tokens=tokens), constrained=True)

    assert (answer.text, answer.written) == ("4O11", "4011")
    assert round(answer.characters[1].confidence, 6) == 0.85
    assert answer.characters[1].alternatives[0][0] == "0"


def test_seen_the_end() -> None:
    """Where the model saw the text end and the pattern did not let it, the text ends there (L7)."""
    tokens: list[Token] = [("4", 0.9), ("0", 0.9), ("1", 0.05, {"<|endoftext|>": 0.9}), ("1", 0.9)]

    answer = _parsed(completion("4011", tokens=tokens), constrained=True)

    assert (answer.text, answer.written) == ("40", "4011")


def test_blank_is_not_seen() -> None:
    """A token with a blank before it is not another text."""
    answer = _parsed(completion("47", tokens=[("47", 0.3, {" 47": 0.7})]), constrained=True)

    assert (answer.text, answer.written) == ("47", None)


def test_probabilities_after_the_constraint() -> None:
    """Probabilities that a server states after its constraint say nothing of what the model saw (L4, L7)."""
    answer = _parsed(completion("4711", tokens=[("4711", 1.0)]), constrained=True, honest=False)

    assert not answer.stated


def test_a_number_for_the_bytes_of_a_token_takes_no_memory() -> None:
    """A server that names a token's bytes by a huge number does not make the reader take that much memory (L12)."""
    body = json.loads(completion("4711", tokens=[("4711", 0.9)]))
    body["choices"][0]["logprobs"]["content"][0]["bytes"] = 10**15

    answer = _parsed(json.dumps(body).encode(), constrained=True)

    assert answer.text == "4711"
    assert not answer.stated


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def wrong_completions(draw: st.DrawFn) -> bytes:
    """A completion in which one thing, anywhere, is another thing."""
    body = json.loads(completion("4O", tokens=[("4", 0.9), ("O", 0.6, {"0": 0.3})]))
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key, inner in node.items() if isinstance(node, dict) else enumerate(node):
            places.append((node, key))
            if isinstance(inner, dict | list):
                walk(inner)

    walk(body)
    node, key = draw(st.sampled_from(places))
    node[key] = draw(ANY_JSON)
    return json.dumps(body).encode()


@given(wrong_completions() | st.binary() | ANY_JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body(body: bytes) -> None:
    """Whatever comes is a whole answer, a cut one, or named as broken; never an empty one, never a crash (L3)."""
    answer = None
    with suppress(Broken):
        answer = _parsed(body, constrained=True)

    if answer is not None:
        assert answer.text or answer.finish == "length"
        assert "".join(c.text for c in answer.characters) == answer.text


@given(st.text(max_size=20), st.sampled_from(["stop", "length"]), st.floats(0, 1), st.none() | st.text(max_size=5))
def test_kept(text: str, finish: Any, sure: float, written: str | None) -> None:
    """An answer comes out of its bytes as it went in."""
    answer = Answer(text, finish, tuple(Character(c, sure, (("?", 0.1),)) for c in text), stated=True, written=written)

    assert Answer.from_bytes(answer.to_bytes()) == answer


@given(st.binary() | ANY_JSON.map(lambda value: json.dumps(value).encode()))
def test_not_kept(raw: bytes) -> None:
    """What is no kept answer is a ValueError and nothing else."""
    with pytest.raises(ValueError, match="no kept answer"):
        Answer.from_bytes(raw)
