"""The settings as text for people, made from the models: `config/edge.toml` with every key, and the manual's table.

`python -m edge.settings_text` writes both anew; a test compares.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from edge import (
    sections,
    sections_alarm,
    sections_broker,
    sections_cameras,
    sections_erp,
    sections_panel,
    sections_release,
    sections_signals,
)
from edge.products import Gate
from edge.settings import Settings

_HEAD = """\
# The settings of one station. Every key is here; a key behind a # is unset, and shows an example.
# The environment goes before this file: EDGE_STATION__NAME sets station.name.
# Secrets stand in files of their own, never here. `edge check` tells what is wrong, all at once.
"""
_BEGIN = "<!-- keys: made by `python -m edge.settings_text` -->"
_END = "<!-- end of keys -->"
#: Tables in the file's order; those behind a # show what another kind of camera or ERP is set to.
_TABLES: tuple[tuple[str, type[BaseModel], bool], ...] = (
    ("station", sections.Station, True),
    ("paths", sections.Paths, True),
    ("cameras.front", sections_cameras.SimulatedCamera, True),
    ("cameras.desk", sections_cameras.FileCamera, False),
    ("cameras.hall", sections_cameras.RtspCamera, False),
    ("cameras.usb", sections_cameras.UvcCamera, False),
    ("cameras.top", sections_cameras.PylonCamera, False),
    ("cameras.side", sections_cameras.AravisCamera, False),
    ("triggers.sensor", sections_signals.GpioTrigger, False),
    ("triggers.plc", sections_signals.ModbusTrigger, False),
    ("triggers.server", sections_signals.OpcuaTrigger, False),
    ("triggers.eye", sections_signals.FreeTrigger, False),
    ("result", sections_signals.NoResult, True),
    ("result", sections_signals.GpioResult, False),
    ("result", sections_signals.ModbusResult, False),
    ("result", sections_signals.OpcuaResult, False),
    ("lights", sections_signals.NoLights, True),
    ("lights", sections_signals.GpioLights, False),
    ("lights", sections_signals.ModbusLights, False),
    ("lights", sections_signals.CameraLights, False),
    ("reader", sections.Reader, True),
    ("reader.remote", sections.RemoteReader, False),
    ("reader.pool", sections.PoolReader, False),
    ("gate", Gate, True),
    ("retake", sections.Retake, True),
    ("accept", sections.Accept, True),
    ("alarm", sections_alarm.Alarm, True),
    ("erp", sections_erp.NoErp, True),
    ("erp", sections_erp.CsvErp, False),
    ("erp", sections_erp.SqlErp, False),
    ("erp", sections_erp.RestErp, False),
    ("erp.oauth", sections_erp.OAuth, False),
    ("erp.listing", sections_erp.RestListing, False),
    ("mqtt", sections.Mqtt, True),
    ("mqtt.tls", sections_broker.Tls, False),
    ("messenger", sections.Messenger, True),
    ("evidence", sections.Evidence, True),
    ("keep", sections.Keep, True),
    ("record", sections.Record, True),
    ("panel", sections_panel.Panel, True),
    ("panel.tls", sections_panel.PanelTls, False),
    ("release", sections_release.TrustedReleases, True),
    ("log", sections.Log, True),
)
#: Tables inside tables, which stand on their own.
_INNER = ("tls", "remote", "pool", "oauth", "listing")
#: Tables of which a station has one, of one of several kinds.
_KINDS = frozenset({"erp", "result", "lights"})
#: Values for keys that have no default; those of a key that is unset are examples.
_EXAMPLES: Mapping[str, Any] = {
    "station.site": "plant1",
    "station.line": "line1",
    "station.name": "station1",
    "station.camera": "front",
    "station.takt_ms": 6000,
    "cameras.front.kind": "simulated",
    "cameras.front.address": "ipc:///run/edge/camera.sock",
    "cameras.desk.kind": "file",
    "cameras.desk.path": "frames",
    "cameras.hall.kind": "rtsp",
    "cameras.hall.url": "rtsp://192.168.1.20:554/stream1",
    "cameras.hall.username": "edge",
    "cameras.hall.password_file": "/etc/edge/camera_password",
    "cameras.usb.kind": "uvc",
    "cameras.usb.device": "usb-MAKER_MODEL_SERIAL-video-index0",
    "cameras.usb.gain": 0,
    "cameras.usb.focus": 120,
    "cameras.top.kind": "pylon",
    "cameras.top.serial": "40012345",
    "cameras.top.features": {"PixelFormat": "Mono8", "ReverseX": True},
    "cameras.side.kind": "aravis",
    "cameras.side.serial": "40012345",
    "cameras.side.features": {"PixelFormat": "Mono8", "GevSCPSPacketSize": 8192},
    "triggers.sensor.kind": "gpio",
    "triggers.sensor.chip": "/dev/gpiochip0",
    "triggers.sensor.line": 17,
    "triggers.plc.kind": "modbus",
    "triggers.plc.host": "192.168.1.30",
    "triggers.plc.address": 0,
    "triggers.server.kind": "opcua",
    "triggers.server.url": "opc.tcp://192.168.1.31:4840",
    "triggers.server.node": "ns=2;s=Station1.Trigger",
    "triggers.server.username": "edge",
    "triggers.server.password_file": "/etc/edge/plc_password",
    "triggers.eye.kind": "free",
    "result.gpio.kind": "gpio",
    "result.gpio.chip": "/dev/gpiochip0",
    "result.gpio.lines": {"pass": 5, "fail": 6, "hold": 13, "heartbeat": 19},
    "result.modbus.kind": "modbus",
    "result.modbus.host": "192.168.1.30",
    "result.modbus.coils": 16,
    "result.modbus.registers": 100,
    "result.opcua.kind": "opcua",
    "result.opcua.url": "opc.tcp://192.168.1.31:4840",
    "result.opcua.username": "edge",
    "result.opcua.password_file": "/etc/edge/plc_password",
    "triggers.server.cert_file": "/etc/edge/opcua.pem",
    "triggers.server.key_file": "/etc/edge/opcua.key",
    "triggers.server.server_cert_file": "/etc/edge/plc.pem",
    "result.opcua.cert_file": "/etc/edge/opcua.pem",
    "result.opcua.key_file": "/etc/edge/opcua.key",
    "result.opcua.server_cert_file": "/etc/edge/plc.pem",
    "result.opcua.nodes": {
        "pass": "ns=2;s=Station1.Pass",
        "fail": "ns=2;s=Station1.Fail",
        "hold": "ns=2;s=Station1.Hold",
    },
    "lights.gpio.kind": "gpio",
    "lights.gpio.chip": "/dev/gpiochip0",
    "lights.gpio.lines": {"normal": 20, "off_axis": 21, "diffuse": 26},
    "lights.modbus.kind": "modbus",
    "lights.modbus.host": "192.168.1.30",
    "lights.modbus.coils": {"normal": 32, "off_axis": 33, "diffuse": 34},
    "lights.camera.kind": "camera",
    "lights.camera.lines": {"normal": "Line2", "off_axis": "Line3"},
    "reader.model": "/srv/models/GLM-4.6V-Flash",
    "reader.shared": "/run/edge-station2",
    "reader.remote.url": "http://127.0.0.1:8000",
    "reader.remote.model": "zai-org/GLM-4.6V-Flash",
    "reader.remote.key_file": "/etc/edge/reader_key",
    "reader.remote.redis_url": "redis://127.0.0.1:6379/0",
    "reader.remote.redis_password_file": "/etc/edge/redis_password",
    "reader.remote.ca_file": "/etc/edge/ca.pem",
    "reader.pool.url": "http://gpu-pool:8000",
    "reader.pool.ca_file": "/etc/edge/ca.pem",
    "accept.single_look_confidence": 0.98,
    "accept.single_look_rate": 0.01,
    "accept.calibration": "/etc/edge/calibration.json",
    "accept.false_accept_rate": {"1": 0.001, "2": 0.0001},
    "erp.columns": {"serial": "SERNR", "model": "MATNR"},
    "erp.used_column": "INSPECTED_AT",
    "erp.sync_every_s": 3600,
    "erp.csv.kind": "csv",
    "erp.csv.path": "/srv/erp/parts.csv",
    "erp.sql.kind": "sql",
    "erp.sql.url": "sqlite:////srv/erp/parts.db",
    "erp.sql.url_file": "/etc/edge/erp_url",
    "erp.sql.password_file": "/etc/edge/erp_password",
    "erp.sql.table": "parts",
    "erp.rest.kind": "rest",
    "erp.rest.url": "https://erp.example.com/api/v1",
    "erp.rest.lookup": "/parts/{serial}",
    "erp.rest.record": "/data",
    "erp.rest.known_serial": "TEST-0001",
    "erp.rest.api_key_file": "/etc/edge/erp_api_key",
    "erp.rest.ca_file": "/etc/edge/ca.pem",
    "erp.oauth.token_url": "https://login.example.com/oauth/token",
    "erp.oauth.client_id": "edge-station1",
    "erp.oauth.client_secret_file": "/etc/edge/erp_client_secret",
    "erp.oauth.scope": "parts.read",
    "erp.listing.path": "/parts?limit=500",
    "erp.listing.records": "/data/parts",
    "erp.listing.cursor": "/next",
    "erp.listing.parameter": "cursor",
    "keep.dead_letter_days": 365,
    "keep.serial_days": 3650,
    "mqtt.client_id": "edge-plant1-line1-station1",
    "mqtt.username": "station1",
    "mqtt.password_file": "/etc/edge/mqtt_password",
    "mqtt.tls.ca_file": "/etc/edge/ca.pem",
    "mqtt.tls.cert_file": "/etc/edge/station.pem",
    "mqtt.tls.key_file": "/etc/edge/station.key",
    "panel.token_file": "/etc/edge/panel_token",
    "panel.users_file": "/etc/edge/users",
    "panel.tls.cert_file": "/etc/edge/panel.pem",
    "panel.tls.key_file": "/etc/edge/panel.key",
}


def example() -> str:
    """The text of `config/edge.toml`."""
    lines = [_HEAD, *key_lines("", "version", Settings.model_fields["version"], value=1)]
    shown: set[str] = set()
    for name, model, active in _TABLES:
        mark = "" if active else "# "
        says = f" Kind {_kind(model)}:" if _kind(model) and not active else ""
        lines += ["", f"#{says} {model.__doc__}", f"{mark}[{name}]"]
        for key, info in sorted(model.model_fields.items(), key=lambda field: field[0] not in _first(model)):
            if f"{name}.{key}" in shown or key in _INNER:
                continue  # another kind of the same table has shown it
            example_key = f"{name}.{_kind(model)}.{key}" if name in _KINDS and not active else f"{name}.{key}"
            lines += key_lines(mark, key, info, value=_EXAMPLES.get(example_key))
            if active:
                shown.add(f"{name}.{key}" if key != "kind" else "")
    return "\n".join(lines) + "\n"


def key_lines(mark: str, name: str, info: FieldInfo, *, value: Any) -> Iterator[str]:
    """A key with its description above it; one that is unset stands behind a # and shows the value as an example."""
    default = None if info.is_required() else info.get_default(call_default_factory=False)
    unset = not info.is_required() and default in (None, "", {})
    shown = value if unset or info.is_required() else default
    yield from textwrap.wrap(info.description or "", 116, initial_indent="# ", subsequent_indent="# ")
    yield f"{mark or ('# ' if unset else '')}{name} = {_toml(50 if shown is None else shown)}"


