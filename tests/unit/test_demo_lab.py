"""The demo lab's machines as processes, met by the bridges that meet real ones: prints, and each fault as its class."""

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from contract.model import Value
from controller.demo.farends.faults import FAULTS, PRINTER, PROJECTOR, Fault
from controller.demo.farends.switch import Switch
from controller.demo.keychain import gcode
from device_profiles.profile import load
from firmware_bridges.base import BadReply, Bridge, BridgeError, LinkLost, Refused
from firmware_bridges.marlin import MarlinBridge
from firmware_bridges.pjlink import PjlinkBridge

WITHIN_S = 60.0
PATIENCE = {"report_s": 1, "ok_s": 2.0, "silence_s": 4.0, "open_s": 4.0, "confirm_s": 20.0}
Values = Mapping[str, Value | None]


class Machine:
    """One far end. Killed and started again, it keeps its port."""

    def __init__(self, kind: str, folder: Path, *options: str) -> None:
        self.switch = Switch(folder / "switch")
        self._run = [
            sys.executable,
            "-m",
            "controller.demo.farends",
            kind,
            "--switch",
            str(folder / "switch"),
            *options,
        ]
        self.endpoint = ""
        self.start()

    def start(self) -> None:
        port = self.endpoint.rpartition(":")[2] or "0"
        self.process = subprocess.Popen([*self._run, "--port", port], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.endpoint = self.process.stdout.readline().split()[-1]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10.0)
        assert self.process.stdout
        self.process.stdout.close()


def until(bridge: Bridge, true: Callable[[Values], bool], within_s: float = WITHIN_S) -> Values:
    """Poll as a worker does, opening anew what was lost, until the values are so."""
    deadline = time.monotonic() + within_s
    values: Values = {}
    while time.monotonic() < deadline:
        try:
            values = bridge.poll()
            if true(values):
                return values
        except BridgeError:
            time.sleep(0.2)
            try:
                bridge.open()
            except BridgeError:
                bridge.close()
        time.sleep(0.05)
    raise AssertionError(f"it did not come so far in {within_s:g} s: {values}")


def fault_of(bridge: Bridge) -> BridgeError:
    """Poll until the bridge raises."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        try:
            bridge.poll()
        except BridgeError as error:
            return error
        time.sleep(0.05)
    raise AssertionError("no fault was told")


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(PRINTER, tmp_path, "--speed", "200")
    yield machine
    machine.kill()


@pytest.fixture
def marlin(printer: Machine) -> Iterator[MarlinBridge]:
    bridge = MarlinBridge(printer.endpoint, {**load("creality/ender-3").options, **PATIENCE})
    bridge.open()
    yield bridge
    bridge.close()


@pytest.fixture
def projector(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(PROJECTOR, tmp_path, "--lamp", str(tmp_path / "lamp"), "--speed", "100")
    yield machine
    machine.kill()


@pytest.fixture
def pjlink(projector: Machine) -> Iterator[PjlinkBridge]:
    bridge = PjlinkBridge(projector.endpoint, {"reply_s": 1.0})
    bridge.open()
    yield bridge
    bridge.close()


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Value]:
    """The demo's sample, as a job."""
    path = tmp_path / "keychain.gcode"
    path.write_text(gcode(), "utf-8")
    return {"path": str(path), "digest": hashlib.sha256(path.read_bytes()).hexdigest(), "name": "keychain #1"}


def well_under_way(values: Values) -> bool:
    progress = values["progress"]
    return values["state"] == "printing" and isinstance(progress, float) and progress > 5.0


def test_sample_is_printed_to_the_end_hot_with_progress_and_cold_afterwards(
    marlin: MarlinBridge, job: dict[str, Value]
) -> None:
    marlin.execute("print", job)
    seen: list[float] = []
    hottest = 0.0

    def ended(values: Values) -> bool:
        nonlocal hottest
        hottest = max(hottest, float(values["nozzle-temperature"] or 0.0))
        seen.append(float(values["progress"] or 0.0))
        return values["printing"] is False

    values = until(marlin, ended)
    assert (values["job"], values["job-result"], values["progress"]) == ("keychain #1", "done", 100.0)
    assert hottest == 200.0
    assert seen == sorted(seen)
    assert len({round(progress, -1) for progress in seen}) > 5
    until(marlin, lambda values: values["nozzle-target"] == 0.0 == values["bed-target"])


