"""Which far ends the bridges are proven against: the one place where their versions stand.

What a profile says of them to a reader is held against this by a test.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.farends.child import ROOT

CLIENTS: Final = ROOT / "hil" / "requirements" / "pjlink-clients.txt"
"""Their versions stand in it, with the digests that pip checks."""
SNMPSIM_REQUIREMENTS: Final = ROOT / "hil" / "requirements" / "snmpsim.txt"


@dataclass(frozen=True, slots=True)
class Pin:
    """One far end, or a part of it: where it comes from, and what it is."""

    name: str
    version: str
    origin: str
    what: str

    @property
    def requirement(self) -> str:
        """As pip wants it."""
        return f"{self.name}=={self.version}"

    def __str__(self) -> str:
        return f"{self.name} {self.version}".rstrip()


def _required(requirements: Path, name: str, what: str) -> Pin:
    start = f"{name}=="
    line = next(line for line in requirements.read_text("utf-8").splitlines() if line.startswith(start))
    return Pin(name, line.removeprefix(start).split()[0], "PyPI", what)


def _client(name: str) -> Pin:
    return _required(CLIENTS, name, "a PJLink client that our projector is checked with")


OCTOPRINT = Pin("OctoPrint", "1.11.8", "PyPI", "its virtual printer, which speaks Marlin's language")
AVRGIRL = Pin("avrgirl-arduino", "5.0.1", "npm", "StandardFirmata as built for each board")
SIMAVR = Pin("simavr", "1.6", "Debian", "the processors of the boards, simulated")
FIRMATA: Mapping[str, Pin] = {
    model: Pin("StandardFirmata", version, str(AVRGIRL), f"the firmware of the {model}")
    for model, version in (("uno", "2.4"), ("nano", "2.3"), ("mega", "2.3"))
}
"""By board. Each tells its version itself, which is held against this."""
PJLINK_ADVANCE = Pin("pjlink-advance", "0.2.0", "PyPI", "a PJLink emulator, recorded")
OWN_PROJECTOR = Pin("controller/demo/farends", "", "this project", "a projector, which answers as the recorded one did")
LINUX = Pin("Linux", "6.1", "Debian", "mac80211_hwsim under QEMU, recorded: wireless")
HOSTAPD = Pin("hostapd", "2.10", "Debian", "the access point of that recording")
THIS_MACHINE = Pin("the machine that runs the tests", "", "", "its kernel, disks and network, read in another way")
SNMPD = Pin("snmpd", "5.9.3", "Debian", "net-snmp's agent, by SNMPv2c and SNMPv3")
SNMPSIM = _required(SNMPSIM_REQUIREMENTS, "snmpsim", "an SNMP agent, with data built from the vendors' MIBs")
MICROPYTHON = Pin("MicroPython", "1.0.1", "Debian", "the firmware of the BBC micro:bit, on a micro:bit of QEMU")
QEMU = Pin("QEMU", "7.2", "Debian", "the micro:bit")
PINS: Mapping[str, tuple[Pin, ...]] = {
    "firmata": (*FIRMATA.values(), SIMAVR),
    "host": (THIS_MACHINE,),
    "marlin": (OCTOPRINT,),
    "micropython": (MICROPYTHON, QEMU),
    "network": (THIS_MACHINE, LINUX, HOSTAPD),
    "pjlink": (OWN_PROJECTOR, PJLINK_ADVANCE, _client("aiopjlink2"), _client("pypjlink2")),
    "snmp": (SNMPD, SNMPSIM),
}
"""By bridge."""
