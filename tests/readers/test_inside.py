"""Looking into the model that ships: what is told is what was done, and it looks where it reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from edge.core.inside import PICTURED, Inside
from edge.errors import UseError
from edge.readers.giving_way import GaveWay, gives_way
from edge.readers.inside import seen_into
from edge.readers.models.attention import watch
from edge.readers.opening import SMALL
from edge.readers.vlm import Vlm
from edge.vision.sheet_back import heat, painted
from tests.readers.test_vlm import PLATE, Drawn, plate, product

QUESTION = "What is the serial number? Digits and letters only."


@pytest.fixture(scope="module")
def vlm() -> Vlm:
    """The model that ships, with lines that are known."""
    return Vlm(SMALL, device="cpu", ocr=Drawn())


@pytest.fixture(scope="module")
def seen(vlm: Vlm) -> Inside:
    """A free question, in the mean of all layers."""
    return vlm.inside(plate(*PLATE), QUESTION)


def test_the_answer_is_the_one_that_is_given_without_a_look(vlm: Vlm, seen: Inside) -> None:
    """Text, tokens, probabilities and passes are those of `ask`: looking changes nothing."""
    asked = vlm.ask(plate(*PLATE), QUESTION)

    assert (seen.text, seen.finish, seen.passes) == (asked.text, asked.finish, asked.passes)
    assert [one.text for one in seen.tokens] == [one.text for one in asked.tokens]
    assert all(abs(a.probability - b.probability) < 1e-3 for a, b in zip(seen.tokens, asked.tokens, strict=True))


def test_the_attention_of_each_token_is_all_of_it(seen: Inside) -> None:
    """What a token looked at sums to 1 over picture and text, and its picture's share is that of the image tokens."""
    pictured = [number for number, part in enumerate(seen.parts) if part.kind in PICTURED]

    for token in seen.tokens:
        assert sum(token.looked) == pytest.approx(1, abs=1e-4)
        assert sum(token.looked[number] for number in pictured) == pytest.approx(sum(token.image), abs=1e-3)
        assert min(token.looked) >= 0
    assert seen.tokens[0].looked[-1] == 0
    assert seen.parts[-1].kind == "answer"


def test_no_token_sees_what_comes_after_it(vlm: Vlm) -> None:
    """In every layer a row sums to 1 over what stands before its token, and is 0 behind it."""
    made = vlm.model.prompt(np.full((112, 336, 3), 180, np.uint8), ["S/N 1"], [QUESTION])
    answer = vlm.model.drafted("12345678AB")
    assert vlm.model.engine is not None
    found = watch(vlm.model.engine, made, answer, lambda: None)

    prompt = len(made.prefix) + len(made.questions[0])
    assert found.weights.shape == (vlm.model.layers, len(answer), prompt + len(answer) - 1)
    for row in range(len(answer)):
        assert np.allclose(found.weights[:, row, : prompt + row].sum(axis=1), 1, atol=1e-4)
        assert not found.weights[:, row, prompt + row :].any()


@pytest.mark.parametrize("field", ["", "serial"])
def test_the_best_allowed_score_is_the_answers_token(vlm: Vlm, field: str) -> None:
    """For a question and for a field, the first candidate that may stand is the token that was chosen."""
    told = vlm.inside(plate(*PLATE), QUESTION, product=product("[0-9]{8}[A-Z]{2}"), field=field)

    for token in told.tokens:
        assert [one.allowed for one in token.candidates].index(True) == token.chosen
        assert token.candidates[token.chosen].text == token.text
        ranked = [one.probability for one in token.candidates]
        assert ranked == sorted(ranked, reverse=True)


def test_what_a_pattern_forbids_is_told(vlm: Vlm) -> None:
    """Held to a pattern that the print breaks, what the model would have written stands before it, as forbidden."""
    told = vlm.inside(plate(*PLATE), product=product("[0-9]{9}[A-Z]"), field="serial")
    over = [one for token in told.tokens for one in token.candidates[: token.chosen]]

    assert over
    assert not any(one.allowed for one in over)


