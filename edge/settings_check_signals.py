"""The rules between the keys of `[triggers]`, `[result]` and `[lights]`, and the cameras (L13)."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping

from edge import sections_signals as tables
from edge.sections_cameras import AravisCamera, Camera, FileCamera, PylonCamera
from edge.settings_check_files import pem, secret
from edge.toml_file import Key, Problem

#: What each kind of wire needs: the module, and the extra that installs it.
_LIBRARIES: Mapping[str, tuple[str, str]] = {
    "gpio": ("gpiod", "gpio"),
    "modbus": ("pymodbus", "plc"),
    "opcua": ("asyncua", "plc"),
}
#: Without these three a PLC cannot tell a part that failed from a station that is silent.
_RESULTS = ("pass", "fail", "hold")
#: Entries by what says where they end: two at one place is a mistake.
_Places = list[tuple[Key, str]]


def problems(
    triggers: Mapping[str, tables.Trigger], result: tables.Result, lights: tables.Lights, camera: Camera | None
) -> Iterator[Problem]:
    """Everything that is wrong with the wires; `camera` is the station's, None where it is wrong itself."""
    all_tables = {("triggers", name): one for name, one in triggers.items()}
    for key, one in [*all_tables.items(), (("result",), result), (("lights",), lights)]:
        yield from _table(key, one)
    for name, trigger in triggers.items():
        yield from _trigger(name, trigger)
    free = [name for name, one in triggers.items() if isinstance(one, tables.FreeTrigger)]
    if len(free) > 1:
        yield Problem(
            ("triggers", free[1], "kind"), f"is free, and so is that of triggers.{free[0]}; one camera, one of them"
        )
    if free and isinstance(camera, FileCamera):
        yield Problem(
            ("triggers", free[0], "kind"), "is free, and the station's camera is of kind file; use a live one"
        )
    yield from _result(result)
    yield from _lights(lights, camera)
    yield from _twice([*_inputs(triggers), *_outputs(result, lights)])


def _certificates(key: Key, table: tables.Opcua) -> Iterator[Problem]:
    """The three files of an encrypted session belong together."""
    files = {name: getattr(table, name) for name in ("cert_file", "key_file", "server_cert_file")}
    for name, file in files.items():
        yield from pem(file, *key, name)
    missing = [name for name, file in files.items() if file is None]
    if missing and len(missing) < len(files):
        yield Problem((*key, missing[0]), "is missing; cert_file, key_file and server_cert_file belong together")


def _table(key: Key, table: tables.Trigger | tables.Result | tables.Lights) -> Iterator[Problem]:
    needed = _LIBRARIES.get(table.kind)
    if needed is not None and importlib.util.find_spec(needed[0]) is None:
        module, extra = needed
        yield Problem((*key, "kind"), f"is {table.kind}, which needs {module}: pip install 'edge-inspection[{extra}]'")
    if isinstance(table, tables.Opcua):
        opcua = table
        if opcua.username is not None or opcua.password_file is not None:
            yield from secret(lambda: opcua.password, *key, "password_file")
        yield from _certificates(key, opcua)
        if opcua.username is None and opcua.password_file is not None:
            yield Problem((*key, "username"), "is missing, but there is a password; add it")


def _trigger(name: str, trigger: tables.Trigger) -> Iterator[Problem]:
    key = ("triggers", name)
    if isinstance(trigger, tables.ModbusTrigger) and trigger.acknowledge and trigger.table != "coil":
        yield Problem((*key, "acknowledge"), "is true, and a discrete_input cannot be written; set table to coil")
    if isinstance(trigger, tables.FreeTrigger) and trigger.vanishes_at >= trigger.appears_at:
        yield Problem(
            (*key, "vanishes_at"), f"is {trigger.vanishes_at}, but must be less than appears_at, {trigger.appears_at}"
        )


def _result(result: tables.Result) -> Iterator[Problem]:
    match result:
        case tables.GpioResult():
            shown, key = set[str](result.lines), "lines"
        case tables.OpcuaResult():
            shown, key = set[str](result.nodes), "nodes"
        case _:
            return
    missing = [name for name in _RESULTS if name not in shown]
    if missing:
        yield Problem(("result", key), f"lacks {', '.join(missing)}; pass, fail and hold must each be shown")


def _lights(lights: tables.Lights, camera: Camera | None) -> Iterator[Problem]:
    if camera is None or isinstance(lights, tables.NoLights):
        return
    key, names = ("coils", lights.coils) if isinstance(lights, tables.ModbusLights) else ("lines", lights.lines)
    if camera.light not in names:
        yield Problem(
            ("lights", key),
            f"has no {camera.light}, which is the camera's light for the first frame; add it, or set another there",
        )
    if isinstance(lights, tables.CameraLights) and not isinstance(camera, PylonCamera | AravisCamera):
        yield Problem(
            ("lights", "kind"),
            f"is camera, and the station's camera is of kind {camera.kind}; only pylon and aravis have output lines",
        )


def _inputs(triggers: Mapping[str, tables.Trigger]) -> _Places:
    places: _Places = []
    for name, one in triggers.items():
        match one:
            case tables.GpioTrigger():
                places.append((("triggers", name, "line"), _at(one, f"line {one.line}")))
            case tables.ModbusTrigger():
                places.append((("triggers", name, "address"), _at(one, f"{one.table} {one.address}")))
            case tables.OpcuaTrigger():
                places.append((("triggers", name, "node"), _at(one, f"node {one.node}")))
    return places


def _outputs(result: tables.Result, lights: tables.Lights) -> _Places:
    places: _Places = []
    match result:
        case tables.GpioResult():
            places += [(("result", "lines", name), _at(result, f"line {line}")) for name, line in result.lines.items()]
        case tables.ModbusResult():
            places += [(("result", "coils"), _at(result, f"coil {result.coils + place}")) for place in range(6)]
        case tables.OpcuaResult():
            places += [(("result", "nodes", name), _at(result, f"node {node}")) for name, node in result.nodes.items()]
    match lights:
        case tables.GpioLights():
            places += [(("lights", "lines", name), _at(lights, f"line {line}")) for name, line in lights.lines.items()]
        case tables.ModbusLights():
            places += [(("lights", "coils", name), _at(lights, f"coil {coil}")) for name, coil in lights.coils.items()]
        case tables.CameraLights():
            places += [(("lights", "lines", name), f"line {line} of the camera") for name, line in lights.lines.items()]
    return places


def _at(end: tables.Gpio | tables.Modbus | tables.Opcua, what: str) -> str:
    """A place at the other end of a wire; the same place in another table has the same name."""
    match end:
        case tables.Gpio():
            return f"{what} of {end.chip}"
        case tables.Modbus():
            return f"{what} of {end.host}:{end.port} unit {end.unit}"
        case tables.Opcua():
            return f"{what} of {end.url}"


def _twice(places: _Places) -> Iterator[Problem]:
    """Two signals at one place."""
    known: dict[str, Key] = {}
    for key, place in places:
        if place in known:
            yield Problem(
                key, f"is {place}, and so is {'.'.join(known[place])}; give each its own", needs=(known[place],)
            )
        known.setdefault(place, key)
