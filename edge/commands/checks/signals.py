"""The wires: each trigger's input, the PLC that results go to, and what switches the lights.

A wire whose process runs belongs to that process: what it says counts. Else it is opened once, and let go; nothing is
written but clear result lines, and no light is switched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from edge.adapters.database import monotonic_us
from edge.commands.checks.finding import Finding, fail, judged, ok
from edge.commands.checks.running import heard
from edge.core.result_lines import Lines
from edge.sections_signals import FreeTrigger, Trigger
from edge.services.signals_wires import open_input, open_lights, open_result
from edge.settings import Settings

Check = Callable[[], Finding]


def checks(settings: Settings) -> Iterator[tuple[str, Check]]:
    """A line for each wire of the station; none where it has none."""
    runtime_dir = settings.paths.runtime
    for name, trigger in settings.triggers.items():
        yield f"trigger {name}", partial(_trigger, name, trigger, settings)
    if settings.result.kind != "none":
        yield "result", lambda: _running("result", runtime_dir) or _result(settings)
    if settings.lights.kind in {"gpio", "modbus"}:
        yield "lights", lambda: _running("lights", runtime_dir) or _lights(settings)


def _trigger(name: str, trigger: Trigger, settings: Settings) -> Finding:
    if isinstance(trigger, FreeTrigger):
        return _free(name, settings)
    running = _running(f"trigger {name}", settings.paths.runtime)
    if running is not None:
        return running
    link = open_input(trigger, monotonic_us)
    try:
        begun_s = time.monotonic()
        active = link.open()
        ms = (time.monotonic() - begun_s) * 1000
    finally:
        link.close()
    doubts = ["a part is in place, or the signal is inverted; see active_low and the wiring"] if active else []
    return judged(f"{trigger.kind}, {'active' if active else 'not active'}, in {ms:.0f} ms", doubts, active=active)


def _free(name: str, settings: Settings) -> Finding:
    beat = heard(settings.paths.runtime, f"capture-{settings.station.camera}")
    if beat is None:
        return ok(f"a plate before camera {settings.station.camera}; its process does not run", running=False)
    looks, appeared = beat.facts.get("looks", 0), beat.facts.get("appeared", 0)
    doubts = [] if looks else [f"no look was taken yet; see camera {settings.station.camera}"]
    return judged(f"free, {appeared} plates in {looks} looks", doubts, looks=looks, appeared=appeared, source=name)


def _result(settings: Settings) -> Finding:
    output = open_result(settings.result)
    assert output is not None  # asked for only where there is one
    try:
        begun_s = time.monotonic()
        output.open()
        output.write(Lines())
        ms = (time.monotonic() - begun_s) * 1000
    finally:
        output.close()
    slow = [f"a result takes {ms:.0f} ms to be there, and a pulse lasts {settings.result.pulse_ms}; see its network"]
    return judged(
        f"{settings.result.kind}, clear lines written in {ms:.0f} ms",
        slow if ms > settings.result.pulse_ms else [],
        ms=round(ms, 1),
    )


def _lights(settings: Settings) -> Finding:
    switch = open_lights(settings.lights)
    assert switch is not None  # asked for only where there is one
    try:
        switch.open()
    finally:
        switch.close()
    return ok(f"{settings.lights.kind}, reached; no light was switched")


def _running(wire: str, runtime_dir: Path) -> Finding | None:
    """What the process that holds the wire says of it; None where it does not run."""
    beat = heard(runtime_dir, "signals")
    if beat is None:
        return None
    state = dict(beat.facts.get("wires", {})).get(wire, "unknown")
    facts: dict[str, Any] = {"state": state, "running": True}
    if state != "open":
        return fail(
            f"its process runs, and the wire is {state}", str(beat.facts.get("problem") or "see its log"), **facts
        )
    return ok("open, held by its process", **facts)
