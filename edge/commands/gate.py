"""`edge gate`: judge the quality of image files: every measure raw and 0 to 100, the defects, and what to change.

With `--percentiles DIR` it shows how a site's own frames spread over each measure instead.

A frame that is unfit is an answer, not a failure: the exit code is 1 only where a file could not be judged.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edge.adapters import images
from edge.adapters.read_object import advice, quality_object, rounded
from edge.commands import gate_percentiles, image_files
from edge.core.fields import Product
from edge.core.quality import MeasureName
from edge.errors import UseError
from edge.readers.reader import Reader

#: Unit of each raw value, for people.
UNITS: dict[MeasureName, str] = {
    "sharpness": "px of blur at a text height of 32",
    "motion": "px of smear at a text height of 32",
    "glare": "text heights hidden in a line",
    "overexposure": "share clipped",
    "underexposure": "grey level of the brighter of ink and ground",
    "contrast": "grey levels, ink to ground",
    "text_height": "px",
    "subject_area": "share of the frame",
    "cut_off": "share of lines at the edge",
    "tilt": "degrees",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `edge gate`."""
    image_files.add_arguments(parser, images_needed=False)
    parser.add_argument(
        "--percentiles", type=Path, metavar="DIR", help="how the frames of this folder spread over each measure"
    )


def run(args: argparse.Namespace) -> int:
    """Judge each image file and print its measures, or those of a folder together.

    Raises:
        ConfigError: the configuration or the product file is wrong.
        UseError: neither images nor a folder are named, or both.
    """
    if bool(args.images) == (args.percentiles is not None):
        raise UseError("edge gate needs image files, or --percentiles with a folder, and not both; name one of them")
    product = image_files.product_of(args)
    image_files.printable_stdout()
    # Every kind of reader finds its text by the same detector; without --reader none but that is loaded.
    args.reader = args.reader or "ocr"
    reader = image_files.reader_of(args)
    if args.percentiles is not None:
        return gate_percentiles.run(args.percentiles, reader, product, as_json=args.json)
    show = functools.partial(_show_json if args.json else _show_person, open_reader=reader, product=product)
    return image_files.each(args.images, show, image_files.tell_json if args.json else image_files.tell_person)


def _show_json(name: str, open_reader: Callable[[], Reader], product: Product) -> None:
    judged = image_files.judge(name, open_reader, product)
    facts = quality_object(judged.quality, product)
    limits = {measure: product.limits.min_scores.get(measure) for measure in judged.quality.measures}
    ms = rounded({**judged.ms, "total": sum(judged.ms.values())})
    image_files.print_json({"file": name, **facts, "limits": limits, "ms": ms})


def _show_person(name: str, open_reader: Callable[[], Reader], product: Product) -> None:
    judged = image_files.judge(name, open_reader, product)
    table = Table(title=escape(images.shown(name)), title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("measure")
    for column in ("score", "least", "raw"):
        table.add_column(column, justify="right")
    table.add_column("unit", style="dim")
    for measure, one in judged.quality.measures.items():
        least = product.limits.min_scores.get(measure)
        if one.raw is None or one.score is None:
            table.add_row(measure, "-", _text(least), "-", "could not be assessed")
            continue
        low = least is not None and one.score < least
        score = f"[red]{one.score}[/red]" if low else str(one.score)
        table.add_row(measure, score, _text(least), f"{one.raw:.4g}", UNITS[measure])
    console = Console()
    console.print(table)
    if not judged.defects:
        console.print("fit\n", highlight=False)
    for defect, what in advice(judged.quality, product).items():
        console.print(f"[red]{defect}[/red]: {what}", highlight=False)
    if judged.defects:
        console.print()


def _text(least: int | None) -> str:
    return "" if least is None else str(least)
