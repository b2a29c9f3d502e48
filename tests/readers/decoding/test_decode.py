"""Drafted decoding gives the tokens of step-by-step constrained greedy decoding, in fewer passes."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import ReaderError
from edge.readers.decoding import grammar as grammar_module
from edge.readers.decoding.decode import Answer, Scores, Token, decode, seen
from edge.readers.decoding.grammar import Grammar
from edge.readers.decoding.vocabulary import Vocabulary
from tests.readers.decoding.fake_passes import FakePasses, Floats, Model, Tiny, hashed, one_by_one
from tests.readers.decoding.vocabularies import gpt2, gpt2_tokenizer, vocabulary_of

#: Single characters, words, parts of characters, a mark that writes nothing; the last token ends the text.
SMALL = vocabulary_of(
    [
        *(bytes([c]) for c in b"0128ABCOnoe-"),
        b"01",
        b"12",
        b"AB",
        b"-A",
        b"no",
        b"none",
        b"\xc3",
        b"\x98",
        b"\xc3\x98",
        b"",
    ]
)
(END,) = SMALL.ends
PATTERNS = [
    "[0-9]{2}[A-C]{1,2}",
    "[AB]{1,3}-[0-9]*",
    "(?:01|12)+[A-C]?",
    "[A-C\u00d8]{2,4}",
    "(?i)[abc]{2}",
    "(?:A|AB)(?:BC|C)?",
    "[0-9]{1,3}?-?",
    r"\b[A-C]+\b(?:-\b\d+)?",
    "[AB](?=x)y|C+",
    None,
]


def stepwise(model: Model, branch: int, grammar: Grammar, cap: int) -> tuple[list[int], str]:
    """Constrained greedy decoding as the book has it: mask every forbidden token, take the best, go on."""
    tokens: list[int] = []
    state = grammar.start()
    while len(tokens) < cap:
        logits = model(branch, tuple(tokens))
        allowed = np.array(
            [
                grammar.complete(state)
                if token in grammar.vocabulary.ends
                else grammar.advance(state, token) is not None
                for token in range(len(logits))
            ]
        )
        if not allowed.any():
            return tokens, "length"
        tokens.append(int(np.argmax(np.where(allowed, logits, -np.inf))))
        if tokens[-1] in grammar.vocabulary.ends:
            return tokens, "stop"
        state = grammar.advance(state, tokens[-1]) or pytest.fail("allowed, but not to be written")
    return tokens, "length"


def _draft(draw: Callable[[st.SearchStrategy[Any]], Any], truth: Sequence[int]) -> list[int]:
    """Any draft: nothing, the truth, the truth with some changes, any tokens, far too long."""
    tokens = st.integers(0, len(SMALL) - 1)
    kind = draw(st.sampled_from(["none", "truth", "changed", "any", "long"]))
    if kind == "none":
        return []
    if kind == "any":
        return list(draw(st.lists(tokens, max_size=12)))
    draft = list(truth)
    if kind == "long":
        return draft + list(draw(st.lists(tokens, min_size=20, max_size=40)))
    for _ in range(draw(st.integers(1, 3)) if kind == "changed" else 0):
        at = draw(st.integers(0, len(draft)))
        draft[at : at + draw(st.integers(0, 1))] = draw(st.lists(tokens, max_size=1))
    return draft


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_draft_changes_nothing_but_the_passes(data: st.DataObject) -> None:
    """Over random models every draft gives the tokens, scores and end of step-by-step constrained greedy (L6)."""
    count = data.draw(st.integers(1, 3))
    grammars = [Grammar(data.draw(st.sampled_from(PATTERNS)), SMALL) for _ in range(count)]
    caps = [data.draw(st.integers(0, 10)) for _ in range(count)]
    hidden = [data.draw(st.lists(st.integers(0, len(SMALL) - 1), max_size=8)) for _ in range(count)]
    sure, ties = data.draw(st.sampled_from([0.0, 2.0, 6.0])), data.draw(st.sampled_from([0, 1, 3]))
    model = hashed(len(SMALL), data.draw(st.integers(0, 10**6)), hidden, sure, ties)
    expected = [stepwise(model, branch, grammar, caps[branch]) for branch, grammar in enumerate(grammars)]
    drafts = [_draft(data.draw, truth) for truth, _ in expected]
    told: list[list[int]] = [[] for _ in range(count)]
    passes = FakePasses(one_by_one(model), count)

    answers = decode(passes, grammars, drafts, caps, lambda branch, token: told[branch].append(token.id))
    plain = decode(FakePasses(one_by_one(model), count), grammars, [[]] * count, caps)
    for answer, without, (tokens, finish), heard in zip(answers, plain, expected, told, strict=True):
        assert [token.id for token in answer.tokens] == tokens == heard
        assert answer.finish == finish
        assert (answer.text, answer.reason, seen(answer)) == (without.text, without.reason, seen(without))
        assert [_without_draft(token) for token in answer.tokens] == [_without_draft(token) for token in without.tokens]
        assert answer.passes <= without.passes
    assert len(passes.appended) == max(answer.passes for answer in answers)


def _without_draft(token: Token) -> tuple[object, ...]:
    return token.id, token.text, token.probability, token.best, token.alternatives


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_packed_pass_of_a_transformer_changes_nothing(data: st.DataObject) -> None:
    """All fields in one pass behind one prefix, with any drafts: the tokens of each field alone, step by step (L6)."""
    count = data.draw(st.integers(1, 3))
    tiny = Tiny(len(SMALL), data.draw(st.integers(0, 10**6)), count)
    grammars = [Grammar(data.draw(st.sampled_from(PATTERNS)), SMALL) for _ in range(count)]
    caps = [data.draw(st.integers(1, 8)) for _ in range(count)]
    expected = [stepwise(tiny.alone, branch, grammar, caps[branch]) for branch, grammar in enumerate(grammars)]
    drafts = [_draft(data.draw, truth) for truth, _ in expected]

    answers = decode(FakePasses(tiny.packed, count), grammars, drafts, caps)
    assert [([token.id for token in one.tokens], one.finish) for one in answers] == expected


def _reads(vocabulary: Vocabulary, *texts: Sequence[int]) -> Model:
    """A model that reads these tokens and is sure of them."""
    (end,) = vocabulary.ends
    return hashed(len(vocabulary), 3, [[*text, end] for text in texts], 40.0)


CHARACTERS = vocabulary_of([bytes([byte]) for byte in range(256)])
#: Each plate's field, what it costs behind a first pass at most, and what was done to it to make the draft.
CHANGES: list[tuple[str, int, Callable[[str, int], str]]] = [
    ("nothing", 0, lambda text, at: text),
    ("another character", 1, lambda text, at: text[:at] + "#" + text[at + 1 :]),
    ("a character of its own", 1, lambda text, at: text[:at] + text[(at + 1) % len(text)] + text[at + 1 :]),
    ("one left out", 2, lambda text, at: text[:at] + text[at + 1 :]),
    ("one too many", 2, lambda text, at: text[:at] + "#" + text[at:]),
    ("cut", 1, lambda text, at: text[:-1]),
    ("longer", 0, lambda text, at: text + "##"),
]


@pytest.mark.parametrize(("change", "more", "made"), CHANGES, ids=[change for change, _, _ in CHANGES])
def test_passes_of_a_draft_with_one_mistake(change: str, more: int, made: Callable[[str, int], str]) -> None:
    """The right draft takes one pass, a wrong character two, a missing or extra one three, wherever it is."""
    text = "12345678AB-C9"
    grammar = Grammar(None, CHARACTERS)
    for at in range(len(text)):
        passes = FakePasses(one_by_one(_reads(CHARACTERS, text.encode())), 1)
        (answer,) = decode(passes, [grammar], [list(made(text, at).encode())], [32])

        assert (answer.text, answer.finish) == (text, "stop")
        assert answer.passes <= 1 + more, (change, at)


def _one_wrong(count: int) -> Iterator[tuple[str, str]]:
    """Serials, each with a draft that has one character misread."""
    rng = random.Random(5)
    for _ in range(count):
        text = "".join(rng.choice("0123456789ABCDEFHKLMNPRSTUVXYZ-") for _ in range(12))
        at = rng.randrange(len(text))
        yield text, text[:at] + rng.choice("08B5SZ2I1".replace(text[at], "")) + text[at + 1 :]


def test_passes_with_digits_in_threes() -> None:
    """Where digits come in threes, as GLM-4's, the right draft takes one pass, a wrong character at most three."""
    words = [str(number).zfill(size) for size in (1, 2, 3) for number in range(10**size)] + list(string.ascii_uppercase)
    words.append("-")
    vocabulary = vocabulary_of([word.encode() for word in words])
    grammar = Grammar("[0-9A-Z-]{12}", vocabulary)

    def tokens(text: str) -> list[int]:
        return [words.index(word) for word in re.findall(r"[0-9]{1,3}|[A-Z-]", text)]

    for text, wrong in _one_wrong(150):
        model = one_by_one(_reads(vocabulary, tokens(text)))
        right, misread = (decode(FakePasses(model, 1), [grammar], [tokens(draft)], [32])[0] for draft in (text, wrong))
        assert (right.text, right.passes, misread.text) == (text, 1, text)
        assert misread.passes in (2, 3), (text, wrong)


