"""Models of three architectures of `transformers` opened from their folders, and what cannot be opened."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edge.errors import ReaderError
from edge.readers.models.model import Model, told
from edge.readers.models.plain import seen
from edge.readers.reader import Image
from tests.readers.models.small_models import IMAGE, glm, llava, qwen, save

ARCHITECTURES: dict[str, Callable[[], Any]] = {"glm46v": glm, "qwen2_5_vl": qwen, "llava": llava}
QUESTIONS = ["What is the serial number?", "What is the model?"]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one architecture's random model."""
    return save(ARCHITECTURES[request.param](), tmp_path_factory.mktemp(request.param))


def picture() -> Image:
    """A sheet of noise."""
    return np.random.default_rng(3).integers(0, 256, (112, 336, 3), dtype=np.uint8)


def test_any_architecture_scores_drafts_as_its_own_forward_pass_does(folder: Path) -> None:
    """Whatever the architecture, a drafted answer is scored as by `transformers` on the plain prompt (L6)."""
    model = Model(folder, device="cpu")
    asked = model.prompt(picture(), ["S/N 12"], QUESTIONS)
    drafts = [model.drafted("AB1"), model.drafted("")]

    passes: Any = model.passes([asked], room=8)
    rows = passes.extend(drafts)
    passes.forget(0, 2)
    later = passes.extend([model.drafted("7"), model.drafted("x")])

    for question, draft, found in zip(
        [*asked.questions, *asked.questions],
        [*drafts, model.drafted("A7"), model.drafted("x")],
        [*rows, *later],
        strict=True,
    ):
        expected = _plainly(folder, [*asked.prefix, *question, *draft])[-len(found) :]
        for row, line in zip(found, expected, strict=True):
            torch.testing.assert_close(torch.as_tensor(row.rest), line, atol=2e-4, rtol=2e-4)


def _plainly(folder: Path, ids: list[int]) -> torch.Tensor:
    from transformers import AutoModelForImageTextToText

    from edge.readers.models.folder import look_at
    from edge.readers.models.model import _image_processor

    model: Any = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    given: dict[str, Any] = {"input_ids": torch.tensor([ids])}
    if model.config.model_type != "llava":
        given["mm_token_type_ids"] = (given["input_ids"] == IMAGE).long()
    processor = _image_processor(look_at(folder))
    with torch.inference_mode():
        return torch.log_softmax(model(**given, **seen(model, processor, picture())).logits[0], dim=-1)


def test_questions_share_all_that_is_alike(folder: Path) -> None:
    """The picture and the OCR text stand in the shared prefix, once; a question's branch begins where it differs."""
    model = Model(folder, device="cpu")

    asked = model.prompt(picture(), ["S/N 12"], QUESTIONS)

    assert asked.prefix[asked.image_at] == IMAGE
    assert IMAGE not in asked.questions[0]
    told_apart = [b"".join(map(model.vocabulary.data, question)) for question in asked.questions]
    assert [one.split(b"?")[0] for one in told_apart] == [b"serial number", b"model"]


def _without_a_weight(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    weights = load_file(file)
    weights.pop("model.language_model.layers.0.mlp.down_proj.weight")
    save_file(weights, file, metadata={"format": "pt"})


def _template(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "chat_template.jinja").write_text(text)


def _config(**changed: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changed))

    return change


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (_without_a_weight, "lack model.language_model.layers.0.mlp.down_proj.weight"),
        (_config(model_type="bert"), "could not be loaded"),
        (_config(model_type="never_heard_of"), "could not be loaded"),
        (_template("{{ messages[0].content[1].text }}"), "has no place for one picture"),
        (_template("{{ messages[0].content[1].text }}<|image|>"), "puts the question before the picture"),
    ],
)
def test_a_model_that_cannot_be_used_is_told_in_one_sentence(
    tmp_path: Path, change: Callable[[Path], object], what: str
) -> None:
    """A wrong architecture, a lacking weight, a template without a picture: one sentence each (L3)."""
    folder = save(glm(), tmp_path / "model")
    change(folder)

    with pytest.raises(ReaderError, match=what) as raised:
        Model(folder, device="cpu").prompt(picture(), [], QUESTIONS)

    assert "\n" not in str(raised.value)


def test_cuda_without_a_device_is_told() -> None:
    """A reader set to a GPU that is not there says so instead of running on the CPU unseen."""
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")

    with pytest.raises(ReaderError, match="finds no CUDA device"):
        Model(Path(__file__).parent, device="cuda")


def test_running_out_of_memory_is_a_failed_reading() -> None:
    """Whatever torch raises on the way becomes a failed reading with its cause, never a crash (L3)."""
    with pytest.raises(ReaderError, match="the GPU has no memory left"), told("plate 7 could not be read"):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    with pytest.raises(ReaderError, match="plate 7: RuntimeError: device-side assert"), told("plate 7"):
        raise RuntimeError("device-side assert\nsecond line")


def test_a_folder_is_not_loaded_with_its_own_code(tmp_path: Path) -> None:
    """A folder that asks for code of its own is refused before anything of it runs."""
    folder = save(glm(), tmp_path / "model")
    _config(auto_map={"AutoConfig": "evil.Config"})(folder)
    (folder / "evil.py").write_text("raise SystemExit('ran')")

    with pytest.raises(ReaderError, match="its own code"):
        Model(folder, device="cpu")

    shutil.rmtree(folder)
