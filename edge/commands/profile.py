"""`edge profile`: write a first product file from a few image files whose model and serial are known.

Promises: every text given matches the pattern that is written; nothing is written over without `--force`; every image
is read back with the new file, and the exit code is 1 where one of them is not read right.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.adapters import images
from edge.commands import image_files
from edge.commands.image_files import Judged
from edge.commands.labels import read_labels
from edge.core.fields import Product
from edge.core.gate import DEFAULT_LIMITS
from edge.core.match import same
from edge.core.profile import Generalised, generalise
from edge.core.quality import MeasureName
from edge.core.reading import Reading
from edge.errors import UseError, WorldError
from edge.products import load_product
from edge.readers.linking.linker import gather
from edge.readers.reader import Reader

FIELDS = ("model", "serial")
#: A limit is set this far below the worst score of a frame that was read right, and never above the default.
ROOM = 5
_MOST_KEYS = 10


@dataclass(frozen=True, slots=True)
class Labelled:
    """An image file and what is printed on it; a field that is not there is missing."""

    file: str
    printed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Profile:
    """What goes into a product file: rules and key words by field, and the scores seen by measure."""

    name: str
    rules: Mapping[str, Generalised]
    examples: Mapping[str, int]
    missing: Mapping[str, int]
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scores: Mapping[MeasureName, tuple[int, int]] = field(default_factory=dict)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `edge profile`."""
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="image file; with --labels, those that it names")
    for name in FIELDS:
        again = "once for all images or once for each, in their order"
        parser.add_argument(f"--{name}", action="append", metavar="TEXT", help=f"{name} as printed; {again}")
    parser.add_argument("--labels", type=Path, metavar="FILE", help='JSON lines with "file", "model" and "serial"')
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="product file to write (.toml)"
    )
    parser.add_argument("--force", action="store_true", help="write over a file that exists")


def run(args: argparse.Namespace) -> int:
    """Write the product file, and read every image back with it."""
    labelled = _labelled(args)
    output: Path = args.output
    if output.suffix != ".toml":
        raise UseError(f"-o names {images.shown(str(output))}, which does not end with .toml; product files do")
    if output.exists() and not args.force:
        raise UseError(f"{images.shown(str(output))} exists; name another file, or add --force to write over it")
    image_files.printable_stdout()
    profile = _rules(_name(output.stem), labelled)
    image_files.write(output, text_of(profile))
    open_reader = image_files.reader_of(argparse.Namespace(config=args.config, reader="ocr", model=None))
    profile, failed = _seen(profile, labelled, open_reader, load_product(str(output)))
    image_files.write(output, text_of(profile))
    product = load_product(str(output))
    right: list[str] = []
    show = _reading_back({one.file: one for one in labelled}, open_reader, product, right)
    image_files.each([one.file for one in labelled if one.file not in failed], show, image_files.tell_person)
    print(f"wrote {images.shown(str(output))}; {len(right)} of {len(labelled)} images are read right with it")
    return 0 if len(right) == len(labelled) else 1


def text_of(profile: Profile) -> str:
    """The product file's text, commented: what each line rests on."""
    lines = [
        f"# Written by edge profile from {sum(profile.examples.values())} texts: a first guess, to be looked over.",
        "version = 1",
        f"name = {_toml(profile.name)}",
    ]
    for name, rule in profile.rules.items():
        count, missing = profile.examples[name], profile.missing[name]
        lines += [
            "",
            f"[fields.{name}]",
            f"# The form of {count} different text{'s' * (count != 1)}: runs of the lengths seen, and separators.",
            f"pattern = {_toml(rule.pattern)}",
        ]
        if keys := profile.keys.get(name):
            lines += ["# What is printed beside it.", f"keys = {_toml(keys)}"]
        if missing:
            lines += [f"# {missing} of the images had none.", "required = false"]
        if rule.confusable:
            lines += ["# Characters that readers mix up and that the form has room for; proposed, never applied."]
            lines += [f"confusable = {_toml(rule.confusable)}"]
        if rule.check:
            lines += ["# The check digit that all examples have.", f"check = {_toml(rule.check)}"]
    lines += ["", "[gate] # limits that differ from the station's"]
    for measure, (least, most) in profile.scores.items():
        limit = max(0, least - ROOM)
        default = DEFAULT_LIMITS.min_scores.get(measure, 0)
        sets = limit < default
        lines.append(f"{'' if sets else '# '}{measure} = {limit if sets else default} # seen: {least} to {most}")
    lines += ["", "[erp]", 'mode = "identify" # or "verify": MES says which part comes']
    return "\n".join(lines) + "\n"