def test_passes_with_a_real_vocabulary() -> None:
    """With GPT-2's tokens, which cut a text differently around a wrong character, that takes four passes at most."""
    vocabulary, tokenizer = gpt2(), gpt2_tokenizer()
    grammar = Grammar("[0-9A-Z-]{12}", vocabulary)
    for text, wrong in _one_wrong(15):
        model = one_by_one(_reads(vocabulary, tokenizer.encode(text).ids))
        right, misread = (
            decode(FakePasses(model, 1), [grammar], [tokenizer.encode(draft).ids], [32])[0] for draft in (text, wrong)
        )
        assert (right.text, right.passes, misread.text) == (text, 1, text)
        assert misread.passes in (2, 3, 4), (text, wrong)


def test_fields_share_their_passes() -> None:
    """Two fields with the right drafts take one pass together; one with a wrong character does not cost the other."""
    texts = [b"YE2-132M", b"12345678"]
    passes = FakePasses(one_by_one(_reads(CHARACTERS, *texts)), 2)
    grammars = [Grammar(None, CHARACTERS), Grammar("[0-9]{8}", CHARACTERS)]
    answers = decode(passes, grammars, [list(b"YE2-132M"), list(b"12O45678")], [32, 32])

    assert [(one.text, one.passes) for one in answers] == [("YE2-132M", 1), ("12345678", 2)]
    assert passes.appended[1] == [[], list(b"345678")]


