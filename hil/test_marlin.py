"""The Marlin bridge against a printer that is a process of its own, and that fails in every way."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from contract.model import Value
from device_profiles.profile import DeviceProfile, load
from firmware_bridges import bridge_for
from firmware_bridges.base import BadReply, LinkLost, Refused
from firmware_bridges.marlin import MarlinBridge
from hil.farends.printer import QUICK, SimulatedPrinter
from hil.lab import FarEnd, Faults, Lab, Truth
from hil.unattended import Unattended, resources

pytestmark = pytest.mark.hil

PROFILES = ("creality/ender-3", "prusa/mk3s")
FAST = {"report_s": 1, "ok_s": 1.0, "silence_s": 3.0, "open_s": 3.0, "confirm_s": 10.0}
Print = dict[str, Value]
Write = Callable[[list[str]], Print]


@pytest.fixture
def profile(lab: Lab) -> DeviceProfile:
    place = lab.get("marlin")
    return load(place.profile if place and place.profile else PROFILES[0])


@pytest.fixture
def bridge(marlin: FarEnd, profile: DeviceProfile) -> Iterator[MarlinBridge]:
    bridge = MarlinBridge(marlin.endpoint, {**profile.options, **FAST})
    yield bridge
    bridge.close()


@pytest.fixture
def faults(marlin: FarEnd) -> Faults:
    assert marlin.faults is not None
    return marlin.faults


@pytest.fixture
def truth(marlin: FarEnd) -> Truth:
    assert marlin.truth is not None
    return marlin.truth


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a job file, and give the arguments that print it."""

    def job(lines: list[str]) -> Print:
        path = tmp_path / "job.gcode"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return {"path": str(path), "digest": hashlib.sha256(path.read_bytes()).hexdigest(), "name": "cube"}

    return job


def moves(count: int) -> list[str]:
    return [f"G1 X{number % 200} Y{number // 200} F9000" for number in range(1, count + 1)]


def ended(values: Mapping[str, Value | None]) -> bool:
    return values["printing"] is False


def printing(values: Mapping[str, Value | None]) -> bool:
    progress = values["progress"]
    return values["printing"] is True and isinstance(progress, float) and progress > 1


def eventually(true: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.05)


@pytest.mark.sim_only
@pytest.mark.parametrize("slug", PROFILES)
def test_profile_is_driven_from_recognition_to_every_action(slug: str, marlin: FarEnd, write: Write) -> None:
    profile = load(slug)
    bridge = bridge_for(profile.bridge, marlin.endpoint, {**profile.options, **FAST})
    unattended = Unattended(bridge)
    try:
        values = unattended.until(lambda values: values["nozzle-temperature"] is not None)
        assert values.keys() == profile.metrics.keys()
        for name, value in values.items():
            assert profile.metrics[name].metric.kind.holds(value), name
        arguments: dict[str, Print] = {"print": write(moves(300)), "preheat": {"nozzle": 30.0, "bed": 30.0}}
        for action in ("home", "preheat", "print", "pause", "resume", "stop"):
            bridge.execute(action, arguments.get(action, {}))
        assert profile.actions.keys() == {"home", "preheat", "print", "pause", "resume", "stop"}
        unattended.until(ended)
    finally:
        bridge.close()


@pytest.mark.sim_only
def test_printer_reports_temperatures_of_itself(bridge: MarlinBridge, truth: Truth) -> None:
    unattended = Unattended(bridge)
    unattended.until(lambda values: values["nozzle-temperature"] == pytest.approx(truth.state()["nozzle"], abs=0.5))
    bridge.execute("preheat", {"nozzle": 60.0})
    unattended.until(lambda values: values["nozzle-target"] == 60.0 and _at_least(values["nozzle-temperature"], 55.0))
    assert truth.state()["nozzle_target"] == 60.0


def _at_least(value: Value | None, least: float) -> bool:
    return isinstance(value, float) and value >= least


@pytest.mark.sim_only
def test_job_is_printed_to_the_end_and_each_move_made_once(bridge: MarlinBridge, truth: Truth, write: Write) -> None:
    unattended = Unattended(bridge)
    unattended.until()
    lines = moves(150)
    bridge.execute("print", write(["; cube", "G28", "M117 Xin chào", *lines]))
    values = unattended.until(ended)
    assert (values["job"], values["progress"], values["job-result"]) == ("cube", 100.0, "done")
    assert truth.done() == lines


