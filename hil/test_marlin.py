"""The Marlin bridge against a printer that is a process of its own, and that fails in every way."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from contract.model import CommandStatus, Value
from device_profiles.profile import load
from firmware_bridges.base import BadReply, Bridge, LinkLost, Refused
from firmware_bridges.marlin import MarlinBridge
from hil.farends.printer import PROMPT, QUICK, SimulatedPrinter
from hil.jobs import Write, released
from hil.lab import FarEnd, Faults, Truth
from hil.polling import assert_nothing_left_behind, poll_until, resources_at_rest
from hil.watched import Watched

pytestmark = pytest.mark.hil


@pytest.fixture
def far(marlin: FarEnd) -> FarEnd:
    return marlin


def moves(count: int) -> list[str]:
    return [f"G1 X{number % 200} Y{number // 200} F9000" for number in range(1, count + 1)]


def answers(values: Mapping[str, Value | None]) -> bool:
    return values["nozzle-temperature"] is not None


def ended(values: Mapping[str, Value | None]) -> bool:
    return values["printing"] is False


def printing(values: Mapping[str, Value | None]) -> bool:
    return values["printing"] is True and _at_least(values["progress"], 1.5)


def eventually(true: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.05)


def _at_least(value: Value | None, least: float) -> bool:
    return isinstance(value, float) and value >= least


def test_printer_says_who_and_how_it_is(bridge: Bridge) -> None:
    values = poll_until(bridge, answers)
    assert values["firmware"]
    assert values["state"] == "ready"


@pytest.mark.motion
def test_printer_finds_its_start_position(bridge: Bridge) -> None:
    bridge.execute("home", {})
    assert bridge.poll()["state"] == "ready"


@pytest.mark.heat
def test_printer_warms_and_cools(bridge: Bridge) -> None:
    bridge.execute("preheat", {"nozzle": 45.0})
    poll_until(bridge, lambda values: _at_least(values["nozzle-temperature"], 43.0), timeout_s=120)
    bridge.execute("stop", {})
    poll_until(bridge, lambda values: values["nozzle-target"] == 0.0)


@pytest.mark.sim_only
def test_printer_reports_temperatures_of_itself(bridge: Bridge, truth: Truth) -> None:
    poll_until(bridge, lambda values: values["nozzle-temperature"] == pytest.approx(truth.state()["nozzle"], abs=0.5))
    bridge.execute("preheat", {"nozzle": 60.0})
    poll_until(bridge, lambda values: values["nozzle-target"] == 60.0 and _at_least(values["nozzle-temperature"], 55.0))
    assert truth.state()["nozzle_target"] == 60.0


@pytest.mark.sim_only
def test_job_is_printed_to_the_end_and_each_move_made_once(bridge: Bridge, truth: Truth, write: Write) -> None:
    lines = moves(70)
    bridge.execute("print", released(write(["; cube", "G28", "M117 Xin chào", *lines])))
    values = poll_until(bridge, ended)
    assert (values["job"], values["progress"], values["job-result"]) == ("cube", 100.0, "done")
    assert truth.done() == lines


@pytest.mark.sim_only
def test_noise_on_the_line_costs_resends_and_no_move(
    bridge: Bridge, faults: Faults, truth: Truth, write: Write
) -> None:
    lines = moves(120)
    faults.tell("noise 40")
    bridge.execute("print", released(write(lines)))
    values = poll_until(bridge, ended)
    assert values["job-result"] == "done"
    assert values["resends"] == 40
    assert truth.done() == lines


@pytest.mark.sim_only
def test_lost_answers_are_asked_for_again(tmp_path: Path, write: Write) -> None:
    """The virtual printer leaves lines 105 and 110 without an answer, and asks for 100, 105 and 115 again."""
    errors = ["100:resend", "105:resend_with_timeout", "110:missing_lineno", "115:checksum_mismatch"]
    printer = SimulatedPrinter(tmp_path / "printer", {**QUICK, "simulated_errors": errors})
    bridge = MarlinBridge(str(tmp_path / "printer"), {**load("creality/ender-3").options, **PROMPT, "ok_s": 1.0})
    try:
        bridge.open()
        bridge.execute("print", released(write(moves(130))))
        values = poll_until(bridge, ended)
        assert values["job-result"] == "done"
        # 105 is dropped by the printer after it asked for it: a fault of its own making.
        assert len(printer.done()) >= 129
    finally:
        bridge.close()
        printer.close()


@pytest.mark.sim_only
def test_pause_holds_the_machine_until_resume(bridge: Bridge, truth: Truth, write: Write) -> None:
    lines = moves(80)
    bridge.execute("print", released(write(lines)))
    poll_until(bridge, printing)
    bridge.execute("pause", {})
    assert bridge.poll()["state"] == "paused"
    stands_at = len(truth.done())
    time.sleep(0.5)
    assert 0 < len(truth.done()) == stands_at < len(lines)
    bridge.execute("resume", {})
    assert poll_until(bridge, ended)["job-result"] == "done"
    assert truth.done() == lines


@pytest.mark.sim_only
def test_stop_ends_the_job_and_switches_heaters_off(bridge: Bridge, truth: Truth, write: Write) -> None:
    bridge.execute("print", released(write(["M104 S60", "M140 S40", *moves(400)])))
    poll_until(bridge, printing)
    bridge.execute("stop", {})
    values = bridge.poll()
    assert (values["state"], values["job-result"]) == ("ready", "cancelled")
    assert truth.state()["nozzle_target"] == truth.state()["bed_target"] == 0.0
    eventually(lambda: truth.state()["moves"] == len(truth.done()))
    assert len(truth.done()) < 400


@pytest.mark.sim_only
def test_job_that_asks_for_too_much_is_refused_with_its_line(bridge: Bridge, truth: Truth, write: Write) -> None:
    with pytest.raises(Refused, match="line 3: M104 asks for 400 °C"):
        bridge.execute("print", released(write(["G28", "; hot", "M104 S400", *moves(5)])))
    with pytest.raises(Refused, match="not the file that was released"):
        bridge.execute("print", {**released(write(moves(5))), "digest": "0" * 64})
    with pytest.raises(Refused, match="0 to 250 °C"):
        bridge.execute("preheat", {"nozzle": 300.0})
    assert bridge.poll()["state"] == "ready"
    assert truth.done() == []
    assert truth.state()["nozzle_target"] == 0.0


@pytest.mark.sim_only
def test_thermal_runaway_halts_the_printer_and_fails_the_job(bridge: Bridge, faults: Faults, write: Write) -> None:
    bridge.execute("print", released(write(moves(400))))
    poll_until(bridge, printing)
    faults.tell("debug trigger_fatal_error_marlin")
    values = poll_until(bridge, lambda values: values["state"] == "halted")
    assert values["fault"] == "Error:Thermal Runaway, system stopped! Heater_ID: bed"
    assert values["job-result"] == "failed"
    with pytest.raises(Refused, match="switch it off and on"):
        bridge.execute("home", {})
    faults.tell("debug reset")
    values = poll_until(bridge, lambda values: values["state"] == "ready")
    assert values["fault"] == ""


@pytest.mark.sim_only
def test_closing_in_mid_job_leaves_nothing_hot(bridge: Bridge, truth: Truth, write: Write) -> None:
    bridge.execute("print", released(write(["M104 S60", *moves(400)])))
    eventually(lambda: truth.state()["nozzle_target"] == 60.0)
    bridge.close()
    assert truth.state()["nozzle_target"] == 0.0


@pytest.mark.sim_only
def test_agent_survives_twenty_unplugs(device: Watched, faults: Faults) -> None:
    baseline = resources_at_rest()
    for times in range(1, 21):
        faults.tell("unplug")
        device.until_lost()
        faults.tell("plug")
        device.until_back(times)
    assert device.faults() == [LinkLost] * 20
    assert_nothing_left_behind(baseline)


@pytest.mark.sim_only
def test_unplugged_in_mid_job_the_job_fails_and_the_printer_is_cooled(
    device: Watched, faults: Faults, truth: Truth, write: Write
) -> None:
    baseline = resources_at_rest()
    assert device.print(write(["M104 S60", *moves(400)])).status is CommandStatus.DONE
    device.until(printing)
    faults.tell("unplug")
    device.until_lost()
    assert truth.state()["nozzle_target"] == 60.0
    faults.tell("plug")
    assert device.until_back(1)["state"] == "ready"
    assert truth.state()["nozzle_target"] == 0.0
    assert device.faults() == [LinkLost]
    assert_nothing_left_behind(baseline)


@pytest.mark.sim_only
def test_killed_in_mid_job_the_printer_is_found_again(device: Watched, faults: Faults, write: Write) -> None:
    baseline = resources_at_rest()
    device.print(write(moves(400)))
    device.until(printing)
    faults.kill()
    device.until_lost()
    refused = device.do("home")
    assert (refused.status, refused.detail) == (CommandStatus.FAILED, "no contact")
    faults.restart()
    assert device.until_back(1)["state"] == "ready"
    assert device.faults() == [LinkLost]
    assert_nothing_left_behind(baseline)


@pytest.mark.sim_only
def test_killed_while_it_homes_the_printer_fails_that_command(device: Watched, faults: Faults) -> None:
    faults.tell("freeze on")
    command = device.order("home")
    faults.kill()
    assert device.outcome(command).status is CommandStatus.FAILED
    faults.restart()
    device.until_back(1)
    assert device.faults() == [LinkLost]
    assert device.do("home").status is CommandStatus.DONE


@pytest.mark.sim_only
def test_frozen_printer_is_reported_lost_once_and_readings_resume(device: Watched, faults: Faults) -> None:
    baseline = resources_at_rest()
    faults.tell("freeze on")
    device.until_lost()
    time.sleep(PROMPT["open_s"] + 1.0)  # longer than one attempt to open it
    assert device.faults() == [LinkLost]
    faults.tell("freeze off")
    device.until_back(1)
    assert device.faults() == [LinkLost]
    assert_nothing_left_behind(baseline)


@pytest.mark.sim_only
def test_garbage_alone_is_a_bad_reply_once_it_lasts(device: Watched, faults: Faults) -> None:
    baseline = resources_at_rest()
    faults.tell("freeze on")
    device.until_lost(meanwhile=lambda: faults.tell("garbage 300"))
    faults.tell("freeze off")
    device.until_back(1)
    assert device.faults() == [BadReply]
    assert_nothing_left_behind(baseline)


@pytest.mark.sim_only
def test_job_goes_on_through_garbage_a_megabyte_and_answers_byte_by_byte(
    device: Watched, faults: Faults, truth: Truth, write: Write
) -> None:
    baseline = resources_at_rest()
    lines = moves(70)
    device.print(write(lines))
    faults.tell("garbage 5000")
    faults.tell("huge 1000000")
    faults.tell("drip on")
    values = device.until(ended)
    assert values["job-result"] == "done"
    assert truth.done() == lines
    assert device.faults() == []
    assert_nothing_left_behind(baseline)
