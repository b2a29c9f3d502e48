"""What `edge read` and `edge gate` share: the product, the reader, and an image file on its way to a judged frame."""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from edge.adapters import images
from edge.core import gate
from edge.core.fields import Product
from edge.core.outcome import Defect
from edge.core.quality import Quality
from edge.errors import UseError, WorldError
from edge.products import BUILT_IN, load_product
from edge.readers import opening
from edge.readers.reader import Image, Located, Reader
from edge.sections import Reader as ReaderSettings
from edge.settings import load
from edge.vision import quality

#: Where product files lie if no configuration says so.
PRODUCT_FOLDERS = (Path("config/products"), Path("/etc/edge/products"))


@dataclass(frozen=True, slots=True)
class Judged:
    """One image file as decoded, located and judged, with the time of each stage."""

    image: Image
    located: Located
    quality: Quality
    defects: tuple[Defect, ...]
    ms: Mapping[str, float]


def add_arguments(parser: argparse.ArgumentParser, *, images_needed: bool = True) -> None:
    """Arguments that both commands have."""
    count = "+" if images_needed else "*"
    parser.add_argument("images", nargs=count, metavar="IMAGE", help="image file: JPEG, PNG, BMP, WebP, TIFF, GIF, PPM")
    parser.add_argument("--product", metavar="P", help="product: its name or its file (else the built-in nameplate)")
    add_reader_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def add_reader_arguments(parser: argparse.ArgumentParser, *, kinds: tuple[str, ...] = opening.KINDS) -> None:
    """The arguments that choose a reader."""
    parser.add_argument("--reader", choices=kinds, help="which reader (else that of the configuration named, else ocr)")
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="model of the vlm reader (else the one of edge)")


def product_of(args: argparse.Namespace) -> Product:
    """The product that `--product` names, with the limits of the station where `--config` names one.

    Raises:
        ConfigError: the configuration or the product file is wrong.
    """
    if args.config is not None:
        settings = load(args.config)
        if args.product is None:
            return settings.product
        return load_product(args.product, settings.paths.products, settings.gate, settings.paths.edited_products)
    folder = next((folder for folder in PRODUCT_FOLDERS if folder.is_dir()), None)
    return load_product(args.product or BUILT_IN, folder)


def reader_of(
    args: argparse.Namespace, *, threads: int | None = None, asked: ReaderSettings | None = None
) -> Callable[[], Reader]:
    """What opens the reader that the arguments name, else the one asked for, with so many threads, at its first call.

    Raises:
        ConfigError: the configuration is wrong.
        UseError: the arguments do not go together.
    """
    asked = load(args.config).reader if args.config is not None else asked
    kind = args.reader or (asked.kind if asked else "ocr")
    if args.model is not None and kind not in opening.WITH_MODEL:
        raise UseError(f"--model names a model of the vlm reader, and the reader is {kind}; add --reader vlm")
    if args.model is not None and not args.model.is_dir():
        raise UseError(f"--model names {images.shown(str(args.model))}, which is no folder; name the model's folder")
    options: dict[str, Any] = {"model": args.model}
    if asked is not None:
        options = {"threads": asked.threads, "device": asked.device, "remote": asked.remote, "pool": asked.pool}
        options["model"] = args.model or asked.model
    if threads is not None:
        options["threads"] = threads
    if kind == "remote" and options.get("remote") is None:
        raise UseError("reader remote needs a server; name a configuration that has [reader.remote] with --config")
    return cache(partial(opening.open_reader, kind, **options))


def judge(name: str, open_reader: Callable[[], Reader], product: Product) -> Judged:
    """Load an image file, locate its text and judge it.

    Raises:
        WorldError: the file is no usable image, or the reader failed.
    """
    started = time.perf_counter()
    image = images.load(name)
    decoded = time.perf_counter()
    reader = open_reader()
    opened = time.perf_counter()
    located = reader.locate(image)
    found = time.perf_counter()
    measured = quality.measure(image, located.boxes)
    ended = time.perf_counter()
    ms = {"decode": decoded - started, "locate": found - opened, "quality": ended - found}
    defects = gate.judge(measured, product.limits).defects
    return Judged(image, located, measured, defects, {stage: seconds * 1e3 for stage, seconds in ms.items()})


def each(names: list[str], show: Callable[[str], None], tell: Callable[[str, str], None]) -> int:
    """Show every file; one that fails is told of, and the rest go on. Gives the exit code."""
    failures = 0
    for name in names:
        try:
            show(name)
        except WorldError as error:
            failures += 1
            tell(name, str(error))
        except (OSError, ValueError, ArithmeticError, LookupError, TypeError, RuntimeError, MemoryError) as error:
            # A file that upsets some library must not take the others with it.
            failures += 1
            tell(name, f"{images.shown(name)} could not be worked on ({type(error).__name__}); please report it")
        sys.stdout.flush()
    return 1 if failures else 0


def tell_json(name: str, error: str) -> None:
    """One failed file as a JSON line."""
    print_json({"file": name, "error": error})


def tell_person(_name: str, error: str) -> None:
    """One failed file as a sentence on standard error."""
    print(f"edge: {error}", file=sys.stderr)


def print_json(facts: Mapping[str, Any]) -> None:
    """One object on one line, in ASCII: any terminal and any file name can take it."""
    print(json.dumps(facts, ensure_ascii=True, allow_nan=False))


def printable_stdout() -> None:
    """Let characters that the terminal lacks be escaped instead of ending the command."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        UseError: it cannot be written.
    """
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError as error:
        raise UseError(
            f"{images.shown(str(path))} cannot be written ({error.strerror}); name another file with -o"
        ) from None