def test_what_the_pattern_forbids_is_not_sent() -> None:
    """Guesses end where the pattern forbids them, and where the cap would be passed."""
    passes = FakePasses(one_by_one(_reads(CHARACTERS, b"1234")), 1)
    decode(passes, [Grammar("[0-9]{4}", CHARACTERS)], [list(b"12X4")], [32])
    capped = FakePasses(one_by_one(_reads(CHARACTERS, b"1234")), 1)
    decode(capped, [Grammar("[0-9]{4}", CHARACTERS)], [list(b"1234")], [3])

    assert passes.appended[0] == [list(b"12")]
    assert capped.appended == [[list(b"12")]]


def test_a_draft_of_another_text_is_put_aside() -> None:
    """Behind four wrong guesses in a row no more are sent, so that a step costs a step."""
    passes = FakePasses(one_by_one(_reads(CHARACTERS, b"ABCDEFGHKL")), 1)
    (answer,) = decode(passes, [Grammar(None, CHARACTERS)], [list(b"0123456789")], [32])

    assert answer.text == "ABCDEFGHKL"
    assert [len(one) for (one,) in passes.appended[5:]] == [1] * (len(passes.appended) - 5)


def test_what_was_rejected_is_forgotten() -> None:
    """When all is decided a branch holds the decided tokens and no guess that was wrong (L6)."""
    passes = FakePasses(one_by_one(_reads(CHARACTERS, b"12345678")), 1)
    decode(passes, [Grammar(None, CHARACTERS)], [list(b"12O456")], [32])

    assert passes.forgotten == [(0, 4)]
    assert bytes(passes.branches[0]) == b"12345678"


