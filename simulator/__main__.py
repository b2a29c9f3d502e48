"""The simulator's own commands: draw a folder of plates, serve a camera, list the scenes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from simulator import demo, drawing, spoiling
from simulator.material import MATERIALS, NOMINAL
from simulator.optics import Sensor
from simulator.wording import LANGUAGES, MAKES


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 done, 2 wrong use."""
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_draw(commands)
    commands.add_parser("demo", help="run the whole line, as `edge demo` does", add_help=False)
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["demo"]:
        return demo.main(given[1:])
    asked = parser.parse_args(arguments)
    try:
        return int(asked.run(asked))
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


def _add_draw(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The draw command's options."""
    draw = commands.add_parser("draw", help="draw a folder of frames with labels.jsonl")
    draw.add_argument("folder", type=Path)
    draw.add_argument("--count", type=int, default=20)
    draw.add_argument("--seed", type=int, default=0)
    draw.add_argument("--size", default="1920x1200", help="of the frame, WIDTHxHEIGHT (%(default)s)")
    draw.add_argument("--form", choices=("jpg", "png"), default="jpg")
    draw.add_argument("--makes", default=",".join(MAKES), help="kinds of device (%(default)s)")
    draw.add_argument("--materials", default=",".join(NOMINAL), help=f"of {', '.join(MATERIALS)}; or all")
    draw.add_argument("--languages", default=",".join(LANGUAGES), help="of the key words (%(default)s)")
    draw.add_argument("--degrade", default="", help=f"one of these a frame: {', '.join(spoiling.DEGRADATIONS)}; or all")
    draw.add_argument("--fonts", default="", help="font files to use for half of the plates, beside the built-in faces")
    draw.add_argument("--without-serial", type=float, default=0.0, help="share of plates that have no serial")
    draw.add_argument("--with-code", type=float, default=0.3, help="share of plates with a bar or matrix code")
    draw.set_defaults(run=_draw)


def _draw(asked: argparse.Namespace) -> int:
    """Draw the folder."""
    width, _, height = asked.size.partition("x")
    order = drawing.Order(
        seed=asked.seed,
        sensor=Sensor(int(width), int(height)),
        makes=_chosen(asked.makes, tuple(MAKES)),
        materials=_chosen(asked.materials, tuple(MATERIALS)),
        languages=_chosen(asked.languages, LANGUAGES),
        fonts=_chosen(asked.fonts, ()),
        degradations=_chosen(asked.degrade, tuple(spoiling.DEGRADATIONS)),
        without_serial=asked.without_serial,
        with_code=asked.with_code,
    )
    labels = drawing.write(order, asked.count, asked.folder, asked.form)
    print(f"{asked.count} frames in {asked.folder}, labels in {labels}")
    return 0


def _chosen(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """The names of a comma-separated list; "all" is every known one."""
    names = known if text == "all" else tuple(name for name in text.split(",") if name)
    unknown = [name for name in names if known and name not in known]
    if unknown:
        raise ValueError(f"Unknown: {', '.join(unknown)}; choose from {', '.join(known)}.")
    return names


if __name__ == "__main__":
    sys.exit(main())
