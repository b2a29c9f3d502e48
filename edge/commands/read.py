"""`edge read`: read image files and print the fields.

Promises: one file's failure is its own (`{"file", "error"}`, exit 1), the rest are still read; with `--json` every
file is exactly one line whatever its name holds; text that was changed by a rule shows what was printed too (L7).
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edge.adapters import images
from edge.commands import image_files
from edge.commands.image_files import Judged, box_facts, rounded
from edge.core.fields import Product
from edge.core.match import same
from edge.core.reading import Character, Code, FieldReading, Reading, joint_hash, joint_name
from edge.readers.reader import Reader

OpenReader = Callable[[], Reader]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `edge read`."""
    image_files.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Read each image file and print what stands on it."""
    product = image_files.product_of(args)
    image_files.printable_stdout()
    reader = image_files.reader_of(args)
    show = functools.partial(_show_json if args.json else _show_person, open_reader=reader, product=product)
    return image_files.each(args.images, show, image_files.tell_json if args.json else image_files.tell_person)


def _read(name: str, open_reader: OpenReader, product: Product) -> tuple[Judged, Reading, dict[str, float]]:
    """Judge and read one file; also the time of each stage."""
    judged = image_files.judge(name, open_reader, product)
    reading = open_reader().read(judged.image, product, judged.located)
    ms = {**judged.ms, **{stage: ms for stage, ms in reading.ms.items() if stage not in ("locate", "total")}}
    return judged, reading, rounded({**ms, "total": sum(ms.values())})


def _show_json(name: str, open_reader: OpenReader, product: Product) -> None:
    judged, reading, ms = _read(name, open_reader, product)
    looks = reading.looks
    readings = [
        {
            "reader": look.reader,
            "hash": look.reader_hash,
            "fields": {name: _field(one) for name, one in look.fields.items()},
        }
        for look in looks
    ]
    image_files.print_json(
        {
            "file": name,
            "fields": {name: _field(field) for name, field in reading.fields.items()},
            "quality": image_files.quality_facts(judged),
            "codes": [_code(code) for code in reading.codes],
            "lines": [{"text": line.text, "box": box_facts(line.box)} for line in reading.lines],
            "reader": joint_name([look.reader for look in looks]),
            "reader_hash": joint_hash([look.reader_hash for look in looks]),
            **({"readings": readings} if len(looks) > 1 else {}),
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


def _show_person(name: str, open_reader: OpenReader, product: Product) -> None:
    judged, reading, ms = _read(name, open_reader, product)
    looks = reading.looks
    table = Table(title=escape(images.shown(name)), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in ("field", "text", "confidence", "how"):
        table.add_column(column, overflow="fold")
    for look in looks:
        by = f" ({look.reader})" if len(looks) > 1 else ""
        for field in look.fields.values():
            table.add_row(f"{field.name}{by}", escape(field.text) or "-", _percent(field), escape(_how(field)))
    for code in reading.codes:
        table.add_row("code", escape(code.text), "", code.format)
    console = Console()
    console.print(table)
    defects = ", ".join(judged.defects)
    told = f"gate: unfit ({defects}; see edge gate)" if defects else "gate: fit"
    differing = _differing(reading)
    if differing:
        console.print(f"[red]the readers disagree on {', '.join(differing)}[/red]", highlight=False)
    by = joint_name([look.reader for look in looks])
    console.print(f"{told}  [dim]{ms['total']:.0f} ms, {by}[/dim]\n", highlight=False)


def _differing(reading: Reading) -> list[str]:
    """The fields that two readers of the frame read differently."""
    first, *others = reading.looks
    return [
        name
        for name, field in first.fields.items()
        if any(not same(field.text, look.fields[name].text) for look in others if name in look.fields)
    ]


def _percent(field: FieldReading) -> str:
    return f"{field.confidence:.2f}" if field.text else ""


def _how(field: FieldReading) -> str:
    """How the text came about, as far as a person needs it."""
    if not field.text:
        return field.why or "nothing there"
    changed = f"printed {field.raw!r}, changed by {field.rule}" if field.rule else ""
    others = "or " + ", ".join(text for text, _ in field.alternatives) if field.alternatives else ""
    return "; ".join(part for part in (field.why, changed, others) if part)
