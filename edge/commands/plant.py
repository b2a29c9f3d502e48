"""A plant of many stations: run its collector, check its settings, or rehearse it with many small stations."""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from edge import log, plant_settings
from edge.errors import EdgeError, UseError, WorldError

#: Longest wait of a check for the broker.
CHECK_S = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("collect", help="store what all stations say, and ask for what is missing, until SIGTERM")
    actions.add_parser("page", help="serve the plant page, until SIGTERM")
    actions.add_parser("check", help="check settings, broker and database")
    _add_rehearse(actions)
    reader = actions.add_parser("reader", help="read the labels of a rehearsal, until SIGTERM")
    reader.add_argument("--runtime", type=Path, required=True, help="folder of its socket")
    reader.add_argument("--number", type=int, default=0, help="which of several readers (%(default)s)")
    reader.add_argument("--kind", choices=("codes", "line"), default="codes", help="codes alone, or a line of text")
    reader.add_argument("--pool", metavar="URL", help="have a pool of readers read, instead; the gate is taken here")
    reader.add_argument("--site", default="rehearsal", help="as which its stations ask the pool (%(default)s)")
    reader.add_argument("--full-gate", action="store_true", help="take every measure of quality")


def _add_rehearse(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    rehearse = actions.add_parser("rehearse", help="run many small stations, to load a broker, collector and reader")
    rehearse.add_argument("--stations", type=int, default=20)
    rehearse.add_argument("--first", type=int, default=0, help="number of the first station (%(default)s)")
    rehearse.add_argument("--rate", type=float, default=1.0, help="triggers a second and station (%(default)s)")
    rehearse.add_argument("--triggers", type=int, default=60, help="of each station (%(default)s)")
    rehearse.add_argument("--arrivals", choices=("takt", "poisson"), default="takt")
    rehearse.add_argument("--readers", type=int, default=1, help="readers that are asked in turn (%(default)s)")
    rehearse.add_argument("--site", default="rehearsal", help="of the topics (%(default)s)")
    rehearse.add_argument("--host", default="127.0.0.1", help="of the broker (%(default)s)")
    rehearse.add_argument("--port", type=int, default=1883, help="of the broker (%(default)s)")
    rehearse.add_argument("--data", type=Path, required=True, help="folder of the stations' edge.db")
    rehearse.add_argument("--runtime", type=Path, required=True, help="folder of the readers' sockets")
    rehearse.add_argument("--report", type=Path, required=True, help="file for what was counted")
    rehearse.add_argument("--read-timeout-ms", type=int, default=1000)
    rehearse.add_argument("--health-every", type=float, default=10.0, metavar="S")


def run(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "collect": _service,
        "page": _service,
        "check": _check,
        "rehearse": _rehearse,
        "reader": _reader,
    }
    return actions[args.action](args)


def _service(args: argparse.Namespace) -> int:
    settings = plant_settings.load(args.config)
    name = {"collect": "plant_collector", "page": "plant_page"}[args.action]
    log.configure(name, level=settings.log.level, form=settings.log.format)
    module: Any = importlib.import_module(f"edge.services.{name}")
    return serve(module.build(settings))


def _check(args: argparse.Namespace) -> int:
    from edge.adapters.mqtt_access import broker_of, try_out  # noqa: PLC0415 - sqlalchemy and paho take a second
    from edge.adapters.plant_store import open_plant  # noqa: PLC0415

    settings = plant_settings.load(args.config)
    database = settings.database
    store = open_plant(database.url, database.password, database.timeout_s)
    problems: list[str] = []
    trials: dict[str, Callable[[], None]] = {
        "broker": lambda: try_out(broker_of(settings.mqtt), CHECK_S),
        "database": store.prepare,
    }
    for what, trial in trials.items():
        try:
            trial()
            print(f"ok    {what}")
        except WorldError as error:
            problems.append(what)
            print(f"fail  {what}: {error}")
    store.close()
    return 1 if problems else 0


def _reader(args: argparse.Namespace) -> int:
    from edge.readers.label import LabelReader  # noqa: PLC0415
    from edge.services.rehearsal import PRODUCT  # noqa: PLC0415
    from edge.services.rehearsal_reader import RehearsalReader  # noqa: PLC0415

    log.configure("label-reader", level="warning")
    reader = LabelReader(args.kind, full_gate=args.full_gate)
    if args.pool is not None:
        from edge.services.rehearsal_pool import RehearsalPool  # noqa: PLC0415 - only where there is a pool

        return serve(RehearsalPool(args.runtime, args.number, args.pool, site=args.site, gate=reader, product=PRODUCT))
    return serve(RehearsalReader(args.runtime, args.number, reader, PRODUCT))


def _rehearse(args: argparse.Namespace) -> int:
    from edge.adapters.mqtt_facts import Broker  # noqa: PLC0415
    from edge.services.rehearsal import Plan, Rehearsal, write_report  # noqa: PLC0415

    if args.stations < 1 or args.triggers < 1 or args.rate <= 0 or args.readers < 1:
        raise UseError("--stations, --triggers, --rate and --readers must be more than 0")
    log.configure("rehearsal", level="warning")
    plan = Plan(
        args.site, args.first, args.stations, args.rate, args.triggers,
        readers=args.readers, arrivals=args.arrivals, health_every_s=args.health_every,
        read_timeout_ms=args.read_timeout_ms,
    )  # fmt: skip
    rehearsal = Rehearsal(plan, Broker(args.host, args.port, "rehearsal"), args.data, args.runtime)
    code = serve(rehearsal)
    write_report(rehearsal.report(), args.report)
    return code


def serve(service: Any) -> int:
    """Run a process of the plant until SIGTERM or SIGINT."""
    faulthandler.enable()  # a crash inside a library writes where it happened to the journal
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        service.run(stop)
    except EdgeError:
        raise
    except Exception:
        structlog.get_logger().exception("this process ends by an error that edge does not know")
        raise
    return 0
