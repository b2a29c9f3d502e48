"""A model opened from its folder: its words, its prompts, and its passes.

`torchvision` is never needed: pictures are cut by `glm.py`, or by the PIL image processors of `transformers`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import structlog
import torch

from edge.errors import ReaderError
from edge.readers.decoding.decode import Passes
from edge.readers.decoding.prompt import question_text
from edge.readers.decoding.vocabulary import Vocabulary
from edge.readers.inside import Marks
from edge.readers.models.attention import Watched, watch, watch_plain
from edge.readers.models.folder import ModelFolder, look_at
from edge.readers.models.glm import FAMILY, Glm
from edge.readers.models.passes import Eager, Engine, Packed, Prompt
from edge.readers.models.plain import Plain, image_grid, image_token, image_tokens
from edge.readers.reader import Image
from edge.vision.sheet import ROW_PX

log = structlog.get_logger()

#: What OpenAI's CLIP was trained with, and all models of the GLM-4V family after it.
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class Model:
    """One loaded model. Not for several threads at once: its passes share one cache."""

    def __init__(
        self, folder: Path, *, device: str = "auto", threads: int = 2, record: bool = True, eight: bool = False
    ) -> None:
        """Load a folder's model onto a device ("auto", "cpu", "cuda").

        `record`: passes become CUDA graphs where there is CUDA. `eight`: products in 8 bits, for the GLM-4V family.

        Raises:
            ReaderError: it cannot be loaded; says what is wrong with the folder or the device.
        """
        self.device = _device(device)
        self.folder = look_at(folder)
        # Twenty gigabytes take some ten seconds to hash, while they are loaded from the same pages.
        beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hash")
        self._hash = beside.submit(self.folder.hash)
        beside.shutdown(wait=False)
        if self.device.type == "cpu":
            torch.set_num_threads(threads)
        with told(f"the model in {folder} could not be loaded"):
            self._tokenizer = _tokenizer(self.folder)
            self._model = _weights(self.folder, self.device)
        self.vocabulary = Vocabulary.of(self._tokenizer, _ends(self._model, self._tokenizer))
        self._image_token = image_token(self._model.config)
        self.engine: Engine | None = None
        if self.folder.family in FAMILY:
            self.engine = self._engine(record=record and self.device.type == "cuda", eight=eight)
        else:
            self._processor = _image_processor(self.folder)
        self._counts: dict[tuple[int, ...], int] = {}

    @property
    def hash(self) -> str:
        """SHA-256 (hex) over the folder; waits until it is computed.

        Raises:
            ReaderError: a file could not be read.
        """
        return self._hash.result()

    @property
    def packs(self) -> bool:
        """Whether several plates go through one pass."""
        return self.engine is not None

    def prompt(self, picture: Image, hint: Sequence[str], questions: Sequence[str]) -> Prompt:
        """Write a plate's prompt in tokens: the picture, what OCR read, and each question's own end.

        Raises:
            ReaderError: the model's chat template has no place for a picture.
        """
        count = self._image_count(picture)
        asked = [self._tokens(question_text(hint, question), count) for question in questions]
        shared = min(map(len, asked)) - 1
        first = asked[0]
        for other in asked[1:]:
            shared = next((n for n in range(shared) if other[n] != first[n]), shared)
        at = first.index(self._image_token)
        if shared < at + count:
            raise ReaderError(f"the chat template of {self.folder.path} puts the question before the picture")
        return Prompt(picture, tuple(first[:shared]), at, tuple(tuple(one[shared:]) for one in asked))

    def passes(self, prompts: Sequence[Prompt], *, room: int) -> Passes:
        """Passes over a batch of plates; a model that does not pack takes one plate at a time."""
        if self.engine is not None:
            return Packed(self.engine, prompts, room=room)
        if len(prompts) != 1:
            raise ValueError(f"a {self.folder.family} model takes one plate at a time, not {len(prompts)}")
        return Plain(self._model, self._processor, prompts[0])

    def watch(self, prompt: Prompt, answer: Sequence[int], check: Callable[[], None]) -> Watched:
        """Look into a finished answer to the prompt's one question; `check` may break it off."""
        if self.engine is not None:
            return watch(self.engine, prompt, answer, check)
        return watch_plain(Plain(self._model, self._processor, prompt), answer, check)

    @property
    def layers(self) -> int:
        """Layers of the language model."""
        return int(self._model.config.get_text_config().num_hidden_layers)

    def marks(self, prompt: Prompt) -> Marks:
        """What stands where in the prompt of one question."""
        tokens = [*prompt.prefix, *prompt.questions[0]]
        written = tuple(self.vocabulary.data(token) for token in tokens)
        return Marks(written, prompt.image_at, tokens.count(self._image_token), self._grid(prompt.picture))

    def _grid(self, picture: Image) -> tuple[int, int] | None:
        if self.engine is not None:
            return int(picture.shape[0]) // ROW_PX, int(picture.shape[1]) // ROW_PX
        return image_grid(self._model, self._processor, picture)

    def drafted(self, text: str) -> list[int]:
        """A text as the tokens that the model would write."""
        return [int(token) for token in self._tokenizer.encode(text, add_special_tokens=False)]

    def _tokens(self, text: str, image_count: int) -> list[int]:
        turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]
        written = self._tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        tokens = [int(one) for one in self._tokenizer.encode(written, add_special_tokens=False)]
        if tokens.count(self._image_token) != 1:
            raise ReaderError(
                f"the chat template of {self.folder.path} has no place for one picture: use another model"
            )
        at = tokens.index(self._image_token)
        return tokens[:at] + [self._image_token] * image_count + tokens[at + 1 :]

    def _image_count(self, picture: Image) -> int:
        if self.engine is not None:
            return int(picture.shape[0]) // ROW_PX * (int(picture.shape[1]) // ROW_PX)
        size = picture.shape
        if size not in self._counts:
            self._counts[size] = image_tokens(self._model, self._processor, picture)
        return self._counts[size]

    def _engine(self, *, record: bool, eight: bool) -> Engine:
        vision = self._model.config.vision_config
        if vision.patch_size * vision.spatial_merge_size != ROW_PX:
            raise ReaderError(
                f"an image token of the model in {self.folder.path} covers "
                f"{vision.patch_size * vision.spatial_merge_size} px, and a sheet's row has {ROW_PX}: use another model"
            )
        glm = Glm(self._model, *_colours(self.folder.path), compiled=record, eight=eight)
        if not record:
            return Eager(glm)
        from edge.readers.models.graphs import Graphs  # noqa: PLC0415 - CUDA only

        return Graphs(glm)


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Turn whatever torch and transformers raise into one sentence.

    Raises:
        ReaderError: something was raised.
    """
    try:
        yield
    except ReaderError:
        raise
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise ReaderError(f"{what}: the GPU has no memory left; give it less else to do, or a smaller model") from error
    except Exception as error:
        first = str(error).strip().splitlines()[:1] or [""]
        raise ReaderError(f"{what}: {type(error).__name__}: {first[0][:300]}") from error


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise ReaderError("the reader is set to cuda, and torch finds no CUDA device: set device to auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _tokenizer(folder: ModelFolder) -> Any:
    from transformers import AutoTokenizer  # noqa: PLC0415 - takes seconds

    tokenizer = AutoTokenizer.from_pretrained(folder.path, local_files_only=True, trust_remote_code=False)
    if not tokenizer.chat_template:
        for name, read in (("chat_template.jinja", str), ("chat_template.json", _template)):
            if (folder.path / name).is_file():
                tokenizer.chat_template = read((folder.path / name).read_text(encoding="utf-8"))
    if not tokenizer.chat_template:
        raise ReaderError(f"{folder.path} has no chat template: copy chat_template.jinja there too")
    return tokenizer


def _template(text: str) -> str:
    return str(json.loads(text)["chat_template"])


def _weights(folder: ModelFolder, device: torch.device) -> Any:
    """The model in 16 bits on a GPU and 32 bits on a CPU, its files mapped into memory."""
    from transformers import AutoModelForImageTextToText  # noqa: PLC0415 - takes seconds
    from transformers.utils import logging  # noqa: PLC0415 - takes seconds

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    loaded: Any = AutoModelForImageTextToText.from_pretrained(
        folder.path,
        dtype=dtype,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        attn_implementation="sdpa",
        output_loading_info=True,
    )
    model, found = loaded
    missing = sorted(found["missing_keys"])
    if missing:
        raise ReaderError(
            f"the weights in {folder.path} lack {missing[0]} and {len(missing) - 1} more: copy them again"
        )
    return model.eval().requires_grad_(False).to(device)


def _image_processor(folder: ModelFolder) -> Any:
    from transformers import AutoImageProcessor  # noqa: PLC0415 - takes seconds

    opener: Any = AutoImageProcessor
    with told(f"the image processor in {folder.path} could not be opened"):
        given: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            return opener.from_pretrained(folder.path, backend="pil", **given)
        except (TypeError, ImportError):
            return opener.from_pretrained(folder.path, use_fast=False, **given)


def _ends(model: Any, tokenizer: Any) -> list[int]:
    """Tokens that end an answer, as the model's generation settings name them."""
    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    if named is None:
        named = tokenizer.eos_token_id
    return [] if named is None else [int(one) for one in np.atleast_1d(named)]


def _colours(path: Path) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and deviation that pictures are normalised with."""
    file = path / "preprocessor_config.json"
    if not file.is_file():
        return _MEAN, _STD
    with told(f"{file} cannot be read"):
        said = json.loads(file.read_text(encoding="utf-8"))
        said = said.get("image_processor", said)
        return said.get("image_mean", _MEAN), said.get("image_std", _STD)
