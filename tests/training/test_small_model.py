"""The model that is trained is the model that `transformers` loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from training.small import light, losses, tokens, train  # noqa: E402 - only with the extra `vlm`
from training.small.files import checkpoint, keep_checkpoint, keep_model, opened, resume, unpack  # noqa: E402
from training.small.model import CTC_ALPHABET, Net, Shape  # noqa: E402
from training.small.plates import FEW, Block, Maker, padded, spelt  # noqa: E402

TINY = Shape(64, 2, 2, 64, 64, 2, 2, 1, 96)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """The tokenizer that every training makes."""
    return tokens.train()


@pytest.fixture(scope="module")
def maker(tokenizer: Any) -> Maker:
    """A maker that writes prompts and draws nothing."""
    return Maker(0, tokenizer, CTC_ALPHABET)


@pytest.fixture
def net(tokenizer: Any) -> Net:
    """A tiny model with weights that matter everywhere."""
    torch.manual_seed(3)
    made = Net(TINY, tokenizer.get_vocab()).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return made


@pytest.mark.parametrize("rows", [4, 9, 12, 18])
def test_that_the_batched_forward_is_that_of_transformers(net: Net, maker: Maker, rows: int) -> None:
    """For a batch of two sheets of any height, logits differ by less than 1e-4 from those of `transformers`."""
    images = np.random.default_rng(rows).integers(0, 256, (2, 28 * rows, 336, 3), dtype=np.uint8)
    texts = padded([maker.sample(rows, ["S/N: AB12"], [("What is it?", answer)]) for answer in ("AB12", "CD34")], 0)
    ids = torch.from_numpy(texts.ids.astype(np.int64))[:, : int((texts.branch[0] >= 0).sum())]
    kind = (ids == net.glm.config.image_token_id).int()
    pixels = (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - tokens.IMAGE_MEAN) / tokens.IMAGE_STD
    grid = torch.tensor([[1, 2 * rows, 24]] * 2)
    with torch.no_grad():
        expected = net.glm(
            input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=_patches(pixels), image_grid_thw=grid,
            mm_token_type_ids=kind,
        ).logits  # fmt: skip
        positions, _ = net.glm.model.get_rope_index(ids, mm_token_type_ids=kind, image_grid_thw=grid)
        length = ids.shape[1]
        own = torch.from_numpy(texts.positions.astype(np.int64))[:, :, :length]
        branch = torch.from_numpy(texts.branch)[:, :length]
        got = net.speak(net.write(ids, net.see(pixels)[1], own, branch))

    assert torch.equal(positions, own)
    assert (got - expected).abs().max() < 1e-4


def _patches(pixels: Any) -> Any:
    """Pictures as `transformers` wants them: patches of 2 x 2 neighbours together, each twice for two frames."""
    count, channels, height, width = pixels.shape
    cut = pixels.view(count, channels, height // 28, 2, 14, width // 28, 2, 14).permute(0, 2, 5, 3, 6, 1, 4, 7)
    return cut.unsqueeze(6).expand(*cut.shape[:6], 2, 14, 14).reshape(-1, channels * 2 * 14 * 14)


def test_that_a_branch_does_not_see_another(net: Net, maker: Maker) -> None:
    """The answer to a question is the same whether it is asked alone or behind another one."""
    pixels = torch.randn(1, 3, 112, 336)
    alone = padded([maker.sample(4, [], [("Model?", "X1")])], 0)
    behind = padded([maker.sample(4, [], [("Serial number?", "998"), ("Model?", "X1")])], 0)
    said = []
    with torch.no_grad():
        for texts in (alone, behind):
            ids, positions = (torch.from_numpy(one.astype(np.int64)) for one in (texts.ids, texts.positions))
            states = net.write(ids, net.see(pixels)[1], positions, torch.from_numpy(texts.branch))
            last = np.flatnonzero(texts.branch[0] == texts.branch.max())
            said.append(net.speak(states)[0, last])

    assert (said[0] - said[1]).abs().max() < 1e-4


def _block(maker: Maker) -> Block:
    """A block of noise with questions: enough to learn by heart."""
    ink = np.random.default_rng(1).integers(0, 254, (4, 112, 336), dtype=np.uint8)
    texts = padded([maker.sample(4, [], [("Model?", f"X{n}")]) for n in range(4)], 0)
    classes = np.zeros((4, 4, 80), np.int16)
    told = spelt("AB 1", CTC_ALPHABET)
    classes[:, :, : len(told)] = told
    return Block(FEW, ink, classes, np.full((4, 4), len(told), np.int16), (texts,))


def test_that_steps_lower_both_losses(net: Net, maker: Maker) -> None:
    """Ten steps on one batch lower the loss of the eye and that of the answers."""
    optimiser = train.optimiser_of(net, "cpu")
    batch = losses.batch_on(_block(maker), "cpu")
    pixels = light.lit(batch["ink"], torch.Generator().manual_seed(0))
    before = losses.losses(net, batch, pixels)
    for _ in range(10):
        found = losses.losses(net, batch, pixels)
        optimiser.zero_grad()
        (found["ctc"] + found["text"]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    after = losses.losses(net, batch, pixels)

    assert after["ctc"] < before["ctc"]
    assert after["text"] < before["text"]


def test_that_a_saved_model_loads(net: Net, tokenizer: Any, tmp_path: Path) -> None:
    """What a run writes unpacks to a folder that `transformers` opens by its auto classes, with the same weights."""
    keep_model(net, tokenizer, tmp_path)
    unpack(tmp_path, tmp_path / "small")
    model = transformers.AutoModelForImageTextToText.from_pretrained(tmp_path / "small", dtype=torch.float32)
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path / "small")
    again, _ = opened(tmp_path / "small")

    assert type(model).__name__ == "Glm46VForConditionalGeneration"
    assert loaded.decode(loaded("S/N: 8B0O1I é 型号").input_ids) == "S/N: 8B0O1I é 型号"
    for one, other in zip(model.parameters(), again.glm.parameters(), strict=True):
        assert torch.equal(one, other)


def test_that_a_digit_a_capital_and_a_mark_are_one_token_each(tokenizer: Any) -> None:
    """No token joins characters that a pattern tells apart; lower-case words do join."""
    ids = tokenizer.encode("8B0O-1I/AZ", add_special_tokens=False).ids

    assert len(ids) == 10
    assert len(tokenizer.encode("number", add_special_tokens=False).ids) == 1


def test_that_a_training_goes_on_from_a_checkpoint(net: Net, maker: Maker, tmp_path: Path) -> None:
    """Weights come back to 16 bits, and the place in the course exactly."""
    optimiser = train.optimiser_of(net, "cpu")
    batch = losses.batch_on(_block(maker), "cpu")
    losses.losses(net, batch, light.lit(batch["ink"], torch.Generator()))["ctc"].backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    keep_checkpoint(net, optimiser, {"stage": 2, "step": 7}, tmp_path)
    other = Net(TINY, maker._tokenizer.get_vocab())
    kept = checkpoint(tmp_path / "checkpoint")
    resume(kept, other, train.optimiser_of(other, "cpu"))

    assert kept["state"] == {"stage": 2, "step": 7}
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.allclose(one, two, rtol=1e-3, atol=1e-5)
