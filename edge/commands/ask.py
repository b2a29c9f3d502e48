"""`edge ask`: a free question about an image file to the vlm reader, or one by a question profile to any reader.

Promises: a question is held to a form only where it asks for one ("digits only", "yes or no"), or where `--pattern`
does; with `--stream` each token is printed when it is decided; an answer that its cap cut is said to be cut, exit 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from edge.adapters import images
from edge.commands import ask_by_profile, image_files
from edge.errors import UseError, WorldError
from edge.products import FieldTable
from edge.readers import opening
from edge.readers.asking import Answer, Asker, stream
from edge.readers.questions import MOST_CHARACTERS, Query, understand
from edge.readers.reader import Image
from edge.settings import load

MOST_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, and when its first token and the whole of it stood, ms after the question."""

    answer: Answer
    first_token_ms: float | None
    total_ms: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """An image, a question, and how the answer is printed."""
    parser.add_argument("image", metavar="IMAGE", nargs="?", help="image file: JPEG, PNG, BMP, WebP, TIFF, GIF, PPM")
    parser.add_argument(
        "question", metavar="QUESTION", nargs="?", default="", help='such as "What is the serial number? Digits only."'
    )
    parser.add_argument(
        "--profile", metavar="P", help="question profile: its name or its file; it says what the answer may be"
    )
    parser.add_argument(
        "--reader", choices=opening.KINDS, help="which reader answers by the profile (else that of --config, else vlm)"
    )
    parser.add_argument("--stream", action="store_true", help="print each token when it is decided")
    parser.add_argument("--pattern", metavar="P", help="hold the answer to this pattern (`regex` syntax, whole text)")
    parser.add_argument(
        "--cap", type=int, default=64, metavar="N", help="most tokens of the answer, its end included (%(default)s)"
    )
    parser.add_argument("--product", metavar="P", help="product whose fields and key words the question may name")
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="model of the vlm reader (else the one of edge)")
    parser.add_argument("--json", action="store_true", help="one JSON object; with --stream one a token before it")


def run(args: argparse.Namespace) -> int:
    """Ask, and print the answer."""
    if args.profile is not None:
        return ask_by_profile.run(args)
    _check(args)
    query = understand(args.question, image_files.product_of(args) if args.product or args.config else None)
    pattern = args.pattern or query.pattern
    image_files.printable_stdout()
    try:
        image = images.load(args.image)
        said = _ask(_open(args), image, args, pattern)
    except WorldError as error:
        if not args.json:
            raise
        image_files.tell_json(args.image, str(error))
        return 1
    (_show_json if args.json else _show_person)(args, query, pattern, said)
    return 0 if said.answer.finish == "stop" else 1


def _check(args: argparse.Namespace) -> None:
    """Refuse what cannot be asked, before anything is loaded.

    Raises:
        UseError: says what is wrong with the arguments.
    """
    if args.image is None:
        raise UseError("name an image file and a question; a question alone needs a --profile that looks at no image")
    if args.reader is not None:
        raise UseError("--reader goes with --profile; a free question is for the vlm reader")
    if not args.question.strip() or len(args.question) > MOST_CHARACTERS:
        raise UseError(f"a question has 1 to {MOST_CHARACTERS} characters, and this one has {len(args.question)}")
    if not 1 <= args.cap <= MOST_TOKENS:
        raise UseError(f"--cap must lie between 1 and {MOST_TOKENS}, and is {args.cap}")
    check_model(args)
    if args.pattern is not None:
        try:
            FieldTable(pattern=args.pattern)
        except ValidationError as error:
            why = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            raise UseError(f"--pattern {why}") from None


def check_model(args: argparse.Namespace) -> None:
    """Refuse a folder that is none.

    Raises:
        UseError: it is none.
    """
    if args.model is not None and not args.model.is_dir():
        raise UseError(f"--model names {images.shown(str(args.model))}, which is no folder; name the model's folder")


def _open(args: argparse.Namespace) -> Asker:
    if args.config is None:
        return opening.open_vlm(args.model)
    asked = load(args.config).reader
    return opening.open_vlm(
        args.model or asked.model, device=asked.device, threads=asked.threads, eight_bits=asked.eight_bits
    )


def _ask(asker: Asker, image: Image, args: argparse.Namespace, pattern: str | None) -> Said:
    begun = time.perf_counter()
    first_ms: float | None = None
    for one in stream(asker, image, args.question, pattern=pattern, cap=args.cap):
        now_ms = (time.perf_counter() - begun) * 1e3
        if not isinstance(one, str):
            return Said(one, first_ms, now_ms)
        first_ms = now_ms if first_ms is None else first_ms
        if args.stream and args.json:
            image_files.print_json({"token": one, "ms": round(now_ms, 2)})
            sys.stdout.flush()
        elif args.stream:
            print(images.shown(one), end="", flush=True)
    raise AssertionError("a stream ends with its answer")


def _show_json(args: argparse.Namespace, query: Query, pattern: str | None, said: Said) -> None:
    first_ms = None if said.first_token_ms is None else round(said.first_token_ms, 2)
    image_files.print_json(
        {
            "file": args.image,
            "question": args.question,
            "answer": said.answer.text,
            "finish": said.answer.finish,
            "query": {
                "kind": query.kind,
                "fields": list(query.fields),
                "pattern": pattern,
                "value": query.value,
                "order": None if query.order is None else {"by": query.order.by, "end": query.order.end},
            },
            "ms": {"first_token": first_ms, "total": round(said.total_ms, 2)},
            "tokens": len(said.answer.tokens),
        }
    )


def _show_person(args: argparse.Namespace, _query: Query, pattern: str | None, said: Said) -> None:
    """The answer alone on standard output; times, and what is wrong with it, on standard error."""
    print("" if args.stream else images.shown(said.answer.text), flush=True)
    first = "no token" if said.first_token_ms is None else f"first token {said.first_token_ms:.0f} ms"
    held = f", held to {pattern}" if pattern is not None else ""
    count = len(said.answer.tokens)
    print(f"{first}, answer {said.total_ms:.0f} ms, {count} tokens{held}", file=sys.stderr)
    if said.answer.finish != "stop":
        print(f"edge: the answer was cut after {count} tokens and is no whole one; raise --cap", file=sys.stderr)
