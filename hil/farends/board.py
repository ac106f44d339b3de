"""Real Arduino boards without the board: StandardFirmata as built for each model, run by simavr behind a serial port.

The firmware comes from the npm package avrgirl-arduino; the runner is avrboard.c, built with gcc against Debian's
libsimavr-dev and libelf-dev. Both are made when first used and kept under .cache.
"""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hil.farends.child import ROOT, Child
from hil.farends.fetch import cached, npm_package
from hil.farends.pins import AVRGIRL

SOURCE = ROOT / "hil" / "farends" / "avrboard.c"
DEBIAN_PACKAGES = ("gcc", "libelf-dev", "libsimavr-dev")
BOOT_S = 90.0
"""Real time: it takes 2 s when the computer keeps up."""
PATIENT: Mapping[str, float] = {"reply_s": 10.0, "boot_s": 60.0}
"""What its bridge is told: on a busy computer it may be ten times slower than a real one."""
_INCLUDE = "/usr/include/simavr"
_SHA512 = (
    "c05f702618511babc38a70714ee1514778886950cc8c97dc7b6c16ec9c266d72"
    "6abb3a06bb71c82b94a7bc3a8da65b22de170e4bea7ed799b5cfd92ddc8c2075"
)


@dataclass(frozen=True, slots=True)
class Model:
    processor: str
    baud: int = 57600


MODELS = {"uno": Model("atmega328p"), "nano": Model("atmega328p"), "mega": Model("atmega2560")}


class MissingFarEnd(Exception):
    """What the simulated boards need is not installed; the message says what to install."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A pin as the processor has it."""

    high: bool
    output: bool


class Board:
    """A running board. `endpoint` stays the same when it is unplugged and plugged in again."""

    def __init__(self, folder: Path, model: str = "uno", name: str = "board", speed: float = 1.0) -> None:
        processor = MODELS[model]
        self.endpoint = str(folder / name)
        options = ["-m", processor.processor, "-b", str(processor.baud), "-s", str(speed), "-l", self.endpoint]
        self._command = [str(runner()), *options, str(firmware(model))]
        self.restart()

    def restart(self) -> None:
        """Begin, or begin anew after `kill`; returns when the firmware runs."""
        Path(self.endpoint).unlink(missing_ok=True)
        self.child = Child(self._command)
        self.child.wait_for("awake", timeout_s=BOOT_S)

    def tell(self, line: str) -> None:
        self.child.ask(line, "did")

    def voltage(self, channel: int, volt: float) -> None:
        self.tell(f"adc {channel} {round(volt * 1000)}")

    def pin(self, port: str, bit: int) -> Pin:
        level, direction = self.child.ask(f"get {port} {bit}", "state").split()[2:]
        return Pin(high=level == "1", output=direction == "1")

    def edges(self, port: str, bit: int, since: int) -> list[tuple[bool, int]]:
        """(level, simulated microseconds) of each change of a watched pin, told after place `since`."""
        words = [line.split() for _, line in self.child.lines[since:] if line.startswith(f"pin {port}{bit} ")]
        return [(word[2] == "1", int(word[3])) for word in words]

    def kill(self) -> None:
        Path(self.endpoint).unlink(missing_ok=True)  # first: the pty behind it is soon another far end's
        self.child.kill()

    def close(self) -> None:
        self.child.close()


def runner() -> Path:
    """The built avrboard. Raises MissingFarEnd."""
    if shutil.which("gcc") is None or not Path(_INCLUDE).exists():
        raise MissingFarEnd(f"apt install {' '.join(DEBIAN_PACKAGES)}")

    def build(target: Path) -> None:
        libraries = ["-lsimavr", "-lutil", "-lelf", "-lm"]
        command = ["gcc", "-O2", "-Wall", "-Wextra", str(SOURCE), "-o", str(target), "-I", _INCLUDE, *libraries]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MissingFarEnd(f"apt install {' '.join(DEBIAN_PACKAGES)}\n{done.stderr}")

    return cached("avrboard", SOURCE.read_bytes(), build)


def firmware(model: str) -> Path:
    """StandardFirmata for `model`, as .hex."""
    package = npm_package(AVRGIRL.name, AVRGIRL.version, _SHA512)
    return package / "junk" / "hex" / model / "StandardFirmata.cpp.hex"