def test_print_is_paused_goes_on_and_is_stopped_cold(marlin: MarlinBridge, job: dict[str, Value]) -> None:
    marlin.execute("print", job)
    until(marlin, well_under_way)
    marlin.execute("pause", {})
    stood = marlin.poll()
    assert stood["state"] == "paused"
    time.sleep(1.0)
    assert marlin.poll()["progress"] == stood["progress"]
    marlin.execute("resume", {})
    until(marlin, lambda values: float(values["progress"] or 0.0) > float(stood["progress"] or 0.0))
    marlin.execute("stop", {})
    values = until(marlin, lambda values: values["nozzle-target"] == 0.0)
    assert (values["state"], values["job-result"]) == ("ready", "cancelled")


def test_stop_during_heating_up_does_not_wait_for_the_heat(tmp_path: Path, job: dict[str, Value]) -> None:
    slow = Machine(PRINTER, tmp_path, "--speed", "1")  # it would take minutes
    bridge = MarlinBridge(slow.endpoint, {**load("creality/ender-3").options, **PATIENCE})
    try:
        bridge.open()
        bridge.execute("print", job)
        until(bridge, lambda values: values["bed-target"] == 60.0)
        bridge.execute("stop", {})
        assert bridge.poll()["job-result"] == "cancelled"
        until(bridge, lambda values: values["bed-target"] == 0.0)
    finally:
        bridge.close()
        slow.kill()


def test_thermal_runaway_halts_the_printer_and_it_is_back_when_it_was_put_right(
    printer: Machine, marlin: MarlinBridge, job: dict[str, Value]
) -> None:
    marlin.execute("print", job)
    until(marlin, well_under_way)
    printer.switch.throw(Fault.THERMAL_RUNAWAY)
    values = until(marlin, lambda values: values["state"] == "halted")
    assert (values["fault"], values["job-result"]) == ("Error:Thermal Runaway, system stopped! Heater_ID: E0", "failed")
    with pytest.raises(Refused, match="stopped itself"):
        marlin.execute("home", {})
    printer.switch.throw(Fault.NONE)
    assert until(marlin, lambda values: values["state"] == "ready")["fault"] == ""


def test_noise_costs_resends_and_the_print_goes_on(
    printer: Machine, marlin: MarlinBridge, job: dict[str, Value]
) -> None:
    printer.switch.throw(Fault.NOISE)
    marlin.execute("print", job)
    until(marlin, lambda values: int(values["resends"] or 0) > 50)
    printer.switch.throw(Fault.NONE)
    assert until(marlin, lambda values: values["printing"] is False)["job-result"] == "done"


def test_filament_that_runs_out_waits_for_somebody_and_the_print_ends_well(
    printer: Machine, marlin: MarlinBridge, job: dict[str, Value]
) -> None:
    marlin.execute("print", job)
    until(marlin, well_under_way)
    printer.switch.throw(Fault.FILAMENT_OUT)
    values = until(marlin, lambda values: values["waits-for-user"] is True)
    assert values["printing"] is True
    printer.switch.throw(Fault.NONE)
    values = until(marlin, lambda values: values["printing"] is False)
    assert (values["job-result"], values["waits-for-user"]) == ("done", False)


@pytest.mark.parametrize(
    ("fault", "kind"), [(Fault.FROZEN, LinkLost), (Fault.GARBAGE, BadReply), (Fault.UNPLUGGED, LinkLost)]
)
def test_printer_whose_line_fails_is_told_of_as_such_and_back_and_cold_when_it_is_repaired(
    printer: Machine, marlin: MarlinBridge, job: dict[str, Value], fault: Fault, kind: type[BridgeError]
) -> None:
    marlin.execute("print", job)
    until(marlin, well_under_way)
    printer.switch.throw(fault)
    assert type(fault_of(marlin)) is kind
    marlin.close()
    printer.switch.throw(Fault.NONE)
    until(marlin, lambda values: values["state"] == "ready" and values["nozzle-target"] == 0.0)


