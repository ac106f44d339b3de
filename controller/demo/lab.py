"""The demo lab: a printer and a projector as processes of their own, beside this real machine."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from controller.demo.alone import HOST
from controller.demo.children import Command
from controller.demo.cluster import LAB_NAMES
from controller.demo.farends.faults import FAULTS, PRINTER, PROJECTOR, Fault
from controller.demo.farends.switch import Switch
from controller.demo.keychain import FILE_NAME, gcode

_SPEED = 10
"""A print of a quarter of an hour takes a minute and a half, heating up a quarter of a minute."""


def switch(state: Path, machine: str) -> Switch:
    return Switch(state / "demo" / "faults" / machine)


@dataclass(frozen=True, slots=True)
class Lab:
    """Where the machines are to be found during one run of the demo."""

    state: Path
    printer_port: int
    projector_port: int

    @property
    def sample(self) -> Path:
        """A file to print."""
        return self.state / "demo" / FILE_NAME

    def prepare(self) -> None:
        """All machines are well, and there is something to print."""
        for machine in FAULTS:
            switch(self.state, machine).throw(Fault.NONE)
        self.sample.write_text(gcode(), "utf-8")

    def commands(self) -> Iterator[Command]:
        """How the machines are started."""
        folder = self.state / "demo"
        lamp = ("--lamp", str(folder / "lamp-hours"))
        for machine, port, more in ((PRINTER, self.printer_port, ()), (PROJECTOR, self.projector_port, lamp)):
            run = (sys.executable, "-m", "controller.demo.farends", machine, "--host", HOST, "--port", str(port))
            faults = ("--switch", str(folder / "faults" / machine), "--speed", str(_SPEED))
            yield Command(LAB_NAMES[machine], (*run, *faults, *more), folder / f"{machine}.log")
