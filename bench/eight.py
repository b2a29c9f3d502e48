"""What products in 8 bits change in the answers of the vlm reader, token for token, on drawn plates.

    python bench/eight.py [--count 40] [--seed 33] [--model FOLDER]

Every plate is read without a draft, with OCR's text in the prompt and without it, by the same weights twice: as they
are and in 8 bits (`edge/readers/models/products.py`). On a processor the rounding is computed the long way: it shows
what 8 bits change, and nothing of their speed, which `bench/gpu.py --eight` measures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

# Run as a file, this folder is on the path and the one above is not.
sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.tokens import answers_of, cut_plates
from edge.core.match import same
from edge.products import load_product
from edge.readers.decoding.prompt import NOTHING
from edge.readers.opening import SMALL
from edge.readers.pair import OcrOnce
from edge.readers.vlm import Vlm
from edge.vision import sheet


def main(argv: Sequence[str] | None = None) -> int:
    """Read every plate by both, compare, print."""
    parser = argparse.ArgumentParser(description="8 bits against the weights as they are.")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=33)
    parser.add_argument("--model", type=Path, default=SMALL)
    args = parser.parse_args(argv)
    ocr = OcrOnce(threads=2)
    readers = {"as they are": Vlm(args.model, ocr=ocr), "8 bits": Vlm(args.model, ocr=ocr, eight=True)}
    rules = list(load_product("nameplate", None).fields.values())
    answers = texts = alike = 0
    right = dict.fromkeys(readers, 0)
    least: list[float] = []
    for cut in cut_plates(ocr, args.count, args.seed):
        made = sheet.pack(cut.strips, cut.thumbnail).image
        for hint in (cut.texts, ()):
            both = {name: answers_of(vlm, rules, made, hint) for name, vlm in readers.items()}
            for number, rule in enumerate(rules):
                full, eight = both["as they are"][number], both["8 bits"][number]
                answers += 1
                texts += full.text == eight.text
                alike += [token.id for token in full.tokens] == [token.id for token in eight.tokens]
                for name in readers:
                    text = both[name][number].text
                    right[name] += same("" if text == NOTHING else text, cut.printed[rule.name])
                if full.text != eight.text:
                    least.append(min(token.probability for token in eight.tokens))
    print(f"{answers} answers: {alike} alike in every token, {texts} in their text")
    for name, count in right.items():
        print(f"{name:<12} {count}/{answers} = {count / answers:.1%} exact")
    if least:
        told = ", ".join(f"{one:.2f}" for one in sorted(least))
        print(f"least certain token of each answer that 8 bits changed: {told}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