@pytest.mark.sim_only
def test_noise_on_the_line_costs_resends_and_no_move(
    bridge: MarlinBridge, faults: Faults, truth: Truth, write: Write
) -> None:
    unattended = Unattended(bridge)
    unattended.until()
    lines = moves(120)
    faults.tell("noise 40")
    bridge.execute("print", write(lines))
    values = unattended.until(ended)
    assert values["job-result"] == "done"
    assert values["resends"] == 40
    assert truth.done() == lines


@pytest.mark.sim_only
def test_lost_answers_are_asked_for_again(tmp_path: Path, profile: DeviceProfile, write: Write) -> None:
    """The virtual printer leaves lines 105 and 110 without an answer, and asks for 100, 105 and 115 again."""
    errors = ["100:resend", "105:resend_with_timeout", "110:missing_lineno", "115:checksum_mismatch"]
    printer = SimulatedPrinter(tmp_path / "printer", {**QUICK, "simulated_errors": errors})
    bridge = MarlinBridge(str(tmp_path / "printer"), {**profile.options, **FAST})
    unattended = Unattended(bridge)
    try:
        unattended.until()
        bridge.execute("print", write(moves(130)))
        values = unattended.until(ended)
        assert values["job-result"] == "done"
        # 105 is dropped by the printer after it asked for it: a fault of its own making.
        assert len(printer.done()) >= 129
        assert unattended.faults == []
    finally:
        bridge.close()
        printer.close()


@pytest.mark.sim_only
def test_pause_holds_the_machine_until_resume(bridge: MarlinBridge, truth: Truth, write: Write) -> None:
    unattended = Unattended(bridge)
    unattended.until()
    lines = moves(200)
    bridge.execute("print", write(lines))
    unattended.until(printing)
    bridge.execute("pause", {})
    assert unattended.until()["state"] == "paused"
    stands_at = len(truth.done())
    time.sleep(0.5)
    assert 0 < len(truth.done()) == stands_at < len(lines)
    bridge.execute("resume", {})
    assert unattended.until(ended)["job-result"] == "done"
    assert truth.done() == lines


@pytest.mark.sim_only
def test_stop_ends_the_job_and_switches_heaters_off(bridge: MarlinBridge, truth: Truth, write: Write) -> None:
    unattended = Unattended(bridge)
    unattended.until()
    bridge.execute("print", write(["M104 S60", "M140 S40", *moves(400)]))
    unattended.until(printing)
    bridge.execute("stop", {})
    values = unattended.until()
    assert (values["state"], values["job-result"]) == ("ready", "cancelled")
    assert truth.state()["nozzle_target"] == truth.state()["bed_target"] == 0.0
    eventually(lambda: truth.state()["moves"] == len(truth.done()))
    assert len(truth.done()) < 400


@pytest.mark.sim_only
def test_job_that_asks_for_too_much_is_refused_with_its_line(bridge: MarlinBridge, truth: Truth, write: Write) -> None:
    Unattended(bridge).until()
    with pytest.raises(Refused, match="line 3: M104 asks for 400 °C"):
        bridge.execute("print", write(["G28", "; hot", "M104 S400", *moves(5)]))
    with pytest.raises(Refused, match="not the file that was released"):
        bridge.execute("print", {**write(moves(5)), "digest": "0" * 64})
    with pytest.raises(Refused, match="0 to 250 °C"):
        bridge.execute("preheat", {"nozzle": 300.0})
    assert bridge.poll()["state"] == "ready"
    assert truth.done() == []
    assert truth.state()["nozzle_target"] == 0.0


@pytest.mark.sim_only
def test_thermal_runaway_halts_the_printer_and_fails_the_job(
    bridge: MarlinBridge, faults: Faults, write: Write
) -> None:
    unattended = Unattended(bridge)
    unattended.until()
    bridge.execute("print", write(moves(400)))
    unattended.until(printing)
    faults.tell("debug trigger_fatal_error_marlin")
    values = unattended.until(lambda values: values["state"] == "halted")
    assert values["fault"] == "Error:Thermal Runaway, system stopped! Heater_ID: bed"
    assert values["job-result"] == "failed"
    with pytest.raises(Refused, match="switch it off and on"):
        bridge.execute("home", {})
    faults.tell("debug reset")
    values = unattended.until(lambda values: values["state"] == "ready")
    assert values["fault"] == ""
    assert unattended.faults == []


