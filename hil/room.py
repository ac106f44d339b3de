"""A room with a device of every family: their far ends, and what an agent is told of them."""

import json
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil.farends import cutter, klipper_printer, microbit, octoprint_server, printer, snmp_agents
from hil.farends.board import Board, MissingFarEnd
from hil.farends.broker_device import Broker, EspHome, Tasmota
from hil.farends.prusalink_server import KEY, PrusalinkServer
from hil.farends.resolver import Resolver
from hil.farends.simulated_equipment import SimulatedEquipment
from hil.farends.simulated_projector import SimulatedProjector

MISSING = (MissingFarEnd, microbit.MissingFarEnd, snmp_agents.MissingFarEnd, OSError, subprocess.SubprocessError)
"""What a room raises when one of its far ends cannot be had."""
BOARD_SPEED = 0.25
"""Of real time: a board at full speed takes half of a core."""
_DEMONSTRATION = (
    *("demo/robot-kit", "demo/air-sensor", "demo/access-point"),
    *("demo/interactive-board", "demo/laser-cutter", "demo/classroom-pc"),
)
_PATIENT: Mapping[str, Any] = {"reply_s": 10.0}


@dataclass(frozen=True, slots=True)
class Device:
    """One of the room's, as the agent's configuration has it."""

    id: str
    profile: str
    endpoint: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        options = ", ".join(f"{name} = {json.dumps(value)}" for name, value in self.options.items())
        return (
            f'[[devices]]\nid = "{self.id}"\nprofile = "{self.profile}"\nendpoint = "{self.endpoint}"\n'
            f"options = {{ {options} }}\n"
        )


class Room:
    """Its far ends run until `stack` is closed. `server_port` is where the agent's own server is. Raises MISSING."""

    def __init__(self, folder: Path, server_port: int, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.devices = (
            *self._computer(server_port),
            *self._printers(),
            *self._workshop(),
            *self._displays(),
            *self._on_the_network(),
            *(Device(slug.replace("/", "-"), slug, "sim:room", {"fault_every": 0}) for slug in _DEMONSTRATION),
        )

    def polls_heard(self) -> dict[str, int]:
        """By device, of those that tell: how often it was asked for what each poll asks once."""

        def times(equipment: SimulatedEquipment, request: bytes) -> int:
            return b"".join(equipment.heard()).count(request)

        return {
            "projector": len(self._projector.heard("%1POWR ?")),
            "printer-prusalink": sum(line.startswith("GET /api/v1/status") for line in tuple(self._prusalink.heard)),
            "display": times(self._display, b"\xaa\x00\x01\x00"),
            "projector-serial": times(self._serial, b"PWR?"),
            "plug": times(self._plug, b"Switch.GetStatus"),
        }

    def _computer(self, server_port: int) -> tuple[Device, ...]:
        resolver = self._stack.enter_context(Resolver())
        server = {"controller_host": "127.0.0.1", "controller_port": server_port}
        names = {"resolvers": ["127.0.0.1"], "dns_port": resolver.port}
        return (
            Device("computer", "computer/classroom-pc"),
            Device("network", "network/uplink", options={**server, **names}),
        )

    def _printers(self) -> tuple[Device, ...]:
        klipper = klipper_printer.SimulatedKlipper(self._folder / "klipper")
        self._stack.callback(klipper.close)
        octoprint = octoprint_server.SimulatedOctoprint(self._folder / "octoprint")
        self._stack.callback(octoprint.close)
        marlin = printer.SimulatedPrinter(self._folder / "marlin")
        self._stack.callback(marlin.close)
        self._prusalink = PrusalinkServer()
        self._stack.callback(self._prusalink.close)
        return (
            Device("printer", "creality/ender-3", str(marlin.link), printer.PROMPT),
            Device("printer-klipper", "klipper/printer", klipper.endpoint, _PATIENT),
            Device("printer-octoprint", "octoprint/printer", octoprint.endpoint, {"key": octoprint_server.KEY}),
            Device("printer-prusalink", "prusa/mk4", self._prusalink.endpoint, {**_PATIENT, "key": KEY}),
        )

    def _workshop(self) -> tuple[Device, ...]:
        laser = cutter.SimulatedCutter(self._folder / "laser")
        self._stack.callback(laser.close)
        board = Board(self._folder, "uno", "board", BOARD_SPEED)
        self._stack.callback(board.close)
        board.voltage(0, 1.0)
        kit = microbit.Microbit(self._folder)
        self._stack.callback(kit.close)
        self._plug = self._equipment("shelly")
        return (
            Device("laser", "grbl/laser", str(laser.link), {"silence_s": 10.0}),
            Device("board", "arduino/uno", board.endpoint, {"reply_s": 20.0, "boot_s": 90.0}),
            Device("kit", "bbc/microbit", kit.endpoint, microbit.PATIENT),
            Device("plug", "shelly/plus-plug-s", self._plug.endpoint, _PATIENT),
            Device("plug-laser", "tasmota/plug", self._equipment("tasmota").endpoint, _PATIENT),
        )

    def _displays(self) -> tuple[Device, ...]:
        self._projector = SimulatedProjector()
        self._stack.callback(self._projector.close)
        self._display, self._serial = self._equipment("samsung"), self._equipment("epson")
        return (
            Device("projector", "pjlink/projector", self._projector.endpoint, _PATIENT),
            Device("projector-serial", "epson/escvp21", self._serial.endpoint, _PATIENT),
            Device("display", "samsung/qb", self._display.endpoint, _PATIENT),
        )

    def _on_the_network(self) -> tuple[Device, ...]:
        host = snmp_agents.NetSnmp(self._folder)
        self._stack.callback(host.close)
        switch = snmp_agents.SnmpSim(self._folder)
        self._stack.callback(switch.close)
        broker = Broker(self._folder)
        self._stack.callback(broker.kill)
        for node in (EspHome(broker), Tasmota(broker)):
            self._stack.callback(node.close)
        by_broker = f"mqtt://127.0.0.1:{broker.port}"
        traps = {"trap_port": snmp_agents.free_port()}
        return (
            Device("computer-snmp", "net-snmp/host", host.endpoint, {**snmp_agents.PROMPT, **snmp_agents.V3, **traps}),
            Device("switch", "generic/poe-switch", switch.endpoint, {**snmp_agents.PROMPT, "community": "switch"}),
            Device("air", "esphome/air-sensor", f"{by_broker}/air-206", {"discover_s": 5.0}),
            Device("plug-mqtt", "mqtt/device", f"{by_broker}/tasmota_0001", {"discover_s": 5.0}),
        )

    def _equipment(self, kind: str) -> SimulatedEquipment:
        made = SimulatedEquipment(kind)
        self._stack.callback(made.close)
        return made
