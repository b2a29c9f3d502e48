"""`edge ask --profile`: a question that is asked again and again, and an answer that its profile allows, or none.

Promises: what is printed is allowed by the profile; what is not, and what this reader cannot answer, is said, exit 1;
a wrong profile file is refused with every mistake in it, exit 78.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from edge.adapters import images
from edge.commands import image_files
from edge.core.reading import FreeAnswer
from edge.errors import UseError, WorldError
from edge.question_profiles import QuestionProfile, profile_named
from edge.readers.profiled import NO_IMAGE, Asked, answer_by
from edge.readers.reader import Reader
from edge.settings import load

#: Where profiles lie if no configuration says so.
FOLDERS = (Path("config/profiles"), Path("/etc/edge/profiles"))


def run(args: argparse.Namespace) -> int:
    """Ask by a profile, and print the answer."""
    profile = _profile(args)
    image_name, question = _given(args, profile)
    profile.told(question)
    product = image_files.product_of(args)
    opened = _reader(args)
    image_files.printable_stdout()
    show: Callable[[str], None] = lambda text: print(images.shown(text), end="", flush=True)  # noqa: E731 - one line
    try:
        image = NO_IMAGE if image_name is None else images.load(image_name)
        today = datetime.now().astimezone().date()
        asked = Asked(profile, image, question, today)
        heard = show if args.stream and not args.json else lambda _text: None
        told = answer_by(opened(), asked, product, on_text=heard)
    except (UseError, WorldError) as error:
        # A UseError here is no wrong command line: this reader cannot answer this question.
        _fail(args, image_name, error)
        return 1
    (_show_json if args.json else _show_person)(args, image_name, question, told)
    return 0 if told.finish == "stop" else 1


def _profile(args: argparse.Namespace) -> QuestionProfile:
    if args.pattern is not None:
        raise UseError("--pattern and --profile both say what the answer may be: leave one out")
    folder = next((one for one in FOLDERS if one.is_dir()), None)
    if args.config is not None:
        folder = load(args.config).paths.profiles
    return profile_named(args.profile, folder)


def _given(args: argparse.Namespace, profile: QuestionProfile) -> tuple[str | None, str]:
    """The image and the question: of a profile that needs no image the one argument is the question."""
    if not profile.sees:
        if args.question:
            raise UseError(f"the profile {profile.name} looks at no image: give the question alone")
        return None, args.image or ""
    if args.image is None:
        raise UseError(f"the profile {profile.name} needs an image: name a file")
    return args.image, args.question


def _reader(args: argparse.Namespace) -> Callable[[], Reader]:
    """What opens the reader that is asked for.

    Raises:
        UseError: there is no such model.
    """
    if args.reader is None and args.config is None:
        args.reader = "vlm"
    return image_files.reader_of(args)


def _fail(args: argparse.Namespace, image_name: str | None, error: Exception) -> None:
    (image_files.tell_json if args.json else image_files.tell_person)(image_name or "", str(error))


def _show_json(args: argparse.Namespace, image_name: str | None, question: str, told: FreeAnswer) -> None:
    del args
    first_ms = None if told.first_token_ms is None else round(told.first_token_ms, 2)
    image_files.print_json(
        {
            "file": image_name,
            "profile": told.profile,
            "question": question,
            "answer": told.text,
            "object": told.object,
            "finish": told.finish,
            "ms": {"first_token": first_ms, "total": round(told.total_ms, 2)},
            "tokens": told.tokens,
        }
    )


def _show_person(args: argparse.Namespace, image_name: str | None, question: str, told: FreeAnswer) -> None:
    """The answer alone on standard output; what it cost, and what is wrong with it, on standard error."""
    del image_name, question
    print("" if args.stream else images.shown(told.text), flush=True)
    print(f"answer {told.total_ms:.0f} ms, {told.tokens} tokens, by {told.profile} and {told.reader}", file=sys.stderr)
    if told.finish != "stop":
        print(
            f"edge: the answer was cut after {told.tokens} tokens and is no whole one; raise max_tokens",
            file=sys.stderr,
        )
