"""`edge demo`: a whole line on this PC. An embedded broker, cameras, ERP, MES and the five processes of each station.

Plays every scene once, or many parts drawn from them, and compares each outcome with the one that its scene names.
Exits 0 only if all are as named, every trigger has one outcome, `seq` has no gap and nothing passed that should not.
Whatever ends the demo, no process of it is left behind.
"""

from __future__ import annotations

import argparse
import importlib.util
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from simulator.scenes import READERS, Scene, SceneError, load_all

_FAULT_ORDER = ("none", "trigger_while_busy", "pause", "kill")
_EXTRA = ("mqtt5", "psutil", "jsonschema", "PIL")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; 0 all as named, 1 something differs, 2 wrong use, 130 interrupted before its end."""
    parser = argparse.ArgumentParser(prog="edge demo", description="Run a simulated line through all five processes.")
    parser.add_argument("--parts", type=int, metavar="N", help="play N parts, drawn from the scenes by their weight")
    parser.add_argument(
        "--scene", action="append", metavar="S", help="play this scene only; may be given several times"
    )
    parser.add_argument(
        "--reader", choices=READERS, default=READERS[0], help="which reader the stations use (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="K", help="decides parts and order (%(default)s)")
    parser.add_argument("--keep-open", action="store_true", help="go on with drawn parts until Ctrl-C")
    parser.add_argument(
        "--out", type=Path, default=Path("demo-report"), metavar="DIR", help="for the report (%(default)s)"
    )
    parser.add_argument("--list", action="store_true", help="list the scenes and end")
    parser.add_argument("--picture", metavar="FILE", help="also write what is shown as an SVG picture")
    asked = parser.parse_args(argv)
    try:
        scenes = _chosen(load_all(), asked.scene)
    except SceneError as error:
        parser.error(str(error))
    if asked.parts is not None and asked.parts < 1:
        parser.error(f"--parts must be 1 or more, and is {asked.parts}")
    if asked.list:
        for scene in scenes:
            named = scene.expected(asked.reader)
            print(f"{scene.name}: {scene.summary} -> {named.disposition} {named.reason}")
        return 0
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        print(f"the demo needs {', '.join(missing)}: pip install 'edge-inspection[demo]'", file=sys.stderr)
        return 2
    from simulator.running import run  # noqa: PLC0415 - it needs the packages of the extra

    with _interruptible():
        return run(asked, scenes)


def _chosen(scenes: dict[str, Scene], names: Sequence[str] | None) -> list[Scene]:
    """The scenes to play, in a fixed order with the faults that cost a process last."""
    unknown = [name for name in names or () if name not in scenes]
    if unknown:
        raise SceneError(f"there is no scene {', '.join(unknown)}; `edge demo --list` shows them all")
    chosen = [scenes[name] for name in dict.fromkeys(names or scenes)]
    return sorted(chosen, key=lambda scene: _FAULT_ORDER.index(scene.fault.kind))


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP end the demo in order, once: a second one must not break the clearing up."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(_number: int, _frame: object) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
