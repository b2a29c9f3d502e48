"""Make training material: blocks of sheets with what is asked about them, as arrays; each worker process makes its own.

Three stages, each harder: lines of random text for the eye (CTC only), a few lines, whole plates.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.readers.decoding.prompt import question_text
from training.small import strips, tokens, words
from training.small.fonts import FOLDER, Face, faces
from training.small.words import Line, Plate

EYE, FEW, WHOLE = 1, 2, 3
#: Heights of sheets by stage; each block has one.
ROWS = {EYE: (4, 6, 9), FEW: (4, 6, 9), WHOLE: (4, 6, 9, 12, 18)}
BLOCK = 16
#: Characters of a row at most: 28 rows of 336 px hold 60 of the narrowest type.
MOST_ROW = 80
_COLUMNS = 12
_LONGEST = 1600
_HAN_FACES = ("SmileySans-Oblique", "wqy-zenhei", "VL-Gothic-Regular")


Sample = tuple[list[int], list[int], list[int], npt.NDArray[np.int16]]
"""Tokens, branches, labels and positions of one sheet's sequence."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Prompts and answers of a block.

    Tokens, branch, and the next token where it is learnt (else -1) are (sheets, length); positions (3, sheets, length).
    """

    ids: npt.NDArray[np.int16]
    branch: npt.NDArray[np.int8]
    labels: npt.NDArray[np.int16]
    positions: npt.NDArray[np.int16]
    read_all: bool = False  # whether each sheet's last branch is all that is written on it


@dataclass(frozen=True, slots=True)
class Block:
    """Sheets of one height.

    `ink` (sheets, 28 x rows, 336); `spelt` (sheets, rows, MOST_ROW) CTC classes, `lengths` of it, -1 where unknown;
    `texts` a few ways to ask about the same sheets.
    """

    stage: int
    ink: npt.NDArray[np.uint8]
    spelt: npt.NDArray[np.int16]
    lengths: npt.NDArray[np.int16]
    texts: tuple[Texts, ...]


def spelt(text: str, alphabet: str) -> list[int]:
    """CTC classes of a text: accents dropped, what is not in the alphabet as its last character."""
    plain = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return [alphabet.index(one) + 1 if one in alphabet else len(alphabet) for one in plain][:MOST_ROW]


def heard(dice: Random, text: str) -> str:
    """A line as OCR gives it, without mistakes: blanks and accents come and go."""
    if dice.random() < 0.3:
        text = text.replace(": ", ":").replace("  ", " ")
    if dice.random() < 0.08:
        text = text.replace(" ", "", 1)
    if dice.random() < 0.15:
        folded = unicodedata.normalize("NFKD", text)
        text = "".join(one for one in folded if not unicodedata.combining(one))
    return text


def hint_of(dice: Random, plate: Plate, without: float) -> list[str]:
    """What the prompt says that OCR read: nothing, the truth, or with mistakes in the very fields asked for."""
    kind = dice.random()
    if kind < without:
        return []
    lines = [heard(dice, line.text) for line in plate.lines]
    if kind < without + (1 - without) * 0.45:
        return lines
    for name in ("model", "serial"):
        printed = plate.fields.get(name)
        if printed and dice.random() < 0.75:
            wrong = words.mistaken(dice, printed, dice.choice((1, 1, 2)))
            lines = [line.replace(printed, wrong) for line in lines]
    lines = [words.mistaken(dice, line) if dice.random() < 0.12 else line for line in lines]
    if dice.random() < 0.25:
        lines = [line for line in lines if dice.random() < 0.85]
    if dice.random() < 0.1:
        dice.shuffle(lines)
    return lines


def padded(built: Sequence[Sample], end: int, *, read_all: bool = False) -> Texts:
    """Lay the sequences of a block's sheets into arrays of one length, a multiple of 32."""
    longest = max(len(ids) for ids, _, _, _ in built)
    length = min(_LONGEST, -(-longest // 32) * 32)
    ids = np.full((len(built), length), end, np.int16)
    branch = np.full((len(built), length), -1, np.int8)
    labels = np.full((len(built), length), -1, np.int16)
    positions = np.zeros((3, len(built), length), np.int16)
    for number, (one, belongs, learnt, places) in enumerate(built):
        size = min(length, len(one))
        ids[number, :size], branch[number, :size], labels[number, :size] = one[:size], belongs[:size], learnt[:size]
        positions[:, number, :size] = places[:, :size]
    return Texts(ids, branch, labels, positions, read_all)


class Maker:
    """Makes blocks. `tokenizer` is a `tokenizers.Tokenizer` made by `tokens.train`."""

    def __init__(self, seed: int, tokenizer: Any, alphabet: str, folder: Path = FOLDER) -> None:
        self._dice = Random(seed)  # noqa: S311 - repeatable, nothing secret
        self._tokenizer = tokenizer
        self._faces: list[Face] = []
        self._han: list[Face] = []
        self._alphabet = alphabet
        self._folder = folder
        self._image = tokenizer.token_to_id("<|image|>")
        self.end = tokenizer.token_to_id(tokens.END)
        self._known: dict[str, list[int]] = {}

    def blocks(self, stage: int) -> Iterator[Block]:
        """Make blocks of a stage without end.

        Raises:
            FileNotFoundError: no typefaces were fetched.
        """
        found = [face for face in faces(self._folder) if face.can("ABCabc0123")]
        self._han = [face for face in found if face.path.stem in _HAN_FACES]
        self._faces = [face for face in found if face not in self._han]
        waiting: dict[int, list[tuple[strips.Drawn, Plate]]] = {}
        while True:
            one = self._sheet(stage)
            if one is None:
                continue
            group = waiting.setdefault(len(one[0].rows), [])
            group.append(one)
            if len(group) == BLOCK:
                yield self._block(stage, group)
                group.clear()

    def _sheet(self, stage: int) -> tuple[strips.Drawn, Plate] | None:
        dice = self._dice
        pen = strips.Pen(strips.style(dice, self._faces, self._han))
        if stage == EYE and dice.random() < 0.6:
            plate = _random_lines(dice)
        else:
            plate = words.plate(dice, *((1, 3) if stage < WHOLE else (2, 7)))
        if not all(pen.can(line) for line in plate.lines):
            return None
        cut = [pen.strip(line, dice, strips.beside(dice)) for line in plate.lines]
        drawn = strips.drawn(cut, [line.text for line in plate.lines], dice, ROWS[stage])
        return None if drawn is None else (drawn, plate)

    def _block(self, stage: int, group: Sequence[tuple[strips.Drawn, Plate]]) -> Block:
        rows = len(group[0][0].rows)
        classes = np.zeros((len(group), rows, MOST_ROW), np.int16)
        lengths = np.full((len(group), rows), -1, np.int16)
        for number, (drawn, _) in enumerate(group):
            for row, text in enumerate(drawn.rows):
                if text is not None:
                    told = spelt(text, self._alphabet)
                    classes[number, row, : len(told)] = told
                    lengths[number, row] = len(told)
        plates = [plate for _, plate in group]
        texts: tuple[Texts, ...] = ()
        if stage == FEW:
            texts = tuple(self._texts(plates, rows, 0.6, read_all=all_of) for all_of in (True, True, False))
        if stage == WHOLE:
            texts = tuple(self._texts(plates, rows, 0.35, read_all=all_of) for all_of in (True, False, False))
        return Block(stage, np.stack([drawn.ink for drawn, _ in group]), classes, lengths, texts)

    def _texts(self, plates: Sequence[Plate], rows: int, without: float, *, read_all: bool) -> Texts:
        dice = self._dice
        built = []
        for plate in plates:
            asked = words.questions(dice, plate)
            if read_all:
                asked.append((words.READ_ALL, "\n".join(line.text for line in plate.lines)))
            built.append(self.sample(rows, hint_of(dice, plate, without), asked))
        return padded(built, self.end, read_all=read_all)

    def _encode(self, text: str) -> list[int]:
        if text not in self._known:
            if len(self._known) > 4096:
                self._known.clear()
            self._known[text] = list(self._tokenizer.encode(text, add_special_tokens=False).ids)
        return self._known[text]

    def sample(self, rows: int, hint: Sequence[str], asked: Sequence[tuple[str, str]]) -> Sample:
        """One sheet's sequence: what all see, then each question with its answer as a branch of its own.

        Returns:
            tokens, branches, labels (the next token where it is an answer's, else -1), positions (3, length).
        """
        said = question_text(hint, "")
        before = self._encode(tokens.BEFORE)
        ids = before + [self._image] * (rows * _COLUMNS) + self._encode(tokens.BEHIND) + self._encode(said)
        start = len(before)
        behind = len(ids) - start - rows * _COLUMNS
        grid = np.stack((
            np.zeros(rows * _COLUMNS), np.repeat(np.arange(rows), _COLUMNS), np.tile(np.arange(_COLUMNS), rows),
        )) + start  # fmt: skip
        after = start + max(rows, _COLUMNS)
        flat = [np.arange(start), grid, np.arange(after, after + behind)]
        places = [np.broadcast_to(one, (3, one.shape[-1])) for one in flat]
        branch, labels = [0] * len(ids), [-1] * len(ids)
        for number, (question, answer) in enumerate(asked, 1):
            put = self._encode(question) + self._encode(tokens.TURN)
            told = [*self._encode(answer), self.end]
            ids = ids + put + told
            branch += [number] * (len(put) + len(told))
            labels += [-1] * (len(put) - 1) + told + [-1]
            line = np.arange(after + behind, after + behind + len(put) + len(told))
            places.append(np.broadcast_to(line, (3, len(line))))
        return ids, branch, labels, np.concatenate(places, 1).astype(np.int16)


_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SMALL = "abcdefghijklmnopqrstuvwxyz"
_MARKS = "-./:,+()#&%=°*_~"


def _random_lines(dice: Random) -> Plate:
    """Lines without any sense, so that the eye cannot guess."""
    lines = []
    for _ in range(dice.randint(3, 9)):
        alphabet = dice.choice((
            "0123456789", "0123456789" + _CAPITALS, _CAPITALS, _CAPITALS + _SMALL, _SMALL,
            "0123456789" + _CAPITALS + _SMALL + _MARKS, "0123456789" * 3 + _CAPITALS + _MARKS,
        ))  # fmt: skip
        text = "".join(dice.choices(alphabet, k=dice.randint(1, 18)))
        if dice.random() < 0.3 and len(text) > 6:
            place = dice.randint(2, len(text) - 2)
            text = f"{text[:place]} {text[place:]}"
        lines.append(Line(text, dice.choice((1.0, 0.8))))
    return Plate(tuple(lines), {})
