"""Train the field linker: weights of named features, a softmax over a page's candidates and the answer "nothing there".

    python -m training.linking.train [--pages 6000] [--seed 1] [-o edge/readers/linking/weights.json]

Repeatable: pages come from the seed, and the fit is a plain descent over all of them. Weights come from made-up pages
only. "Other" fields, what only a product's pattern can say, and a serial without a key stay by hand.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.core.fields import FieldRule, Product
from edge.readers.linking.candidates import Candidate, together
from edge.readers.linking.keys.keywords import FIELDS
from edge.readers.linking.linker import WEIGHTS, gather
from training.linking.pages import Labelled, pages

NAMEPLATE = Product("nameplate", {name: FieldRule(name) for name in FIELDS})
OUT = Path("edge/readers/linking/weights.json")
#: Set by hand: the pattern's own worth is a promise (a misprint at its key outweighs a fitting text elsewhere).
FIXED = ("pattern", "check", "specific")

#: Evidence for a value never counts against it, nor the other way round, however the pages fell.
FOR = frozenset((
    "key", "key_shape", "inline", "right", "below", "above", "shape", "bare_shape", "habit", "brand", "echo", "named",
    "share", "slot", "together", "size",
))  # fmt: skip
AGAINST = frozenset((
    "contested", "looks", "doubt", "height", "code_before", "code_behind", "words_behind", "weak", "askew",
    "caption", "maker_word", "worded", "joined_keyed", "joined", "goes_on", "counted", "remarked", "kind", "theirs",
    "elsewhere", "farther", "crown",
))  # fmt: skip

#: Candidates at a key and without one have weights of their own. A serial number without a key is none: only a
#: pattern makes it a candidate, and its weights stay by hand.
KINDS: Mapping[str, tuple[str, ...]] = {"model": ("keyed", "free"), "serial": ("keyed",)}

#: Taken off every score after the fit: a serial that is none is dearer than one that is missed, and a name without a
#: key that is none is, too. On 4,000 pages of other seeds 0.4 instead of 1.0 for serials gave 8 more exact and as many
#: invented (10).
DEARER: Mapping[str, float] = {"serial.keyed": 0.4, "model.free": 1.0}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Samples:
    """One field's candidates of many pages, behind one another.

    `features` (candidates, features); `right` (candidates) whether each is the printed value; `starts` (pages) where
    each page begins; `absent` (pages) whether nothing is right.
    """

    features: Floats
    right: npt.NDArray[np.bool_]
    starts: npt.NDArray[np.int64]
    absent: npt.NDArray[np.bool_]


def names_of(field: str) -> list[str]:
    """Give the features in the order of the columns; the bias first."""
    names = ["bias", *sorted(set(WEIGHTS[field]["keyed"]) - {"bias"})]
    return [f"{kind}.{name}" for kind in KINDS[field] for name in names]


def pattern_of(text: str) -> str:
    """Give the form of a text as a pattern: letters, digits and marks, run by run."""
    parts = []
    for run in re.findall(r"[A-Z]+|[a-z]+|[0-9]+|.", text):
        kind = "[A-Z]" if run.isupper() else "[a-z]" if run.islower() else "[0-9]" if run.isdigit() else re.escape(run)
        parts.append(f"{kind}{{{len(run)}}}" if len(run) > 1 and kind.startswith("[") else kind)
    return "".join(parts)


def with_pattern(name: str, pattern: str) -> FieldRule:
    """Give a field's rule with a pattern."""
    compiled = re.compile(pattern)
    return FieldRule(name, pattern, lambda text: compiled.fullmatch(text) is not None)


def gathered(page: Labelled, product: Product) -> dict[str, list[tuple[Candidate, bool]]]:
    """Give every field's candidates, each with whether it is the printed value."""
    around, found = gather(page.lines, product)
    if [line.text for line in around.page.lines] != [line.text for line in page.lines]:
        # Its boxes were joined, and the marks of the letters with them are elsewhere.
        return {name: [] for name in product.fields}
    judged = {
        name: [(one, page.right(name, one.segments, misread=True)) for one in those] for name, those in found.items()
    }
    # Of a value printed with its key and without, the one at its key is taught.
    keyed = {name: any(right and one.link for one, right in those) for name, those in judged.items()}
    return {
        name: [(one, right and (one.link is not None or not keyed[name])) for one, right in those]
        for name, those in judged.items()
    }