def test_a_cut_answer_is_no_value() -> None:
    """An answer whose cap is reached before its end says "length" and why; its end counts as a token (L3)."""
    model = _reads(CHARACTERS, b"1234")
    grammar = Grammar("[0-9]{4}", CHARACTERS)
    cut, whole, none = (
        decode(FakePasses(one_by_one(model), 1), [grammar], [list(b"1234")], [cap])[0] for cap in (4, 5, 0)
    )

    assert (cut.text, cut.finish) == ("1234", "length")
    assert cut.reason == "its 4 tokens were used up before the end of the text"
    assert (whole.text, whole.finish, whole.reason) == ("1234", "stop", "")
    assert (none.text, none.tokens, none.finish, none.passes) == ("", (), "length", 0)


def test_a_pattern_that_leads_nowhere_ends_the_answer() -> None:
    """Where the pattern allowed a token behind which nothing fits, the answer is cut and says so; no loop (L3)."""
    passes = FakePasses(one_by_one(_reads(CHARACTERS, b"Ay")), 1)
    (answer,) = decode(passes, [Grammar("A(?=x)y", CHARACTERS)], [list(b"Ay")], [32])

    assert (answer.text, answer.finish, answer.passes) == ("A", "length", 1)
    assert answer.reason == "the pattern 'A(?=x)y' allows nothing behind 'A'"


def test_a_pattern_that_searches_on_ends_the_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern that does not decide in time is an error of the reader, never an answer (L3)."""
    monkeypatch.setattr(grammar_module, "MATCH_S", 0.05)
    grammar = Grammar(r"(a|a)+(a|a)+(a|a)+$(?<!a)", CHARACTERS)
    passes = FakePasses(one_by_one(_reads(CHARACTERS, b"a" * 60)), 1)

    with pytest.raises(ReaderError, match="did not decide within"):
        decode(passes, [grammar], [[]], [64])


def _fixed(*rows: dict[int, float]) -> FakePasses:
    """A model that gives these probabilities at each place, whatever was written."""
    made: list[Floats] = []
    for row in rows:
        probabilities = np.full(len(CHARACTERS), (1 - sum(row.values())) / (len(CHARACTERS) - len(row)))
        for token, probability in row.items():
            probabilities[token] = probability
        made.append(np.log(probabilities))
    return FakePasses(one_by_one(lambda _, tokens: made[len(tokens)]), 1)


STOP = next(iter(CHARACTERS.ends))


def _decoded(pattern: str, *rows: dict[int, float]) -> Answer:
    return decode(_fixed(*rows), [Grammar(pattern, CHARACTERS)], [[]], [32])[0]


def test_a_printed_character_that_breaks_the_pattern_is_seen() -> None:
    """Where the model saw "O" and the pattern has a digit, the answer is held to it and `seen` shows the "O" (L7)."""
    answer = _decoded("[0-9]{3}", {ord("1"): 0.9}, {ord("O"): 0.8, ord("0"): 0.15}, {ord("7"): 0.9}, {STOP: 0.9})
    doubtful = _decoded("[0-9]{3}", {ord("1"): 0.9}, {ord("O"): 0.48, ord("0"): 0.4}, {ord("7"): 0.9}, {STOP: 0.9})

    assert (answer.text, seen(answer)) == ("107", "1O7")
    zero = answer.tokens[1]
    assert (zero.best.text, zero.alternatives[0][0]) == ("O", "O")
    assert [zero.probability, zero.best.probability] == pytest.approx([0.15, 0.8])
    assert (doubtful.text, seen(doubtful)) == ("107", "107")


def test_a_printed_end_that_breaks_the_pattern_is_seen() -> None:
    """A text printed shorter than the pattern ends where the model saw it end; a longer one goes on (L7)."""
    short = _decoded("[0-9]{3}", {ord("1"): 0.9}, {STOP: 0.8, ord("2"): 0.1}, {ord("7"): 0.9}, {STOP: 0.9})
    long = _decoded("[0-9]{2}", {ord("1"): 0.9}, {ord("2"): 0.9}, {ord("3"): 0.8, STOP: 0.1})

    assert (short.text, seen(short)) == ("127", "1")
    assert (long.text, seen(long)) == ("12", "123")
    assert long.tokens[-1].text == ""


def test_a_character_of_several_tokens() -> None:
    """Bytes that begin a character add nothing, the last ones add it; a strange one shows too (L7)."""
    plain = _decoded("[A-Z\u00d8]{2}", {ord("A"): 0.9}, {0xC3: 0.9}, {0x98: 0.9}, {STOP: 0.9})
    other = _decoded("[A-Z\u00d8]{2}", {ord("A"): 0.9}, {0xC3: 0.9}, {0x96: 0.7, 0x98: 0.1}, {STOP: 0.9})
    foreign = _decoded("[A-Z]{2}", {ord("A"): 0.9}, {0xC3: 0.9, ord("O"): 0.05}, {STOP: 0.9})

    assert [token.text for token in plain.tokens] == ["A", "", "\u00d8", ""]
    assert (plain.text, seen(plain)) == ("A\u00d8", "A\u00d8")
    assert (other.text, seen(other)) == ("A\u00d8", "A\u00d6")
    assert (foreign.text, seen(foreign)) == ("AO", "A\ufffd")


def test_alternatives_are_the_best_others() -> None:
    """A token carries the five best others with the model's own probabilities, and not itself."""
    row = {ord(c): p for c, p in zip("8B3S5O0", (0.4, 0.2, 0.1, 0.09, 0.08, 0.07, 0.05), strict=True)}
    answer = _decoded("[0-9]", row, {STOP: 0.9})

    assert [text for text, _ in answer.tokens[0].alternatives] == list("B3S5O")
    assert answer.tokens[0].text == "8"


