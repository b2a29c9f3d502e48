"""`edge release key|make|sign|push|status|rollback`: product files and thresholds for the stations of a plant.

Promise: what is wrong with a release is said, all of it, when it is made; nothing is pushed that is not signed; the
private key is needed to sign and to go back, and by nothing else.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge import toml_file
from edge.adapters import release_keys, whole_file
from edge.adapters.rollout_folder import read_release
from edge.calibrations import calibration_text
from edge.commands import release_push
from edge.errors import ConfigError, UseError
from edge.products import Gate, read_product
from edge.releases import MAX_NUMBER, Content, Place, Release, text_of, unsigned


class Draft(BaseModel):
    """What a release is made from; paths begin at the file's folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: Annotated[int, Field(ge=1, le=MAX_NUMBER, strict=True)]
    stations: Annotated[tuple[Place, ...], Field(min_length=1, max_length=1000)]
    note: Annotated[str, Field(max_length=500)] = ""
    products: Annotated[tuple[Path, ...], Field(max_length=200)] = ()
    calibration: Path | None = None
    gate: Gate = Gate()
    accept: dict[str, Any] = Field(default_factory=dict)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Six actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    key = actions.add_parser("key", help="make a private key in a new file, and print the public key for stations")
    key.add_argument("file", type=Path, metavar="FILE", help="where the private key goes; with --public: where it is")
    key.add_argument("--public", action="store_true", help="print the public key of a private key that is there")
    make = actions.add_parser("make", help="make a release from a TOML file that names products and thresholds")
    make.add_argument(
        "draft", type=Path, metavar="FILE", help="the TOML file: number, stations, products, gate, accept"
    )
    make.add_argument("-o", "--output", type=Path, required=True, metavar="RELEASE", help="where the release goes")
    sign = actions.add_parser("sign", help="sign a release with a private key")
    sign.add_argument("release", type=Path, metavar="RELEASE", help="a release; it is written anew, signed")
    sign.add_argument("--key", type=Path, required=True, metavar="FILE", help="file of the private key")
    release_push.add_arguments(actions)


def run(args: argparse.Namespace) -> int:
    """Do the action; 0, 1 where a roll-out was stopped, or an error of one sentence."""
    if args.action == "key":
        print(release_keys.public_of(args.file) if args.public else release_keys.make_key(args.file))
    elif args.action == "make":
        release = made(args.draft)
        _write(args.output, release)
        said = release.said
        print(f"{args.output}: release {said.number}, content {said.sha256[:12]}, not signed yet")
    elif args.action == "sign":
        release = release_keys.signed(read_release(args.release), args.key)
        _ = release.name, release.sets
        _write(args.release, release)
        print(f"{args.release}: release {release.said.number}, signed with key {release.key}")
    else:
        return release_push.run(args)
    return 0


def made(draft_file: Path) -> Release:
    """The release that a draft describes, checked as a station checks it.

    Raises:
        ConfigError: something is wrong in the draft, or in a file that it names; lists all mistakes.
    """
    file = toml_file.read(draft_file)
    try:
        draft = Draft.model_validate_json(json.dumps(file.values, default=str))
    except ValidationError as error:
        raise file.refusal(error, Draft) from None
    folder = draft_file.parent
    problems: list[str] = []
    products: dict[str, str] = {}
    for path in draft.products:
        try:
            name = read_product(str(folder / path)).name
        except ConfigError as error:
            problems.extend(error.problems)
            continue
        if name in products:
            problems.append(f"{file.at(('products',))} names two files of product {name}; leave one out")
        products[name] = (folder / path).read_text(encoding="utf-8-sig")
    calibration = None
    if draft.calibration is not None:
        try:
            calibration = calibration_text(folder / draft.calibration)
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(problems)
    content = Content(version=1, products=products, gate=draft.gate, accept=draft.accept, calibration=calibration)
    return unsigned(draft.number, draft.stations, text_of(content), note=draft.note)


def _write(path: Path, release: Release) -> None:
    try:
        whole_file.write(path, release.message, mode=0o644)
    except OSError as error:
        raise UseError(f"{path} cannot be written ({error.strerror}): name another file") from None
