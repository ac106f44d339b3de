"""The demo's projector as a process: PJLink class 2 over TCP. Its lamp remembers its hours in a file."""

import argparse
import time
from pathlib import Path

from controller.demo.farends.faults import Fault
from controller.demo.farends.pjlink_server import PjlinkServer
from controller.demo.farends.projector_model import PARTS, Projector, Settings
from controller.demo.farends.switch import Switch

_LOOK_S = 0.25
"""How often the switch is looked at."""
_NEW_LAMP_H = 1200.0
_PART = {
    Fault.LAMP: ("lamp", 2),
    Fault.TOO_HOT: ("temperature", 2),
    Fault.FILTER: ("filter", 1),
    Fault.COVER: ("cover", 2),
}
"""Which part tells what of itself: 1 warning, 2 error."""


def throw(fault: Fault, server: PjlinkServer) -> None:
    """Give the projector this fault and no other."""
    projector = server.projector
    projector.errors = dict.fromkeys(PARTS, 0)
    if fault in _PART:
        part, level = _PART[fault]
        projector.errors[part] = level
    server.fault = fault if fault in (Fault.FROZEN, Fault.GARBAGE) else "none"
    if fault is Fault.UNPLUGGED:
        server.unplug()
    else:
        server.plug()


class LampHours:
    """How long the lamp has burned, in a file that outlives the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.kept = float(path.read_text("utf-8"))
        except (OSError, ValueError):
            self.kept = _NEW_LAMP_H

    def keep(self, hours: float) -> None:
        """Write it down with each tenth of an hour."""
        if hours - self.kept >= 0.1:
            self.kept = hours
            self._path.write_text(f"{hours:.2f}", "utf-8")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="farends projector", description="A projector that speaks PJLink")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--switch", type=Path, required=True, help="the file that says which fault it has")
    parser.add_argument("--lamp", type=Path, required=True, help="the file that remembers the lamp's hours")
    parser.add_argument("--speed", type=float, default=1.0, help="how much faster than real it warms up and ages")
    options = parser.parse_args(arguments)
    lamp, switch, clock = LampHours(options.lamp), Switch(options.switch), time.monotonic
    settings = Settings(
        warm_up_s=30.0 / options.speed,
        cool_down_s=60.0 / options.speed,
        name="FabLab",
        model="Fabfleet demo",
        lamp_hours=lamp.kept,
        lamp_ages=options.speed,
    )
    server = PjlinkServer(Projector(settings, clock()), (options.host, options.port), clock=clock)
    print(f"projector at tcp://{options.host}:{server.port}", flush=True)
    while True:
        fault = switch.thrown()
        if fault is not None:
            throw(fault, server)
        lamp.keep(server.projector.lamp_hours(server.turn(_LOOK_S)))