def sample(some: Iterable[Labelled]) -> dict[str, Samples]:
    """Give the candidates of pages as numbers; each knows the right values of the other fields ("together")."""
    rows: dict[str, list[list[float]]] = {name: [] for name in FIELDS}
    right: dict[str, list[bool]] = {name: [] for name in FIELDS}
    starts: dict[str, list[int]] = {name: [] for name in FIELDS}
    absent: dict[str, list[bool]] = {name: [] for name in FIELDS}
    for page in some:
        found = gathered(page, NAMEPLATE)
        true = {name: next((one for one, is_right in those if is_right), None) for name, those in found.items()}
        for name, those in found.items():
            # A value that no candidate gives says nothing about weights: the loss is the reader's.
            if not those or (page.has(name) and true[name] is None):
                continue
            columns = names_of(name)
            others = [other for field, other in true.items() if field != name and other is not None]
            starts[name].append(len(rows[name]))
            absent[name].append(true[name] is None)
            for one, is_right in those:
                near = max((together(one, other) for other in others), default=0.0)
                kind = "free" if one.link is None else "keyed"
                values = {f"{kind}.{column}": value for column, value in one.features.items()}
                values |= {f"{kind}.bias": 1.0, f"{kind}.together": near}
                rows[name].append([values.get(column, 0.0) for column in columns])
                right[name].append(is_right)
    return {
        name: Samples(
            np.array(rows[name], np.float64), np.array(right[name], np.bool_),
            np.array(starts[name], np.int64), np.array(absent[name], np.bool_),
        )
        for name in FIELDS
    }  # fmt: skip


def fit(
    samples: Samples, columns: Sequence[str], *, steps: int = 900, decay: float = 3e-4, absent_worth: float = 1.0
) -> dict[str, float]:
    """Fit the weights by gradient descent with momentum (Adam); 0 is where every weight begins.

    Args:
        samples: candidates by page.
        columns: names of the features.
        steps: over all pages.
        decay: what a weight's square costs; keeps what never mattered at 0.
        absent_worth: how much more a page counts on which nothing is there: an invention is dearer than a miss.
    """
    x, starts = samples.features, samples.starts
    plain = [column.split(".")[1] for column in columns]
    least = np.array([0.0 if name in FOR else -np.inf for name in plain])
    most = np.array([0.0 if name in AGAINST else np.inf for name in plain])
    free = np.array([name not in FIXED for name in plain])
    page_of = np.repeat(np.arange(len(starts)), np.diff([*starts, len(x)]))
    worth = np.where(samples.absent, absent_worth, 1.0)
    w = np.zeros(x.shape[1])
    first, second = np.zeros_like(w), np.zeros_like(w)
    for step in range(1, steps + 1):
        score = x @ w
        top = np.maximum(np.maximum.reduceat(score, starts), 0.0)
        e = np.exp(score - top[page_of])
        nothing = np.exp(-top)
        total = np.add.reduceat(e, starts) + nothing
        good = np.add.reduceat(np.where(samples.right, e, 0.0), starts) + np.where(samples.absent, nothing, 0.0)
        share = np.where(samples.right, e / np.maximum(good[page_of], 1e-300), 0.0) - e / total[page_of]
        gradient = -(x.T @ (share * worth[page_of])) / len(starts) + decay * w
        gradient[~free] = 0.0
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        rate = 0.05 * min(1.0, 2.0 * (1 - step / steps) + 0.02)
        w -= rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-9)
        w = np.clip(w, least, most)
    return {column: round(float(value), 3) for column, value in zip(columns, w, strict=True)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and write the weights."""
    parser = argparse.ArgumentParser(description="Train the field linker's weights.")
    parser.add_argument("--pages", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--out", type=Path, default=OUT)
    asked = parser.parse_args(arguments)
    began = time.process_time()
    samples = sample(pages(asked.seed, asked.pages))
    print(f"{asked.pages} pages in {time.process_time() - began:.0f} s CPU")
    weights: dict[str, dict[str, dict[str, float]]] = {
        name: {kind: dict(those) for kind, those in kinds.items()} for name, kinds in WEIGHTS.items()
    }
    for name in FIELDS:
        columns = names_of(name)
        fitted = fit(samples[name], columns, absent_worth=2.0 if name == "serial" else 1.0)
        for column, value in fitted.items():
            kind, feature = column.split(".")
            if feature not in FIXED:
                dearer = DEARER.get(f"{name}.{kind}", 0.0) if feature == "bias" else 0.0
                weights[name][kind][feature] = round(value - dearer, 3)
        print(f"{name}: {len(samples[name].features)} candidates on {len(samples[name].starts)} pages")
    asked.out.write_text(json.dumps(weights, indent=2) + "\n", encoding="utf-8")
    print(f"{asked.out}: {time.process_time() - began:.0f} s CPU in all")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
