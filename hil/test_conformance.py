"""Conformance of every profile with a far end: what its bridge tells there, and that it carries out what it offers."""

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from contract.model import Value
from device_profiles.profile import DeviceProfile, load, slugs
from firmware_bridges.base import Bridge, Refused
from hil.farends import (
    board,
    cutter,
    klipper_printer,
    microbit,
    octoprint_server,
    printer,
    prusalink_server,
    simulated_projector,
    snmp_agents,
)
from hil.farends.child import ROOT
from hil.farends.pins import FIRMATA
from hil.jobs import released
from hil.lab import FarEnd, missing
from hil.polling import Values, poll_until
from tests.vocabulary import undeclared, untold

pytestmark = [pytest.mark.hil, pytest.mark.sim_only]

SLUGS = [
    slug
    for slug in slugs()
    if load(slug).bridge in ("marlin", "grbl", "moonraker", "octoprint", "pjlink", "prusalink", "firmata", "snmp")
] + ["bbc/microbit"]
SPARE_PIN: Mapping[str, Any] = {"digital-2": {"pin": "d2", "kind": "digital"}}
ARGUMENTS: Mapping[str, Mapping[str, Value]] = {
    "input": {"input": "31"},
    "jog": {"x": 1.0, "y": -0.5},
    "mute": {"on": True},
    "preheat": {"nozzle": 30.0, "bed": 30.0},
}
ORDER = (
    "clear-alarm",
    "self-test",
    "run",
    "home",
    "jog",
    "cut",
    "preheat",
    "print",
    "pause",
    "resume",
    "stop",
    "emergency-stop",
    "restart",
    "unlock",
    "lock",
    "power-on",
    "input",
    "mute",
    "power-off",
)
"""In which actions make sense one after another; others come after them."""


@contextmanager
def marlin(profile: DeviceProfile, folder: Path) -> Iterator[FarEnd]:
    try:
        made = printer.SimulatedPrinter(folder / "printer")
    except (OSError, subprocess.SubprocessError) as error:
        missing("OctoPrint's virtual printer", error)
    with closing(made):
        yield FarEnd(str(folder / "printer"), profile, printer.PROMPT)


@contextmanager
def grbl(profile: DeviceProfile, folder: Path) -> Iterator[FarEnd]:
    """One that is locked until it was homed."""
    made = cutter.SimulatedCutter(folder / "cutter", cutter.HOMING)
    with closing(made):
        yield FarEnd(str(folder / "cutter"), profile, cutter.PROMPT)


@contextmanager
def moonraker(profile: DeviceProfile, folder: Path) -> Iterator[FarEnd]:
    try:
        made = klipper_printer.SimulatedKlipper(folder / "klipper")
    except (OSError, subprocess.SubprocessError) as error:
        missing("Klipper with Moonraker", error)
    with closing(made):
        yield FarEnd(made.endpoint, profile, klipper_printer.PROMPT)


@contextmanager
def octoprint(profile: DeviceProfile, folder: Path) -> Iterator[FarEnd]:
    try:
        made = octoprint_server.SimulatedOctoprint(folder / "octoprint")
    except (OSError, subprocess.SubprocessError) as error:
        missing("OctoPrint", error)
    with closing(made):
        yield FarEnd(made.endpoint, profile, octoprint_server.PROMPT)


@contextmanager
def prusalink(profile: DeviceProfile, _folder: Path) -> Iterator[FarEnd]:
    made = prusalink_server.PrusalinkServer()
    made.model.job_s = 600.0
    with closing(made):
        yield FarEnd(made.endpoint, profile, {"key": prusalink_server.KEY})


@contextmanager
def pjlink(profile: DeviceProfile, _folder: Path) -> Iterator[FarEnd]:
    """Of the class that the profile says, and with a list of errors if it has one."""
    made = simulated_projector.SimulatedProjector("--pjclass", "2" if profile.metric("serial-number") else "1")
    if not profile.metric("fan-state"):
        made.tell("trouble ERST ERR1")
    with closing(made):
        yield FarEnd(made.endpoint, profile, simulated_projector.PROMPT)


@contextmanager
def firmata(profile: DeviceProfile, folder: Path) -> Iterator[FarEnd]:
    """The profile's board, else an Uno; with one more input where the profile has a name for it."""
    model = profile.slug.partition("/")[2]
    try:
        made = board.Board(folder, model if model in board.MODELS else "uno")
    except (board.MissingFarEnd, OSError, subprocess.SubprocessError) as error:
        missing("simulated Arduino", error)
    made.voltage(0, 2.0)
    spare = SPARE_PIN if profile.metric("digital-2") else {}
    with closing(made):
        yield FarEnd(made.endpoint, profile, {**board.PATIENT, "inputs": {**profile.options["inputs"], **spare}})


SIMULATED_DEVICES = {
    "aruba/instant-ap": "aruba",
    "generic/network-printer": "printer",
    "generic/poe-switch": "switch",
    "tp-link/omada-eap": "omada",
    "ubiquiti/unifi-ap": "unifi",
}
"""Which of snmpsim's devices a profile is for. Data built from the MIB proves the language, not the machine."""


