"""The simulator's own commands: draw plates, charts or forms, serve a camera, run a plant, play a recording."""

from __future__ import annotations

import argparse
import itertools
import sys
import threading
from pathlib import Path

from simulator import advice, chaos, demo, drawing, endurance, plant, play, questions, scenes, spoiling
from simulator.camera_server import CameraServer
from simulator.material import MATERIALS, NOMINAL
from simulator.optics import Sensor
from simulator.staging import View, stage
from simulator.wording import LANGUAGES, MAKES


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 done, 2 wrong use."""
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_draw(commands)
    asking = commands.add_parser(
        "questions", help="draw charts, forms or shelf labels, with questions and right answers"
    )
    asking.add_argument("kind", choices=questions.KINDS)
    asking.add_argument("folder", type=Path)
    asking.add_argument("--count", type=int, default=20)
    asking.add_argument("--seed", type=int, default=0)
    asking.set_defaults(run=_questions)
    _add_camera(commands)
    advise = commands.add_parser("advice", help="draw what a camera should show, and what it should not")
    advise.add_argument("folder", type=Path)
    advise.set_defaults(run=_advise)
    listing = commands.add_parser("scenes", help="list the scenes with the outcome that each must give")
    listing.add_argument("--folder", type=Path, default=scenes.FOLDER, help="of scene files (%(default)s)")
    listing.set_defaults(run=_list)
    chaos.add_arguments(commands.add_parser("chaos", help="run a line while everything round its station goes wrong"))
    endurance.add_arguments(
        commands.add_parser("endurance", help="run stations with industrial cameras for long, and see what grows")
    )
    plant.add_arguments(commands.add_parser("plant", help="run many stations of a plant, and count what comes of it"))
    played = commands.add_parser("play", help="let a station inspect again what another recorded (edge record)")
    played.add_argument("bundle", type=Path)
    played.add_argument("--pace", action="store_true", help="at the pace of the recording (else part after part)")
    played.set_defaults(run=lambda asked: play.play(asked.bundle, at_pace=asked.pace))
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


def _add_camera(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The camera command's options."""
    camera = commands.add_parser("camera", help="serve a camera that shows the parts of a scene, until Ctrl-C")
    camera.add_argument("--address", default="tcp://127.0.0.1:5555", help="to bind, in ZeroMQ's form (%(default)s)")
    camera.add_argument("--size", default="1280x800", help="of the frame, WIDTHxHEIGHT (%(default)s)")
    camera.add_argument("--scene", default="matched_label", help="whose part is shown (%(default)s)")
    camera.add_argument("--seed", default="0")
    camera.add_argument("--part-s", type=float, default=0.0, help="seconds until the next part; 0: one part for ever")
    camera.set_defaults(run=_camera)


def _draw(asked: argparse.Namespace) -> int:
    """Draw the folder."""
    order = drawing.Order(
        seed=asked.seed,
        sensor=_sensor(asked.size),
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


def _questions(asked: argparse.Namespace) -> int:
    """Draw what is asked about."""
    labels = questions.write(asked.kind, asked.count, asked.folder, asked.seed)
    print(f"{asked.count} {asked.kind} in {asked.folder}, labels in {labels}")
    return 0


def _advise(asked: argparse.Namespace) -> int:
    """Draw the frames and their sheet."""
    print(f"{len(advice.EXAMPLES)} frames, all together in {advice.write(asked.folder)}")
    return 0


def _camera(asked: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    known = scenes.load_all()
    if asked.scene not in known:
        raise ValueError(f"No scene {asked.scene!r}: `python -m simulator scenes` lists them.")
    server = CameraServer(asked.address, _sensor(asked.size))
    server.start()
    print(f"camera at {asked.address}, Ctrl-C stops it", flush=True)
    try:
        for number in itertools.count():
            part = stage(known[asked.scene], f"{asked.seed}-{number}")
            server.show(View(part, server.sensor))
            print(f"part {number}: model {part.model}, serial {part.design.serial or '(none)'}", flush=True)
            threading.Event().wait(asked.part_s or None)
    except KeyboardInterrupt:
        print("camera stopped")
    finally:
        server.stop()
    return 0


def _list(asked: argparse.Namespace) -> int:
    """One line a scene: name, product, the outcome it must give, what it is about."""
    found = scenes.load_all(asked.folder)
    for scene in found.values():
        defects = f" ({', '.join(scene.expect.defects)})" if scene.expect.defects else ""
        outcome = f"{scene.expect.disposition:5} {scene.expect.reason}{defects}"
        print(f"{scene.name:28} {scene.product:10} {outcome}: {scene.summary}")
    print(f"{len(found)} scenes")
    return 0


def _sensor(size: str) -> Sensor:
    """The frame's size from WIDTHxHEIGHT."""
    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal() and 64 <= int(width) <= 8192 and 64 <= int(height) <= 8192):
        raise ValueError(f"The size {size!r} is not WIDTHxHEIGHT of 64 to 8192 pixels each, such as 1920x1200.")
    return Sensor(int(width), int(height))


def _chosen(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """The names of a comma-separated list; "all" is every known one."""
    names = known if text == "all" else tuple(name for name in text.split(",") if name)
    unknown = [name for name in names if known and name not in known]
    if unknown:
        raise ValueError(f"Unknown: {', '.join(unknown)}; choose from {', '.join(known)}.")
    return names


if __name__ == "__main__":
    sys.exit(main())
