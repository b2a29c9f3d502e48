"""`edge check`: is this station ready? Everything that it needs, one line each: ok, warn or fail, and what to do.

Every neighbour is really asked, all at the same time, each within its time, so that one look shows all that is wrong.
Nothing is changed: no trigger, no session at the broker but its own, one message on a topic of its own. A camera or
reader whose process runs stays that process's. `edge/commands/checks/` has a file for each line.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from edge import log
from edge.commands.checks import broker, camera, clock, disk, erp, gpu, panel, reader, rights, signals, units
from edge.commands.checks.finding import Finding, fail, ok
from edge.errors import ConfigError, EdgeError
from edge.readers.opening import WITH_MODEL
from edge.settings import Settings, load

#: No neighbour may hold up the rest for longer; loading ocr takes 2 to 6 s on two cores, a model of 20 GB minutes.
LIMIT_S = 60.0
LIMIT_WITH_MODEL_S = 300.0
BROKER_S = 5.0

Check = Callable[[], Finding]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--json` for machines."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line: check, level, said, do, facts")
    parser.epilog = "exit codes: 0 nothing fails (warnings may stand), 1 something fails, 78 the configuration is wrong"


def run(args: argparse.Namespace) -> int:
    """Check everything and print a line each."""
    log.configure("check", level="error")
    tell = _tell_json if args.json else _tell
    try:
        settings = load(args.config)
    except ConfigError as error:
        problems = error.problems
        said = f"{len(problems)} mistakes; nothing else was checked"
        tell("configuration", fail(said, "correct what is told on standard error", problems=problems))
        raise
    config_hash = settings.config_hash
    under = "" if settings.under is None else f", under release {settings.under.number}"
    tell("configuration", ok(f"{settings.path}{under}, hash {config_hash[:12]}", hash=config_hash))
    running = [(name, _start(check)) for name, check in checks(settings)]
    limit_s = LIMIT_WITH_MODEL_S if settings.reader.kind in WITH_MODEL else LIMIT_S
    begun_s = time.monotonic()
    levels: Counter[str] = Counter()
    for name, future in running:
        finding = _result(future, limit_s if name == "reader" else LIMIT_S, begun_s)
        levels[finding.level] += 1
        tell(name, finding)
    return 1 if levels["fail"] else 0


def checks(settings: Settings) -> list[tuple[str, Check]]:
    """What is checked, in the order in which it is printed."""
    runtime_dir = settings.paths.runtime
    return [
        *(
            (f"camera {name}", lambda name=name, config=config: camera.check(name, config, runtime_dir))
            for name, config in settings.cameras.items()
        ),
        *signals.checks(settings),
        *([("gpu", lambda: gpu.check(settings))] if gpu.is_wanted(settings) else []),
        ("reader", lambda: reader.check(settings)),
        ("broker", lambda: broker.check(settings, BROKER_S)),
        ("erp", lambda: erp.check(settings)),
        ("disk", lambda: disk.check(settings)),
        ("clock", clock.check),
        ("rights", lambda: rights.check(settings)),
        ("panel", lambda: panel.check(settings)),
        ("units", lambda: units.check(settings)),
    ]


def _tell(name: str, finding: Finding) -> None:
    print(f"{finding.level:<4}  {name:<13}  {finding.line}", flush=True)


def _tell_json(name: str, finding: Finding) -> None:
    line: dict[str, Any] = {"check": name, "level": finding.level, "said": finding.said, "do": finding.do}
    print(json.dumps({**line, "facts": dict(finding.facts)}, ensure_ascii=False, default=str), flush=True)


def _start(check: Check) -> Future[Finding]:
    future: Future[Finding] = Future()

    def work() -> None:
        try:
            future.set_result(check())
        except BaseException as error:  # noqa: BLE001 - it is told in the check's own line
            future.set_exception(error)

    # A daemon thread: a driver that hangs must not hold up the end of the command.
    threading.Thread(target=work, daemon=True).start()
    return future


def _result(future: Future[Finding], limit_s: float, begun_s: float) -> Finding:
    try:
        return future.result(timeout=max(0.0, begun_s + limit_s - time.monotonic()))
    except TimeoutError:
        return fail(f"gave no answer within {limit_s:.0f} s", "see whether its device or server hangs")
    except EdgeError as error:
        return Finding("fail", str(error))  # such a sentence says what to do itself
    except Exception as error:  # noqa: BLE001 - whatever it is, the other lines are still printed
        return fail(f"an error that edge does not know ({type(error).__name__})", "report it")
