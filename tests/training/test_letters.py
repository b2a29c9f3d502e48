"""Promises of how the recogniser's body learns: in torch it is the reader's, and codes teach no language."""

from __future__ import annotations

from random import Random

import numpy as np
import openvino as ov
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from edge.readers.lines.recogniser import HEIGHT_PX, shaped  # noqa: E402 - only with the extra `vlm`
from edge.readers.lines.weights import RECOGNISER, weight_file  # noqa: E402
from training.letters import body as letters_body  # noqa: E402
from training.letters import page_strips  # noqa: E402
from training.letters.graph import Body  # noqa: E402
from training.linking.layouts import Box, Letter  # noqa: E402


@pytest.mark.parametrize("width", [48, 200])
def test_the_body_in_torch_is_the_readers(width: int) -> None:
    """For strips of any width, several at a time, both networks make the same features."""
    model = shaped(ov.Core().read_model(weight_file(RECOGNISER)))
    strips = np.random.default_rng(width).uniform(-1, 1, (2, 3, HEIGHT_PX, width)).astype(np.float32)
    request = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()

    with torch.no_grad():
        made = Body(model)(torch.from_numpy(strips)).numpy()

    for strip, one in zip(strips, made, strict=True):
        request.infer([strip[None]])
        assert np.abs(request.output_tensors[0].data[0] - one).max() < 0.001


@given(st.integers(0, 2**32 - 1))
def test_codes_say_something_else_and_words_stay(seed: int) -> None:
    """What could be learnt of what codes say is changed; places, words, marks and blanks are the page's."""
    text = "Modèle: AX-3007/B2 50 Hz"
    box = Box([Letter(one, 10.0 * n, 10.0 * n + 9) for n, one in enumerate(text)], top=0.0, height=20.0)

    changed = page_strips.changed(Random(seed), box)

    assert [(one.left, one.right) for one in changed.letters] == [(one.left, one.right) for one in box.letters]
    assert changed.text[:11] == text[:11]
    assert changed.text[-3:] == text[-3:]
    assert [not one.isalnum() for one in changed.text] == [not one.isalnum() for one in text]


def test_a_step_of_learning_moves_the_body_and_not_the_old_one() -> None:
    """What is added is nothing at first and most weights' after a step, by their names in the reader's graph."""
    torch.manual_seed(1)
    model = letters_body.Taught()
    strips, texts = torch.randint(0, 255, (4, 3, HEIGHT_PX, 96), dtype=torch.uint8), ["AX1", "Тип", None, "B 20"]
    loss = model.loss(letters_body.lit(strips), texts)
    optimizer = torch.optim.SGD(model.body.parameters(), lr=1e-3)
    loss.backward()  # type: ignore[no-untyped-call]
    nothing = {name: float(one.abs().max()) for name, one in model.added().items()}
    optimizer.step()

    added = model.added()

    assert torch.isfinite(loss)
    assert set(nothing.values()) == {0.0}
    assert sum(float(one.abs().max()) > 0 for one in added.values()) > 100
    names = {node.get_friendly_name() for node in ov.Core().read_model(weight_file(RECOGNISER)).get_ordered_ops()}
    assert added.keys() <= names
