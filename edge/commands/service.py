"""Run one of the processes alone, as systemd does: until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import signal
import threading
from typing import Any

import structlog

from edge import log, settings
from edge.errors import EdgeError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The capture process wants the camera's name."""
    if parser.get_default("command") == "capture":
        parser.add_argument("name", metavar="CAMERA", help="which of [cameras]")


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    configured = settings.load(args.config)
    name = f"capture-{args.name}" if args.command == "capture" else args.command
    log.configure(name, level=configured.log.level, form=configured.log.format)
    faulthandler.enable()  # a crash inside a library writes where it happened to the journal
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    module: Any = importlib.import_module(f"edge.services.{args.command}")
    service = module.build(configured, args.name) if args.command == "capture" else module.build(configured)
    try:
        service.run(stop)
    except EdgeError:
        raise
    except Exception:
        # A station in the field has no second run under --debug: where it happened must be in the log.
        structlog.get_logger().exception("this process ends by an error that edge does not know")
        raise
    return 0
