"""The tables `[triggers.NAME]`, `[result]` and `[lights]` of `edge.toml`: what goes over wires to and from the line."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from edge import secrets
from edge.section_types import FilePath, LongName, Name, Port, Table, Whole, host_name, url_of

_TRIGGER_KIND = "Kind of the trigger: gpio, modbus, opcua, or free (a plate appears in the camera's picture)."
_RESULT_KIND = "Kind of the lines to the PLC: none, gpio, modbus or opcua."
_LIGHTS_KIND = "Kind of the lights' switch: none (the camera has its own, or none), gpio, modbus or camera."
_NODE = re.compile(r"(ns=\d+;)?[isgb]=.+")

#: What a result line may be; pass, fail and hold there must be.
LineName = Literal["pass", "fail", "hold", "busy", "heartbeat", "fit"]
#: What a node of an OPC UA server may be shown beside the lines.
NodeName = Literal["pass", "fail", "hold", "busy", "heartbeat", "fit", "code", "number", "inspection_id"]


def _device(text: str) -> str:
    if not text.startswith("/dev/"):
        raise ValueError("names no chip; write its device file, such as /dev/gpiochip0")
    return text


def _node(text: str) -> str:
    if not _NODE.fullmatch(text):
        raise ValueError("is no node id; write it as the PLC's browser shows it, such as ns=2;s=Station1.Trigger")
    return text


def _line(value: object) -> object:
    if isinstance(value, bool) or (isinstance(value, str) and not value):
        raise ValueError("is no line; write its number on the chip, or its name in quotes")
    return value


Chip = Annotated[str, Field(max_length=256), AfterValidator(_device)]
Line = Annotated[Annotated[int, Field(ge=0, le=1023)] | Name, BeforeValidator(_line)]
Node = Annotated[str, Field(max_length=512), AfterValidator(_node)]
Address = Annotated[Whole, Field(ge=0, le=65_535)]
OpcuaUrl = Annotated[str, Field(max_length=2048), url_of("opc.tcp")]


class Gpio(Table):
    """A GPIO chip of this PC."""

    chip: Chip = Field(description="Device file of the GPIO chip; gpiodetect lists them.")
    active_low: bool = Field(
        default=False, description="Whether a line is active while its voltage is low; true or false."
    )


class Modbus(Table):
    """A PLC by Modbus TCP."""

    host: Annotated[str, AfterValidator(host_name)] = Field(description="Host of the PLC (Modbus TCP).")
    port: Port = Field(default=502, description="Port of the PLC (1 to 65535).")
    unit: Whole = Field(default=1, ge=0, le=255, description="Unit id of the PLC (0 to 255).")
    timeout_ms: Whole = Field(
        default=500, ge=20, le=10_000, description="The PLC is away when it is silent for longer, ms (20 to 10000)."
    )


class Opcua(Table):
    """A PLC's OPC UA server."""

    url: OpcuaUrl = Field(description="Address of the PLC's OPC UA server: opc.tcp://HOST:PORT/PATH.")
    username: LongName | None = Field(default=None, description="User name at the server; unset: anonymous.")
    password_file: FilePath | None = Field(
        default=None, description="File that holds the password; unset: the credential plc_password, or none."
    )
    cert_file: FilePath | None = Field(
        default=None,
        description="This station's certificate (PEM, RSA); unset: nothing is signed or encrypted.",
    )
    key_file: FilePath | None = Field(default=None, description="The key of this certificate (PEM), no passphrase.")
    server_cert_file: FilePath | None = Field(
        default=None, description="The server's own certificate (PEM), the only one that is believed."
    )
    timeout_ms: Whole = Field(
        default=1000, ge=50, le=10_000, description="The PLC is away when it is silent for longer, ms (50 to 10000)."
    )

    @property
    def password(self) -> SecretStr | None:
        """The password, read anew at each use; None where there is none.

        Raises:
            ConfigError: `password_file` cannot be read.
        """
        return secrets.find(self.password_file, "plc_password", "password_file")


class _Trigger(Table):
    max_per_s: Whole = Field(
        default=20,
        ge=1,
        le=1000,
        description="More triggers in a second are a storm: counted, told, and not inspected (1 to 1000).",
    )


class _Input(_Trigger):
    debounce_ms: Whole = Field(
        default=5, ge=0, le=1000, description="A signal counts once it has stayed this long, ms (0 to 1000)."
    )


class GpioTrigger(_Input, Gpio):
    """A digital input of this PC triggers as it becomes active."""

    kind: Literal["gpio"] = Field(description=_TRIGGER_KIND)
    line: Line = Field(description="The input's number on the chip, or its name.")
    bias: Literal["as_is", "disabled", "pull_up", "pull_down"] = Field(
        default="as_is", description="Resistor at the input: as_is, disabled, pull_up or pull_down."
    )


class ModbusTrigger(_Input, Modbus):
    """A bit of the PLC by Modbus TCP triggers as it becomes 1."""

    kind: Literal["modbus"] = Field(description=_TRIGGER_KIND)
    table: Literal["coil", "discrete_input"] = Field(
        default="coil", description="Where the bit is: coil or discrete_input."
    )
    address: Address = Field(description="Address of the bit, from 0 (0 to 65535).")
    poll_ms: Whole = Field(
        default=10, ge=1, le=1000, description="The bit is read this often, ms (1 to 1000); shorter pulses are missed."
    )
    acknowledge: bool = Field(
        default=False,
        description="Whether edge sets the coil to 0 once the trigger is on its disk, so that none is missed.",
    )