def _labelled(args: argparse.Namespace) -> list[Labelled]:
    """What is known of each image.

    Raises:
        UseError: the arguments do not go together, or the labels are wrong.
    """
    given: dict[str, list[str]] = {name: getattr(args, name) or [] for name in FIELDS}
    if args.labels is not None:
        if any(given.values()):
            raise UseError("--labels says what is printed, and so does --model or --serial; use one of the two")
        found = _from_labels(args.labels)
        wanted = {Path(name).name for name in args.images}
        found = [one for one in found if not wanted or Path(one.file).name in wanted]
    else:
        for name, texts in given.items():
            if len(texts) > 1 and len(texts) != len(args.images):
                raise UseError(
                    f"--{name} is given {len(texts)} times for {len(args.images)} images; give it once, or for each"
                )
        found = []
        for index, file in enumerate(args.images):
            printed = {name: (those[index] if len(those) > 1 else those[0]) for name, those in given.items() if those}
            found.append(Labelled(file, {name: text.strip() for name, text in printed.items() if text.strip()}))
    if not found:
        raise UseError("no image is given; name at least one, with --serial or --model, or use --labels")
    if not any(one.printed for one in found):
        raise UseError("nothing is known of the images; say what is printed with --serial or --model")
    return found


def _from_labels(path: Path) -> list[Labelled]:
    found = []
    for label in read_labels(path):
        printed = {name: label.texts[name][0].strip() for name in FIELDS if label.texts.get(name)}
        found.append(Labelled(str(path.parent / label.file), {name: text for name, text in printed.items() if text}))
    return found


def _name(stem: str) -> str:
    """A product's name of a file's: the characters that it may have."""
    return re.sub(r"[^a-z0-9_.-]+", "_", stem.lower()).strip("_.-")[:64] or "product"


def _rules(name: str, labelled: Sequence[Labelled]) -> Profile:
    texts = {one: [label.printed[one] for label in labelled if one in label.printed] for one in FIELDS}
    known = {one: those for one, those in texts.items() if those}
    return Profile(
        name,
        # A model has no check digit; where one seems to hold it is chance.
        {one: generalise(those, checked=one == "serial") for one, those in known.items()},
        {one: len(set(those)) for one, those in known.items()},
        {one: len(labelled) - len(those) for one, those in known.items()},
    )


def _seen(
    profile: Profile, labelled: Sequence[Labelled], open_reader: Callable[[], Reader], product: Product
) -> tuple[Profile, set[str]]:
    """The profile with the key words beside the known texts and the scores of the frames that hold them."""
    keys: dict[str, Counter[str]] = {name: Counter() for name in profile.rules}
    scores: dict[MeasureName, list[int]] = {}
    failed: set[str] = set()
    for one in labelled:
        try:
            judged, reading = _read(one.file, open_reader, product)
        except WorldError as error:
            failed.add(one.file)
            image_files.tell_person(one.file, str(error))
            continue
        for name, key in _keys_beside(reading, product, one.printed):
            keys[name][key] += 1
        if all(same(reading.fields[name].text, text) for name, text in one.printed.items()):
            for measure, value in judged.quality.measures.items():
                if value.score is not None and measure in DEFAULT_LIMITS.min_scores:
                    scores.setdefault(measure, []).append(value.score)
    found = {name: tuple(key for key, _ in counted.most_common(_MOST_KEYS)) for name, counted in keys.items()}
    bounds = {measure: (min(those), max(those)) for measure, those in scores.items()}
    return Profile(profile.name, profile.rules, profile.examples, profile.missing, found, bounds), failed


def _read(file: str, open_reader: Callable[[], Reader], product: Product) -> tuple[Judged, Reading]:
    judged = image_files.judge(file, open_reader, product)
    return judged, open_reader().read(judged.image, product, judged.located)


def _keys_beside(reading: Reading, product: Product, printed: Mapping[str, str]) -> list[tuple[str, str]]:
    """The field and the key word that holds its known text best; none where the text stands at no key."""
    _, gathered = gather(reading.lines, product)
    found = []
    for name, text in printed.items():
        links = [one.link for one in gathered[name] if one.link is not None and same(one.text, text)]
        if links:
            key = max(links, key=lambda link: link.hold).key.text.strip(" :.=")
            if key and key.isprintable():
                found.append((name, key))
    return found


def _reading_back(
    labelled: Mapping[str, Labelled], open_reader: Callable[[], Reader], product: Product, right: list[str]
) -> Callable[[str], None]:
    def show(file: str) -> None:
        _, reading = _read(file, open_reader, product)
        printed = labelled[file].printed
        told = [
            f"{name} {reading.fields[name].text or 'nothing'!r} and not {text!r}"
            for name, text in printed.items()
            if not same(reading.fields[name].text, text)
        ]
        # A field that the plate lacks must stay empty.
        told += [
            f"{name} {one.text!r} and not nothing"
            for name, one in reading.fields.items()
            if one.text and name not in printed
        ]
        if not told:
            right.append(file)
        print(f"{images.shown(file)}: {'read right' if not told else 'read ' + ', '.join(told)}")

    return show


def _toml(value: str | Sequence[str]) -> str:
    if not isinstance(value, str):
        return f"[{', '.join(_toml(one) for one in value)}]"
    plain = value.isprintable() and "'" not in value
    return f"'{value}'" if plain else json.dumps(value, ensure_ascii=True)
