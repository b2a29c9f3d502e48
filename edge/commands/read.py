"""`edge read`: read image files and print the fields.

Promises: one file's failure is its own (`{"file", "error"}`, exit 1), the rest are still read; with `--json` every
file is exactly one line whatever its name holds; text that was changed by a rule shows what was printed too (L7).
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edge.adapters import images
from edge.adapters.read_object import read_object
from edge.commands import image_files
from edge.commands.image_files import Judged
from edge.core.fields import Product
from edge.core.match import same
from edge.core.reading import FieldReading, Reading, joint_name
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
    return judged, reading, {**ms, "total": sum(ms.values())}


def _show_json(name: str, open_reader: OpenReader, product: Product) -> None:
    judged, reading, ms = _read(name, open_reader, product)
    image_files.print_json(read_object(name, judged.quality, reading, product, ms))


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
