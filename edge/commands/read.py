"""`edge read`: read image files and print the fields.

Promises: one file's failure is its own (`{"file", "error"}`, exit 1), the rest are still read; with `--json` every
file is exactly one line whatever its name holds; text that was changed by a rule shows what was printed too (L7).
"""

from __future__ import annotations

import argparse
import functools
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edge.adapters import images
from edge.commands import image_files
from edge.commands.image_files import Judged, box_facts, rounded
from edge.core.fields import Product
from edge.core.reading import Character, Code, FieldReading, Reading


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `edge read`."""
    image_files.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Read each image file and print what stands on it."""
    product = image_files.product_of(args)
    image_files.printable_stdout()
    show = functools.partial(_show_json if args.json else _show_person, reader=args.reader, product=product)
    return image_files.each(args.images, show, image_files.tell_json if args.json else image_files.tell_person)


def _read(name: str, reader: str, product: Product) -> tuple[Judged, Reading, dict[str, float]]:
    """Judge and read one file; also the time of each stage."""
    open_reader = image_files.READERS[reader]
    judged = image_files.judge(name, open_reader, product)
    reading = open_reader().read(judged.image, product, judged.located)
    ms = {**judged.ms, **{stage: ms for stage, ms in reading.ms.items() if stage not in ("locate", "total")}}
    return judged, reading, rounded({**ms, "total": sum(ms.values())})


def _show_json(name: str, reader: str, product: Product) -> None:
    judged, reading, ms = _read(name, reader, product)
    image_files.print_json(
        {
            "file": name,
            "fields": {name: _field(field) for name, field in reading.fields.items()},
            "quality": image_files.quality_facts(judged),
            "codes": [_code(code) for code in reading.codes],
            "lines": [{"text": line.text, "box": box_facts(line.box)} for line in reading.lines],
            "reader": reading.reader,
            "reader_hash": reading.reader_hash,
            "product": product.name,
            "ms": ms,
        }
    )


def _field(field: FieldReading) -> dict[str, Any]:
    return {
        "text": field.text,
        "raw": field.raw,
        "rule": field.rule,
        "confidence": round(field.confidence, 4),
        "margin": round(field.margin, 4),
        "box": box_facts(field.box),
        "characters": [_character(character) for character in field.characters],
        "alternatives": [{"text": text, "rule": rule} for text, rule in field.alternatives],
        "why": field.why,
        "finish_reason": field.finish_reason,
    }


def _character(character: Character) -> dict[str, Any]:
    return {
        "text": character.text,
        "confidence": round(character.confidence, 4),
        "alternatives": [{"text": text, "confidence": round(score, 4)} for text, score in character.alternatives],
        "box": box_facts(character.box),
    }


def _code(code: Code) -> dict[str, Any]:
    return {"format": code.format, "text": code.text, "box": box_facts(code.box), "fields": dict(code.fields)}


def _show_person(name: str, reader: str, product: Product) -> None:
    judged, reading, ms = _read(name, reader, product)
    table = Table(title=escape(images.shown(name)), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in ("field", "text", "confidence", "how"):
        table.add_column(column, overflow="fold")
    for field in reading.fields.values():
        table.add_row(field.name, escape(field.text) or "-", _percent(field), escape(_how(field)))
    for code in reading.codes:
        table.add_row("code", escape(code.text), "", code.format)
    console = Console()
    console.print(table)
    defects = ", ".join(judged.defects)
    told = f"gate: unfit ({defects}; see edge gate)" if defects else "gate: fit"
    console.print(f"{told}  [dim]{ms['total']:.0f} ms, {reading.reader}[/dim]\n", highlight=False)


def _percent(field: FieldReading) -> str:
    return f"{field.confidence:.2f}" if field.text else ""


def _how(field: FieldReading) -> str:
    """How the text came about, as far as a person needs it."""
    if not field.text:
        return field.why or "nothing there"
    changed = f"printed {field.raw!r}, changed by {field.rule}" if field.rule else ""
    others = "or " + ", ".join(text for text, _ in field.alternatives) if field.alternatives else ""
    return "; ".join(part for part in (field.why, changed, others) if part)
