"""The torch body that learns computes what the reader computes."""

from __future__ import annotations

import numpy as np
import openvino as ov
import pytest

torch = pytest.importorskip("torch")

from edge.readers.lines.recogniser import HEIGHT_PX, shaped  # noqa: E402 - only with the extra `vlm`
from edge.readers.lines.weights import RECOGNISER, weight_file  # noqa: E402
from training.letters.graph import Body  # noqa: E402


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
