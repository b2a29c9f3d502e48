"""`edge gate --percentiles DIR`: how the frames of a site spread over each measure, to set its limits by.

Every image of the folder is measured; one that cannot be is told of, and the rest go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from edge.adapters.camera_file import IMAGE_SUFFIXES
from edge.commands import image_files
from edge.core.fields import Product
from edge.core.quality import MeasureName, Quality
from edge.errors import UseError
from edge.readers.reader import Reader
from edge.vision import spread


def run(folder: Path, open_reader: Callable[[], Reader], product: Product, *, as_json: bool) -> int:
    """Measure every image of a folder and print the distribution; 1 where some could not be measured.

    Raises:
        UseError: the folder is none, or holds no image.
    """
    names = _images(folder)
    measured: list[Quality] = []
    unfit = 0

    def take(name: str) -> None:
        nonlocal unfit
        judged = image_files.judge(name, open_reader, product)
        measured.append(judged.quality)
        unfit += bool(judged.defects)

    code = image_files.each(names, take, image_files.tell_person)
    rows = spread.distribution(measured, product.limits.min_scores)
    if as_json:
        facts = {"folder": str(folder), "frames": len(measured), "failed": len(names) - len(measured)}
        image_files.print_json({**facts, "unfit": unfit, "measures": rows})
    else:
        _show(rows, len(measured), unfit)
    return code


def _images(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise UseError(f"--percentiles names {folder}, which is no folder; name the folder of a site's own frames")
    names = sorted(str(path) for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not names:
        raise UseError(f"--percentiles names {folder}, which holds no image; name the folder of a site's own frames")
    return names


def _show(rows: Mapping[MeasureName, Mapping[str, Any]], frames: int, unfit: int) -> None:
    title = f"{frames} frames, {unfit} unfit"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("measure", no_wrap=True)
    for kind in ("raw", "score"):
        for one in spread.PERCENTILES:
            table.add_column(f"{kind} p{one}", justify="right")
    table.add_column("least", justify="right")
    table.add_column("under it", justify="right")
    for name, row in rows.items():
        cells = [
            f"{row[kind][f'p{one}']:.4g}" if row[kind] else "-"
            for kind in ("raw", "score")
            for one in spread.PERCENTILES
        ]
        least = "" if row["least"] is None else str(row["least"])
        under = "" if row["under_limit"] is None else f"{row['under_limit']:.0%}"
        table.add_row(name, *cells, least, under)
    Console(width=max(120, Console().width)).print(table)