def _kind(model: type[BaseModel]) -> str:
    kind = model.model_fields.get("kind")
    return "" if kind is None else str(kind.annotation.__args__[0])  # type: ignore[union-attr] # it is a Literal


def _first(model: type[BaseModel]) -> set[str]:
    """The keys of one kind alone, which come first: `kind`, then what it needs."""
    return set(model.__annotations__ if _kind(model) else model.model_fields)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, str | Path):
        return json.dumps(str(value), ensure_ascii=False)
    return json.dumps(value)


def manual() -> str:
    """The manual's table of keys, in Markdown."""
    rows = ["| key | meaning | unless set |", "| --- | --- | --- |"]
    seen: set[str] = set()
    for name, model, _ in _TABLES:
        whole, dot, _ = name.partition(".")
        table = f"{whole}.NAME" if dot and whole in {"cameras", "triggers"} else name
        for key, info in model.model_fields.items():
            if key in _INNER or f"{table}.{key}" in seen:
                continue
            seen.add(f"{table}.{key}")
            default = None if info.is_required() else info.get_default(call_default_factory=False)
            shown = "" if default in (None, {}, "") else f"`{default}`"
            stands = "must be set" if info.is_required() and key != "kind" else shown
            rows.append(f"| `{table}.{key}` | {info.description} | {stands} |")
    return "\n".join(rows) + "\n"


def in_manual(text: str) -> str:
    """The manual's text with the table of keys put anew between its marks, which stand at its end if there are none."""
    before, _, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2] if rest else "\n"
    heading = "" if rest else "\n## Configuration\n\n"
    return f"{before}{heading}{_BEGIN}\n{manual()}{_END}{after}"


def main() -> None:
    """Write both files anew, below the current folder."""
    Path("config/edge.toml").write_text(example(), encoding="utf-8")
    page = Path("docs/manual.md")
    page.write_text(in_manual(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