class OpcuaTrigger(_Input, Opcua):
    """A Boolean node of the PLC's OPC UA server triggers as it becomes true; by subscription."""

    kind: Literal["opcua"] = Field(description=_TRIGGER_KIND)
    node: Node = Field(description="Node id of the Boolean, as ns=2;s=Station1.Trigger.")
    publish_ms: Whole = Field(
        default=20, ge=1, le=1000, description="The server tells of changes this often, ms (1 to 1000)."
    )


class FreeTrigger(_Trigger):
    """No wire: a plate that appears in the camera's picture, and stands still, triggers."""

    kind: Literal["free"] = Field(description=_TRIGGER_KIND)
    look_every_ms: Whole = Field(
        default=100, ge=20, le=5000, description="The camera is looked through this often, ms (20 to 5000)."
    )
    settle_looks: Whole = Field(
        default=2,
        ge=1,
        le=20,
        description="So many looks in a row must agree that a plate is there, or gone (1 to 20).",
    )
    appears_at: Whole = Field(
        default=5, ge=1, le=100, description="Share of the picture with text-like edges that is a plate, % (1 to 100)."
    )
    vanishes_at: Whole = Field(
        default=2, ge=1, le=99, description="Share below which the place is empty again, % (1 to 99)."
    )


Trigger = Annotated[GpioTrigger | ModbusTrigger | OpcuaTrigger | FreeTrigger, Field(discriminator="kind")]


class _Result(Table):
    style: Literal["pulse", "level"] = Field(
        default="pulse", description="How a result is shown: pulse, or level (until the next trigger)."
    )
    pulse_ms: Whole = Field(default=200, ge=10, le=10_000, description="Length of a pulse, ms (10 to 10000).")
    gap_ms: Whole = Field(
        default=50, ge=0, le=5000, description="Least time between two results with no line set, ms (0 to 5000)."
    )
    heartbeat_ms: Whole = Field(
        default=500,
        ge=50,
        le=10_000,
        description="The heartbeat changes this often while the station is fit, ms (50 to 10000).",
    )


class NoResult(_Result):
    """Lines to the PLC that show the result of each part, and that the station lives."""

    kind: Literal["none"] = Field(default="none", description=_RESULT_KIND)


class GpioResult(_Result, Gpio):
    """Result lines at digital outputs of this PC."""

    kind: Literal["gpio"] = Field(description=_RESULT_KIND)
    lines: dict[LineName, Line] = Field(
        description="Lines by what they show: pass, fail, hold; and busy, heartbeat, fit where they are wired."
    )


class ModbusResult(_Result, Modbus):
    """Result lines as coils of the PLC by Modbus TCP: pass, fail, hold, busy, heartbeat, fit in a row."""

    kind: Literal["modbus"] = Field(description=_RESULT_KIND)
    coils: Address = Field(description="Address of the first of the six coils, from 0 (0 to 65535).")
    registers: Address | None = Field(
        default=None, description="Address of two holding registers, code and number of the outcome; unset: none."
    )


class OpcuaResult(_Result, Opcua):
    """Result lines as nodes of the PLC's OPC UA server."""

    kind: Literal["opcua"] = Field(description=_RESULT_KIND)
    nodes: dict[NodeName, Node] = Field(
        description="Nodes: pass, fail, hold; and busy, heartbeat, fit, code, number, inspection_id where there are."
    )


Result = Annotated[NoResult | GpioResult | ModbusResult | OpcuaResult, Field(discriminator="kind")]


class _Lights(Table):
    settle_ms: Whole = Field(
        default=20,
        ge=0,
        le=2000,
        description="A light needs so long from its switching to its full strength, ms (0 to 2000).",
    )


class NoLights(_Lights):
    """The lights that a retake may choose from, where edge switches them."""

    kind: Literal["none"] = Field(default="none", description=_LIGHTS_KIND)


class GpioLights(_Lights, Gpio):
    """Lights at digital outputs of this PC."""

    kind: Literal["gpio"] = Field(description=_LIGHTS_KIND)
    lines: dict[Name, Line] = Field(
        min_length=1, description="Lines by the name of their light: normal, off_axis, diffuse."
    )


class ModbusLights(_Lights, Modbus):
    """Lights at coils of the PLC, or of a remote I/O block, by Modbus TCP."""

    kind: Literal["modbus"] = Field(description=_LIGHTS_KIND)
    coils: dict[Name, Address] = Field(
        min_length=1, description="Addresses of coils, from 0, by the name of their light."
    )


class CameraLights(_Lights):
    """Lights at output lines of a camera of kind pylon or aravis, on while it exposes."""

    kind: Literal["camera"] = Field(description=_LIGHTS_KIND)
    lines: dict[Name, Name] = Field(
        min_length=1, description="Output lines (SFNC LineSelector) by the name of their light."
    )


Lights = Annotated[NoLights | GpioLights | ModbusLights | CameraLights, Field(discriminator="kind")]