@pytest.mark.sim_only
def test_closing_in_mid_job_leaves_nothing_hot(bridge: MarlinBridge, truth: Truth, write: Write) -> None:
    Unattended(bridge).until()
    bridge.execute("print", write(["M104 S60", *moves(400)]))
    eventually(lambda: truth.state()["nozzle_target"] == 60.0)
    bridge.close()
    assert truth.state()["nozzle_target"] == 0.0


@pytest.mark.sim_only
def test_bridge_survives_twenty_unplugs(bridge: MarlinBridge, faults: Faults) -> None:
    unattended = Unattended(bridge)
    unattended.until()
    baseline = resources()
    for _ in range(20):
        faults.tell("unplug")
        unattended.until_fault(LinkLost)
        faults.tell("plug")
        unattended.until()
        assert unattended.take_faults() == [LinkLost]
    assert resources() == baseline


@pytest.mark.sim_only
def test_unplugged_in_mid_job_the_job_fails_and_the_printer_is_cooled(
    bridge: MarlinBridge, faults: Faults, truth: Truth, write: Write
) -> None:
    unattended = Unattended(bridge)
    unattended.until()
    bridge.execute("print", write(["M104 S60", *moves(400)]))
    unattended.until(printing)
    faults.tell("unplug")
    unattended.until_fault(LinkLost)
    assert truth.state()["nozzle_target"] == 60.0
    faults.tell("plug")
    assert unattended.until()["state"] == "ready"
    assert truth.state()["nozzle_target"] == 0.0
    assert unattended.faults == [LinkLost]


@pytest.mark.sim_only
def test_killed_in_mid_job_the_printer_is_found_again(bridge: MarlinBridge, faults: Faults, write: Write) -> None:
    unattended = Unattended(bridge)
    unattended.until()
    baseline = resources()
    bridge.execute("print", write(moves(400)))
    unattended.until(printing)
    faults.kill()
    unattended.until_fault(LinkLost)
    faults.restart()
    assert unattended.until()["state"] == "ready"
    assert unattended.faults == [LinkLost]
    assert resources() == baseline


@pytest.mark.sim_only
def test_frozen_printer_is_reported_lost_once_and_readings_resume(bridge: MarlinBridge, faults: Faults) -> None:
    unattended = Unattended(bridge)
    unattended.until()
    baseline = resources()
    faults.tell("freeze on")
    unattended.until_fault(LinkLost)
    for _ in range(2):
        unattended.step()
    assert unattended.take_faults() == [LinkLost]
    faults.tell("freeze off")
    unattended.until()
    assert unattended.faults == []
    assert resources() == baseline


@pytest.mark.sim_only
def test_garbage_alone_is_a_bad_reply_and_the_connection_stays(bridge: MarlinBridge, faults: Faults) -> None:
    unattended = Unattended(bridge)
    unattended.until()
    faults.tell("freeze on")
    bridge.poll()
    faults.tell("garbage 3000")
    unattended.until_fault(BadReply)
    faults.tell("freeze off")
    unattended.until()
    assert unattended.faults == [BadReply]


@pytest.mark.sim_only
def test_job_goes_on_through_garbage_a_megabyte_and_answers_byte_by_byte(
    bridge: MarlinBridge, faults: Faults, truth: Truth, write: Write
) -> None:
    unattended = Unattended(bridge)
    unattended.until()
    lines = moves(150)
    bridge.execute("print", write(lines))
    faults.tell("garbage 5000")
    faults.tell("huge 1000000")
    faults.tell("drip on")
    values = unattended.until(ended, timeout_s=40)
    assert values["job-result"] == "done"
    assert truth.done() == lines
    assert unattended.faults == []


@pytest.mark.physical_only
def test_real_printer_says_who_it_is(bridge: MarlinBridge) -> None:
    unattended = Unattended(bridge)
    values = unattended.until(lambda values: values["nozzle-temperature"] is not None)
    assert values["firmware"]


@pytest.mark.physical_only
@pytest.mark.motion
def test_real_printer_finds_its_start_position(bridge: MarlinBridge) -> None:
    Unattended(bridge).until()
    bridge.execute("home", {})
    assert bridge.poll()["state"] == "ready"


@pytest.mark.physical_only
@pytest.mark.heat
def test_real_printer_warms_and_cools(bridge: MarlinBridge) -> None:
    unattended = Unattended(bridge)
    unattended.until()
    bridge.execute("preheat", {"nozzle": 45.0})
    unattended.until(lambda values: _at_least(values["nozzle-temperature"], 43.0), timeout_s=120)
    bridge.execute("stop", {})
    unattended.until(lambda values: values["nozzle-target"] == 0.0)