def test_a_draft_is_told_with_its_pass(vlm: Vlm) -> None:
    """What OCR guessed and the model confirmed is marked; without a draft every token has a pass of its own."""
    ocr = vlm._ocr
    assert isinstance(ocr, Drawn)
    ocr.fields = {"serial": "12345678AB"}
    drafted = vlm.inside(plate(*PLATE), product=product("[0-9]{8}[A-Z]{2}"), field="serial")
    ocr.fields = {}
    alone = vlm.inside(plate(*PLATE), QUESTION)

    assert [(one.drafted, one.in_pass) for one in drafted.tokens] == [(True, 1)] * 10 + [(False, 1)]
    assert [(one.drafted, one.in_pass) for one in alone.tokens] == [(False, number) for number in range(1, 12)]


def test_the_model_looks_where_it_reads(vlm: Vlm) -> None:
    """A serial's characters look at the serial's line more than its size would have it, and most of them peak there.

    On the notebook's plate 86 % of the last layer's attention to lines is on the serial's, where chance gives 33 %.
    """
    told = vlm.inside(plate(*PLATE), QUESTION, layer=vlm.model.layers - 1)
    lines = [number for number, part in enumerate(told.parts) if part.kind == "line"]
    own = next(number for number in lines if "12345678AB" in told.parts[number].text)
    patches = [one for one in told.patches if one.part in lines]
    size = {number: sum(one.share for one in patches if one.part == number) for number in lines}
    characters = [token for token in told.tokens if token.text]
    share = np.mean([token.looked[own] / sum(token.looked[number] for number in lines) for token in characters])
    peaks = [max(patches, key=lambda one: token.image[one.token]).part == own for token in characters]

    assert share > 2 * size[own] / sum(size.values())
    assert sum(peaks) >= 8


def test_the_heat_lies_on_the_frame_where_the_line_is(vlm: Vlm) -> None:
    """Mapped back to the frame's pixels, the hottest place of a serial's character is within the serial's box."""
    frame = plate(*PLATE)
    told = vlm.inside(frame, QUESTION, layer=vlm.model.layers - 1)
    warm = heat(told, 3)
    row, column = np.unravel_index(int(warm.argmax()), warm.shape)
    scale = frame.shape[0] / warm.shape[0]

    assert 150 <= row * scale <= 216
    assert 60 <= column * scale <= 860
    assert painted(frame, told, 3).shape[:2] == warm.shape


def test_a_look_gives_way_to_the_line(vlm: Vlm) -> None:
    """A station that asks ends a look between two steps, also within its last pass; the reader reads on."""
    calls = 0

    def asked() -> bool:
        nonlocal calls
        calls += 1
        return calls > 18  # behind the answer's tokens, among the layers

    with pytest.raises(GaveWay), gives_way(asked):
        vlm.inside(plate(*PLATE), QUESTION)

    assert calls == 19
    assert vlm.ask(plate(*PLATE), QUESTION).text == "12345678AB"


def test_a_look_is_bounded(vlm: Vlm) -> None:
    """No more than 64 tokens are answered, whatever is asked for; an answer that is cut says so."""
    told = vlm.inside(plate(*PLATE), QUESTION, cap=4)

    assert (len(told.tokens), told.finish) == (4, "length")
    assert len(vlm.inside(plate(*PLATE), QUESTION, cap=10_000).tokens) == 11


def test_what_is_not_there_is_refused(vlm: Vlm) -> None:
    """A layer or field that does not exist, and a reader without a model, are refused with what there is."""
    with pytest.raises(UseError, match="layers 0 to 5"):
        vlm.inside(plate(*PLATE), QUESTION, layer=6)
    with pytest.raises(UseError, match="model, serial"):
        vlm.inside(plate(*PLATE), product=product(), field="colour")
    with pytest.raises(UseError, match="set \\[reader\\] kind to vlm"):
        seen_into(Drawn())


def test_looking_leaves_the_passes_of_readings_alone(vlm: Vlm) -> None:
    """A reading before and after a look is the same to the last bit of its confidences."""
    torch.manual_seed(0)
    before = vlm.read(plate(*PLATE), product())
    vlm.inside(plate(*PLATE), QUESTION)
    after = vlm.read(plate(*PLATE), product())

    assert replace(before, ms={}) == replace(after, ms={})
