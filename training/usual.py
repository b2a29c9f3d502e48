"""Find the classes that come close in the frames of usual text, and write `edge/readers/lines/usual.txt`.

    python training/usual.py [--plates 300] [--seed 4401]

The recogniser's head scores 18,710 classes, most of them Chinese characters that stand on few plates. Two sets of them
are scored before all are: blank, Latin letters, figures and marks (and Greek letters in the second set), and the
classes that come near the best of those where that is sure, in two frames or more of drawn plates: like shapes ("一" of
"-"), and what else the network confuses with them. No photograph is used.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from edge.readers.lines.head import SURE_SCORES, weights_of_head
from edge.readers.lines.recogniser import Recogniser
from edge.readers.lines.weights import USUAL, Tensor
from edge.readers.ocr import Ocr
from simulator import drawing, spoiling
from simulator.material import MATERIALS

#: Scores that are this far below the best: 0.0003 of its probability, and 0.0001.
_NEAR = (8.0, 9.0)
#: Frames are looked at that are a little less sure than those that a set decides alone. The first is to be small: it
#: has 750 classes, with 1.5 890.
_LESS_SURE = (1.0, 2.0)
_FEWEST = 2
_AT_ONCE = 512
_LATIN_ENDS = 0x250


def features_of(plates: int, seed: int) -> Iterator[Tensor]:
    """The features of every strip of drawn plates, frames x features: usual ones, and spoilt ones of any material."""
    reader, recogniser = Ocr(), Recogniser(threads=2)
    for index in range(plates):
        spoilt = {"materials": tuple(MATERIALS), "degradations": tuple(spoiling.DEGRADATIONS)} if index % 2 else {}
        frame = drawing.one(drawing.Order(seed=seed, **spoilt), index).frame  # type: ignore[arg-type]
        cuts = [lambda strip=strip: strip for strip in reader.strips(frame, reader.locate(frame).boxes)]
        yield from recogniser.features(cuts)


def latin(text: str) -> bool:
    """Whether a class is the blank, or stands on Latin print."""
    return not text or ord(text) < _LATIN_ENDS


def latin_or_greek(text: str) -> bool:
    """Whether a class is the blank, or stands on Latin or Greek print."""
    return latin(text) or 0x370 <= ord(text) < 0x400


def usual(
    features: Iterable[Tensor], plain: Sequence[bool], least_score: float, reach: float, head: tuple[Tensor, Tensor]
) -> list[int]:
    """The numbers of the classes that are plain, and of those that come near the best plain one where it is sure."""
    near: Counter[int] = Counter()
    mask = np.array(plain)
    for frames in features:
        for at in range(0, len(frames), _AT_ONCE):
            scores = frames[at : at + _AT_ONCE] @ head[0] + head[1]
            best = scores[:, mask].max(axis=1)
            sure = best >= least_score
            near.update(np.nonzero((scores[sure] > (best[sure] - reach)[:, None]) & ~mask)[1].tolist())
    return sorted([*np.flatnonzero(mask).tolist(), *(one for one, count in near.items() if count >= _FEWEST)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, read, count, write."""
    parser = argparse.ArgumentParser(description="find the classes that come close in usual text")
    parser.add_argument("--plates", type=int, default=300)
    parser.add_argument("--seed", type=int, default=4401)
    args = parser.parse_args(arguments)
    alphabet, weights, bias = weights_of_head()
    features = list(features_of(args.plates, args.seed))
    told: set[int] = set()
    lines: list[str] = []
    plain: tuple[Callable[[str], bool], ...] = (latin, latin_or_greek)
    for which, sure, less, reach in zip(plain, SURE_SCORES, _LESS_SURE, _NEAR, strict=True):
        found = usual(features, [which(text) for text in alphabet], sure - less, reach, (weights, bias))
        lines.append("".join(alphabet[one] for one in found if one not in told))
        told |= set(found)
        print(f"{len(told)} of {len(alphabet)} classes are scored by then")
    USUAL.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"written to {USUAL}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
