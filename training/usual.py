"""Find the classes that come close in the frames of usual text, and write `edge/readers/lines/usual.txt`.

    python training/usual.py [--plates 300] [--seed 4401]

The recogniser's head scores 18,710 classes, most of them Chinese characters that stand on few plates. Beside blank,
Latin and Greek letters, figures and marks, which all count as usual, those classes are that come within `_NEAR` of the
best usual one where that is sure, in two frames or more of drawn plates: like shapes ("一" of "-"), and what else the
network confuses with them. No photograph is used.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from edge.readers.lines.recogniser import SURE_SCORE, Recogniser, weights_of_head
from edge.readers.lines.weights import USUAL, Tensor
from edge.readers.ocr import Ocr
from simulator import drawing, spoiling
from simulator.material import MATERIALS

#: Scores that are this far below the best: 0.0001 of its probability.
_NEAR = 9.0
#: Frames are looked at that are a little less sure than those that the usual classes decide alone.
_LESS_SURE = 2.0
_FEWEST = 2
_AT_ONCE = 512


def features_of(plates: int, seed: int) -> Iterator[Tensor]:
    """The features of every strip of drawn plates, frames x features: usual ones, and spoilt ones of any material."""
    reader, recogniser = Ocr(), Recogniser(threads=2)
    for index in range(plates):
        spoilt = {"materials": tuple(MATERIALS), "degradations": tuple(spoiling.DEGRADATIONS)} if index % 2 else {}
        frame = drawing.one(drawing.Order(seed=seed, **spoilt), index).frame  # type: ignore[arg-type]
        cuts = [lambda strip=strip: strip for strip in reader.strips(frame, reader.locate(frame).boxes)]
        yield from recogniser.features(cuts)


def usual(features: Iterable[Tensor], alphabet: Sequence[str], weights: Tensor, bias: Tensor) -> list[int]:
    """The numbers of the usual classes."""
    plain = np.array([not text or ord(text) < 0x250 or 0x370 <= ord(text) < 0x400 for text in alphabet])
    near: Counter[int] = Counter()
    for frames in features:
        for at in range(0, len(frames), _AT_ONCE):
            scores = frames[at : at + _AT_ONCE] @ weights + bias
            best = scores[:, plain].max(axis=1)
            sure = best >= SURE_SCORE - _LESS_SURE
            near.update(np.nonzero((scores[sure] > (best[sure] - _NEAR)[:, None]) & ~plain)[1].tolist())
    return sorted([*np.flatnonzero(plain).tolist(), *(one for one, count in near.items() if count >= _FEWEST)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, read, count, write."""
    parser = argparse.ArgumentParser(description="find the classes that come close in usual text")
    parser.add_argument("--plates", type=int, default=300)
    parser.add_argument("--seed", type=int, default=4401)
    args = parser.parse_args(arguments)
    alphabet, weights, bias = weights_of_head()
    found = usual(features_of(args.plates, args.seed), alphabet, weights, bias)
    USUAL.write_text("".join(alphabet[one] for one in found) + "\n", encoding="utf-8")
    print(f"{len(found)} of {len(alphabet)} classes are usual, written to {USUAL}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
