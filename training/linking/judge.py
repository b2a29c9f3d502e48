"""Judge the field linker on pages that the training never saw: layouts, languages, model forms and kinds of product.

    python -m training.linking.judge [--pages 1000] [--seed 99] [--drawn N] [--show N]

Line level: the candidate that is chosen must be exactly the letters that are the printed value, nothing where nothing
is. "Generic" has no product file; "with product file" knows the form of model and serial. `--drawn` also draws plates
with pixels (`python -m simulator draw`) and reads them with the ocr reader: exact texts, reading mistakes included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from edge.adapters import images
from edge.core.fields import Product, violation
from edge.core.match import same
from edge.core.profile import CONFUSABLE
from edge.core.reading import FieldReading
from edge.readers.linking.keys.keywords import FIELDS
from edge.readers.linking.linker import link
from edge.readers.ocr import Ocr
from training.linking import wording
from training.linking.pages import Labelled, pages
from training.linking.train import NAMEPLATE, pattern_of, with_pattern


@dataclass(frozen=True, slots=True)
class Verdict:
    """One page's: which fields are right, and whether a serial was invented."""

    layout: str
    right: Mapping[str, bool]
    invented: bool

    @property
    def all_right(self) -> bool:
        """Whether every field is."""
        return all(self.right.values())


def solid(text: str) -> str:
    """Give the letters and digits of a text."""
    return "".join(c for c in text if c.isalnum())


#: What may be told in place of texts, the worst first.
MISSED = ("of the right form", "of another form", "nothing", "of another form, the printed text the only proposal")


def product_of(page: Labelled) -> Product:
    """Give the product file of a page's product: the form of its texts as read; any form where nothing is printed."""
    dice = Random(page.seed)  # noqa: S311 - repeatable, not secret
    rules = {}
    for name in FIELDS:
        texts = page.texts(name)
        made_up = wording.serial_of(dice) if name == "serial" else wording.model_of(dice, unseen=True)
        rule = with_pattern(name, "|".join(sorted({pattern_of(text) for text in texts or [made_up]})))
        rules[name] = replace(rule, confusable=CONFUSABLE)
    return Product("form", rules)


def judged(page: Labelled, product: Product) -> tuple[Verdict, Mapping[str, FieldReading]]:
    """Link one page and compare."""
    fields = link(page.lines, product, (1, 1))
    return compared(page, fields), fields


def compared(page: Labelled, fields: Mapping[str, FieldReading]) -> Verdict:
    """Compare fields with what is printed on a page."""
    right = {name: solid(fields[name].text) in ([solid(text) for text in page.texts(name)] or [""]) for name in FIELDS}
    return Verdict(page.layout.split(",")[0], right, not page.has("serial") and bool(fields["serial"].text))


def missed(page: Labelled, product: Product, fields: Mapping[str, FieldReading]) -> str:
    """Say what is told in place of texts that are not both right, the worst first, as `MISSED` has it.

    Only a text of the right form could pass; another one is held, and shown with what it may have been (law L7).
    """
    said = []
    for name, rule in product.fields.items():
        printed, text = {solid(one) for one in page.texts(name)}, fields[name].text
        if solid(text) in (printed or {""}):
            continue
        proposed = {solid(one) for one, _ in fields[name].alternatives}
        if text and violation(text, rule) is None:
            said.append("of the right form")
        elif text and len(proposed) == 1 and proposed <= printed:
            said.append("of another form, the printed text the only proposal")
        else:
            said.append("of another form" if text else "nothing")
    return min(said, key=MISSED.index)


def table(title: str, verdicts: Sequence[Verdict], without: int) -> Iterator[str]:
    """Give the totals and a row for each layout."""
    count = max(len(verdicts), 1)
    by_field = ", ".join(f"{name} {sum(v.right[name] for v in verdicts) / count:.1%}" for name in FIELDS)
    yield (
        f"{title}: {by_field}, all fields {sum(v.all_right for v in verdicts) / count:.1%} of {len(verdicts)}; "
        f"serials invented {sum(v.invented for v in verdicts)} on {without} without one"
    )
    counts = Counter(verdict.layout for verdict in verdicts)
    good = Counter(verdict.layout for verdict in verdicts if verdict.all_right)
    yield "    " + ", ".join(f"{name} {good[name] / counts[name]:.0%} of {counts[name]}" for name in sorted(counts))


def drawn(count: int, seed: int) -> Iterator[tuple[tuple[Verdict, Verdict], bool]]:
    """Draw plates, read them, and compare: without a product file, with one, and whether a serial is printed."""
    reader = Ocr()
    with tempfile.TemporaryDirectory() as kept:
        command = [sys.executable, "-m", "simulator", "draw", kept, "--count", str(count), "--seed", str(seed),
                   "--without-serial", "0.15", "--size", "1280x800"]  # fmt: skip
        subprocess.run(command, check=True, stdout=sys.stderr)
        for line in (Path(kept) / "labels.jsonl").read_text(encoding="utf-8").splitlines():
            label = json.loads(line)
            reading = reader.read(images.load(Path(kept) / label["file"]), NAMEPLATE)
            rules = {name: with_pattern(name, pattern_of(label[name])) for name in FIELDS if label[name]}
            formed = link(reading.lines, Product("form", {**NAMEPLATE.fields, **rules}), (1, 1))
            yield (_of_drawn(label, reading.fields), _of_drawn(label, formed)), bool(label["serial"])


def _of_drawn(label: Mapping[str, str], fields: Mapping[str, FieldReading]) -> Verdict:
    right = {name: same(fields[name].text, label[name] or "") for name in FIELDS}
    return Verdict(label["layout"], right, not label["serial"] and bool(fields["serial"].text))


def _show(some: Iterable[Labelled], most: int) -> None:
    """Print the pages that are not right."""
    for page in some:
        verdict, fields = judged(page, NAMEPLATE)
        if verdict.all_right:
            continue
        print(f"---- {page.layout}, {page.language}, {page.seed}")
        for name in FIELDS:
            if not verdict.right[name]:
                print(f"  {name}: printed {page.texts(name)}, got {fields[name].text!r}: {fields[name].why}")
        for line in sorted(page.lines, key=lambda line: line.box[0][1]):
            print(f"     {line.box[0][0]:6.0f} {line.box[0][1]:6.0f}  {line.text}")
        most -= 1
        if not most:
            return


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge and print."""
    parser = argparse.ArgumentParser(description="Judge the field linker on unseen pages.")
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=99)
    parser.add_argument("--drawn", type=int, default=0, help="plates to draw with pixels and read")
    parser.add_argument("--show", type=int, default=0, help="unseen pages that went wrong to print")
    asked = parser.parse_args(arguments)
    for unseen in (False, True):
        some = list(pages(asked.seed, asked.pages, unseen=unseen))
        without = sum(not page.has("serial") for page in some)
        title = "unseen layouts, languages, forms" if unseen else "as in the training"
        for way in ("generic", "with product file"):
            began = time.process_time()
            verdicts = [judged(page, NAMEPLATE if way == "generic" else product_of(page))[0] for page in some]
            took_ms = (time.process_time() - began) * 1e3 / max(len(some), 1)
            for row in table(f"{title}, {way} ({took_ms:.1f} ms CPU a page)", verdicts, without):
                print(row)
        if unseen and asked.show:
            _show(some, asked.show)
    if asked.drawn:
        both = list(drawn(asked.drawn, asked.seed))
        without = sum(not printed for _, printed in both)
        for place, way in enumerate(("generic", "with product file")):
            for row in table(f"drawn with pixels, {way}", [verdicts[place] for verdicts, _ in both], without):
                print(row)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
