"""The wires that the settings name, one adapter each; nothing is connected yet, and no library is loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from edge import sections_signals as tables
from edge.adapters.signals import LightSwitch, ResultOutput, SignalInput
from edge.adapters.signals_gpio import GpioInput, GpioLights, GpioResult
from edge.adapters.signals_modbus import ModbusInput, ModbusLights, ModbusResult, Plc
from edge.adapters.signals_opcua import Certificates, OpcuaInput, OpcuaResult, Server
from edge.core.trigger_input import InputRules

WiredTrigger = tables.GpioTrigger | tables.ModbusTrigger | tables.OpcuaTrigger


def open_input(config: WiredTrigger, now_us: Callable[[], int]) -> SignalInput:
    """The input that one `[triggers.NAME]` table describes."""
    match config:
        case tables.GpioTrigger():
            return GpioInput(config.chip, config.line, active_low=config.active_low, bias=config.bias)
        case tables.ModbusTrigger():
            return ModbusInput(
                _plc(config),
                address=config.address,
                is_coil=config.table == "coil",
                poll_ms=config.poll_ms,
                acknowledge=config.acknowledge,
                now_us=now_us,
            )
        case tables.OpcuaTrigger():
            return OpcuaInput(_server(config), config.node, publish_ms=config.publish_ms, now_us=now_us)
        case _:
            assert_never(config)


def input_rules(config: tables.Trigger) -> InputRules:
    """How an input is listened to; one that is acknowledged, or seen, does not bounce."""
    bounces = not isinstance(config, tables.FreeTrigger) and not getattr(config, "acknowledge", False)
    return InputRules(getattr(config, "debounce_ms", 0) * 1000 if bounces else 0, config.max_per_s)


def open_result(config: tables.Result) -> ResultOutput | None:
    """The lines that `[result]` describes; None where there are none."""
    match config:
        case tables.NoResult():
            return None
        case tables.GpioResult():
            return GpioResult(config.chip, config.lines, active_low=config.active_low)
        case tables.ModbusResult():
            return ModbusResult(_plc(config), coils=config.coils, registers=config.registers)
        case tables.OpcuaResult():
            return OpcuaResult(_server(config), config.nodes)
        case _:
            assert_never(config)


def open_lights(config: tables.Lights) -> LightSwitch | None:
    """What switches the lights of `[lights]`; None where the camera does, or nothing."""
    match config:
        case tables.NoLights() | tables.CameraLights():
            return None
        case tables.GpioLights():
            return GpioLights(config.chip, config.lines, active_low=config.active_low)
        case tables.ModbusLights():
            return ModbusLights(_plc(config), config.coils)
        case _:
            assert_never(config)


def _plc(config: tables.Modbus) -> Plc:
    return Plc(config.host, config.port, config.unit, config.timeout_ms)


def _server(config: tables.Opcua) -> Server:
    def password() -> str | None:
        secret = config.password
        return None if secret is None else secret.get_secret_value()

    own, key, server = config.cert_file, config.key_file, config.server_cert_file
    certificates = None if own is None or key is None or server is None else Certificates(own, key, server)
    return Server(config.url, config.username, password, config.timeout_ms, certificates)