def test_printer_that_is_killed_comes_back_at_the_same_place(printer: Machine, marlin: MarlinBridge) -> None:
    printer.kill()
    assert isinstance(fault_of(marlin), LinkLost)
    printer.start()
    until(marlin, lambda values: values["state"] == "ready")


def test_second_host_is_turned_away(printer: Machine, marlin: MarlinBridge) -> None:
    second = MarlinBridge(printer.endpoint, {**load("creality/ender-3").options, **PATIENCE})
    with pytest.raises(LinkLost):
        second.open()
    assert marlin.poll()["state"] == "ready"


def test_projector_warms_up_its_lamp_ages_and_remembers(projector: Machine, pjlink: PjlinkBridge) -> None:
    pjlink.execute("power-on", {})
    until(pjlink, lambda values: values["power"] == "on" and values["lamp-lit"] is True)
    until(pjlink, lambda values: pjlink_lamp_file(projector) > 1200.0)
    projector.kill()
    assert isinstance(fault_of(pjlink), LinkLost)
    kept = pjlink_lamp_file(projector)
    projector.start()
    assert until(pjlink, lambda values: values["power"] == "off")["lamp-hours"] == int(kept)


def pjlink_lamp_file(projector: Machine) -> float:
    path = Path(projector._run[projector._run.index("--lamp") + 1])
    return float(path.read_text("utf-8")) if path.exists() else 0.0


@pytest.mark.parametrize(
    ("fault", "metric", "state"),
    [
        (Fault.LAMP, "lamp-state", "error"),
        (Fault.TOO_HOT, "temperature-state", "error"),
        (Fault.FILTER, "filter-state", "warning"),
        (Fault.COVER, "cover-state", "error"),
    ],
)
def test_projector_tells_which_part_has_failed(
    projector: Machine, pjlink: PjlinkBridge, fault: Fault, metric: str, state: str
) -> None:
    projector.switch.throw(fault)
    until(pjlink, lambda values: values[metric] == state)
    projector.switch.throw(Fault.NONE)
    until(pjlink, lambda values: values[metric] == "ok")


@pytest.mark.parametrize(
    ("fault", "kind"), [(Fault.FROZEN, LinkLost), (Fault.GARBAGE, BadReply), (Fault.UNPLUGGED, LinkLost)]
)
def test_projector_whose_line_fails_is_told_of_as_such_and_back_when_it_is_repaired(
    projector: Machine, pjlink: PjlinkBridge, fault: Fault, kind: type[BridgeError]
) -> None:
    projector.switch.throw(fault)
    assert isinstance(fault_of(pjlink), kind)
    projector.switch.throw(Fault.NONE)
    until(pjlink, lambda values: values["power"] == "off")


def test_every_fault_of_the_list_is_proven_here() -> None:
    line = {Fault.NONE, Fault.FROZEN, Fault.GARBAGE, Fault.UNPLUGGED}
    assert FAULTS[PRINTER].keys() == line | {Fault.THERMAL_RUNAWAY, Fault.NOISE, Fault.FILAMENT_OUT}
    assert FAULTS[PROJECTOR].keys() == line | {Fault.LAMP, Fault.TOO_HOT, Fault.FILTER, Fault.COVER}


def test_machines_load_nothing_of_the_controller_and_stay_small(printer: Machine, marlin: MarlinBridge) -> None:
    marlin.poll()
    assert psutil.Process(printer.process.pid).memory_info().rss < 40_000_000
    program = (
        "import sys, controller.demo.farends.printer, controller.demo.farends.projector;"
        "print([name for name in ('fastapi', 'sqlalchemy', 'sqlmodel', 'pydantic', 'asyncio') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
