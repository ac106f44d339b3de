"""The lab that the hil tests run in: simulated devices, unless --lab names a file that says where real ones are."""

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from device_profiles.profile import load as load_profile
from firmware_bridges.base import Bridge
from hil.farends import (
    board,
    cutter,
    klipper_printer,
    microbit,
    octoprint_server,
    printer,
    simulated_projector,
    snmp_agents,
)
from hil.guest.kernel import MissingGuest
from hil.guest.machine import Guest, GuestLost
from hil.jobs import Write
from hil.lab import SIMULATED, FarEnd, Faults, Lab, Place, Truth, load, missing
from hil.watched import Watched

FAR_ENDS = frozenset({"firmata", "grbl", "marlin", "micropython", "moonraker", "octoprint", "pjlink", "snmp"})
"""Fixtures that yield a FarEnd, and the names of their tables in lab.toml."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lab", type=Path, help="file that says where real devices are; see hil/lab.toml")
    parser.addoption("--arm", action="store_true", help="let tests move and heat the machines that the lab file allows")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, as deselected, what the lab does not permit."""
    lab = load(config.getoption("--lab"))
    armed = bool(config.getoption("--arm"))

    def permitted(item: pytest.Item) -> bool:
        marks = frozenset(mark.name for mark in item.iter_markers())
        names = FAR_ENDS.intersection(getattr(item, "fixturenames", ()))
        return all(lab.get(name, Place(SIMULATED)).permits(marks, armed=armed) for name in names)

    left_out = [item for item in items if not permitted(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Lab:
    """Devices by name; empty without --lab."""
    return load(request.config.getoption("--lab"))


@pytest.fixture
def marlin(lab: Lab, tmp_path: Path) -> Iterator[FarEnd]:
    """A Marlin printer."""
    place = lab.get("marlin", Place(SIMULATED))
    profile = load_profile(place.profile or "creality/ender-3")
    if place.physical:
        yield FarEnd(place.endpoint, profile, place.options)
        return
    try:
        virtual = printer.SimulatedPrinter(tmp_path / "printer")
    except (OSError, subprocess.SubprocessError) as error:
        missing("OctoPrint's virtual printer", error)
    yield FarEnd(str(tmp_path / "printer"), profile, {**printer.PROMPT, **place.options}, virtual, virtual)
    virtual.close()


@pytest.fixture
def grbl(lab: Lab, tmp_path: Path) -> Iterator[FarEnd]:
    """A laser cutter with GRBL."""
    place = lab.get("grbl", Place(SIMULATED))
    profile = load_profile(place.profile or "grbl/laser")
    if place.physical:
        yield FarEnd(place.endpoint, profile, place.options)
        return
    machine = cutter.SimulatedCutter(tmp_path / "cutter")
    yield FarEnd(str(tmp_path / "cutter"), profile, {**cutter.PROMPT, **place.options}, machine, machine)
    machine.close()


@pytest.fixture
def pjlink(lab: Lab) -> Iterator[FarEnd]:
    """A projector."""
    place = lab.get("pjlink", Place(SIMULATED))
    profile = load_profile(place.profile or "pjlink/projector")
    if place.physical:
        yield FarEnd(place.endpoint, profile, place.options)
        return
    projector = simulated_projector.SimulatedProjector()
    yield FarEnd(projector.endpoint, profile, {**simulated_projector.PROMPT, **place.options}, projector)
    projector.close()


@pytest.fixture
def firmata(lab: Lab, tmp_path: Path) -> Iterator[FarEnd]:
    """An Arduino with StandardFirmata."""
    place = lab.get("firmata", Place(SIMULATED))
    profile = load_profile(place.profile or "arduino/uno")
    if place.physical:
        yield FarEnd(place.endpoint, profile, place.options)
        return
    try:
        uno = board.Board(tmp_path)
    except (board.MissingFarEnd, OSError, subprocess.SubprocessError) as error:
        missing("simulated Arduino", error)
    yield FarEnd(uno.endpoint, profile, {**board.PATIENT, **place.options}, uno)
    uno.close()


@pytest.fixture(scope="module")
def moonraker(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarEnd]:
    """A printer with Klipper and Moonraker; one for a module, as it takes some seconds to start."""
    place = lab.get("moonraker", Place(SIMULATED))
    profile = load_profile(place.profile or "klipper/printer")
    if place.physical:
        yield FarEnd(place.endpoint, profile, place.options)
        return
    try:
        made = klipper_printer.SimulatedKlipper(tmp_path_factory.mktemp("klipper"))
    except (OSError, subprocess.SubprocessError) as error:
        missing("Klipper with Moonraker", error)
    yield FarEnd(made.endpoint, profile, {**klipper_printer.PROMPT, **place.options}, made, made)
    made.close()


@pytest.fixture(scope="module")
def octoprint(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarEnd]:
    """A printer behind OctoPrint; one for a module, as it takes some seconds to start."""
    place = lab.get("octoprint", Place(SIMULATED))
    profile = load_profile(place.profile or "octoprint/printer")
    if place.physical:
        yield FarEnd(place.endpoint, profile, place.options)
        return
    try:
        made = octoprint_server.SimulatedOctoprint(tmp_path_factory.mktemp("octoprint"))
    except (OSError, subprocess.SubprocessError) as error:
        missing("OctoPrint", error)
    yield FarEnd(made.endpoint, profile, {**octoprint_server.PROMPT, **place.options}, made, made)
    made.close()


@pytest.fixture
def snmp(lab: Lab, tmp_path: Path) -> Iterator[FarEnd]:
    """A network device."""
    place = lab.get("snmp", Place(SIMULATED))
    profile = load_profile(place.profile or "net-snmp/host")
    if place.physical:
        yield FarEnd(place.endpoint, profile, place.options)
        return
    try:
        agent = snmp_agents.NetSnmp(tmp_path)
    except (snmp_agents.MissingFarEnd, OSError) as error:
        missing("snmpd", error)
    yield FarEnd(agent.endpoint, profile, {**snmp_agents.PROMPT, **place.options})
    agent.close()


@pytest.fixture
def micropython(lab: Lab, tmp_path: Path) -> Iterator[FarEnd]:
    """A board with MicroPython."""
    place = lab.get("micropython", Place(SIMULATED))
    profile = load_profile(place.profile or "bbc/microbit")
    if place.physical:
        yield FarEnd(place.endpoint, profile, place.options)
        return
    try:
        kit = microbit.Microbit(tmp_path)
    except (microbit.MissingFarEnd, OSError) as error:
        missing("micro:bit", error)
    yield FarEnd(kit.endpoint, profile, {**microbit.PATIENT, **place.options})
    kit.close()


@pytest.fixture(scope="session")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """A Linux computer with radios and USB ports; one for all tests, which name the xdist_group "guest"."""
    try:
        running = Guest(tmp_path_factory.mktemp("guest"))
    except (MissingGuest, GuestLost, OSError, subprocess.SubprocessError) as error:
        missing("Linux in QEMU", error)
    yield running
    running.close()


@pytest.fixture
def far() -> FarEnd:
    """The machine that a module is about: the module says which."""
    raise NotImplementedError


@pytest.fixture
def bridge(far: FarEnd) -> Iterator[Bridge]:
    """A bridge to it, open."""
    with closing(far.bridge()) as opened:
        opened.open()
        yield opened


@pytest.fixture
def device(far: FarEnd, tmp_path: Path) -> Iterator[Watched]:
    """The machine as the agent has it."""
    with closing(Watched(tmp_path, far.profile, far.bridge)) as watched:
        watched.begin()
        yield watched


@pytest.fixture
def faults(far: FarEnd) -> Faults:
    if far.faults is None:
        pytest.skip("a real machine has no faults to order")
    return far.faults


@pytest.fixture
def truth(far: FarEnd) -> Truth:
    if far.truth is None:
        pytest.skip("only the simulator tells what it has done")
    return far.truth


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def job(lines: list[str], name: str = "cube") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return path

    return job