def test_of_two_equal_tokens_the_lower_id_is_taken() -> None:
    """On a tie the draft is not asked: the lower id stands, drafted or not (L6)."""
    rows: tuple[dict[int, float], ...] = ({ord("3"): 0.4, ord("8"): 0.4}, {STOP: 0.9})
    answers = [
        decode(_fixed(*rows), [Grammar("[0-9]", CHARACTERS)], [draft], [32])[0]
        for draft in ([], [ord("8")], [ord("3")])
    ]

    assert [answer.text for answer in answers] == ["3", "3", "3"]
    assert [answer.tokens[0].drafted for answer in answers] == [False, False, True]


def test_as_many_drafts_and_caps_as_grammars() -> None:
    """A draft or a cap too few is an error of the caller, before any pass."""
    passes = _fixed({STOP: 0.9})
    with pytest.raises(ValueError, match="zip"):
        decode(passes, [Grammar(None, CHARACTERS)], [], [32])

    assert passes.appended == []
    assert decode(passes, [], [], []) == []


def test_only_the_needed_part_of_a_ranking_is_taken() -> None:
    """Where the best token fits, six tokens of the ranking are taken: it and its five alternatives."""
    taken = []

    class Counted:
        def ranked(self, among: Collection[int] | None = None) -> Iterator[tuple[int, float]]:
            for token in (ord("7"), *range(200), STOP):
                taken.append(token)
                yield token, -1.0

        def logprob(self, token: int) -> float:
            return -1.0

    class Passes:
        def extend(self, tokens: Sequence[Sequence[int]]) -> list[list[Scores]]:
            return [[Counted()]]

        def forget(self, branch: int, count: int) -> None:
            raise AssertionError

    decode(Passes(), [Grammar("[0-9]", CHARACTERS)], [[]], [1])

    assert len(taken) == 6