@contextmanager
def snmp(profile: DeviceProfile, folder: Path) -> Iterator[FarEnd]:
    name = SIMULATED_DEVICES.get(profile.slug)
    try:
        made = snmp_agents.SnmpSim(folder) if name else snmp_agents.NetSnmp(folder)
    except (snmp_agents.MissingFarEnd, OSError, subprocess.SubprocessError) as error:
        missing("SNMP agent", error)
    asked = {"community": name} if name else {**snmp_agents.V3, "trap_port": snmp_agents.free_port()}
    with closing(made):
        yield FarEnd(made.endpoint, profile, {**snmp_agents.PROMPT, **asked})


@contextmanager
def micropython(profile: DeviceProfile, folder: Path) -> Iterator[FarEnd]:
    try:
        made = microbit.Microbit(folder)
    except (microbit.MissingFarEnd, OSError) as error:
        missing("micro:bit", error)
    with closing(made):
        yield FarEnd(made.endpoint, profile, microbit.PATIENT)


FAR_ENDS = {
    "marlin": marlin,
    "grbl": grbl,
    "moonraker": moonraker,
    "octoprint": octoprint,
    "prusalink": prusalink,
    "pjlink": pjlink,
    "firmata": firmata,
    "snmp": snmp,
    "micropython": micropython,
}
COMPLETE: Mapping[str, Callable[[Values], bool]] = {
    "marlin": lambda values: values["nozzle-temperature"] is not None,
    "grbl": lambda values: values["x"] is not None,
    "moonraker": lambda values: values["nozzle-temperature"] is not None,
    "octoprint": lambda values: values["nozzle-temperature"] is not None,
    "prusalink": lambda values: values["nozzle-temperature"] is not None,
    "pjlink": lambda values: values["power"] == "on",
    "firmata": lambda values: None not in values.values(),
    "snmp": lambda values: "uptime" in values,
    "micropython": lambda values: values["memory-free"] is not None,
}
"""When a device of that bridge has told all of itself."""


def carried_out(bridge: Bridge, profile: DeviceProfile, job: Mapping[str, Value]) -> None:
    """Every action, each confirmed by the device."""
    for name in sorted(profile.actions, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER)):
        bridge.execute(name, job if name in ("print", "cut", "run") else ARGUMENTS.get(name, {}))
        if name == "jog":
            poll_until(bridge, lambda values: values["state"] == "ready")
        if name == "power-on":
            poll_until(bridge, lambda values: values["power"] == "on")


def job_file(folder: Path) -> dict[str, Value]:
    """The arguments that the agent gives a bridge to print it."""
    path = folder / "cube.gcode"
    path.write_text("".join(f"G1 X{number % 100} Y1 F6000\n" for number in range(300)), "utf-8")
    return released(path)


def program_file(folder: Path) -> dict[str, Value]:
    """The arguments that the agent gives a bridge to run it."""
    path = folder / "blink.py"
    path.write_text("while True:\n    pass\n", "utf-8")
    return released(path)


@pytest.mark.parametrize("slug", SLUGS)
def test_profile_says_what_its_bridge_tells_and_does(slug: str, tmp_path: Path) -> None:
    profile = load(slug)
    with FAR_ENDS[profile.bridge](profile, tmp_path) as far, closing(far.bridge()) as bridge:
        bridge.open()
        if profile.bridge == "pjlink":  # in standby it does not know its input
            bridge.execute("power-on", {})
        values = poll_until(bridge, COMPLETE[profile.bridge])
        assert undeclared(profile, values) == []
        optional = {"traps", "last-trap", "cpu", "self-test"}  # a port for traps, a processor that is told, a test
        assert [name for name in untold(profile, values) if "*" not in name and name not in optional] == []
        if profile.bridge == "firmata" and slug.partition("/")[2] in FIRMATA:
            assert values["firmata"] == FIRMATA[slug.partition("/")[2]].version
        with pytest.raises(Refused):
            bridge.execute("fly", {})
        job = program_file(tmp_path) if profile.bridge == "micropython" else job_file(tmp_path)
        carried_out(bridge, profile, job)


@pytest.mark.parametrize(
    "slug",
    [
        "creality/ender-3",
        "grbl/laser",
        "pjlink/projector",
        "arduino/uno",
        "net-snmp/host",
        "bbc/microbit",
    ],
)
def test_process_with_an_open_bridge_has_loaded_nothing_heavy(slug: str, tmp_path: Path) -> None:
    """Nor TLS. Web servers are left to tests/integration/test_many_devices.py: their bridges bring it."""
    profile = load(slug)
    program = """
        import sys
        from device_profiles.profile import load
        from firmware_bridges import bridge_for
        profile = load(sys.argv[1])
        bridge = bridge_for(profile.bridge, sys.argv[2], {**profile.options, **PATIENCE})
        bridge.open()
        assert bridge.poll()
        bridge.close()
        print([name for name in ("asyncio", "pydantic", "yaml", "ssl") if name in sys.modules])
    """
    with FAR_ENDS[profile.bridge](profile, tmp_path) as far:
        program = textwrap.dedent(program).replace("PATIENCE", repr(dict(far.options)))
        command = [sys.executable, "-c", program, slug, far.endpoint]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
