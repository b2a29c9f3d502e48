"""The command line: one table of commands, and what each kind of error means for the exit code.

Promises: every command has `--help`; an error is one sentence on standard error, without a traceback unless
`--debug`; the exit code is 0 done, 1 finished with failures, 2 wrong use, 78 wrong configuration (every problem on a
line of its own). A command is imported when it is called, so that `edge --help` is quick and needs no device.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import NoReturn, Protocol

from edge.errors import ConfigError, EdgeError, UseError

DONE, FAILURES, WRONG_USE, WRONG_CONFIGURATION, INTERRUPTED = 0, 1, 2, 78, 130
DISTRIBUTION = "edge-inspection"
PLUG_INS = "edge.commands"

#: Name -> module in `edge.commands`, and what it does in one line.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "up": ("up", "run the five processes on a desk"),
    "capture": ("service", "run the capture process of one camera"),
    "inspector": ("service", "run the inspector process"),
    "reader": ("service", "run the reader process"),
    "messenger": ("service", "run the messenger process"),
    "panel": ("service", "run the panel process"),
    "signals": ("service", "run the signals process: triggers, result lines and lights over wires"),
    "read": ("read", "read image files and print the fields"),
    "calibrate": ("calibrate", "count on labelled images what a confidence is worth, and find thresholds"),
    "gate": ("gate", "judge the quality of image files, and say what to change"),
    "profile": ("profile", "write a first product file from a few labelled images"),
    "ask": ("ask", "ask the vlm reader a free question about an image file"),
    "check": ("check", "check all that the station needs: ok, warn or fail, and what to do"),
    "outbox": ("outbox", "list, retry or drop the messages that wait"),
    "outcomes": ("outcomes", "show what was decided"),
    "alarm": ("alarm", "show what comes more often than it did, and let a stopped line run again"),
    "record": ("record", "write inspections into one file, to be played again elsewhere"),
    "replay": ("replay", "read kept frames again, and show every outcome that would change"),
    "erp": ("erp", "ask ERP for a record, or see what it holds"),
    "pool": ("pool", "serve readers to many stations, on GPU servers that they share"),
    "release": ("release", "send product files and thresholds to the stations of a plant, and bring them back"),
    "users": ("users", "add, list and remove the people who may sign in to the panel"),
    "plant": ("plant", "collect what all stations of a plant say, and rehearse a plant of many stations"),
    "bench": ("bench", "measure the speed on this machine"),
}


class Command(Protocol):
    """What a module in `edge.commands` offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's own arguments; `parser.prog` ends with the command's name."""

    def run(self, args: argparse.Namespace) -> int:
        """Do the command; `args` has `command`, `config` and `debug` too. Return the exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments or os.environ.get("EDGE_DEBUG") == "1"
    try:
        try:
            return _dispatch(arguments)
        finally:
            sys.stdout.flush()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else DONE if ended.code is None else FAILURES
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FAILURES
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last place: whatever it is, it becomes an exit code
        if debug:
            traceback.print_exc()
            return _code(error)
        return _tell(error)


def _code(error: Exception) -> int:
    if isinstance(error, ConfigError):
        return WRONG_CONFIGURATION
    return WRONG_USE if isinstance(error, UseError) else FAILURES


def _tell(error: Exception) -> int:
    if isinstance(error, ConfigError):
        for problem in error.problems:
            _say(problem)
    elif isinstance(error, EdgeError):
        _say(f"edge: {error}")
    else:
        # No message: an error that nobody foresaw may carry a secret.
        _say(
            f"edge: an error that edge does not know ({type(error).__name__}); run it again with --debug and report it"
        )
    return _code(error)


def _say(sentence: str) -> None:
    """One line on standard error, whatever characters it holds."""
    one_line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in sentence)
    print(one_line.encode("utf-8", "backslashreplace").decode(), file=sys.stderr)


def _dispatch(arguments: list[str]) -> int:
    plug_ins = {point.name: point for point in metadata.entry_points(group=PLUG_INS)}
    top = _top_parser(plug_ins)
    # Everything behind the command's name is the command's own.
    at = next((i for i, word in enumerate(arguments) if not word.startswith("-")), len(arguments))
    top.parse_args(arguments[:at])
    if at == len(arguments):
        top.print_usage(sys.stderr)
        raise UseError(f"no command given; choose one of {', '.join(sorted({*COMMANDS, *plug_ins}))}")
    name, rest = arguments[at], arguments[at + 1 :]
    if name in COMMANDS:
        return _run(name, rest, debug="--debug" in arguments[:at])
    if name in plug_ins:
        plug_in: Callable[[list[str]], int] = plug_ins[name].load()
        return plug_in(rest)
    raise UseError(f"{name!r} is no command; choose one of {', '.join(sorted({*COMMANDS, *plug_ins}))}")


def _run(name: str, rest: list[str], *, debug: bool) -> int:
    module, what = COMMANDS[name]
    command: Command = importlib.import_module(f"edge.commands.{module}")
    parser = _Parser(prog=f"edge {name}", description=what[0].upper() + what[1:] + ".")
    parser.set_defaults(command=name)
    command.add_arguments(parser)
    _add_common(parser, debug=debug)
    # The common options may stand anywhere, behind the action of `edge erp lookup` too.
    common = _Parser(prog=parser.prog, add_help=False, allow_abbrev=False)
    _add_common(common, debug=debug)
    end = rest.index("--") if "--" in rest else len(rest)
    args, others = common.parse_known_args(rest[:end])
    return command.run(parser.parse_args(others + rest[end:], args))


def _add_common(parser: argparse.ArgumentParser, *, debug: bool) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration file (else EDGE_CONFIG, or usual places)"
    )
    parser.add_argument("--debug", action="store_true", default=debug, help="show a traceback where an error ends it")


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one sentence that says what to do."""

    def error(self, message: str) -> NoReturn:
        raise UseError(f"{message}; see {self.prog} --help")


def _top_parser(plug_ins: Mapping[str, metadata.EntryPoint]) -> argparse.ArgumentParser:
    lines = [f"  {name:<10} {what}" for name, (_, what) in COMMANDS.items()]
    lines += [f"  {name:<10} brought by {point.module.partition('.')[0]}" for name, point in sorted(plug_ins.items())]
    parser = _Parser(
        prog="edge",
        usage="edge [--help] [--version] [--debug] COMMAND ...",
        description="Every trigger ends in exactly one durable, explained, evidenced outcome.",
        epilog="commands:\n" + "\n".join(lines) + "\n\nexit codes: 0 done, 1 finished with failures, 2 wrong use, "
        "78 wrong configuration\n'edge COMMAND --help' says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"edge {version()}")
    parser.add_argument("--debug", action="store_true", help="show a traceback where an error ends the command")
    return parser


def version() -> str:
    """The version of the installed package."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown (not installed)"
