"""Where `edge replay` takes inspections from, and by what they are decided anew: a data folder, or a bundle.

Promise: out of a bundle every inspection is decided by the settings, product and calibration that it was decided by
then, unless the command line names others.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from edge.adapters import course_text
from edge.adapters.bundle_reading import Bundle, BundledPart
from edge.adapters.guest_reader import GuestReader
from edge.adapters.recorded import RecordedPart
from edge.adapters.store import Store
from edge.calibrations import calibration_of
from edge.commands import image_files
from edge.commands.replay_story import Kept
from edge.core.fields import Product
from edge.core.policy import Policy
from edge.errors import BundleError, ConfigError, ImageError, UseError
from edge.products import ProductFile, read_product
from edge.readers.reader import Reader
from edge.settings import Settings, load


@dataclass(frozen=True, slots=True)
class Rules:
    """What an inspection is decided by; `reader` opens it at its first use."""

    reader: Callable[[], Reader]
    product: Product
    policy: Policy
    config_hash: str = ""


@contextmanager
def opened(args: argparse.Namespace) -> Iterator[Iterator[tuple[Kept, Rules]]]:
    """The inspections that the arguments name, oldest first, each with what it is decided by now.

    Raises:
        UseError: neither a folder nor a time is named, or the folder has no store, or more than one station's.
        BundleError: the bundle cannot be used.
        StoreError: the store cannot be read.
    """
    if args.source is None and args.since is None:
        raise UseError("edge replay needs a bundle, a data folder, or --since with a time; name one of them")
    if args.running and args.config is None and args.source is not None:
        raise UseError("--running needs the station whose reader is asked: name its configuration with --config")
    if args.source is not None and args.source.is_file():
        with Bundle(args.source) as bundle:
            yield _bundled(args, bundle)
        return
    settings = load(args.config) if args.config is not None or args.source is None else None
    if settings is not None:
        args.config = settings.path  # which may have been found: product and reader are of the same file
    data_dir, station = _where(args, settings)
    rules = _rules(args, settings)
    store = Store.open(data_dir, station)
    try:
        yield ((_kept(data_dir, part), rules) for part in _stored(store, args))
    finally:
        store.close()


def _rules(args: argparse.Namespace, settings: Settings | None) -> Rules:
    """What the command line and its configuration say."""
    policy = Policy() if settings is None else settings.policy
    config_hash = "" if settings is None or args.product is not None else settings.config_hash
    reader = _running(args, settings) if args.running and settings else image_files.reader_of(args)
    return Rules(reader, image_files.product_of(args), policy, config_hash)


def _running(args: argparse.Namespace, settings: Settings) -> Callable[[], Reader]:
    """The reader process of the station, with the product that is tried."""
    product = settings.product_file if args.product is None else read_product(args.product, settings.paths.products)
    folder = settings.reader.shared or settings.paths.runtime
    return cache(lambda: cast("Reader", GuestReader(folder, product.model_dump_json())))


# A data folder.


def _where(args: argparse.Namespace, settings: Settings | None) -> tuple[Path, str]:
    """The data folder, and whose outcomes in it."""
    if args.source is None:
        assert settings is not None
        return settings.paths.data, args.station or settings.station.name
    if not (args.source / "edge.db").is_file():
        raise UseError(f"{args.source} holds no edge.db: name a station's data folder, or a copy of one, or a bundle")
    if args.station or settings is not None:
        return args.source, args.station or (settings.station.name if settings else "")
    stations = Store.stations(args.source)
    if len(stations) != 1:
        named = ", ".join(stations) or "none"
        raise UseError(f"{args.source} holds the outcomes of {len(stations)} stations ({named}): name one by --station")
    return args.source, stations[0]


def _stored(store: Store, args: argparse.Namespace) -> Iterator[RecordedPart]:
    """The newest of the time asked for, oldest first."""
    newest = store.outcomes(since=args.since or "", limit=args.limit)
    for row in newest[::-1]:
        part = store.recorded.part(row.inspection_id)
        if part is not None:
            yield part


def _kept(data_dir: Path, part: RecordedPart) -> Kept:
    outcome: dict[str, Any] = json.loads(part.payload)
    places = {int(one["attempt"]): data_dir / one["path"] for one in outcome["evidence"]}

    def frame(attempt: int) -> bytes:
        path: Path = places.get(attempt, data_dir)
        try:
            return path.read_bytes()
        except OSError as error:
            raise ImageError(f"the frame {path} cannot be read ({error.strerror}): it was pruned or moved") from None

    return Kept(
        part.payload,
        outcome,
        part.expected,
        {int(one["attempt"]): str(one["sha256"]) for one in outcome["evidence"]},
        frame,
        None if part.course is None else course_text.read(part.course),
    )


# A bundle.


def _bundled(args: argparse.Namespace, bundle: Bundle) -> Iterator[tuple[Kept, Rules]]:
    named = _rules(args, load(args.config)) if args.config is not None else None
    own = cache(lambda config, calibration: _own_rules(args, bundle, config, calibration))
    chosen = [part for part in bundle.manifest.parts if part.at >= (args.since or "")][-args.limit :]
    for part in bundle.parts(chosen):
        calibration = "" if part.course is None else part.course.calibration
        yield _of_bundle(part), named or own(str(part.outcome["config"]["hash"]), calibration)


def _own_rules(args: argparse.Namespace, bundle: Bundle, config_hash: str, calibration: str) -> Rules:
    """What an inspection of a bundle was decided by, but for what the command line names."""
    text, calibrated = bundle.text(config_hash), bundle.text(calibration) if calibration else None
    if text is None:
        raise BundleError(
            f"{args.source} holds no configuration {config_hash[:12]}, which was not kept when it was made: "
            "name one by --config"
        )
    settings = settings_of(text, str(args.source))
    policy = settings.policy
    if calibrated is not None:
        policy = replace(policy, calibration=calibration_of(calibrated, f"the calibration of {args.source}"))
    product, said = settings.product, config_hash
    if args.product is not None:
        product, said = image_files.product_of(args), ""
    return Rules(image_files.reader_of(args, asked=settings.reader), product, policy, said)


def settings_of(text: str, name: str) -> Settings:
    """The settings that an inspector kept (`Settings.config_text`); its calibration stands beside them.

    Raises:
        BundleError: they are those of a later edge, or none.
    """
    try:
        said = json.loads(text)
        product = ProductFile.model_validate(said["product"])
        said["settings"]["accept"]["calibration"] = None  # a path of another PC
        return Settings.model_validate(said["settings"]).bound_to(Path(name), product)
    except (ValueError, KeyError, TypeError, ValidationError, RecursionError, ConfigError):
        raise BundleError(
            f"{name} holds a configuration that this edge does not understand: play it with the edge that made it, "
            "or name another by --config"
        ) from None


def _of_bundle(part: BundledPart) -> Kept:
    def frame(attempt: int) -> bytes:
        if attempt not in part.frames:
            raise ImageError(
                f"the frame of attempt {attempt} of inspection {part.facts.inspection_id} is not in the bundle: "
                "it was pruned before the bundle was made"
            )
        return part.frames[attempt]

    hashes = {int(one["attempt"]): str(one["sha256"]) for one in part.outcome["evidence"]}
    expected = None if part.course is None else part.course.expected
    return Kept(part.payload, part.outcome, expected, hashes, frame, part.course)
